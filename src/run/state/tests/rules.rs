//! Options of single checks.

use std::time::Duration;

use super::*;
use crate::{config::CheckRule, nix::CheckPattern};

/// Rules of which each chooses the checks of one name.
fn rules(rules: &[(&str, CheckRule)]) -> CheckRules {
    let rules = rules.iter().map(|(name, rule)| CheckRule {
        name: CheckPattern::parse(name).unwrap(),
        ..rule.clone()
    });
    CheckRules::new(rules.collect(), AttrPath::new(["checks"]), Vec::new())
}

fn rule() -> CheckRule {
    CheckRule {
        name: CheckPattern::parse("**").unwrap(),
        allow_failure: None,
        timeout: None,
        local: None,
    }
}

#[test]
fn only_a_lost_daemon_fails_a_run_whose_checks_may_fail() {
    let may_fail = CheckRule {
        allow_failure: Some(true),
        ..rule()
    };
    for (end, code) in [
        (failed(), 0),
        (StepEnd::TimedOut("slow".into()), 0),
        (StepEnd::Infrastructure("disk full".into()), 4),
    ] {
        let mut world = World::new(RunSettings {
            rules: rules(&[("a", may_fail.clone())]),
            fail_fast: true,
            ..settings()
        });
        world.find(&["a", "b"]);
        world.evaluation_ends();
        world.plan(&["a", "b"], vec![build("a", &[]), build("b", &[])]);
        world.end("a", end.clone());
        if code == 0 {
            assert!(!world.cancelled, "{end:?}");
        }
        world.end("b", StepEnd::Built);
        assert_eq!(world.exit_code, Some(code), "{end:?}");
        let allowed = world.events.iter().find_map(|event| match event {
            EventKind::CheckFinished { name, allowed, .. } if name == "a" => Some(*allowed),
            _ => None,
        });
        assert_eq!(allowed, Some(code == 0), "{end:?}");
        let of_step = world.events.iter().find_map(|event| match event {
            EventKind::StepFinished { name, allowed, .. } if name == "a" => Some(*allowed),
            _ => None,
        });
        assert_eq!(of_step, Some(code == 0), "{end:?}");
    }
}

#[test]
fn a_step_may_fail_if_every_check_above_it_may() {
    for (checks, may) in [(&["a", "b"][..], true), (&["a", "b", "must"][..], false)] {
        let may_fail = CheckRule {
            allow_failure: Some(true),
            ..rule()
        };
        let mut world = World::new(RunSettings {
            rules: rules(&[("a", may_fail.clone()), ("b", may_fail)]),
            ..settings()
        });
        world.find(checks);
        let mut steps = vec![build("lib", &[])];
        steps.extend(checks.iter().map(|check| build(check, &["lib"])));
        world.plan(checks, steps);
        world.end("lib", failed());
        let allowed = world.events.iter().find_map(|event| match event {
            EventKind::StepFinished { name, allowed, .. } if name == "lib" => Some(*allowed),
            _ => None,
        });
        assert_eq!(allowed, Some(may), "{checks:?}");
    }
}

#[test]
fn a_build_may_take_as_long_as_the_check_that_may_take_longest() {
    let limit = |seconds| CheckRule {
        timeout: Some(Duration::from_secs(seconds)),
        ..rule()
    };
    let mut world = World::new(RunSettings {
        rules: rules(&[("slow", limit(60)), ("quick", limit(5))]),
        timeout: Some(Duration::from_secs(10)),
        slots: 10,
        ..settings()
    });
    world.find(&["slow", "quick", "usual"]);
    world.plan(
        &["slow", "quick", "usual"],
        vec![
            build("all", &[]),
            build("two", &[]),
            build("one", &[]),
            build("slow", &["all"]),
            build("quick", &["all", "two", "one"]),
            build("usual", &["two"]),
        ],
    );
    let limit_of = |name: &str| {
        let start = world.running.iter().find(|start| start.target == drv(name));
        start.unwrap().limits.timeout.map(|limit| limit.as_secs())
    };
    assert_eq!(limit_of("all"), Some(60));
    assert_eq!(limit_of("two"), None, "as long as all others");
    assert_eq!(limit_of("one"), Some(5));
}
