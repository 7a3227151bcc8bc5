//! A private store with its own configuration and, if wanted, its own daemon.
//!
//! The store directory itself is private, so every build is cold and nothing of the machine's store is read or written.
//! Dropping it stops the daemon, and panics if a process that belongs to the store (builder, client) is still there.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs, io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{PATIENCE, nix::Nix};

/// How long processes of a store may take to go away by themselves.
const LEAVE: Duration = Duration::from_secs(30);

/// A private store; everything in it goes when it is dropped.
pub(crate) struct TestStore {
    nix: Nix,
    folder: TempDir,
    daemon: Option<Child>,
    /// Variables of its programs besides those that make it private.
    variables: Vec<(&'static str, OsString)>,
    /// How long its processes may take to go away when it is dropped.
    patience: Duration,
}

impl TestStore {
    /// Makes an empty store, without a daemon.
    pub(crate) fn new(nix: &Nix) -> Self {
        let store = Self::unmade(nix);
        // Programs that come to a new store at the same time are in each other's way: "schema is corrupt", "is busy".
        store.run_nix(&["path-info", "--all"], store.folder());
        store
    }

    /// Prepares a store that the first program which comes to it has to make.
    pub(crate) fn unmade(nix: &Nix) -> Self {
        // Not the machine's own temporary folder, whose name may be long: the daemon's socket has to fit in 108 bytes.
        let folder = tempfile::Builder::new()
            .prefix("nixci-")
            .rand_bytes(6)
            .tempdir_in("/tmp")
            .unwrap();
        let store = Self {
            nix: nix.clone(),
            folder,
            daemon: None,
            variables: Vec::new(),
            patience: LEAVE,
        };
        for name in ["conf", "home", "cache", "tmp"] {
            fs::create_dir(store.folder().join(name)).unwrap();
        }
        let settings = fs::read_to_string(nix.prefix.join("nix.conf")).unwrap_or_else(|_| {
            "experimental-features = nix-command flakes\nsubstituters =\n".to_owned()
        });
        fs::write(store.conf_file(), settings).unwrap();
        store
    }

    /// Adds a line to its `nix.conf`. Panics if the daemon runs, which would not see it.
    pub(crate) fn with_setting(self, name: &str, value: &str) -> Self {
        assert!(self.daemon.is_none(), "set {name} before the daemon starts");
        let mut settings = fs::read_to_string(self.conf_file()).unwrap();
        writeln!(settings, "{name} = {value}").unwrap();
        fs::write(self.conf_file(), settings).unwrap();
        self
    }

    /// Adds a variable to [`Self::env`].
    pub(crate) fn with_variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Gives its processes this long to go away when it is dropped.
    pub(crate) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts `nix-daemon` on [`Self::socket`] and waits until it listens.
    pub(crate) fn with_daemon(mut self) -> Self {
        self.start_daemon();
        self
    }

    /// Starts `nix-daemon`, again if it was stopped, and waits until it listens.
    pub(crate) fn start_daemon(&mut self) {
        assert!(self.daemon.is_none(), "the daemon runs already");
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.daemon_log_file())
            .unwrap();
        let daemon = self
            .command("nix-daemon")
            .env_remove("NIX_REMOTE")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        let deadline = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            let daemon = self.daemon.as_mut().expect("it was just started");
            let gone = daemon.try_wait().unwrap();
            assert!(
                gone.is_none() && Instant::now() < deadline,
                "nix-daemon does not listen: {}",
                self.daemon_log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills the daemon at once, with the processes that serve its connections, as a crash would. The builders, which
    /// would live on until they write something, go with it.
    pub(crate) fn kill_daemon(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
        for process in self
            .processes()
            .iter()
            .filter(|process| process.is_daemon() || process.is_builder)
        {
            process.kill();
        }
    }

    /// The installation it belongs to.
    pub(crate) fn nix(&self) -> &Nix {
        &self.nix
    }

    /// The folder that holds everything of it: 17 characters, `/tmp/nixci-` and six more.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The store directory, in place of `/nix/store`.
    pub(crate) fn dir(&self) -> PathBuf {
        self.folder().join("store")
    }

    /// The daemon's socket, whether a daemon runs or not.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder().join("var/daemon-socket/socket")
    }

