//! Store paths, as full strings such as `/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-ok.drv`.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The characters of Nix's base 32: no `e`, `o`, `t`, `u`.
const BASE32: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";
/// Length of the hash part of a store path's name.
const HASH_LENGTH: usize = 32;
/// The longest name Nix accepts after the hash.
const NAME_LENGTH_MAX: usize = 211;

/// A path directly inside a Nix store; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath(Arc<str>);

/// Why a string is not a store path.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not a store path", path.escape_debug())]
pub struct StorePathError {
    path: String,
}

impl StorePath {
    /// Parses an absolute store path; the store directory may be any absolute one.
    pub fn parse(path: &str) -> Result<Self, StorePathError> {
        if is_store_path(path) {
            Ok(Self(path.into()))
        } else {
            Err(StorePathError {
                path: path.chars().take(300).collect(),
            })
        }
    }

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component, `HASH-NAME`.
    pub fn base_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The folder of the store, without a slash at its end.
    pub fn store_dir(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(dir, _)| dir)
    }

    /// The hash part of the last component.
    pub fn hash_part(&self) -> &str {
        self.base_name().get(..HASH_LENGTH).unwrap_or_default()
    }

    /// The name behind the hash; of a derivation it still ends in `.drv`.
    pub fn name(&self) -> &str {
        self.base_name().get(HASH_LENGTH + 1..).unwrap_or_default()
    }

    /// The name of what a derivation builds: without `.drv`.
    pub fn step_name(&self) -> &str {
        self.name().trim_end_matches(".drv")
    }

    /// Whether this names a derivation.
    pub fn is_derivation(&self) -> bool {
        self.0.ends_with(".drv")
    }
}

fn is_store_path(path: &str) -> bool {
    let Some((dir, base)) = path.rsplit_once('/') else {
        return false;
    };
    let clean_dir = dir.starts_with('/')
        && dir[1..]
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
    let bytes = base.as_bytes();
    clean_dir
        && bytes.len() > HASH_LENGTH + 1
        && bytes.len() <= HASH_LENGTH + 1 + NAME_LENGTH_MAX
        && bytes[..HASH_LENGTH].iter().all(|b| BASE32.contains(b))
        && bytes[HASH_LENGTH] == b'-'
        && bytes[HASH_LENGTH + 1..]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+-._?=".contains(b))
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for StorePath {
    type Error = StorePathError;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        Self::parse(&path)
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> Self {
        path.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests;
