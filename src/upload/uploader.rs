//! Copies the outputs of a run: what `run` asks for.

use std::{error::Error, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Destination, NixCopy, Pushed, push, run_unless_silent, valid_outputs};
use crate::{
    eval::BoxFuture,
    nix::StorePath,
    run::{Upload, UploadEnd, UploadNote, Uploader},
    store::Pool,
};

/// How long a program may say nothing: all of them name each path when they begin to copy it, and one may be large. It is tried
/// no more in that run then.
const SILENT_MAX: Duration = Duration::from_secs(3 * 60 * 60);

/// The destinations of a run, and what it takes to copy something there.
pub struct Uploads {
    /// Where to; a run knows them by their numbers here.
    pub destinations: Vec<Destination>,
    /// How Nix copies.
    pub nix: NixCopy,
    /// Connections to the store that has the outputs.
    pub pool: Arc<Pool>,
}

impl Uploads {
    async fn send(
        &self,
        destination: &Destination,
        uploads: Vec<Upload>,
        on_note: &mut (dyn FnMut(UploadNote) + Send),
    ) -> UploadEnd {
        let drv_paths: Vec<StorePath> = uploads.iter().map(|one| one.drv_path.clone()).collect();
        let derivations = uploads.into_iter().map(|one| (one.drv_path, one.outputs));
        let paths = match valid_outputs(&self.pool, derivations).await {
            Ok(paths) => paths,
            Err(error) => {
                return UploadEnd {
                    failed: drv_paths,
                    error: with_sources(&error),
                    ..UploadEnd::default()
                };
            }
        };
        if paths.is_empty() {
            return UploadEnd::default();
        }
        on_note(UploadNote::Started(paths.clone()));
        let clean = |text: &str| destination.without_secrets(text);
        let send = |paths: Vec<StorePath>| {
            let invocation = destination.push(&self.nix, &paths);
            async move { run_unless_silent(&invocation, SILENT_MAX).await.map(drop) }
        };
        let Pushed {
            uploaded,
            failed,
            error,
            gave_up,
        } = push(paths, send, &mut |fault| {
            on_note(UploadNote::Retrying(clean(&fault.text)));
        })
        .await;
        UploadEnd {
            uploaded,
            failed,
            error: clean(&error),
            gave_up,
        }
    }
}

impl Uploader for Uploads {
    fn upload<'a>(
        &'a self,
        destination: usize,
        uploads: Vec<Upload>,
        cancel: &'a CancellationToken,
        on_note: &'a mut (dyn FnMut(UploadNote) + Send),
    ) -> BoxFuture<'a, UploadEnd> {
        Box::pin(async move {
            let Some(destination) = self.destinations.get(destination) else {
                return UploadEnd::default();
            };
            tokio::select! {
                biased;
                // Whoever cancels tells what is missing.
                () = cancel.cancelled() => UploadEnd::default(),
                end = self.send(destination, uploads, on_note) => end,
            }
        })
    }
}

/// An error with all its sources, in one line.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
