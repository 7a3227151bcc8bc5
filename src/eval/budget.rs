//! The memory that all workers of an evaluation share, watched from outside.
//!
//! Nix never gives memory back, so a worker's size only grows; what can be done is to end workers. Deciding is pure and
//! apart from measuring.

use std::collections::{BTreeMap, BTreeSet};
#[cfg(target_os = "linux")]
use std::fs;

/// A budget of memory.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    bytes: u64,
    /// What a worker needs before it has done anything else than load the flake: the least seen.
    floor_bytes: Option<u64>,
}

impl Budget {
    /// Makes a budget of this many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            bytes,
            floor_bytes: None,
        }
    }

    /// Takes the size of a worker after its first answer.
    pub(super) fn loaded(&mut self, resident_bytes: u64) {
        let floor = self.floor_bytes.get_or_insert(resident_bytes);
        *floor = resident_bytes.min(*floor);
    }

    /// How many of at most `workers` workers have room for the flake; at least one.
    pub(super) fn workers(&self, workers: usize) -> usize {
        let room = self
            .floor_bytes
            .map_or(u64::MAX, |floor| self.bytes / floor.max(1));
        workers
            .min(usize::try_from(room).unwrap_or(usize::MAX))
            .max(1)
    }

    /// Whether a worker between two attributes had better begin anew: it is over its share, and most of that is what
    /// it keeps of attributes it has evaluated.
    pub(super) fn is_worn_out(&self, resident_bytes: u64, workers: usize) -> bool {
        let share = self.bytes / workers.max(1) as u64;
        let floor = self.floor_bytes.unwrap_or(resident_bytes);
        resident_bytes > share && resident_bytes / 2 > floor
    }

    /// Returns the worker that has to go: the largest, if all together are over the budget. Workers are named by numbers.
    pub(super) fn victim(&self, sizes: &[(usize, u64)]) -> Option<usize> {
        let total: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
        let largest = sizes.iter().max_by_key(|(_, bytes)| *bytes);
        largest
            .filter(|_| total > self.bytes)
            .map(|(worker, _)| *worker)
    }
}

/// Whether measuring costs so little that it can be done between any two attributes.
pub(super) const IS_CHEAP: bool = cfg!(target_os = "linux");

/// Returns the resident memory of a process in bytes; `None` if it is gone.
///
/// Source: `VmRSS` in `proc_pid_status(5)`.
#[cfg(target_os = "linux")]
pub(super) fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = rss.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

/// Returns the resident memory of a process in bytes; `None` if it is gone.
#[cfg(not(target_os = "linux"))]
pub(super) fn resident_bytes(pid: u32) -> Option<u64> {
    let output = std::process::Command::new("ps")
        .args(["-o", "rss=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let kib: u64 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .ok()?;
    Some(kib << 10)
}

/// Finds the program that a bubblewrap runs, which is the child of its child.
pub(super) fn behind_walls(bubblewrap: u32) -> Option<u32> {
    child_of(child_of(bubblewrap)?)
}

/// The first child of a process with one thread.
///
/// Source: `/proc/PID/task/TID/children` in `proc_tid_children(5)`.
pub(super) fn child_of(pid: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.ok()?.split_whitespace().next()?.parse().ok()
}

/// Returns the resident memory of a process and all its descendants in bytes.
///
/// Source: the field `ppid` of `proc_pid_stat(5)`.
#[cfg(target_os = "linux")]
pub(super) fn tree_resident_bytes(root: u32) -> u64 {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents = pids
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| Some((pid, parent_of(pid)?)))
        .collect();
    tree(root, &parents)
        .into_iter()
        .filter_map(resident_bytes)
        .sum()
}

#[cfg(target_os = "linux")]
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may hold anything: state, parent.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

/// Returns the resident memory of a process and all its descendants in bytes.
#[cfg(not(target_os = "linux"))]
pub(super) fn tree_resident_bytes(root: u32) -> u64 {
    let output = std::process::Command::new("ps")
        .args(["-A", "-o", "pid=,ppid="])
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let parents = text
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .filter_map(|(pid, parent)| Some((pid.parse().ok()?, parent.trim().parse().ok()?)))
        .collect();
    tree(root, &parents)
        .into_iter()
        .filter_map(resident_bytes)
        .sum()
}

/// A process and all its descendants, given the parent of each process.
fn tree(root: u32, parents: &BTreeMap<u32, u32>) -> BTreeSet<u32> {
    let mut tree = BTreeSet::from([root]);
    loop {
        let before = tree.len();
        let is_in = |pid: &u32, tree: &BTreeSet<u32>| tree.contains(pid);
        let children: Vec<u32> = parents
            .iter()
            .filter(|(_, parent)| is_in(parent, &tree))
            .map(|(pid, _)| *pid)
            .collect();
        tree.extend(children);
        if tree.len() == before {
            return tree;
        }
    }
}

#[cfg(test)]
mod tests;
