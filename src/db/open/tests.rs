use std::{fs, os::unix::fs::PermissionsExt};

use super::{Database, FILE, HistoryError, MIGRATIONS, connect_to, version};
use crate::db::{
    History,
    filled::{Filled, assert_nothing_lost, assert_sound, content, load, schema, write_to},
};

const FILLED: Filled = Filled {
    folder: "history",
    migrations: &MIGRATIONS,
};

#[test]
fn a_new_database_has_all_tables_and_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("deep/state");
    let (database, aside) = Database::open(&state).unwrap();
    assert_eq!(aside, None);
    assert_eq!(
        version(&database.connection, &state).unwrap(),
        MIGRATIONS.len()
    );
    let mode: String = database
        .connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    let meta = fs::metadata(&state).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_healthy_database_is_never_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (mut database, _) = Database::open(dir.path()).unwrap();
    assert_eq!(database.replace().unwrap(), None);
}

#[test]
fn two_that_find_the_same_damage_set_it_aside_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("history.sqlite"), "x".repeat(5000)).unwrap();
    let aside: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Database::open(dir.path()).unwrap().1))
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(fs::read(&aside[0]).unwrap().len(), 5000);
}

#[test]
fn released_versions_of_the_history_never_change_and_each_has_a_filled_one() {
    FILLED.assert_unchanged();
}

#[test]
fn what_is_in_a_history_of_any_version_is_there_in_the_newest() {
    let fresh = tempfile::tempdir().unwrap();
    let (fresh, _) = Database::open(fresh.path()).unwrap();
    for (number, sql) in FILLED.all() {
        let dir = tempfile::tempdir().unwrap();
        write_to(&connect_to(&dir.path().join(FILE)).unwrap(), &sql);
        let before = content(&load(&sql));
        let (database, aside) = Database::open(dir.path()).unwrap();
        assert_eq!(aside, None);
        assert_nothing_lost(&before, &content(&database.connection));
        assert_sound(&database.connection);
        assert_eq!(
            schema(&database.connection),
            schema(&fresh.connection),
            "version {number}"
        );
        assert_eq!(
            version(&database.connection, dir.path()).unwrap(),
            MIGRATIONS.len()
        );
        drop(database);
        let (history, _) = History::open(dir.path()).unwrap().unwrap();
        let runs = history.runs("/home/me/my-flake", 10).unwrap();
        assert_eq!(runs.len(), before["runs"].len(), "{runs:?}");
    }
}

#[test]
fn a_history_of_a_newer_program_is_refused_and_left_alone() {
    let (_, sql) = FILLED.all().pop().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let sql = format!("{sql}\nPRAGMA user_version = 999;");
    write_to(&connect_to(&path).unwrap(), &sql);
    let error = Database::open(dir.path()).unwrap_err();
    assert!(matches!(error, HistoryError::Newer { found: 999, .. }));
    assert_eq!(content(&connect_to(&path).unwrap()), content(&load(&sql)));
}
