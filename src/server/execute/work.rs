//! What a run is to do, as the settings of its commit say.

use std::{path::PathBuf, time::Duration};

use super::{LOCK_FILE, LOCK_FILE_BYTES};
use crate::{
    config::{CheckRule, CheckRules, NixSettings, RepositoryConfig, write_file},
    db::server::{Repository, Run},
    eval::{Cell, CredentialFiles, EvalOptions, EvalRequest, EvalScope},
    git::{CommitId, Mirror, MirrorError},
    nix::{AttrPath, Installable},
    server::{app::App, engine::Apart, own_rules, source},
};

/// Why a run cannot begin.
pub(super) enum Unready {
    /// This machine is at fault.
    Here(String),
    /// Its mirror has lost what it builds: it is to be fetched again.
    Lost(String),
    /// What was committed is.
    Commit(String),
}

impl From<MirrorError> for Unready {
    fn from(error: MirrorError) -> Self {
        if error.is_transient() {
            Self::Here(error.to_string())
        } else {
            Self::Commit(error.to_string())
        }
    }
}

/// What the machine's Nix has switched on of which a derivation may make use: an evaluation reads none of its settings.
fn features(settings: &NixSettings) -> Vec<(String, String)> {
    let feature = "ca-derivations";
    let option = ("extra-experimental-features".to_owned(), feature.to_owned());
    Vec::from_iter(settings.has_feature(feature).then_some(option))
}

/// What a run is to do.
pub(super) struct Work {
    pub(super) request: EvalRequest,
    pub(super) file: RepositoryConfig,
    /// What goes when its evaluation is over.
    pub(super) held: (Option<Cell>, Option<CredentialFiles>),
    /// The checks that have to be there and pass.
    pub(super) required: Vec<String>,
}

impl Work {
    /// Reads the settings of the commit. An error is its author's.
    pub(super) fn of(app: &App, run: &Run, repository: &Repository) -> Result<Self, Unready> {
        let commit = run.tested_commit.as_deref().unwrap_or(&run.new.commit);
        let commit: CommitId = commit
            .parse()
            .map_err(|error| Unready::Commit(format!("{error}")))?;
        let mirror = Mirror::open(&app.config().state_dir, run.new.repository.0)?;
        if !mirror.has(commit)? {
            return Err(Unready::Lost(format!(
                "its mirror has no {commit} any more"
            )));
        }
        let file = source::settings_of(&mirror, commit).map_err(Unready::Commit)?;
        let base = run.base_commit.as_ref().and_then(|base| base.parse().ok());
        let required = own_rules::required(run, repository, &mirror, commit, base);
        let engine = &app.engine;
        let attributes = match &file.attributes {
            Some(attributes) if !attributes.value.is_empty() => attributes.value.clone(),
            Some(_) | None => vec![AttrPath::new(["checks"])],
        };
        let systems = engine.systems(&app.config());
        let wanted = file.systems.as_ref().map(|wanted| &wanted.value);
        let systems = match wanted {
            None => systems,
            // Never more than the server has.
            Some(wanted) => systems
                .into_iter()
                .filter(|system| wanted.contains(system))
                .collect(),
        };
        let (workers, memory_budget_bytes) = engine.means().per_evaluation;
        let dir = file
            .flake_dir
            .as_ref()
            .map(|dir| dir.value.display().to_string());
        let values = |patterns: &Option<crate::config::Sourced<Vec<_>>>| {
            patterns
                .as_ref()
                .map_or_else(Vec::new, |patterns| patterns.value.clone())
        };
        let Apart { isolation, held } = engine
            .isolation(&app.config(), &mirror, run, repository)
            .map_err(Unready::Here)?;
        let request = EvalRequest {
            installable: Installable {
                flake: mirror.flake(commit, &dir.unwrap_or_default()),
                attribute: match attributes.as_slice() {
                    [one] => one.clone(),
                    _ => AttrPath::default(),
                },
            },
            systems: Some(systems),
            current_system: engine.host.settings.system(),
            workers,
            memory_budget_bytes,
            scope: EvalScope {
                roots: match attributes.as_slice() {
                    [_] => Vec::new(),
                    several => several.to_vec(),
                },
                only: values(&file.only),
                exclude: values(&file.exclude),
                ..EvalScope::default()
            },
            options: EvalOptions {
                isolation,
                reference_lock_file: lock_file(run, &mirror, commit, &file)?,
                nix_options: features(&engine.host.settings),
                ..EvalOptions::default()
            },
            nix: engine.host.program.clone(),
            nix_version: engine.host.version.numbers,
        };
        Ok(Self {
            request,
            file,
            held,
            required,
        })
    }

    /// The options of checks. What is built sets them, and may give its builds less time than the server does, never more.
    pub(super) fn rules(&self, timeout: Option<Duration>) -> CheckRules {
        let of_all = self.file.timeout.as_ref().map(|own| CheckRule {
            timeout: Some(own.value),
            ..CheckRule::of_all()
        });
        let of_some = self.file.checks.iter().map(|rule| rule.value.clone());
        let rules = of_all.into_iter().chain(of_some).map(|rule| CheckRule {
            timeout: rule.timeout.map(|own| own.min(timeout.unwrap_or(own))),
            ..rule
        });
        let rules: Vec<CheckRule> = rules.collect();
        let installable = &self.request.installable;
        CheckRules::new(
            rules,
            installable.attribute.clone(),
            self.request.scope.roots(),
        )
    }

    /// Whether something is said on how long builds may take.
    pub(super) fn has_own_limits(&self) -> bool {
        let mut rules = self.file.checks.iter();
        self.file.timeout.is_some() || rules.any(|rule| rule.value.timeout.is_some())
    }
}

/// Writes the file that stands for `flake.lock` out where Nix can read it, if there is one.
fn lock_file(
    run: &Run,
    mirror: &Mirror,
    commit: CommitId,
    file: &RepositoryConfig,
) -> Result<Option<PathBuf>, Unready> {
    let Some(path) = &file.lock_file else {
        return Ok(None);
    };
    let path = path.value.display().to_string();
    let text = mirror
        .read_blob(commit, &path, LOCK_FILE_BYTES)?
        .ok_or_else(|| Unready::Commit(format!("there is no `{path}`")))?;
    // In the mirror's folder, which the evaluation may read.
    let to = mirror
        .folder()
        .join(format!("{LOCK_FILE}{}.json", run.id.0));
    write_file(&to, &text)
        .map_err(|error| Unready::Here(format!("cannot write {}: {error}", to.display())))?;
    Ok(Some(to))
}
