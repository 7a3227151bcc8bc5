//! A worker: a `nix repl` that is asked one attribute after the other and keeps what it has evaluated.
//!
//! The repl reads expressions from a pipe, and an error leaves it alive. What it prints on standard output is for people
//! and goes nowhere; answers are traces on standard error. Decides nothing: what to ask is for the schedule.

use std::{
    collections::VecDeque, os::unix::process::ExitStatusExt, path::Path, process::Stdio,
    time::Duration,
};

use tokio::{io::AsyncWriteExt, sync::mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    expressions, flake_check, root,
    schedule::Look,
    text,
    transcript::{Said, Transcript},
};
use crate::{
    eval::{EvalError, EvalRequest, Isolation, Walls, budget, process::Process},
    nix::AttrPath,
};

/// How long a worker's standard error may stay open when it has ended.
const PIPE_PATIENCE: Duration = Duration::from_secs(1);
/// How many of its last lines are shown when a worker ended and said no error.
const LAST_WORDS: usize = 5;

/// Names a worker within one evaluation.
pub(super) type WorkerId = usize;

/// What a worker reports.
#[derive(Debug)]
pub(super) enum Report {
    /// It reads requests.
    Ready,
    /// A warning or a trace came up.
    Warning(String),
    /// It has looked at the next path of a request: the answer as JSON, or an error text.
    Looked(Result<Vec<u8>, String>),
    /// It is through with a request, or does not look at the rest after an error.
    Rested,
    /// It has ended.
    Ended(Ended),
}

/// How a worker ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// The signal that killed it.
    pub(super) signal: Option<i32>,
    /// What it said last.
    pub(super) last_words: String,
}

/// A handle of a running worker. Dropping it kills the worker; [`Report::Ended`] comes when it is gone.
#[derive(Debug)]
pub(super) struct Worker {
    requests: mpsc::UnboundedSender<String>,
    nonce: String,
    /// Its process id, or that of the bubblewrap around it.
    pid: Option<u32>,
    is_walled: bool,
    _stop_on_drop: DropGuard,
}

impl Worker {
    /// Starts a worker, and returns with it what does its work: a future that ends when the worker is gone. It
    /// keeps its files in `home` and sends its reports with its `id`.
    pub(super) fn start(
        request: &EvalRequest,
        home: &Path,
        id: WorkerId,
        reports: mpsc::Sender<(WorkerId, Report)>,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), EvalError> {
        let isolation = request.options.isolation.as_ref();
        let mut command = Isolation::command(isolation, &request.nix, &[home]);
        command
            .args(["repl", "--show-trace"])
            // Not before `repl`, where not every version heeds it; and what the user says comes later and counts.
            .args(purity(request))
            .args(super::common_arguments(request))
            .args(expressions::search_path(request))
            // The line editor has a history and looks at the terminal.
            .env("XDG_DATA_HOME", home)
            .env("INPUTRC", "/dev/null")
            .env("TERM", "dumb")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if !request.options.impure {
            command.env_remove("NIX_PATH");
        }
        let process = Process::spawn(&mut command)?;
        let (requests_tx, requests) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let worker = Self {
            requests: requests_tx,
            // Nobody but this worker can know it: most of it is random.
            nonce: uuid::Uuid::now_v7().simple().to_string(),
            pid: process.id(),
            is_walled: isolation.is_some_and(|it| matches!(it.walls, Walls::Bubblewrap(_))),
            _stop_on_drop: stop.clone().drop_guard(),
        };
        worker.send(definitions(request, &worker.nonce));
        let transcript = Transcript::new(&worker.nonce);
        let conversation = Conversation {
            id,
            reports,
            process,
            isolation: isolation.cloned(),
            transcript,
            requests,
            last_words: VecDeque::new(),
        };
        Ok((worker, conversation.run(stop)))
    }

    /// Tells it what to look at, once, before anything else: the expression for the flake's outputs or the file's value.
    pub(super) fn open(&self, request: &EvalRequest, root: &str) {
        let opening = expressions::opening(request, root);
        let prefix = names(request.installable.attribute.names());
        let nonce = &self.nonce;
        self.send(format!(
            "{opening}p = {prefix}\n\
             l = how: q: builtins.foldl' (_: path: builtins.trace (\"{nonce} \" + builtins.toJSON (s k a how r (p ++ q ++ path))) null) null\n"
        ));
    }

    /// Asks what is at these attribute paths below the attribute asked for, one after the other; there is at least one.
    pub(super) fn look(&self, paths: &[AttrPath], look: Look) {
        self.send(look_at(paths, look));
    }

    /// Its size in memory, in bytes, while it lives.
    pub(super) fn resident_bytes(&self) -> Option<u64> {
        let pid = self.pid?;
        let inner = self.is_walled.then(|| budget::behind_walls(pid)).flatten();
        budget::resident_bytes(inner.unwrap_or(pid))
    }

    fn send(&self, lines: String) {
        // If it is gone, its end is reported.
        let _ = self.requests.send(lines);
    }
}

/// Writes names as a list of Nix.
pub(super) fn names(names: &[String]) -> String {
    text::list(names.iter().map(String::as_str))
}

