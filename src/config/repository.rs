//! What a repository says about its checks: `nixci.toml`, and `buildbot-nix.toml` where that is what it has.
//!
//! The files come with the tree, so from anyone: they are bounded, and no path in them leads out of the tree. What the
//! command line says wins, which is decided elsewhere.

mod buildbot;
mod file;
mod rules;
mod tree;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

pub use self::{
    rules::{CheckOptions, CheckRule, CheckRules},
    tree::Tree,
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
    /// Where results go.
    pub upload: Option<Sourced<Upload>>,
    /// The folder of the flake below the tree.
    pub flake_dir: Option<Sourced<PathBuf>>,
    /// The file that stands for `flake.lock`, below the tree.
    pub lock_file: Option<Sourced<PathBuf>>,
}

/// Where results go; the names are those of the options.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upload {
    /// URLs of stores, as `--copy-to`.
    pub copy_to: Vec<String>,
    /// Caches of Cachix, as `--cachix`.
    pub cachix: Vec<String>,
    /// Caches of Attic, as `--attic`.
    pub attic: Vec<String>,
    /// Servers of niks3, as `--niks3`.
    pub niks3: Vec<String>,
    /// Whether what was built on the way goes there too, as `--push-closure`.
    pub push_closure: bool,
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
