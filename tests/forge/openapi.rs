//! That a request which does not fit a forge's description is seen, and an answer that the forge would not give.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::fake::openapi::{Call, Description, Side, fits};

/// A request, and why it is wrong; right if there is no reason.
pub(crate) struct Case {
    method: &'static str,
    path: String,
    body: Value,
    why: Option<&'static str>,
}

impl Case {
    pub(crate) fn is_as_expected(&self, check: impl Fn(&Call<'_>) -> Result<(), String>) {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let Self {
            method, body, why, ..
        } = self;
        let found = check(&Call {
            method,
            path,
            query: &query,
            body,
        });
        let what = format!("{method} {} {body}", self.path);
        match (why, found) {
            (None, found) => assert_eq!(found, Ok(()), "{what}"),
            (Some(why), Ok(())) => panic!("{what}: it is not seen that {why}"),
            (Some(why), Err(found)) => assert!(found.contains(why), "{what}: {found}"),
        }
    }
}

pub(crate) fn right(method: &'static str, path: &str, body: Value) -> Case {
    Case {
        method,
        path: path.to_owned(),
        body,
        why: None,
    }
}

pub(crate) fn wrong(method: &'static str, path: &str, body: Value, why: &'static str) -> Case {
    Case {
        why: Some(why),
        ..right(method, path, body)
    }
}

#[test]
fn what_does_not_fit_a_schema_is_seen() {
    let root = json!({ "schemas": { "state": { "type": "string", "enum": ["a", "b"], "nullable": true } } });
    let schema = json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 4 },
            "state": { "$ref": "#/schemas/state" },
            "list": { "type": "array", "maxItems": 1, "items": { "type": "integer", "minimum": 0, "maximum": 100 } },
            "map": { "type": "object", "additionalProperties": { "type": "string" } },
            "at": { "type": "string", "format": "date-time" },
        },
        "allOf": [{ "properties": { "map": { "type": "object" } } }],
        "anyOf": [{ "properties": { "state": { "enum": ["a"] } }, "required": ["list"] }, { "properties": { "state": { "enum": ["b"] } } }],
    });
    let check = |value: &Value, side| fits(&root, &schema, value, side);
    for right in [
        json!({ "name": "üüü" }),
        json!({ "name": "n", "state": "b", "list": [] }),
        json!({ "name": "n", "state": "a", "list": [1] }),
        json!({ "name": "n", "map": { "any": "text" }, "at": "2026-11-20T18:00:00Z" }),
    ] {
        assert_eq!(check(&right, Side::Request), Ok(()), "{right}");
    }
    for wrong in [
        json!({}),
        json!([]),
        json!({ "name": 1 }),
        json!({ "name": null }),
        json!({ "name": "" }),
        json!({ "name": "fiver" }),
        json!({ "name": "n", "other": 1 }),
        json!({ "name": "n", "state": "c" }),
        json!({ "name": "n", "state": "a" }),
        json!({ "name": "n", "list": [1, 2] }),
        json!({ "name": "n", "list": ["x"] }),
        json!({ "name": "n", "list": [101] }),
        json!({ "name": "n", "list": [-1] }),
        json!({ "name": "n", "list": [1.5] }),
        json!({ "name": "n", "map": [] }),
        json!({ "name": "n", "map": { "any": 1 } }),
        json!({ "name": "n", "at": "yesterday" }),
    ] {
        assert!(check(&wrong, Side::Request).is_err(), "{wrong}");
    }
    // A fake tells what is read.
    assert_eq!(check(&json!({}), Side::Answer), Ok(()));
    assert!(check(&json!({ "name": 1 }), Side::Answer).is_err());
    let unknown = json!({ "pattern": "x" });
    assert!(
        fits(&root, &unknown, &json!("x"), Side::Request).is_err(),
        "a word that is not understood"
    );
}

/// The same interface, described in both ways.
fn described() -> [Description; 2] {
    let wish = json!({
        "type": "object",
        "required": ["url", "kind"],
        "properties": {
            "url": { "type": "string" },
            "kind": { "type": "string", "enum": ["web", "mail"] },
            "active": { "type": "boolean" },
        },
    });
    let hook = json!({
        "type": "object",
        "required": ["id", "url"],
        "properties": { "id": { "type": "integer" }, "url": { "type": "string" } },
    });
    let swagger = json!({
        "swagger": "2.0",
        "paths": {
            "/hooks": {
                "get": {
                    "parameters": [
                        { "in": "query", "name": "page", "type": "integer" },
                        { "in": "query", "name": "all", "type": "boolean" },
                        { "in": "query", "name": "sort", "type": "string", "enum": ["old", "new"] },
                        { "in": "query", "name": "ids", "type": "array", "collectionFormat": "csv", "items": { "type": "integer" } },
                        { "in": "query", "name": "of", "type": "string", "required": true },
                    ],
                    "responses": { "200": { "$ref": "#/responses/hooks" } },
                },
                "post": {
                    "parameters": [{ "in": "body", "name": "body", "required": true, "schema": { "$ref": "#/definitions/wish" } }],
                    "responses": { "201": { "schema": { "$ref": "#/definitions/hook" } } },
                },
            },
            "/hooks/{id}": {
                "parameters": [{ "in": "path", "name": "id", "required": true, "type": "integer" }],
                "delete": { "responses": { "204": { "description": "" } } },
            },
        },
        "definitions": { "wish": wish, "hook": hook },
        "responses": { "hooks": { "schema": { "type": "array", "items": { "$ref": "#/definitions/hook" } } } },
    });
    let body = |schema: Value| json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    let openapi = json!({
        "openapi": "3.0.3",
        "paths": {
            "/hooks": {
                "get": {
                    "parameters": [
                        { "$ref": "#/components/parameters/page" },
                        { "in": "query", "name": "all", "schema": { "type": "boolean" } },
                        { "in": "query", "name": "sort", "schema": { "type": "string", "enum": ["old", "new"] } },
                        { "in": "query", "name": "ids", "schema": { "type": "array", "items": { "type": "integer" } } },
                        { "in": "query", "name": "of", "schema": { "type": "string" }, "required": true },
                    ],
                    "responses": { "200": body(json!({ "type": "array", "items": { "$ref": "#/components/schemas/hook" } })) },
                },
                "post": {
                    "requestBody": body(json!({ "$ref": "#/components/schemas/wish" })),
                    "responses": { "201": body(json!({ "$ref": "#/components/schemas/hook" })) },
                },
            },
            "/hooks/{id}": {
                "parameters": [{ "in": "path", "name": "id", "required": true, "schema": { "type": "integer" } }],
                "delete": { "responses": { "204": { "description": "" } } },
            },
        },
        "components": {
            "parameters": { "page": { "in": "query", "name": "page", "schema": { "type": "integer" } } },
            "schemas": { "wish": wish, "hook": hook },
        },
    });
    [
        Description::new("2.0", swagger),
        Description::new("3.0", openapi),
    ]
}

