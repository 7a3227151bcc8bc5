//! The operations of the worker protocol.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    BuildMode, Connection, DerivedPath, KeyedBuildResult, LogMessage, PathInfo, StoreError,
};
use crate::nix::StorePath;

/// What must be done to obtain some targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Derivations to build.
    pub will_build: BTreeSet<StorePath>,
    /// Paths to substitute.
    pub will_substitute: BTreeSet<StorePath>,
    /// Paths of which nothing is known: not valid, not offered and not to be built.
    pub unknown: BTreeSet<StorePath>,
    /// Bytes to download, compressed.
    pub download_bytes: u64,
    /// Bytes to download, unpacked.
    pub nar_bytes: u64,
}

impl Connection {
    /// Returns those paths that are valid. With `substitute`, obtains the others first as far as it can.
    pub async fn query_valid_paths(
        &mut self,
        paths: &BTreeSet<StorePath>,
        substitute: bool,
    ) -> Result<BTreeSet<StorePath>, StoreError> {
        let _ = (paths, substitute);
        unimplemented!("the skeleton")
    }

    /// Returns what must be built and substituted to obtain the targets.
    pub async fn query_missing(&mut self, targets: &[DerivedPath]) -> Result<Missing, StoreError> {
        let _ = targets;
        unimplemented!("the skeleton")
    }

    /// Returns those paths that a substituter offers.
    pub async fn query_substitutable_paths(
        &mut self,
        paths: &BTreeSet<StorePath>,
    ) -> Result<BTreeSet<StorePath>, StoreError> {
        let _ = paths;
        unimplemented!("the skeleton")
    }

    /// Returns the outputs of a derivation by name; `None` where the path is not known before the build.
    pub async fn query_derivation_output_map(
        &mut self,
        drv_path: &StorePath,
    ) -> Result<BTreeMap<String, Option<StorePath>>, StoreError> {
        let _ = drv_path;
        unimplemented!("the skeleton")
    }

    /// Returns what the store knows about a path; `None` if it is not valid.
    pub async fn query_path_info(
        &mut self,
        path: &StorePath,
    ) -> Result<Option<PathInfo>, StoreError> {
        let _ = path;
        unimplemented!("the skeleton")
    }

    /// Obtains the targets. A failed build is a result, not an error; but daemons before 2.20 or so fail the whole
    /// operation where no machine has the right system or features, see [`super::Meaning::of_error_text`]. A target may
    /// be missing in the answer: it was given up.
    pub async fn build_paths_with_results(
        &mut self,
        targets: &[DerivedPath],
        mode: BuildMode,
        on_message: &mut (dyn FnMut(LogMessage) + Send),
    ) -> Result<Vec<KeyedBuildResult>, StoreError> {
        let _ = (targets, mode, on_message);
        unimplemented!("the skeleton")
    }

    /// Makes a path valid by substituting it and all it refers to.
    pub async fn ensure_path(
        &mut self,
        path: &StorePath,
        on_message: &mut (dyn FnMut(LogMessage) + Send),
    ) -> Result<(), StoreError> {
        let _ = (path, on_message);
        unimplemented!("the skeleton")
    }

    /// Holds a path against garbage collection as long as this connection is open.
    pub async fn add_temp_root(&mut self, path: &StorePath) -> Result<(), StoreError> {
        let _ = path;
        unimplemented!("the skeleton")
    }

    /// Holds many paths against garbage collection as long as this connection is open.
    pub async fn add_temp_roots(&mut self, paths: &[StorePath]) -> Result<(), StoreError> {
        let _ = paths;
        unimplemented!("the skeleton")
    }

    /// Tells the daemon of a GC root elsewhere: an absolute path of a symlink to a store path, made before.
    pub async fn add_indirect_root(&mut self, link: &Path) -> Result<(), StoreError> {
        let _ = link;
        unimplemented!("the skeleton")
    }

    /// Reads a valid path that is a single file, such as a `.drv`, through the daemon (`NarFromPath`): for stores whose
    /// files are not here.
    pub async fn read_file(
        &mut self,
        path: &StorePath,
        size_max_bytes: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let _ = (path, size_max_bytes);
        unimplemented!("the skeleton")
    }
}
