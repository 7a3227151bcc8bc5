use std::{fs, os::unix::fs::PermissionsExt};

use super::{Database, MIGRATIONS, version};

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
