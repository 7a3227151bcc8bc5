//! Runs an evaluator on a flake in a private store and gathers what it sends.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that asked for it"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use nixci::{
    eval::{
        BoxFuture, BuiltinEvaluator, EvalError, EvalFailure, EvalOptions, EvalRequest, EvalScope,
        EvalSummary, Evaluated, EvaluatedCheck, Evaluator, RootKeeper,
    },
    nix::{Installable, StorePath, System},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::support::{
    AT_ONCE,
    nix::{self, Nix},
    program::write_program,
    project::SYSTEM,
    store::TestStore,
};

/// The longest an evaluation may take.
const EVALUATION: Duration = Duration::from_secs(300);

/// An evaluation to be run.
pub(crate) struct Evaluation<'s> {
    store: &'s TestStore,
    pub(crate) request: EvalRequest,
    pub(crate) cancel: CancellationToken,
}

/// What an evaluation sent, and how it ended.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) checks: BTreeMap<String, EvaluatedCheck>,
    pub(crate) failed: BTreeMap<String, EvalFailure>,
    pub(crate) warnings: Vec<(Option<String>, String)>,
    pub(crate) progress: Vec<(usize, usize)>,
    pub(crate) result: Result<EvalSummary, EvalError>,
}

impl<'s> Evaluation<'s> {
    /// Prepares the built-in evaluation of this installable for this machine's system.
    pub(crate) fn new(store: &'s TestStore, installable: &str) -> Self {
        let system = System::parse(SYSTEM).unwrap();
        let (major, minor, _) = store.nix().version;
        let request = EvalRequest {
            installable: Installable::parse(installable).unwrap(),
            systems: Some(vec![system.clone()]),
            current_system: system,
            workers: 2,
            memory_budget_bytes: 4 << 30,
            scope: EvalScope::default(),
            options: EvalOptions::default(),
            nix: nix_in(store),
            nix_version: (major, minor),
        };
        Self {
            store,
            request,
            cancel: CancellationToken::new(),
        }
    }

    /// Wants all systems.
    pub(crate) fn all_systems(mut self) -> Self {
        self.request.systems = None;
        self
    }

    /// Runs the built-in evaluator.
    pub(crate) fn run(&self) -> Found {
        self.run_with(&BuiltinEvaluator)
    }

    /// Runs an evaluator, and checks what holds for every evaluation.
    pub(crate) fn run_with(&self, evaluator: &dyn Evaluator) -> Found {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let roots = Roots {
            store: self.store,
            held: Mutex::default(),
        };
        let found = runtime.block_on(async {
            let (found_tx, mut found_rx) = mpsc::channel(16);
            let gather = async {
                let mut all = Vec::new();
                while let Some(evaluated) = found_rx.recv().await {
                    all.push(evaluated);
                }
                all
            };
            let evaluate = evaluator.evaluate(&self.request, &roots, found_tx, self.cancel.clone());
            let both = async { tokio::join!(evaluate, gather) };
            let (result, all) = timeout(EVALUATION, both).await.expect("it ends");
            Found::new(all, result)
        });
        let held = roots.held.into_inner().unwrap();
        for check in found.checks.values() {
            assert!(
                held.contains(&check.drv_path),
                "{} is not held",
                check.drv_path
            );
        }
        // What Nix itself started, a `git` or what is built, and what serves a connection may take a moment to go.
        let left = self.store.wait_until_idle(AT_ONCE);
        assert!(
            left.is_empty(),
            "processes outlived the evaluation: {left:#?}"
        );
        found
    }
}

