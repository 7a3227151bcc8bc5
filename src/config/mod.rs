//! What is configured: for now, how Nix is set up on this machine.
//!
//! Reads files and asks `nix`; decides nothing about a run.

mod files;
mod flake_config;
mod machines;
mod memory;
mod nix_conf;
mod nix_host;

pub use files::{cache_dir, state_dir, write_file};
pub use flake_config::flake_config;
pub use machines::parse_machines;
pub use memory::free_memory_bytes;
pub use nix_host::{NixHost, NixHostError, NixSettings, program_on_path};
