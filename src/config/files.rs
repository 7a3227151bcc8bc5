//! Where nixci keeps files, and how they are written.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The folder for what can be made again: `$XDG_CACHE_HOME/nixci`, else `~/.cache/nixci`. `None` without a home.
pub fn cache_dir() -> Option<PathBuf> {
    let path = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    path("XDG_CACHE_HOME")
        .or_else(|| path("HOME").map(|home| home.join(".cache")))
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
