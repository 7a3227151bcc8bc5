//! The places in a repository's files that a run's failures are about, for check runs that point at them.
//!
//! What an evaluation says of a place may be made up, and what is tested may be merged with another commit: only a file
//! that the commit has, and has as it was tested, is pointed at.

use std::{collections::HashMap, path::Path};

use tracing::warn;

use super::app::App;
use crate::{
    db::server::{AnnotationRow, Repository, Run, RunPart},
    event::{Event, EventKind, Outcome},
    git::{CommitId, Mirror},
    report::{SourceTree, find_wrong_hashes, is_wrong_hash},
};

/// How many places a check run points at: as many as GitHub takes in a request.
const PLACES_MAX: usize = 50;
/// How long a message may be, in characters.
const MESSAGE_CHARS: usize = 4000;
/// The largest file that is looked into, in bytes.
const FILE_BYTES: usize = 1 << 20;
/// In how many files a hash is looked for.
const FILES_MAX: usize = 5000;

/// Watches a run for places.
#[derive(Default)]
pub(super) struct Annotations {
    source: Option<Source>,
    /// Errors of the evaluation, each once.
    evaluation: Vec<Failure>,
    is_evaluation_told: bool,
    /// Builds that failed by a wrong hash.
    builds: Vec<Failure>,
}

/// Why something failed.
#[derive(Clone)]
struct Failure {
    /// What: a check, a derivation.
    subject: String,
    /// How many checks fail by it besides.
    others: usize,
    /// The derivation, if one was built.
    drv_path: Option<String>,
    error: String,
    place: Option<(String, u32)>,
    /// Whether nothing fails by it, as far as is known.
    allowed: bool,
}

/// The files of the commit that statuses go to, as far as they are what is tested.
#[derive(Clone)]
struct Source {
    mirror: Mirror,
    commit: CommitId,
    tested: CommitId,
}

impl Annotations {
    /// Watches a run, if its forge can point at places.
    pub(super) fn of(app: &App, run: &Run, repository: &Repository) -> Self {
        let source = || {
            let mirror = Mirror::open(&app.config().state_dir, repository.id.0).ok()?;
            let commit = run.new.commit.parse().ok()?;
            let tested = match &run.tested_commit {
                Some(tested) => tested.parse().ok()?,
                None => commit,
            };
            Some(Source {
                mirror,
                commit,
                tested,
            })
        };
        let has_check_runs = app.connections().has_check_runs(&repository.seen.forge);
        Self {
            source: has_check_runs.then(source).flatten(),
            ..Self::default()
        }
    }

    /// Takes an event.
    pub(super) fn observe(&mut self, event: &Event) {
        if self.source.is_none() {
            return;
        }
        if let EventKind::EvaluationFailed {
            check,
            error,
            file,
            line,
            allowed,
            ..
        } = &event.kind
        {
            let error: String = error.chars().take(MESSAGE_CHARS).collect();
            let mut known = self.evaluation.iter_mut();
            if let Some(known) = known.find(|known| known.error == error) {
                known.others += 1;
                known.allowed &= allowed;
            } else if self.evaluation.len() < PLACES_MAX {
                self.evaluation.push(Failure {
                    subject: check.clone().unwrap_or_else(|| "the flake".to_owned()),
                    others: 0,
                    drv_path: None,
                    error,
                    place: file.clone().zip(*line),
                    allowed: *allowed,
                });
            }
        } else if let EventKind::StepFinished {
            drv_path,
            name,
            outcome: Outcome::Failed,
            error,
            ..
        } = &event.kind
            && self.builds.len() < PLACES_MAX
            && is_wrong_hash(error)
        {
            self.builds.push(Failure {
                subject: name.clone(),
                others: 0,
                drv_path: Some(drv_path.to_string()),
                error: error.chars().take(MESSAGE_CHARS).collect(),
                place: None,
                allowed: true,
            });
        } else if let EventKind::CheckFinished {
            drv_path,
            cause,
            allowed: false,
            ..
        } = &event.kind
        {
            let cause = cause.as_ref().or(drv_path.as_ref());
            for failure in &mut self.builds {
                let is_cause =
                    cause.is_some_and(|cause| failure.drv_path.as_deref() == Some(cause.as_str()));
                failure.allowed &= !is_cause;
            }
        }
    }

