//! The key that lies beside the socket of `nixci ctl`.
//!
//! The mode of a socket tells users apart, and evaluations have the server's user: behind Landlock they reach sockets that
//! have a path, but read no file that is not theirs. So whoever gives orders shows that they can read this one.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{make_secret, socket_key};

/// Makes the key of this socket, anew at each start.
pub(in crate::server) fn make_key(socket: &Path) -> io::Result<SecretString> {
    let key = make_secret()?;
    let path = socket_key(socket);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(key.expose_secret().as_bytes())?;
    Ok(key)
}
