//! `nixci eval`.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
};

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Failure,
    args::{EvalArgs, EvalFormatArg},
    print_error,
    setup::{Setup, close, runtime},
};
use crate::{
    eval::{EvalError, EvalFailure, EvalSummary, Evaluated, EvaluatedCheck},
    nix::{AttrPath, StorePath, System},
    report::{Format, harmless, resolve},
    run::{PooledStore, stops},
    store::{ClientSettings, Pool},
};

/// Connections for holding derivations and for the cache's questions.
const CONNECTIONS: usize = 4;

/// One check as a JSON line.
#[derive(Serialize)]
struct Line<'a> {
    check: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a System>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drv_path: Option<&'a StorePath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs: Option<&'a std::collections::BTreeMap<String, Option<StorePath>>>,
    #[serde(flatten)]
    failure: Option<Failed<'a>>,
}

#[derive(Serialize)]
struct Failed<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
}

/// One attribute that was looked at.
enum Found {
    Check(EvaluatedCheck),
    Failed(AttrPath, EvalFailure),
}

/// Evaluates and prints.
pub(super) fn eval(args: &EvalArgs) -> Result<ExitCode, Failure> {
    let setup = Setup::new(&args.source, None, None)?;
    let runtime = runtime()?;
    let code = runtime.block_on(run(args, setup))?;
    runtime.shutdown_background();
    Ok(ExitCode::from(code))
}

async fn run(args: &EvalArgs, setup: Setup) -> Result<u8, Failure> {
    let client = ClientSettings::default();
    let pool = Arc::new(Pool::new(setup.address().await, client, CONNECTIONS));
    let code = evaluate(args, setup, Arc::clone(&pool)).await;
    close(&pool).await;
    code
}

async fn evaluate(args: &EvalArgs, setup: Setup, pool: Arc<Pool>) -> Result<u8, Failure> {
    let store = Arc::new(PooledStore::new(pool, true));
    let evaluate = setup.into_evaluation(store).into_evaluate();
    let cancel = CancellationToken::new();
    let (found_tx, mut found_rx) = mpsc::channel(1024);
    let mut signals = stops().map_err(Failure::infrastructure)?;
    let mut evaluation = tokio::spawn(evaluate(found_tx, cancel.clone()));
    let mut found = Vec::new();
    let mut stopped = None;
    let mut failed = 0;
    loop {
        tokio::select! {
            evaluated = found_rx.recv() => match evaluated {
                None => break,
                Some(Evaluated::Check(check)) => found.push(Found::Check(check)),
                Some(Evaluated::Failed { path, error }) => {
                    failed += 1;
                    found.push(Found::Failed(path, error));
                }
                Some(Evaluated::Warning { path, message }) => warn(path.as_ref(), &message),
                Some(Evaluated::Progress { .. }) => continue,
            },
            Some(stop) = signals.recv() => {
                if stopped.replace(stop).is_some() {
                    return Ok(stop.exit_code());
                }
                cancel.cancel();
                continue;
            }
        }
        if args.format == EvalFormatArg::Json
            && let Some(last) = found.pop()
            && print(|out| print_json(out, &last))?.is_some()
        {
            cancel.cancel();
            return Ok(141);
        }
    }
    let (result, _) = (&mut evaluation).await.map_err(Failure::infrastructure)?;
    if let Some(stop) = stopped {
        return Ok(stop.exit_code());
    }
    let summary = match result {
        Ok(summary) => summary,
        Err(error) => {
            let code = if matches!(error, EvalError::Infrastructure(_)) {
                4
            } else {
                3
            };
            print_error(&error);
            return Ok(code);
        }
    };
    if args.format == EvalFormatArg::Table {
        found.sort_by(|a, b| path_of(a).cmp(path_of(b)));
        if print(|out| print_table(out, args, &found, &summary))?.is_some() {
            return Ok(141);
        }
    }
    Ok(u8::from(failed > 0))
}

fn path_of(found: &Found) -> &AttrPath {
    match found {
        Found::Check(check) => &check.path,
        Found::Failed(path, _) => path,
    }
}

fn warn(path: Option<&AttrPath>, message: &str) {
    let place = path.map(|path| format!("{path}: ")).unwrap_or_default();
    let _ = writeln!(
        io::stderr(),
        "warning: {}",
        harmless(&format!("{place}{message}"))
    );
}

/// Writes to stdout. `Some` if nobody reads it any more.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<Option<()>, Failure> {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Some(())),
        Err(error) => Err(Failure::infrastructure(anyhow::anyhow!(
            "cannot write the output: {error}"
        ))),
    }
}

fn print_json(out: &mut dyn Write, found: &Found) -> io::Result<()> {
    let (name, _) = path_of(found).split_system();
    let mut line = Line {
        check: path_of(found).to_string(),
        name: name.to_string(),
        system: None,
        drv_path: None,
        outputs: None,
        failure: None,
    };
    match found {
        Found::Check(check) => {
            line.system = Some(&check.system);
            line.drv_path = Some(&check.drv_path);
            line.outputs = Some(&check.outputs);
        }
        Found::Failed(_, failure) => {
            line.failure = Some(Failed {
                error: &failure.message,
                file: failure.file.as_deref(),
                line: failure.line,
                column: failure.column,
            });
        }
    }
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

fn print_table(
    out: &mut dyn Write,
    args: &EvalArgs,
    found: &[Found],
    summary: &EvalSummary,
) -> io::Result<()> {
    let look = resolve(
        Some(Format::Plain),
        args.color.wish(),
        0,
        io::stdout().is_terminal(),
        io::stderr().is_terminal(),
        |name| std::env::var(name).ok(),
    );
    let red = console::Style::new().red().force_styling(look.color);
    let rows: Vec<(String, String)> = found
        .iter()
        .map(|found| match found {
            Found::Check(check) => (shown(&check.path), check.drv_path.to_string()),
            Found::Failed(path, failure) => {
                let first = failure.message.lines().next().unwrap_or_default();
                let place = match (&failure.file, failure.line) {
                    (Some(file), Some(line)) => format!(" ({file}:{line})"),
                    _ => String::new(),
                };
                let text = harmless(&format!("error: {first}{place}"));
                (shown(path), red.apply_to(text).to_string())
            }
        })
        .collect();
    let width = rows
        .iter()
        .map(|(check, _)| console::measure_text_width(check))
        .max()
        .unwrap_or(0)
        .min(60);
    for (check, text) in &rows {
        let pad = width.saturating_sub(console::measure_text_width(check));
        writeln!(out, "{check}{:pad$}  {text}", "")?;
    }
    if rows.is_empty() {
        let systems: Vec<&str> = summary
            .systems_available
            .iter()
            .map(System::as_str)
            .collect();
        match systems.as_slice() {
            [] => writeln!(out, "nothing to build")?,
            systems => writeln!(
                out,
                "nothing to build for this machine; there is something for {}",
                systems.join(", ")
            )?,
        }
    }
    Ok(())
}

fn shown(path: &AttrPath) -> String {
    harmless(&path.to_string())
}
