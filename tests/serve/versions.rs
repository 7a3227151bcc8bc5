//! A server with the database of an earlier version, of a newer one, and with a copy made while it was at work.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use rusqlite::Connection;

use crate::{
    pages::page,
    support::{PATIENCE, gate, running::Running},
    world::{SECRET, World, flake, push, signature},
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/database/server");
/// The run that went on when the filled databases were left by a server that died, and its commit.
const CUT_OFF: (u32, &str) = (3, "f64b878d63de58ee9983e08167737069f95cf88f");

/// The filled databases of all versions.
fn filled() -> Vec<PathBuf> {
    let files = fs::read_dir(FOLDER).unwrap();
    let mut files: Vec<PathBuf> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "sql"))
        .collect();
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    files
}

/// Puts a filled database where a server will look for it, as if what is in it had happened just now.
fn put(world: &World, sql: &Path) {
    let state = world.store.folder().join("state");
    DirBuilder::new().mode(0o700).create(&state).unwrap();
    let database = Connection::open(state.join("nixci.sqlite")).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database
        .execute_batch(&fs::read_to_string(sql).unwrap())
        .unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    database
        .execute_batch(&format!(
            "UPDATE runs SET created_at = created_at + shift, started_at = started_at + shift,
             evaluated_at = evaluated_at + shift, finished_at = finished_at + shift
             FROM (SELECT {} - max(created_at) AS shift FROM runs)",
            now.as_millis()
        ))
        .unwrap();
}

fn version(database: &Connection) -> i64 {
    let ask = "PRAGMA user_version";
    database.query_row(ask, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_on_with_the_database_of_any_version() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    world.start().await;
    assert_eq!(world.stop().await, Some(0));
    let newest = version(&world.database());
    for sql in filled() {
        let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
        put(&world, &sql);
        let commit = world.git(&["rev-parse", "HEAD"]);
        world.start().await;
        // What was, is shown.
        let old = page(&world, "/runs/1").await;
        assert!(
            old.contains("builder failed with exit code 3") && old.contains("oh no"),
            "{old}"
        );
        assert!(page(&world, "/runs/4").await.contains("“déjà vu” 🦀"));
        // What was cut off is ended, and told: its commit is nowhere any more.
        let (run, of) = CUT_OFF;
        let ended = world
            .until(of, |statuses| {
                statuses
                    .get("nixci/build")
                    .is_some_and(|(state, _)| state != "pending")
            })
            .await;
        assert_ne!(ended["nixci/build"].0, "success", "{}", sql.display());
        assert!(
            !page(&world, &format!("/runs/{run}"))
                .await
                .contains("Going on")
        );
        // What is new, is built.
        world.push_event("main", &commit).await;
        assert_eq!(world.verdict(&commit).await["nixci/build"].0, "success");
        assert_eq!(world.stop().await, Some(0), "{}", world.log());
        assert_eq!(version(&world.database()), newest, "{}", sql.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_leaves_the_database_of_a_newer_one_alone() {
    let world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    put(&world, filled().last().unwrap());
    let database = world.database();
    database.pragma_update(None, "user_version", 999).unwrap();
    let ended = tokio::task::block_in_place(|| Running::start(&mut world.command()).finish());
    let error = &ended.stderr;
    assert_eq!(ended.code, Some(4), "{ended}");
    let file = world.store.folder().join("state/nixci.sqlite");
    let begin = format!(
        "error: {} is of version 999, made by a newer nixci;",
        file.display()
    );
    assert!(error.starts_with(&begin), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    assert_eq!(version(&database), 999);
    let runs: i64 = database
        .query_row("SELECT count(*) FROM runs", [], |row| row.get(0))
        .unwrap();
    assert!(runs >= 5, "{runs}");
}

/// Copies the database as people do. Returns how that ended, and what it said.
async fn back_up(world: &World, to: &Path) -> (Option<i32>, String) {
    let mut command = world.command();
    command.arg("--backup").arg(to);
    let running = Running::start(&mut command);
    let ended = tokio::task::spawn_blocking(|| running.finish()).await;
    let ended = ended.unwrap();
    (ended.code, ended.stderr)
}

/// Sends pushes of a branch that is not built until it is told to stop; notes each that the server has taken.
async fn load(world: &World, name: usize, taken: &Mutex<BTreeSet<String>>, stop: &AtomicBool) {
    for n in 0.. {
        let id = format!("load-{name}-{n}");
        let body = push("elsewhere", &format!("{n:040x}"), "a message").to_string();
        let signature = signature(SECRET, &body);
        assert_eq!(world.post(&id, "push", &signature, body).await, 202);
        taken.lock().unwrap().insert(id);
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_made_under_load_has_all_that_was_taken_and_can_be_gone_on_with() {
    let store = gate::store();
    let slow = gate::wait_by_itself(&store, "end") + "echo > $out";
    let mut world = World::in_store(store, &flake(&[("slow", &slow)]), "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &commit).await;
    world
        .until(&commit, |statuses| {
            statuses
                .get("nixci/build")
                .is_some_and(|(_, text)| text == "building")
        })
        .await;
    let copy = world.store.folder().join("copy.sqlite");
    let (taken, stop) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    let loads = join_all((0..16).map(|name| load(&world, name, &taken, &stop)));
    let copying = async {
        let began = Instant::now();
        while taken.lock().unwrap().len() < 300 {
            assert!(began.elapsed() < PATIENCE, "{}", world.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let before = taken.lock().unwrap().clone();
        let ended = back_up(&world, &copy).await;
        let after = taken.lock().unwrap().len();
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.store(true, Ordering::Relaxed);
        (before, ended, after)
    };
    let (_, (before, ended, after)) = tokio::join!(loads, copying);
    assert_eq!(ended, (Some(0), String::new()));
    assert!(after > before.len(), "nothing was taken meanwhile: no load");

    let copied = Connection::open(&copy).unwrap();
    let verdict: String = copied
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
    let there: BTreeSet<String> = copied
        .prepare("SELECT delivery FROM deliveries")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let lost: Vec<_> = before.difference(&there).collect();
    assert!(lost.is_empty(), "{lost:?}");
    drop(copied);
    let (code, error) = back_up(&world, &copy).await;
    assert_eq!(code, Some(4), "it was overwritten");
    assert!(error.contains("copy.sqlite"), "{error}");

    // As docs/server.md says: the machine is lost, and the copy is put in the place of the database.
    world.kill().await;
    let left = world.store.wait_until_idle(PATIENCE);
    assert!(left.is_empty(), "{left:?}");
    let state = world.store.folder().join("state");
    fs::rename(&copy, state.join("nixci.sqlite")).unwrap();
    for file in ["nixci.sqlite-wal", "nixci.sqlite-shm"] {
        fs::remove_file(state.join(file)).unwrap();
    }
    world.start().await;
    let known = before.iter().next().unwrap();
    let body = push("elsewhere", &"0".repeat(40), "a message").to_string();
    let signature = signature(SECRET, &body);
    assert_eq!(
        world.post(known, "push", &signature, body).await,
        200,
        "what was taken before the copy is taken again"
    );
    // The run that went on when the copy was made goes on from there.
    gate::open(&world.store, "end");
    assert_eq!(world.verdict(&commit).await["nixci/build"].0, "success");
    assert!(world.log().contains("a run begins"), "{}", world.log());
    assert_eq!(world.stop().await, Some(0));
}
