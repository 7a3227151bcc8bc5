//! The expressions of the command line, on their way to a worker.
//!
//! A worker reads lines, and would wait for the rest of an expression that is not complete: so each is given to a `nix`
//! of its own first, which says what is wrong with it.

use std::ffi::OsString;

use tokio_util::sync::CancellationToken;

use super::{nix_output::NixOutput, root, text, worker::names};
use crate::eval::{EvalError, EvalRequest, FileSource};

/// Checks that every expression is one.
pub(super) async fn check(
    request: &EvalRequest,
    stop: &CancellationToken,
) -> Result<(), EvalError> {
    let scope = &request.scope;
    let functions = [("--select", &scope.select), ("--apply", &scope.apply)];
    let functions = functions
        .into_iter()
        .filter_map(|(option, function)| Some((option.to_owned(), function.as_deref()?)));
    let args = scope.file.iter().flat_map(|file| &file.args);
    let args = args.map(|(name, expression)| (format!("--arg {name}"), expression.as_str()));
    for (option, expression) in functions.chain(args) {
        if !is_plain(expression)
            && !request.options.impure
            && request.nix_version < (2, root::PURE_SINCE)
        {
            return Err(EvalError::Usage(format!(
                "before Nix 2.{} the expression of `{option}` must be a single line of ASCII without `#`",
                root::PURE_SINCE
            )));
        }
        // In a function, so that nothing is evaluated; on lines of its own, since it may end in a comment.
        let wrapped = format!("builtins.typeOf (_: (\n{expression}\n))");
        let arguments = ["eval", "--impure", "--raw", "--expr", &wrapped].map(OsString::from);
        let output = NixOutput::of(request, &arguments, stop).await?;
        if !output.status.success() {
            let error = output.error.unwrap_or_default();
            let why = error.lines().map(str::trim).find(|line| !line.is_empty());
            return Err(EvalError::Usage(format!(
                "the expression of `{option}` is wrong: {}",
                why.unwrap_or("Nix gives no reason")
                    .trim_start_matches("error:")
                    .trim_start()
            )));
        }
    }
    Ok(())
}

/// What is said to a worker before it looks at anything: `k`, what is done to values on the way; `a`, what is applied to
/// derivations; and `r`, the outputs of the flake or the value of the file, which is what the expression `root` gives.
pub(super) fn opening(request: &EvalRequest, root: &str) -> String {
    let scope = &request.scope;
    let call = match &scope.file {
        Some(file) => auto_call(file),
        None => "k = value: value\n".to_owned(),
    };
    let apply = scope.apply.as_deref().map(expression);
    let apply = apply.as_deref().unwrap_or("null");
    let Some(select) = &scope.select else {
        return format!("{call}a = {apply}\nr = {root}\n");
    };
    let select = expression(select);
    let replace = text::one_line(include_str!("replace.nix"));
    let asked = &request.installable.attribute;
    let paths: Vec<_> = scope
        .roots()
        .iter()
        .map(|root| names(asked.join(root).names()))
        .collect();
    let paths = paths.join(" ");
    format!("{call}a = {apply}\ne = {select}\nm = {replace}\no = {root}\nr = m e [ {paths} ] o\n")
}

/// The arguments that set the search path.
pub(super) fn search_path(request: &EvalRequest) -> Vec<OsString> {
    let include = request.scope.file.iter().flat_map(|file| &file.include);
    include
        .flat_map(|entry| ["-I".into(), entry.into()])
        .collect()
}

fn auto_call(file: &FileSource) -> String {
    let lines: Vec<String> = file
        .args
        .iter()
        .enumerate()
        .map(|(at, (_, value))| format!("e{at} = {}\n", expression(value)))
        .collect();
    let args = file.args.iter().enumerate();
    let args = args.map(|(at, (name, _))| format!("{} = e{at};", text::string(name)));
    let strings = file.strings.iter();
    let strings =
        strings.map(|(name, value)| format!("{} = {};", text::string(name), text::string(value)));
    let args: Vec<_> = args.chain(strings).collect();
    let call = text::one_line(include_str!("auto_call.nix"));
    format!("{}k = ({call}) {{ {} }}\n", lines.concat(), args.join(" "))
}

/// Writes an expression of the command line as one line.
fn expression(expression: &str) -> String {
    if is_plain(expression) {
        // Paths in it are those below the folder nixci runs in.
        expression.to_owned()
    } else {
        format!(
            "import (builtins.toFile \"expression.nix\" {})",
            text::string(expression)
        )
    }
}

/// Whether a worker can be told an expression as it is. A comment would hide what newer versions put behind it.
fn is_plain(expression: &str) -> bool {
    expression
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'#')
}

#[cfg(test)]
mod tests;
