use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::Recorder;
use crate::{
    db::{History, StepRecord, Warn, open::Database},
    event::{Counts, Event, EventKind, Outcome, RunOutcome},
    nix::{StorePath, System},
};

const FLAKE: &str = "/home/me/flake";

fn drv(name: &str) -> StorePath {
    StorePath::parse(&format!(
        "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-{name}.drv"
    ))
    .unwrap()
}

fn event(kind: EventKind) -> Event {
    Event {
        at: jiff::Timestamp::now(),
        elapsed: Duration::from_secs(1),
        kind,
    }
}

fn system() -> System {
    System::of_derivation("x86_64-linux")
}

fn started(run: &str) -> Event {
    event(EventKind::RunStarted {
        format: 1,
        run: run.into(),
        flake: ".".into(),
        title: "flake".into(),
        revision: Some("3f2c1ab".into()),
        attribute: "checks".into(),
        systems: vec![system()],
        evaluator: "builtin".into(),
        nix_version: "2.34.8".into(),
        slots: 2,
        eval_workers: 1,
    })
}

fn found(check: &str) -> Event {
    event(EventKind::CheckFound {
        check: format!("x86_64-linux.{check}"),
        system: system(),
        name: check.into(),
        drv_path: drv(check),
        outputs: BTreeMap::new(),
        extra: None,
    })
}

fn ended(check: &str, outcome: Outcome, cause: Option<&str>) -> Event {
    event(EventKind::CheckFinished {
        check: format!("x86_64-linux.{check}"),
        system: system(),
        name: check.into(),
        drv_path: (outcome != Outcome::EvaluationFailed).then(|| drv(check)),
        kind: None,
        outcome,
        duration: Duration::from_secs(3),
        outputs: BTreeMap::new(),
        cause: cause.map(drv),
        reason: None,
        allowed: false,
        previous: None,
    })
}

fn built(name: &str, seconds: u64) -> Event {
    Event {
        at: jiff::Timestamp::from_second(i64::try_from(seconds).unwrap() + 1_700_000_000).unwrap(),
        ..event(EventKind::StepFinished {
            drv_path: drv(name),
            name: name.into(),
            system: system(),
            outcome: Outcome::Built,
            duration: Duration::from_secs(seconds),
            machine: String::new(),
            error: String::new(),
            log_tail: Vec::new(),
            log_lines_before: 0,
            phase: Some("checkPhase".into()),
            checks: Vec::new(),
            allowed: false,
            may_pass: false,
        })
    }
}

fn finished() -> Event {
    let mut counts = Counts::default();
    for outcome in [Outcome::Built, Outcome::Failed, Outcome::Unsupported] {
        counts.add(outcome);
    }
    event(EventKind::RunFinished {
        outcome: RunOutcome::Failed,
        counts,
        duration: Duration::from_secs(7),
        exit_code: 1,
        error: None,
        allowed: 0,
    })
}

/// What was warned of.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    fn warn(&self) -> Warn {
        let said = Arc::clone(&self.0);
        Arc::new(move |message| said.lock().unwrap().push(message))
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn start(dir: &Path, warnings: &Warnings) -> Recorder {
    Recorder::start(dir, &dir.join("logs"), FLAKE.into(), &warnings.warn())
}

fn record(dir: &Path, events: &[Event]) -> Vec<String> {
    record_with_log(dir, events, None)
}

fn record_with_log(dir: &Path, events: &[Event], log_of: Option<&str>) -> Vec<String> {
    let warnings = Warnings::default();
    let recorder = start(dir, &warnings);
    for event in events {
        recorder.note(event);
    }
    if let Some(name) = log_of {
        recorder.short_logs()(&drv(name), b"words\n".to_vec());
    }
    recorder.finish();
    warnings.take()
}

fn verdicts(dir: &Path) -> HashMap<String, Outcome> {
    let recorder = start(dir, &Warnings::default());
    let verdicts = recorder.verdicts();
    recorder.finish();
    verdicts.expect("the database is there")
}

fn open(dir: &Path) -> History {
    History::open(dir).unwrap().expect("a run was recorded").0
}

