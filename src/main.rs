//! Starts nixci; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    nixci::cli::main()
}
