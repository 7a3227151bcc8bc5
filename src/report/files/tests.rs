use std::{fs, path::Path};

use super::{Files, ReportFiles};
use crate::{
    event::{EventKind, RunOutcome},
    report::{
        Detail, ReportFile, StreamFile,
        options::tests::options,
        script::progress,
        summary::{Ending, Summary, tests::disaster},
    },
};

fn end(files: &mut Files, summary: &Summary) {
    let counts = files.record().counts();
    let ending = Ending {
        outcome: RunOutcome::Failed,
        counts: &counts,
        duration: files.record().elapsed,
        error: None,
    };
    files.end(summary, ending, &options());
}

#[test]
fn each_file_gets_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("summary"), "by another step\n").unwrap();
    let mut files = Files::new(ReportFiles {
        junit: Some(ReportFile::new(&path("junit")).unwrap()),
        markdown: Some(ReportFile::new(&path("markdown")).unwrap()),
        json: Some(StreamFile::new(&path("json")).unwrap()),
        step_summary: Some(path("summary")),
    });
    let mut summary = Summary::new(5);
    let script = disaster().tick(progress());
    let events = &script.events;
    for event in events {
        files.observe(event, Detail::Events);
        summary.observe(event);
    }
    let lines = fs::read_to_string(path("json")).unwrap();
    assert_eq!(lines.lines().count(), events.len() - 1);
    assert!(!path("junit").exists() && !path("markdown").exists());
    end(&mut files, &summary);
    // Once is enough.
    end(&mut files, &summary);
    let read = |name: &str| fs::read_to_string(path(name)).unwrap();
    assert!(read("junit").starts_with("<?xml ") && read("junit").ends_with("</testsuites>\n"));
    assert!(read("markdown").starts_with("## ✖ nixci: `my-flake`"));
    assert_eq!(
        read("summary"),
        format!("by another step\n{}", read("markdown"))
    );
    assert!(files.take_errors().is_empty());
}

#[test]
fn the_first_line_is_there_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("json");
    let mut files = Files::new(ReportFiles {
        json: Some(StreamFile::new(&path).unwrap()),
        ..ReportFiles::default()
    });
    let script = disaster();
    assert!(matches!(
        script.events[0].kind,
        EventKind::RunStarted { .. }
    ));
    files.observe(&script.events[0], Detail::Events);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[test]
fn a_full_disk_costs_the_files_alone() {
    let full = Path::new("/dev/full");
    let mut files = Files::new(ReportFiles {
        junit: Some(ReportFile::new(full).unwrap()),
        json: Some(StreamFile::new(full).unwrap()),
        step_summary: Some("/dev/full/summary".into()),
        ..ReportFiles::default()
    });
    let mut summary = Summary::new(5);
    for event in &disaster().events {
        files.observe(event, Detail::Logs);
        summary.observe(event);
    }
    end(&mut files, &summary);
    let errors: Vec<_> = files
        .take_errors()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        errors,
        [
            "cannot write to `/dev/full`: No space left on device (os error 28)",
            "cannot write to `/dev/full`: No space left on device (os error 28)",
            "cannot write to `/dev/full/summary`: Not a directory (os error 20)",
        ]
    );
}
