//! The Nix of this machine: where it is, which version, how it is set up.
//!
//! Asking `nix` costs two processes; the answer is kept, and asked for again only when the program, a configuration file
//! or a variable that Nix reads has changed.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{files::write_file, machines::parse_machines, nix_conf};
use crate::nix::{Builders, Machine, NixVersion, System, hex};

/// Variables beside `NIX_*` that decide how Nix is set up.
const OTHER_VARIABLES: [&str; 4] = ["HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "USER"];

/// The Nix of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NixHost {
    /// The program `nix`.
    pub program: PathBuf,
    /// Its version.
    pub version: NixVersion,
    /// Its settings.
    pub settings: NixSettings,
}

/// The settings of Nix that matter here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NixSettings {
    /// All settings by name, as `nix config show` prints them.
    pub all: BTreeMap<String, String>,
    /// `max-jobs`, if someone set it.
    pub max_jobs: Option<usize>,
}

/// Why there is no Nix to be used.
#[derive(Debug, thiserror::Error)]
pub enum NixHostError {
    /// There is none.
    #[error("cannot find `nix` on PATH: install Nix 2.8 or newer (https://nixos.org/download)")]
    NotFound,
    /// It is too old.
    #[error("{} is Nix {version}, but 2.8 or newer is needed: upgrade Nix (https://nixos.org/download)", program.display())]
    TooOld {
        /// The program.
        program: PathBuf,
        /// Its version.
        version: NixVersion,
    },
    /// It cannot be run.
    #[error("cannot run `{command}`: {cause}")]
    Run {
        /// The command.
        command: String,
        /// Why.
        cause: io::Error,
    },
    /// It does not say what it should.
    #[error("`{command}` failed: {detail}")]
    Answer {
        /// The command.
        command: String,
        /// What it said instead.
        detail: String,
    },
}

impl NixHost {
    /// Finds Nix and asks it for its version and settings; `options` are the `--option`s of the command line. What it
    /// answered before is taken from `cache_dir` if nothing has changed since.
    pub fn find(
        options: &[(String, String)],
        cache_dir: Option<&Path>,
    ) -> Result<Self, NixHostError> {
        let program = program_on_path("nix").ok_or(NixHostError::NotFound)?;
        let conf = nix_conf::read_all(&|name| env::var_os(name));
        let file = cache_dir
            .map(|dir| dir.join(format!("nix-{}.json", cache_key(&program, &conf, options))));
        let kept = file
            .as_ref()
            .and_then(|file| fs::read(file).ok())
            .and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        if let Some(host) = kept {
            return Ok(host);
        }
        let host = Self::ask(program, &conf, options)?;
        if let Some(file) = file {
            // A cache that cannot be written costs time only.
            let _ = write_file(&file, &serde_json::to_vec(&host).unwrap_or_default());
        }
        Ok(host)
    }

    fn ask(
        program: PathBuf,
        conf: &str,
        options: &[(String, String)],
    ) -> Result<Self, NixHostError> {
        let version = run(&program, &["--version".to_owned()])?;
        let version_text = String::from_utf8_lossy(&version.stdout).into_owned();
        let version = NixVersion::parse(&version_text).ok_or_else(|| NixHostError::Answer {
            command: format!("{} --version", program.display()),
            detail: format!("no version in `{}`", version_text.trim().escape_debug()),
        })?;
        if version.is_too_old() {
            return Err(NixHostError::TooOld { program, version });
        }
        let mut args: Vec<String> = vec![
            "--extra-experimental-features".into(),
            "nix-command flakes".into(),
        ];
        if version.is_lix || version.numbers < (2, 20) {
            args.push("show-config".into());
        } else {
            args.extend(["config".into(), "show".into()]);
        }
        for (name, value) in options {
            args.extend(["--option".into(), name.clone(), value.clone()]);
        }
        let output = run(&program, &args)?;
        if !output.status.success() {
            return Err(NixHostError::Answer {
                command: format!("{} config show", program.display()),
                detail: last_line(&output.stderr),
            });
        }
        let all: BTreeMap<String, String> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect();
        let max_jobs_is_set = nix_conf::is_set(conf, "max-jobs")
            || options.iter().any(|(name, _)| name == "max-jobs");
        let max_jobs = all
            .get("max-jobs")
            .filter(|_| max_jobs_is_set)
            .and_then(|jobs| jobs.parse().ok());
        Ok(Self {
            program,
            version,
            settings: NixSettings { all, max_jobs },
        })
    }

