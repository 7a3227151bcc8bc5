//! The Nix of another machine, as far as it can be asked by `ssh`: for which systems it builds, and how much at once.
//!
//! The worker protocol has no question for that, so its `nix` is run there.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::Path,
    process::{Command, Stdio},
};

use super::nix_host::{NixHostError, NixSettings, last_line};

/// What is run there. `config show` is called `show-config` before Nix 2.20.
const SCRIPT: &str = "\
    { \"$nix\" --extra-experimental-features nix-command config show 2>/dev/null \
    || \"$nix\" --extra-experimental-features nix-command show-config; } && \
    echo \"nixci-cores = $(nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null)\"";

/// Asks another machine for the settings of its Nix, with how many builds it should run at once in place of `max-jobs`:
/// the number of its processors if nobody set another one. `ssh` makes the arguments that run a script there, and
/// `nix_program` is what `nix` is called there.
pub fn remote_settings(
    ssh: impl Fn(&str) -> Vec<OsString>,
    nix_program: &str,
    name: &str,
) -> Result<NixSettings, NixHostError> {
    let command = format!("ssh {name} {nix_program} config show");
    let quoted = nix_program.replace('\'', r"'\''");
    let output = Command::new("ssh")
        .args(ssh(&format!("nix='{quoted}'; {SCRIPT}")))
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| NixHostError::Run {
            command: command.clone(),
            cause,
        })?;
    if !output.status.success() {
        return Err(NixHostError::Answer {
            command,
            detail: last_line(&output.stderr),
        });
    }
    parse(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| NixHostError::Answer {
        command,
        detail: "it does not say for which system it builds".to_owned(),
    })
}

fn parse(text: &str) -> Option<NixSettings> {
    let mut all: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    // The machines that a file there names cannot be known here; the daemon there still uses them.
    all.retain(|name, value| name != "builders" || !value.contains('@'));
    let cores = all
        .remove("nixci-cores")
        .and_then(|cores| cores.parse().ok());
    // What Nix says where nobody set it is 1.
    let set = all.get("max-jobs").and_then(|jobs| jobs.parse().ok());
    let max_jobs = set.filter(|jobs| *jobs > 1).or(cores).or(set);
    let has_system = all.get("system").is_some_and(|system| !system.is_empty());
    has_system.then_some(NixSettings { all, max_jobs })
}

/// The program `nix` beside a `nix-daemon` that is named by its path.
pub fn nix_beside(daemon_program: &str) -> String {
    let path = Path::new(daemon_program);
    match path.parent() {
        Some(dir) if path.is_absolute() => dir.join("nix").display().to_string(),
        Some(_) | None => "nix".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{nix_beside, parse};

    #[test]
    fn settings_and_processors_are_read() {
        let settings =
            parse("max-jobs = 1\nsystem = aarch64-linux\nextra-platforms = armv7l-linux\nnixci-cores = 8\n")
                .unwrap();
        assert_eq!(settings.max_jobs, Some(8));
        let systems: Vec<String> = settings
            .builders()
            .systems()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(systems, ["aarch64-linux", "armv7l-linux"]);
        let jobs = |text: &str| parse(text).unwrap().max_jobs;
        assert_eq!(jobs("max-jobs = 3\nsystem = x\nnixci-cores = 8"), Some(3));
        assert_eq!(jobs("max-jobs = 1\nsystem = x\nnixci-cores = \n"), Some(1));
        assert_eq!(jobs("max-jobs = 0\nsystem = x\nnixci-cores = 4\n"), Some(4));
        assert_eq!(parse("max-jobs = 3\n"), None);
        assert_eq!(parse("Welcome to this machine"), None);
    }

    #[test]
    fn nix_is_beside_its_daemon() {
        assert_eq!(nix_beside("/opt/nix/bin/nix-daemon"), "/opt/nix/bin/nix");
        assert_eq!(nix_beside("nix-daemon"), "nix");
    }
}
