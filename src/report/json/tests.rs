use std::io::{self, Write};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{Detail, write_event};
use crate::{
    event::{Event, Outcome, RunOutcome},
    report::script::{Script, any_events, progress},
};

fn written(events: &[Event], detail: Detail) -> String {
    let mut out = Vec::new();
    for event in events {
        write_event(&mut out, event, detail).unwrap();
    }
    String::from_utf8(out).unwrap()
}

fn script() -> Script {
    Script::start(&["x86_64-linux"])
        .at(12)
        .found("x86_64-linux.\"a\u{1b}\n.b\"")
        .tick(progress())
        .step("clippy", "build-2", &["x86_64-linux.clippy"])
        .log("clippy", &["one", "\u{1b}[31mtwo\u{0}"])
        .step_ends("clippy", Outcome::Built, 1_234, &["x86_64-linux.clippy"])
        .check_ends("x86_64-linux.clippy", Outcome::Built, 1_234)
        .at(2_000)
        .end(RunOutcome::Passed)
}

#[test]
fn an_event_is_a_line() {
    assert_snapshot!("lines", written(&script().events, Detail::Logs));
}

#[test]
fn ticks_and_logs_are_written_only_where_asked_for() {
    let count = |kind: &str| {
        let kind = format!("\"event\":\"{kind}\"");
        [Detail::Events, Detail::Logs, Detail::Display]
            .map(|detail| written(&script().events, detail).matches(&kind).count())
    };
    assert_eq!(count("ticked"), [0, 0, 1]);
    assert_eq!(count("step_logged"), [0, 1, 1]);
    assert_eq!(count("step_started"), [1, 1, 1]);
}

/// A writer that counts what reaches it, and breaks after a while.
#[derive(Default)]
struct Pipe {
    writes: usize,
    flushes: usize,
    is_broken: bool,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.writes += 1;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushes += 1;
        Ok(())
    }
}

#[test]
fn every_line_is_written_whole_and_flushed() {
    let mut pipe = Pipe::default();
    for event in &script().events {
        write_event(&mut pipe, event, Detail::Events).unwrap();
    }
    assert_eq!((pipe.writes, pipe.flushes), (6, 6));
}

#[test]
fn a_reader_that_left_is_told_to_the_caller() {
    let mut pipe = Pipe {
        is_broken: true,
        ..Pipe::default()
    };
    let error = write_event(&mut pipe, &script().events[0], Detail::Events).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

proptest! {
    #[test]
    fn a_line_holds_exactly_one_event(events in any_events()) {
        let text = written(&events, Detail::Display);
        let read: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(read, events);
    }
}
