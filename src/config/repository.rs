//! What a repository says about its checks: `nixci.toml`, and `buildbot-nix.toml` where that is what it has.
//!
//! The files come with the tree, so from anyone: they are bounded, and no path in them leads out of the tree. What the
//! command line says wins, which is decided elsewhere.

mod buildbot;
mod file;
mod rules;
mod serve;
mod tree;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

pub use self::{
    rules::{CheckOptions, CheckRule, CheckRules},
    serve::Serve,
    tree::{Tree, TreeFiles},
};
use super::{ConfigError, Sourced, excerpt::Place};
use crate::nix::{AttrPath, CheckPattern, System};

/// The name of nixci's own file.
pub const FILE: &str = "nixci.toml";
/// The name of buildbot-nix's file.
pub const BUILDBOT_FILE: &str = "buildbot-nix.toml";

/// What a repository says about its checks. What it does not say is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryConfig {
    /// The attributes to look at.
    pub attributes: Option<Sourced<Vec<AttrPath>>>,
    /// The systems to look at.
    pub systems: Option<Sourced<Vec<System>>>,
    /// Only these checks.
    pub only: Option<Sourced<Vec<CheckPattern>>>,
    /// Not these checks.
    pub exclude: Option<Sourced<Vec<CheckPattern>>>,
    /// How long a build may take.
    pub timeout: Option<Sourced<Duration>>,
    /// Options of single checks, in the order of the file.
    pub checks: Vec<Sourced<CheckRule>>,
    /// Where outputs go if that is asked for.
    pub upload: Upload<Sourced<String>>,
    /// How a server builds it.
    pub serve: Serve,
    /// The folder of the flake below the tree.
    pub flake_dir: Option<Sourced<PathBuf>>,
    /// The file that stands for `flake.lock`, below the tree.
    pub lock_file: Option<Sourced<PathBuf>>,
}

/// Where outputs go, as it is written; the names are those of the options.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload<T = String> {
    /// URLs of stores, as `--copy-to`.
    #[serde(default = "Vec::new")]
    pub copy_to: Vec<T>,
    /// Caches of Cachix, as `--cachix`.
    #[serde(default = "Vec::new")]
    pub cachix: Vec<T>,
    /// Caches of Attic, as `--attic`.
    #[serde(default = "Vec::new")]
    pub attic: Vec<T>,
    /// Servers of niks3, as `--niks3`.
    #[serde(default = "Vec::new")]
    pub niks3: Vec<T>,
    /// Whether what was built on the way goes there too, as `--push-closure`.
    #[serde(default)]
    pub push_closure: bool,
}

impl<T> Default for Upload<T> {
    fn default() -> Self {
        Self {
            copy_to: Vec::new(),
            cachix: Vec::new(),
            attic: Vec::new(),
            niks3: Vec::new(),
            push_closure: false,
        }
    }
}

impl<T> Upload<T> {
    /// Changes each destination.
    pub fn map<U>(self, change: impl Fn(T) -> U) -> Upload<U> {
        let all = |list: Vec<T>| list.into_iter().map(&change).collect();
        Upload {
            copy_to: all(self.copy_to),
            cachix: all(self.cachix),
            attic: all(self.attic),
            niks3: all(self.niks3),
            push_closure: self.push_closure,
        }
    }
}

impl RepositoryConfig {
    /// Reads the files at the top of a tree. What is in none of them is left open; where both say something, `nixci.toml`
    /// counts.
    pub fn read(tree: &Tree) -> Result<Self, ConfigError> {
        let own = match tree.read(FILE)? {
            Some(text) => file::parse(&text, tree)?,
            None => Self::default(),
        };
        let buildbot = match tree.read(BUILDBOT_FILE)? {
            Some(text) => buildbot::parse(&text, tree)?,
            None => Self::default(),
        };
        Ok(Self {
            attributes: own.attributes.or(buildbot.attributes),
            flake_dir: own.flake_dir.or(buildbot.flake_dir),
            lock_file: own.lock_file.or(buildbot.lock_file),
            ..own
        })
    }

    /// Whether a folder has one of the files.
    pub fn is_in(dir: &Path) -> bool {
        [FILE, BUILDBOT_FILE]
            .iter()
            .any(|name| dir.join(name).symlink_metadata().is_ok())
    }
}

#[cfg(test)]
mod tests;
