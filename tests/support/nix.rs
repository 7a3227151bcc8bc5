//! The installations of Nix that tests run against.
//!
//! `dev/install-nix` makes them; `NIXCI_TEST_NIX` names them, prefixes separated by colons, and without it they are
//! looked for where `make test-nix` puts them. Nothing here falls back to a Nix on `PATH`: which version is tested must
//! be known.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
};

use super::store::TestStore;

/// One installation of Nix under a prefix of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nix {
    /// The folder with `bin/nix` and `nix.conf`.
    pub(crate) prefix: PathBuf,
    /// Its version, as numbers: `(2, 34, 8)`.
    pub(crate) version: (u32, u32, u32),
}

impl Nix {
    /// Takes the installation under this prefix. Panics if it does not run.
    pub(crate) fn at(prefix: &Path) -> Self {
        let program = prefix.join("bin/nix");
        let output = Command::new(&program)
            .arg("--version")
            .output()
            .unwrap_or_else(|error| {
                panic!(
                    "cannot run {}: {error}; run `make test-nix`",
                    program.display()
                )
            });
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = parse_version(&said).unwrap_or_else(|| {
            panic!(
                "`{} --version` said {said:?}; run `make test-nix`",
                program.display()
            )
        });
        Self {
            prefix: prefix.to_owned(),
            version,
        }
    }

    /// Makes a private, empty store for it.
    pub(crate) fn store(&self) -> TestStore {
        TestStore::new(self)
    }
}

/// Writes the version: `2.34.8`.
impl fmt::Display for Nix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.version;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// Returns every installation, oldest first. Panics if there is none, and says how to get one.
pub(crate) fn all() -> Vec<Nix> {
    let prefixes = match env::var_os("NIXCI_TEST_NIX") {
        Some(list) if !list.is_empty() => env::split_paths(&list).collect(),
        _ => default_prefixes(),
    };
    let mut found: Vec<Nix> = prefixes.iter().map(|prefix| Nix::at(prefix)).collect();
    assert!(
        !found.is_empty(),
        "no Nix to test against: run `make test-nix`, or set NIXCI_TEST_NIX to prefixes made by dev/install-nix"
    );
    found.sort_by_key(|nix| nix.version);
    found
}

/// Returns the newest installation.
pub(crate) fn newest() -> Nix {
    all().pop().expect("all() is never empty")
}

/// Returns the oldest installation.
pub(crate) fn oldest() -> Nix {
    all().swap_remove(0)
}

/// The places that `make test-nix` fills, as far as they are there.
fn default_prefixes() -> Vec<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let Some(cache) = cache else {
        return Vec::new();
    };
    ["bookworm", "trixie", "forky"]
        .map(|suite| cache.join("nixci/nix").join(suite))
        .into_iter()
        .filter(|prefix| prefix.join("env").exists())
        .collect()
}

/// Reads `nix (Nix) 2.34.8`, also with something behind the numbers.
pub(crate) fn parse_version(said: &str) -> Option<(u32, u32, u32)> {
    let number = said
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let mut next = || parts.next().and_then(Result::ok);
    Some((next()?, next()?, next().unwrap_or(0)))
}
