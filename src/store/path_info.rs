//! What the store knows about a valid path.

use std::collections::BTreeSet;

use tokio::io::AsyncRead;

use super::{StoreError, wire::WireReader};
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

impl PathInfo {
    /// Reads it in the form of protocol 1.16 and later, without the path itself.
    pub async fn read<R: AsyncRead + Unpin>(
        reader: &mut WireReader<R>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            deriver: reader.optional_path("deriver").await?,
            nar_hash: reader.string("narHash").await?,
            references: reader.paths("references").await?,
            registered_at: reader.u64("registrationTime").await?,
            nar_size_bytes: reader.u64("narSize").await?,
            is_ultimate: reader.bool("ultimate").await?,
            signatures: reader.strings("sigs").await?,
            content_address: reader.string("ca").await?,
        })
    }
}

#[cfg(test)]
mod tests;
