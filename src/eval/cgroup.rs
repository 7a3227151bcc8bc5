//! Limits of the kernel for an evaluation with all its processes: control groups of version 2, where a service manager has
//! given this process a part of the tree.
//!
//! Apart from the budget of memory, which watches from outside and tells which attribute is to blame: this is the wall
//! behind it, for what grows faster than anybody looks.
//!
//! Source: `Documentation/admin-guide/cgroup-v2.rst` of Linux; `Delegate=` and `DelegateSubgroup=` in
//! `systemd.resource-control(5)`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

/// Where the tree of control groups is.
const ROOT: &str = "/sys/fs/cgroup";
/// The group that this process itself is in, below what it was given: a group with processes has no groups with limits.
const OWN: &str = "main";
/// How often, at intervals of [`PAUSE`], it is tried to remove a group whose processes were just killed.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// The part of the tree of control groups that is this process's own.
#[derive(Clone, Debug)]
pub struct Delegation {
    folder: PathBuf,
}

/// A control group of one evaluation. Dropping it kills what is left in it.
#[derive(Debug)]
pub struct Cell {
    folder: PathBuf,
}

impl Delegation {
    /// Takes what the service manager has given to this process. Call it once, before any other process is started. The
    /// error says why there is nothing.
    pub fn take() -> Result<Self, String> {
        let groups = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        Self::take_in(Path::new(ROOT), &groups)
    }

    fn take_in(root: &Path, groups: &str) -> Result<Self, String> {
        let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
        let own = root.join(own.ok_or("this system has no control groups of version 2")?);
        let is_below = own.file_name().is_some_and(|name| name == OWN);
        let folder = if is_below {
            own.parent().unwrap_or(&own)
        } else {
            &own
        }
        .to_owned();
        let failed = |what: &str, error: &io::Error| {
            format!("cannot {what} in {}: {error}", folder.display())
        };
        let controllers = fs::read_to_string(folder.join("cgroup.controllers"));
        let controllers =
            controllers.map_err(|error| failed("read which limits there are", &error))?;
        for wanted in ["memory", "pids"] {
            if !controllers.split_whitespace().any(|name| name == wanted) {
                return Err(format!(
                    "{} has no limits of `{wanted}`: does the service have `Delegate=memory pids`?",
                    folder.display()
                ));
            }
        }
        if !is_below {
            let own = folder.join(OWN);
            match fs::create_dir(&own) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed("make a group", &error));
                }
                Ok(()) | Err(_) => {}
            }
            fs::write(own.join("cgroup.procs"), process::id().to_string())
                .map_err(|error| failed("go into a group", &error))?;
        }
        fs::write(folder.join("cgroup.subtree_control"), "+memory +pids")
            .map_err(|error| failed("set limits", &error))?;
        Ok(Self { folder })
    }

    /// Makes a group with a name of its own, for at most so much memory (in bytes, without swap) and so many processes and
    /// threads.
    pub fn cell(&self, name: &str, memory_bytes: u64, tasks: u32) -> io::Result<Cell> {
        let folder = self.folder.join(name);
        fs::create_dir(&folder)?;
        let cell = Cell { folder };
        let set = |file: &str, value: String| fs::write(cell.folder.join(file), value);
        set("memory.max", memory_bytes.to_string())?;
        set("pids.max", tasks.to_string())?;
        // It is not there where the kernel does not account for swap.
        let _ = set("memory.swap.max", "0".to_owned());
        Ok(cell)
    }
}

impl Cell {
    /// Where it is, for [`super::Isolation::cgroup`].
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        // Since Linux 5.14; before, what is in it was ended by those who started it.
        let _ = fs::write(self.folder.join("cgroup.kill"), "1");
        for _ in 0..ATTEMPTS {
            match fs::remove_dir(&self.folder) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => thread::sleep(PAUSE),
                // What cannot be removed is empty, and does no harm.
                Ok(()) | Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
