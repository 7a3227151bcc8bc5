//! The database as the server uses it, on a real disk.

mod told;

use std::{path::Path, time::Duration};

use super::{DbError, FILE, ServerDb, backup};
use crate::db::server::{
    NewDelivery, NewRun, NewStatus, RepositoryId, RunEnd, RunKind, RunState, ScheduleKey,
    ScheduleOrigin, ScheduleRow, SeenRepository, TakeUp, Tested, Trust,
};

fn open(dir: &Path) -> ServerDb {
    ServerDb::open(dir).unwrap()
}

fn delivery(id: &str) -> NewDelivery {
    NewDelivery {
        forge: "work".into(),
        delivery: id.into(),
        event: "push".into(),
        content_type: "application/json".into(),
        body: b"{}".to_vec(),
    }
}

async fn repository(db: &ServerDb, name: &str) -> RepositoryId {
    db.see_repository(SeenRepository {
        forge: "work".into(),
        forge_id: name.len().to_string(),
        full_name: name.into(),
        default_branch: "main".into(),
        private: false,
        installation: None,
    })
    .await
    .unwrap()
}

fn run(repository: RepositoryId, commit: &str) -> NewRun {
    let main = "refs/heads/main".into();
    NewRun {
        actor: "me".into(),
        ..NewRun::of_ref(repository, RunKind::Push, main, commit.into())
    }
}

fn pending(context: &str) -> NewStatus {
    NewStatus {
        context: context.into(),
        state: "pending",
        description: "taken".into(),
        target_url: "https://ci/runs/RUN".into(),
        only_failing: false,
    }
}

fn take(new: NewRun) -> TakeUp {
    TakeUp {
        runs: vec![(new, vec![pending("nixci/eval"), pending("nixci/build")])],
        ..TakeUp::default()
    }
}

fn tested(tree: &str) -> Tested {
    Tested {
        commit: "c".into(),
        tree: tree.into(),
        base_commit: None,
        settings: "s".into(),
        title: "a title".into(),
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_repository_stays_until_it_is_looked_at_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let id = repository(&db, "acme/demo").await;
    let problem = async || db.repository(id).await.unwrap().unwrap().problem;
    let broken = Some("the webhook cannot be set".to_owned());
    db.set_problem(id, broken.clone()).await.unwrap();
    // The forge lists it, and a webhook comes from it.
    assert_eq!(repository(&db, "acme/demo").await, id);
    assert_eq!(problem().await, broken);
    db.set_problem(id, None).await.unwrap();
    assert_eq!(problem().await, None);
    // What was wrong before it was gone for a while says nothing.
    db.set_problem(id, broken).await.unwrap();
    db.disable_repository(id).await.unwrap();
    repository(&db, "acme/demo").await;
    assert_eq!(problem().await, None);
}

#[tokio::test]
async fn of_a_webhook_that_is_handled_no_body_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let mark = b"what somebody wrote into a commit".as_slice();
    let is_marked = || {
        // All that is in the log goes to its place.
        let file = dir.path().join(FILE);
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        let bytes = std::fs::read(file).unwrap();
        bytes.windows(mark.len()).any(|piece| piece == mark)
    };
    {
        let db = open(dir.path());
        for (id, times) in [("short", 1), ("long", 1000)] {
            let body = mark.repeat(times);
            let new = NewDelivery {
                body,
                ..delivery(id)
            };
            db.keep_delivery(new).await.unwrap();
        }
    }
    // Until then it is there, also after a restart.
    assert!(is_marked());
    {
        let db = open(dir.path());
        for id in db.open_deliveries(10).await.unwrap() {
            let up = TakeUp {
                delivery: Some(id),
                ..TakeUp::default()
            };
            db.take_up(up).await.unwrap();
        }
        assert!(db.open_deliveries(10).await.unwrap().is_empty());
        let known = db.knows_delivery("work".into(), "long".into());
        assert!(known.await.unwrap());
    }
    // Nor in pages of the file that are free now.
    assert!(!is_marked());
}

