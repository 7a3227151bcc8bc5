//! GitHub's own description of its interface, and whether a request fits it.
//!
//! `dev/install-forge-descriptions` gets it. It is `OpenAPI` 3.0; of its schemas the few words that occur in what nixci
//! sends are understood, and any other one is an error, so that nothing passes unnoticed. Stricter than the description in
//! one point: a field that it does not know is a mistake.

use std::{env, fs, path::PathBuf, sync::OnceLock};

use serde_json::{Map, Value};

use super::Asked;

/// A file that `dev/install-forge-descriptions` gets. `None`, with a word on stderr, where it cannot be had and this is no CI.
pub(crate) fn description(name: &str) -> Option<Value> {
    let content = fs::read(installed(name)?).expect("it can be read");
    Some(serde_json::from_slice(&content).expect("it is JSON"))
}

/// Where something is that `dev/install-forge-descriptions` gets; `None` as above.
#[allow(clippy::print_stderr, reason = "a test that is left out says so")]
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .expect("there is a home");
    let file = cache.join("nixci/forges").join(name);
    if file.exists() {
        return Some(file);
    }
    let hint = format!(
        "{} is missing; run dev/install-forge-descriptions",
        file.display()
    );
    assert!(env::var_os("NIXCI_CI").is_none(), "{hint}");
    eprintln!("SKIPPED: {hint}");
    None
}

fn github() -> Option<&'static Value> {
    static GITHUB: OnceLock<Option<Value>> = OnceLock::new();
    GITHUB
        .get_or_init(|| description("api.github.com.json"))
        .as_ref()
}

/// Holds a request against the description, if there is one.
pub(super) fn check(asked: &Asked) -> Result<(), String> {
    let Some(root) = github() else {
        return Ok(());
    };
    let request = format!("{} {}", asked.method, asked.path);
    // GitHub sends requests about repositories that were renamed on to these, which are not described.
    let path = match asked
        .path
        .trim_end_matches('/')
        .strip_prefix("/repositories/")
    {
        Some(rest) => match rest.split_once('/') {
            Some((_, rest)) => format!("/repos/owner/name/{rest}"),
            None => "/repos/owner/name".to_owned(),
        },
        None => asked.path.clone(),
    };
    let (template, item) = find(root, &path).ok_or(format!("{request}: there is no such path"))?;
    let operation = item
        .get(asked.method.as_str().to_lowercase())
        .ok_or(format!("{request}: {template} has no such method"))?;
    let parameters = operation["parameters"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for name in asked.query.keys() {
        let is_known = parameters.iter().any(|parameter| {
            let parameter = resolved(root, parameter);
            parameter["in"] == "query" && parameter["name"] == name.as_str()
        });
        if !is_known {
            return Err(format!("{request}: `{name}` is no parameter of {template}"));
        }
    }
    let content = &resolved(root, &operation["requestBody"])["content"]["application/json"];
    match (content.get("schema"), asked.body.is_null()) {
        (_, true) if operation["requestBody"]["required"] == true => {
            Err(format!("{request}: it needs a body"))
        }
        (_, true) => Ok(()),
        (None, false) => Err(format!("{request}: it takes no body")),
        (Some(schema), false) => {
            fits(root, schema, &asked.body, true).map_err(|why| format!("{request}: body{why}"))
        }
    }
}

fn find<'a>(root: &'a Value, path: &str) -> Option<(&'a String, &'a Value)> {
    let segments: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == segments.len()
            && parts
                .iter()
                .zip(&segments)
                .all(|(part, segment)| part.starts_with('{') || part == segment)
    };
    let mut paths = root["paths"].as_object()?.iter();
    // One without placeholders comes first where both fit.
    let mut found: Vec<_> = paths
        .by_ref()
        .filter(|(template, _)| fits(template))
        .collect();
    found.sort_by_key(|(template, _)| template.matches('{').count());
    found.first().copied()
}

fn resolved<'a>(root: &'a Value, value: &'a Value) -> &'a Value {
    let mut value = value;
    while let Some(Value::String(reference)) = value.get("$ref") {
        let pointer = reference.trim_start_matches('#');
        value = root.pointer(pointer).expect("what is referred to is there");
    }
    value
}

/// Whether a value fits a schema; the error begins with the place.
pub(crate) fn fits(
    root: &Value,
    schema: &Value,
    value: &Value,
    is_strict: bool,
) -> Result<(), String> {
    let schema = resolved(root, schema)
        .as_object()
        .expect("a schema is an object");
    if value.is_null() && schema.get("nullable") == Some(&Value::Bool(true)) {
        return Ok(());
    }
    for (word, rule) in schema {
        match word.as_str() {
            "description"
            | "default"
            | "example"
            | "examples"
            | "format"
            | "title"
            | "nullable"
            | "additionalProperties"
            | "deprecated"
            | "x-multi-segment" => {}
            "type" => is_type(rule, value)?,
            "enum" => {
                let options = rule.as_array().expect("it is a list");
                if !options.contains(value) {
                    return Err(format!(" = {value}: is none of {rule}"));
                }
            }
            "maxLength" => {
                let length = value.as_str().map_or(0, |text| text.chars().count());
                if length as u64 > rule.as_u64().expect("it is a number") {
                    return Err(format!(": has {length} characters, more than {rule}"));
                }
            }
            "maxItems" => {
                let length = value.as_array().map_or(0, Vec::len);
                if length as u64 > rule.as_u64().expect("it is a number") {
                    return Err(format!(": has {length} entries, more than {rule}"));
                }
            }
            "required" => {
                for name in rule.as_array().into_iter().flatten() {
                    let name = name.as_str().expect("a name is a string");
                    if value.is_object() && value.get(name).is_none() {
                        return Err(format!(": `{name}` is missing"));
                    }
                }
            }
            "properties" => properties(root, schema, rule, value, is_strict)?,
            "items" => {
                for (index, entry) in value.as_array().into_iter().flatten().enumerate() {
                    fits(root, rule, entry, true).map_err(|why| format!("[{index}]{why}"))?;
                }
            }
            "anyOf" | "oneOf" => {
                let options = rule.as_array().expect("it is a list");
                if !options
                    .iter()
                    .any(|option| fits(root, option, value, false).is_ok())
                {
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
    Ok(())
}

fn properties(
    root: &Value,
    schema: &Map<String, Value>,
    known: &Value,
    value: &Value,
    is_strict: bool,
) -> Result<(), String> {
    let is_open = schema
        .get("additionalProperties")
        .is_some_and(|rule| *rule != Value::Bool(false));
    for (name, field) in value.as_object().into_iter().flatten() {
        match known.get(name) {
            Some(schema) => {
                fits(root, schema, field, true).map_err(|why| format!(".{name}{why}"))?;
            }
            None if is_strict && !is_open => {
                return Err(format!(".{name}: there is no such field"));
            }
            None => {}
        }
    }
    Ok(())
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
