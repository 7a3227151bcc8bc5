use super::{Said, gravest};
use crate::db::server::{
    NewRun, NewStatus, RepositoryId, RunEnd, RunId, RunKind, SeenRepository, ServerDb, TakeUp,
    Tested, Trust,
};

fn said(run: i64, git_ref: &str, state: &str) -> Said {
    Said {
        run,
        git_ref: git_ref.into(),
        is_trusted: true,
        is_gone: false,
        is_ended: false,
        state: state.into(),
        description: String::new(),
        target_url: String::new(),
    }
}

fn stranger(said: Said) -> Said {
    Said {
        is_trusted: false,
        ..said
    }
}

fn ended(said: Said) -> Said {
    Said {
        is_ended: true,
        ..said
    }
}

fn gone(said: Said) -> Said {
    Said {
        is_gone: true,
        ..said
    }
}

/// Which run counts of these, given from the oldest on.
fn counting(all: &[Said]) -> Option<i64> {
    let newest_first: Vec<Said> = all.iter().rev().cloned().collect();
    gravest(&newest_first).map(|said| said.run)
}

#[test]
fn of_several_runs_the_gravest_counts() {
    let (main, pull, other) = ("refs/heads/main", "refs/pull/7/head", "refs/pull/8/head");
    assert_eq!(counting(&[]), None);
    assert_eq!(counting(&[said(1, main, "success")]), Some(1));
    // Of one ref the newest.
    let passed = said(2, main, "success");
    assert_eq!(
        counting(&[said(1, main, "failure"), passed.clone()]),
        Some(2)
    );
    // Unless that ended without a result.
    let cut = ended(said(3, main, "error"));
    assert_eq!(counting(&[passed.clone(), cut.clone()]), Some(2));
    assert_eq!(counting(std::slice::from_ref(&cut)), Some(3));
    // Whoever has it built for what demands less makes nothing good.
    let failed = said(1, pull, "failure");
    assert_eq!(
        counting(&[failed.clone(), said(2, other, "success")]),
        Some(1)
    );
    assert_eq!(
        counting(&[failed.clone(), said(2, other, "pending")]),
        Some(2)
    );
    // A pull request that is closed says nothing more, unless nobody else does.
    let closed = gone(failed.clone());
    let later = said(2, other, "success");
    assert_eq!(counting(&[closed.clone(), later.clone()]), Some(2));
    assert_eq!(counting(&[closed.clone(), gone(later)]), Some(2));
    assert_eq!(counting(&[gone(passed.clone()), gone(cut)]), Some(2));
    // Nor does a stranger who has the commit of one that was merged built.
    for state in ["pending", "failure", "success"] {
        let theirs = stranger(said(9, other, state));
        assert_eq!(counting(&[closed.clone(), theirs.clone()]), Some(1));
        assert_eq!(counting(&[closed.clone(), ended(theirs)]), Some(1));
    }
    // Of one that is built again and not looked at yet what is known stays, or it goes on.
    let again = |state: &str| stranger(said(5, pull, state));
    assert_eq!(
        counting(&[passed.clone(), failed.clone(), again("pending")]),
        Some(5)
    );
    assert_eq!(
        counting(&[passed.clone(), failed.clone(), again("failure")]),
        Some(5)
    );
    assert_eq!(
        counting(&[
            said(1, main, "success"),
            said(2, pull, "failure"),
            again("success")
        ]),
        Some(2)
    );
    // Strangers change nothing of what is said by people who may write.
    for state in ["pending", "failure", "error", "success"] {
        let theirs = stranger(said(3, other, state));
        assert_eq!(
            counting(&[passed.clone(), theirs.clone()]),
            Some(2),
            "{state}"
        );
        assert_eq!(counting(&[theirs]), Some(3), "{state}");
    }
}