#[tokio::test]
async fn a_delivery_is_kept_once_and_is_there_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    {
        let db = open(dir.path());
        assert!(db.keep_delivery(delivery("a")).await.unwrap());
        assert!(!db.keep_delivery(delivery("a")).await.unwrap());
        assert!(db.keep_delivery(delivery("b")).await.unwrap());
        assert!(matches!(ServerDb::open(dir.path()), Err(DbError::Taken(_))));
        // What a crash leaves: the files as they are, without an orderly end.
        for file in [FILE.to_owned(), format!("{FILE}-wal")] {
            std::fs::create_dir_all(dir.path().join("crash")).unwrap();
            std::fs::copy(dir.path().join(&file), dir.path().join("crash").join(&file)).unwrap();
        }
    }
    let db = open(&dir.path().join("crash"));
    let found = db.open_deliveries(10).await.unwrap();
    assert_eq!(found.len(), 2);
    let first = db.delivery(found[0]).await.unwrap();
    assert_eq!(first.unwrap().new, delivery("a"));
    db.take_up(TakeUp {
        delivery: Some(found[0]),
        result: "ping".into(),
        ..TakeUp::default()
    })
    .await
    .unwrap();
    assert_eq!(db.open_deliveries(10).await.unwrap().len(), 1);
    assert!(!db.keep_delivery(delivery("a")).await.unwrap(), "a replay");
}

#[tokio::test]
async fn a_thousand_writers_share_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..1000 {
        let db = db.clone();
        writers.spawn(async move { db.keep_delivery(delivery(&n.to_string())).await.unwrap() });
    }
    assert!(writers.join_all().await.into_iter().all(|is_new| is_new));
    assert_eq!(db.open_deliveries(2000).await.unwrap().len(), 1000);
}

/// Some errors, a full disk among them, make SQLite undo all of a transaction. Here a statement asks for that.
#[tokio::test]
async fn who_is_told_that_nothing_is_written_down_is_told_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let create = |connection: &rusqlite::Connection| {
        connection.execute_batch("CREATE TABLE names (name TEXT PRIMARY KEY)")
    };
    db.write(create).await.unwrap();
    let insert = |how: &'static str, name: &'static str| {
        db.write(move |connection| {
            let statement = format!("INSERT {how} INTO names VALUES (?1)");
            connection.execute(&statement, [name])
        })
    };
    insert("", "there").await.unwrap();
    // All that follows is one batch.
    let (go_tx, go_rx) = std::sync::mpsc::channel();
    let first = db.write(move |_| {
        let _ = go_rx.recv();
        Ok(())
    });
    let ((), first, before, bad, after, last) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            go_tx.send(()).unwrap();
        },
        first,
        insert("", "before"),
        insert("OR ROLLBACK", "there"),
        insert("", "after"),
        insert("", "last"),
    );
    assert!(matches!(first, Err(DbError::Undone)), "{first:?}");
    assert!(matches!(bad, Err(DbError::Unfit(_))), "{bad:?}");
    let there: Vec<String> = db
        .read(|connection| {
            let mut names = connection.prepare("SELECT name FROM names")?;
            names.query_map([], |row| row.get(0))?.collect()
        })
        .await
        .unwrap();
    for (name, told) in [("before", before), ("after", after), ("last", last)] {
        let is_there = there.iter().any(|one| one == name);
        assert_eq!(told.is_ok(), is_there, "{name}: {told:?}");
    }
    assert!(
        there.iter().any(|name| name == "last"),
        "what came later is done anew"
    );
}

