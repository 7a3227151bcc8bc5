//! How much memory is free: of the machine, or of the control group this process is in, whichever is less.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is taken where the system does not say.
const UNKNOWN: u64 = 4 << 30;

/// The free memory in bytes.
pub fn free_memory_bytes() -> u64 {
    let machine = machine_bytes();
    let group = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|text| group_dir(&text))
        .and_then(|dir| group_bytes(Path::new("/sys/fs/cgroup"), &dir));
    match (machine, group) {
        (Some(machine), Some(group)) => machine.min(group),
        (one, other) => one.or(other).unwrap_or(UNKNOWN),
    }
}

#[cfg(not(target_os = "macos"))]
fn machine_bytes() -> Option<u64> {
    available_bytes(&fs::read_to_string("/proc/meminfo").ok()?)
}

/// macOS gives memory back under pressure, so half of all of it counts as free.
#[cfg(target_os = "macos")]
fn machine_bytes() -> Option<u64> {
    let output = std::process::Command::new("/usr/sbin/sysctl")
        .args(["-n", "hw.memsize"])
        .output()
        .ok()?;
    let all: u64 = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
    Some(all / 2)
}

/// `MemAvailable` of `/proc/meminfo`.
#[cfg_attr(
    target_os = "macos",
    expect(dead_code, reason = "there is no such file")
)]
fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// The control group of version 2 that `/proc/self/cgroup` names, relative to the top of the hierarchy.
fn group_dir(cgroup: &str) -> Option<PathBuf> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(PathBuf::from(path))
}

/// What is left in a control group and in all above it, whichever is least. `None` if none has a limit.
fn group_bytes(top: &Path, group: &Path) -> Option<u64> {
    group
        .ancestors()
        .filter_map(|dir| {
            let number = |name: &str| {
                let text = fs::read_to_string(top.join(dir).join(name)).ok()?;
                text.trim().parse::<u64>().ok()
            };
            // Without a limit it says `max`, which is no number.
            Some(number("memory.max")?.saturating_sub(number("memory.current")?))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::{available_bytes, group_bytes, group_dir};

    #[test]
    fn meminfo_says_what_is_available() {
        let text = "MemTotal:       24000000 kB\nMemFree:  1 kB\nMemAvailable:   12000000 kB\n";
        assert_eq!(available_bytes(text), Some(12_000_000 << 10));
        assert_eq!(available_bytes("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn the_tightest_group_above_counts() {
        assert_eq!(
            group_dir("1:memory:/old\n0::/a/b\n").unwrap(),
            Path::new("a/b")
        );
        let top = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(top.path().join(file), text).unwrap();
        fs::create_dir_all(top.path().join("a/b")).unwrap();
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "5\n");
        assert_eq!(group_bytes(top.path(), Path::new("a/b")), None);
        write("a/memory.max", "100\n");
        write("a/memory.current", "30\n");
        assert_eq!(group_bytes(top.path(), Path::new("a/b")), Some(70));
        write("a/b/memory.max", "50\n");
        assert_eq!(group_bytes(top.path(), Path::new("a/b")), Some(45));
    }
}
