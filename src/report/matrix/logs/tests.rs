use super::{BYTES_MAX, LOG_BYTES_MAX, Logs};
use crate::{
    event::Outcome,
    report::{
        line_ring::LINE_BYTES_MAX,
        script::{Script, drv},
    },
};

fn logs(script: &Script) -> Logs {
    let mut logs = Logs::default();
    for event in &script.events {
        logs.observe(event);
    }
    logs
}

#[test]
fn logs_of_what_runs_and_what_failed_are_kept() {
    let script = Script::default()
        .step("a", "", &["x.a"])
        .log("a", &["one", "two"])
        .step("b", "", &[])
        .log("b", &["three"])
        .step("c", "", &[])
        .step_ends("a", Outcome::Failed, 1_000, &["x.a", "x.d"])
        .step_ends("c", Outcome::Built, 1_000, &[])
        // Its log is in its end alone.
        .step_ends("e", Outcome::Failed, 1_000, &[])
        .download("f");
    let logs = logs(&script);
    let names: Vec<_> = logs.in_order().map(|(_, log)| log.name.as_str()).collect();
    assert_eq!(names, ["a", "e", "b"]);
    assert_eq!(logs.failed(), 2);
    let lines = |name: &str| {
        let lines = logs.of(&drv(name)).unwrap().lines.lines_from(0);
        lines
            .map(|(number, line)| format!("{number} {line}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(lines("a")[..3], ["0 one", "1 two", "2 "]);
    assert_eq!(lines("e")[0], "1231 line 1 of e");
    assert_eq!(logs.of(&drv("a")).unwrap().checks, ["x.a", "x.d"]);
}

#[test]
fn a_flood_costs_bounded_memory() {
    let line = "x".repeat(1000);
    let mut script = Script::default().step("a", "", &[]);
    let lines = vec![line.as_str(); 500];
    for _ in 0..10 {
        script = script.log("a", &lines);
    }
    let huge = "é".repeat(LINE_BYTES_MAX);
    script = script.log("a", &[&huge, "last"]);
    let logs = logs(&script);
    let log = logs.of(&drv("a")).unwrap();
    assert!(logs.bytes <= LOG_BYTES_MAX, "{}", logs.bytes);
    assert_eq!(log.lines.end_line(), 5_002);
    let (number, text) = log.lines.lines_from(0).next_back().unwrap();
    assert_eq!((number, text), (5_001, "last"));
    assert_eq!(
        log.lines.lines_from(5_000).next().unwrap().1.len(),
        LINE_BYTES_MAX
    );
}

#[test]
fn many_failures_leave_the_ends_of_the_oldest() {
    let line = "x".repeat(10_000);
    let lines = vec![line.as_str(); 104];
    let mut script = Script::default();
    for n in 0..80 {
        let name = format!("s{n}");
        script = script
            .step(&name, "", &[])
            .log(&name, &lines)
            .log(&name, &["short"; 99])
            .step_ends(&name, Outcome::Failed, 1, &[]);
    }
    let logs = logs(&script);
    assert!(logs.bytes <= BYTES_MAX, "{}", logs.bytes);
    assert_eq!(logs.in_order().count(), 80);
    let kept = |name: &str| logs.of(&drv(name)).unwrap().lines.lines_from(0).len();
    assert_eq!(kept("s0"), super::LINES_LEFT);
    assert!(kept("s79") > super::LINES_LEFT);
}
