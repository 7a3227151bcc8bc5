//! What the daemon says it is doing: activities, and results of activities.
//!
//! Pure: from the words and fields of the wire to our enums, every type in one exhaustive match. Fields of a wrong shape
//! make an activity or a result `Unknown`, never an error: the daemon's display data must not break a build.

use super::frame::Field;
use crate::nix::StorePath;

/// How important a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verbosity {
    /// 0: errors only.
    Error,
    /// 1: warnings too.
    Warn,
    /// 2: notices too.
    Notice,
    /// 3: information too; what `nix build` shows by default.
    Info,
    /// 4: `-v`.
    Talkative,
    /// 5: `-vv`.
    Chatty,
    /// 6: `--debug`.
    Debug,
    /// 7: everything.
    Vomit,
}

/// Names an activity on its connection; unique there while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActivityId(pub u64);

/// The type of an activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActivityKind {
    /// 100
    CopyPath,
    /// 101
    FileTransfer,
    /// 102
    Realise,
    /// 103
    CopyPaths,
    /// 104
    Builds,
    /// 105
    Build,
    /// 106
    OptimiseStore,
    /// 107
    VerifyPaths,
    /// 108
    Substitute,
    /// 109
    QueryPathInfo,
    /// 110
    PostBuildHook,
    /// 111
    BuildWaiting,
    /// 112
    FetchTree,
    /// 113
    FetchToStore,
    /// Any other number.
    Unknown(u64),
}

/// Something the daemon does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Copies a path between stores; its progress counts bytes.
    CopyPath {
        /// The path.
        path: String,
        /// The store it comes from.
        from: String,
        /// The store it goes to.
        to: String,
    },
    /// Downloads or uploads a file; its progress counts bytes.
    FileTransfer {
        /// The file.
        uri: String,
    },
    /// Obtains what was asked for; one in each operation. Its expectations count bytes of downloads and NARs.
    Realise,
    /// Substitutes paths; its progress counts paths.
    CopyPaths,
    /// Builds derivations; its progress counts derivations.
    Builds,
    /// Builds one derivation.
    Build {
        /// The derivation.
        drv_path: StorePath,
        /// The machine it runs on; empty: this one.
        machine: String,
    },
    /// Looks for equal files in the store.
    OptimiseStore,
    /// Verifies the store.
    VerifyPaths,
    /// Substitutes one path.
    Substitute {
        /// The path.
        path: String,
        /// The store that has it.
        substituter: String,
    },
    /// Asks a substituter for a path.
    QueryPathInfo {
        /// The path.
        path: String,
        /// The substituter.
        substituter: String,
    },
    /// Runs the hook that is configured for after a build.
    PostBuildHook {
        /// The derivation that was built.
        drv_path: StorePath,
    },
    /// Waits for a lock, a machine or a build user; which one, the text of the message says.
    BuildWaiting {
        /// The derivation, where a content-addressed one was resolved to another.
        drv_path: Option<StorePath>,
        /// What it was resolved to.
        resolved: Option<StorePath>,
    },
    /// Fetches an input of a flake.
    FetchTree,
    /// Copies a source to the store.
    FetchToStore,
    /// A type this client does not know, or fields that do not fit the type.
    Unknown {
        /// The type.
        kind: ActivityKind,
    },
}

/// Something an activity yields while it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivityResult {
    /// A file was replaced by a link.
    FileLinked {
        /// The bytes saved.
        size_bytes: u64,
    },
    /// A line of a build's log.
    LogLine(String),
    /// A path has no trusted signature.
    UntrustedPath(String),
    /// A path is corrupt.
    CorruptedPath(String),
    /// The build entered a phase.
    Phase(String),
    /// How far the activity is; what is counted depends on the activity.
    Progress {
        /// Done.
        done: u64,
        /// To be done in all.
        expected: u64,
        /// Going on.
        running: u64,
        /// Failed.
        failed: u64,
    },
    /// How much activities of a kind will do in all.
    SetExpected {
        /// The kind of activity.
        kind: ActivityKind,
        /// How much.
        expected: u64,
    },
    /// A line of the log of the hook that runs after a build.
    PostBuildLogLine(String),
    /// What a fetch is doing.
    FetchStatus(String),
    /// A source was copied to the store at this path.
    FetchedToStore(String),
    /// A type this client does not know, or fields that do not fit the type.
    Unknown {
        /// The type.
        kind: u64,
    },
}

