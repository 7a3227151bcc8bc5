//! Copies outputs to binary caches and other stores while a run goes on: with `nix copy`, cachix, attic or niks3.
//!
//! Many outputs go out with one process, and what fails is tried again. Apart from `run`, which decides what goes out
//! and when. Prints nothing, and shows no password: neither in an error nor in the arguments of a process.

mod closure;
mod destination;
mod outputs;
mod program;
mod push;
mod uploader;

pub use closure::copy_derivations;
pub use destination::{Destination, DestinationError, Invocation, NixCopy};
pub use outputs::valid_outputs;
pub use program::{Fault, run_program, run_unless_silent};
pub use push::{Pushed, push};
pub use uploader::Uploads;
