//! The memory that all workers of an evaluation share, watched from outside.
//!
//! Nix never gives memory back, so a worker's size only grows; what can be done is to end workers. Deciding is pure and
//! apart from measuring.

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

/// Returns the resident memory of all processes of a group in bytes.
///
/// Source: the fields `pgrp` and `rss` of `proc_pid_stat(5)`.
#[cfg(target_os = "linux")]
pub(super) fn group_resident_bytes(group: u32) -> u64 {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| group_of(*pid) == Some(group))
        .filter_map(resident_bytes)
        .sum()
}

#[cfg(target_os = "linux")]
fn group_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may hold anything: state, parent, group.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(2)?.parse().ok()
}

/// Returns the resident memory of all processes of a group in bytes.
#[cfg(not(target_os = "linux"))]
pub(super) fn group_resident_bytes(group: u32) -> u64 {
    let group = group.to_string();
    let output = std::process::Command::new("ps")
        .args(["-A", "-o", "pgid=,rss="])
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default()
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .filter(|(pgid, _)| *pgid == group)
        .filter_map(|(_, kib)| kib.trim().parse::<u64>().ok())
        .sum::<u64>()
        << 10
}

#[cfg(test)]
mod tests;