    /// The program `nix-daemon` that belongs to this Nix.
    pub fn daemon_program(&self) -> PathBuf {
        let beside = self.program.with_file_name("nix-daemon");
        if beside.exists() {
            beside
        } else {
            program_on_path("nix-daemon").unwrap_or(beside)
        }
    }
}

impl NixSettings {
    /// A setting as `nix config show` prints it; empty if Nix does not know it.
    pub fn value(&self, name: &str) -> &str {
        self.all.get(name).map_or("", String::as_str)
    }

    /// A setting that is a number.
    pub fn number(&self, name: &str) -> u64 {
        self.value(name).parse().unwrap_or_default()
    }

    /// A setting that is a list.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.value(name)
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }

    /// The system of this machine.
    pub fn system(&self) -> System {
        System::of_derivation(self.value("system"))
    }

    /// Whether an experimental feature is switched on.
    pub fn has_feature(&self, name: &str) -> bool {
        let features = self.list("experimental-features");
        features.iter().any(|feature| feature == name)
    }

    /// This machine, if it builds at all, and all others.
    pub fn builders(&self) -> Builders {
        let mut systems = vec![self.value("system").to_owned()];
        systems.extend(self.list("extra-platforms"));
        let mut features = self.list("system-features");
        // As Nix does: features that come with an experimental feature.
        for feature in ["ca-derivations", "recursive-nix"] {
            if self.has_feature(feature) {
                features.push(feature.to_owned());
            }
        }
        let here = Machine {
            uri: String::new(),
            systems,
            features,
            mandatory_features: Vec::new(),
            max_jobs: self.max_jobs.unwrap_or(1),
        };
        let mut machines = parse_machines(self.value("builders"), self.value("system"));
        // With `max-jobs = 0` all is built elsewhere; `-j` overrides it where there is no elsewhere.
        if self.max_jobs != Some(0) || machines.is_empty() {
            machines.insert(0, here);
        }
        Builders::new(machines)
    }
}

/// Returns the first executable file of this name on `PATH`.
pub fn program_on_path(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|file| {
            fs::metadata(file)
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

fn run(program: &Path, args: &[String]) -> Result<Output, NixHostError> {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| NixHostError::Run {
            command: program.display().to_string(),
            cause,
        })
}

pub(super) fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let plain = console::strip_ansi_codes(&text);
    plain
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or("it said nothing")
        .to_owned()
}

/// A hash of all that decides what Nix answers.
fn cache_key(program: &Path, conf: &str, options: &[(String, String)]) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(env!("CARGO_PKG_VERSION").as_bytes());
    let real = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    add(program.as_os_str().as_encoded_bytes());
    add(real.as_os_str().as_encoded_bytes());
    if let Ok(meta) = fs::metadata(&real) {
        let modified = meta
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        add(&meta.len().to_le_bytes());
        add(&modified.unwrap_or_default().as_nanos().to_le_bytes());
    }
    add(conf.as_bytes());
    for (name, value) in options {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    let mut variables: Vec<(OsString, OsString)> = env::vars_os()
        .filter(|(name, _)| {
            name.as_encoded_bytes().starts_with(b"NIX_")
                || OTHER_VARIABLES.iter().any(|other| name == other)
        })
        .collect();
    variables.sort();
    for (name, value) in variables {
        add(name.as_encoded_bytes());
        add(value.as_encoded_bytes());
    }
    // Nix offers the feature `kvm` where this file is.
    add(&[u8::from(Path::new("/dev/kvm").exists())]);
    add(&std::thread::available_parallelism()
        .map_or(0, usize::from)
        .to_le_bytes());
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests;
