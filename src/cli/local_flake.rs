//! The flake in a folder of this machine, if the reference names one: what the cache and the title need to know of it.

use std::path::{Path, PathBuf};

use crate::git::Checkout;

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
        if !(reference.starts_with('.') || reference.starts_with('/'))
            || reference.contains(['?', '#'])
        {
            return None;
        }
        let start = Path::new(reference).canonicalize().ok()?;
        let mut dir = start.as_path();
        while !dir.join("flake.nix").exists() {
            if dir.join(".git").exists() {
                return None;
            }
            dir = dir.parent()?;
        }
        Some(dir.to_owned())
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

#[cfg(test)]
mod tests;
