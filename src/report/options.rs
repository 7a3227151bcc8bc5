//! What a report shows and where: the choices of the user and what the surroundings allow.

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A live block on the terminal (stderr).
    Matrix,
    /// Lines on stdout.
    Plain,
    /// Events as JSON lines on stdout, a short summary on stderr.
    Json,
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
    /// Whether the JSON stream has the lines of logs.
    pub log: bool,
    /// Whether the matrix takes keys.
    pub keys: bool,
    /// The flake as the user named it, for commands that reproduce a failure.
    pub flake: String,
    /// The attribute below the flake's outputs, for commands that reproduce a failure.
    pub attribute: String,
    /// The version of Nix, as numbers: `(2, 34)`; decides how a derivation is named on its command line.
    pub nix_version: (u32, u32),
}

/// Decides how to show a run.
///
/// `format` and `color` are what the user asked for, `None` standing for `auto`; `env` looks up a variable.
///
/// | asked for | stdout and stderr both terminals that can move the cursor | else |
/// |---|---|---|
/// | `auto` | matrix; plain with `-q` | plain |
/// | `matrix` | matrix | matrix if stderr is such a terminal, else plain |
/// | `plain`, `json` | as asked for | as asked for |
///
/// A terminal whose `TERM` is unset, empty or `dumb` cannot move the cursor.
///
/// | colours | where |
/// |---|---|
/// | as asked for | `--color always`, `--color never` |
/// | no | else, if `NO_COLOR` is set and not empty |
/// | yes | else, if `CLICOLOR_FORCE` is set and neither empty nor `0` |
/// | no | else, if the terminal cannot move the cursor |
/// | yes | else, if the stream for people is a terminal: stdout for plain, stderr for matrix and json |
///
/// Glyphs beyond ASCII are used where the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set names UTF-8.
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
        Some(Format::Matrix | Format::Plain) | None => Format::Plain,
    };
    let is_terminal = match format {
        Format::Plain => stdout_is_terminal,
        Format::Matrix | Format::Json => stderr_is_terminal,
    };
    let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    Look {
        format,
        color: color
            .unwrap_or_else(|| set("NO_COLOR").is_none() && (forced || (capable && is_terminal))),
        unicode: ["LC_ALL", "LC_CTYPE", "LANG"]
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