    /// What the daemon wrote to its output.
    pub(crate) fn daemon_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.daemon_log_file()).unwrap_or_default()).into_owned()
    }

    /// The whole environment of a program that uses this store: nothing of the test's own is inherited.
    pub(crate) fn env(&self) -> Vec<(&'static str, OsString)> {
        let (folder, prefix) = (self.folder(), &self.nix.prefix);
        let mut path = prefix.join("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
        let mut env = vec![
            ("PATH", path),
            ("LANG", "C.UTF-8".into()),
            ("NIX_BIN_DIR", prefix.join("bin").into()),
            // Nix 2.8 starts `build-remote` from there before every build, also without remote builders.
            ("NIX_LIBEXEC_DIR", prefix.join("usr/libexec").into()),
            ("NIX_STORE_DIR", self.dir().into()),
            ("NIX_STATE_DIR", folder.join("var").into()),
            ("NIX_LOG_DIR", folder.join("log").into()),
            ("NIX_CONF_DIR", folder.join("conf").into()),
            ("HOME", folder.join("home").into()),
            ("TMPDIR", folder.join("tmp").into()),
            ("XDG_CACHE_HOME", folder.join("cache").into()),
            ("XDG_CONFIG_HOME", folder.join("home/config").into()),
            ("XDG_DATA_HOME", folder.join("home/data").into()),
            ("XDG_STATE_HOME", folder.join("home/state").into()),
            ("XDG_RUNTIME_DIR", folder.join("home/run").into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
        ];
        if self.daemon.is_some() {
            env.push(("NIX_REMOTE", "daemon".into()));
        }
        env.extend(self.variables.iter().cloned());
        env
    }

    /// Prepares a program of this Nix, or any other one, to run with [`Self::env`] and without input.
    pub(crate) fn command(&self, program: &str) -> Command {
        let own = self.nix.prefix.join("bin").join(program);
        let mut command = Command::new(if own.exists() { own } else { program.into() });
        command
            .env_clear()
            .envs(self.env())
            .current_dir(self.folder())
            .stdin(Stdio::null());
        command
    }

    /// Runs `nix` to its end and returns its standard output. Panics with its errors if it fails.
    pub(crate) fn run_nix(&self, arguments: &[&str], dir: &Path) -> String {
        let output = self
            .command("nix")
            .args(arguments)
            .current_dir(dir)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "nix {arguments:?} ({}): {stderr}",
            self.nix
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The processes of this store: its daemon, builders, and programs started with [`Self::env`].
    pub(crate) fn processes(&self) -> Vec<StoreProcess> {
        processes_with(self.folder().to_str().expect("it is /tmp/nixci-XXXXXX"))
    }

    /// The builders that run now.
    pub(crate) fn builders(&self) -> Vec<StoreProcess> {
        let mut processes = self.processes();
        processes.retain(|process| process.is_builder);
        processes
    }

    /// Waits until only the daemon's main process is left, and returns what does not leave within `limit`.
    pub(crate) fn wait_until_idle(&self, limit: Duration) -> Vec<StoreProcess> {
        let daemon = self.daemon.as_ref().map(Child::id);
        let deadline = Instant::now() + limit;
        loop {
            let mut left = self.processes();
            left.retain(|process| Some(process.id) != daemon);
            if left.is_empty() || Instant::now() >= deadline {
                return left;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn conf_file(&self) -> PathBuf {
        self.folder().join("conf/nix.conf")
    }

    fn daemon_log_file(&self) -> PathBuf {
        self.folder().join("daemon.log")
    }
}

impl Drop for TestStore {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let left = self.wait_until_idle(self.patience);
        for process in &left {
            process.kill();
        }
        make_removable(self.folder());
        assert!(
            left.is_empty() || thread::panicking(),
            "processes outlived their test: {left:#?}"
        );
    }
}

/// A process that has the store's folder in its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreProcess {
    /// Its process id.
    pub(crate) id: u32,
    /// Its arguments, joined by spaces.
    pub(crate) command_line: String,
    /// Whether it is a derivation's builder, or was started by one.
    pub(crate) is_builder: bool,
}

impl StoreProcess {
    /// Whether it is the daemon, or one of the daemon's processes that serve a connection.
    pub(crate) fn is_daemon(&self) -> bool {
        self.command_line.contains("nix-daemon")
    }

    /// Kills it, if it still exists.
    pub(crate) fn kill(&self) {
        if let Some(id) = i32::try_from(self.id).ok().and_then(Pid::from_raw) {
            let _ = kill_process(id, Signal::KILL);
        }
    }
}

/// Finds processes by their environment, which every child of a store's programs inherits or gets (a builder has its
/// `NIX_STORE`). Only where there is a `/proc`; elsewhere nothing is found.
pub(crate) fn processes_with(folder: &str) -> Vec<StoreProcess> {
    let read = |id: u32, file: &str| {
        let bytes = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&id| id != std::process::id())
        .map(|id| (id, read(id, "environ")))
        .filter(|(_, environment)| environment.contains(folder))
        .map(|(id, environment)| StoreProcess {
            id,
            command_line: read(id, "cmdline").trim_end().to_owned(),
            is_builder: environment.contains("NIX_BUILD_TOP="),
        })
        .collect()
}

/// Gives the folders of a store their write permission back, without which nobody but root can remove what is in them.
fn make_removable(dir: &Path) {
    let writable = |dir: &Path| -> io::Result<()> {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
    };
    let _ = writable(dir);
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_removable(&entry.path());
        }
    }
}
