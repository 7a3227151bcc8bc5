//! What can go wrong between us and the daemon.

use std::io;

use super::{Meaning, ProtocolVersion};
use crate::nix::StorePath;

/// Why a connection could not be opened or a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection came about.
    #[error("cannot connect to the Nix daemon at {address} ({hint})")]
    Connect {
        /// The socket or the command.
        address: String,
        /// What went wrong in detail.
        source: io::Error,
        /// What to do about it.
        hint: &'static str,
    },
    /// The daemon is older than anything this client speaks.
    #[error(
        "the Nix daemon at {address} is too old: it speaks worker protocol {found}, {needed} is needed (Nix 2.8 or newer)",
        needed = ProtocolVersion::OLDEST
    )]
    TooOld {
        /// The socket or the command.
        address: String,
        /// What the daemon speaks.
        found: ProtocolVersion,
    },
    /// The daemon sent something that makes no sense; the connection is of no use any more.
    #[error("the Nix daemon's answer to {during} makes no sense: {field}: {detail}")]
    Protocol {
        /// The operation.
        during: &'static str,
        /// The field of the wire format.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The daemon refuses an operation, or the operation failed; the connection stays usable.
    #[error("{message}")]
    Daemon {
        /// The operation.
        during: &'static str,
        /// What the daemon says, without ANSI escapes and without a leading `error:`.
        message: String,
    },
    /// The connection broke.
    #[error("lost the connection to the Nix daemon during {during}")]
    Lost {
        /// The operation.
        during: &'static str,
        /// What went wrong in detail.
        source: io::Error,
    },
    /// An earlier request on this connection was given up halfway, so that it cannot carry another one.
    #[error(
        "the connection to the Nix daemon cannot be used for {during}: an earlier request on it was not finished"
    )]
    Unusable {
        /// The operation.
        during: &'static str,
    },
    /// What was asked for is larger than the caller allows; nothing of it was read.
    #[error("`{path}` has {size_bytes} bytes, and at most {size_max_bytes} are read")]
    TooLarge {
        /// The store path.
        path: StorePath,
        /// Its size.
        size_bytes: u64,
        /// What is allowed.
        size_max_bytes: u64,
    },
}

impl StoreError {
    /// Whether there is no connection (any more), so that the request may succeed on a new one.
    pub fn is_connection_lost(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Lost { .. }
            | Self::Protocol { .. }
            | Self::Unusable { .. } => true,
            Self::TooOld { .. } | Self::Daemon { .. } | Self::TooLarge { .. } => false,
        }
    }

    /// Whether the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Daemon { message, .. } => Meaning::of_error_text(message) == Meaning::Transient,
            Self::Connect { .. }
            | Self::TooOld { .. }
            | Self::Protocol { .. }
            | Self::Lost { .. }
            | Self::Unusable { .. }
            | Self::TooLarge { .. } => self.is_connection_lost(),
        }
    }
}

#[cfg(test)]
mod tests;
