//! The log of a step, wherever it lies, piece by piece.
//!
//! Found by the number of a run and the derivation of a step, both of which the database has; nothing of an address ever
//! is part of a path.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::PathBuf,
};

use super::answer::Trouble;
use crate::{
    db::server::{PostBuildRow, RunId, StepRow},
    nix::StorePath,
    server::{app::App, logs, post_build},
};

/// How much is read at once, in bytes.
pub(super) const PIECE: usize = 64 << 10;

/// The log of a step.
#[derive(Debug)]
pub(super) enum Log {
    /// All of it.
    Short(Vec<u8>),
    /// A file, which may grow.
    File(File),
}

impl Log {
    /// Finds the log of a step. `None`: there is none, or not yet.
    pub(super) async fn open(
        app: &App,
        run: RunId,
        step: &StepRow,
    ) -> Result<Option<Self>, Trouble> {
        if let Some(text) = app.db.short_log(step.id).await? {
            return Ok(Some(Self::Short(text)));
        }
        let Ok(drv_path) = StorePath::parse(&step.drv_path) else {
            return Ok(None);
        };
        Self::open_file(logs::folder(app, run).file(&drv_path)).await
    }

    /// Finds the log of what is run after a check. `None`: there is none, or not yet.
    pub(super) async fn open_post_build(
        app: &App,
        row: &PostBuildRow,
    ) -> Result<Option<Self>, Trouble> {
        Self::open_file(post_build::log_file(app, row.new.run, row.id)).await
    }

    async fn open_file(path: PathBuf) -> Result<Option<Self>, Trouble> {
        match tokio::task::spawn_blocking(move || File::open(path)).await {
            Ok(Ok(file)) => Ok(Some(Self::File(file))),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(Trouble::Broken(error.to_string())),
        }
    }

    /// How long it is now, in bytes.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        match self {
            Self::Short(text) => Ok(text.len() as u64),
            Self::File(file) => Ok(file.metadata()?.len()),
        }
    }

    /// Reads a piece from a place on; an empty one is the end. Blocks on the disk.
    pub(super) fn piece(&mut self, from: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        match self {
            Self::Short(text) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX).min(text.len());
                let to = from.saturating_add(bytes_max).min(text.len());
                Ok(text[from..to].to_vec())
            }
            Self::File(file) => {
                let mut piece = Vec::new();
                file.seek(SeekFrom::Start(from))?;
                file.take(bytes_max as u64).read_to_end(&mut piece)?;
                Ok(piece)
            }
        }
    }

    /// How many lines end before a place. Blocks on the disk.
    pub(super) fn lines_before(&mut self, place: u64) -> io::Result<u64> {
        let (mut at, mut lines) = (0, 0);
        while at < place {
            let room = usize::try_from(place - at).unwrap_or(usize::MAX).min(PIECE);
            let piece = self.piece(at, room)?;
            if piece.is_empty() {
                break;
            }
            at += piece.len() as u64;
            lines += piece
                .iter()
                .map(|byte| u64::from(*byte == b'\n'))
                .sum::<u64>();
        }
        Ok(lines)
    }

    /// The start of the line that a place is in, or of one soon behind it. Blocks on the disk.
    pub(super) fn line_start(&mut self, place: u64) -> io::Result<u64> {
        if place == 0 {
            return Ok(0);
        }
        let piece = self.piece(place - 1, PIECE)?;
        let newline = piece.iter().position(|byte| *byte == b'\n');
        Ok(place + newline.unwrap_or(0) as u64)
    }
}
