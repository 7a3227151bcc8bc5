//! `nixci diff`: which checks are added, gone or other derivations than at a revision. By evaluation alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    Failure,
    args::SourceArgs,
    choices::ColorArg,
    gather::{Found, gather, print},
    setup::{Setup, close, runtime},
};
use crate::{
    git::Commit,
    nix::StorePath,
    report::{Format, harmless, resolve},
    run::PooledStore,
    store::ClientSettings,
};

/// Connections for holding derivations and for the cache's questions.
const CONNECTIONS: usize = 4;

/// Options of `nixci diff`.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The commit to compare with: a branch, a tag, `HEAD~3`, the first digits of its name
    #[arg(value_name = "REVISION")]
    revision: String,

    /// What to evaluate and how.
    #[command(flatten)]
    source: SourceArgs,

    /// Exit with 1 if anything differs
    #[arg(long, help_heading = "Output")]
    exit_code: bool,

    /// How the differences are printed
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Output"
    )]
    format: DiffFormatArg,

    /// When to use colours
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Output"
    )]
    color: ColorArg,
}

/// `--format` of `diff`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DiffFormatArg {
    /// A line per difference, and their numbers
    #[default]
    Table,
    /// A JSON object per difference
    Json,
}

/// What became of the checks.
type Checks = BTreeMap<String, Result<StorePath, String>>;

/// One check that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Change {
    check: String,
    #[serde(rename = "change")]
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_drv_path: Option<StorePath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drv_path: Option<StorePath>,
    /// Why it cannot be evaluated, where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// How a check differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Added,
    Removed,
    Changed,
    /// It could be evaluated, and cannot any more; or is new and cannot be.
    Broken,
    /// It could not be evaluated, and now can.
    Repaired,
}

/// Compares and prints.
pub(super) fn diff(args: &DiffArgs) -> Result<ExitCode, Failure> {
    let now = Setup::new(&args.source)?;
    let local = now.local.as_ref().ok_or_else(|| {
        Failure::usage(anyhow!(
            "`{}` is no flake in a folder of this machine: there is no revision of it to compare with",
            now.installable.flake.escape_debug()
        ))
    })?;
    let commit = Commit::find(&local.dir, &args.revision).map_err(Failure::usage)?;
    let then = Setup::at(&args.source, commit.flake(&local.dir_in_checkout()))?;
    let code = runtime()?.block_on(async {
        let old = match checks(then).await? {
            Ok(old) => old,
            Err(code) => return Ok(code),
        };
        let new = match checks(now).await? {
            Ok(new) => new,
            Err(code) => return Ok(code),
        };
        let changes = compare(&old, &new);
        let is_read = print(|out| match args.format {
            DiffFormatArg::Json => print_json(out, &changes),
            DiffFormatArg::Table => print_table(out, args, &changes, new.len()),
        })?;
        Ok(if is_read {
            u8::from(args.exit_code && !changes.is_empty())
        } else {
            141
        })
    })?;
    Ok(ExitCode::from(code))
}

async fn checks(setup: Setup) -> Result<Result<Checks, u8>, Failure> {
    let pool = setup.pool(ClientSettings::default(), CONNECTIONS).await;
    let store = Arc::new(PooledStore::new(Arc::clone(&pool), true));
    let mut checks = Checks::new();
    let mut each = |found: Found| {
        let path = found.path().to_string();
        let derivation = match found {
            Found::Check(check) => Ok(check.drv_path),
            Found::Failed(_, failure) => Err(failure.message),
        };
        checks.insert(path, derivation);
        Ok(true)
    };
    let end = gather(setup.into_evaluation(store).into_evaluate(), &mut each).await;
    close(&pool).await;
    Ok(end?.map(|_| checks))
}

/// What differs, in the order of names.
fn compare(old: &Checks, new: &Checks) -> Vec<Change> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |check: &String| {
        let kind = match (old.get(check), new.get(check)) {
            (Some(Ok(old)), Some(Ok(new))) if old == new => return None,
            (Some(Err(_)), Some(Err(_))) | (None, None) => return None,
            (Some(Ok(_)), Some(Ok(_))) => Kind::Changed,
            (Some(Ok(_)) | None, Some(Err(_))) => Kind::Broken,
            (Some(Err(_)), Some(Ok(_))) => Kind::Repaired,
            (None, Some(Ok(_))) => Kind::Added,
            (Some(_), None) => Kind::Removed,
        };
        let drv_path = |checks: &Checks| {
            checks
                .get(check)
                .and_then(|found| found.as_ref().ok())
                .cloned()
        };
        Some(Change {
            check: check.clone(),
            kind,
            old_drv_path: drv_path(old),
            drv_path: drv_path(new),
            error: new
                .get(check)
                .and_then(|found| found.as_ref().err())
                .cloned(),
        })
    };
    names.into_iter().filter_map(change).collect()
}

fn print_json(out: &mut dyn Write, changes: &[Change]) -> io::Result<()> {
    for change in changes {
        serde_json::to_writer(&mut *out, change)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn print_table(
    out: &mut dyn Write,
    args: &DiffArgs,
    changes: &[Change],
    checks: usize,
) -> io::Result<()> {
    let look = resolve(
        Some(Format::Plain),
        args.color.wish(),
        0,
        io::stdout().is_terminal(),
        io::stderr().is_terminal(),
        |name| std::env::var(name).ok(),
    );
    for line in lines(changes, checks, look.color) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The table as lines, the counts last.
fn lines(changes: &[Change], checks: usize, color: bool) -> Vec<String> {
    let style = || console::Style::new().force_styling(color);
    let mut lines = Vec::new();
    for change in changes {
        let (mark, style, rest) = match change.kind {
            Kind::Added => ("+", style().green(), String::new()),
            Kind::Removed => ("-", style().red(), String::new()),
            Kind::Changed => ("~", style().yellow(), String::new()),
            Kind::Repaired => ("~", style().green(), "  can be evaluated again".to_owned()),
            Kind::Broken => {
                let error = change.error.as_deref().unwrap_or_default();
                let first = error.lines().next().unwrap_or_default();
                (
                    "!",
                    style().red(),
                    format!("  cannot be evaluated: {first}"),
                )
            }
        };
        let text = harmless(&format!("{mark} {}{rest}", change.check));
        lines.push(style.apply_to(text).to_string());
    }
    let of = |kinds: &[Kind]| {
        let is_one = |change: &&Change| kinds.contains(&change.kind);
        changes.iter().filter(is_one).count()
    };
    let others = of(&[Kind::Changed, Kind::Repaired]);
    let (added, removed, broken) = (
        of(&[Kind::Added]),
        of(&[Kind::Removed]),
        of(&[Kind::Broken]),
    );
    let same = checks - added - others - broken;
    let broken = match broken {
        0 => String::new(),
        _ => format!(", {broken} broken"),
    };
    lines.push(format!(
        "{added} added, {removed} gone, {others} changed, {same} the same{broken}"
    ));
    lines
}

#[cfg(test)]
mod tests;