#[test]
fn a_run_is_found_again_with_its_checks() {
    let dir = tempfile::tempdir().unwrap();
    let events = [
        started("r1"),
        found("a"),
        found("b"),
        found("c"),
        built("a", 3),
        ended("a", Outcome::Built, None),
        ended("b", Outcome::DependencyFailed, Some("lib")),
        event(EventKind::EvaluationFailed {
            check: Some("x86_64-linux.d".into()),
            error: "no way".into(),
            file: None,
            line: None,
            column: None,
            allowed: false,
        }),
        ended("d", Outcome::EvaluationFailed, None),
        ended("c", Outcome::Cancelled, None),
        finished(),
    ];
    assert_eq!(
        record_with_log(dir.path(), &events, Some("a")),
        Vec::<String>::new()
    );
    let history = open(dir.path());
    let runs = history.runs(FLAKE, 9).unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].outcome, Some(RunOutcome::Failed));
    assert_eq!(runs[0].duration_ms, Some(7000));
    assert_eq!(runs[0].counts, Some((1, 1, 1)));
    assert_eq!(runs[0].revision.as_deref(), Some("3f2c1ab"));
    assert!(!runs[0].is_running);
    assert_eq!(history.runs("/another", 9).unwrap(), []);

    let check = |name: &str| {
        let path = format!("checks.x86_64-linux.{name}");
        let checks = history.runs_of_check(FLAKE, &path, 9).unwrap();
        assert_eq!(checks.len(), 1, "{path}");
        assert_eq!(history.check("r1", &path).unwrap().as_ref(), checks.first());
        checks[0].clone()
    };
    assert_eq!(check("a").outcome, Some(Outcome::Built));
    assert_eq!(check("a").phase.as_deref(), Some("checkPhase"));
    assert_eq!(check("b").cause, Some(drv("lib")));
    assert_eq!(check("d").reason.as_deref(), Some("no way"));
    assert_eq!(check("d").drv_path, None);
    assert_eq!(
        history.runs_of_step(&drv("a")).unwrap(),
        [StepRecord {
            run: "r1".into(),
            short_log: Some(b"words\n".to_vec())
        }]
    );
    assert_eq!(
        verdicts(dir.path()),
        HashMap::from(
            [
                ("a", Outcome::Built),
                ("b", Outcome::DependencyFailed),
                ("d", Outcome::EvaluationFailed)
            ]
            .map(|(name, outcome)| (format!("checks.x86_64-linux.{name}"), outcome))
        ),
        "what was cancelled says nothing"
    );
}

#[test]
fn the_last_verdict_of_each_check_counts_whichever_run_it_was() {
    let dir = tempfile::tempdir().unwrap();
    record(
        dir.path(),
        &[
            started("r1"),
            ended("a", Outcome::Failed, None),
            ended("b", Outcome::Failed, None),
            finished(),
        ],
    );
    record(
        dir.path(),
        &[
            started("r2"),
            ended("a", Outcome::Cached, None),
            ended("b", Outcome::Skipped, None),
            finished(),
        ],
    );
    let verdicts = verdicts(dir.path());
    assert_eq!(verdicts["checks.x86_64-linux.a"], Outcome::Cached);
    assert_eq!(verdicts["checks.x86_64-linux.b"], Outcome::Failed);
}

#[test]
fn a_run_that_goes_on_is_seen_by_others_before_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = start(dir.path(), &Warnings::default());
    recorder.verdicts();
    recorder.note(&started("r1"));
    recorder.note(&found("a"));
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let history = open(dir.path());
    let record = loop {
        if let Some(record) = history.check("r1", "checks.x86_64-linux.a").unwrap() {
            break record;
        }
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(record.outcome, None);
    assert!(record.run.is_running);
    assert_eq!(
        history.check_paths(FLAKE).unwrap(),
        ["checks.x86_64-linux.a"],
        "also without a verdict"
    );
    recorder.finish();
}

#[tokio::test]
async fn the_median_of_the_last_ten_builds_is_expected() {
    let dir = tempfile::tempdir().unwrap();
    let mut events = vec![started("r1")];
    // The first two no longer count: of 3 to 12, the shorter one in the middle is 7.
    events.extend((1..=12).map(|i| built(&format!("lib-1.{i}"), i)));
    record(dir.path(), &events);
    let recorder = start(dir.path(), &Warnings::default());
    let expected = recorder.expected();
    let asked = vec![
        ("lib-2.0".into(), system()),
        ("lib-2.0".into(), System::of_derivation("aarch64-linux")),
        ("other".into(), system()),
    ];
    // A run does without an answer that takes too long, as where the disk is busy.
    let mut answer = Vec::new();
    for _ in 0..20 {
        if answer.is_empty() {
            answer = expected(asked.clone()).await;
        }
    }
    assert_eq!(answer, [Some(Duration::from_secs(7)), None, None]);
    recorder.finish();
    assert_eq!(expected(vec![("lib".into(), system())]).await, []);
}

