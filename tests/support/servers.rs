//! Real servers that tests talk to, an ssh server and an S3 server on loopback; and bubblewrap.
//!
//! `dev/install-test-servers` gets them. Where one truly cannot be had, `NIXCI_TEST_WITHOUT=sshd,s3,bwrap,chromium` leaves its
//! tests out, and each says so; without that, what is missing fails them.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{PATIENCE, port::free_port, program::write_program, store::TestStore};

#[allow(clippy::print_stderr, reason = "a test that is left out says so")]
/// Finds a file of a server. `None`, with a word on stderr, if its tests are to be left out.
fn server(name: &str, file: &str) -> Option<PathBuf> {
    let without = env::var("NIXCI_TEST_WITHOUT").unwrap_or_default();
    if without.split(',').any(|left_out| left_out == name) {
        eprintln!("SKIPPED: NIXCI_TEST_WITHOUT names {name}");
        return None;
    }
    let file = cache().join("nixci/servers").join(file);
    assert!(
        file.exists(),
        "{} is missing: run `make test-servers`, or leave its tests out with NIXCI_TEST_WITHOUT={name}",
        file.display()
    );
    Some(file)
}

fn cache() -> PathBuf {
    env::var_os("XDG_CACHE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .expect("there is a home")
}

/// Finds bubblewrap. Panics if it is there and this machine does not let it work, which no test can make up for.
pub(crate) fn bubblewrap() -> Option<PathBuf> {
    let program = server("bwrap", "bubblewrap/usr/bin/bwrap")?;
    let arguments = [
        "--unshare-all",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "true",
    ];
    let output = Command::new(&program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "this machine does not let bubblewrap make namespaces: allow it, or leave its tests out with \
         NIXCI_TEST_WITHOUT=bwrap. It says: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(program)
}

/// Finds Chromium, if it was installed: pages are looked at by it where it is.
#[allow(clippy::print_stderr, reason = "a test that is left out says so")]
pub(crate) fn chromium() -> Option<PathBuf> {
    if !cache().join("nixci/servers/chromium/chromium").exists() {
        eprintln!(
            "SKIPPED: no browser looks at the pages: run `dev/install-test-servers --browser`"
        );
        return None;
    }
    server("chromium", "chromium/chromium")
}

fn wait_for_port(child: &mut Child, port: u16, log: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = child.try_wait().unwrap();
        assert!(
            ended.is_none() && Instant::now() < deadline,
            "the server does not listen: {}",
            fs::read_to_string(log).unwrap_or_default()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

fn start(command: &mut Command, log: &Path) -> Child {
    let log = fs::File::create(log).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .process_group(0)
        .spawn()
        .unwrap()
}

/// An S3 server with a bucket `cache`, which forgets everything when it is dropped.
pub(crate) struct S3 {
    child: Child,
    port: u16,
}

impl S3 {
    /// Starts it; its log lies in the store's folder.
    pub(crate) fn start(store: &TestStore) -> Option<Self> {
        let program = server("s3", "moto/bin/moto_server")?;
        let port = free_port();
        let log = store.folder().join("s3.log");
        let mut child = start(
            Command::new(program).args(["-H", "127.0.0.1", "-p", &port.to_string()]),
            &log,
        );
        wait_for_port(&mut child, port, &log);
        let s3 = Self { child, port };
        s3.request("PUT", "/cache");
        Some(s3)
    }

    /// The URL of the bucket, for Nix.
    pub(crate) fn url(&self) -> String {
        let port = self.port;
        format!("s3://cache?endpoint=127.0.0.1:{port}&scheme=http&region=us-east-1")
    }

    /// The names of all objects, as the server lists them.
    pub(crate) fn list(&self) -> String {
        self.request("GET", "/cache?list-type=2&max-keys=1000")
    }

    fn request(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another machine: an ssh server of its own whose sessions see a store of their own, under the same store directory as
/// the [`TestStore`] it belongs to.
///
/// `ssh` finds it by its name with [`Machine::ssh_options`]. It is killed when it is dropped.
pub(crate) struct Machine {
    name: String,
    folder: PathBuf,
    port: u16,
    child: Child,
}

impl Machine {
    /// Starts a machine with this name, at most a few letters, and these lines in its `nix.conf`.
    pub(crate) fn start(store: &TestStore, name: &str, settings: &str) -> Option<Self> {
        let sshd = server("sshd", "sshd/usr/sbin/sshd")?;
        let folder = store.folder().join(name);
        for dir in ["conf", "home", "run"] {
            fs::create_dir_all(folder.join(dir)).unwrap();
        }
        let keys = store.folder().join("keys");
        if !keys.exists() {
            fs::create_dir(&keys).unwrap();
            for key in ["host", "user"] {
                let made = Command::new("ssh-keygen")
                    .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                    .arg(keys.join(key))
                    .status()
                    .unwrap();
                assert!(made.success());
            }
        }
        let common = fs::read_to_string(store.folder().join("conf/nix.conf")).unwrap();
        fs::write(
            folder.join("conf/nix.conf"),
            format!("{common}\n{settings}\n"),
        )
        .unwrap();
        let port = free_port();
        let machine_env: Vec<String> = store
            .env()
            .into_iter()
            .map(|(name, value)| (name, value.into_string().unwrap()))
            .filter(|(name, _)| !["NIX_REMOTE", "TMPDIR"].contains(name))
            .map(|(name, value)| match name {
                "NIX_CONF_DIR" | "HOME" | "NIX_LOG_DIR" => {
                    (name, folder.join("conf").display().to_string())
                }
                "XDG_CACHE_HOME" | "XDG_CONFIG_HOME" | "XDG_DATA_HOME" | "XDG_STATE_HOME" => {
                    (name, folder.join("home").display().to_string())
                }
                _ => (name, value),
            })
            .chain([(
                "NIX_REMOTE",
                format!("local?root={}", folder.join("root").display()),
            )])
            // Of a variable that is set twice, sshd takes the first value, and all else the last.
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .map(|(name, value)| format!("\"{name}={value}\""))
            .collect();
        let keys = keys.display();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {keys}/host\n\
             AuthorizedKeysFile {keys}/user.pub\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100\n\
             SetEnv {}\n",
            machine_env.join(" ")
        );
        fs::write(folder.join("sshd_config"), config).unwrap();
        let log = folder.join("sshd.log");
        let mut child = start(&mut sshd_command(&sshd, &folder), &log);
        wait_for_port(&mut child, port, &log);
        Some(Self {
            name: name.to_owned(),
            folder,
            port,
            child,
        })
    }

    /// Where the machine keeps a store path, whether it is there or not. Nix calls the store directory so below any other
    /// root, whatever it is called elsewhere.
    pub(crate) fn file_of(&self, path: &str) -> PathBuf {
        let name = path.rsplit('/').next().unwrap();
        self.folder.join("root/nix/store").join(name)
    }

    /// Its name, as ssh knows it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What the machine's ssh server said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("sshd.log")).unwrap_or_default()
    }

    /// Writes a file with which ssh finds these machines by their names, and returns what has to be in `NIX_SSHOPTS`.
    pub(crate) fn ssh_options(store: &TestStore, machines: &[&Self]) -> String {
        let keys = store.folder().join("keys");
        let mut config = String::new();
        for machine in machines {
            let (name, port) = (&machine.name, machine.port.to_string());
            config.extend([
                "Host ",
                name,
                "\n  HostName 127.0.0.1\n  Port ",
                &port,
                "\n",
            ]);
        }
        let everywhere = format!(
            "Host *\n  User {}\n  IdentityFile {}/user\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n  \
             UserKnownHostsFile /dev/null\n  LogLevel ERROR\n",
            user(),
            keys.display()
        );
        config.push_str(&everywhere);
        let file = store.folder().join("ssh_config");
        fs::write(&file, config).unwrap();
        format!("-F {}", file.display())
    }

    /// Kills it at once with all that runs there, as if it lost its power.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let folder = self.folder.to_str().unwrap().to_owned() + "/";
        for _ in 0..3 {
            for process in super::store::processes_with(&folder) {
                process.kill();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

fn user() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim().to_owned()
}

/// A server that root starts wants a user and a folder of its own. Both are there in a mount namespace, and only in it.
fn sshd_command(sshd: &Path, folder: &Path) -> Command {
    let libraries = sshd
        .parent()
        .and_then(|dir| dir.parent())
        .map(|usr| usr.join("lib"))
        .unwrap();
    let libraries: Vec<String> = fs::read_dir(libraries)
        .into_iter()
        .flatten()
        .flatten()
        .map(|dir| dir.path().display().to_string())
        .collect();
    let config = folder.join("sshd_config");
    let mut command;
    if user() == "root" {
        let mut passwd: String = fs::read_to_string("/etc/passwd")
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with("sshd:"))
            .map(|line| line.replacen(":x:", ":*:", 1) + "\n")
            .collect();
        passwd.push_str("sshd:*:65533:65534::/run/sshd:/usr/sbin/nologin\n");
        fs::write(folder.join("passwd"), passwd).unwrap();
        command = Command::new("unshare");
        command.args(["--mount", "/bin/sh", "-euc"]).arg(
            "mount --bind \"$1/passwd\" /etc/passwd; mount -t tmpfs tmpfs /run; mkdir -m 755 /run/sshd; \
             exec \"$2\" -D -e -f \"$3\"",
        );
        command.arg("sh").arg(folder).arg(sshd).arg(config);
    } else {
        command = Command::new(sshd);
        command.args(["-D", "-e", "-f"]).arg(config);
    }
    command.env("LD_LIBRARY_PATH", libraries.join(":"));
    command
}

/// Writes an executable shell script.
pub(crate) fn write_script(file: &Path, script: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    write_program(file, &format!("#!/bin/sh\n{script}"));
}
