use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::{Publisher, StatusState};
use crate::forge::{BoxFuture, CommitStatus, Forge, ForgeError, News};

/// A forge that remembers what it was told, and now and then has no time.
#[derive(Default)]
struct Fake {
    shown: Mutex<HashMap<String, (StatusState, String)>>,
    writes: Mutex<Vec<Instant>>,
    answers: Mutex<VecDeque<ForgeError>>,
    failing: HashSet<String>,
}

impl Forge for Fake {
    fn set_status<'a>(&'a self, status: &'a CommitStatus) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.writes.lock().unwrap().push(Instant::now());
            if let Some(error) = self.answers.lock().unwrap().pop_front() {
                return Err(error);
            }
            self.shown.lock().unwrap().insert(
                status.context.clone(),
                (status.state, status.description.clone()),
            );
            Ok(())
        })
    }

    fn failing<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, HashSet<String>> {
        assert_eq!(prefix, "nixci/build ");
        Box::pin(async { Ok(self.failing.clone()) })
    }

    fn pace(&self) -> Duration {
        Duration::from_secs(1)
    }
}

fn status(context: &str, state: StatusState, description: &str) -> News {
    News::Status(CommitStatus {
        context: context.to_owned(),
        state,
        description: description.to_owned(),
    })
}

async fn publish(forge: Fake, news: Vec<News>) -> (Arc<Fake>, Option<String>) {
    let forge = Arc::new(forge);
    let publisher = Publisher::start(Arc::clone(&forge) as _, "nixci/build ".to_owned());
    for news in news {
        publisher.tell(news);
    }
    let problem = publisher.finish().await;
    (forge, problem)
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_each_context_is_sent_once_and_at_the_forges_pace() {
    let passed = |context: &str| News::Passed {
        context: context.to_owned(),
    };
    let forge = Fake {
        failing: HashSet::from(["nixci/build a".to_owned()]),
        ..Fake::default()
    };
    let (forge, problem) = publish(
        forge,
        vec![
            status("nixci/eval", StatusState::Pending, "1"),
            status("nixci/build", StatusState::Pending, "1"),
            status("nixci/eval", StatusState::Success, "2"),
            passed("nixci/build a"),
            passed("nixci/build b"),
            status("nixci/build", StatusState::Success, "2"),
        ],
    )
    .await;
    assert_eq!(problem, None);
    let shown = forge.shown.lock().unwrap();
    assert_eq!(shown["nixci/eval"], (StatusState::Success, "2".to_owned()));
    assert_eq!(shown["nixci/build"], (StatusState::Success, "2".to_owned()));
    assert_eq!(
        shown["nixci/build a"].0,
        StatusState::Success,
        "the failure of an earlier run is taken back"
    );
    assert_eq!(shown.len(), 3, "b never failed");
    let writes = forge.writes.lock().unwrap();
    assert_eq!(writes.len(), 3);
    let is_slow = |pair: &[Instant]| pair[1] - pair[0] >= Duration::from_secs(1);
    assert!(writes.windows(2).all(is_slow), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_forge_that_has_no_time_is_asked_again_when_it_says() {
    let later = |wait| ForgeError::Later {
        what: "HTTP 502".to_owned(),
        wait,
    };
    let forge = Fake {
        answers: Mutex::new([later(None), later(Some(Duration::from_secs(30)))].into()),
        ..Fake::default()
    };
    let (forge, problem) =
        publish(forge, vec![status("nixci/eval", StatusState::Error, "x")]).await;
    assert_eq!(problem, None);
    assert_eq!(forge.shown.lock().unwrap().len(), 1);
    let writes = forge.writes.lock().unwrap();
    assert!(writes[2] - writes[1] >= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_forge_that_never_has_time_ends_the_wait() {
    let later = ForgeError::Later {
        what: "HTTP 503".to_owned(),
        wait: Some(Duration::from_secs(3600)),
    };
    let forge = Fake {
        answers: Mutex::new(vec![later; 9].into()),
        ..Fake::default()
    };
    let (_, problem) = publish(forge, vec![status("nixci/eval", StatusState::Error, "x")]).await;
    insta::assert_snapshot!(problem.unwrap(), @"the forge took too long to take the last commit statuses");
}

#[tokio::test(start_paused = true)]
async fn a_token_without_rights_is_told_once_and_nothing_more_is_sent() {
    let forge = Fake {
        answers: Mutex::new([ForgeError::Forbidden("HTTP 403 (no)".to_owned())].into()),
        ..Fake::default()
    };
    let news = (0..9)
        .map(|n| status(&format!("nixci/build {n}"), StatusState::Failure, "x"))
        .collect();
    let (forge, problem) = publish(forge, news).await;
    insta::assert_snapshot!(problem.unwrap(), @"the forge does not take the commit statuses: HTTP 403 (no); does the token have the right to write commit statuses of this repository?");
    assert_eq!(forge.writes.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_refused_costs_only_itself() {
    let forge = Fake {
        answers: Mutex::new([ForgeError::Refused("HTTP 422 (too long)".to_owned())].into()),
        ..Fake::default()
    };
    let news = vec![
        status("nixci/eval", StatusState::Success, "x"),
        status("nixci/build", StatusState::Success, "x"),
    ];
    let (forge, problem) = publish(forge, news).await;
    insta::assert_snapshot!(problem.unwrap(), @"the forge does not take a commit status: HTTP 422 (too long)");
    assert_eq!(forge.shown.lock().unwrap().len(), 1);
}
