//! The `nixConfig` of a flake, for `--accept-flake-config`.
//!
//! Nix applies it only in the process that locks the flake, so workers get it as options. Apart from locking because it
//! is asked for only if the user accepts it.

use std::process::Stdio;

use serde_json::{Map, Value};
use tokio::{io::AsyncReadExt, process::Command};

use super::{common_arguments, locked_flake::LockedFlake, text};
use crate::eval::{
    EvalError, EvalRequest,
    failure::FailureContext,
    process::Process,
    sections::{SectionKind, Sections},
};

/// The largest configuration that is read, in bytes.
const CONFIG_MAX: u64 = 1 << 20;

/// Reads the settings that the flake asks for, as names and values for `--option`.
pub(super) async fn read(
    request: &EvalRequest,
    flake: &LockedFlake,
) -> Result<Vec<(String, String)>, EvalError> {
    let mut process = Process::spawn(
        Command::new(&request.nix)
            .args(common_arguments(request, &[]))
            .args(["eval", "--json", "--expr", &expression(flake)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    )?;
    let (stdout, mut stderr) = (process.stdout(), process.stderr());
    let mut json = Vec::new();
    let mut limited = stdout.take(CONFIG_MAX);
    let said = async {
        let (mut sections, mut error) = (Sections::default(), None);
        while let Some(line) = stderr.next().await {
            sections.push(&line);
        }
        if let Some(section) = sections.finish()
            && section.kind == SectionKind::Error
        {
            error = Some(section.text);
        }
        error
    };
    let (_, error) = tokio::join!(limited.read_to_end(&mut json), said);
    let status = process.wait().await?;
    if let Some(error) = error.filter(|_| !status.success()) {
        return Err(EvalError::Flake(FailureContext::default().failure(&error)));
    }
    let config: Map<String, Value> = serde_json::from_slice(&json).map_err(|error| {
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
