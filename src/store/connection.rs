//! One open connection to a daemon.

use super::{ClientSettings, ProtocolVersion, StoreAddress, StoreError};

/// Whether the daemon trusts us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It does not say (before protocol 1.35).
    Unknown,
    /// We may do everything.
    Trusted,
    /// We may build and query.
    NotTrusted,
}

/// One open connection; carries one request at a time.
///
/// When the future of a request is dropped before it ends, or a request ends with anything but `Ok` or
/// [`StoreError::Daemon`], the connection cannot be used any more. Dropping a connection makes the daemon kill the builds
/// that run on it, and ends its temporary roots.
#[derive(Debug)]
pub struct Connection {}

impl Connection {
    /// Connects, shakes hands and sends the settings, all within 30 seconds.
    pub async fn open(
        address: &StoreAddress,
        settings: &ClientSettings,
    ) -> Result<Self, StoreError> {
        let _ = (address, settings);
        unimplemented!("the skeleton")
    }

    /// The daemon's version, such as `2.34.8`.
    pub fn nix_version(&self) -> &str {
        unimplemented!("the skeleton")
    }

    /// The version of the protocol both sides speak.
    pub fn protocol_version(&self) -> ProtocolVersion {
        unimplemented!("the skeleton")
    }

    /// Whether the daemon trusts us.
    pub fn trust(&self) -> Trust {
        unimplemented!("the skeleton")
    }

    /// Closes the connection. Returns when a child that served it is gone, its builders included.
    pub async fn close(self) {
        unimplemented!("the skeleton")
    }
}
