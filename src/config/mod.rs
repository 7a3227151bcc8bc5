//! What is configured: how Nix is set up on this machine, and what a repository says about its checks.
//!
//! Reads files and asks `nix`; decides nothing about a run.

mod cron;
mod duration;
mod excerpt;
mod fetched_tree;
mod files;
mod flake_config;
mod machines;
mod memory;
mod nix_conf;
mod nix_host;
mod origin;
mod remote_host;
mod repository;
mod schedule;
mod server;

pub use cron::Cron;
pub use duration::parse_duration;
pub use excerpt::ConfigError;
pub use fetched_tree::fetched_tree;
pub use files::{cache_dir, state_dir, write_file};
pub use flake_config::flake_config;
pub use machines::parse_machines;
pub use memory::free_memory_bytes;
pub use nix_host::{NixHost, NixHostError, NixSettings, program_on_path};
pub use origin::{Origin, Sourced};
pub use remote_host::{nix_beside, remote_settings};
pub use repository::{
    BUILDBOT_FILE, CheckOptions, CheckRule, CheckRules, FILE, RepositoryConfig, Serve, Tree,
    TreeFiles, Upload,
};
pub use schedule::Schedule;
pub use server::{
    Access, CtlToken, Entrance, ForgeConfig, ForgeSoftware, Limits, Listen, PlainRepository,
    PostBuildStep, PrivateHost, PrivateInputs, Properties, Property, PullRequests, RefPattern,
    RepositoryPattern, ServerConfig, ServerSchedule, StatusNames, Template, WallsWanted,
    WriteLimits, base_url, forge_name, forge_owner, make_secret, socket_key,
};
