//! Walls of Landlock, which need no namespaces: a process gives up what it may do, for itself and all that it starts, and
//! becomes another program.
//!
//! Weaker than namespaces, since things are there and cannot be opened: that a file exists, how large it is, and who else
//! runs can be seen; a Unix socket that has a path can be connected to by whoever its mode lets (up to Linux 7.0); UDP is
//! not filtered. The restriction is inherited and never given back.
//!
//! Source: `Documentation/userspace-api/landlock.rst` of Linux. The rights are those of ABI 7, which this was tried with;
//! an older kernel gives those that it has.

use std::{
    convert::Infallible,
    env,
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::{CONFIGURATION, Isolation, Network};

/// The least ABI of Landlock that walls are made of: before it no file can be moved to another folder at all.
pub const LANDLOCK_MIN: u32 = 2;

/// Devices that programs write to, and that keep nothing.
const SINKS: &[&str] = &["/dev/null", "/dev/zero", "/dev/full"];
/// What else is read: randomness; of `/proc` what the kernel shows of processes that this one may not look into; and what
/// libgit2 insists on reading where it is there.
const FACTS: &[&str] = &["/dev/random", "/dev/urandom", "/proc", "/etc/gitconfig"];

/// What a process may connect to by TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connect {
    /// To nothing.
    #[default]
    Nothing,
    /// To this port, of any machine: Landlock knows no addresses.
    Port(u16),
    /// To any port.
    Anything,
}

/// What a process may do behind walls of Landlock; anything else it may not. What is not there does no harm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fence {
    /// Programs and folders of programs, which it may read and run.
    pub execute: Vec<PathBuf>,
    /// Files and folders that it may read.
    pub read: Vec<PathBuf>,
    /// Files and folders that it may read and change, and run nothing of.
    pub write: Vec<PathBuf>,
    /// What it may connect to by TCP. It never accepts connections.
    pub connect: Connect,
    /// Whether only the network is kept from it: somebody else sees to files and processes.
    pub only_network: bool,
    /// The process that has started it: it does not outlive that one.
    pub parent: Option<u32>,
    /// The control group that it goes into first.
    pub cgroup: Option<PathBuf>,
    /// Where it is.
    pub dir: Option<PathBuf>,
}

/// Why a program does not run behind its walls.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// The kernel has none, or too old ones.
    #[error(
        "Linux has Landlock of ABI {0} here, and walls need {LANDLOCK_MIN} (Linux 5.19) or newer; 0 is none"
    )]
    TooOld(u32),
    /// The kernel has refused them.
    #[error("cannot restrict this process: {0}")]
    Refused(String),
    /// Its control group or its folder cannot be entered.
    #[error("cannot enter {path}: {error}")]
    Enter {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The program cannot be run.
    #[error("cannot run `{program}`: {error}")]
    Run {
        /// Which.
        program: String,
        /// Why.
        error: io::Error,
    },
}

impl Isolation {
    /// What an evaluation may do.
    pub(super) fn fence(&self, program: &Path, writable: &[&Path]) -> Fence {
        let certificates = env::var_os("NIX_SSL_CERT_FILE").map(PathBuf::from);
        let configuration = CONFIGURATION.iter().map(PathBuf::from);
        let write = [&*self.home].into_iter().chain(writable.iter().copied());
        Fence {
            execute: self.executable(program).map(Path::to_owned).collect(),
            read: configuration
                .chain(certificates)
                .chain(self.readable.iter().cloned())
                .chain(self.daemon_socket.parent().map(Path::to_owned))
                .collect(),
            write: write.map(Path::to_owned).collect(),
            connect: match self.network {
                Network::None => Connect::Nothing,
                Network::Proxy { port, .. } => Connect::Port(port),
                Network::All => Connect::Anything,
            },
            only_network: false,
            parent: Some(std::process::id()),
            cgroup: self.cgroup.clone(),
            dir: Some(self.home.clone()),
        }
    }
}

