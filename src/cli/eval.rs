//! `nixci eval`.

use std::{
    collections::HashSet,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
};

use serde::Serialize;

use super::{
    Failure,
    args::EvalArgs,
    choices::{ByArg, EvalFormatArg},
    ci_jobs::{
        Job, github_matrix, github_matrix_by_system, gitlab_pipeline, gitlab_pipeline_by_system,
    },
    gather::{Found, gather, print},
    setup::{Setup, close, runtime},
};
use crate::{
    eval::EvalSummary,
    graph::{Disposition, Planner, Wanted},
    nix::{AttrPath, Builders, StorePath, System},
    report::{Format, harmless, resolve},
    run::PooledStore,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<&'a serde_json::Value>,
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

/// Evaluates and prints.
pub(super) fn eval(args: &EvalArgs) -> Result<ExitCode, Failure> {
    let setup = Setup::new(&args.source)?;
    let runtime = runtime()?;
    let code = runtime.block_on(run(args, setup))?;
    runtime.shutdown_background();
    Ok(ExitCode::from(code))
}

async fn run(args: &EvalArgs, setup: Setup) -> Result<u8, Failure> {
    let pool = setup
        .pool(setup.client_settings(None, None), CONNECTIONS)
        .await;
    let store = Arc::new(PooledStore::new(Arc::clone(&pool), true));
    let code = evaluate(args, setup, store).await;
    close(&pool).await;
    code
}

async fn evaluate(args: &EvalArgs, setup: Setup, store: Arc<PooledStore>) -> Result<u8, Failure> {
    let (builders, installable) = (setup.builders.clone(), setup.installable.clone());
    let evaluate = setup.into_evaluation(Arc::clone(&store)).into_evaluate();
    let (mut found, mut failed) = (Vec::new(), 0);
    let mut each = |one: Found| {
        failed += u8::from(matches!(one, Found::Failed(..)) && failed == 0);
        if args.format == EvalFormatArg::Json && !args.uncached {
            return print(|out| print_json(out, &one));
        }
        found.push(one);
        Ok(true)
    };
    let summary = match gather(evaluate, &mut each).await? {
        Ok(summary) => summary,
        Err(code) => return Ok(code),
    };
    found.sort_by(|a, b| a.path().cmp(b.path()));
    if args.uncached {
        found = uncached(found, builders, store.as_ref()).await?;
    }
    let jobs = || -> Vec<Job> {
        let job = |found: &Found| {
            let system = match found {
                Found::Check(check) => Some(check.system.as_str()),
                Found::Failed(..) => None,
            };
            Job::new(
                &installable.flake,
                &installable.attribute,
                found.path(),
                system,
            )
        };
        found.iter().map(job).collect()
    };
    let value = match (args.format, args.by) {
        (EvalFormatArg::Table, _) => {
            let is_read = print(|out| print_table(out, args, &found, &summary))?;
            return Ok(if is_read { failed } else { 141 });
        }
        (EvalFormatArg::Json, _) => {
            let is_read = print(|out| found.iter().try_for_each(|one| print_json(out, one)))?;
            return Ok(if is_read { failed } else { 141 });
        }
        (EvalFormatArg::GithubMatrix, ByArg::Check) => {
            github_matrix(&jobs()).map_err(Failure::usage)?
        }
        (EvalFormatArg::GithubMatrix, ByArg::System) => {
            github_matrix_by_system(&jobs()).map_err(Failure::usage)?
        }
        (EvalFormatArg::GitlabChildPipeline, ByArg::Check) => gitlab_pipeline(&jobs()),
        (EvalFormatArg::GitlabChildPipeline, ByArg::System) => {
            gitlab_pipeline_by_system(&jobs(), &args.source.scope.targets)
        }
    };
    // What cannot be evaluated has a job too, which tells why.
    let is_read = print(|out| writeln!(out, "{value}"))?;
    Ok(if is_read { 0 } else { 141 })
}

/// Those that need a build, or cannot be evaluated.
async fn uncached(
    found: Vec<Found>,
    builders: Builders,
    store: &PooledStore,
) -> Result<Vec<Found>, Failure> {
    let wanted = found.iter().filter_map(|found| match found {
        Found::Check(check) => Some(Wanted {
            drv_path: check.drv_path.clone(),
            outputs: check.outputs.clone(),
        }),
        Found::Failed(..) => None,
    });
    let plan = Planner::new(builders, false)
        .plan(store, &wanted.collect::<Vec<_>>())
        .await
        .map_err(Failure::infrastructure)?;
    let to_build: HashSet<StorePath> = plan
        .wanted
        .into_iter()
        .filter(|(_, disposition)| *disposition == Disposition::Build)
        .map(|(drv_path, _)| drv_path)
        .collect();
    let needs_build = |found: &Found| match found {
        Found::Check(check) => to_build.contains(&check.drv_path),
        Found::Failed(..) => true,
    };
    Ok(found.into_iter().filter(needs_build).collect())
}

fn print_json(out: &mut dyn Write, found: &Found) -> io::Result<()> {
    let (name, _) = found.path().split_system();
    let mut line = Line {
        check: found.path().to_string(),
        name: name.to_string(),
        system: None,
        drv_path: None,
        outputs: None,
        extra: None,
        failure: None,
    };
    match found {
        Found::Check(check) => {
            line.system = Some(&check.system);
            line.drv_path = Some(&check.drv_path);
            line.outputs = Some(&check.outputs);
            line.extra = check.extra.as_ref();
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
