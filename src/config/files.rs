//! Where nixci keeps files, and how they are written.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The folder for what can be made again: `$XDG_CACHE_HOME/nixci`, else `~/.cache/nixci`. `None` without a home.
pub fn cache_dir() -> Option<PathBuf> {
    own_dir("XDG_CACHE_HOME", ".cache")
}

/// The folder for what is remembered from run to run: `$XDG_STATE_HOME/nixci`, else `~/.local/state/nixci`. `None`
/// without a home.
pub fn state_dir() -> Option<PathBuf> {
    own_dir("XDG_STATE_HOME", ".local/state")
}

fn own_dir(variable: &str, below_home: &str) -> Option<PathBuf> {
    let path = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    path(variable)
        .or_else(|| path("HOME").map(|home| home.join(below_home)))
        .map(|dir| dir.join("nixci"))
}

/// Writes a file as a whole: whoever reads it sees the old text or the new one. Makes its folder.
pub fn write_file(file: &Path, text: &[u8]) -> io::Result<()> {
    let dir = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut new = tempfile::NamedTempFile::new_in(dir)?;
    new.write_all(text)?;
    new.persist(file)?;
    Ok(())
}
