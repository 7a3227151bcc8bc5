//! The format of `.drv` files.

use super::Derivation;

/// Why bytes are not a `.drv` file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a derivation: {expected} expected at byte {offset}")]
pub struct AtermError {
    /// Where it went wrong.
    pub offset: usize,
    /// What should have been there.
    pub expected: &'static str,
}

impl Derivation {
    /// Parses the content of a `.drv` file.
    pub fn parse(bytes: &[u8]) -> Result<Self, AtermError> {
        let _ = bytes;
        unimplemented!("the skeleton")
    }

    /// The content of a `.drv` file, byte for byte as Nix writes it.
    pub fn to_aterm(&self) -> Vec<u8> {
        unimplemented!("the skeleton")
    }
}
