//! The settings of Nix that a flake wishes for: `nixConfig` in its `flake.nix`.
//!
//! Asked for only with `--accept-flake-config`. Whatever goes wrong here goes wrong in the evaluation again, and is told
//! there.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::NixHost;

/// Returns the settings that a flake wishes for, as names and values of `--option`.
pub fn flake_config(
    host: &NixHost,
    flake: &str,
    options: &[(String, String)],
) -> Vec<(String, String)> {
    let Some(metadata) = ask(host, options, &["flake", "metadata", "--json", flake]) else {
        return Vec::new();
    };
    let Some(path) = metadata["path"].as_str() else {
        return Vec::new();
    };
    let locked = &metadata["locked"];
    // The folder of the flake below its source, where it is not the top.
    let file = match locked["dir"].as_str() {
        Some(dir) => format!("/{dir}/flake.nix"),
        None => "/flake.nix".to_owned(),
    };
    // Pure, as everything of the flake: the tree is named by its hash.
    let expression = format!(
        "(import (builtins.path {{ path = {}; name = \"source\"; sha256 = {}; }} + {})).nixConfig or {{ }}",
        nix_string(path),
        nix_string(locked["narHash"].as_str().unwrap_or_default()),
        nix_string(&file)
    );
    let settings = ask(host, options, &["eval", "--json", "--expr", &expression]);
    let Some(Value::Object(settings)) = settings else {
        return Vec::new();
    };
    settings
        .into_iter()
        .filter_map(|(name, value)| Some((name, setting(&value)?)))
        .collect()
}

/// A text as the Nix language has it.
pub(super) fn nix_string(text: &str) -> String {
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('$', "\\$");
    format!("\"{text}\"")
}

/// A value as `nix.conf` has it.
fn setting(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(values) => {
            let values: Option<Vec<String>> = values.iter().map(setting).collect();
            Some(values?.join(" "))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// Asks Nix for something it answers in JSON.
pub(super) fn ask(host: &NixHost, options: &[(String, String)], args: &[&str]) -> Option<Value> {
    let mut command = Command::new(&host.program);
    command
        .args(["--extra-experimental-features", "nix-command flakes"])
        .args(args);
    for (name, value) in options {
        command.args(["--option", name, value]);
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::setting;

    #[test]
    fn values_are_written_as_in_nix_conf() {
        assert_eq!(setting(&json!("a b")), Some("a b".into()));
        assert_eq!(setting(&json!(true)), Some("true".into()));
        assert_eq!(setting(&json!(3)), Some("3".into()));
        assert_eq!(setting(&json!(["a", "b"])), Some("a b".into()));
        assert_eq!(setting(&json!({})), None);
    }
}
