use std::time::Duration;

use crate::{
    event::{EventKind, Outcome, RunOutcome},
    nix::System,
    report::{
        ReportOptions,
        options::tests::options,
        script::Script,
        styles::Styles,
        summary::{
            Extent,
            tests::{X86, last_line, lines},
        },
    },
};

#[test]
fn the_last_line_counts_by_outcome() {
    use Outcome::{Built, Cached, Cancelled, Failed, Skipped, Unsupported};
    use RunOutcome::Passed;
    let run = |outcomes: &[Outcome], end| {
        let mut script = Script::start(&[X86]);
        for (i, outcome) in outcomes.iter().enumerate() {
            script = script.check_ends(&format!("{X86}.c{i}"), *outcome, 1);
        }
        last_line(&script.at(72_000).end(end))
    };
    assert_eq!(run(&[Built, Built], Passed), "✔ 2 passed  in 1m12s");
    assert_eq!(
        run(&[Cached, Cached], Passed),
        "✔ 2 passed (2 cached)  in 1m12s"
    );
    assert_eq!(
        run(&[Built, Cached], Passed),
        "✔ 2 passed (1 built, 1 cached)  in 1m12s"
    );
    assert_eq!(
        run(&[Failed, Failed], RunOutcome::Failed),
        "✖ 2 failed  in 1m12s"
    );
    assert_eq!(run(&[Skipped; 1200], Passed), "– 1,200 skipped  in 1m12s");
    assert_eq!(
        run(
            &[Built, Failed, Unsupported, Cancelled],
            RunOutcome::Cancelled
        ),
        "stopped  ✔ 1 passed  ✖ 1 failed  – 1 unsupported, 1 cancelled  in 1m12s"
    );
    assert_eq!(
        run(&[], RunOutcome::Errored),
        "✖ nothing was checked  in 1m12s"
    );
    assert_eq!(run(&[], RunOutcome::Cancelled), "– stopped  in 1m12s");
}

#[test]
fn a_run_that_was_stopped_says_by_what() {
    let stopped = |script: Script| {
        script.then(EventKind::RunCancelled {
            reason: "SIG\u{1b}INT".into(),
        })
    };
    let script = stopped(Script::start(&[X86])).check_ends("x86_64-linux.a", Outcome::Cancelled, 0);
    assert_eq!(
        last_line(&script.end(RunOutcome::Cancelled)),
        r"stopped (SIG\u{1b}INT)  – 1 cancelled  in 0.0s"
    );
    let script = stopped(Script::start(&[X86]));
    assert_eq!(
        last_line(&script.end(RunOutcome::Cancelled)),
        r"– stopped (SIG\u{1b}INT)  in 0.0s"
    );
}

#[test]
fn where_nothing_is_to_check_the_systems_are_named_that_have_something() {
    let finished = |systems: &[&str], available: &[&str]| {
        let systems_available = available
            .iter()
            .map(|system| System::of_derivation(system))
            .collect();
        Script::start(systems)
            .then(EventKind::EvaluationFinished {
                checks: 0,
                failed: 0,
                duration: Duration::ZERO,
                cached: false,
                systems_available,
            })
            .end(RunOutcome::Passed)
    };
    assert_eq!(
        last_line(&finished(&[X86], &["aarch64-darwin", "x86_64-darwin"])),
        "– No checks for x86_64-linux; the flake has checks for aarch64-darwin, x86_64-darwin  in 0.0s"
    );
    assert_eq!(
        last_line(&finished(&[], &[])),
        "– No checks for all systems  in 0.0s"
    );
    let options = ReportOptions {
        attribute: "hydraJobs".into(),
        ..options()
    };
    let script = finished(&[X86], &["aarch64-linux"]);
    assert_eq!(
        lines(&script.events, Extent::Full, &options, &Styles::default()),
        [
            "- Nothing to check in `hydraJobs` for x86_64-linux; it has something for aarch64-linux  in 0.0s"
        ]
    );
}
