//! Forgets what is too old or too much: runs with all that belongs to them, logs before anything else.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use rusqlite::Connection;

use super::{duration, history::is_alive};

/// How many runs of a flake are kept.
const RUNS: u32 = 100;
/// How long a run is kept.
const AGE: Duration = Duration::from_secs(90 * 24 * 3600);
/// How much disk the logs of all runs together may take, in bytes; the newest run keeps its own whatever they take.
const LOG_BYTES: u64 = 2 << 30;

/// How often it is worth looking.
const EVERY: Duration = Duration::from_secs(3600);
/// The file whose time says when that was done last.
const STAMP_FILE: &str = "history.pruned";

/// Forgets what is to be forgotten, unless that was done within the last hour.
pub(super) fn prune(
    connection: &Connection,
    dir: &Path,
    logs: &Path,
    flake: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let stamp = dir.join(STAMP_FILE);
    if stamp.exists() && age(&stamp) < EVERY {
        return Ok(());
    }
    // First, so that two runs do not do it both; it is no great loss if it cannot be written.
    let _ = fs::write(&stamp, "");
    prune_rows(connection, flake, now)?;
    prune_logs(connection, logs, LOG_BYTES)
}

/// Removes runs from the tables: of this flake those that are too many, of all flakes those that are too old.
fn prune_rows(connection: &Connection, flake: &str, now: i64) -> rusqlite::Result<()> {
    let too_old = now.saturating_sub(i64::try_from(AGE.as_millis()).unwrap_or(i64::MAX));
    connection.execute("DELETE FROM runs WHERE started_at < ?1", [too_old])?;
    connection.execute(
        "DELETE FROM runs WHERE flake = ?1 AND started_at < (
             SELECT started_at FROM runs WHERE flake = ?1 ORDER BY started_at DESC LIMIT 1 OFFSET ?2)",
        (flake, RUNS - 1),
    )?;
    connection.execute("DELETE FROM verdicts WHERE at < ?1", [too_old])?;
    connection.execute("DELETE FROM durations WHERE at < ?1", [too_old])?;
    duration::prune(connection)?;
    Ok(())
}

/// Removes the folders of logs whose run is forgotten, and the oldest ones where all together take too much.
fn prune_logs(connection: &Connection, logs: &Path, limit: u64) -> rusqlite::Result<()> {
    let runs: Vec<(String, bool)> = connection
        .prepare("SELECT run, outcome IS NULL, process FROM runs")?
        .query_map([], |row| {
            let may_run: bool = row.get(1)?;
            Ok((row.get(0)?, may_run && is_alive(row.get(2)?)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let known: HashSet<&str> = runs.iter().map(|(run, _)| run.as_str()).collect();
    let running: HashSet<&str> = runs
        .iter()
        .filter(|(_, runs)| *runs)
        .map(|(run, _)| run.as_str())
        .collect();
    // The ids of runs sort by time.
    let mut folders: Vec<String> = fs::read_dir(logs)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    folders.sort_unstable_by(|a, b| b.cmp(a));
    let mut total = 0_u64;
    for (at, folder) in folders.iter().enumerate() {
        let path = logs.join(folder);
        // A run that has just begun may not be in the tables yet.
        let is_forgotten = !known.contains(folder.as_str()) && age(&path) > EVERY;
        total = total.saturating_add(size_bytes(&path));
        if is_forgotten || (at > 0 && total > limit && !running.contains(folder.as_str())) {
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

fn age(path: &Path) -> Duration {
    fs::metadata(path)
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|modified| SystemTime::now().duration_since(modified).ok())
        .unwrap_or_default()
}

fn size_bytes(folder: &Path) -> u64 {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum()
}

#[cfg(test)]
mod tests;
