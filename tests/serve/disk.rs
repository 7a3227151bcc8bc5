//! A small disk of a server's own: a file system in memory that only it sees, in a mount namespace.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The disk; it goes when it is dropped.
pub(crate) struct SmallDisk {
    holder: Child,
    folder: PathBuf,
}

impl SmallDisk {
    /// Puts a file system of this size where a folder is.
    pub(crate) fn at(folder: &Path, mib: u32) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let mut command = Command::new("unshare");
        if !is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let script = r#"mount -t tmpfs -o size="$2"m none "$1" && echo there && exec cat"#;
        let mut holder = command
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(folder)
            .arg(mib.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(holder.stdout.take().unwrap());
        lines.read_line(&mut said).unwrap();
        let folder = folder.to_owned();
        let disk = Self { holder, folder };
        assert_eq!(said, "there\n", "no file system can be mounted here");
        disk
    }

    /// What a program's command line begins with so that it sees the disk.
    pub(crate) fn seen_by(&self) -> Vec<String> {
        let mut line = vec!["nsenter".to_owned(), "--mount".to_owned()];
        if !is_root() {
            line.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        line.extend([
            "--target".to_owned(),
            self.holder.id().to_string(),
            "--".to_owned(),
        ]);
        line
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) {
        self.run(r#"dd if=/dev/zero of="$1"/filler bs=64k 2>/dev/null; dd if=/dev/zero of="$1"/rest bs=1 2>/dev/null; true"#);
    }

    /// Frees what [`Self::fill`] took.
    pub(crate) fn free(&self) {
        self.run(r#"rm "$1"/filler "$1"/rest"#);
    }

    /// Copies all that is on it to a folder that everybody sees.
    pub(crate) fn copy_to(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        self.run(&format!(r#"cp -a "$1"/. {}"#, folder.display()));
    }

    fn run(&self, script: &str) {
        let line = self.seen_by();
        let (program, arguments) = line.split_first().unwrap();
        let status = Command::new(program)
            .args(arguments)
            .args(["sh", "-c", script, "sh"])
            .arg(&self.folder)
            .status();
        assert!(status.unwrap().success(), "{script}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
