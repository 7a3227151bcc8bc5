//! Keeps an evaluation of somebody else's code apart from this machine: by walls, of bubblewrap or of Landlock, and by
//! settings that no flake and no user changes.
//!
//! Wraps the command lines of evaluators, whichever they are; what they find is not its business. Not used for a user's
//! own evaluation. Each defence is a row of the list of attacks that a server must withstand, and has a test named so.

mod bubblewrap;
mod credentials;
mod landlock;
mod leftovers;

use std::{
    env,
    ffi::OsString,
    fs, io,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{Mode, OFlags};
use tokio::process::Command;

pub use self::credentials::{CredentialFiles, HostToken};
pub use self::landlock::{Connect, Fence, FenceError, LANDLOCK_MIN, landlock_abi};
pub use self::leftovers::end_leftovers;
use super::{EvalError, EvalRequest};

/// What stands between an evaluation and this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Walls {
    /// The program `bwrap`, 0.8 or newer: the evaluation is in namespaces of its own, and what is not named is not there.
    Bubblewrap(PathBuf),
    /// This program, `nixci`, which restricts itself by Landlock and becomes the evaluator: what is not named can be seen to
    /// be there, and cannot be opened.
    Landlock(PathBuf),
    /// Nothing but settings and the environment.
    None,
}

/// What an evaluation may reach by TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Nothing.
    None,
    /// What the proxy at this port of this machine lets through. Walls that can keep it to that do.
    Proxy {
        /// The port.
        port: u16,
        /// This program, where bubblewrap makes the walls and Landlock can keep them to a port.
        keeper: Option<PathBuf>,
    },
    /// All that this machine can reach.
    All,
}

/// How an evaluation is kept apart, and what it may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// What keeps its processes in.
    pub walls: Walls,
    /// A folder for what Nix keeps at home: copies of inputs. Evaluations that share one can tell what the others fetched,
    /// so one is for a repository and a level of trust.
    pub home: PathBuf,
    /// What it may read besides the store and the programs of the system: its mirror.
    pub readable: Vec<PathBuf>,
    /// Folders with programs besides those of the system and of the store: where Nix is if that is elsewhere.
    pub programs: Vec<PathBuf>,
    /// The folder of the store: `/nix/store`.
    pub store_dir: PathBuf,
    /// The daemon's socket, without which nothing is evaluated apart.
    pub daemon_socket: PathBuf,
    /// Variables that it needs besides: of a store elsewhere, of a proxy. Nothing else of the environment gets in.
    pub variables: Vec<(String, OsString)>,
    /// What it may reach of the network, from which inputs are fetched.
    pub network: Network,
    /// Whether it may build something and read the result.
    pub import_from_derivation: bool,
    /// With what the addresses must begin that it fetches; `None`: any address.
    pub allowed_uris: Option<Vec<String>>,
    /// The folder in its home with what opens private inputs to it; `None`: nothing does. See [`Self::open_to`].
    pub credentials: Option<String>,
    /// The control group that its processes go into, see [`super::Cell`].
    pub cgroup: Option<PathBuf>,
    /// What it may cost.
    pub limits: EvalLimits,
}

/// What an evaluation may cost, besides its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalLimits {
    /// How long it may take altogether.
    pub time: Duration,
    /// How many attributes it may have.
    pub attributes: usize,
    /// How much each of its processes may write to an output, in bytes.
    pub output_bytes: u64,
}

impl Default for EvalLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(3600),
            attributes: 10_000,
            output_bytes: 256 << 20,
        }
    }
}

/// Programs and their libraries, of distributions and of NixOS.
const PROGRAMS: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/run/current-system",
];

/// What of `/etc` is needed to fetch something, and tells nothing.
const CONFIGURATION: &[&str] = &[
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/group",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki",
    "/etc/resolv.conf",
    "/etc/ssl",
    "/etc/static/ssl",
];

/// Variables that are taken over, since they say where Nix is.
const TAKEN_OVER: &[&str] = &[
    "NIX_BIN_DIR",
    "NIX_LIBEXEC_DIR",
    "NIX_LOG_DIR",
    "NIX_SSL_CERT_FILE",
    "NIX_STATE_DIR",
    "PATH",
];

/// Variables that say how the world is reached, and are taken over where all of it may be.
const PROXIES: [&str; 8] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Goes into a control group and becomes another program.
const ENTER: &str = "echo 0 > \"$0\" && exec \"$@\"";

/// The folder for temporary files below a home, where the walls do not come with one of their own.
const TMP: &str = "tmp";

