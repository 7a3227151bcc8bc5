//! A program with an environment of its own, what it says in a file, and an end in any case.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write as _},
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe::Receiver,
    process::Command,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::redact::Redactor;

/// How much of what a program says is kept, in bytes.
const LOG_BYTES: u64 = 16 << 20;
/// How long a program may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(3);
/// How long to wait for the last words of one that has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is to be run.
pub(super) struct Job<'a> {
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    /// Besides `PATH`, `HOME` and `TMPDIR`.
    pub(super) environment: BTreeMap<String, String>,
    /// Has the folders `home`, `tmp` and `work`.
    pub(super) folder: &'a Path,
    pub(super) timeout: Duration,
}

/// How it ended.
pub(super) enum End {
    Exited(ExitStatus),
    /// Why it never began.
    NotStarted(String),
    TimedOut,
    Stopped,
}

/// What a program says, in a file.
pub(super) struct StepLog {
    file: Option<File>,
    redactor: Redactor,
    room: u64,
}

impl StepLog {
    /// Writes behind what is in a file.
    pub(super) fn open(path: &Path, redactor: Redactor) -> io::Result<Self> {
        Ok(Self {
            file: Some(File::options().append(true).open(path)?),
            redactor,
            room: LOG_BYTES,
        })
    }

    fn add(&mut self, piece: &[u8]) {
        let shown = self.redactor.feed(piece);
        self.write(&shown);
    }

    /// Writes the rest.
    pub(super) fn finish(mut self) {
        let rest = self.redactor.finish();
        self.write(&rest);
    }

    fn write(&mut self, text: &[u8]) {
        let Some(file) = &mut self.file else { return };
        let kept = usize::try_from(self.room).map_or(text.len(), |room| room.min(text.len()));
        let mut result = file.write_all(&text[..kept]);
        self.room -= kept as u64;
        let is_cut = kept < text.len();
        if is_cut && result.is_ok() {
            result = file.write_all(b"\n... what it says beyond 16 MiB is not kept\n");
        }
        if let Err(error) = &result {
            warn!(%error, "a log is no longer kept");
        }
        if is_cut || result.is_err() {
            self.file = None;
        }
    }
}

/// Kills all of a process group when it is dropped.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It fails only if nothing is left of the group.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Runs a program to its end, or until it takes too long or `cancel` is cancelled; then all of its process group is ended.
pub(super) async fn run(job: Job<'_>, log: &mut StepLog, cancel: &CancellationToken) -> End {
    if cancel.is_cancelled() {
        return End::Stopped;
    }
    let (mut child, mut output) = match start(&job) {
        Ok(started) => started,
        Err(error) => return End::NotStarted(format!("cannot run `{}`: {error}", job.program)),
    };
    let id = child.id().and_then(|id| id.try_into().ok());
    let group = Group(id.and_then(Pid::from_raw));
    let copy = async {
        let mut piece = vec![0; 8 << 10];
        while let Ok(read @ 1..) = output.read(&mut piece).await {
            log.add(&piece[..read]);
        }
    };
    tokio::pin!(copy);
    let mut is_copied = false;
    let limit = sleep(job.timeout);
    tokio::pin!(limit);
    let end = loop {
        tokio::select! {
            status = child.wait() => break match status {
                Ok(status) => End::Exited(status),
                Err(error) => End::NotStarted(format!("`{}` is lost: {error}", job.program)),
            },
            () = &mut copy, if !is_copied => is_copied = true,
            () = &mut limit => break End::TimedOut,
            () = cancel.cancelled() => break End::Stopped,
        }
    };
    if matches!(end, End::TimedOut | End::Stopped) {
        group.signal(Signal::TERM);
        let ended = async {
            tokio::join!(child.wait(), async {
                if !is_copied {
                    (&mut copy).await;
                    is_copied = true;
                }
            })
        };
        let _ = timeout(GRACE, ended).await;
    }
    // What it left in the background is nobody's.
    drop(group);
    let _ = child.wait().await;
    if !is_copied {
        let _ = timeout(LAST_WORDS, &mut copy).await;
    }
    end
}

fn start(job: &Job<'_>) -> io::Result<(tokio::process::Child, Receiver)> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(&job.program);
    command
        .args(&job.arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", job.folder.join("home"))
        .env("TMPDIR", job.folder.join("tmp"))
        .envs(&job.environment)
        .current_dir(job.folder.join("work"))
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true);
    let child = command.spawn()?;
    let output = Receiver::from_owned_fd(reader.into())?;
    Ok((child, output))
}
