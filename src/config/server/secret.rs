//! Reads secrets from files, and makes new ones.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::SecretString;

/// The largest secret that is read, in bytes: a private key of GitHub's has 1.7 KiB.
const SIZE_MAX: u64 = 64 << 10;

/// Makes a secret that nobody guesses, in characters that fit into files, headers and addresses.
pub fn make_secret() -> io::Result<SecretString> {
    let mut random = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(random).into())
}

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
