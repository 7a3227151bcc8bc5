//! What `check` remembers: earlier runs, and this one for later ones.
//!
//! The one place where a run meets the database and the files of logs.

use std::{
    collections::{HashMap, HashSet},
    fmt::Display,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::anyhow;
use clap::Args;
use tokio::sync::mpsc;

use super::{Failure, local_flake::LocalFlake};
use crate::{
    config::state_dir,
    db::{LogWriter, Recorder, Warn},
    event::{Event, LogFolder, Outcome},
    nix::AttrPath,
    report::harmless,
    run::{LogNote, Past},
};

/// Options of `check` about earlier runs.
#[derive(Debug, Args)]
pub(super) struct MemoryArgs {
    /// Look only at the checks that failed the last time
    #[arg(long, conflicts_with = "no_history", help_heading = "Selection")]
    pub(super) failed: bool,

    /// Record nothing of this run, keep no logs, and use nothing of earlier ones
    #[arg(long, help_heading = "Output")]
    pub(super) no_history: bool,
}

/// Earlier runs and the record of this one; empty where nothing is to be remembered or there is no place for it.
pub(super) struct Memory(Option<Parts>);

struct Parts {
    recorder: Recorder,
    logs: Arc<LogWriter>,
    folder: LogFolder,
    warnings: Mutex<Option<mpsc::UnboundedReceiver<String>>>,
}

/// The folder with the logs of all runs.
pub(super) fn logs_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("logs")
}

/// A name of a flake that is the same for every run of it: the folder it lies in, else the reference.
pub(super) fn flake_key(reference: &str) -> String {
    LocalFlake::dir(reference).map_or_else(
        || reference.to_owned(),
        |dir| dir.to_string_lossy().into_owned(),
    )
}

impl Memory {
    /// Begins to remember, on threads that start now and are ready when they are asked.
    pub(super) fn begin(args: &MemoryArgs, flake: &str, run: &str) -> Self {
        let Some(dir) = state_dir().filter(|_| !args.no_history) else {
            return Self(None);
        };
        let (warning_tx, warnings) = mpsc::unbounded_channel();
        let warn: Warn = Arc::new(move |message| {
            if let Err(message) = warning_tx.send(message) {
                // The run is over.
                print_warning(&message.0);
            }
        });
        let logs = logs_dir(&dir);
        let folder = LogFolder::of_run(&logs, run);
        let recorder = Recorder::start(&dir, &logs, flake_key(flake), &warn);
        let short_logs = recorder.short_logs();
        Self(Some(Parts {
            recorder,
            logs: Arc::new(LogWriter::start(folder.clone(), short_logs, &warn)),
            folder,
            warnings: Mutex::new(Some(warnings)),
        }))
    }

    /// How the checks below an attribute ended the last time, by their paths below it. `None`: there is no history.
    pub(super) fn verdicts(&self, attribute: &AttrPath) -> Option<HashMap<String, Outcome>> {
        let verdicts = self.0.as_ref()?.recorder.verdicts()?;
        let attribute = attribute.to_string();
        let below = verdicts
            .into_iter()
            .filter_map(|(path, outcome)| Some((below(&attribute, &path)?.to_owned(), outcome)));
        Some(below.collect())
    }

    /// The ways of a run into the past; to be called once.
    pub(super) fn past(&self) -> Option<Past> {
        let parts = self.0.as_ref()?;
        let logs = Arc::clone(&parts.logs);
        Some(Past {
            expected: Arc::new(parts.recorder.expected()),
            keep_log: Arc::new(move |drv_path| {
                let mut sink = logs.begin(drv_path);
                Box::new(move |note| match note {
                    LogNote::Line(line) => sink.line(line),
                    LogNote::Passed => sink.passed(),
                })
            }),
            warnings: parts.take_warnings()?,
        })
    }

    /// Takes note of an event.
    pub(super) fn note(&self, event: &Event) {
        if let Some(parts) = &self.0 {
            parts.recorder.note(event);
        }
    }

    /// Where the logs of this run lie, if they are kept.
    pub(super) fn log_folder(&self) -> Option<&LogFolder> {
        self.0.as_ref().map(|parts| &parts.folder)
    }

    /// Writes what is left.
    pub(super) fn finish(self) {
        if let Some(parts) = self.0 {
            let mut warnings = parts.take_warnings();
            // Before the tables say that all is over.
            parts.logs.finish();
            parts.recorder.finish();
            // Where there was no run to tell them.
            while let Some(Ok(message)) = warnings.as_mut().map(mpsc::UnboundedReceiver::try_recv) {
                print_warning(&message);
            }
        }
    }
}

impl Parts {
    fn take_warnings(&self) -> Option<mpsc::UnboundedReceiver<String>> {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.take()
    }
}

/// The checks that failed the last time; none: every one that is known passed.
pub(super) fn failed_ones(
    verdicts: Option<&HashMap<String, Outcome>>,
    what: &dyn Display,
) -> Result<HashSet<String>, Failure> {
    let Some(verdicts) = verdicts else {
        return Err(Failure::infrastructure(anyhow!(
            "--failed: the history of earlier runs cannot be read"
        )));
    };
    if verdicts.is_empty() {
        return Err(Failure::usage(anyhow!(
            "--failed: no earlier run of {what} is known; run `nixci check` without it first"
        )));
    }
    let failed = verdicts.iter().filter(|(_, outcome)| outcome.is_failed());
    Ok(failed.map(|(check, _)| check.clone()).collect())
}

/// The rest of an attribute path below an attribute, if it is below it.
fn below<'p>(attribute: &str, path: &'p str) -> Option<&'p str> {
    match path.strip_prefix(attribute)? {
        "" => Some(""),
        rest if attribute.is_empty() => Some(rest),
        rest => rest.strip_prefix('.'),
    }
}

pub(super) fn print_warning(message: &str) {
    let _ = writeln!(std::io::stderr(), "warning: {}", harmless(message));
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::{below, failed_ones};
    use crate::event::Outcome;

    #[test]
    fn a_path_is_below_an_attribute_name_by_name() {
        assert_eq!(below("checks", "checks.x.fmt"), Some("x.fmt"));
        assert_eq!(below("checks.x.fmt", "checks.x.fmt"), Some(""));
        assert_eq!(below("", "checks.x"), Some("checks.x"));
        assert_eq!(below("checks.x", "checks.x86.fmt"), None);
        assert_eq!(below("packages", "checks.x"), None);
    }

    #[test]
    fn what_failed_is_told_from_nothing_failed_and_nothing_known() {
        let verdicts = |of: &[(&str, Outcome)]| -> HashMap<String, Outcome> {
            of.iter()
                .map(|(name, outcome)| ((*name).to_owned(), *outcome))
                .collect()
        };
        let known = verdicts(&[
            ("a", Outcome::Cached),
            ("b", Outcome::DependencyFailed),
            ("c", Outcome::EvaluationFailed),
        ]);
        let failed = failed_ones(Some(&known), &".#checks").unwrap();
        assert_eq!(failed, HashSet::from(["b".to_owned(), "c".to_owned()]));
        let passed = verdicts(&[("a", Outcome::Built)]);
        assert!(failed_ones(Some(&passed), &".").unwrap().is_empty());
        assert!(failed_ones(Some(&verdicts(&[])), &".").is_err());
        assert!(failed_ones(None, &".").is_err());
    }
}
