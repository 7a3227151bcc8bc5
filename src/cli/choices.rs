//! The words that options take.

use clap::ValueEnum;

/// `--format` of `check`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatArg {
    /// `matrix` on a terminal; elsewhere what the CI understands, or `plain`
    #[default]
    Auto,
    /// A live table of checks and systems
    Matrix,
    /// A line per event that matters
    Plain,
    /// A JSON object per event
    Json,
    /// As `plain`, with folded logs and annotations for GitHub, Gitea and Forgejo Actions
    Github,
    /// As `plain`, with folded logs for GitLab
    Gitlab,
}

/// `--format` of `eval`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum EvalFormatArg {
    /// A table
    #[default]
    Table,
    /// A JSON object per check
    Json,
    /// A matrix for GitHub, Gitea and Forgejo Actions
    GithubMatrix,
    /// A child pipeline for GitLab
    GitlabChildPipeline,
}

/// `--by`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ByArg {
    /// A job for each check
    #[default]
    Check,
    /// A job for each system
    System,
}

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorArg {
    /// On a terminal, unless `NO_COLOR` is set; elsewhere only if `CLICOLOR_FORCE` is
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl ColorArg {
    /// What the user wants; `None`: no wish.
    pub(super) fn wish(self) -> Option<bool> {
        match self {
            Self::Auto => None,
            Self::Always => Some(true),
            Self::Never => Some(false),
        }
    }
}

/// `--evaluator`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum EvaluatorArg {
    /// nix-eval-jobs if it is there and fits, else the built-in one
    #[default]
    Auto,
    /// The program nix-eval-jobs
    NixEvalJobs,
    /// The built-in one
    Builtin,
}
