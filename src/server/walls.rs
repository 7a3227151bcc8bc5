//! Which walls evaluations get: what there is here, and what was asked for.

use std::{fmt::Write as _, path::PathBuf, process::Stdio, time::Duration};

use tokio::process::Command;

use crate::{
    config::{WallsWanted, program_on_path},
    eval::{LANDLOCK_MIN, Walls, landlock_abi},
};

/// How long bubblewrap may take to show that it works.
const PROBE_LIMIT: Duration = Duration::from_secs(10);
/// This program, whatever became of its file meanwhile: as the process names it that is to become it.
pub(super) const SELF: &str = "/proc/self/exe";
/// Since which ABI of Landlock, and which Linux, something holds besides files.
const SINCE: &[(u32, &str, &str)] = &[
    (3, "cutting files short", "6.2"),
    (LANDLOCK_TCP, "TCP", "6.7"),
    (6, "signals and abstract sockets", "6.12"),
];

/// The ABI of Landlock that TCP came with, in Linux 6.7.
pub(super) const LANDLOCK_TCP: u32 = 4;

/// What there is to make walls of.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Whether Nix has a daemon: without one it has to write the store itself, and no walls can be.
    pub(super) has_daemon: bool,
    /// The program, or why it is of no use.
    pub(super) bubblewrap: Result<PathBuf, String>,
    /// The ABI of Landlock; 0 is none.
    pub(super) landlock: u32,
}

/// Walls that were chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) walls: Walls,
    /// Whether whoever runs the server should do something about it.
    pub(super) is_weak: bool,
    /// What they are and how strong, for people.
    pub(super) text: String,
}

impl Found {
    /// Looks, and tries.
    pub(super) async fn look(has_daemon: bool) -> Self {
        Self {
            has_daemon,
            bubblewrap: bubblewrap().await,
            landlock: landlock_abi(),
        }
    }

    /// What is taken of it. An error: what was asked for is not there.
    pub(super) fn choose(&self, wanted: WallsWanted) -> Result<Choice, String> {
        const NO_DAEMON: &str =
            "no Nix daemon runs, and without one Nix has to write the store itself";
        let weak = |text: String| Choice {
            walls: Walls::None,
            is_weak: true,
            text: format!("{text}: they can read what the server's user can"),
        };
        if !self.has_daemon && wanted != WallsWanted::None {
            return match wanted {
                WallsWanted::Auto => Ok(weak(format!("without walls: {NO_DAEMON}"))),
                WallsWanted::Bubblewrap | WallsWanted::Landlock | WallsWanted::None => {
                    Err(NO_DAEMON.to_owned())
                }
            };
        }
        match wanted {
            WallsWanted::None => Ok(weak("without walls, as `isolation` says".to_owned())),
            WallsWanted::Bubblewrap => self.bubblewrap(),
            WallsWanted::Landlock => self.landlock(),
            WallsWanted::Auto => self.bubblewrap().or_else(|bubblewrap| {
                let landlock = self.landlock();
                Ok(landlock.unwrap_or_else(|landlock| {
                    weak(format!("without walls: {bubblewrap}; {landlock}"))
                }))
            }),
        }
    }

    fn bubblewrap(&self) -> Result<Choice, String> {
        let program = self.bubblewrap.clone()?;
        Ok(Choice {
            text: format!(
                "in bubblewrap ({}): files, processes, signals and temporary files are apart",
                program.display()
            ),
            walls: Walls::Bubblewrap(program),
            is_weak: false,
        })
    }

    fn landlock(&self) -> Result<Choice, String> {
        let abi = self.landlock;
        if abi < LANDLOCK_MIN {
            let has = if abi == 0 {
                "Linux has no Landlock here, or it is off".to_owned()
            } else {
                format!("Linux has Landlock of ABI {abi} here")
            };
            return Err(format!(
                "{has}: at least {LANDLOCK_MIN}, Linux 5.19, is needed"
            ));
        }
        let (held, missing): (Vec<_>, Vec<_>) =
            SINCE.iter().partition(|(since, _, _)| *since <= abi);
        let mut text = format!("behind Landlock, ABI {abi}: files");
        for (_, what, _) in held {
            text.push_str(", ");
            text.push_str(what);
        }
        for (_, what, linux) in &missing {
            let _ = write!(text, "; not {what}, which takes Linux {linux}");
        }
        Ok(Choice {
            walls: Walls::Landlock(SELF.into()),
            is_weak: !missing.is_empty(),
            text,
        })
    }
}

/// Finds bubblewrap and lets it make the namespaces that an evaluation gets.
async fn bubblewrap() -> Result<PathBuf, String> {
    let program = program_on_path("bwrap").ok_or("bubblewrap (`bwrap`) is not on PATH")?;
    let mut command = Command::new(&program);
    command
        .args(["--unshare-all", "--die-with-parent", "--new-session"])
        .args(["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"])
        .args(["--tmpfs", "/tmp", "--"])
        .arg(&program)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PROBE_LIMIT, command.output()).await;
    let failed = |why: &str| format!("{} does not work here: {why}", program.display());
    match output {
        Ok(Ok(output)) if output.status.success() => Ok(program),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(failed(said.lines().next().unwrap_or("it says nothing")))
        }
        Ok(Err(error)) => Err(failed(&error.to_string())),
        Err(_) => Err(failed("it takes too long")),
    }
}

#[cfg(test)]
mod tests;
