use proptest::prelude::*;

use super::{
    Annotation, AnnotationLevel, CheckOutput, CheckRun, CheckState, code_span, fenced,
    markdown::{plain, shortened},
};

fn chars(text: &str) -> usize {
    text.chars().count()
}

#[test]
fn markdown_injection() {
    let hostile = "<details>\u{1b}[31m![x](https://elsewhere.example/x.png)\u{202e}\n```\n</details> @maintainer #1\n````";
    insta::assert_snapshot!(fenced(hostile, 1000), @"
    `````text
    <details>![x](https://elsewhere.example/x.png)
    ```
    </details> @maintainer #1
    ````
    `````
    ");
    insta::assert_snapshot!(code_span("`@maintainer` | ``x``\n<b>"), @"``` `@maintainer` \\| ``x`` <b> ```");
    assert_eq!(code_span(" \n\u{200b}"), "");
}

#[test]
fn of_a_long_log_the_end_is_shown() {
    let lines: Vec<_> = (0..1000).map(|n| format!("line {n}\n")).collect();
    let log = lines.concat();
    let shown = fenced(&log, 60);
    insta::assert_snapshot!(shown, @"
    ```text
    …
    line 995
    line 996
    line 997
    line 998
    line 999
    ```
    ");
    assert!(chars(&shown) <= 60);
}

#[test]
fn cut_markdown_ends_its_fence() {
    let text = format!("head\n\n````text\n{}\n````\n", "line\n".repeat(100));
    let cut = shortened(&text, 100);
    assert!(cut.ends_with("line\n````\n…"), "{cut}");
    assert!(chars(&cut) <= 100);
    let closed = format!("````text\nx\n```\ny\n````\n{}", "word ".repeat(100));
    assert!(
        shortened(&closed, 60).ends_with("word w\n…")
            || !shortened(&closed, 60).contains("````\n…")
    );
    assert_eq!(shortened("short", 5), "short");
}

#[test]
fn what_follows_says_only_what_is_more() {
    let annotation = Annotation {
        path: "flake.nix".to_owned(),
        line: 0,
        level: AnnotationLevel::Warning,
        title: String::new(),
        message: "x".to_owned(),
    };
    let run = CheckRun {
        name: "nixci/eval".to_owned(),
        commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        details_url: None,
        external_id: String::new(),
        state: CheckState::Queued,
        started_at: None,
        output: Some(CheckOutput {
            annotations: vec![annotation; 2000],
            ..CheckOutput::default()
        }),
        buttons: Vec::new(),
    };
    let bodies = run.bodies();
    assert_eq!(bodies.len(), 10, "five hundred at most, fifty at once");
    assert!(bodies[1].get("status").is_none() && bodies[1].get("name").is_none());
    assert_eq!(bodies[0]["output"]["annotations"][0]["start_line"], 1);
}

proptest! {
    #[test]
    fn nothing_gets_out_of_its_fence(text in "[`\n a-c|]{0,80}", max in 20_usize..120) {
        let shown = fenced(&text, max);
        let fence = shown.lines().next().unwrap().trim_end_matches("text").to_owned();
        let inner: Vec<_> = shown.lines().skip(1).collect();
        let (last, inner) = inner.split_last().unwrap();
        prop_assert_eq!(*last, fence.as_str());
        prop_assert!(inner.iter().all(|line| !line.contains(&fence)));
        prop_assert!(chars(&shown) <= max || chars(&text) < 2 * fence.len() || max < 2 * fence.len() + 8);
        let span = code_span(&text);
        if !span.is_empty() {
            let tick = span.split(' ').next().unwrap();
            prop_assert!(!span.contains('\n'));
            prop_assert!(!span[tick.len()..span.len() - tick.len()].split(|c| c != '`').any(|run| run == tick));
        }
    }

    #[test]
    fn what_is_cut_is_never_too_long(text in "(`{3,5}(text)?\n|[a-zé]{0,9}\n){0,30}", max in 0_usize..200) {
        prop_assert!(chars(&shortened(&text, max)) <= max.max(chars(&text).min(max)));
    }

    #[test]
    fn what_is_shown_can_be_seen(text in "\\PC{0,40}|[\u{1b}\u{7}\u{202e}\r\n\t\u{feff}\\[0-9;m]{0,40}") {
        prop_assert!(plain(&text).chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
    }
}
