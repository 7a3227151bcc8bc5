//! Nix expressions as text for `nix repl`, whose line editor takes only printable ASCII in single lines.
//!
//! Apart because every byte that reaches a worker goes through here. Pure.

use std::fmt::Write as _;

/// Makes one line of a Nix file: without lines that are comments, line breaks and indentation.
pub(in crate::eval) fn one_line(file: &str) -> String {
    let lines = file.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Writes a Nix expression for a string.
pub(in crate::eval) fn string(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        literal(text)
    } else {
        let json = serde_json::Value::from(text).to_string();
        format!("(builtins.fromJSON {})", literal(&ascii(&json)))
    }
}

/// Writes a Nix expression for a value of the JSON data model.
pub(super) fn json(value: &serde_json::Value) -> String {
    format!(
        "(builtins.fromJSON {})",
        literal(&ascii(&value.to_string()))
    )
}

/// Writes a Nix expression for a list of strings.
pub(in crate::eval) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(string).collect();
    format!("[{}]", texts.join(" "))
}

/// Writes printable ASCII as a Nix string literal.
fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Escapes what is not printable ASCII in a JSON text; it can only be inside of strings.
fn ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").expect("a String takes everything");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
