//! Runs `nix` once, to its end.
//!
//! Apart from the workers, which live on. Says what Nix wrote, not what it means.

use std::{
    ffi::OsString,
    process::{ExitStatus, Stdio},
};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;

use crate::eval::{
    EvalError, EvalRequest, Isolation,
    process::Process,
    sections::{SectionKind, Sections},
};

/// The largest output that is read, in bytes.
const OUTPUT_MAX: u64 = 64 << 20;

/// What a `nix` wrote, and how it ended.
pub(super) struct NixOutput {
    /// Its standard output.
    pub(super) stdout: Vec<u8>,
    /// Its warnings.
    pub(super) warnings: Vec<String>,
    /// Its last error text.
    pub(super) error: Option<String>,
    /// Where it looked for a flake, if it had to search.
    pub(super) searched: Option<String>,
    /// How it ended.
    pub(super) status: ExitStatus,
}

impl NixOutput {
    /// Runs `nix` with these arguments behind those that all have, until it ends or `stop` is cancelled. It is gone when
    /// this returns.
    pub(super) async fn of(
        request: &EvalRequest,
        arguments: &[OsString],
        stop: &CancellationToken,
    ) -> Result<Self, EvalError> {
        let output = Self::once(request, arguments, stop).await?;
        // Two that meet a store nobody has used before may both try to prepare it.
        let is_race = |error: &String| {
            [
                ": File exists",
                "/db/schema' is corrupt",
                "/db.sqlite' is busy",
            ]
            .iter()
            .any(|sign| error.contains(sign))
        };
        if !output.status.success() && output.error.as_ref().is_some_and(is_race) {
            return Self::once(request, arguments, stop).await;
        }
        Ok(output)
    }

    async fn once(
        request: &EvalRequest,
        arguments: &[OsString],
        stop: &CancellationToken,
    ) -> Result<Self, EvalError> {
        let isolation = request.options.isolation.as_ref();
        let mut process = Process::spawn(
            Isolation::command(isolation, &request.nix, &[])
                .args(super::common_arguments(request))
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        )?;
        let (pipe, mut lines) = (process.stdout(), process.stderr());
        lines.limit(isolation);
        let (mut warnings, mut error, mut searched) = (Vec::new(), None, None);
        let said = async {
            let mut sections = Sections::default();
            loop {
                let line = lines.next().await;
                let section = match &line {
                    Some(line) => sections.push(line),
                    None => sections.finish(),
                };
                match section.map(|section| (section.kind, section.text)) {
                    Some((SectionKind::Warning, text)) => warnings.push(text),
                    Some((SectionKind::Error, text)) => error = Some(text),
                    Some((SectionKind::Noise, text)) if text.ends_with("searching up") => {
                        searched = Some(text);
                    }
                    Some((SectionKind::Noise | SectionKind::Trace, _)) | None => {}
                }
                if line.is_none() {
                    return;
                }
            }
        };
        let read = stop.run_until_cancelled(async { tokio::join!(said, read_all(pipe)) });
        let Some(((), stdout)) = read.await else {
            process.kill();
            process.wait().await?;
            return Err(EvalError::Cancelled);
        };
        let status = process.wait().await?;
        Ok(Self {
            stdout,
            warnings,
            error,
            searched,
            status,
        })
    }
}

async fn read_all(pipe: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A broken pipe is an ended one: what came before it is not whole then, which is seen when it is parsed.
    let _ = pipe.take(OUTPUT_MAX).read_to_end(&mut bytes).await;
    bytes
}
