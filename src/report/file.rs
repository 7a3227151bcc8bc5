//! Files that a run is written to besides what is shown.
//!
//! Whether a file can be written is found out before the run, since nobody wants to learn it after an hour. What is
//! written when the run has ended replaces the file as a whole or not at all; of an earlier run nothing stays, so that a
//! CI never takes old results for new ones.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Why a run cannot be written to a file.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to `{}`: {source}", path.display())]
pub struct FileError {
    /// The file as the user named it.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// A file to be written when the run has ended.
#[derive(Debug)]
pub struct ReportFile {
    named: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Stdout,
    /// A pipe or a device, which must not be replaced.
    Stream(PathBuf),
    /// A file in a folder.
    File(PathBuf, PathBuf),
}

impl Target {
    /// Finds out what a name means, and that it can be written.
    fn find(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let target = match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(meta) if !meta.is_file() => return Ok(Self::Stream(path.to_owned())),
            Ok(_) => {
                OpenOptions::new().append(true).open(path)?;
                // Through a symbolic link, which stays what it is.
                path.canonicalize()?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(error),
        };
        let folder = match target.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            Some(_) | None => PathBuf::from("."),
        };
        if target.file_name().is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self::File(target, folder))
    }
}

impl ReportFile {
    /// Makes sure that a file can be written, `-` being standard output. What an earlier run wrote there is gone then.
    pub fn new(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError {
            path: path.to_owned(),
            source,
        };
        let target = Target::find(path).map_err(failed)?;
        if let Target::File(file, folder) = &target {
            temporary(folder).map_err(failed)?;
            if let Err(error) = fs::remove_file(file)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(failed(error));
            }
        }
        Ok(Self {
            named: path.to_owned(),
            target,
        })
    }

    /// Whether it is standard output.
    pub fn is_stdout(&self) -> bool {
        matches!(self.target, Target::Stdout)
    }

    /// Writes all of it.
    pub(super) fn write(&self, content: &[u8]) -> Result<(), FileError> {
        self.try_write(content).map_err(|source| self.error(source))
    }

    /// An error about it.
    pub(super) fn error(&self, source: io::Error) -> FileError {
        FileError {
            path: self.named.clone(),
            source,
        }
    }

    fn try_write(&self, content: &[u8]) -> io::Result<()> {
        match &self.target {
            Target::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(content)?;
                stdout.flush()
            }
            Target::Stream(path) => {
                let mut stream = OpenOptions::new().write(true).open(path)?;
                stream.write_all(content)
            }
            Target::File(path, folder) => {
                let mut file = temporary(folder)?;
                file.write_all(content)?;
                file.persist(path)?;
                Ok(())
            }
        }
    }
}

/// A new file in a folder, which whoever may read files of this user's may read too.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    fs::metadata(folder)?;
    tempfile::Builder::new()
        .prefix(".nixci-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        // The name of a temporary file is nothing that the user knows.
        .map_err(|error| error.kind().into())
}

/// A file that grows by whole lines while the run goes on.
pub struct StreamFile {
    named: PathBuf,
    out: Option<BufWriter<Box<dyn Write + Send>>>,
    is_stdout: bool,
}

impl StreamFile {
    /// Opens a file, `-` being standard output, and empties it.
    pub fn new(path: &Path) -> Result<Self, FileError> {
        let target = Target::find(path).and_then(|target| match target {
            Target::Stdout => Ok((Box::new(io::stdout()) as Box<dyn Write + Send>, true)),
            Target::Stream(path) => {
                let stream = OpenOptions::new().write(true).open(path)?;
                Ok((Box::new(stream) as _, false))
            }
            Target::File(path, _) => Ok((Box::new(File::create(path)?) as _, false)),
        });
        let (out, is_stdout) = target.map_err(|source| FileError {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            named: path.to_owned(),
            out: Some(BufWriter::new(out)),
            is_stdout,
        })
    }

    /// Whether it is standard output.
    pub fn is_stdout(&self) -> bool {
        self.is_stdout
    }

    /// Writes by this function. After the first failure it never writes again: a line might be half there.
    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), FileError> {
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        write(out).map_err(|source| {
            // What is left of the buffer would only fail again.
            drop(self.out.take().map(BufWriter::into_parts));
            FileError {
                path: self.named.clone(),
                source,
            }
        })
    }
}

#[cfg(test)]
mod tests;
