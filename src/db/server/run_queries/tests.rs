//! Which run has taken the place of another.

use crate::db::server::{
    NewRun, RunEnd, RunId, RunKind, SeenRepository, ServerDb, TakeUp, Tested, Trust,
};

#[tokio::test]
async fn only_what_is_looked_at_and_was_not_ended_before_it_began_takes_anothers_place() {
    let dir = tempfile::tempdir().unwrap();
    let db = ServerDb::open(dir.path()).unwrap();
    let seen = SeenRepository {
        forge: "work".into(),
        forge_id: "1".into(),
        full_name: "acme/demo".into(),
        default_branch: "main".into(),
        private: false,
        installation: None,
    };
    let repository = db.see_repository(seen).await.unwrap();
    let take = async |kind, git_ref: &str, commit: &str| -> RunId {
        let new = NewRun::of_ref(repository, kind, git_ref.into(), commit.into());
        let up = TakeUp {
            runs: vec![(new, Vec::new())],
            anew: true,
            ..TakeUp::default()
        };
        db.take_up(up).await.unwrap()[0]
    };
    let queue = async |run| {
        let tested = Tested {
            commit: "c".into(),
            tree: "t".into(),
            base_commit: None,
            settings: String::new(),
            title: String::new(),
        };
        db.queue_run(run, Trust::Trusted, tested).await.unwrap();
    };
    let end = async |run, end| db.finish_run(run, end, Vec::new()).await.unwrap();
    let (main, other) = ("refs/heads/main", "refs/heads/other");
    let nightly = take(RunKind::Schedule, main, "a").await;
    let by = async || db.overtaken_by(nightly).await.unwrap();
    // What is elsewhere, the same, or nobody pushed.
    for (kind, git_ref, commit) in [
        (RunKind::Push, other, "b"),
        (RunKind::Push, main, "a"),
        (RunKind::Manual, main, "b"),
        (RunKind::Schedule, main, "b"),
    ] {
        queue(take(kind, git_ref, commit).await).await;
    }
    assert_eq!(by().await, None);
    // What was told of late is ended when it is looked at.
    let late = take(RunKind::Push, main, "old").await;
    assert_eq!(by().await, None);
    end(late, RunEnd::cancelled("out of date: it is elsewhere")).await;
    assert_eq!(by().await, None);
    let ended = take(RunKind::Push, main, "b").await;
    queue(ended).await;
    assert_eq!(by().await, Some(ended));
    end(ended, RunEnd::cancelled("cancelled by hand")).await;
    assert_eq!(by().await, None);
    // What has begun may have deployed something.
    let newer = take(RunKind::Push, main, "c").await;
    queue(newer).await;
    assert!(db.begin_run(newer).await.unwrap());
    assert_eq!(by().await, Some(newer));
    end(newer, RunEnd::cancelled("cancelled by hand")).await;
    assert_eq!(by().await, Some(newer));
    assert_eq!(db.overtaken_by(newer).await.unwrap(), None);
}