struct World {
    db: ServerDb,
    repository: RepositoryId,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = ServerDb::open(dir.path()).unwrap();
        let seen = SeenRepository {
            forge: "work".into(),
            forge_id: "12".into(),
            full_name: "acme/demo".into(),
            default_branch: "main".into(),
            private: false,
            installation: None,
        };
        let repository = db.see_repository(seen).await.unwrap();
        Self {
            db,
            repository,
            _dir: dir,
        }
    }

    async fn take(&self, pull_request: Option<i64>, git_ref: &str) -> RunId {
        let kind = if pull_request.is_some() {
            RunKind::PullRequest
        } else {
            RunKind::Push
        };
        let new = NewRun {
            base_ref: pull_request.map(|_| "refs/heads/main".into()),
            pull_request,
            ..NewRun::of_ref(self.repository, kind, git_ref.into(), "c".into())
        };
        let up = TakeUp {
            runs: vec![(new, vec![status("nixci/build", "pending")])],
            ..TakeUp::default()
        };
        self.db.take_up(up).await.unwrap()[0]
    }

    async fn queue(&self, run: RunId, trust: Trust) {
        let tested = Tested {
            commit: "c".into(),
            tree: "t".into(),
            base_commit: None,
            settings: String::new(),
            title: String::new(),
        };
        self.db.trust_run(run, trust).await.unwrap();
        self.db.queue_run(run, trust, tested).await.unwrap();
    }

    async fn finish(&self, run: RunId, outcome: &str, state: &'static str) {
        let end = RunEnd {
            outcome: outcome.into(),
            ..RunEnd::default()
        };
        let statuses = vec![status("nixci/build", state)];
        self.db.finish_run(run, end, statuses).await.unwrap();
    }

    async fn gone(&self, git_ref: String) {
        let newest = self.db.newest_run_id().await.unwrap();
        let noted = self.db.ref_is_gone(self.repository, git_ref, newest);
        noted.await.unwrap();
    }

    /// The states of the commit by context.
    async fn told(&self) -> Vec<(String, String)> {
        let all = self.db.statuses_of(self.repository, "c".into());
        let all = all.await.unwrap().into_iter();
        all.map(|(row, _)| (row.context, row.state)).collect()
    }

    async fn build(&self) -> String {
        let all = self.told().await.into_iter();
        let mut build = all.filter(|(context, _)| context == "nixci/build");
        build.next().unwrap().1
    }
}

fn status(context: &str, state: &'static str) -> NewStatus {
    NewStatus {
        context: context.into(),
        state,
        description: state.into(),
        target_url: "https://ci/runs/RUN".into(),
        only_failing: false,
    }
}

/// Security: a stranger opens a pull request of a commit that is somebody else's.
#[tokio::test]
async fn a_strangers_pull_request_changes_nothing_of_another_commit() {
    let world = World::new().await;
    let ours = world.take(Some(5), "refs/pull/5/head").await;
    world.queue(ours, Trust::Trusted).await;
    world.finish(ours, "passed", "success").await;
    let theirs = world.take(Some(6), "refs/pull/6/head").await;
    assert_eq!(world.build().await, "success");
    let waits = vec![status("nixci/build", "pending")];
    world.db.await_approval(theirs, waits).await.unwrap();
    assert_eq!(world.build().await, "success");
    let of_check = status("nixci/build work:acme/demo#checks.x", "failure");
    world
        .db
        .set_statuses(world.repository, "c".into(), Some(theirs), vec![of_check])
        .await
        .unwrap();
    assert_eq!(world.told().await.len(), 1);
    world
        .db
        .finish_run(theirs, RunEnd::cancelled("not built"), Vec::new())
        .await
        .unwrap();
    assert_eq!(world.build().await, "success");
    // One that somebody has approved counts.
    let approved = world.take(Some(6), "refs/pull/6/head").await;
    world.queue(approved, Trust::Approved).await;
    assert_eq!(world.build().await, "pending");
    world.finish(approved, "failed", "failure").await;
    assert_eq!(world.build().await, "failure");
    // Until it is closed.
    let closed = "refs/pull/6/head".to_owned();
    world.gone(closed).await;
    assert_eq!(world.build().await, "success");
    // And opened again.
    let again = world.take(Some(6), "refs/pull/6/head").await;
    assert_eq!(world.build().await, "success");
    world.queue(again, Trust::Approved).await;
    assert_eq!(world.build().await, "pending");
}

#[tokio::test]
async fn what_ends_without_a_result_leaves_what_another_run_said() {
    let world = World::new().await;
    let branch = world.take(None, "refs/heads/develop").await;
    let pull = world.take(Some(7), "refs/pull/7/head").await;
    for run in [branch, pull] {
        world.queue(run, Trust::Trusted).await;
    }
    world.finish(branch, "passed", "success").await;
    assert_eq!(world.build().await, "pending");
    world
        .db
        .finish_run(pull, RunEnd::cancelled("superseded"), Vec::new())
        .await
        .unwrap();
    assert_eq!(world.build().await, "success");
    // With nothing else to say that stays.
    let gone = "refs/heads/develop".to_owned();
    world.gone(gone).await;
    assert_eq!(world.build().await, "success");
}
