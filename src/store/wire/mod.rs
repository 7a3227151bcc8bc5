//! The primitives of the wire: numbers, strings and lists, as both sides write them.
//!
//! Everything is a 64-bit little-endian number or a string of bytes with its length in front, padded with zeros to a
//! multiple of eight. [`WireReader`] bounds every length and names the field in every error; `Request` collects a
//! whole request, so that it goes out in one write. Neither knows what a message means.

mod read;
mod request;

pub use read::WireReader;
pub(super) use request::Request;

/// The most bytes of a string that has a meaning for the protocol.
pub const STRING_MAX_BYTES: u64 = 16 << 20;
/// The most bytes of a store path, and of anything that begins with one.
pub const PATH_MAX_BYTES: u64 = 64 << 10;
/// The most items of a list.
pub const LIST_MAX: u64 = 1_000_000;
/// How many bytes of a text for people are kept; the rest is read and thrown away.
pub const TEXT_KEPT_BYTES: u64 = 64 << 10;
/// The most bytes of a text for people; a larger length can only be garbage.
pub const TEXT_MAX_BYTES: u64 = 1 << 32;

/// How many zeros follow a string of this length.
const fn padding(length: u64) -> u64 {
    length.wrapping_neg() % 8
}

#[cfg(test)]
mod tests;
