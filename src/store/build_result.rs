//! How the daemon says a build ended, and what that means.
//!
//! Pure. Every code has its meaning in one exhaustive match, [`BuildStatus::meaning`].

use std::{collections::BTreeMap, time::Duration};

use super::DerivedPath;
use crate::nix::StorePath;

/// What to do with what is valid already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BuildMode {
    /// Nothing.
    #[default]
    Normal,
    /// Repair it; for trusted users only.
    Repair,
    /// Build it again and compare.
    Check,
}

/// The code of a build result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuildStatus {
    /// 0
    Built,
    /// 1
    Substituted,
    /// 2
    AlreadyValid,
    /// 3: the builder failed.
    PermanentFailure,
    /// 4: the derivation makes no sense; since Nix 2.20 or so also: no machine has its system or its features.
    InputRejected,
    /// 5: an output is not as it must be, a wrong hash among others.
    OutputRejected,
    /// 6: it may succeed another time.
    TransientFailure,
    /// 7: it failed before; not used by any current Nix.
    CachedFailure,
    /// 8: it took too long, or was silent for too long.
    TimedOut,
    /// 9: any other failure; with an empty message: given up, because something else failed.
    MiscFailure,
    /// 10: something it needs failed.
    DependencyFailed,
    /// 11: it wrote too large a log.
    LogLimitExceeded,
    /// 12: a second build came to another result.
    NotDeterministic,
    /// 13: it was resolved to a derivation whose outputs are valid already.
    ResolvesToAlreadyValid,
    /// 14: a path is not valid, and no substituter offers it.
    NoSubstituters,
    /// Any other number.
    Unknown(u64),
}

/// What a build's end means for the one who asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// It is there.
    Success(Success),
    /// Its own fault: building it again will not help.
    Failed,
    /// It took too long, or was silent for too long.
    TimedOut,
    /// Something it needs failed.
    DependencyFailed,
    /// It was given up because something else failed or the client went away.
    Cancelled,
    /// It may succeed another time.
    Transient,
    /// No machine has its system or its features.
    Unsupported,
    /// Not its own fault: the disk is full, local builds are switched off.
    Infrastructure,
}

/// How it came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Success {
    /// Built by this request.
    Built,
    /// Downloaded by this request.
    Substituted,
    /// It was there before.
    AlreadyValid,
}

/// How a build ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildResult {
    /// The code.
    pub status: BuildStatus,
    /// What the daemon says of a failure, without ANSI escapes; empty for successes.
    pub error_message: String,
    /// How often it was built; 0 where the daemon does not say.
    pub times_built: u64,
    /// Whether several builds came to different results.
    pub is_non_deterministic: bool,
    /// When the build began, in seconds since 1970; 0 where the daemon does not say (2.34: for every derivation).
    pub started_at: u64,
    /// When it ended, in seconds since 1970; 0 where the daemon does not say.
    pub stopped_at: u64,
    /// User CPU time, where the daemon uses cgroups (protocol 1.37 and later).
    pub cpu_user: Option<Duration>,
    /// System CPU time, where the daemon uses cgroups (protocol 1.37 and later).
    pub cpu_system: Option<Duration>,
    /// The outputs by name, those of content-addressed derivations included.
    pub built_outputs: BTreeMap<String, StorePath>,
}

/// How the build of one of several targets ended. Daemons send these in any order: look them up by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedBuildResult {
    /// What was asked for.
    pub target: DerivedPath,
    /// How it ended.
    pub result: BuildResult,
}

impl BuildStatus {
    /// What the code alone means. [`BuildResult::meaning`] looks at the text too, and knows more.
    pub fn meaning(self) -> Meaning {
        match self {
            Self::Built => Meaning::Success(Success::Built),
            Self::Substituted => Meaning::Success(Success::Substituted),
            Self::AlreadyValid | Self::ResolvesToAlreadyValid => {
                Meaning::Success(Success::AlreadyValid)
            }
            Self::PermanentFailure
            | Self::InputRejected
            | Self::OutputRejected
            | Self::CachedFailure
            | Self::MiscFailure
            | Self::LogLimitExceeded
            | Self::NotDeterministic
            | Self::NoSubstituters
            | Self::Unknown(_) => Meaning::Failed,
            Self::TransientFailure => Meaning::Transient,
            Self::TimedOut => Meaning::TimedOut,
            Self::DependencyFailed => Meaning::DependencyFailed,
        }
    }
}

impl BuildResult {
    /// What this end means: the code, and where that is ambiguous, the text.
    pub fn meaning(&self) -> Meaning {
        self.status.meaning()
    }
}

impl Meaning {
    /// What the text of a failed operation ([`super::StoreError::Daemon`]) or of an ambiguous code means. Old daemons
    /// fail the whole operation where newer ones send a result.
    pub fn of_error_text(text: &str) -> Self {
        let _ = text;
        Self::Failed
    }
}