#[test]
fn many_runs_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for run in 0..8 {
            let dir = dir.path();
            scope.spawn(move || {
                let mut events = vec![started(&format!("r{run}"))];
                for check in 0..50 {
                    events.push(ended(&format!("c{check}"), Outcome::Built, None));
                    events.push(built(&format!("c{check}-{run}.0"), 1));
                }
                events.push(finished());
                assert_eq!(record(dir, &events), Vec::<String>::new());
            });
        }
    });
    let history = open(dir.path());
    assert_eq!(history.runs(FLAKE, 99).unwrap().len(), 8);
    for check in 0..50 {
        let path = format!("checks.x86_64-linux.c{check}");
        assert_eq!(history.runs_of_check(FLAKE, &path, 99).unwrap().len(), 8);
    }
}

#[test]
fn a_damaged_database_is_set_aside_and_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("history.sqlite");
    fs::write(&file, "this is no database, and never was one".repeat(100)).unwrap();
    let warnings = record(dir.path(), &[started("r1"), finished()]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("damaged") && warnings[0].contains("history.sqlite.corrupt-"),
        "{warnings:?}"
    );
    assert_eq!(open(dir.path()).runs(FLAKE, 9).unwrap().len(), 1);
    let aside: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("history.sqlite.corrupt-"))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
}

#[test]
fn a_database_that_was_cut_off_is_set_aside_when_that_comes_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut events = vec![started("r1")];
    events.extend((0..2000).map(|i| ended(&format!("check-number-{i}"), Outcome::Failed, None)));
    record(dir.path(), &events);
    let (database, _) = Database::open(dir.path()).unwrap();
    database
        .connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(database);
    let file = dir.path().join("history.sqlite");
    let length = fs::metadata(&file).unwrap().len();
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_len(length / 3)
        .unwrap();
    let warnings = record(dir.path(), &[started("r2"), found("a"), finished()]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("damaged"), "{warnings:?}");
    let runs = open(dir.path()).runs(FLAKE, 9).unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].run, "r2", "this run is in the new one");
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (database, _) = Database::open(dir.path()).unwrap();
    database
        .connection
        .pragma_update(None, "user_version", 7)
        .unwrap();
    drop(database);
    let warnings = record(dir.path(), &[started("r1"), finished()]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("newer nixci"), "{warnings:?}");
    assert!(matches!(
        History::open(dir.path()),
        Err(crate::db::HistoryError::Newer { found: 7, .. })
    ));
}

#[test]
fn where_nothing_can_be_written_that_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    // A file in the place of the folder: even root cannot make a folder there.
    let place = dir.path().join("file");
    fs::write(&place, "").unwrap();
    let warnings = Warnings::default();
    let recorder = start(&place.join("state"), &warnings);
    assert_eq!(recorder.verdicts(), None);
    for i in 0..100 {
        recorder.note(&found(&i.to_string()));
    }
    recorder.finish();
    let warnings = warnings.take();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("this run is not recorded: ")
            && warnings[0].contains("Not a directory"),
        "{warnings:?}"
    );
}

#[test]
fn a_full_disk_is_no_damage_and_costs_only_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), &[started("r1"), finished()]);
    let (database, _) = Database::open(dir.path()).unwrap();
    let mut run = crate::db::write::RunKey::new(FLAKE.into());
    let mut database = database;
    database
        .connection
        .pragma_update(None, "max_page_count", 1)
        .unwrap();
    let rows: Vec<_> = std::iter::once(started("r2"))
        .chain((0..2000).map(|i| ended(&format!("check-number-{i}"), Outcome::Failed, None)))
        .filter_map(|event| crate::db::row::Row::of(&event))
        .collect();
    let error = run.write(&mut database.connection, &rows).unwrap_err();
    let error = database.failed(error);
    assert!(!error.is_damage() && !error.is_busy(), "{error}");
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(open(dir.path()).runs(FLAKE, 9).unwrap().len(), 1);
}
