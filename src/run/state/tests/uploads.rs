//! Uploads: when they go out, and what becomes of the run.

use std::time::Duration;

use super::*;
use crate::{
    event::UploadOutcome,
    run::{Stop, UploadEnd, UploadNote},
};

fn uploading(with_dependencies: bool) -> RunSettings {
    RunSettings {
        uploads: UploadSettings {
            destinations: vec!["file:///c".into()],
            with_dependencies,
        },
        ..settings()
    }
}

/// A run with `b` above `a`, both to be built, nothing more to evaluate; and `c`, which needs neither.
fn begun(settings: RunSettings) -> World {
    let mut world = World::new(settings);
    world.find(&["b", "c"]);
    let steps = vec![build("a", &[]), build("b", &["a"]), build("c", &[])];
    world.plan(&["b", "c"], steps);
    world.evaluation_ends();
    world
}

/// The names in each batch that was sent.
fn batches(world: &World) -> Vec<Vec<&str>> {
    let name = |upload: &Upload| upload.drv_path.name().trim_end_matches(".drv").to_owned();
    let batch = |(_, uploads): &(usize, Vec<Upload>)| uploads.iter().map(name).collect::<Vec<_>>();
    let batches: Vec<Vec<String>> = world.uploads.iter().map(batch).collect();
    let known = ["a", "b", "c"];
    let known = |name: &String| known.into_iter().find(|known| known == name).unwrap();
    batches
        .iter()
        .map(|batch| batch.iter().map(known).collect())
        .collect()
}

fn uploaded(names: &[&str]) -> UploadEnd {
    UploadEnd {
        uploaded: names.iter().map(|name| path(name)).collect(),
        ..UploadEnd::default()
    }
}

fn refused(names: &[&str]) -> UploadEnd {
    UploadEnd {
        failed: names.iter().map(|name| path(name)).collect(),
        error: "no room".into(),
        ..UploadEnd::default()
    }
}

#[test]
fn outputs_gather_for_a_moment_and_the_run_ends_when_all_are_there() {
    let mut world = begun(uploading(false));
    world.end("c", StepEnd::Built);
    assert_eq!(world.uploads, [], "others may follow");
    world.now += Duration::from_secs(1);
    world.give([Input::Tick]);
    assert_eq!(batches(&world), [["c"]]);
    world.end("a", StepEnd::Built);
    world.end("b", StepEnd::Built);
    assert_eq!(batches(&world), [["c"]], "one batch at a time");
    assert_eq!(world.exit_code, None);
    world.give([
        Input::UploadNoted(0, UploadNote::Started(vec![path("c")])),
        Input::UploadEnded(0, uploaded(&["c"])),
    ]);
    assert_eq!(batches(&world), [["c"], ["b"]], "nothing else is to come");
    world.give([Input::UploadEnded(0, uploaded(&["b"]))]);
    assert_eq!(world.verdict(), Some((RunOutcome::Passed, 0)));
    let is_there = |event: &EventKind| {
        matches!(
            event,
            EventKind::UploadFinished {
                outcome: UploadOutcome::Uploaded,
                ..
            }
        )
    };
    assert_eq!(world.count(is_there), 2);
}

#[test]
fn what_is_built_on_the_way_goes_out_if_asked_for() {
    let mut world = begun(uploading(true));
    for name in ["a", "c", "b"] {
        world.end(name, StepEnd::Built);
    }
    assert_eq!(batches(&world), [["a", "c", "b"]]);
}

#[test]
fn a_check_that_failed_is_not_uploaded() {
    let mut world = begun(uploading(false));
    world.end("c", failed());
    world.end("a", StepEnd::Built);
    world.end("b", StepEnd::Built);
    assert_eq!(batches(&world), [["b"]]);
    world.give([Input::UploadEnded(0, refused(&["b"]))]);
    assert_eq!(
        world.verdict(),
        Some((RunOutcome::Failed, 1)),
        "the check weighs more"
    );
}

#[test]
fn a_failed_upload_ends_the_run_as_errored_and_no_check_as_failed() {
    let mut world = begun(uploading(false));
    for name in ["c", "a", "b"] {
        world.end(name, StepEnd::Built);
    }
    world.give([Input::UploadEnded(0, refused(&["b", "c"]))]);
    assert_eq!(
        world.outcomes(),
        [("c", Outcome::Built), ("b", Outcome::Built)]
    );
    assert_eq!(world.verdict(), Some((RunOutcome::Errored, 4)));
    let Some(EventKind::RunFinished { error, .. }) = world.events.last() else {
        panic!("the run is over");
    };
    assert_eq!(
        error.as_deref(),
        Some("cannot upload to file:///c: no room")
    );
}

#[test]
fn nothing_is_sent_to_where_nothing_arrives() {
    let mut world = begun(uploading(false));
    world.end("c", StepEnd::Built);
    world.now += Duration::from_secs(1);
    world.give([Input::Tick]);
    let end = UploadEnd {
        gave_up: true,
        ..refused(&["c"])
    };
    world.give([Input::UploadEnded(0, end)]);
    world.end("a", StepEnd::Built);
    world.end("b", StepEnd::Built);
    assert_eq!(batches(&world), [["c"]]);
    let told: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            EventKind::UploadFinished { paths, .. } => Some(paths.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(told, [vec![path("c")], vec![path("b")]]);
    assert_eq!(world.verdict(), Some((RunOutcome::Errored, 4)));
}

#[test]
fn a_run_that_is_stopped_sends_nothing_more_and_waits_for_what_runs() {
    let mut world = begun(uploading(false));
    world.end("c", StepEnd::Built);
    world.now += Duration::from_secs(1);
    world.give([Input::Tick]);
    world.end("a", StepEnd::Built);
    world.end("b", StepEnd::Built);
    world.give([Input::Stop(Stop::Interrupt)]);
    assert_eq!(world.exit_code, None, "an upload runs");
    assert!(world.cancelled);
    world.give([Input::UploadNoted(0, UploadNote::Started(vec![path("c")]))]);
    for effect in world.state.cut_uploads(world.now) {
        assert!(matches!(
            effect,
            Effect::Emit(EventKind::UploadFinished {
                outcome: UploadOutcome::UploadFailed,
                ..
            })
        ));
    }
    world.give([]);
    assert_eq!(batches(&world), [["c"]]);
    assert_eq!(world.verdict(), Some((RunOutcome::Cancelled, 130)));
}

#[test]
fn fail_fast_still_sends_what_passed() {
    let mut world = begun(RunSettings {
        fail_fast: true,
        ..uploading(false)
    });
    world.end("c", StepEnd::Built);
    world.end("a", failed());
    assert_eq!(batches(&world), [["c"]]);
    assert_eq!(world.exit_code, None);
    world.give([Input::UploadEnded(0, uploaded(&["c"]))]);
    assert_eq!(world.verdict(), Some((RunOutcome::Failed, 1)));
}