impl Fence {
    /// The arguments of `nixci` that [`Self::run`] a program, up to the program.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["walls".into()];
        for (option, paths) in [
            ("--execute", &self.execute),
            ("--read", &self.read),
            ("--write", &self.write),
        ] {
            for path in paths {
                arguments.extend([option.into(), path.into()]);
            }
        }
        for (option, path) in [("--cgroup", &self.cgroup), ("--dir", &self.dir)] {
            arguments.extend(path.iter().flat_map(|path| [option.into(), path.into()]));
        }
        match self.connect {
            Connect::Nothing => {}
            Connect::Port(port) => arguments.extend(["--port".into(), port.to_string().into()]),
            Connect::Anything => arguments.push("--network".into()),
        }
        if self.only_network {
            arguments.push("--only-network".into());
        }
        if let Some(parent) = self.parent {
            arguments.extend(["--parent".into(), parent.to_string().into()]);
        }
        arguments.push("--".into());
        arguments
    }

    /// Restricts this process and becomes the program. Ends with whoever has started it.
    pub fn run(
        &self,
        program: &OsString,
        arguments: &[OsString],
    ) -> Result<Infallible, FenceError> {
        let enter = |path: &Path, done: io::Result<()>| {
            let path = path.to_owned();
            done.map_err(|error| FenceError::Enter { path, error })
        };
        if let Some(group) = &self.cgroup {
            enter(group, fs::write(group.join("cgroup.procs"), "0"))?;
        }
        if let Some(dir) = &self.dir {
            enter(dir, env::set_current_dir(dir))?;
        }
        #[cfg(target_os = "linux")]
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
            .map_err(|error| FenceError::Refused(error.to_string()))?;
        // It may have ended before that was asked for.
        let parent =
            rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs());
        if self.parent.is_some() && self.parent != parent {
            return Err(FenceError::Refused("who started it has ended".to_owned()));
        }
        self.restrict()?;
        Err(FenceError::Run {
            program: program.to_string_lossy().into_owned(),
            error: Command::new(program).args(arguments).exec(),
        })
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::{io, thread};

    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus,
        NetPort, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
        RulesetStatus, Scope, path_beneath_rules,
    };

    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

    use super::{Connect, FACTS, Fence, FenceError, LANDLOCK_MIN, SINKS};

    /// The ABI with all the rights that are known here.
    const KNOWN: ABI = ABI::V7;

    impl Fence {
        /// Gives up what is not allowed, for this thread and what it starts.
        pub(super) fn restrict(&self) -> Result<(), FenceError> {
            let done = self.enforce();
            let done = done.map_err(|error| FenceError::Refused(error.to_string()))?;
            match (abi(&done), done.ruleset) {
                (abi, _) if abi < LANDLOCK_MIN => Err(FenceError::TooOld(abi)),
                (_, RulesetStatus::NotEnforced) => {
                    Err(FenceError::Refused("nothing of it holds".to_owned()))
                }
                // Bubblewrap needs what it has, and lets go of it itself.
                (_, RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced)
                    if self.only_network =>
                {
                    Ok(())
                }
                (_, RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => {
                    powerless().map_err(|error| FenceError::Refused(error.to_string()))
                }
            }
        }

        fn enforce(&self) -> Result<RestrictionStatus, RulesetError> {
            if self.only_network {
                // Of files nothing at all: else no file system could be mounted any more.
                let rules = Ruleset::default()
                    .set_compatibility(CompatLevel::HardRequirement)
                    .handle_access(AccessNet::ConnectTcp)?;
                return rules.create()?.add_rules(self.ports())?.restrict_self();
            }
            let read = AccessFs::ReadFile | AccessFs::ReadDir;
            // Devices and sockets are nothing that an evaluation makes.
            let strange: BitFlags<AccessFs> = AccessFs::Execute
                | AccessFs::MakeChar
                | AccessFs::MakeBlock
                | AccessFs::MakeSock
                | AccessFs::IoctlDev;
            let write = AccessFs::from_all(KNOWN) & !strange;
            let mut rules = Ruleset::default()
                .handle_access(AccessFs::from_all(KNOWN))?
                .handle_access(AccessNet::BindTcp)?
                .scope(Scope::from_all(KNOWN))?;
            if self.connect != Connect::Anything {
                rules = rules.handle_access(AccessNet::ConnectTcp)?;
            }
            rules
                .create()?
                .add_rules(self.ports())?
                .add_rules(path_beneath_rules(&self.execute, read | AccessFs::Execute))?
                .add_rules(path_beneath_rules(&self.read, read))?
                .add_rules(path_beneath_rules(FACTS, read))?
                .add_rules(path_beneath_rules(SINKS, read | AccessFs::WriteFile))?
                .add_rules(path_beneath_rules(&self.write, write))?
                .restrict_self()
        }
    }

    impl Fence {
        fn ports(&self) -> impl Iterator<Item = Result<NetPort, RulesetError>> + use<> {
            let port = match self.connect {
                Connect::Port(port) => Some(NetPort::new(port, AccessNet::ConnectTcp)),
                Connect::Nothing | Connect::Anything => None,
            };
            port.into_iter().map(Ok)
        }
    }

    /// Gives up all capabilities, which a server run by root has: with one of them the kernel shows the environment of any
    /// process, whatever Landlock says. As no program gains privileges any more, none gives them back.
    fn powerless() -> io::Result<()> {
        // Who has none is often not even let give them up.
        if capabilities(None)?.permitted.is_empty() {
            return Ok(());
        }
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        Ok(set_capabilities(None, none)?)
    }

    /// The ABI of Landlock that the kernel has, as far as it is known here; 0: it has none, or none that is on.
    pub fn landlock_abi() -> u32 {
        // Only a process that restricts itself learns it: a thread that ends at once.
        let probe = thread::spawn(|| Fence::default().enforce().map(|done| abi(&done)));
        probe.join().ok().and_then(Result::ok).unwrap_or_default()
    }

    fn abi(done: &RestrictionStatus) -> u32 {
        match done.landlock {
            LandlockStatus::Available { effective_abi, .. } => effective_abi as u32,
            LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::{Fence, FenceError};

    impl Fence {
        pub(super) fn restrict(&self) -> Result<(), FenceError> {
            Err(FenceError::TooOld(landlock_abi()))
        }
    }

    /// No kernel but Linux has Landlock.
    pub fn landlock_abi() -> u32 {
        0
    }
}

pub use kernel::landlock_abi;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
