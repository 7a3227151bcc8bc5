//! That a request which does not fit the description is seen.

use serde_json::json;

use crate::fake::openapi::fits;

#[test]
fn what_does_not_fit_a_schema_is_seen() {
    let root = json!({ "schemas": { "state": { "type": "string", "enum": ["a", "b"], "nullable": true } } });
    let schema = json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": { "type": "string", "maxLength": 3 },
            "state": { "$ref": "#/schemas/state" },
            "list": { "type": "array", "maxItems": 1, "items": { "type": "integer" } },
        },
        "anyOf": [{ "properties": { "state": { "enum": ["a"] } }, "required": ["list"] }, { "properties": { "state": { "enum": ["b"] } } }],
    });
    let check = |value| fits(&root, &schema, &value, true);
    for right in [
        json!({ "name": "üüü" }),
        json!({ "name": "", "state": "b", "list": [] }),
        json!({ "name": "", "state": "a", "list": [1] }),
    ] {
        assert_eq!(check(right.clone()), Ok(()), "{right}");
    }
    for wrong in [
        json!({}),
        json!([]),
        json!({ "name": 1 }),
        json!({ "name": "four" }),
        json!({ "name": "", "other": 1 }),
        json!({ "name": "", "state": "c" }),
        json!({ "name": "", "state": "a" }),
        json!({ "name": "", "list": [1, 2] }),
        json!({ "name": "", "list": ["x"] }),
    ] {
        assert!(check(wrong.clone()).is_err(), "{wrong}");
    }
    assert!(
        fits(&root, &json!({ "pattern": "x" }), &json!("x"), true).is_err(),
        "a word that is not understood"
    );
}