#[tokio::test]
async fn a_run_goes_from_the_webhook_to_its_end_and_leaves_nothing_pending() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let repo = repository(&db, "me/tool").await;
    let ids = db.take_up(take(run(repo, "c1"))).await.unwrap();
    assert_eq!(ids.len(), 1);
    assert!(
        db.take_up(take(run(repo, "c1"))).await.unwrap().is_empty(),
        "the same again"
    );
    let due = db.due_statuses("work".into(), 10).await.unwrap();
    assert_eq!(due.len(), 2);
    assert_eq!(
        due[0].row.target_url,
        format!("https://ci/runs/{}", ids[0].0)
    );
    db.queue_run(ids[0], Trust::Trusted, tested("t1"))
        .await
        .unwrap();
    assert!(db.begin_run(ids[0]).await.unwrap());
    assert!(!db.begin_run(ids[0]).await.unwrap(), "it began twice");
    // The server dies and comes back.
    assert_eq!(db.requeue_running().await.unwrap(), 1);
    assert!(db.begin_run(ids[0]).await.unwrap());
    // That is no fault of the machine's, which is counted apart.
    let begun = db.run(ids[0]).await.unwrap().unwrap();
    assert_eq!((begun.attempt, begun.retries), (2, 0));
    db.requeue_run(ids[0], 0).await.unwrap();
    assert!(db.begin_run(ids[0]).await.unwrap());
    let begun = db.run(ids[0]).await.unwrap().unwrap();
    assert_eq!((begun.attempt, begun.retries), (3, 1));
    let last = NewStatus {
        state: "success",
        description: "3 checks".into(),
        ..pending("nixci/build")
    };
    let end = RunEnd {
        outcome: "passed".into(),
        ..RunEnd::default()
    };
    assert!(
        db.finish_run(ids[0], end.clone(), vec![last])
            .await
            .unwrap()
    );
    assert!(
        !db.finish_run(ids[0], end, vec![]).await.unwrap(),
        "it ended twice"
    );
    // What the run still had to say comes too late.
    let late = db.set_statuses(
        repo,
        "c1".into(),
        Some(ids[0]),
        vec![pending("nixci/build")],
    );
    late.await.unwrap();
    let states = db.statuses_of(repo, "c1".into()).await.unwrap();
    let states: Vec<_> = states
        .iter()
        .map(|(row, _)| (row.context.as_str(), row.state.as_str()))
        .collect();
    assert_eq!(
        states,
        [("nixci/build", "success"), ("nixci/eval", "error")]
    );
    let found = db.run(ids[0]).await.unwrap().unwrap();
    assert_eq!(
        (found.state, found.attempt, found.new.title.as_str()),
        (RunState::Finished, 3, "a title")
    );
    let same = db
        .run_of_tree(repo, "t1".into(), "s".into(), None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(same.id, ids[0]);
    assert_eq!(
        db.run_of_tree(repo, "t1".into(), "other".into(), None)
            .await
            .unwrap(),
        None
    );
    // Of a branch only what it left last counts.
    let of_ref = |git_ref: &str| {
        let git_ref = Some(format!("refs/heads/{git_ref}"));
        db.run_of_tree(repo, "t1".into(), "s".into(), git_ref)
    };
    assert_eq!(
        of_ref("main").await.unwrap().map(|run| run.id),
        Some(ids[0])
    );
    assert_eq!(of_ref("other").await.unwrap(), None);
    let next = db.take_up(take(run(repo, "c9"))).await.unwrap()[0];
    db.queue_run(next, Trust::Trusted, tested("t9"))
        .await
        .unwrap();
    let end = RunEnd {
        outcome: "failed".into(),
        ..RunEnd::default()
    };
    db.finish_run(next, end, Vec::new()).await.unwrap();
    assert_eq!(of_ref("main").await.unwrap(), None);
}

#[tokio::test]
async fn only_the_newest_state_of_a_context_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let repo = repository(&db, "me/tool").await;
    let set = |run, description: &str| {
        let status = NewStatus {
            description: description.into(),
            ..pending("x")
        };
        db.set_statuses(repo, "c".into(), Some(run), vec![status])
    };
    let due = || async { db.due_statuses("work".into(), 10).await.unwrap() };
    let mut runs = Vec::new();
    for git_ref in ["refs/heads/main", "refs/heads/other"] {
        let new = NewRun {
            git_ref: git_ref.into(),
            ..run(repo, "c")
        };
        let up = TakeUp {
            runs: vec![(new, Vec::new())],
            ..TakeUp::default()
        };
        runs.extend(db.take_up(up).await.unwrap());
    }
    let (first, second) = (runs[0], runs[1]);
    set(first, "one").await.unwrap();
    let told = due().await.remove(0);
    db.status_sending(told.id, told.version).await.unwrap();
    assert!(
        due().await[0].is_uncertain,
        "nobody knows whether the forge has it"
    );
    set(first, "two").await.unwrap();
    db.status_sent(told.id, told.version, None).await.unwrap();
    let next = due().await.remove(0);
    assert_eq!(next.row.description, "two");
    db.status_sent(next.id, next.version, None).await.unwrap();
    set(first, "two").await.unwrap();
    assert!(due().await.is_empty(), "the same again is no news");
    set(second, "three").await.unwrap();
    set(first, "late").await.unwrap();
    let next = due().await.remove(0);
    assert_eq!(next.row.description, "three");
    let later = jiff::Timestamp::now().as_millisecond() + 60_000;
    db.status_put_off(next.id, "429".into(), later, false)
        .await
        .unwrap();
    assert!(due().await.is_empty());
    assert_eq!(db.next_due("work".into()).await.unwrap(), Some(later));
    db.status_sending(next.id, next.version).await.unwrap();
    db.status_put_off(next.id, "cut".into(), 0, true)
        .await
        .unwrap();
    assert!(
        due().await[0].is_uncertain,
        "nobody knows whether the forge has it"
    );
}

