use std::fs;

use super::{AGE, RUNS, prune_logs, prune_rows};
use crate::db::open::Database;

const NOW: i64 = 1_800_000_000_000;

fn database() -> (tempfile::TempDir, Database) {
    let dir = tempfile::tempdir().unwrap();
    let (database, _) = Database::open(dir.path()).unwrap();
    (dir, database)
}

fn add_run(database: &Database, run: &str, flake: &str, at: i64) {
    database
        .connection
        .execute(
            "INSERT INTO runs (run, flake, attribute, started_at, process, outcome) VALUES (?1, ?2, '', ?3, 0, 'passed')",
            (run, flake, at),
        )
        .unwrap();
    database
        .connection
        .execute(
            "INSERT INTO checks (run, path) VALUES (last_insert_rowid(), 'a')",
            [],
        )
        .unwrap();
}

fn count(database: &Database, table: &str) -> u32 {
    let sql = format!("SELECT count(*) FROM {table}");
    database
        .connection
        .query_row(&sql, [], |row| row.get(0))
        .unwrap()
}

#[test]
fn the_newest_hundred_runs_of_a_flake_stay_with_their_checks() {
    let (_dir, database) = database();
    for i in 0..i64::from(RUNS) + 20 {
        add_run(&database, &format!("a{i}"), "a", NOW - i * 1000);
    }
    add_run(&database, "b", "b", NOW - 999_999);
    prune_rows(&database.connection, "a", NOW).unwrap();
    assert_eq!(count(&database, "runs"), RUNS + 1);
    assert_eq!(count(&database, "checks"), RUNS + 1);
    let oldest: String = database
        .connection
        .query_row(
            "SELECT run FROM runs WHERE flake = 'a' ORDER BY started_at LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(oldest, "a99");
}

#[test]
fn what_is_too_old_goes_whatever_flake_it_is_of() {
    let (_dir, database) = database();
    let age = i64::try_from(AGE.as_millis()).unwrap();
    add_run(&database, "old", "a", NOW - age - 1);
    add_run(&database, "young", "a", NOW - age + 1);
    prune_rows(&database.connection, "b", NOW).unwrap();
    assert_eq!(count(&database, "runs"), 1);
}

#[test]
fn ten_builds_of_a_stem_and_system_stay() {
    let (_dir, database) = database();
    for i in 0..15 {
        for system in ["a", "b"] {
            crate::db::duration::add(&database.connection, "lib-1.0", system, NOW + i, i).unwrap();
        }
    }
    prune_rows(&database.connection, "a", NOW).unwrap();
    assert_eq!(count(&database, "durations"), 20);
    let oldest: i64 = database
        .connection
        .query_row("SELECT min(duration) FROM durations", [], |row| row.get(0))
        .unwrap();
    assert_eq!(oldest, 5);
}

#[test]
fn logs_go_from_the_oldest_on_when_they_take_too_much() {
    let (dir, database) = database();
    let logs = dir.path().join("logs");
    for run in ["1", "2", "3", "4"] {
        fs::create_dir_all(logs.join(run)).unwrap();
        fs::write(logs.join(run).join("x.log"), vec![b'x'; 1000]).unwrap();
        add_run(&database, run, "a", NOW);
    }
    prune_logs(&database.connection, &logs, 2500).unwrap();
    let left = |run: &str| logs.join(run).exists();
    assert_eq!(["1", "2", "3", "4"].map(left), [false, false, true, true]);
    // The newest stays, however large.
    prune_logs(&database.connection, &logs, 10).unwrap();
    assert_eq!(["1", "2", "3", "4"].map(left), [false, false, false, true]);
}
