//! Speaks the worker protocol of the Nix daemon, from 1.34 (Nix 2.8) to 1.38, and Lix's 1.35.
//!
//! Over the daemon's socket, or over the pipes of a `nix-daemon --stdio` where no daemon runs. One request at a time on
