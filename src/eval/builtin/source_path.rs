//! The store path of a source tree, computed from its NAR hash.
//!
//! Apart from the vocabulary of store paths since only locked inputs are found this way. Pure.

use sha2::{Digest, Sha256};

use crate::nix::StorePath;

/// Computes the store path that a source tree with this NAR hash has.
///
/// Source: the chapter "Complete Store Path Calculation" of the Nix manual; the type is `source`, without references.
pub(super) fn source_path(store_dir: &str, nar_hash: &str) -> Option<StorePath> {
    let nar_hash =
        base64_decode(nar_hash.strip_prefix("sha256-")?).filter(|hash| hash.len() == 32)?;
    let text = format!(
        "source:sha256:{}:{store_dir}:source",
        crate::nix::hex(&nar_hash)
    );
    let mut short = [0u8; 20];
    for (i, byte) in Sha256::digest(text).iter().enumerate() {
        short[i % 20] ^= byte;
    }
    StorePath::parse(&format!("{store_dir}/{}-source", base32(&short))).ok()
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

/// Writes 20 bytes in Nix's base 32: digits from the last one on.
fn base32(bytes: &[u8; 20]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
    (0..32)
        .rev()
        .map(|n| {
            let (at, shift) = (n * 5 / 8, n * 5 % 8);
            let low = u16::from(bytes[at]) >> shift;
            let high = u16::from(*bytes.get(at + 1).unwrap_or(&0)) << (8 - shift);
            char::from(DIGITS[usize::from((low | high) & 31)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::source_path;

    #[test]
    fn the_path_follows_from_the_hash() {
        // As Nix 2.34 has it: `nix flake metadata --json` prints `path` and `locked.narHash`.
        let path = |store, hash| source_path(store, hash).map(|path| path.to_string());
        assert_eq!(
            path(
                "/tmp/ev/s/forky/store",
                "sha256-iKn6lUH3pJtZzQBMfRHPRISLY4gf7Ph7J4icZCA/kDM="
            )
            .as_deref(),
            Some("/tmp/ev/s/forky/store/1f8rbv9m4vf8m0qklk07dwfs414h2kr2-source")
        );
        assert_eq!(path("/nix/store", "sha256-iKn6lUH3"), None);
        assert_eq!(
            path(
                "/nix/store",
                "sha256-iKn6lUH3pJtZzQBMfRHPRISLY4gf7Ph7J4icZCA/kD!="
            ),
            None
        );
        assert_eq!(path("/nix/store", "sha1-AAAA"), None);
        assert_eq!(
            path("", "sha256-iKn6lUH3pJtZzQBMfRHPRISLY4gf7Ph7J4icZCA/kDM="),
            None
        );
    }
}
