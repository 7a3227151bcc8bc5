//! Speaks the worker protocol of the Nix daemon, from 1.34 (Nix 2.8) to 1.38, and Lix's 1.35.
//!
//! Over the daemon's socket, or over the pipes of a `nix-daemon --stdio` where no daemon runs. One request at a time on
//! each [`Connection`]; a [`Pool`] keeps several open. This module starts no builds by itself, decides nothing about
//! order and emits no [`crate::event`]s: what the daemon says while it works is handed on as [`LogMessage`]s.

mod activity;
mod address;
mod build_result;
mod child;
mod connection;
mod derived_path;
mod error;
pub mod frame;
mod gc_root;
mod handshake;
mod log_message;
mod operation;
mod path_info;
mod pool;
mod settings;
mod ssh;
mod transport;
mod version;
pub mod wire;

pub use activity::{Activity, ActivityId, ActivityKind, ActivityResult, Verbosity};
pub use address::StoreAddress;
pub use build_result::{BuildMode, BuildResult, BuildStatus, KeyedBuildResult, Meaning, Success};
pub use connection::Connection;
pub use derived_path::{DerivedPath, DerivedPathError, Outputs};
pub use error::StoreError;
pub use gc_root::GcRootError;
pub use handshake::Trust;
pub use log_message::LogMessage;
pub use operation::Missing;
pub use path_info::PathInfo;
pub use pool::{Life, Pool, PooledConnection};
pub use settings::{BuildLimits, ClientSettings};
pub use ssh::{SshHost, shell_word};
pub use version::ProtocolVersion;
