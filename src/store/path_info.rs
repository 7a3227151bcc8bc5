//! What the store knows about a valid path.

use std::collections::BTreeSet;

use crate::nix::StorePath;

/// What the store knows about a valid path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathInfo {
    /// The derivation that made it, where known.
    pub deriver: Option<StorePath>,
    /// The SHA-256 of its NAR, in hexadecimal digits.
    pub nar_hash: String,
    /// The paths it refers to.
    pub references: BTreeSet<StorePath>,
    /// When it became valid, in seconds since 1970.
    pub registered_at: u64,
    /// The size of its NAR in bytes.
    pub nar_size_bytes: u64,
    /// Whether it was built here, and so is trusted without a signature.
    pub is_ultimate: bool,
    /// Its signatures, as `NAME:BASE64`.
    pub signatures: BTreeSet<String>,
    /// Its content address; empty where it has none.
    pub content_address: String,
}
