//! What a run asks of whoever copies outputs elsewhere, and what it is told.
//!
//! Apart from what copies them, which knows programs and URLs; a run knows destinations by their number only.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::{eval::BoxFuture, nix::StorePath};

/// How the error of a run begins in which all went well but uploads.
pub const UPLOAD_FAILED: &str = "cannot upload to ";

/// A derivation whose outputs are to be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The derivation.
    pub drv_path: StorePath,
    /// Its outputs by name as far as known; empty, or `None` for one of them: the store knows.
    pub outputs: BTreeMap<String, Option<StorePath>>,
}

/// What is told while outputs are copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadNote {
    /// These outputs are being copied. Not told where none of them is here.
    Started(Vec<StorePath>),
    /// It failed and is tried again, for this reason.
    Retrying(String),
}

/// How copying the outputs of some derivations ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadEnd {
    /// Outputs that are there now.
    pub uploaded: Vec<StorePath>,
    /// Outputs that are not.
    pub failed: Vec<StorePath>,
    /// Why not; empty where nothing failed.
    pub error: String,
    /// Whether nothing else will get there either.
    pub gave_up: bool,
}

/// Copies outputs to the destinations of a run.
pub trait Uploader: Send + Sync {
    /// Copies what is valid of these outputs to a destination, by its number in [`UploadSettings::destinations`]; ends
    /// soon after `cancel`.
    fn upload<'a>(
        &'a self,
        destination: usize,
        uploads: Vec<Upload>,
        cancel: &'a CancellationToken,
        on_note: &'a mut (dyn FnMut(UploadNote) + Send),
    ) -> BoxFuture<'a, UploadEnd>;
}

/// Where outputs are to be copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadSettings {
    /// The names of the destinations for people; none: nothing is copied.
    pub destinations: Vec<String>,
    /// Whether what was built on the way to a check is copied too.
    pub with_dependencies: bool,
}
