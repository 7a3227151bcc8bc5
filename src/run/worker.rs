//! Carries out one attempt at a step, and says what its end means.

use std::{collections::HashMap, error::Error, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{Entry, Gate, PooledStore, StepEnd, StepNote, input::Start, reason::concise};
use crate::nix::StorePath;
use crate::redact::Redaction;
use crate::store::{
    Activity, ActivityId, ActivityKind, ActivityResult, BuildMode, BuildResult, DerivedPath,
    LogMessage, Meaning, Pool, StoreError, Success, frame::clean_message,
};

/// Builds and substitutes by the connections of a pool.
#[derive(Clone)]
pub struct Builder {
    pool: Arc<Pool>,
    /// What the machine of the store is called; empty: it is this one.
    machine: Arc<str>,
    gate: Option<Arc<dyn Gate>>,
    /// Holds what is obtained.
    holder: Option<Arc<PooledStore>>,
    /// What is taken out of what builds say.
    redaction: Option<Redaction>,
}

impl Builder {
    /// Makes a builder that takes its connections from this pool.
    pub fn new(pool: Arc<Pool>) -> Self {
        Self::on_machine(pool, "")
    }

    /// Makes one for a store on another machine, which is called so.
    pub fn on_machine(pool: Arc<Pool>, machine: &str) -> Self {
        Self {
            pool,
            machine: machine.into(),
            gate: None,
            holder: None,
            redaction: None,
        }
    }

    /// Lets every attempt ask first.
    #[must_use]
    pub fn behind(self, gate: Arc<dyn Gate>) -> Self {
        Self {
            gate: Some(gate),
            ..self
        }
    }

    /// Lets this hold what is obtained as long as it lives: the connection that obtained it is closed before that.
    #[must_use]
    pub fn held_by(self, holder: Arc<PooledStore>) -> Self {
        Self {
            holder: Some(holder),
            ..self
        }
    }

    /// Takes secrets out of what builds say, before anybody keeps or shows it.
    #[must_use]
    pub fn hiding(self, redaction: Redaction) -> Self {
        Self {
            redaction: Some(redaction),
            ..self
        }
    }

    /// Opens connections ahead of their use.
    pub async fn warm_up(&self, connections: usize) {
        let mut open = Vec::new();
        for _ in 0..connections {
            match self.pool.acquire().await {
                Ok(connection) => open.push(connection),
                // Whoever needs a connection will say so.
                Err(_) => return,
            }
        }
    }

    /// Builds all outputs of a derivation, or downloads a path. When `cancel` is cancelled, gives up its connection:
    /// the daemon then kills the builder.
    pub async fn obtain(
        &self,
        start: &Start,
        cancel: &CancellationToken,
        on_note: &mut (dyn FnMut(StepNote) + Send),
    ) -> StepEnd {
        let attempt = self.attempt(start, on_note);
        tokio::select! {
            biased;
            () = cancel.cancelled() => StepEnd::Cancelled,
            end = attempt => end,
        }
    }

    async fn attempt(&self, start: &Start, on_note: &mut (dyn FnMut(StepNote) + Send)) -> StepEnd {
        let Some(gate) = &self.gate else {
            return self.work(start, on_note).await;
        };
        // Held until the attempt is over, and what follows from its end is known.
        let _permit = match gate.enter(start, on_note).await {
            Entry::Permitted(permit) => permit,
            Entry::Refused(reason) => return StepEnd::Failed(reason),
        };
        let end = self.work(start, on_note).await;
        gate.leave(start, &end).await;
        end
    }

    async fn work(&self, start: &Start, on_note: &mut (dyn FnMut(StepNote) + Send)) -> StepEnd {
        let (target, substitute) = (&start.target, start.substitute);
        let mut connection = match self.pool.acquire().await {
            Ok(connection) => connection,
            Err(error) => return StepEnd::Unreachable(describe(&error)),
        };
        if !substitute && let Err(error) = connection.limit_builds(start.limits).await {
            return end_of_error(&error, substitute);
        }
        let derived = if substitute {
            DerivedPath::Opaque(target.clone())
        } else {
            DerivedPath::all_outputs(target.clone())
        };
        let mut listener = Listener::default();
        let mut redactor = self.redaction.as_ref().map(Redaction::redactor);
        let results = connection
            .build_paths_with_results(&[derived], BuildMode::Normal, &mut |message| match listener
                .note(message)
            {
                Some(StepNote::Building { machine }) if machine.is_empty() => {
                    let machine = self.machine.to_string();
                    on_note(StepNote::Building { machine });
                }
                Some(StepNote::Line(line)) => on_note(StepNote::Line(match &mut redactor {
                    Some(redactor) => redactor.line(line),
                    None => line,
                })),
                Some(note) => on_note(note),
                None => {}
            })
            .await;
        match results {
            Ok(results) => match results
                .into_iter()
                .find(|keyed| keyed.target.path() == target)
            {
                Some(keyed) => {
                    self.hold(target, substitute, &keyed.result);
                    listener.explain(end_of_result(&keyed.result, substitute))
                }
                None => StepEnd::Cancelled,
            },
            Err(error) => listener.explain(end_of_error(&error, substitute)),
        }
    }

    /// Holds what was obtained; nobody waits for that.
    fn hold(&self, target: &StorePath, substitute: bool, result: &BuildResult) {
        if let Some(holder) = &self.holder
            && matches!(result.meaning(), Meaning::Success(_))
        {
            let outputs = result.built_outputs.values();
            holder.hold_soon(outputs.chain(substitute.then_some(target)).cloned());
        }
    }
}

fn end_of_result(result: &BuildResult, substitute: bool) -> StepEnd {
    let text = if result.error_message.is_empty() {
        "the daemon gives no reason".to_owned()
    } else {
        concise(&result.error_message)
    };
    end_of_meaning(result.meaning(), text, substitute)
}

fn end_of_error(error: &StoreError, substitute: bool) -> StepEnd {
    let text = describe(error);
    match error {
        StoreError::Daemon { message, .. } => end_of_meaning(
            Meaning::of_error_text(message),
            concise(message),
            substitute,
        ),
        StoreError::Connect { .. } | StoreError::TooOld { .. } => StepEnd::Unreachable(text),
        StoreError::Protocol { .. } | StoreError::Lost { .. } | StoreError::Unusable { .. } => {
            StepEnd::Lost(text)
        }
        StoreError::TooLarge { .. } => StepEnd::Failed(text),
    }
}

fn end_of_meaning(meaning: Meaning, text: String, substitute: bool) -> StepEnd {
    match meaning {
        // Old daemons call a path that was substituted `Built`.
        Meaning::Success(Success::Built) if substitute => StepEnd::Substituted,
        Meaning::Success(Success::Built) => StepEnd::Built,
        Meaning::Success(Success::Substituted) => StepEnd::Substituted,
        Meaning::Success(Success::AlreadyValid) => StepEnd::AlreadyValid,
        Meaning::Infrastructure => StepEnd::Infrastructure(text),
        Meaning::Cancelled => StepEnd::Cancelled,
        Meaning::Failed
        | Meaning::TimedOut
        | Meaning::DependencyFailed
        | Meaning::Transient
        | Meaning::Killed
        | Meaning::Unsupported
            if substitute =>
        {
            StepEnd::NotSubstitutable(text)
        }
        Meaning::Failed => StepEnd::Failed(text),
        Meaning::Killed => StepEnd::Killed(text),
        Meaning::TimedOut => StepEnd::TimedOut(text),
        Meaning::DependencyFailed => StepEnd::DependencyFailed(text),
        Meaning::Transient => StepEnd::Transient(text),
        Meaning::Unsupported => StepEnd::Unsupported(text),
    }
}

/// An error with all its sources, in one line.
pub(super) fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Sorts what the daemon says while it works on one target.
#[derive(Default)]
struct Listener {
    /// Bytes done and expected of each download.
    transfers: HashMap<ActivityId, (u64, u64)>,
    /// What downloads will be in all, in bytes.
    expected: u64,
    /// The other machine that builds; empty: none does.
    machine: String,
    /// What was said of it last.
    said: String,
}

impl Listener {
    fn note(&mut self, message: LogMessage) -> Option<StepNote> {
        match message {
            LogMessage::ActivityStarted {
                id, activity, text, ..
            } => match activity {
                // The other machine's own word of the same build, passed on by the build hook.
                Activity::Build { machine, .. }
                    if machine.is_empty() && !self.machine.is_empty() =>
                {
                    None
                }
                Activity::Build { machine, .. } => {
                    self.machine.clone_from(&machine);
                    Some(StepNote::Building { machine })
                }
                // The daemon colours it for a terminal that it takes for its own.
                Activity::BuildWaiting { .. } => Some(StepNote::Waiting(
                    console::strip_ansi_codes(&text).into_owned(),
                )),
                Activity::FileTransfer { .. } => {
                    self.transfers.insert(id, (0, 0));
                    Some(self.download())
                }
                Activity::Substitute { substituter, .. } => Some(StepNote::Source(substituter)),
                Activity::CopyPath { .. }
                | Activity::Realise
                | Activity::CopyPaths
                | Activity::Builds
                | Activity::OptimiseStore
                | Activity::VerifyPaths
                | Activity::QueryPathInfo { .. }
                | Activity::PostBuildHook { .. }
                | Activity::FetchTree
                | Activity::FetchToStore
                | Activity::Unknown { .. } => None,
            },
            LogMessage::Result { id, result } => match result {
                ActivityResult::LogLine(line) | ActivityResult::PostBuildLogLine(line) => {
                    Some(StepNote::Line(line))
                }
                ActivityResult::Phase(phase) => Some(StepNote::Phase(phase)),
                ActivityResult::Progress { done, expected, .. } => {
                    let transfer = self.transfers.get_mut(&id)?;
                    *transfer = (done, expected);
                    Some(self.download())
                }
                ActivityResult::SetExpected {
                    kind: ActivityKind::FileTransfer,
                    expected,
                } => {
                    self.expected = expected;
                    None
                }
                ActivityResult::SetExpected { .. }
                | ActivityResult::FileLinked { .. }
                | ActivityResult::UntrustedPath(_)
                | ActivityResult::CorruptedPath(_)
                | ActivityResult::FetchStatus(_)
                | ActivityResult::FetchedToStore(_)
                | ActivityResult::Unknown { .. } => None,
            },
            LogMessage::Next(text) => {
                if !text.trim().is_empty() {
                    self.said = concise(&clean_message(&text));
                }
                None
            }
            LogMessage::ActivityStopped { .. } => None,
        }
    }

    /// Says what a failure on another machine was. The daemon only knows that its build hook failed, and whether that was
    /// the builder or the way to it stands in what the hook said: `build of '…' on '…' failed: …` if the builder ran to
    /// its end. Otherwise another attempt may go to another machine.
    fn explain(&self, end: StepEnd) -> StepEnd {
        let StepEnd::Failed(reason) = end else {
            return end;
        };
        if self.machine.is_empty() || self.said.is_empty() {
            return StepEnd::Failed(reason);
        }
        match self.said.split_once("' failed: ") {
            Some((_, why)) => {
                let why = why.trim_start_matches("error:").trim_start();
                end_of_meaning(Meaning::of_error_text(why), concise(why), false)
            }
            None => StepEnd::Transient(format!("{}: {}", self.machine, self.said)),
        }
    }

    fn download(&self) -> StepNote {
        let (done, expected) = self.transfers.values().fold((0_u64, 0_u64), |sum, one| {
            (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1))
        });
        StepNote::Download {
            done,
            expected: expected.max(self.expected),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Listener, StepEnd};

    /// What is made of a failed build after the build hook said this.
    fn explained(machine: &str, said: &str) -> StepEnd {
        let listener = Listener {
            machine: machine.into(),
            said: said.into(),
            ..Listener::default()
        };
        listener.explain(StepEnd::Failed("builder failed with exit code 1".into()))
    }

    // Texts as Nix 2.8.0, 2.26.3 and 2.34.8 say them.
    #[test]
    fn a_failure_elsewhere_is_the_builders_or_that_of_the_way_to_it() {
        let failed = "build of '/s/h-x.drv' on 'ssh-ng://m' failed: error: builder for '/s/h-x.drv' failed with exit code 3";
        assert_eq!(
            explained("ssh-ng://m", failed),
            StepEnd::Failed("builder failed with exit code 3".into())
        );
        let killed = "build of '/s/h-x.drv' on 'ssh-ng://m' failed: error: builder for '/s/h-x.drv' failed due to signal 9 (Killed)";
        assert_eq!(
            explained("ssh-ng://m", killed),
            StepEnd::Killed("builder failed due to signal 9 (Killed)".into())
        );
        let refused = "build of '/s/h-x.drv' on 'ssh-ng://m' failed: a 'x86_64-linux' with features {kvm} is required to build '/s/h-x.drv', but I am a 'x86_64-linux' with features {}";
        assert!(matches!(
            explained("ssh-ng://m", refused),
            StepEnd::Unsupported(_)
        ));
        assert_eq!(
            explained("ssh-ng://m", "unexpected end-of-file"),
            StepEnd::Transient("ssh-ng://m: unexpected end-of-file".into())
        );
        let here = StepEnd::Failed("builder failed with exit code 1".into());
        assert_eq!(explained("", "a warning"), here);
        assert_eq!(explained("ssh-ng://m", ""), here);
    }
}