    /// The places that can be told after an event, and of which check run they are.
    pub(super) async fn due(&mut self, event: &Event) -> Vec<(RunPart, Vec<AnnotationRow>)> {
        let is_over = matches!(event.kind, EventKind::RunFinished { .. });
        if !is_over && !matches!(event.kind, EventKind::EvaluationFinished { .. }) {
            return Vec::new();
        }
        let Some(source) = self.source.clone() else {
            return Vec::new();
        };
        let mut parts = Vec::new();
        if !std::mem::replace(&mut self.is_evaluation_told, true) {
            parts.push((RunPart::Evaluation, std::mem::take(&mut self.evaluation)));
        }
        if is_over {
            parts.push((RunPart::Build, std::mem::take(&mut self.builds)));
        }
        parts.retain(|(_, failures)| !failures.is_empty());
        if parts.is_empty() {
            return Vec::new();
        }
        let found = tokio::task::spawn_blocking(move || {
            let parts = parts.into_iter();
            let parts = parts.map(|(part, failures)| (part, source.places(&failures)));
            parts.collect()
        });
        found.await.unwrap_or_else(|error| {
            warn!(%error, "no places in files are pointed at");
            Vec::new()
        })
    }
}

impl Source {
    /// Where failures are to be shown, of those of which that is known.
    fn places(&self, failures: &[Failure]) -> Vec<AnnotationRow> {
        let has_hashes = failures.iter().any(|failure| is_wrong_hash(&failure.error));
        let hashes = if has_hashes {
            let errors = failures.iter().map(|failure| failure.error.as_str());
            find_wrong_hashes(errors, self)
        } else {
            vec![None; failures.len()]
        };
        let mut lines = HashMap::new();
        let mut rows = Vec::new();
        for (failure, hash) in failures.iter().zip(hashes) {
            let place = hash.as_ref().map(|hash| (hash.file.clone(), hash.line));
            let Some((file, line)) = place.or_else(|| failure.place.clone()) else {
                continue;
            };
            let known = *lines
                .entry(file.clone())
                .or_insert_with(|| self.lines_of(&file));
            if (1..=known).contains(&line) {
                rows.push(failure.at(file, line, hash.map(|hash| hash.fix)));
            }
        }
        rows
    }

    /// How many lines a file has; none, if it is not there, or not as it was tested.
    fn lines_of(&self, file: &str) -> u32 {
        let text = self.read(file);
        let lines = text.map_or(0, |text| text.lines().count());
        u32::try_from(lines).unwrap_or(u32::MAX)
    }

    fn blob(&self, commit: CommitId, file: &str) -> Option<Vec<u8>> {
        self.mirror.read_blob(commit, file, FILE_BYTES).ok()?
    }
}

impl SourceTree for Source {
    fn files(&self) -> Vec<String> {
        let is_nix = |name: &str| {
            Path::new(name).extension().is_some_and(|end| end == "nix") || name == "flake.lock"
        };
        let names = self.mirror.file_names(self.commit, FILES_MAX, is_nix);
        names.unwrap_or_default()
    }

    fn read(&self, file: &str) -> Option<String> {
        let content = self.blob(self.commit, file)?;
        let is_as_tested =
            self.commit == self.tested || self.blob(self.tested, file).as_ref() == Some(&content);
        is_as_tested
            .then(|| String::from_utf8(content).ok())
            .flatten()
    }
}

impl Failure {
    fn at(&self, file: String, line: u32, fix: Option<String>) -> AnnotationRow {
        let how = if self.drv_path.is_some() {
            "wrong hash"
        } else {
            "cannot be evaluated"
        };
        let others = match self.others {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        AnnotationRow {
            file,
            line,
            allowed: self.allowed,
            title: format!("{}{others}: {how}", self.subject),
            message: match fix {
                Some(fix) => format!("{fix}\n\n{}", self.error),
                None => self.error.clone(),
            },
        }
    }
}
