//! How a connection begins: both sides say who they are, then we say how to work.
//!
//! Takes two round trips, the settings included: one to learn the daemon's version, and one for all the rest.

use super::{
    ClientSettings, ProtocolVersion, StoreAddress, StoreError,
    connection::{read_frames, send},
    operation::Operation,
    transport::{ReadHalf, WriteHalf},
    wire::{Request, WireReader},
};

const CLIENT_MAGIC: u64 = 0x6e69_7863;
const SERVER_MAGIC: u64 = 0x6478_696f;
/// The first version whose handshake exchanges features.
const FEATURES_SINCE: ProtocolVersion = ProtocolVersion::new(38);
/// The first version whose handshake tells whether the daemon trusts us.
const TRUST_SINCE: ProtocolVersion = ProtocolVersion::new(35);

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

/// What the daemon says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    /// The version both sides speak.
    pub(super) version: ProtocolVersion,
    /// The daemon's own version.
    pub(super) nix_version: String,
    /// Whether it trusts us.
    pub(super) trust: Trust,
}

/// Shakes hands and sends the settings.
///
/// We offer 1.38 without any features. No payload of 1.38 differs from 1.37, but a daemon that drops old versions will
/// keep this one longest, and the list of features costs no round trip.
pub(super) async fn shake(
    reader: &mut WireReader<ReadHalf>,
    writer: &mut WriteHalf,
    address: &StoreAddress,
    settings: &ClientSettings,
) -> Result<Greeting, StoreError> {
    let hello = Request::default()
        .u64(CLIENT_MAGIC)
        .u64(ProtocolVersion::NEWEST.to_wire());
    send(reader, writer, &hello).await?;
    let magic = reader.u64("server magic").await?;
    if magic != SERVER_MAGIC {
        return Err(reader.nonsense(
            "server magic",
            format!("{magic:#x} instead of {SERVER_MAGIC:#x}"),
        ));
    }
    let word = reader.u64("server version").await?;
    let found = ProtocolVersion::from_wire(word).ok_or_else(|| {
        reader.nonsense(
            "server version",
            format!("{}.{} is not 1.x", word >> 8, word & 0xff),
        )
    })?;
    if found < ProtocolVersion::OLDEST {
        return Err(StoreError::TooOld {
            address: address.to_string(),
            found,
        });
    }
    let version = found.min(ProtocolVersion::NEWEST);

    let mut rest = Request::default();
    if version >= FEATURES_SINCE {
        rest = rest.u64(0); // No features.
    }
    rest = rest
        .u64(0) // CPU affinity, obsolete.
        .u64(0) // Reserved space, obsolete.
        .append(&settings.request(version));
    send(reader, writer, &rest).await?;
    if version >= FEATURES_SINCE {
        reader.strings("features").await?;
    }
    let nix_version = reader.text("Nix version").await?;
    let trust = if version >= TRUST_SINCE {
        match reader.u64("trust").await? {
            0 => Trust::Unknown,
            1 => Trust::Trusted,
            2 => Trust::NotTrusted,
            other => return Err(reader.nonsense("trust", format!("{other} is neither 0, 1 nor 2"))),
        }
    } else {
        Trust::Unknown
    };
    read_frames(reader, &mut |_| ()).await?;
    reader.begin(Operation::SetOptions.name());
    read_frames(reader, &mut |_| ()).await?;
    Ok(Greeting {
        version,
        nix_version,
        trust,
    })
}
