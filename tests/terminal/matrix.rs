//! The matrix at several widths, from its first frame to what stays of it.

use regex::Regex;

use crate::{
    check, gate,
    support::{
        Project,
        project::{FOREIGN_SYSTEM, SYSTEM},
        redact::redact,
        store::TestStore,
    },
    terminal::Terminal,
};

const PHASE: &str = r#"echo '@nix {"action":"setPhase","phase":"buildPhase"}' >&2
"#;

/// Checks of every kind: `slow` waits at a gate, two need `lib`, which fails behind that gate too.
fn project(store: &TestStore) -> Project<'_> {
    let gate = gate::wait(store, "end");
    let lib = format!("{PHASE}{gate}echo 'lib is broken' >&2; exit 3");
    let slow = format!("{PHASE}echo compiling 1 of 2; {gate}echo > $out");
    Project::new(store)
        .binding(
            "lib",
            &format!(
                r#"build "lib" {} {{ }}"#,
                crate::support::project::nix_string(&lib)
            ),
        )
        .expression("app", r#"build "app" "echo ${lib} > $out" { }"#)
        .expression("docs", r#"build "docs" "echo ${lib} > $out" { }"#)
        .check("fmt", "echo > $out")
        .check("slow", &slow)
        .expression("throws", r#"throw "not today\nnor tomorrow""#)
        .check_on(FOREIGN_SYSTEM, "fmt", "echo > $out")
        .committed()
}

/// Looks at a run at this width, below some lines of earlier commands that fill the screen.
fn looks_right(columns: u16) {
    let store = gate::store();
    let project = project(&store);
    let earlier: Vec<String> = (0..30).map(|n| format!("$ command {n}")).collect();
    let earlier: Vec<&str> = earlier.iter().map(String::as_str).collect();
    let command = check(&project, &["--all-systems", "-j", "2"]);
    let mut terminal = Terminal::start_below(command, 24, columns, &earlier);
    let rows = terminal.wait_until("the running build with its phase", |rows| {
        let both_run = rows.iter().filter(|row| row.contains("buildPhase")).count() == 2;
        let has = |text| rows.iter().any(|row| row.contains(text));
        both_run && has("✔ 1 ✖ 1 – 1") && (columns < 60 || has("compiling 1"))
    });
    let midst = terminal.emulator().transcript().join("\n");
    assert!(
        !terminal.emulator().has_wrapped_below(" project "),
        "{midst}"
    );
    let step = rows.iter().find(|row| row.contains("check-slow")).unwrap();
    let elapsed = Regex::new(r"buildPhase  \d+\.\ds").unwrap();
    assert!(elapsed.is_match(step), "{midst}");
    let title = rows.iter().find(|row| row.contains("project")).unwrap();
    assert_eq!(title.contains(SYSTEM), columns >= 60, "{midst}");
    let status = rows.iter().rfind(|row| !row.is_empty()).unwrap();
    assert!(status.contains("2 builds"), "{midst}");

    gate::open(&store, "end");
    assert_eq!(terminal.finish_in_order(), Some(1));
    let transcript = terminal.emulator().transcript();
    let (above, own) = transcript.split_at(earlier.len());
    assert_eq!(above, earlier);
    // The commit holds the store's folder, and a long second makes a longer text.
    insta::with_settings!({filters => [("project  [0-9a-f]{7}", "project  ccccccc"), (r"\d+\.\ds", "0.0s")]}, {
        insta::assert_snapshot!(format!("columns_{columns}"), redact(&own.join("\n")));
    });
}

#[test]
fn at_40_columns() {
    looks_right(40);
}

#[test]
fn at_60_columns() {
    looks_right(60);
}

#[test]
fn at_80_columns() {
    looks_right(80);
}

#[test]
fn at_200_columns() {
    looks_right(200);
}
