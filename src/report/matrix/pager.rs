//! A log in the pager that the user has chosen.
//!
//! Apart from the keyboard because it is about files and another program. What the pager gets is harmless in any
//! program that shows it; the whole log if a file has it, else what is kept of it.

use std::{
    env,
    fs::File,
    io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _},
    path::PathBuf,
    process::Command,
};

use tempfile::NamedTempFile;

use crate::report::sanitize::log_text;

/// The pager where none is chosen: with colours, and at the end, where errors are.
const DEFAULT_PAGER: &str = "less -R +G";
/// How long a line may be, in bytes; a longer one is shown as several.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A log to be shown.
#[derive(Debug)]
pub(in crate::report) struct LogToPage {
    /// What it is called.
    pub(in crate::report) name: String,
    /// The file that has all of it, where there is one.
    pub(in crate::report) file: Option<PathBuf>,
    /// What is kept of it; harmless.
    pub(in crate::report) kept: String,
    /// Whether what builds wrote may keep its colours.
    pub(in crate::report) color: bool,
}

impl LogToPage {
    /// Lets the pager show it, and waits until that ends. An error is a line for people.
    pub(super) fn page(&self) -> Result<(), String> {
        let file = self
            .write()
            .map_err(|error| format!("cannot write the log for the pager: {error}"))?;
        let pager = env::var("PAGER").unwrap_or_default();
        let pager = if pager.trim().is_empty() {
            DEFAULT_PAGER
        } else {
            &pager
        };
        let mut command = Command::new("/bin/sh");
        // As git does: the pager may have arguments, and be a pipe.
        command
            .args(["-c", &format!("{pager} \"$@\""), "pager"])
            .arg(file.path());
        if env::var_os("LESS").is_none() {
            command.env("LESS", "R");
        }
        let status = command
            .status()
            .map_err(|error| format!("cannot start the pager: {error}"))?;
        match status.code() {
            Some(126 | 127) => Err(format!(
                "cannot run the pager `{pager}`: set PAGER to one that is installed"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Writes it to a file that goes when the pager has ended.
    fn write(&self) -> io::Result<NamedTempFile> {
        let file = tempfile::Builder::new()
            .prefix(&format!("{}-", self.name))
            .suffix(".log")
            .tempfile()?;
        let mut out = BufWriter::new(&file);
        let whole = self.file.as_ref().and_then(|path| File::open(path).ok());
        if let Some(whole) = whole {
            let mut whole = BufReader::new(whole);
            let mut line = Vec::new();
            while whole
                .by_ref()
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)?
                > 0
            {
                let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line));
                writeln!(out, "{}", log_text(&text, self.color, false))?;
                line.clear();
            }
        } else {
            out.write_all(self.kept.as_bytes())?;
        }
        out.flush()?;
        drop(out);
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::LogToPage;

    #[test]
    fn the_file_is_shown_if_there_is_one_and_nothing_in_it_does_harm() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        let log = |file| LogToPage {
            name: "fmt".into(),
            file,
            kept: "kept\n".into(),
            color: true,
        };
        let written = |log: &LogToPage| fs::read_to_string(log.write().unwrap().path()).unwrap();
        assert_eq!(written(&log(None)), "kept\n");
        assert_eq!(written(&log(Some(file.clone()))), "kept\n");
        fs::write(&file, b"one\n\x1b[2J\x1b[31mred\x1b[0m\n\xff\x07").unwrap();
        assert_eq!(
            written(&log(Some(file))),
            "one\n\u{1b}[31mred\u{1b}[0m\u{1b}[0m\n\u{fffd}\\u{7}\n"
        );
    }
}
