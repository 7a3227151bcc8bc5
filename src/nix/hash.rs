//! Hashes in the ways Nix writes them.

use std::fmt;

use super::hex;

/// The digits of Nix's base 32.
const BASE32_DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
const BASE64_DIGITS: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A hash of a file or tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hash {
    algorithm: &'static str,
    bytes: Vec<u8>,
}

impl Hash {
    /// Parses `sha256-BASE64`, as every version of Nix since 2.4 writes hashes in the errors of builds, and
    /// `sha256:BASE32`, as it writes them in those of evaluations. `None` if it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let sri = text
            .split_once('-')
            .map(|(name, digits)| (name, base64_decode(digits)));
        let with_colon = || {
            let (name, digits) = text.split_once(':')?;
            Some((name, base32_decode(digits)))
        };
        let (name, bytes) = sri.or_else(with_colon)?;
        let sizes = [("md5", 16), ("sha1", 20), ("sha256", 32), ("sha512", 64)];
        let (algorithm, size) = sizes.into_iter().find(|(known, _)| *known == name)?;
        let bytes = bytes.filter(|bytes| bytes.len() == size)?;
        Some(Self { algorithm, bytes })
    }

    /// Whether it stands for a hash that is not known yet: all zeros, as `lib.fakeHash` and an empty string are.
    pub fn is_fake(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }

    /// The ways it may be written in a file: `sha256-…`, base 64, base 32, hexadecimal. Always in this order.
    pub fn forms(&self) -> [String; 4] {
        let base64 = base64(&self.bytes);
        [
            self.to_string(),
            base64,
            base32(&self.bytes),
            hex(&self.bytes),
        ]
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.algorithm, base64(&self.bytes))
    }
}

/// Decodes base 64 with padding.
fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// Encodes as base 64 with padding.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for n in 0..4 {
            text.push(if n <= chunk.len() {
                char::from(BASE64_DIGITS[(bits >> (18 - 6 * n) & 63) as usize])
            } else {
                '='
            });
        }
    }
    text
}

/// Writes bytes in Nix's base 32: digits from the last one on.
pub fn base32(bytes: &[u8]) -> String {
    (0..(bytes.len() * 8).div_ceil(5))
        .rev()
        .map(|n| {
            let (at, shift) = (n * 5 / 8, n * 5 % 8);
            let low = u16::from(bytes[at]) >> shift;
            let high = u16::from(*bytes.get(at + 1).unwrap_or(&0)) << (8 - shift);
            char::from(BASE32_DIGITS[usize::from((low | high) & 31)])
        })
        .collect()
}

/// Decodes Nix's base 32.
fn base32_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() * 5 / 8];
    for (n, digit) in text.bytes().rev().enumerate() {
        let value = BASE32_DIGITS.iter().position(|known| *known == digit)?;
        let (at, shift) = (n * 5 / 8, n * 5 % 8);
        let bits = u16::try_from(value).ok()? << shift;
        let [low, high] = bits.to_le_bytes();
        *bytes.get_mut(at)? |= low;
        match bytes.get_mut(at + 1) {
            Some(byte) => *byte |= high,
            None if high == 0 => {}
            None => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Hash, base32, base32_decode, base64, base64_decode};

    #[test]
    fn one_hash_in_all_its_forms() {
        // Of the text `hello`, by `nix hash to-sri`, `to-base64`, `to-base32` and `to-base16`.
        let hash = Hash::parse("sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=").unwrap();
        assert_eq!(
            hash.forms(),
            [
                "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
                "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
                "094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
                "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            ]
        );
        assert!(!hash.is_fake());
        let in_base32 = "sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic";
        assert_eq!(Hash::parse(in_base32), Some(hash));
        let fake = format!("sha256-{}=", "A".repeat(43));
        assert!(Hash::parse(&fake).unwrap().is_fake());
    }

    #[test]
    fn what_is_no_hash_is_none() {
        for text in [
            "",
            "sha256-",
            "sha256-AAAA",
            "sha1-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
            "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmC!=",
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "sha256:",
            "sha256:e94qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
            "sha256:z94qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
            "sha1:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
        ] {
            assert_eq!(Hash::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn base64_comes_back(bytes: Vec<u8>) {
            prop_assert_eq!(base32_decode(&base32(&bytes)), Some(bytes.clone()));
            prop_assert_eq!(base64_decode(&base64(&bytes)), Some(bytes));
        }
    }
}
