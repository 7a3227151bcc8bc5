//! The version of the worker protocol that both sides of a connection settle on.
//!
//! Apart, because both the handshake and the payloads depend on it.

use std::fmt;

/// A version of the worker protocol; its major number is always 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolVersion {
    minor: u8,
}

impl ProtocolVersion {
    /// The oldest version this client speaks: 1.34, that of Nix 2.8.
    pub const OLDEST: Self = Self::new(34);
    /// The newest version this client speaks: 1.38, that of Nix 2.24 and all later ones.
    pub const NEWEST: Self = Self::new(38);

    /// The version `1.MINOR`.
    pub const fn new(minor: u8) -> Self {
        Self { minor }
    }

    /// The number behind the dot.
    pub fn minor(self) -> u8 {
        self.minor
    }

    /// Reads a version as the wire has it, `major << 8 | minor`; `None` where the major number is not 1.
    pub fn from_wire(word: u64) -> Option<Self> {
        let minor = u8::try_from(word & 0xff).ok()?;
        (word >> 8 == 1).then_some(Self { minor })
    }

    /// The version as the wire has it.
    pub fn to_wire(self) -> u64 {
        0x100 | u64::from(self.minor)
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

#[cfg(test)]
mod tests;
