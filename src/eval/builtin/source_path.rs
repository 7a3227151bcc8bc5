//! The store path of a source tree, computed from its NAR hash.
//!
//! Apart from the vocabulary of store paths since only locked inputs are found this way. Pure.

use sha2::{Digest, Sha256};

use crate::nix::{Hash, StorePath, base32};

/// Computes the store path that a source tree with this NAR hash has.
///
/// Source: the chapter "Complete Store Path Calculation" of the Nix manual; the type is `source`, without references.
pub(super) fn source_path(store_dir: &str, nar_hash: &str) -> Option<StorePath> {
    let nar_hash = nar_hash
        .strip_prefix("sha256-")
        .and(Hash::parse(nar_hash))?;
    let [_, _, _, digits] = nar_hash.forms();
    let text = format!("source:sha256:{digits}:{store_dir}:source");
    let mut short = [0u8; 20];
    for (i, byte) in Sha256::digest(text).iter().enumerate() {
        short[i % 20] ^= byte;
    }
    StorePath::parse(&format!("{store_dir}/{}-source", base32(&short))).ok()
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
