//! What a report shows and where: the choices of the user and what the surroundings allow.

use std::time::Duration;

use super::{Ci, Detail};
use crate::event::LogFolder;

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A live block on the terminal (stderr).
    Matrix,
    /// Lines on stdout.
    Plain,
    /// Events as JSON lines on stdout, a short summary on stderr.
    Json,
    /// Lines on stdout with folds and annotations as GitHub, Gitea and Forgejo Actions read them.
    Github,
    /// Lines on stdout with folds as GitLab reads them.
    Gitlab,
}

/// What [`resolve`] decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// How the run is shown.
    pub format: Format,
    /// Whether text for people has colours.
    pub color: bool,
    /// Whether text for people may hold more than ASCII.
    pub unicode: bool,
}

/// What has to be said besides its name to see the failure of a check or derivation again.
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// Options of `nixci check`.
    pub check: Vec<String>,
    /// Options of `nix build`.
    pub build: Vec<String>,
    /// The machine that has the derivations, as ssh takes it; `None`: this one.
    pub host: Option<String>,
}

/// What a [`super::Reporter`] needs to know.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// How the run is shown; from [`resolve`].
    pub look: Look,
    /// How many last lines of a failed build's log the summary shows.
    pub log_lines: usize,
    /// 0 as usual; negative: failures and the last line only; 1: what passed too, and in plain lines what builds
    /// write; 2: that above the matrix too.
    pub verbosity: i8,
    /// How much the JSON stream has.
    pub detail: Detail,
    /// Whether the matrix takes keys.
    pub keys: bool,
    /// Whether the log of a CI has the logs of builds folded; otherwise they stand there open.
    pub fold: bool,
    /// After how long without a line the last lines of a build are shown; `None`: never.
    pub stall_timeout: Option<Duration>,
    /// The flake as the user named it, for commands that reproduce a failure.
    pub flake: String,
    /// The attribute below the flake's outputs, for commands that reproduce a failure.
    pub attribute: String,
    /// Whether all outputs of the flake are looked at.
    pub flake_check: bool,
    /// The arguments of `nixci check` by which these checks are looked at, where flake and attribute do not say it.
    pub scope: Option<Vec<String>>,
    /// What commands that show a failure again have to say besides.
    pub again: Again,
    /// Where the logs of this run's builds lie while it goes on and afterwards, if they are kept.
    pub logs: Option<LogFolder>,
    /// The version of Nix, as numbers: `(2, 34)`; decides how a derivation is named on its command line.
    pub nix_version: (u32, u32),
}

/// Decides how to show a run.
///
/// `format` and `color` are what the user asked for, `None` standing for `auto`; `env` looks up a variable.
///
/// | asked for | stdout and stderr both terminals that can move the cursor | else |
/// |---|---|---|
/// | `auto` | matrix; as elsewhere with `-q` | that of the CI ([`Ci::detect`]), plain in others |
/// | `matrix` | matrix | matrix if stderr is such a terminal, else plain |
/// | `plain`, `json`, `github`, `gitlab` | as asked for | as asked for |
///
/// A terminal whose `TERM` is unset, empty or `dumb` cannot move the cursor.
///
/// | colours | where |
/// |---|---|
/// | as asked for | `--color always`, `--color never` |
/// | no | else, if `NO_COLOR` is set and not empty |
/// | yes | else, if `CLICOLOR_FORCE` or `FORCE_COLOR` is set and neither empty nor `0` |
/// | yes | else, in the format of a CI, whose pages show them |
/// | no | else, if the terminal cannot move the cursor |
/// | yes | else, if the stream for people is a terminal: stdout for plain, stderr for matrix and json |
///
/// Glyphs beyond ASCII are used in the format of a CI, and where the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set
/// names UTF-8.
pub fn resolve(
    format: Option<Format>,
    color: Option<bool>,
    verbosity: i8,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    env: impl Fn(&str) -> Option<String>,
) -> Look {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let capable = set("TERM").is_some_and(|term| term != "dumb");
    let format = match format {
        Some(Format::Json) => Format::Json,
        Some(Format::Matrix) if capable && stderr_is_terminal => Format::Matrix,
        None if capable && stdout_is_terminal && stderr_is_terminal && verbosity >= 0 => {
            Format::Matrix
        }
        Some(format @ (Format::Github | Format::Gitlab)) => format,
        Some(Format::Matrix | Format::Plain) => Format::Plain,
        None => Ci::detect(&env).map_or(Format::Plain, Ci::format),
    };
    let is_ci = matches!(format, Format::Github | Format::Gitlab);
    let takes_color = match format {
        Format::Plain => capable && stdout_is_terminal,
        Format::Matrix | Format::Json => capable && stderr_is_terminal,
        Format::Github | Format::Gitlab => true,
    };
    let forced = ["CLICOLOR_FORCE", "FORCE_COLOR"]
        .into_iter()
        .any(|name| set(name).is_some_and(|value| value != "0"));
    Look {
        format,
        color: color.unwrap_or_else(|| set("NO_COLOR").is_none() && (forced || takes_color)),
        unicode: is_ci
            || ["LC_ALL", "LC_CTYPE", "LANG"]
                .into_iter()
                .find_map(set)
                .is_some_and(|locale| {
                    let locale = locale.to_ascii_lowercase();
                    locale.contains("utf-8") || locale.contains("utf8")
                }),
    }
}

#[cfg(test)]
pub(super) mod tests;