#[test]
fn mistakes_in_requests_are_seen_in_both_versions() {
    let wish = || json!({ "url": "u", "kind": "web", "active": true });
    let changed = |field: &str, value: Value| {
        let mut wish = wish();
        wish[field] = value;
        wish
    };
    let cases = [
        right("GET", "/hooks?of=x", Value::Null),
        right(
            "GET",
            "/hooks?of=1&page=2&all=true&sort=new&ids=1,2",
            Value::Null,
        ),
        right("POST", "/hooks", wish()),
        right("DELETE", "/hooks/7", Value::Null),
        wrong("GET", "/hoks?of=x", Value::Null, "there is no such path"),
        wrong("DELETE", "/hooks/7/x", Value::Null, "there is no such path"),
        wrong("PUT", "/hooks?of=x", Value::Null, "no such method"),
        wrong("DELETE", "/hooks/a", Value::Null, "{id} = \"a\""),
        wrong("DELETE", "/hooks/", Value::Null, "{id} = \"\""),
        wrong("GET", "/hooks?of=x&per=2", Value::Null, "`per` is no param"),
        wrong("GET", "/hooks?of=x&page=two", Value::Null, "?page = "),
        wrong(
            "GET",
            "/hooks?of=x&page=1.5",
            Value::Null,
            "?page = \"1.5\"",
        ),
        wrong("GET", "/hooks?of=x&all=yes", Value::Null, "?all = "),
        wrong("GET", "/hooks?of=x&all=1", Value::Null, "?all = \"1\""),
        wrong("GET", "/hooks?of=x&sort=up", Value::Null, "none of"),
        wrong("GET", "/hooks?of=x&ids=1,b", Value::Null, "?ids = \"b\""),
        wrong("GET", "/hooks", Value::Null, "`of` is missing"),
        wrong("GET", "/hooks?of=x", wish(), "it takes no body"),
        wrong("POST", "/hooks", Value::Null, "it needs a body"),
        wrong("POST", "/hooks", json!([]), "is no \"object\""),
        wrong("POST", "/hooks", json!({ "url": "u" }), "`kind` is missing"),
        wrong("POST", "/hooks", changed("url", json!(1)), "body.url = 1"),
        wrong(
            "POST",
            "/hooks",
            changed("active", json!("yes")),
            "body.act",
        ),
        wrong("POST", "/hooks", changed("kind", json!("post")), "none of"),
        wrong(
            "POST",
            "/hooks",
            changed("other", json!(1)),
            "no such field",
        ),
    ];
    for description in described() {
        for case in &cases {
            case.is_as_expected(|call| description.request(call));
        }
    }
}

#[test]
fn answers_that_no_forge_gives_are_seen_in_both_versions() {
    let query = BTreeMap::new();
    let wish = json!({ "url": "u", "kind": "web" });
    let post = Call {
        method: "POST",
        path: "/hooks",
        query: &query,
        body: &wish,
    };
    let get = Call {
        method: "GET",
        body: &Value::Null,
        ..post
    };
    for description in described() {
        let answer = |call, status, body: Value| description.answer(call, status, &body);
        assert_eq!(answer(&post, 201, json!({ "id": 1, "url": "u" })), Ok(()));
        assert_eq!(answer(&post, 201, json!({ "id": 1 })), Ok(()));
        assert_eq!(answer(&get, 200, json!([{ "id": 1 }])), Ok(()));
        assert_eq!(answer(&post, 500, json!("out of order")), Ok(()));
        for (call, status, body, why) in [
            (&post, 200, json!({ "id": 1 }), "no answer 200"),
            (&post, 201, json!({ "id": "1" }), ".id = \"1\""),
            (&post, 201, json!({ "name": "n" }), "no such field"),
            (&get, 200, json!({ "id": 1 }), "is no \"array\""),
            (&get, 200, json!([{ "id": true }]), "[0].id = true"),
        ] {
            let found = answer(call, status, body).unwrap_err();
            assert!(found.contains(why), "{found}");
        }
    }
}
