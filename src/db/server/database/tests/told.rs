//! What a forge was told, and what it told.

use super::{open, repository, run, take};
use crate::db::server::{CommandKey, Remote, RunEnd, TakeUp};

#[tokio::test]
async fn a_button_that_ends_a_run_goes_when_the_run_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let repo = repository(&db, "me/tool").await;
    let id = db.take_up(take(run(repo, "c1"))).await.unwrap()[0];
    let remote = |is_cancellable| {
        Some(Remote {
            id: 7,
            annotated_by: Some(id),
            is_cancellable,
        })
    };
    let due = || async { db.due_statuses("work".into(), 10).await.unwrap() };
    for status in due().await {
        db.status_sent(status.id, status.version, remote(true))
            .await
            .unwrap();
    }
    assert_eq!(due().await, []);
    db.finish_run(id, RunEnd::cancelled("enough"), Vec::new())
        .await
        .unwrap();
    let told_again = due().await;
    assert_eq!(told_again.len(), 2);
    assert_eq!(
        (told_again[0].remote, told_again[0].annotated_by),
        (Some(7), Some(id))
    );
    // Whoever offered it meanwhile did not know.
    let late = &told_again[0];
    db.status_sent(late.id, late.version, remote(true))
        .await
        .unwrap();
    assert_eq!(due().await.len(), 2);
    for status in due().await {
        db.status_sent(status.id, status.version, remote(false))
            .await
            .unwrap();
    }
    assert_eq!(due().await, []);
}

#[tokio::test]
async fn a_command_is_known_for_good_once_it_was_carried_out() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let repo = repository(&db, "me/tool").await;
    let command = CommandKey {
        repository: repo,
        word: "comment 99".into(),
    };
    assert!(!db.knows_command(command.clone()).await.unwrap());
    let up = TakeUp {
        command: Some(command.clone()),
        ..TakeUp::default()
    };
    for _ in 0..2 {
        db.take_up(up.clone()).await.unwrap();
        assert!(db.knows_command(command.clone()).await.unwrap());
    }
    let other = CommandKey {
        word: "comment 9".into(),
        ..command
    };
    assert!(!db.knows_command(other).await.unwrap());
}