impl Found {
    fn new(all: Vec<Evaluated>, result: Result<EvalSummary, EvalError>) -> Self {
        let mut found = Self {
            checks: BTreeMap::new(),
            failed: BTreeMap::new(),
            warnings: Vec::new(),
            progress: Vec::new(),
            result,
        };
        let mut seen = BTreeSet::new();
        for evaluated in all {
            match evaluated {
                Evaluated::Check(check) => {
                    assert!(seen.insert(check.path.clone()), "{} came twice", check.path);
                    found.checks.insert(check.path.to_string(), check);
                }
                Evaluated::Output(output) => panic!("{output:?} is no check"),
                Evaluated::Failed { path, error } => {
                    assert!(seen.insert(path.clone()), "{path} came twice");
                    found.failed.insert(path.to_string(), error);
                }
                Evaluated::Warning { path, message } => {
                    found
                        .warnings
                        .push((path.map(|path| path.to_string()), message));
                }
                Evaluated::Progress {
                    evaluated,
                    attributes,
                } => {
                    let last = found.progress.last().copied().unwrap_or_default();
                    assert!(evaluated >= last.0, "progress goes back");
                    found.progress.push((evaluated, attributes));
                }
            }
        }
        if found.result.is_ok() {
            let (evaluated, attributes) =
                *found.progress.last().expect("progress is told at the end");
            assert_eq!(evaluated, attributes, "not all is evaluated at the end");
        }
        found
    }

    /// The summary. Panics if the evaluation failed.
    pub(crate) fn summary(&self) -> &EvalSummary {
        self.result
            .as_ref()
            .unwrap_or_else(|error| panic!("{error}: {error:?}"))
    }

    /// The error. Panics if the evaluation did not fail.
    pub(crate) fn error(&self) -> &EvalError {
        self.result
            .as_ref()
            .expect_err("the evaluation should fail")
    }

    /// The derivations by their attribute paths. Panics if anything failed.
    pub(crate) fn drv_paths(&self) -> BTreeMap<String, String> {
        self.summary();
        assert!(self.failed.is_empty(), "{:#?}", self.failed);
        let paths = self
            .checks
            .iter()
            .map(|(path, check)| (path.clone(), check.drv_path.to_string()));
        paths.collect()
    }
}

/// Holds what it is asked to by a symlink, and checks that it is still there.
struct Roots<'s> {
    store: &'s TestStore,
    held: Mutex<BTreeSet<StorePath>>,
}

impl RootKeeper for Roots<'_> {
    fn hold(&self, paths: Vec<StorePath>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let roots = self.store.folder().join("var/nix/gcroots");
            let roots = if roots.exists() {
                roots
            } else {
                self.store.folder().join("var/gcroots")
            };
            for path in paths {
                assert!(
                    Path::new(path.as_str()).exists(),
                    "{path} is gone before it is held"
                );
                if self.held.lock().unwrap().insert(path.clone()) {
                    let _ = fs::create_dir_all(&roots);
                    let _ = std::os::unix::fs::symlink(path.as_str(), roots.join(path.base_name()));
                }
            }
            Ok(())
        })
    }
}

/// Holds nothing.
pub(crate) struct NoRoots;

impl RootKeeper for NoRoots {
    fn hold(&self, _: Vec<StorePath>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

/// Runs a test with a private store for every installed Nix.
pub(crate) fn each_nix(test: impl Fn(&Nix, &TestStore)) {
    for nix in nix::all() {
        test(&nix, &nix.store());
    }
}

/// The flake reference of a repository.
pub(crate) fn url(dir: &Path) -> String {
    format!("git+file://{}", dir.display())
}

/// Writes a program that runs this store's `nix` with its environment, whatever that of the test is.
pub(crate) fn nix_in(store: &TestStore) -> PathBuf {
    let mut script = "#!/bin/sh\nexec env -i".to_owned();
    for (name, value) in store.env() {
        if name != "XDG_DATA_HOME" {
            write!(script, " {name}='{}'", value.to_str().unwrap()).unwrap();
        }
    }
    let nix = store.nix().prefix.join("bin/nix");
    writeln!(
        script,
        " XDG_DATA_HOME=\"$XDG_DATA_HOME\" '{}' \"$@\"",
        nix.display()
    )
    .unwrap();
    write_program(&store.folder().join("nix"), &script)
}