impl Isolation {
    /// For commits of the mirror in this folder by people who are trusted: with a network, import from derivation, and the
    /// store that the environment names. See the fields for what they are.
    pub fn new(walls: Walls, mirror: &Path, home: PathBuf) -> Self {
        let folder =
            |name, default: &str| PathBuf::from(env::var_os(name).unwrap_or(default.into()));
        let state = folder("NIX_STATE_DIR", "/nix/var/nix");
        let socket = env::var_os("NIX_DAEMON_SOCKET_PATH").map(PathBuf::from);
        Self {
            walls,
            home,
            readable: vec![mirror.to_owned()],
            programs: Vec::new(),
            store_dir: folder("NIX_STORE_DIR", "/nix/store"),
            daemon_socket: socket.unwrap_or_else(|| state.join("daemon-socket/socket")),
            variables: Vec::new(),
            network: Network::All,
            import_from_derivation: true,
            allowed_uris: None,
            credentials: None,
            cgroup: None,
            limits: EvalLimits::default(),
        }
    }

    /// The same for a stranger's commits: without import from derivation.
    #[must_use]
    pub fn of_stranger(self) -> Self {
        Self {
            import_from_derivation: false,
            ..self
        }
    }

    /// Gives the evaluation of this name what opens hosts to it. It has that for as long as the files are there.
    pub fn open_to(self, name: &str, hosts: &[HostToken]) -> io::Result<(Self, CredentialFiles)> {
        let files = CredentialFiles::write(&self.home, name, hosts)?;
        let opened = Self {
            credentials: Some(files.name().to_owned()),
            ..self
        };
        Ok((opened, files))
    }

    /// Where its home is for itself.
    fn home_inside(&self) -> &Path {
        match self.walls {
            Walls::Bubblewrap(_) => Path::new(bubblewrap::HOME),
            Walls::Landlock(_) | Walls::None => &self.home,
        }
    }

    /// A file of what opens private inputs to it, as it sees that.
    fn credential(&self, file: &str) -> Option<PathBuf> {
        let folder = self.credentials.as_ref()?;
        Some(self.home_inside().join(folder).join(file))
    }

