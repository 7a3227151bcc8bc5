use insta::assert_snapshot;
use jiff::Timestamp;
use proptest::prelude::*;

use super::{Annotation, Dialect};

fn annotation(title: &str, message: &str) -> Annotation {
    Annotation {
        title: title.into(),
        message: message.into(),
        ..Annotation::default()
    }
}

fn command(annotation: Annotation) -> String {
    Dialect::Github.annotations(&[annotation]).remove(0)
}

#[test]
fn an_annotation_is_one_command_whatever_its_texts_hold() {
    let place = Annotation {
        file: Some("a,b:c/100%.nix".into()),
        line: Some(3),
        column: Some(7),
        ..annotation(
            "fmt: failed, 50% of it",
            "one\n  two %0A\r\n::error::three\u{1b}[31m\n",
        )
    };
    assert_snapshot!(command(place.clone()), @r"::error file=a%2Cb%3Ac/100%25.nix,line=3,col=7,title=fmt%3A failed%2C 50%25 of it::one%0A  two %250A%0A::error::three\u{1b}[31m");
    let other = command(annotation("##[group]", "x ##vso[task.complete]"));
    assert_eq!(other, "::error title=# #[group]::x # #vso[task.complete]");
    let nowhere = Annotation {
        file: None,
        ..place
    };
    assert!(command(nowhere).starts_with("::error title=fmt"));
    let no_line = Annotation {
        file: Some("flake.nix".into()),
        column: Some(1),
        ..annotation("x", "y")
    };
    assert_eq!(command(no_line), "::error file=flake.nix,title=x::y");
}

#[test]
fn no_more_annotations_than_are_shown() {
    let many: Vec<_> = (0..25)
        .map(|i| annotation(&format!("n{i}"), "why"))
        .collect();
    assert_eq!(Dialect::Github.annotations(&many[..10]).len(), 10);
    let lines = Dialect::Github.annotations(&many);
    assert_eq!(lines.len(), 10);
    assert_eq!(lines[8], "::error title=n8::why");
    assert_eq!(
        lines[9],
        "::error title=16 more failures::The log and the summary have all of them."
    );
    assert!(Dialect::Gitlab.annotations(&many).is_empty());
}

#[test]
fn what_may_fail_is_a_warning_and_takes_no_room_from_errors() {
    let warning = |i: usize| Annotation {
        is_warning: true,
        ..annotation(&format!("w{i}"), "why")
    };
    let all: Vec<_> = (0..12)
        .map(warning)
        .chain([annotation("e", "why")])
        .collect();
    let lines = Dialect::Github.annotations(&all);
    assert_eq!(lines.len(), 11);
    assert_eq!(lines[0], "::error title=e::why");
    assert_eq!(lines[1], "::warning title=w0::why");
    assert!(lines[10].starts_with("::warning title=3 more failures::"));
}

#[test]
fn a_long_text_is_cut() {
    let line = command(annotation(&"t".repeat(9_000), &"m\n".repeat(9_000)));
    assert!(line.len() < 20_000, "{}", line.len());
    assert!(line.contains(&format!("title={}::", "t".repeat(255))));
}

#[test]
fn folds_are_as_each_ci_wants_them() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let title = "       \u{1b}[32mBuilt\u{1b}[0m a in 100% of 1s";
    for dialect in [Dialect::Github, Dialect::Gitlab] {
        let fold = format!(
            "{}\n{}",
            dialect.fold(7, title, at(1_000)),
            dialect.end_of_fold(7, at(1_009))
        );
        let expected = match dialect {
            Dialect::Github => "::group::Built a in 100%25 of 1s\n::endgroup::",
            Dialect::Gitlab => {
                "\u{1b}[0Ksection_start:1000:nixci_7[collapsed=true]\r\u{1b}[0K       \u{1b}[32mBuilt\u{1b}[0m a in 100% of 1s\n\
                 \u{1b}[0Ksection_end:1009:nixci_7\r\u{1b}[0K"
            }
        };
        assert_eq!(fold, expected);
    }
}

proptest! {
    #[test]
    fn no_text_breaks_out_of_its_command(title: String, file: String, message: String) {
        let line = command(Annotation { file: Some(file), line: Some(1), ..annotation(&title, &message) });
        prop_assert!(!line.contains("##["));
        prop_assert!(!line.contains(['\n', '\r', '\u{1b}', '\u{2028}']), "{line:?}");
        let rest = line.strip_prefix("::error ").unwrap();
        // The first `::` behind the properties ends them: none of them has one.
        let (properties, _) = rest.split_once("::").unwrap();
        prop_assert_eq!(properties.split(',').count(), 3);
        prop_assert!(properties.starts_with("file=") && properties.contains(",line=1,title="));
    }
}
