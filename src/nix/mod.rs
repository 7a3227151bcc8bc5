//! The vocabulary of Nix: store paths, systems, attribute paths, flake references, derivations.
//!
//! Pure: no I/O, no async, no panics on any input. Everything above builds on it.

pub mod aterm;
mod attr_path;
mod builders;
mod check_pattern;
mod derivation;
#[cfg(test)]
pub(crate) mod golden;
mod hash;
mod hex;
mod installable;
mod output_kind;
mod store_path;
mod store_url;
mod system;
mod version;

pub use aterm::AtermError;
pub use attr_path::{AttrPath, AttrPathError};
pub use builders::{Builders, Machine};
pub use check_pattern::{CheckPattern, CheckPatternError, Reach};
pub use derivation::{Derivation, DerivationOutput, NeededOutputs};
pub use hash::{Hash, base32};
pub use hex::{hex, unhex};
pub use installable::{Installable, InstallableError};
pub use output_kind::OutputKind;
pub use store_path::{StorePath, StorePathError};
pub use store_url::{
    StoreUrl, StoreUrlError, hidden, is_ssh_host, without_passwords, without_secrets,
};
pub use system::{System, SystemError, looks_like_system, system_pattern};
pub use version::NixVersion;
