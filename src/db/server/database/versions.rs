//! Databases of every earlier version, brought up to date.

use std::{fs, path::Path};

use rusqlite::Connection;

use super::{DbError, FILE, MIGRATIONS, ServerDb, backup, connect, migrate};
use crate::db::{
    filled::{Filled, assert_nothing_lost, assert_sound, content, load, schema, write_to},
    server::RunId,
};

const FILLED: Filled = Filled {
    folder: "server",
    migrations: &MIGRATIONS,
};

/// A state folder with this database.
fn state(sql: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let connection = connect(&dir.path().join(FILE), rusqlite::OpenFlags::default()).unwrap();
    write_to(&connection, sql);
    dir
}

fn look(dir: &Path) -> Connection {
    Connection::open(dir.join(FILE)).unwrap()
}

#[test]
fn released_schemas_never_change_and_each_has_a_filled_database() {
    FILLED.assert_unchanged();
}

#[tokio::test]
async fn what_is_in_a_database_of_any_version_is_there_in_the_newest() {
    let fresh = tempfile::tempdir().unwrap();
    drop(ServerDb::open(fresh.path()).unwrap());
    for (version, sql) in FILLED.all() {
        let before = content(&load(&sql));
        let dir = state(&sql);
        let db = ServerDb::open(dir.path()).unwrap();
        // As the server sees it.
        let repositories = db.repositories().await.unwrap();
        assert_eq!(
            repositories.len(),
            before["repositories"].len(),
            "version {version}"
        );
        for repository in &repositories {
            let seen = db.repository(repository.id).await.unwrap();
            assert_eq!(seen.as_ref(), Some(repository));
        }
        for number in 1..=i64::try_from(before["runs"].len()).unwrap() {
            let run = db.run(RunId(number)).await.unwrap().expect("it is there");
            let checks = db.checks_of(run.id).await.unwrap();
            let steps = db.steps_of(run.id).await.unwrap();
            let of_run = |table: &str| {
                let rows = before[table].iter();
                rows.filter(|row| row["run"] == number.into()).count()
            };
            assert_eq!(
                (checks.len(), steps.len()),
                (of_run("checks"), of_run("steps"))
            );
            db.compared(&run).await.unwrap();
        }
        assert_eq!(db.open_deliveries(10).await.unwrap().len(), 1);
        assert_eq!(db.due_statuses("hub".into(), 10).await.unwrap().len(), 1);
        // As it is.
        drop(db);
        let now = look(dir.path());
        assert_nothing_lost(&before, &content(&now));
        assert_sound(&now);
        assert_eq!(
            schema(&now),
            schema(&look(fresh.path())),
            "version {version}"
        );
        let found: usize = now
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!(found, MIGRATIONS.len());
    }
}

#[test]
fn a_migration_that_fails_half_way_leaves_everything_as_it_was() {
    // What it does is right as far as it gets.
    const BROKEN: &str = "CREATE TABLE extra (a TEXT); INSERT INTO extra VALUES ('x'); DELETE FROM checks;
        ALTER TABLE runs ADD COLUMN extra TEXT; UPDATE runs SET extra = title; INSERT INTO nowhere VALUES (1);";
    const HUGE: &str = "CREATE TABLE extra (a BLOB);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
        INSERT INTO extra SELECT zeroblob(4096) FROM n; DELETE FROM runs;";
    for (version, sql) in FILLED.all() {
        for (migration, room) in [(BROKEN, None), (HUGE, Some(200))] {
            let dir = state(&sql);
            let path = dir.path().join(FILE);
            let before = (content(&look(dir.path())), schema(&look(dir.path())));
            let mut connection = connect(&path, rusqlite::OpenFlags::default()).unwrap();
            if let Some(pages) = room {
                // As a disk that is full in the middle of it.
                connection
                    .pragma_update(None, "max_page_count", pages)
                    .unwrap();
            }
            let chain: Vec<&str> = MIGRATIONS[..version]
                .iter()
                .copied()
                .chain([migration])
                .collect();
            let error = migrate(&mut connection, &path, &chain).unwrap_err();
            match room {
                Some(_) => assert!(matches!(error, DbError::Full), "{error}"),
                None => assert!(error.to_string().contains("nowhere"), "{error}"),
            }
            drop(connection);
            let now = look(dir.path());
            assert_eq!(
                (content(&now), schema(&now)),
                before,
                "version {version} is not what it was"
            );
            let found: usize = now
                .query_row("PRAGMA user_version", [], |row| row.get(0))
                .unwrap();
            assert_eq!(found, version);
            drop(now);
            // Once that is repaired it goes on.
            ServerDb::open(dir.path()).unwrap();
        }
    }
}

