//! What a forge was told, and what it told.

use super::{open, pending, repository, run, take};
use crate::db::server::{CommandKey, DueStatus, Remote, RunEnd, SeenRepository, TakeUp};

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
async fn each_account_has_its_turn_however_much_is_to_be_told_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let mut repositories = Vec::new();
    for (number, account) in [(1, "5"), (2, "5"), (3, "5"), (4, "6")] {
        let seen = SeenRepository {
            forge: "work".into(),
            forge_id: number.to_string(),
            full_name: format!("me/{number}"),
            default_branch: "main".into(),
            private: false,
            installation: Some(account.into()),
        };
        repositories.push(db.see_repository(seen).await.unwrap());
    }
    for repo in &repositories[..3] {
        db.take_up(take(run(*repo, "c1"))).await.unwrap();
    }
    let of_check = pending("nixci/build x");
    db.set_statuses(repositories[3], "c1".into(), None, vec![of_check])
        .await
        .unwrap();
    let accounts = async |limit| {
        let due = db.due_statuses("work".into(), limit).await.unwrap();
        let account = |due: DueStatus| due.account.unwrap();
        due.into_iter().map(account).collect::<Vec<_>>()
    };
    assert_eq!(accounts(2).await, ["5", "6"]);
    assert_eq!(accounts(100).await, ["5", "6", "5", "5", "5", "5", "5"]);
    // Of an account verdicts go first.
    let of_check = pending("nixci/build x");
    db.set_statuses(repositories[0], "c1".into(), None, vec![of_check])
        .await
        .unwrap();
    let due = db.due_statuses("work".into(), 100).await.unwrap();
    let last = due.last().unwrap();
    assert_eq!((due.len(), last.is_of_check), (8, true));
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
