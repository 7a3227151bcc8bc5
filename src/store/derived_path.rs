//! What to obtain: a store path as it is, or outputs of a derivation.

use std::{collections::BTreeSet, fmt};

use crate::nix::{StorePath, StorePathError};

/// Something the daemon can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DerivedPath {
    /// A store path as it is: valid already, or to be substituted. A `.drv` is not built.
    Opaque(StorePath),
    /// Outputs of a derivation: valid already, or to be substituted or built.
    Built {
        /// The derivation.
        drv_path: StorePath,
        /// Which outputs.
        outputs: Outputs,
    },
}

/// Which outputs of a derivation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outputs {
    /// Every one.
    All,
    /// Those with these names; at least one.
    Names(BTreeSet<String>),
}

/// Why a string is not a [`DerivedPath`].
#[derive(Debug, thiserror::Error)]
pub enum DerivedPathError {
    /// The part before `!` is no store path.
    #[error(transparent)]
    StorePath(#[from] StorePathError),
    /// The part behind `!` names no outputs.
    #[error("`{}` names no outputs", .0.escape_debug())]
    NoOutputs(String),
}

impl DerivedPath {
    /// All outputs of a derivation.
    pub fn all_outputs(drv_path: StorePath) -> Self {
        Self::Built {
            drv_path,
            outputs: Outputs::All,
        }
    }

    /// The store path, or the derivation.
    pub fn path(&self) -> &StorePath {
        match self {
            Self::Opaque(path) | Self::Built { drv_path: path, .. } => path,
        }
    }

    /// Parses the form of protocol 1.30 and later: `PATH`, `DRV!*` or `DRV!out,dev`.
    pub fn parse(text: &str) -> Result<Self, DerivedPathError> {
        let Some((drv_path, outputs)) = text.split_once('!') else {
            return Ok(Self::Opaque(StorePath::parse(text)?));
        };
        let drv_path = StorePath::parse(drv_path)?;
        if outputs == "*" {
            return Ok(Self::all_outputs(drv_path));
        }
        let is_name = |name: &str| !name.is_empty() && !name.contains(['!', '*']);
        if !outputs.split(',').all(is_name) {
            return Err(DerivedPathError::NoOutputs(
                text.chars().take(300).collect(),
            ));
        }
        Ok(Self::Built {
            drv_path,
            outputs: Outputs::Names(outputs.split(',').map(str::to_owned).collect()),
        })
    }
}

/// Writes the form of protocol 1.30 and later.
impl fmt::Display for DerivedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opaque(path) => path.fmt(f),
            Self::Built { drv_path, outputs } => write!(f, "{drv_path}!{outputs}"),
        }
    }
}

impl fmt::Display for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Names(names) => {
                for (i, name) in names.iter().enumerate() {
                    let comma = if i > 0 { "," } else { "" };
                    write!(f, "{comma}{name}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
