//! The flake in a folder of this machine, if the reference names one: what the cache and the title need to know of it.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use crate::{config::RepositoryConfig, git::Checkout};

/// A flake in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LocalFlake {
    /// The folder with `flake.nix`.
    pub(super) dir: PathBuf,
    /// The checkout it lies in, if it does and that can be read.
    pub(super) checkout: Option<Checkout>,
}

impl LocalFlake {
    /// Finds the flake a reference such as `.` or `./sub` means: the folder itself, or as Nix does, the nearest one above
    /// it that has a `flake.nix`, within the same checkout. `None` if the reference is of another kind.
    pub(super) fn find(reference: &str) -> Option<Self> {
        let dir = Self::dir(reference)?;
        Some(Self {
            checkout: Checkout::find(&dir).ok().flatten(),
            dir,
        })
    }

    /// The folder of the flake alone, without a look at its checkout.
    pub(super) fn dir(reference: &str) -> Option<PathBuf> {
        nearest(&folder(reference)?, |dir| dir.join("flake.nix").exists())
    }

    /// The folder of the flake below the top of its checkout; empty: the top itself.
    pub(super) fn dir_in_checkout(&self) -> String {
        let root = self
            .checkout
            .as_ref()
            .and_then(|checkout| checkout.root.canonicalize().ok());
        root.and_then(|root| self.dir.strip_prefix(root).ok().map(Path::to_owned))
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// What says which tree a flake sees, exactly; `None` where that is not known.
    pub(super) fn source(&self) -> Option<String> {
        let checkout = self.checkout.as_ref()?;
        let locked = checkout.revision.is_some() && !checkout.has_blind_spots;
        locked.then(|| format!("git {} {}", checkout.fingerprint, checkout.is_shallow))
    }

    /// A name for people.
    pub(super) fn title(&self) -> String {
        self.dir.file_name().map_or_else(
            || "/".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }
}

/// The folder that a reference such as `.` or `./sub` means, if it is of that kind.
pub(super) fn folder(reference: &str) -> Option<PathBuf> {
    let is_folder = (reference.starts_with('.') || reference.starts_with('/'))
        && !reference.contains(['?', '#']);
    let folder = is_folder.then(|| Path::new(reference).canonicalize())?;
    folder.ok()
}

/// The nearest folder of which something holds: this one or one above it, within the same checkout.
pub(super) fn nearest(start: &Path, holds: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    for dir in start.ancestors() {
        if holds(dir) {
            return Some(dir.to_owned());
        }
        if dir.join(".git").exists() {
            return None;
        }
    }
    None
}

/// Whether `nixci check` has a flake to look at where it runs, without being told which.
pub(super) fn is_flake_here() -> bool {
    folder(".").is_some_and(|here| nearest(&here, is_place_of_flake).is_some())
}

/// Whether this is where a flake's configuration is: beside the flake itself, or above it.
pub(super) fn is_place_of_flake(dir: &Path) -> bool {
    dir.join("flake.nix").exists() || RepositoryConfig::is_in(dir)
}

/// Takes a reference apart into all but its `dir`, and that.
pub(super) fn split_dir(reference: &str) -> (String, String) {
    let Some((path, query)) = reference.split_once('?') else {
        return (reference.to_owned(), String::new());
    };
    let (dirs, others): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|part| part.starts_with("dir="));
    let dir = dirs.first().map_or("", |part| &part["dir=".len()..]);
    let reference = if others.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", others.join("&"))
    };
    (reference, dir.to_owned())
}

/// A reference that this Nix can fetch: before 2.26, it takes no `lastModified` for a folder of the store, since it finds
/// another one there. `--remote` writes such references on a machine that may have another Nix.
pub(super) fn without_age(reference: String, nix_version: (u32, u32)) -> String {
    let Some((path, query)) = reference
        .split_once('?')
        .filter(|(path, _)| path.starts_with("path:") && nix_version < (2, 26))
    else {
        return reference;
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|part| !part.starts_with("lastModified="))
        .collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    format!("{path}{mark}{}", kept.join("&"))
}

/// Writes a path as part of a URL.
pub(super) fn percent_encode(path: &str) -> String {
    let mut encoded = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
