//! The `nixConfig` of a flake, for `--accept-flake-config`.
//!
//! Nix applies it only in the process that locks the flake, so workers get it as options. Apart from locking because it
//! is asked for only if the user accepts it.

use std::ffi::OsString;

use serde_json::{Map, Value};

use super::{locked_flake::LockedFlake, nix_output::NixOutput, text};
use crate::eval::{EvalError, EvalRequest, failure::FailureContext};

/// Reads the settings that the flake asks for, as names and values for `--option`.
pub(super) async fn read(
    request: &EvalRequest,
    flake: &LockedFlake,
) -> Result<Vec<(String, String)>, EvalError> {
    let arguments = ["eval", "--json", "--expr", &expression(flake)].map(OsString::from);
    let output = NixOutput::of(request, &arguments).await?;
    if !output.status.success() {
        let error = output.error.unwrap_or_default();
        return Err(EvalError::Flake(FailureContext::default().failure(&error)));
    }
    let config: Map<String, Value> = serde_json::from_slice(&output.stdout).map_err(|error| {
        EvalError::Infrastructure(format!("cannot read the flake's `nixConfig`: {error}"))
    })?;
    Ok(config
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), setting(value)?)))
        .collect())
}

/// The expression for the configuration, from the tree that is in the store.
fn expression(flake: &LockedFlake) -> String {
    let nar_hash = flake.locked.get("narHash").and_then(Value::as_str);
    let tree = format!(
        "builtins.path {{ path = {}; name = \"source\"; sha256 = {}; }}",
        text::string(&flake.path),
        text::string(nar_hash.unwrap_or_default())
    );
    let file = match flake.dir() {
        "" => "/flake.nix".to_owned(),
        dir => format!("/{dir}/flake.nix"),
    };
    format!(
        "(import ({tree} + {})).nixConfig or {{ }}",
        text::string(&file)
    )
}

/// Writes a value as a configuration file has it; `None` for what no setting can be.
fn setting(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(values) => {
            let words: Option<Vec<_>> = values.iter().map(Value::as_str).collect();
            Some(words?.join(" "))
        }
        Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::setting;

    #[test]
    fn values_become_settings() {
        let of = |value| setting(&value);
        assert_eq!(of(json!("a b")).as_deref(), Some("a b"));
        assert_eq!(of(json!(true)).as_deref(), Some("true"));
        assert_eq!(of(json!(12)).as_deref(), Some("12"));
        assert_eq!(of(json!(["a", "b"])).as_deref(), Some("a b"));
        assert_eq!(of(json!([])).as_deref(), Some(""));
        assert_eq!(of(json!([1])), None);
        assert_eq!(of(json!({})), None);
    }
}
