//! How the daemon says a build ended, and what that means.
//!
//! Pure. Every code has its meaning in one exhaustive match, [`BuildStatus::meaning`].

use std::{collections::BTreeMap, time::Duration};

use tokio::io::AsyncRead;

use super::{DerivedPath, ProtocolVersion, StoreError, frame::clean_message, wire::WireReader};
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
    /// 4: the derivation makes no sense; in 2.34 also: no machine has its system or its features.
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
    /// Its builder was killed from outside, most likely for want of memory: it may succeed when there is more.
    Killed,
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

impl BuildMode {
    /// The mode as the wire has it.
    pub fn to_wire(self) -> u64 {
        match self {
            Self::Normal => 0,
            Self::Repair => 1,
            Self::Check => 2,
        }
    }
}

impl BuildStatus {
    /// Reads a code as the wire has it.
    pub fn from_wire(code: u64) -> Self {
        match code {
            0 => Self::Built,
            1 => Self::Substituted,
            2 => Self::AlreadyValid,
            3 => Self::PermanentFailure,
            4 => Self::InputRejected,
            5 => Self::OutputRejected,
            6 => Self::TransientFailure,
            7 => Self::CachedFailure,
            8 => Self::TimedOut,
            9 => Self::MiscFailure,
            10 => Self::DependencyFailed,
            11 => Self::LogLimitExceeded,
            12 => Self::NotDeterministic,
            13 => Self::ResolvesToAlreadyValid,
            14 => Self::NoSubstituters,
            other => Self::Unknown(other),
        }
    }

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
    /// Reads it in the form of protocol 1.29 and later. Outputs are in the store with the folder `store_dir`.
    pub async fn read<R: AsyncRead + Unpin>(
        reader: &mut WireReader<R>,
        version: ProtocolVersion,
        store_dir: &str,
    ) -> Result<Self, StoreError> {
        let status = BuildStatus::from_wire(reader.u64("status").await?);
        let error_message = clean_message(&reader.text("errorMsg").await?);
        let times_built = reader.u64("timesBuilt").await?;
        let is_non_deterministic = reader.bool("isNonDeterministic").await?;
        let started_at = reader.u64("startTime").await?;
        let stopped_at = reader.u64("stopTime").await?;
        let (mut cpu_user, mut cpu_system) = (None, None);
        if version >= ProtocolVersion::new(37) {
            cpu_user = read_cpu_time(reader, "cpuUser").await?;
            cpu_system = read_cpu_time(reader, "cpuSystem").await?;
        }
        let mut built_outputs = BTreeMap::new();
        for _ in 0..reader.count("builtOutputs").await? {
            let (name, path) = read_built_output(reader, store_dir).await?;
            built_outputs.insert(name, path);
        }
        Ok(Self {
            status,
            error_message,
            times_built,
            is_non_deterministic,
            started_at,
            stopped_at,
            cpu_user,
            cpu_system,
            built_outputs,
        })
    }

    /// What this end means: the code, and where that is ambiguous, the text.
    pub fn meaning(&self) -> Meaning {
        if self.status == BuildStatus::MiscFailure && self.error_message.is_empty() {
            return Meaning::Cancelled;
        }
        let meaning = self.status.meaning();
        let told = Meaning::of_error_text(&self.error_message);
        match meaning {
            Meaning::Failed | Meaning::Transient | Meaning::DependencyFailed
                if told != Meaning::Failed =>
            {
                told
            }
            Meaning::Success(_)
            | Meaning::Failed
            | Meaning::TimedOut
            | Meaning::DependencyFailed
            | Meaning::Cancelled
            | Meaning::Transient
            | Meaning::Killed
            | Meaning::Unsupported
            | Meaning::Infrastructure => meaning,
        }
    }
}

/// Reads a time in microseconds that may be absent.
async fn read_cpu_time<R: AsyncRead + Unpin>(
    reader: &mut WireReader<R>,
    field: &'static str,
) -> Result<Option<Duration>, StoreError> {
    Ok(if reader.bool(field).await? {
        Some(Duration::from_micros(reader.u64(field).await?))
    } else {
        None
    })
}

