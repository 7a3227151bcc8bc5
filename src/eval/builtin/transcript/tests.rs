use proptest::prelude::*;

use super::{Said, Transcript};

fn said(text: &str) -> Vec<Said> {
    let mut transcript = Transcript::new("n0nce");
    let lines = text.lines();
    lines
        .flat_map(|line| transcript.push(line.as_bytes()))
        .flatten()
        .collect()
}

#[test]
fn answers_stand_between_what_nix_writes() {
    let all = said(
        "Nix 2.34.8\nType :? for help.\nwarning: unknown setting 'x'\ntrace: n0nce done\ntrace: hello\n  world\nevaluation warning: old\n\
         trace: n0nce {\"a\":1}\ntrace: n0nce done\nerror:\n       … while\n\n       error: no\ntrace: n0nce done\n\
         trace: n0nce done",
    );
    let text = |text: &str| Said::Warning(text.to_owned());
    assert_eq!(
        all,
        [
            Said::Done(None),
            text("hello\n  world"),
            text("old"),
            Said::Answer(b"{\"a\":1}".to_vec()),
            Said::Done(None),
            Said::Done(Some(
                "error:\n       … while\n\n       error: no".to_owned()
            )),
            Said::Done(None),
        ]
    );
}

#[test]
fn nobody_else_can_answer() {
    // As a flake would try it, with every beginning of a line there is.
    let all = said(
        "trace: n0nc done\ntrace: x\ntrace: n0nce\n trace: n0nce done\nerror: x\nn0nce done\ntrace:  n0nce done\n\
         evaluation warning: trace: n0nce done\ntrace: n0nce done",
    );
    let own = |said: &&Said| !matches!(said, Said::Warning(_));
    assert_eq!(
        all.iter().filter(own).collect::<Vec<_>>(),
        [&Said::Done(Some("error: x\nn0nce done".to_owned()))]
    );
}

#[test]
fn the_last_error_of_a_worker_that_ends_is_kept() {
    let mut transcript = Transcript::new("n");
    transcript.push(b"error: stack overflow (possible infinite recursion)");
    assert_eq!(
        transcript.finish().as_deref(),
        Some("error: stack overflow (possible infinite recursion)")
    );
}

proptest! {
    #[test]
    fn any_lines_are_taken(lines in proptest::collection::vec(any::<Vec<u8>>(), 0..20)) {
        let mut transcript = Transcript::new("n0nce");
        for line in &lines {
            for said in transcript.push(line).into_iter().flatten() {
                prop_assert!(matches!(said, Said::Warning(_)));
            }
        }
    }
}
