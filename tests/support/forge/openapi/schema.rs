//! Whether a value fits a schema.
//!
//! The words are understood that occur where nixci asks and the fakes answer; any other one is an error, so that nothing
//! passes unnoticed. Stricter than the descriptions in one point: a field that they do not know is a mistake.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Who says a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// nixci.
    Request,
    /// The fake: it may leave out what nixci does not read, even where the forge always tells it.
    Answer,
}

/// Whether a value fits a schema that refers to others of `root`; the error begins with the place.
pub(crate) fn fits(root: &Value, schema: &Value, value: &Value, side: Side) -> Result<(), String> {
    Schemas::new(root, side).fits(schema, value)
}

/// The schemas of a description.
#[derive(Clone, Copy)]
pub(super) struct Schemas<'a> {
    root: &'a Value,
    side: Side,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(root: &'a Value, side: Side) -> Self {
        Self { root, side }
    }

    /// What a value is, if it is a reference to something else.
    pub(super) fn resolved(self, value: &'a Value) -> &'a Value {
        let mut value = value;
        while let Some(Value::String(reference)) = value.get("$ref") {
            let pointer = reference.trim_start_matches('#');
            let target = self.root.pointer(pointer);
            value = target.expect("what is referred to is there");
        }
        value
    }

    pub(super) fn fits(self, schema: &'a Value, value: &Value) -> Result<(), String> {
        self.check(schema, value, true)
    }

    /// Whether a part of a path or of a query is the text of a value that fits.
    pub(super) fn fits_text(self, schema: &'a Value, text: &str) -> Result<(), String> {
        let schema = self.resolved(schema);
        if schema["type"] == "array" {
            let mut entries = text.split(',');
            return entries.try_for_each(|entry| self.fits_text(&schema["items"], entry));
        }
        let Err(why) = self.fits(schema, &Value::String(text.to_owned())) else {
            return Ok(());
        };
        // Of a number or a truth value the text is the same as in JSON.
        let value: Option<Value> = serde_json::from_str(text).ok();
        let value = value.filter(|value| value.is_number() || value.is_boolean());
        if value.is_some_and(|value| self.fits(schema, &value).is_ok()) {
            Ok(())
        } else {
            Err(why)
        }
    }

    /// `is_strict`: whether a field that the schema does not know is a mistake; not so where another schema may know it.
    fn check(self, schema: &'a Value, value: &Value, is_strict: bool) -> Result<(), String> {
        let schema = self.resolved(schema);
        let words = schema.as_object().expect("a schema is an object");
        if value.is_null() && self.may_be_null(schema) {
            return Ok(());
        }
        for (word, rule) in words {
            match word.as_str() {
                // What says nothing of the value, or is looked at elsewhere; of Swagger 2.0 a parameter is a schema itself.
                "description"
                | "default"
                | "example"
                | "examples"
                | "externalDocs"
                | "title"
                | "deprecated"
                | "discriminator"
                | "readOnly"
                | "uniqueItems"
                | "nullable"
                | "properties"
                | "additionalProperties"
                | "name"
                | "in"
                | "collectionFormat" => {}
                word if word.starts_with("x-") => {}
                "type" => is_type(rule, value)?,
                "format" => has_format(rule, value)?,
                "enum" => {
                    let options = rule.as_array().expect("it is a list");
                    if !options.contains(value) {
                        return Err(format!(" = {value}: is none of {rule}"));
                    }
                }
                "maxLength" | "maxItems" | "minLength" | "minItems" => {
                    has_length(word, rule, value)?;
                }
                "minimum" | "maximum" => has_size(word, rule, value)?,
                "required" if self.side == Side::Answer => {}
                "required" => {
                    for name in rule.as_array().into_iter().flatten() {
                        let name = name.as_str().expect("a name is a string");
                        if value.is_object() && value.get(name).is_none() {
                            return Err(format!(": `{name}` is missing"));
                        }
                    }
                }
                "items" => {
                    for (index, entry) in value.as_array().into_iter().flatten().enumerate() {
                        self.fits(rule, entry)
                            .map_err(|why| format!("[{index}]{why}"))?;
                    }
                }
                "allOf" => {
                    let parts = rule.as_array().expect("it is a list");
                    parts
                        .iter()
                        .try_for_each(|part| self.check(part, value, false))?;
                }
                "anyOf" | "oneOf" => {
                    let options = rule.as_array().expect("it is a list");
                    let mut options = options.iter();
                    if !options.any(|option| self.check(option, value, false).is_ok()) {
                        return Err(format!(" = {value}: fits none of its {word}"));
                    }
                }
                other => {
                    return Err(format!(
                        ": the word `{other}` of a schema is not understood"
                    ));
                }
            }
        }
        self.fields(words, value, is_strict)
    }

    /// Swagger 2.0 has no word for it; of Gitea's and Forgejo's answers, what is empty in Go is `null`.
    fn may_be_null(self, schema: &Value) -> bool {
        schema["nullable"] == true || (self.side == Side::Answer && self.root["swagger"] == "2.0")
    }

    /// Whether the fields of an object fit.
    fn fields(
        self,
        schema: &'a Map<String, Value>,
        value: &Value,
        is_strict: bool,
    ) -> Result<(), String> {
        let known = schema.get("properties");
        let others = schema.get("additionalProperties");
        let is_open = match others {
            Some(rule) => *rule != Value::Bool(false),
            None => known.is_none(),
        };
        for (name, field) in value.as_object().into_iter().flatten() {
            let rule = known
                .and_then(|known| known.get(name))
                .or_else(|| others.filter(|rule| rule.is_object()));
            match rule {
                Some(rule) => self
                    .fits(rule, field)
                    .map_err(|why| format!(".{name}{why}"))?,
                None if is_strict && !is_open => {
                    return Err(format!(".{name}: there is no such field"));
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn is_type(rule: &Value, value: &Value) -> Result<(), String> {
    let fits = match rule.as_str().expect("a type is a string") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => return Err(format!(": the type `{other}` is not understood")),
    };
    if fits {
        Ok(())
    } else {
        Err(format!(" = {value}: is no {rule}"))
    }
}

/// Times are looked at; of addresses and the widths of numbers the forges are not exact themselves.
fn has_format(rule: &Value, value: &Value) -> Result<(), String> {
    match value.as_str() {
        Some(text) if rule == "date-time" && text.parse::<Timestamp>().is_err() => {
            Err(format!(" = {value}: is no time"))
        }
        _ => Ok(()),
    }
}

fn has_length(word: &str, rule: &Value, value: &Value) -> Result<(), String> {
    let length = if word.ends_with("Items") {
        value.as_array().map(Vec::len)
    } else {
        value.as_str().map(|text| text.chars().count())
    };
    let Some(length) = length else {
        return Ok(());
    };
    let limit = rule.as_u64().expect("it is a number");
    let fits = if word.starts_with("max") {
        length as u64 <= limit
    } else {
        length as u64 >= limit
    };
    if fits {
        Ok(())
    } else {
        Err(format!(": its length {length} is not within {word} {rule}"))
    }
}

fn has_size(word: &str, rule: &Value, value: &Value) -> Result<(), String> {
    let (Some(number), Some(limit)) = (value.as_f64(), rule.as_f64()) else {
        return Ok(());
    };
    let fits = if word == "maximum" {
        number <= limit
    } else {
        number >= limit
    };
    if fits {
        Ok(())
    } else {
        Err(format!(" = {value}: is not within {word} {rule}"))
    }
}
