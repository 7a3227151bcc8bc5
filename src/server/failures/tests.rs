use super::*;
use crate::{nix::StorePath, run::StepId, store::BuildLimits};

const DRV_PATH: &str = "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-a.drv";
const HOUR: Duration = Duration::from_secs(3600);
const FOR_EVER: BuildTimes = BuildTimes {
    timeout: None,
    max_silent_time: None,
};

async fn failures(dir: &tempfile::TempDir) -> Arc<Failures> {
    let db = ServerDb::open(dir.path()).unwrap();
    Failures::load(db, HOUR).await.unwrap()
}

fn start() -> Start {
    Start {
        step: StepId::default(),
        target: StorePath::parse(DRV_PATH).unwrap(),
        substitute: false,
        remote: false,
        delay: Duration::ZERO,
        limits: BuildLimits::default(),
    }
}

/// The gate of a run whose builds may take so many seconds.
fn gate(failures: &Arc<Failures>, slots: &Slots, run: i64, timeout: Option<u64>) -> RunGate {
    RunGate {
        run: RunId(run),
        failures: Arc::clone(failures),
        slots: slots.clone(),
        share: Share {
            class: 0,
            owner: run,
            precedence: 0,
        },
        times: BuildTimes {
            timeout: timeout.map(Duration::from_secs),
            max_silent_time: None,
        },
        has_own_limits: false,
        redaction: Redaction::default(),
        anew_since: None,
    }
}

/// Why a run does not build it, if it does not.
async fn refused(gate: &RunGate, start: &Start) -> Option<String> {
    match gate.enter(start, &mut |_| ()).await {
        Entry::Refused(why) => Some(why),
        Entry::Permitted(_) => None,
    }
}

#[tokio::test]
async fn a_failure_that_is_too_old_makes_room_for_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let db = ServerDb::open(dir.path()).unwrap();
    let failures = Failures::load(db.clone(), HOUR).await.unwrap();
    let now = Timestamp::now().as_millisecond();
    let failed = |run: i64, at: i64| FailedBuild {
        drv_path: DRV_PATH.to_owned(),
        run: RunId(run),
        at,
        reason: String::new(),
    };
    let refusal = |failures: &Failures| failures.refusal(DRV_PATH, RunId(9), FOR_EVER);
    failures.remember(failed(1, now - 2 * millis(HOUR))).await;
    assert_eq!(refusal(&failures), None);
    failures.remember(failed(2, now)).await;
    let first = refusal(&failures).unwrap();
    assert!(first.contains("run 2"), "{first}");
    // The first that counts stays.
    failures.remember(failed(3, now)).await;
    assert_eq!(refusal(&failures).unwrap(), first);
    let kept = Failures::load(db, HOUR).await.unwrap();
    assert_eq!(refusal(&kept).unwrap(), first);
}

#[tokio::test]
async fn who_waits_for_a_build_learns_that_it_failed() {
    let dir = tempfile::tempdir().unwrap();
    let (failures, slots) = (failures(&dir).await, Slots::new(2, 0));
    let (one, other) = (
        gate(&failures, &slots, 1, None),
        gate(&failures, &slots, 2, None),
    );
    let start = start();
    let Entry::Permitted(permit) = one.enter(&start, &mut |_| ()).await else {
        panic!("nothing is known of it");
    };
    let mut ignore = |_| ();
    let mut waiting = other.enter(&start, &mut ignore);
    let at_once = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await;
    assert!(at_once.is_err(), "it is being built");
    one.leave(&start, &StepEnd::Failed("builder failed".into()))
        .await;
    drop(permit);
    let Entry::Refused(why) = waiting.await else {
        panic!("it is built again");
    };
    assert_eq!(why, "it failed in run 1 already: builder failed");
}

#[tokio::test]
async fn what_may_pass_is_not_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let (failures, slots) = (failures(&dir).await, Slots::new(1, 0));
    let (one, other) = (
        gate(&failures, &slots, 1, None),
        gate(&failures, &slots, 2, None),
    );
    let start = start();
    for end in [
        StepEnd::Killed("builder failed due to signal 9 (Killed)".into()),
        StepEnd::Transient("builder failed".into()),
        StepEnd::Infrastructure("the disk is full".into()),
        StepEnd::Cancelled,
    ] {
        one.leave(&start, &end).await;
        assert_eq!(refused(&other, &start).await, None, "{end:?}");
    }
    let download = Start {
        substitute: true,
        ..start.clone()
    };
    one.leave(&download, &StepEnd::Failed("too large".into()))
        .await;
    assert_eq!(refused(&other, &start).await, None);
}

#[tokio::test]
async fn what_had_too_little_time_is_tried_with_more() {
    let dir = tempfile::tempdir().unwrap();
    let (failures, slots) = (failures(&dir).await, Slots::new(1, 0));
    let gate_of = |run, timeout| gate(&failures, &slots, run, timeout);
    let start = start();
    let timed_out = |text: &str| StepEnd::TimedOut(text.to_owned());
    let own = RunGate {
        has_own_limits: true,
        ..gate_of(1, Some(1))
    };
    own.leave(&start, &timed_out("timed out after 1 seconds"))
        .await;
    assert_eq!(refused(&gate_of(9, Some(1)), &start).await, None);
    gate_of(1, Some(60))
        .leave(&start, &timed_out("timed out after 60 seconds"))
        .await;
    let refusal = refused(&gate_of(9, Some(60)), &start).await.unwrap();
    assert!(refusal.contains("run 1 already"), "{refusal}");
    for timeout in [Some(61), None] {
        assert_eq!(refused(&gate_of(9, timeout), &start).await, None);
    }
    let longer = Start {
        limits: BuildLimits {
            timeout: Some(Duration::MAX),
            ..BuildLimits::default()
        },
        ..start.clone()
    };
    assert_eq!(refused(&gate_of(9, Some(60)), &longer).await, None);
    // It was not enough either.
    gate_of(2, Some(120))
        .leave(&start, &timed_out("timed out after 120 seconds"))
        .await;
    let refusal = refused(&gate_of(9, Some(61)), &start).await.unwrap();
    assert!(refusal.contains("run 2 already"), "{refusal}");
    let silent = "timed out after 30 seconds of silence";
    assert_eq!(Wait::of_reason(silent), Some(Wait::ForWord(30)));
    assert_eq!(Wait::of_reason("builder failed with exit code 1"), None);
}