/// Asks for these paths. What they have in common is said once, since a worker takes its time for every byte.
fn look_at(paths: &[AttrPath], look: Look) -> String {
    let first = paths.first().map_or(&[][..], AttrPath::names);
    let is_common = |count: &usize| {
        let start = &first[..*count];
        paths.iter().all(|path| path.names().starts_with(start))
    };
    let common = (0..=first.len()).rev().find(is_common).unwrap_or_default();
    let how = match look {
        Look::Whole => "true".to_owned(),
        Look::Glance => "false".to_owned(),
        Look::Rule(rule) => text::string(rule.as_str()),
    };
    let mut request = format!("l {how} {} [", names(&first[..common]));
    for path in paths {
        request.push(' ');
        request.push_str(&names(&path.names()[common..]));
    }
    request.push_str(" ]\nd 0\n");
    request
}

/// The options that make a worker evaluate purely, or impurely as it does by itself.
///
/// Before Nix 2.10 the repl ignores `pure-eval`. What is nearest to it then also keeps files and the environment from the
/// flake, but not `builtins.currentSystem` and `currentTime`; and it would forbid fetching, unlike pure evaluation.
fn purity(request: &EvalRequest) -> &'static [&'static str] {
    if request.options.impure {
        &[]
    } else if request.nix_version >= (2, root::PURE_SINCE) {
        &["--option", "pure-eval", "true"]
    } else {
        &[
            "--option",
            "restrict-eval",
            "true",
            "--option",
            "nix-path",
            "",
            "--option",
            "allowed-uris",
            "file:// git:// git+file:// git+http:// git+https:// git+ssh:// http:// https:// ssh://",
        ]
    }
}

/// What is said to a worker first. Names are short since it reads byte by byte.
fn definitions(request: &EvalRequest, nonce: &str) -> String {
    let mut look = text::one_line(include_str!("look.nix"));
    if request.scope.flake_check {
        let by_rule = text::one_line(include_str!("flake_check.nix"));
        let old = flake_check::old(request.nix_version);
        look = format!("({by_rule}) {old} ({look})");
    }
    let look = look.replace("@ATTRIBUTES_MAX@", &request.attributes_max().to_string());
    format!(
        "{}\ns = {look}\nd = _: builtins.trace \"{nonce} done\" null\nd 0\n",
        root::definitions()
    )
}

/// Both ends of the talk with a worker.
struct Conversation {
    id: WorkerId,
    reports: mpsc::Sender<(WorkerId, Report)>,
    process: Process,
    isolation: Option<Isolation>,
    transcript: Transcript,
    requests: mpsc::UnboundedReceiver<String>,
    last_words: VecDeque<Vec<u8>>,
}

impl Conversation {
    async fn run(mut self, stop: CancellationToken) {
        // Also while a report waits to be taken, so that a worker can be stopped at any time.
        stop.run_until_cancelled(self.talk()).await;
        let status = self.process.end().await.ok();
        let signal = status.and_then(|status| match status.code() {
            // So bubblewrap says that a signal has killed what it runs.
            Some(code) if self.isolation.is_some() && code > 128 => Some(code - 128),
            Some(_) | None => status.signal(),
        });
        let last_words = self.transcript.finish().unwrap_or_else(|| {
            let words: Vec<_> = self
                .last_words
                .iter()
                .map(|line| String::from_utf8_lossy(line))
                .collect();
            words.join("\n").trim().to_owned()
        });
        let ended = Report::Ended(Ended { signal, last_words });
        // Nobody listens when the evaluation is over.
        let _ = self.reports.send((self.id, ended)).await;
    }

    /// Passes on what is said until it ends.
    async fn talk(&mut self) {
        let (mut stdin, mut lines) = (self.process.stdin(), self.process.stderr());
        lines.limit(self.isolation.as_ref());
        let mut unsent = Vec::new();
        let (mut is_ready, mut has_ended) = (false, false);
        loop {
            let line = tokio::select! {
                line = lines.next() => match line {
                    Some(line) => line,
                    None => return,
                },
                Some(request) = self.requests.recv() => {
                    unsent.extend_from_slice(request.as_bytes());
                    continue;
                }
                written = stdin.write(&unsent), if !unsent.is_empty() => {
                    // It reads no more when it has ended, which is seen below.
                    let count = written.unwrap_or(unsent.len());
                    unsent.drain(..count);
                    continue;
                }
                _ = self.process.wait(), if !has_ended => {
                    has_ended = true;
                    continue;
                }
                // A child of its own may keep the pipe open.
                () = tokio::time::sleep(PIPE_PATIENCE), if has_ended => return,
            };
            for said in self.transcript.push(&line).into_iter().flatten() {
                let (report, next) = match said {
                    Said::Answer(json) => (Report::Looked(Ok(json)), None),
                    Said::Warning(text) if is_ready => (Report::Warning(text), None),
                    Said::Warning(_) => continue,
                    Said::Done(Some(error)) if is_ready => {
                        (Report::Looked(Err(error)), Some(Report::Rested))
                    }
                    Said::Done(None) if is_ready => (Report::Rested, None),
                    Said::Done(_) => {
                        is_ready = true;
                        (Report::Ready, None)
                    }
                };
                for report in [Some(report), next].into_iter().flatten() {
                    if self.reports.send((self.id, report)).await.is_err() {
                        return;
                    }
                }
            }
            self.last_words.push_back(line);
            if self.last_words.len() > LAST_WORDS {
                self.last_words.pop_front();
            }
        }
    }
}
