//! A description of an interface: `OpenAPI` 3.0 or Swagger 2.0.
//!
//! They differ in where the type of a parameter, the body of a request and the schema of an answer are.

use serde_json::Value;

use super::{
    Call,
    schema::{Schemas, Side},
};

/// What a forge says of its interface.
pub(crate) struct Description {
    name: &'static str,
    root: Value,
}

/// What a description says of a request.
struct Operation<'a> {
    /// The path with placeholders.
    template: &'a str,
    /// Of the path and of the method.
    parameters: Vec<&'a Value>,
    described: &'a Value,
}

impl Description {
    /// The description with the name of its forge, for what goes wrong.
    pub(crate) fn new(name: &'static str, root: Value) -> Self {
        Self { name, root }
    }

    /// Whether a request fits: it exists, and what it is made of has the right names, types and values.
    pub(crate) fn request(&self, call: &Call<'_>) -> Result<(), String> {
        let check = || {
            let operation = self.operation(call)?;
            self.path(call, &operation)?;
            self.query(call, &operation)?;
            self.body(call, &operation)
        };
        check().map_err(|why: String| self.about(call, &why))
    }

    /// Whether an answer fits, as far as it tells of success: it may tell less than the forge, but nothing else.
    pub(crate) fn answer(&self, call: &Call<'_>, status: u16, body: &Value) -> Result<(), String> {
        if !(200..300).contains(&status) {
            return Ok(());
        }
        let check = || {
            let answers = &self.operation(call)?.described["responses"];
            let answer = answers
                .get(status.to_string())
                .ok_or(format!("there is no answer {status}"))?;
            let answer = self.schemas(Side::Answer).resolved(answer);
            match self.schema_of(answer) {
                Some(schema) => self
                    .schemas(Side::Answer)
                    .fits(schema, body)
                    .map_err(|why| format!("answer{why}")),
                None => Ok(()),
            }
        };
        check().map_err(|why: String| self.about(call, &why))
    }

    fn about(&self, call: &Call<'_>, why: &str) -> String {
        let Self { name, .. } = self;
        format!("{name}: {} {}: {why}", call.method, call.path)
    }

    fn schemas(&self, side: Side) -> Schemas<'_> {
        Schemas::new(&self.root, side)
    }

    fn is_swagger_2(&self) -> bool {
        self.root["swagger"] == "2.0"
    }

    /// The schema of a body: of a request or an answer.
    fn schema_of<'a>(&self, of: &'a Value) -> Option<&'a Value> {
        if self.is_swagger_2() {
            of.get("schema")
        } else {
            of["content"]["application/json"].get("schema")
        }
    }

    fn operation<'a>(&'a self, call: &Call<'_>) -> Result<Operation<'a>, String> {
        let (template, item) = self.find(call.path).ok_or("there is no such path")?;
        let operation = item
            .get(call.method.to_lowercase())
            .ok_or(format!("{template} has no such method"))?;
        let schemas = self.schemas(Side::Request);
        let parameters = [item, operation]
            .into_iter()
            .filter_map(|of| of["parameters"].as_array())
            .flatten()
            .map(|parameter| schemas.resolved(parameter))
            .collect();
        Ok(Operation {
            template,
            parameters,
            described: operation,
        })
    }

    fn find(&self, path: &str) -> Option<(&str, &Value)> {
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<&str> = template.split('/').collect();
            parts.len() == segments.len()
                && parts
                    .iter()
                    .zip(&segments)
                    .all(|(part, segment)| part.starts_with('{') || part == segment)
        };
        let paths = self.root["paths"].as_object()?;
        // One without placeholders comes first where both fit.
        paths
            .iter()
            .filter(|(template, _)| fits(template))
            .min_by_key(|(template, _)| template.matches('{').count())
            .map(|(template, item)| (template.as_str(), item))
    }

    fn path(&self, call: &Call<'_>, operation: &Operation<'_>) -> Result<(), String> {
        let parts = operation.template.split('/').zip(call.path.split('/'));
        for (part, segment) in parts {
            let Some(name) = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'))
            else {
                continue;
            };
            if let Some(parameter) = operation.parameter("path", name) {
                self.text(parameter, segment)
                    .map_err(|why| format!("{{{name}}}{why}"))?;
            }
        }
        Ok(())
    }

    fn query(&self, call: &Call<'_>, operation: &Operation<'_>) -> Result<(), String> {
        for (name, text) in call.query {
            let parameter = operation
                .parameter("query", name)
                .ok_or(format!("`{name}` is no parameter"))?;
            self.text(parameter, text)
                .map_err(|why| format!("?{name}{why}"))?;
        }
        let wanted = operation.parameters.iter().filter(|parameter| {
            parameter["in"] == "query" && parameter["required"] == Value::Bool(true)
        });
        for parameter in wanted {
            let name = parameter["name"].as_str().expect("a name is a string");
            if !call.query.contains_key(name) {
                return Err(format!("the parameter `{name}` is missing"));
            }
        }
        Ok(())
    }

    /// Whether a text can be the value of a parameter.
    fn text(&self, parameter: &Value, text: &str) -> Result<(), String> {
        let schemas = self.schemas(Side::Request);
        let schema = if self.is_swagger_2() {
            parameter
        } else {
            &parameter["schema"]
        };
        schemas.fits_text(schema, text)
    }

    fn body(&self, call: &Call<'_>, operation: &Operation<'_>) -> Result<(), String> {
        let schemas = self.schemas(Side::Request);
        let described = if self.is_swagger_2() {
            let mut parameters = operation.parameters.iter().copied();
            parameters.find(|parameter| parameter["in"] == "body")
        } else {
            let body = operation.described.get("requestBody");
            body.map(|body| schemas.resolved(body))
        };
        let is_wanted = described.is_some_and(|described| described["required"] == true);
        match (
            described.and_then(|described| self.schema_of(described)),
            call.body,
        ) {
            (_, Value::Null) if is_wanted => Err("it needs a body".to_owned()),
            (_, Value::Null) => Ok(()),
            (None, _) => Err("it takes no body".to_owned()),
            (Some(schema), body) => schemas
                .fits(schema, body)
                .map_err(|why| format!("body{why}")),
        }
    }
}

impl Operation<'_> {
    fn parameter(&self, place: &str, name: &str) -> Option<&Value> {
        let mut parameters = self.parameters.iter().copied();
        parameters.find(|parameter| parameter["in"] == place && parameter["name"] == name)
    }
}
