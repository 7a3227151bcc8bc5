//! The operations of the worker protocol, one method each.
//!
//! What they ask and what they read is here; how a request is carried is in `connection`.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use tokio::io::AsyncRead;

use super::{
    BuildMode, Connection, DerivedPath, KeyedBuildResult, LogMessage, PathInfo, StoreError,
    wire::{Request, WireReader},
};
use crate::nix::StorePath;

/// The operations this client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    EnsurePath,
    AddTempRoot,
    AddIndirectRoot,
    SetOptions,
    QueryPathInfo,
    QueryValidPaths,
    QuerySubstitutablePaths,
    NarFromPath,
    QueryMissing,
    QueryDerivationOutputMap,
    BuildPathsWithResults,
}

impl Operation {
    /// The number on the wire.
    pub(super) fn code(self) -> u64 {
        match self {
            Self::EnsurePath => 10,
            Self::AddTempRoot => 11,
            Self::AddIndirectRoot => 12,
            Self::SetOptions => 19,
            Self::QueryPathInfo => 26,
            Self::QueryValidPaths => 31,
            Self::QuerySubstitutablePaths => 32,
            Self::NarFromPath => 38,
            Self::QueryMissing => 40,
            Self::QueryDerivationOutputMap => 41,
            Self::BuildPathsWithResults => 46,
        }
    }

    /// The name in Nix's documentation, for errors.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::EnsurePath => "EnsurePath",
            Self::AddTempRoot => "AddTempRoot",
            Self::AddIndirectRoot => "AddIndirectRoot",
            Self::SetOptions => "SetOptions",
            Self::QueryPathInfo => "QueryPathInfo",
            Self::QueryValidPaths => "QueryValidPaths",
            Self::QuerySubstitutablePaths => "QuerySubstitutablePaths",
            Self::NarFromPath => "NarFromPath",
            Self::QueryMissing => "QueryMissing",
            Self::QueryDerivationOutputMap => "QueryDerivationOutputMap",
            Self::BuildPathsWithResults => "BuildPathsWithResults",
        }
    }
}

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

/// How many requests are sent before their answers are read: they and the answers fit into the kernel's buffers, so that
/// neither side waits for the other forever.
const PIPELINED_MAX: usize = 128;

impl Connection {
    /// Returns those paths that are valid. With `substitute`, obtains the others first as far as it can.
    pub async fn query_valid_paths(
        &mut self,
        paths: &BTreeSet<StorePath>,
        substitute: bool,
    ) -> Result<BTreeSet<StorePath>, StoreError> {
        let request = Request::new(Operation::QueryValidPaths)
            .list(paths, Request::path)
            .bool(substitute);
        let mut reply = self
            .call(Operation::QueryValidPaths, &request, &mut ignore)
            .await?;
        let valid = reply.paths("valid").await?;
        reply.end(valid)
    }

    /// Returns what must be built and substituted to obtain the targets.
    pub async fn query_missing(&mut self, targets: &[DerivedPath]) -> Result<Missing, StoreError> {
        let request = Request::new(Operation::QueryMissing).targets(targets);
        let mut reply = self
            .call(Operation::QueryMissing, &request, &mut ignore)
            .await?;
        let missing = Missing {
            will_build: reply.paths("willBuild").await?,
            will_substitute: reply.paths("willSubstitute").await?,
            unknown: reply.paths("unknown").await?,
            download_bytes: reply.u64("downloadSize").await?,
            nar_bytes: reply.u64("narSize").await?,
        };
        reply.end(missing)
    }

    /// Returns those paths that a substituter offers.
    pub async fn query_substitutable_paths(
        &mut self,
        paths: &BTreeSet<StorePath>,
    ) -> Result<BTreeSet<StorePath>, StoreError> {
        let request = Request::new(Operation::QuerySubstitutablePaths).list(paths, Request::path);
        let mut reply = self
            .call(Operation::QuerySubstitutablePaths, &request, &mut ignore)
            .await?;
        let offered = reply.paths("substitutable").await?;
        reply.end(offered)
    }

    /// Returns the outputs of a derivation by name; `None` where the path is not known before the build.
    pub async fn query_derivation_output_map(
        &mut self,
        drv_path: &StorePath,
    ) -> Result<BTreeMap<String, Option<StorePath>>, StoreError> {
        let request = Request::new(Operation::QueryDerivationOutputMap).path(drv_path);
        let mut reply = self
            .call(Operation::QueryDerivationOutputMap, &request, &mut ignore)
            .await?;
        let outputs = reply.optional_paths_by_name("outputs").await?;
        reply.end(outputs)
    }

    /// Returns what the store knows about a path; `None` if it is not valid.
    pub async fn query_path_info(
        &mut self,
        path: &StorePath,
    ) -> Result<Option<PathInfo>, StoreError> {
        let request = Request::new(Operation::QueryPathInfo).path(path);
        let mut reply = self
            .call(Operation::QueryPathInfo, &request, &mut ignore)
            .await?;
        let info = if reply.bool("valid").await? {
            Some(PathInfo::read(&mut reply).await?)
        } else {
            None
        };
        reply.end(info)
    }

