use super::{BYTES_MAX, BuildLogs, LINES_MAX};
use crate::{event::Outcome, report::script::Script};

fn log_of(script: &Script) -> Option<(usize, u64)> {
    let mut logs = BuildLogs::default();
    let ended: Vec<_> = script
        .events
        .iter()
        .filter_map(|event| logs.observe(event))
        .collect();
    assert!(logs.0.is_empty() && ended.len() <= 1);
    ended
        .first()
        .map(|log| (log.lines.len(), log.lines.before()))
}

#[test]
fn a_log_comes_when_its_build_has_ended() {
    let begun = || Script::default().step("a", "", &[]);
    let ended = |script: Script| log_of(&script.step_ends("a", Outcome::Built, 1, &[]));
    assert_eq!(ended(begun()), None);
    assert_eq!(
        ended(begun().log("a", &["1", "2"]).log("b", &["?"])),
        Some((2, 0))
    );
    assert_eq!(
        ended(Script::default().download("a").log("a", &["1"])),
        None
    );
}

#[test]
fn the_end_of_a_long_log_is_kept() {
    let mut many = Script::default().step("a", "", &[]);
    for _ in 0..LINES_MAX / 2 {
        many = many.log("a", &["x", "y", "z"]);
    }
    let dropped = LINES_MAX / 2 * 3 - LINES_MAX;
    assert_eq!(
        log_of(&many.step_ends("a", Outcome::Failed, 1, &[])),
        Some((LINES_MAX, dropped as u64))
    );
    let wide = "x".repeat(BYTES_MAX / 32);
    let mut long = Script::default().step("a", "", &[]);
    for _ in 0..40 {
        long = long.log("a", &[&wide]);
    }
    assert_eq!(
        log_of(&long.step_ends("a", Outcome::Failed, 1, &[])),
        Some((31, 9))
    );
}
