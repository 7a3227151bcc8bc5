//! Where a value comes from.

use std::fmt;

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// A place that values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An argument of the command line, by its name: `--systems`.
    Flag(&'static str),
    /// A file in the flake's tree.
    File {
        /// Its name: `nixci.toml`.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// Nix's own settings.
    NixConf,
    /// Nobody has said anything.
    Default,
}

impl<T> Sourced<T> {
    /// Makes a value that comes from there.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// Changes the value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced::new(change(self.value), self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::NixConf => f.write_str("nix.conf"),
            Self::Default => f.write_str("default"),
        }
    }
}