/// A program that dies in the middle leaves the files as they are then.
#[test]
fn a_migration_that_is_cut_off_leaves_everything_as_it_was() {
    for (version, sql) in FILLED.all() {
        let dir = state(&sql);
        let before = content(&look(dir.path()));
        let mut connection =
            connect(&dir.path().join(FILE), rusqlite::OpenFlags::default()).unwrap();
        // So little memory that what is not committed goes to the disk.
        connection
            .execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1;")
            .unwrap();
        let transaction = connection.transaction().unwrap();
        for migration in &MIGRATIONS[version..] {
            transaction.execute_batch(migration).unwrap();
        }
        transaction
            .execute_batch("CREATE TABLE extra AS SELECT randomblob(4096) FROM checks, statuses; DELETE FROM runs;")
            .unwrap();
        let crash = dir.path().join("crash");
        fs::create_dir(&crash).unwrap();
        for file in [FILE.to_owned(), format!("{FILE}-wal")] {
            fs::copy(dir.path().join(&file), crash.join(&file)).unwrap();
        }
        let spilt = fs::metadata(crash.join(format!("{FILE}-wal"))).unwrap();
        assert!(spilt.len() > 4096, "nothing was written before the crash");
        assert_eq!(content(&look(&crash)), before, "version {version}");
        drop(ServerDb::open(&crash).unwrap());
        assert_nothing_lost(&before, &content(&look(&crash)));
    }
}

#[test]
fn a_database_of_a_newer_program_is_refused_and_left_alone() {
    let (_, sql) = FILLED.all().pop().unwrap();
    let dir = state(&format!("{sql}\nPRAGMA user_version = 999;"));
    let before = content(&look(dir.path()));
    let Err(error) = ServerDb::open(dir.path()) else {
        panic!("it was opened");
    };
    let known = MIGRATIONS.len();
    let path = dir.path().join(FILE);
    assert_eq!(
        error.to_string(),
        format!(
            "{} is of version 999, made by a newer nixci; this one knows {known} at most: run the newer one, or put back a \
            copy from before it",
            path.display()
        )
    );
    assert_eq!(content(&look(dir.path())), before);
}

#[test]
fn a_copy_is_for_its_owner_alone_and_what_cannot_be_copied_leaves_none() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_, sql) = FILLED.all().pop().unwrap();
    let dir = state(&sql);
    let copy = dir.path().join("copy.sqlite");
    backup(dir.path(), &copy).unwrap();
    assert_eq!(
        fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let copied = Connection::open(&copy).unwrap();
    assert_sound(&copied);
    assert_eq!(content(&copied), content(&load(&sql)));
    drop(copied);
    fs::create_dir(dir.path().join("broken")).unwrap();
    fs::write(dir.path().join("broken").join(FILE), "x".repeat(8192)).unwrap();
    let other = dir.path().join("other.sqlite");
    backup(&dir.path().join("broken"), &other).unwrap_err();
    assert!(!other.exists(), "a copy of nothing is left");
    assert!(backup(dir.path(), &copy).is_err());
    assert!(copy.exists(), "a copy of before is gone");
}
