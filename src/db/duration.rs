//! How long a step may take, by the last successful builds of what has the same stem and system.
//!
//! The stem is the derivation's name without its version: a new version or another commit takes about as long as the one
//! before, and by whole names nothing would be known of it. What stands behind the version stays, since `app-1.2-doc` or
//! `app-1.2.tar.gz` is another thing than `app-1.2`.

use std::time::Duration;

use rusqlite::Connection;

/// How many builds count.
const BUILDS: u32 = 10;

/// The name without the parts that are versions, dates or commits.
pub(super) fn stem(name: &str) -> String {
    let kept: Vec<&str> = name
        .split('-')
        .filter_map(|part| {
            if part.starts_with(|c: char| c.is_ascii_digit()) {
                // `1.2.tar.gz` keeps `.tar.gz`.
                let ending = part
                    .match_indices('.')
                    .find(|(at, _)| part[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic()));
                ending.map(|(at, _)| &part[at..])
            } else {
                Some(part).filter(|part| !is_commit(part))
            }
        })
        .collect();
    if kept.is_empty() {
        return name.to_owned();
    }
    kept.join("-").replace("-.", ".")
}

/// Whether a part of a name is (the beginning of) a commit's id.
fn is_commit(part: &str) -> bool {
    part.len() >= 7
        && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && part.bytes().any(|b| b.is_ascii_digit())
}

/// Adds a successful build.
pub(super) fn add(
    connection: &Connection,
    name: &str,
    system: &str,
    at: i64,
    duration: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO durations VALUES (?1, ?2, ?3, ?4)")?
        .execute((stem(name), system, at, duration))?;
    Ok(())
}

/// Forgets the builds that no longer count.
pub(super) fn prune(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM durations WHERE (stem, system, at) IN (
             SELECT stem, system, at FROM (
                 SELECT *, row_number() OVER (PARTITION BY stem, system ORDER BY at DESC) AS age FROM durations)
             WHERE age > ?1)",
        [BUILDS],
    )?;
    Ok(())
}

/// How long a step of this name took: the median of the builds that count.
pub(super) fn expected(
    connection: &Connection,
    name: &str,
    system: &str,
) -> rusqlite::Result<Option<Duration>> {
    let mut durations = connection
        .prepare_cached(
            "SELECT duration FROM durations WHERE stem = ?1 AND system = ?2 ORDER BY at DESC LIMIT ?3",
        )?
        .query_map((stem(name), system, BUILDS), |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    Ok(median(&mut durations))
}

/// The one in the middle, the shorter of two. Sorts them.
pub(super) fn median(durations: &mut [i64]) -> Option<Duration> {
    durations.sort_unstable();
    let middle = durations.len().checked_sub(1)? / 2;
    let millis = u64::try_from(*durations.get(middle)?).ok()?;
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn versions_dates_and_commits_do_not_count() {
        for (name, expected) in [
            ("hello-2.12.1", "hello"),
            ("linux-6.1.55-doc", "linux-doc"),
            ("source-1.2.tar.gz", "source.tar.gz"),
            ("app-2026-11-20-3f2c1ab", "app"),
            (
                "nixos-system-host-26.05.20261120.3f2c1ab",
                "nixos-system-host",
            ),
            ("python3.12-requests-2.31.0", "python3.12-requests"),
            ("rust_serde-1.0.229-lib", "rust_serde-lib"),
            ("clippy", "clippy"),
            ("feedback-cafe", "feedback-cafe"),
            ("deadbeef", "deadbeef"),
            ("1.2", "1.2"),
            ("", ""),
        ] {
            assert_eq!(stem(name), expected, "{name}");
        }
    }
}