#[tokio::test]
async fn what_a_newer_run_makes_pointless_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let repo = repository(&db, "me/tool").await;
    let one = db.take_up(take(run(repo, "c1"))).await.unwrap()[0];
    let other = NewRun {
        git_ref: "refs/heads/other".into(),
        ..run(repo, "c1")
    };
    db.take_up(take(other)).await.unwrap();
    let two = db.take_up(take(run(repo, "c2"))).await.unwrap()[0];
    let newest = db.run(two).await.unwrap().unwrap();
    let pointless = db.superseded_by(&newest).await.unwrap();
    assert_eq!(
        pointless.iter().map(|run| run.id).collect::<Vec<_>>(),
        [one]
    );
    let oldest = db.run(one).await.unwrap().unwrap();
    assert!(
        db.superseded_by(&oldest).await.unwrap().is_empty(),
        "never the other way round"
    );
}

#[tokio::test]
async fn what_it_is_time_for_is_dealt_with_by_the_run_that_comes_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let repo = repository(&db, "me/tool").await;
    let key = ScheduleKey {
        repository: repo,
        origin: ScheduleOrigin::Server,
        name: "nightly".into(),
    };
    let row = ScheduleRow {
        key: key.clone(),
        cron: "@daily".into(),
        branch: "main".into(),
        done_until: 0,
        run: None,
        problem: None,
    };
    db.change_schedules(Vec::new(), vec![row]).await.unwrap();
    let problem = "no answer".to_owned();
    db.schedule_failed(key.clone(), problem.clone(), None)
        .await
        .unwrap();
    let known = db.schedules(Some(repo)).await.unwrap().remove(0);
    assert_eq!(known.next(), Some(24 * 3600 * 1000));
    assert_eq!((known.done_until, known.problem), (0, Some(problem)));
    let timed = |commit| TakeUp {
        schedule: Some(key.clone()),
        ..take(NewRun {
            kind: RunKind::Schedule,
            ..run(repo, commit)
        })
    };
    // What was pushed and goes on is another matter.
    let pushed = db.take_up(take(run(repo, "c1"))).await.unwrap()[0];
    let first = db.take_up(timed("c1")).await.unwrap();
    let known = db.schedules(None).await.unwrap().remove(0);
    assert_eq!((known.run, known.problem), (Some(first[0]), None));
    let now = jiff::Timestamp::now().as_millisecond();
    assert!((now - 10_000..=now).contains(&known.done_until));
    let found = db.run(first[0]).await.unwrap().unwrap();
    assert!(db.superseded_by(&found).await.unwrap().is_empty());
    // One that waits is enough, and one that goes on.
    assert!(db.take_up(timed("c1")).await.unwrap().is_empty());
    db.queue_run(first[0], Trust::Trusted, tested("t"))
        .await
        .unwrap();
    assert!(db.take_up(timed("c2")).await.unwrap().is_empty());
    assert_eq!(db.schedules(None).await.unwrap()[0].run, Some(first[0]));
    // It does not hide what was pushed, and is not made pointless by that.
    assert!(!db.knows(run(repo, "c2")).await.unwrap());
    db.finish_run(first[0], RunEnd::default(), Vec::new())
        .await
        .unwrap();
    let second = db.take_up(timed("c2")).await.unwrap();
    assert_eq!(second.len(), 1);
    let newer = db.take_up(take(run(repo, "c2"))).await.unwrap();
    assert_eq!(newer.len(), 1);
    let newer = db.run(newer[0]).await.unwrap().unwrap();
    let pointless = db.superseded_by(&newer).await.unwrap();
    assert_eq!(pointless.len(), 1);
    assert_eq!(pointless[0].id, pushed);
    db.change_schedules(vec![key.clone()], Vec::new())
        .await
        .unwrap();
    assert_eq!(db.schedules(None).await.unwrap(), []);
}

