//! Reads secrets from files.

use std::{fs, path::Path};

use secrecy::SecretString;

/// The largest secret that is read, in bytes: a private key of GitHub's has 1.7 KiB.
const SIZE_MAX: u64 = 64 << 10;

/// Reads a secret; white space around it does not belong to it. An error says why there is none.
pub(super) fn read_secret(path: &Path) -> Result<SecretString, String> {
    let cannot = |why: &dyn std::fmt::Display| format!("cannot read {}: {why}", path.display());
    let size = fs::metadata(path).map_err(|error| cannot(&error))?.len();
    if size > SIZE_MAX {
        return Err(cannot(&"it is larger than 64 KiB"));
    }
    let text = fs::read_to_string(path).map_err(|error| cannot(&error))?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(secret.into())
}