impl Verbosity {
    /// Reads a level as the wire has it; what is beyond the highest is the highest.
    pub fn from_wire(level: u64) -> Self {
        match level {
            0 => Self::Error,
            1 => Self::Warn,
            2 => Self::Notice,
            3 => Self::Info,
            4 => Self::Talkative,
            5 => Self::Chatty,
            6 => Self::Debug,
            _ => Self::Vomit,
        }
    }

    /// The level as the wire has it.
    pub fn to_wire(self) -> u64 {
        self as u64
    }
}

impl ActivityKind {
    /// Reads a type as the wire has it.
    pub fn from_wire(kind: u64) -> Self {
        match kind {
            100 => Self::CopyPath,
            101 => Self::FileTransfer,
            102 => Self::Realise,
            103 => Self::CopyPaths,
            104 => Self::Builds,
            105 => Self::Build,
            106 => Self::OptimiseStore,
            107 => Self::VerifyPaths,
            108 => Self::Substitute,
            109 => Self::QueryPathInfo,
            110 => Self::PostBuildHook,
            111 => Self::BuildWaiting,
            112 => Self::FetchTree,
            113 => Self::FetchToStore,
            other => Self::Unknown(other),
        }
    }
}

impl Activity {
    /// The activity of a type with its fields; those behind the ones that are known do not matter.
    pub(super) fn from_fields(kind: ActivityKind, fields: Vec<Field>) -> Self {
        Self::known(kind, Fields(fields.into_iter())).unwrap_or(Self::Unknown { kind })
    }

    fn known(kind: ActivityKind, mut fields: Fields) -> Option<Self> {
        Some(match kind {
            ActivityKind::CopyPath => Self::CopyPath {
                path: fields.text()?,
                from: fields.text()?,
                to: fields.text()?,
            },
            ActivityKind::FileTransfer => Self::FileTransfer {
                uri: fields.text()?,
            },
            ActivityKind::Realise => Self::Realise,
            ActivityKind::CopyPaths => Self::CopyPaths,
            ActivityKind::Builds => Self::Builds,
            ActivityKind::Build => Self::Build {
                drv_path: fields.path()?,
                machine: fields.text()?,
            },
            ActivityKind::OptimiseStore => Self::OptimiseStore,
            ActivityKind::VerifyPaths => Self::VerifyPaths,
            ActivityKind::Substitute => Self::Substitute {
                path: fields.text()?,
                substituter: fields.text()?,
            },
            ActivityKind::QueryPathInfo => Self::QueryPathInfo {
                path: fields.text()?,
                substituter: fields.text()?,
            },
            ActivityKind::PostBuildHook => Self::PostBuildHook {
                drv_path: fields.path()?,
            },
            ActivityKind::BuildWaiting => Self::BuildWaiting {
                drv_path: fields.path(),
                resolved: fields.path(),
            },
            ActivityKind::FetchTree => Self::FetchTree,
            ActivityKind::FetchToStore => Self::FetchToStore,
            ActivityKind::Unknown(_) => return None,
        })
    }
}

impl ActivityResult {
    /// The result of a type with its fields; those behind the ones that are known do not matter.
    pub(super) fn from_fields(kind: u64, fields: Vec<Field>) -> Self {
        Self::known(kind, Fields(fields.into_iter())).unwrap_or(Self::Unknown { kind })
    }

    fn known(kind: u64, mut fields: Fields) -> Option<Self> {
        Some(match kind {
            100 => Self::FileLinked {
                size_bytes: fields.number()?,
            },
            101 => Self::LogLine(fields.text()?),
            102 => Self::UntrustedPath(fields.text()?),
            103 => Self::CorruptedPath(fields.text()?),
            104 => Self::Phase(fields.text()?),
            105 => Self::Progress {
                done: fields.number()?,
                expected: fields.number()?,
                running: fields.number()?,
                failed: fields.number()?,
            },
            106 => Self::SetExpected {
                kind: ActivityKind::from_wire(fields.number()?),
                expected: fields.number()?,
            },
            107 => Self::PostBuildLogLine(fields.text()?),
            108 => Self::FetchStatus(fields.text()?),
            109 => Self::FetchedToStore(fields.text()?),
            _ => return None,
        })
    }
}

/// Fields, taken one after the other; `None` where one is missing or of another type.
struct Fields(std::vec::IntoIter<Field>);

impl Fields {
    fn number(&mut self) -> Option<u64> {
        match self.0.next()? {
            Field::Number(number) => Some(number),
            Field::Text(_) => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        match self.0.next()? {
            Field::Text(text) => Some(text),
            Field::Number(_) => None,
        }
    }

    fn path(&mut self) -> Option<StorePath> {
        StorePath::parse(&self.text()?).ok()
    }
}

#[cfg(test)]
mod tests;