    /// Obtains the targets. A failed build is a result, not an error; but daemons up to 2.26 at least fail the whole
    /// operation where no machine has the right system or features, see [`super::Meaning::of_error_text`]. A target may
    /// be missing in the answer: it was given up.
    pub async fn build_paths_with_results(
        &mut self,
        targets: &[DerivedPath],
        mode: BuildMode,
        on_message: &mut (dyn FnMut(LogMessage) + Send),
    ) -> Result<Vec<KeyedBuildResult>, StoreError> {
        let request = Request::new(Operation::BuildPathsWithResults)
            .targets(targets)
            .u64(mode.to_wire());
        let version = self.protocol_version();
        let mut reply = self
            .call(Operation::BuildPathsWithResults, &request, on_message)
            .await?;
        let mut results = Vec::new();
        for _ in 0..reply.count("results").await? {
            results.push(KeyedBuildResult::read(&mut reply, version).await?);
        }
        reply.end(results)
    }

    /// Makes a path valid by substituting it and all it refers to.
    pub async fn ensure_path(
        &mut self,
        path: &StorePath,
        on_message: &mut (dyn FnMut(LogMessage) + Send),
    ) -> Result<(), StoreError> {
        let request = Request::new(Operation::EnsurePath).path(path);
        let mut reply = self
            .call(Operation::EnsurePath, &request, on_message)
            .await?;
        reply.u64("success").await?;
        reply.end(())
    }

    /// Holds a path against garbage collection as long as this connection is open, also if it is not valid yet.
    pub async fn add_temp_root(&mut self, path: &StorePath) -> Result<(), StoreError> {
        self.add_temp_roots(std::slice::from_ref(path)).await
    }

    /// Holds many paths against garbage collection as long as this connection is open. Where some are refused, the first
    /// error is returned, and the others are held.
    pub async fn add_temp_roots(&mut self, paths: &[StorePath]) -> Result<(), StoreError> {
        let request = |path: &StorePath| Request::new(Operation::AddTempRoot).path(path);
        self.tell_all(Operation::AddTempRoot, paths, request).await
    }

    /// Tells the daemon of a GC root elsewhere: an absolute path of a symlink to a store path, made before.
    pub async fn add_indirect_root(&mut self, link: &Path) -> Result<(), StoreError> {
        self.add_indirect_roots(&[link]).await
    }

    /// Tells the daemon of many such links. Where some are refused, the first error is returned, and the others are roots.
    pub async fn add_indirect_roots(&mut self, links: &[&Path]) -> Result<(), StoreError> {
        let request = |link: &&Path| {
            Request::new(Operation::AddIndirectRoot).string(link.as_os_str().as_bytes())
        };
        self.tell_all(Operation::AddIndirectRoot, links, request)
            .await
    }

    /// Sends a request about each of many, to which the daemon has nothing to say but that it is done.
    async fn tell_all<T>(
        &mut self,
        operation: Operation,
        all: &[T],
        request: impl Fn(&T) -> Request,
    ) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        for chunk in all.chunks(PIPELINED_MAX) {
            let requests: Vec<_> = chunk.iter().map(&request).collect();
            let answered = self.call_all(operation, &requests, "success").await;
            outcome = outcome.and(answered);
        }
        outcome
    }

    /// Reads a valid path that is a single file, such as a `.drv`, through the daemon: for stores whose files are not
    /// here. What is no single file is a [`StoreError::Protocol`].
    pub async fn read_file(
        &mut self,
        path: &StorePath,
        size_max_bytes: u64,
    ) -> Result<Vec<u8>, StoreError> {
        // Of a path that is not valid, the daemon would say so in the middle of the NAR, and hang up.
        let Some(info) = self.query_path_info(path).await? else {
            let message = format!("path `{path}` is not valid");
            return Err(StoreError::Daemon {
                during: Operation::NarFromPath.name(),
                message,
            });
        };
        let size_bytes = info.nar_size_bytes;
        if size_bytes > size_max_bytes {
            return Err(StoreError::TooLarge {
                path: path.clone(),
                size_bytes,
                size_max_bytes,
            });
        }
        let request = Request::new(Operation::NarFromPath).path(path);
        let mut reply = self
            .call(Operation::NarFromPath, &request, &mut ignore)
            .await?;
        for expected in ["nix-archive-1", "(", "type", "regular"] {
            nar_word(&mut reply, expected).await?;
        }
        let mut word = reply.string("NAR").await?;
        if word == "executable" {
            nar_word(&mut reply, "").await?;
            word = reply.string("NAR").await?;
        }
        if word != "contents" {
            return Err(reply.nonsense("NAR", "it has no contents"));
        }
        let contents = reply.bytes("contents", size_max_bytes).await?;
        nar_word(&mut reply, ")").await?;
        reply.end(contents)
    }
}

/// For operations during which the daemon has nothing to say that anybody wants to know.
fn ignore(_: LogMessage) {}

/// Reads a string that must be there in a NAR.
async fn nar_word<R: AsyncRead + Unpin>(
    reader: &mut WireReader<R>,
    expected: &str,
) -> Result<(), StoreError> {
    let word = reader.string("NAR").await?;
    if word == expected {
        return Ok(());
    }
    let detail = format!(
        "`{}` instead of `{expected}`: that is no single file",
        word.escape_debug()
    );
    Err(reader.nonsense("NAR", detail))
}