    /// Prepares a program that runs apart if there is an isolation, and may write to these folders then.
    pub(super) fn command(isolation: Option<&Self>, program: &Path, writable: &[&Path]) -> Command {
        let Some(isolation) = isolation else {
            return Command::new(program);
        };
        let home = isolation.home_inside();
        let (mut words, tmp) = match &isolation.walls {
            Walls::Bubblewrap(bubblewrap) => {
                let mut words = isolation.kept_to_a_port();
                words.push(bubblewrap.into());
                words.extend(isolation.in_bubblewrap(program, writable));
                (words, "/tmp".into())
            }
            Walls::Landlock(nixci) => {
                let mut words = vec![nixci.into()];
                words.extend(isolation.fence(program, writable).arguments());
                (words, isolation.home.join(TMP))
            }
            Walls::None => (Vec::new(), "/tmp".into()),
        };
        words.push(program.into());
        // The fence goes into the group itself: this program may be one that only its own process can name.
        let is_outside =
            !matches!(isolation.walls, Walls::Landlock(_)) && isolation.keeper().is_none();
        if let Some(group) = isolation.cgroup.as_ref().filter(|_| is_outside) {
            let enter = [OsString::from("/bin/sh"), "-c".into(), ENTER.into()];
            words.splice(
                0..0,
                enter.into_iter().chain([group.join("cgroup.procs").into()]),
            );
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command.env_clear().envs(isolation.environment(home, &tmp));
        command
    }

    /// What keeps bubblewrap to the port of the proxy.
    fn keeper(&self) -> Option<(&Path, u16)> {
        match (&self.walls, &self.network) {
            (Walls::Bubblewrap(_), Network::Proxy { port, keeper }) => {
                Some((keeper.as_deref()?, *port))
            }
            _ => None,
        }
    }

    /// The words before bubblewrap's.
    fn kept_to_a_port(&self) -> Vec<OsString> {
        let Some((keeper, port)) = self.keeper() else {
            return Vec::new();
        };
        let fence = Fence {
            only_network: true,
            connect: Connect::Port(port),
            parent: Some(std::process::id()),
            cgroup: self.cgroup.clone(),
            ..Fence::default()
        };
        let mut words = vec![keeper.into()];
        words.extend(fence.arguments());
        words
    }

    /// Folders whose programs may be run. What is not there does no harm.
    fn executable<'s>(&'s self, program: &'s Path) -> impl Iterator<Item = &'s Path> {
        let system = PROGRAMS.iter().map(Path::new);
        // A program may be anywhere.
        let folder = program.parent().filter(|folder| folder.is_absolute());
        let own = self.programs.iter().map(PathBuf::as_path);
        system.chain([&*self.store_dir]).chain(own).chain(folder)
    }

    /// The whole environment of an evaluator.
    fn environment(&self, home: &Path, tmp: &Path) -> Vec<(OsString, OsString)> {
        let taken_over = TAKEN_OVER
            .iter()
            .filter_map(|name| Some((OsString::from(name), env::var_os(name)?)));
        let mut environment: Vec<(OsString, OsString)> = taken_over.collect();
        match self.network {
            Network::All => environment.extend(
                PROXIES
                    .iter()
                    .filter_map(|name| Some((OsString::from(name), env::var_os(name)?))),
            ),
            Network::Proxy { port, .. } => {
                let proxy = OsString::from(format!("http://127.0.0.1:{port}"));
                for name in ["all_proxy", "http_proxy", "https_proxy"] {
                    environment.push((name.into(), proxy.clone()));
                }
            }
            Network::None => {}
        }
        // What Nix trusts, git does not know of.
        if let Some(certificates) = env::var_os("NIX_SSL_CERT_FILE") {
            environment.push(("GIT_SSL_CAINFO".into(), certificates));
        }
        let mut set = |name: &str, value: OsString| environment.push((name.into(), value));
        set("HOME", home.into());
        set("TMPDIR", tmp.into());
        for (name, folder) in [
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_STATE_HOME", "state"),
        ] {
            set(name, home.join(folder).into());
        }
        for (name, value) in [
            ("LANG", "C.UTF-8"),
            // Neither the user's settings nor the system's: they may hold tokens.
            ("NIX_CONF_DIR", "/var/empty"),
            ("NIX_CONFIG", ""),
            ("NIX_REMOTE", "daemon"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_LFS_SKIP_SMUDGE", "1"),
        ] {
            set(name, value.into());
        }
        let own = |file| self.credential(file).map(PathBuf::into_os_string);
        let nix_conf = own(credentials::NIX_CONF);
        set("NIX_USER_CONF_FILES", nix_conf.unwrap_or_default());
        let git_config = own(credentials::GIT_CONFIG);
        set(
            "GIT_CONFIG_GLOBAL",
            git_config.unwrap_or("/dev/null".into()),
        );
        set("NIX_DAEMON_SOCKET_PATH", self.daemon_socket.clone().into());
        set("NIX_STORE_DIR", self.store_dir.clone().into());
        for (name, value) in &self.variables {
            set(name, value.clone());
        }
        environment
    }

    /// The settings of Nix that count last.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let ifd = self.import_from_derivation.to_string();
        let netrc = self.credential(credentials::NETRC);
        let netrc = netrc.unwrap_or_else(|| "/dev/null".into());
        let mut settings = vec![
            ("accept-flake-config", "false".to_owned()),
            ("allow-import-from-derivation", ifd),
            (
                "allow-unsafe-native-code-during-evaluation",
                "false".to_owned(),
            ),
            ("netrc-file", netrc.display().to_string()),
        ];
        // They would stand on the command line: a file of its own says them.
        if self.credentials.is_none() {
            settings.push(("access-tokens", String::new()));
        }
        if let Some(uris) = &self.allowed_uris {
            settings.push(("restrict-eval", "true".to_owned()));
            settings.push(("allowed-uris", uris.join(" ")));
        }
        let owned = |(name, value): (&str, String)| (name.to_owned(), value);
        settings.into_iter().map(owned).collect()
    }

    /// Refuses a request that would undo what is kept apart, and makes its home.
    pub(super) fn prepare(request: &EvalRequest) -> Result<(), EvalError> {
        let options = &request.options;
        let Some(isolation) = &options.isolation else {
            return Ok(());
        };
        if options.impure || options.accept_flake_config {
            return Err(EvalError::Usage(
                "an evaluation that is kept apart is pure, and takes no settings from its flake"
                    .to_owned(),
            ));
        }
        isolation.tidy().map_err(|error| {
            let home = isolation.home.display();
            EvalError::Infrastructure(format!("cannot prepare {home}: {error}"))
        })
    }

    /// Removes temporary files that evaluations have left which were killed: what is older than any can be that still runs.
    /// Evaluations may write to their home, and have put a link where the folder was, or do so now: what is removed is
    /// below the folder that was opened.
    fn tidy(&self) -> io::Result<()> {
        let tmp = self.home.join(TMP);
        fs::create_dir_all(&self.home)?;
        match fs::symlink_metadata(&tmp) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => fs::remove_file(&tmp)?,
            Err(_) => {}
        }
        fs::create_dir_all(&tmp)?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&tmp, flags, Mode::empty())?;
        for entry in fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))?.flatten() {
            let age = entry.metadata().and_then(|found| found.modified());
            let age = age.ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > self.limits.time) {
                let path = entry.path();
                // Neither follows a link. What cannot be removed is tried again the next time.
                let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
