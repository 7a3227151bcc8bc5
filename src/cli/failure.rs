//! Why the program ends before a run begins, and with which exit code.

use std::{fmt::Display, process::ExitCode};

use super::print_error;

/// An error with its exit code (DESIGN.md §5).
#[derive(Debug)]
pub(super) struct Failure {
    exit_code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// The command line or a file is wrong.
    pub(super) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit_code: 2,
            error: error.into(),
        }
    }

    /// Nix, its daemon or this machine is at fault.
    pub(super) fn infrastructure(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit_code: 4,
            error: error.into(),
        }
    }

    /// The evaluation does not have what was asked for.
    pub(super) fn evaluation(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit_code: 3,
            error: error.into(),
        }
    }

    /// Whoever sits at the terminal wants it to end.
    pub(super) fn interrupted(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit_code: 130,
            error: error.into(),
        }
    }

    /// Prints the error and returns its exit code.
    pub(super) fn report(&self) -> ExitCode {
        print_error(&format_args!("{:#}", self.error) as &dyn Display);
        ExitCode::from(self.exit_code)
    }
}
