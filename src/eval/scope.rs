//! What of a source is looked at, and what is asked of it beside its derivation.

use std::path::PathBuf;

use super::{EvalRequest, selection::Selection};
use crate::nix::{AttrPath, CheckPattern, Reach};

/// For how many checks an evaluation looks by name: each attribute is held against each of them.
const PART_MAX: usize = 100;

/// What is looked at, beside the systems. The default is all below the attribute asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvalScope {
    /// The attributes below the one asked for to begin at; none: that one itself.
    pub roots: Vec<AttrPath>,
    /// Only these; none: all.
    pub only: Vec<CheckPattern>,
    /// Whether each of `only` has to choose something.
    pub is_strict: bool,
    /// Whether the first of `only` may have been meant as the name of a flake.
    pub is_guess: bool,
    /// Not these.
    pub exclude: Vec<CheckPattern>,
    /// A Nix function; what it makes of the value of an attribute is looked at in its place.
    pub select: Option<String>,
    /// A Nix function; what it makes of a derivation, a set, is told with the check.
    pub apply: Option<String>,
    /// Whether all that `nix flake check` looks at is looked at, too; the attribute asked for is that of all outputs
    /// then, and `roots` are what is to be built.
    pub flake_check: bool,
    /// A file that is evaluated in place of a flake.
    pub file: Option<FileSource>,
}

/// A file with a Nix expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSource {
    /// The file, or the folder with its `default.nix`: absolute.
    pub file: PathBuf,
    /// `--arg NAME EXPRESSION`: what functions get for these of their arguments.
    pub args: Vec<(String, String)>,
    /// `--argstr NAME STRING`.
    pub strings: Vec<(String, String)>,
    /// `-I`: entries of the search path.
    pub include: Vec<String>,
}

impl EvalScope {
    /// The attributes to begin at, below the one asked for.
    pub fn roots(&self) -> Vec<AttrPath> {
        if self.roots.is_empty() {
            vec![AttrPath::default()]
        } else {
            self.roots.clone()
        }
    }

    /// Whether this is more than nix-eval-jobs can be asked for: it knows no patterns, and one attribute of a flake.
    pub(super) fn is_for_builtin_only(&self) -> bool {
        !self.roots.is_empty()
            || !self.only.is_empty()
            || !self.exclude.is_empty()
            || self.flake_check
            || self.file.is_some()
    }
}

impl EvalRequest {
    /// Whether a check at this path below the attribute asked for is looked at, as far as its names tell.
    pub fn wants(&self, path: &AttrPath) -> bool {
        let selection = Selection::new(self);
        selection.wants_path(path) && selection.chosen(path) == Reach::Inside
    }

    /// A scope that has these of its checks and as little else as can be told beforehand. `None`: nothing less than all
    /// has them, or to look for so many would take as long.
    pub fn part(&self, checks: impl ExactSizeIterator<Item = AttrPath>) -> Option<EvalScope> {
        if self.scope.flake_check || checks.len() > PART_MAX {
            return None;
        }
        let patterns = checks.map(|check| CheckPattern::parse(&check.to_string()).ok());
        Some(EvalScope {
            only: patterns.collect::<Option<_>>()?,
            is_strict: false,
            ..self.scope.clone()
        })
    }
}
