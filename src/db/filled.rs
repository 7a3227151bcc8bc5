//! Filled databases of every version that there ever was, for the tests of those that bring them up to date.
//!
//! They are below `tests/data/database`; `dev/fill-database` begins the next one. That of the newest version may still
//! be missing, for as long as its schema is not finished.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use rusqlite::{Connection, types::Value};
use sha2::{Digest as _, Sha256};

/// The rows of a table: of each its columns by name.
type Rows = Vec<BTreeMap<String, Value>>;

/// The versions of one database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    /// Its folder below `tests/data/database`.
    pub(super) folder: &'static str,
    pub(super) migrations: &'static [&'static str],
}

impl Filled {
    fn file(self, name: &str) -> PathBuf {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        root.join("tests/data/database")
            .join(self.folder)
            .join(name)
    }

    /// The versions of which there is a filled database, oldest first, with the SQL that makes it. All but the newest
    /// have to be there.
    pub(super) fn all(self) -> Vec<(usize, String)> {
        let mut all = Vec::new();
        for version in 1..=self.migrations.len() {
            let file = self.file(&format!("version-{version}.sql"));
            match fs::read_to_string(&file) {
                Ok(sql) => all.push((version, sql)),
                Err(error) => assert_eq!(
                    version,
                    self.migrations.len(),
                    "{}: {error}; run `dev/fill-database {}`",
                    file.display(),
                    self.folder
                ),
            }
        }
        all
    }

    /// Holds the schemas against their hashes, and each filled database against the schemas that it claims to be of:
    /// no table and no column of it is empty.
    pub(super) fn assert_unchanged(self) {
        let sums = fs::read_to_string(self.file("SHA256SUMS")).unwrap();
        let sums: Vec<&str> = sums
            .lines()
            .map(|line| line.split_once("  ").unwrap().0)
            .collect();
        assert!(
            sums.len() + 1 >= self.migrations.len(),
            "a schema before the newest has no hash; run `dev/fill-database {}`",
            self.folder
        );
        for (index, (sum, migration)) in sums.iter().zip(self.migrations).enumerate() {
            let is: String =
                Sha256::digest(migration)
                    .iter()
                    .fold(String::new(), |mut hex, byte| {
                        write!(hex, "{byte:02x}").unwrap();
                        hex
                    });
            assert_eq!(
                is,
                *sum,
                "schema-{}.sql has changed: databases of that version are out there; add a new one instead",
                index + 1
            );
        }
        for (version, sql) in self.all() {
            let filled = load(&sql);
            let empty = Connection::open_in_memory().unwrap();
            for migration in &self.migrations[..version] {
                empty.execute_batch(migration).unwrap();
            }
            assert_eq!(schema(&filled), schema(&empty), "version {version}");
            let found: usize = filled
                .query_row("PRAGMA user_version", [], |row| row.get(0))
                .unwrap();
            assert_eq!(found, version);
            assert_sound(&filled);
            for table in tables(&filled) {
                let columns = columns(&filled, &table);
                for column in columns {
                    let is_filled: bool = filled
                        .query_row(
                            &format!("SELECT count(\"{column}\") > 0 FROM \"{table}\""),
                            [],
                            |row| row.get(0),
                        )
                        .unwrap();
                    assert!(
                        is_filled,
                        "version-{version}.sql has no value of {table}.{column}"
                    );
                }
            }
        }
    }
}

/// A database in memory, made by this SQL.
pub(super) fn load(sql: &str) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    write_to(&connection, sql);
    connection
}

/// Fills an empty database. What rows refer to may come after them.
pub(super) fn write_to(connection: &Connection, sql: &str) {
    connection
        .pragma_update(None, "foreign_keys", false)
        .unwrap();
    connection.execute_batch(sql).unwrap();
}

/// Everything that is in a database.
pub(super) fn content(connection: &Connection) -> BTreeMap<String, Rows> {
    let mut content = BTreeMap::new();
    for table in tables(connection) {
        let columns = columns(connection, &table);
        let mut asked = connection
            .prepare(&format!("SELECT * FROM \"{table}\""))
            .unwrap();
        let rows = asked.query_map([], |row| {
            let value = |(index, name): (usize, &String)| Ok((name.clone(), row.get(index)?));
            columns.iter().enumerate().map(value).collect()
        });
        let rows: rusqlite::Result<Rows> = rows.unwrap().collect();
        content.insert(table, rows.unwrap());
    }
    content
}

/// Holds what was in a database against what is there now: each row with each of its values, and no row besides. A
/// version that takes something away on purpose names that here.
pub(super) fn assert_nothing_lost(before: &BTreeMap<String, Rows>, now: &BTreeMap<String, Rows>) {
    for (table, rows) in before {
        let kept = &now[table];
        assert_eq!(kept.len(), rows.len(), "{table}");
        for (was, is) in rows.iter().zip(kept) {
            for (column, value) in was {
                assert_eq!(is.get(column), Some(value), "{table}.{column} of {was:?}");
            }
        }
    }
}

/// Nothing in a database is damaged, or refers to what is not there.
pub(super) fn assert_sound(connection: &Connection) {
    let verdict: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
    let mut check = connection.prepare("PRAGMA foreign_key_check").unwrap();
    let lost: Vec<String> = check
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(lost, Vec::<String>::new(), "they refer to what is gone");
}

/// The tables, indexes, triggers and views of a database, as they were made.
pub(super) fn schema(connection: &Connection) -> BTreeMap<String, Option<String>> {
    connection
        .prepare("SELECT type || ' ' || name, sql FROM sqlite_schema")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn tables(connection: &Connection) -> Vec<String> {
    connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn columns(connection: &Connection, table: &str) -> Vec<String> {
    connection
        .prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid")
        .unwrap()
        .query_map([table], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}
