use std::time::Duration;

use super::HashFix;
use crate::{
    event::{Counts, EventKind, Outcome, RunOutcome},
    report::{
        script::Script,
        source_tree::tests::Files,
        summary::{Ending, Summary, tests::X86},
    },
};

const WRONG: &str = "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
const RIGHT: &str = "sha256-n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";

fn error(specified: &str, got: &str) -> String {
    format!(
        "hash mismatch in fixed-output derivation '/nix/store/h-src.drv':\n  specified: {specified}\n     got:    {got}"
    )
}

/// What is told of wrong hashes in a tree with this file.
fn fixes(errors: &[String], text: String) -> Vec<HashFix> {
    let mut summary = Summary::new(5);
    for (i, text) in errors.iter().enumerate() {
        let name = format!("src-{i}");
        let mut script = Script::start(&[X86]).step_ends(&name, Outcome::Failed, 1, &[]);
        if let Some(EventKind::StepFinished { error, .. }) =
            script.events.last_mut().map(|event| &mut event.kind)
        {
            error.clone_from(text);
        }
        script
            .events
            .iter()
            .for_each(|event| _ = summary.observe(event));
    }
    summary.look_into(&Files(vec![("pkgs/src.nix", text)]));
    summary
        .failures
        .into_iter()
        .filter_map(|failure| failure.fix)
        .collect()
}

fn told(fix: &HashFix) -> Vec<String> {
    fix.places
        .iter()
        .map(|found| {
            format!(
                "{}:{} {}",
                found.place.line, found.place.column, found.right
            )
        })
        .collect()
}

#[test]
fn the_wrong_hash_is_found_however_it_is_written() {
    for (written, right) in [
        (WRONG, RIGHT),
        (
            "sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
            "02052iqh2v2jqb42r1zb3wwzx57lig2zb5xgxr6jrsv7h218d16z",
        ),
        (
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ),
    ] {
        let text = format!("{{\n  url = \"https://x/y\";\n  hash = \"{written}\";\n}}");
        let fixes = fixes(&[error(WRONG, RIGHT)], text);
        let place = if written.starts_with("sha256:") {
            "3:18"
        } else {
            "3:11"
        };
        if written.len() == 59 {
            // Whatever the digits of the other hash in base 32 are, they are in base 32.
            assert!(
                told(&fixes[0])[0].starts_with(place),
                "{:?}",
                told(&fixes[0])
            );
            assert_eq!(fixes[0].places[0].right.len(), 52);
        } else {
            assert_eq!(told(&fixes[0]), [format!("{place} {right}")]);
        }
    }
}

#[test]
fn a_fake_hash_is_only_told_where_there_is_one() {
    let fake = format!("sha256-{}=", "A".repeat(43));
    let one = fixes(&[error(&fake, RIGHT)], "hash = lib.fakeHash;".into());
    // `lib.fakeHash` is two words.
    assert_eq!(told(&one[0]), [format!("1:12 \"{RIGHT}\"")]);
    let two = fixes(&[error(&fake, RIGHT)], "a = fakeHash; b = fakeHash;".into());
    assert_eq!(told(&two[0]), Vec::<String>::new());
    let errors = [error(&fake, RIGHT), error(&fake, WRONG)];
    let shared = fixes(&errors, "hash = lib.fakeHash;".into());
    assert_eq!(shared.iter().map(|fix| told(fix).len()).sum::<usize>(), 0);
}

#[test]
fn few_places_are_told() {
    let fixes = fixes(&[error(WRONG, RIGHT)], format!("{WRONG}\n").repeat(9));
    assert_eq!(fixes[0].places.len(), 3);
}

#[test]
fn a_mismatch_in_the_evaluation_is_read_from_every_nix() {
    let fetched = "hash mismatch in file downloaded from 'file:///f':\n  \
                   specified: sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic\n  \
                   got:       sha256:00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq";
    let fix = HashFix::parse(fetched).unwrap();
    assert_eq!(fix.specified.to_string(), WRONG);
    for text in [
        format!(
            "NAR hash mismatch in input 'x?narHash={WRONG}' (/nix/store/h), expected '{WRONG}', got '{RIGHT}'"
        ),
        format!("NAR hash mismatch in input 'x', expected '{WRONG}' but got '{RIGHT}'"),
    ] {
        let fix = HashFix::parse(&text).unwrap();
        assert_eq!(
            (fix.specified.to_string(), fix.got.to_string()),
            (WRONG.into(), RIGHT.into())
        );
    }
}

#[test]
fn a_mismatch_in_the_evaluation_is_found_in_the_tree() {
    let mut summary = Summary::new(5);
    let script = Script::start(&[X86]).then(EventKind::EvaluationFailed {
        check: Some("a".into()),
        error: error(WRONG, RIGHT),
        file: Some("flake.nix".into()),
        line: Some(9),
        column: Some(1),
        allowed: false,
    });
    for event in &script.events {
        summary.observe(event);
    }
    summary.look_into(&Files(vec![("pkgs/src.nix", format!("\"{WRONG}\""))]));
    let counts = Counts::default();
    let entries = summary.entries(Ending {
        outcome: RunOutcome::Failed,
        counts: &counts,
        duration: Duration::ZERO,
        error: None,
    });
    let entry = &entries[0];
    assert_eq!(entry.place().as_deref(), Some("pkgs/src.nix:1:2"));
    assert_eq!(
        entry.fix.unwrap().one_line("->"),
        format!("{WRONG} -> {RIGHT}")
    );
    assert_eq!(entry.reason.len(), 1, "{:?}", entry.reason);
}

#[test]
fn other_errors_are_no_mismatch() {
    assert_eq!(HashFix::parse("builder failed with exit code 1"), None);
    assert_eq!(HashFix::parse(&error(WRONG, "sha256-x")), None);
    assert_eq!(HashFix::parse("specified: x\ngot: y"), None);
}
