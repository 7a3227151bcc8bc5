//! The evaluation cache: pure evaluation of a locked tree always gives the same derivations.
//!
//! A file per key. Whether the derivations in it are still to be had is for the caller to ask the store. A cache that
//! cannot be read or written costs time, never a run. Evaluations in which an attribute failed are not kept: that may
//! have been for want of memory.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{EvalOptions, EvalRequest, EvaluatedCheck, EvaluatedOutput, Isolation};
use crate::nix::{AttrPath, System};

/// Changes whenever the same key would mean something else.
const FORMAT: &str = "1";
/// How long an entry is kept that nobody asks for.
const AGE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The largest entry that is read or written.
const SIZE_MAX: u64 = 256 << 20;

/// All that decides the result of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey(String);

/// What an evaluation gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedEvaluation {
    /// The checks, in the order in which they were found.
    pub checks: Vec<EvaluatedCheck>,
    /// What else is as it should be.
    #[serde(default)]
    pub outputs: Vec<EvaluatedOutput>,
    /// The warnings.
    pub warnings: Vec<(Option<AttrPath>, String)>,
    /// The systems for which the attribute has something.
    pub systems_available: Vec<System>,
}

/// A folder of evaluations.
#[derive(Clone, Debug)]
pub struct EvalCache {
    dir: PathBuf,
}

impl CacheKey {
    /// Makes the key of an evaluation. `source` says which tree, exactly: a fingerprint of a checkout or a locked
    /// reference; `flake_dir` where in it the flake is; `nix` which Nix with which settings.
    ///
    /// `None` if something that is not in the key can reach the result.
    pub fn new(request: &EvalRequest, source: &str, flake_dir: &str, nix: &str) -> Option<Self> {
        let EvalOptions {
            impure,
            nix_options,
            override_inputs,
            reference_lock_file,
            accept_flake_config,
            show_trace: _,
            isolation,
        } = &request.options;
        if *impure
            || !override_inputs.is_empty()
            || reference_lock_file.is_some()
            || request.scope.file.is_some()
            // What a token has opened is for nobody else.
            || isolation.as_ref().is_some_and(|it| it.credentials.is_some())
        {
            return None;
        }
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(FORMAT);
        add(env!("CARGO_PKG_VERSION"));
        add(source);
        add(flake_dir);
        add(nix);
        add(&request.installable.attribute.to_string());
        add(&format!("{:?} {}", request.systems, request.current_system));
        add(&format!("{nix_options:?} {accept_flake_config}"));
        // With walls or without, what comes through is the same; with other settings it is not.
        let settings = isolation.as_ref().map(Isolation::settings);
        add(&format!("{settings:?} {}", request.attributes_max()));
        add(&format!("{:?}", request.scope));
        Some(Self(crate::nix::hex(&hash.finalize())))
    }
}

impl EvalCache {
    /// Opens the cache in this folder, which need not exist.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Returns what is kept for a key.
    pub fn load(&self, key: &CacheKey) -> Option<CachedEvaluation> {
        let file = self.file(key);
        if fs::metadata(&file).ok()?.len() > SIZE_MAX {
            return None;
        }
        let text = fs::read(&file).ok()?;
        let Ok(found) = serde_json::from_slice(&text) else {
            // Half-written or from another time: it is made anew.
            let _ = fs::remove_file(&file);
            return None;
        };
        // Its age counts from its last use.
        if let Ok(file) = fs::File::options().append(true).open(&file) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some(found)
    }

    /// Keeps an evaluation, and forgets those that nobody has asked for in a long time.
    pub fn store(&self, key: &CacheKey, evaluation: &CachedEvaluation) -> io::Result<()> {
        let text = serde_json::to_vec(evaluation)?;
        if text.len() as u64 > SIZE_MAX {
            return Ok(());
        }
        fs::create_dir_all(&self.dir)?;
        let mut new = tempfile::NamedTempFile::new_in(&self.dir)?;
        io::Write::write_all(&mut new, &text)?;
        new.persist(self.file(key))?;
        self.forget_old();
        Ok(())
    }

    fn file(&self, key: &CacheKey) -> PathBuf {
        self.dir.join(format!("{}.json", key.0))
    }

    fn forget_old(&self) {
        let is_old = |path: &Path| {
            fs::metadata(path)
                .and_then(|meta| meta.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > AGE_MAX))
        };
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if is_old(&entry.path()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests;