/// Reads one output as `HASH!NAME` and a JSON object that has the base name of the path in `outPath`.
async fn read_built_output<R: AsyncRead + Unpin>(
    reader: &mut WireReader<R>,
    store_dir: &str,
) -> Result<(String, StorePath), StoreError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Realisation {
        out_path: String,
    }
    let id = reader.string("builtOutputs key").await?;
    let json = reader.string("builtOutputs value").await?;
    let Some((_, name)) = id.split_once('!') else {
        return Err(reader.nonsense(
            "builtOutputs key",
            format!("`{}` names no output", id.escape_debug()),
        ));
    };
    let base_name = serde_json::from_str::<Realisation>(&json)
        .map_err(|error| reader.nonsense("builtOutputs value", error.to_string()))?
        .out_path;
    let path = StorePath::parse(&format!("{store_dir}/{base_name}"))
        .map_err(|error| reader.nonsense("builtOutputs value", error.to_string()))?;
    if path.base_name() != base_name {
        return Err(reader.nonsense(
            "builtOutputs value",
            format!("`{path}` is not in the store"),
        ));
    }
    Ok((name.to_owned(), path))
}

impl KeyedBuildResult {
    /// Reads it in the form of protocol 1.30 and later.
    pub async fn read<R: AsyncRead + Unpin>(
        reader: &mut WireReader<R>,
        version: ProtocolVersion,
    ) -> Result<Self, StoreError> {
        let target = reader.string("target").await?;
        let target = DerivedPath::parse(&target)
            .map_err(|error| reader.nonsense("target", error.to_string()))?;
        let store_dir = target.path().store_dir().to_owned();
        let result = BuildResult::read(reader, version, &store_dir).await?;
        Ok(Self { target, result })
    }
}

impl Meaning {
    /// What the text of a failed operation ([`StoreError::Daemon`]) or of a failed build tells beyond its code;
    /// [`Meaning::Failed`] where that is nothing. Old daemons fail the whole operation where newer ones send a result.
    pub fn of_error_text(text: &str) -> Self {
        // The last lines of a build's log are quoted behind a `>`: they are the builder's words, not the daemon's.
        let says = |words: &str| {
            let mut lines = text.lines().map(str::trim_start);
            lines.any(|line| !line.starts_with('>') && line.contains(words))
        };
        if UNSUPPORTED.iter().any(|words| says(words)) {
            Self::Unsupported
        } else if INFRASTRUCTURE.iter().any(|words| says(words)) {
            Self::Infrastructure
        } else if says("interrupted by the user") {
            Self::Transient
        } else if says("failed due to signal 9 (") {
            Self::Killed
        } else {
            Self::Failed
        }
    }
}

/// What daemons say when no machine has the right system or features.
const UNSUPPORTED: [&str; 4] = [
    "but I am a '", // 2.8 to 2.26, which fail the whole operation.
    "required system or feature not available", // From 2.30 on (nix#13278).
    "Reason: platform mismatch", // 2.34
    "Reason: missing system features", // 2.34
];

/// What daemons say when the machine is at fault and not the derivation.
const INFRASTRUCTURE: [&str; 13] = [
    "No space left on device",
    "lack of free disk space",
    "database or disk is full",
    "Disk quota exceeded",
    "Cannot allocate memory",
    "either increase '--max-jobs'", // Local builds are switched off: 2.8 to 2.26.
    "local builds are disabled",    // The same: 2.34.
    "cannot build missing derivation", // It was collected as garbage: 2.8 to 2.26.
    "failed to obtain derivation of", // The same: 2.34.
    // No build can be begun at all: the machine is not set up for it (`user-lock.cc` and `derivation-builder` of Nix).
    "specified in 'build-users-group' does not exist",
    "the build users group '",
    "does not support the kernel namespaces",
    "all build users are currently in use",
];

#[cfg(test)]
mod tests;