#[tokio::test]
async fn an_approval_is_for_one_commit() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let repo = repository(&db, "me/tool").await;
    let pull = |commit| NewRun {
        kind: RunKind::PullRequest,
        git_ref: "refs/pull/7/head".into(),
        pull_request: Some(7),
        ..run(repo, commit)
    };
    let waiting = db.take_up(take(pull("c1"))).await.unwrap()[0];
    let waits = NewStatus {
        description: "waits for approval".into(),
        ..pending("nixci/build")
    };
    db.await_approval(waiting, vec![waits]).await.unwrap();
    let told = db.statuses_of(repo, "c1".into()).await.unwrap();
    assert_eq!(told[0].0.description, "waits for approval");
    assert!(
        db.approve(repo, 7, "c2".into(), "boss".into())
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        db.approve(repo, 7, "c1".into(), "boss".into())
            .await
            .unwrap(),
        [waiting]
    );
    assert!(db.is_approved(repo, 7, "c1".into()).await.unwrap());
    assert!(!db.is_approved(repo, 8, "c1".into()).await.unwrap());
    assert_eq!(db.runs_in(RunState::Taken).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_copy_is_whole_while_the_database_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    for n in 0..50 {
        db.keep_delivery(delivery(&n.to_string())).await.unwrap();
    }
    let writing = tokio::spawn({
        let db = db.clone();
        async move {
            for n in 50..200 {
                db.keep_delivery(delivery(&n.to_string())).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let copy = dir.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    backup(dir.path(), &copy.join(FILE)).unwrap();
    assert!(
        backup(dir.path(), &copy.join(FILE)).is_err(),
        "it was overwritten"
    );
    writing.await.unwrap();
    let copied = open(&copy).open_deliveries(1000).await.unwrap().len();
    assert!((50..=200).contains(&copied), "{copied}");
}

#[tokio::test]
async fn a_ref_that_comes_back_to_a_commit_is_built_there_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let id = repository(&db, "acme/demo").await;
    let end = async |commit: &str, outcome: &str| {
        let runs = db.take_up(take(run(id, commit))).await.unwrap();
        let end = RunEnd {
            outcome: outcome.into(),
            ..RunEnd::default()
        };
        for run in &runs {
            db.finish_run(*run, end.clone(), Vec::new()).await.unwrap();
        }
        runs.len()
    };
    let knows = async |commit: &str| db.knows(run(id, commit)).await.unwrap();
    assert!(!knows("a").await);
    assert_eq!(end("a", "passed").await, 1);
    assert!(knows("a").await);
    assert_eq!(end("a", "passed").await, 0, "told again");
    // A late word that it is where it was ends as out of date, and says nothing.
    assert_eq!(end("old", "cancelled").await, 1);
    assert!(knows("a").await);
    assert_eq!(end("a", "passed").await, 0);
    assert_eq!(end("b", "failed").await, 1);
    assert!(!knows("a").await);
    assert_eq!(end("a", "passed").await, 1);
    // One that goes on sees where it is.
    let goes_on = db.take_up(take(run(id, "c"))).await.unwrap()[0];
    assert!(knows("a").await);
    assert_eq!(end("a", "passed").await, 1);
    let end_of_it = RunEnd::cancelled("out of date");
    db.finish_run(goes_on, end_of_it, Vec::new()).await.unwrap();
    // Elsewhere it is nothing that is known.
    let other = NewRun {
        git_ref: "refs/heads/release".into(),
        ..run(id, "a")
    };
    assert!(!db.knows(other.clone()).await.unwrap());
    for kind in [RunKind::Manual, RunKind::Schedule] {
        let kind = NewRun {
            kind,
            ..other.clone()
        };
        db.take_up(take(kind)).await.unwrap();
        assert!(!db.knows(other.clone()).await.unwrap());
    }
    // What is skipped is known, and is no run that goes on.
    let up = TakeUp {
        skipped: vec![(other.clone(), "skipped".into())],
        ..TakeUp::default()
    };
    assert!(db.take_up(up).await.unwrap().is_empty());
    assert!(db.knows(other).await.unwrap());
    // A pull request goes elsewhere now.
    let into = |base: &str| NewRun {
        kind: RunKind::PullRequest,
        git_ref: "refs/pull/7/head".into(),
        base_ref: Some(base.into()),
        pull_request: Some(7),
        ..run(id, "c")
    };
    db.take_up(take(into("refs/heads/main"))).await.unwrap();
    assert!(db.knows(into("refs/heads/main")).await.unwrap());
    assert!(!db.knows(into("refs/heads/next")).await.unwrap());
}

#[tokio::test]
async fn the_newest_run_of_a_ref_is_kept_until_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let id = repository(&db, "acme/demo").await;
    let pull = NewRun {
        kind: RunKind::PullRequest,
        git_ref: "refs/pull/7/head".into(),
        base_ref: Some("refs/heads/main".into()),
        pull_request: Some(7),
        ..run(id, "c")
    };
    let queue = NewRun {
        kind: RunKind::MergeQueue,
        git_ref: "refs/heads/gh-readonly-queue/main/pr-7-b".into(),
        ..run(id, "d")
    };
    let mut runs = Vec::new();
    let refs = [pull.git_ref.clone(), queue.git_ref.clone()];
    for new in [run(id, "a"), run(id, "b"), pull.clone(), queue, pull] {
        let run = db.take_up(take(new)).await.unwrap()[0];
        // The last one is not over.
        if runs.len() < 4 {
            db.finish_run(run, RunEnd::cancelled("over"), Vec::new())
                .await
                .unwrap();
        }
        runs.push(run);
    }
    assert_eq!(db.forget_runs(0).await.unwrap(), []);
    let forgotten = db.forget_runs(i64::MAX).await.unwrap();
    assert_eq!(forgotten, [runs[0], runs[2]]);
    for git_ref in refs {
        db.ref_is_gone(id, git_ref, runs[4]).await.unwrap();
    }
    assert_eq!(db.forget_runs(i64::MAX).await.unwrap(), [runs[3]]);
    assert!(db.run(runs[4]).await.unwrap().is_some());
}

#[tokio::test]
async fn an_older_run_takes_back_nothing_of_a_newer_one() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let id = repository(&db, "acme/demo").await;
    let other = NewRun {
        git_ref: "refs/heads/other".into(),
        ..run(id, "a")
    };
    let first = db.take_up(take(run(id, "a"))).await.unwrap()[0];
    let second = db.take_up(take(other)).await.unwrap()[0];
    let failed = NewStatus {
        state: "failure",
        ..pending("nixci/build x")
    };
    let taken_back = NewStatus {
        state: "success",
        only_failing: true,
        ..failed.clone()
    };
    let set = async |run, status: &NewStatus| {
        db.set_statuses(id, "a".into(), Some(run), vec![status.clone()])
            .await
            .unwrap();
        let all = db.statuses_of(id, "a".into()).await.unwrap();
        let found = all
            .into_iter()
            .find(|(row, _)| row.context == failed.context);
        found.unwrap().0.state
    };
    assert_eq!(set(second, &failed).await, "failure");
    assert_eq!(set(first, &taken_back).await, "failure");
    assert_eq!(set(second, &taken_back).await, "success");
}

#[tokio::test]
async fn a_run_that_goes_on_whenever_the_server_ends_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let id = repository(&db, "acme/demo").await;
    let run = db.take_up(take(run(id, "a"))).await.unwrap()[0];
    db.queue_run(run, Trust::Trusted, tested("t"))
        .await
        .unwrap();
    for _ in 0..99 {
        assert!(db.begin_run(run).await.unwrap());
        assert_eq!(db.requeue_running().await.unwrap(), 1);
    }
    assert!(db.begin_run(run).await.unwrap());
    assert_eq!(db.requeue_running().await.unwrap(), 0);
    let given_up = db.run(run).await.unwrap().unwrap();
    assert_eq!(given_up.outcome.as_deref(), Some("errored"));
    let told = db.statuses_of(id, "a".into()).await.unwrap();
    assert!(told.iter().all(|(row, _)| row.state == "error"), "{told:?}");
}
