//! What the surroundings and the user choose: plain lines or the matrix, colours or none, more or less of it.

use std::process::{Command, Stdio};

use crate::{
    check, gate, run,
    support::{Project, store::TestStore},
    terminal::Terminal,
};

fn project(store: &TestStore) -> Project<'_> {
    Project::new(store)
        .check("passes", "echo a line of its log; echo > $out")
        .failing("fails")
        .committed()
}

/// Whether any colour or style was written.
fn has_color(terminal: &Terminal) -> bool {
    let text = terminal.emulator().text();
    let is_sgr = |sequence: &str| {
        let parameters = sequence
            .strip_prefix('[')
            .and_then(|rest| rest.split_once('m'));
        parameters
            .is_some_and(|(digits, _)| digits.bytes().all(|b| b.is_ascii_digit() || b == b';'))
    };
    text.split('\u{1b}').skip(1).any(is_sgr)
}

fn with(mut command: Command, variables: &[(&str, &str)]) -> Command {
    command.envs(variables.iter().copied());
    command
}

#[test]
fn a_terminal_that_cannot_move_the_cursor_gets_plain_lines() {
    let store = gate::store();
    let project = project(&store);
    for term in ["dumb", ""] {
        for arguments in [&[][..], &["--format", "matrix"]] {
            let command = with(check(&project, arguments), &[("TERM", term)]);
            let mut terminal = Terminal::start(command, 50, 80);
            assert_eq!(terminal.finish_in_order(), Some(1));
            let text = terminal.emulator().text();
            assert!(
                !text.contains('\u{1b}'),
                "TERM={term:?}: {}",
                text.escape_debug()
            );
            assert!(text.contains("   Evaluated 2 checks"), "{text}");
        }
    }
}

#[test]
fn colours_are_as_asked_for() {
    let store = gate::store();
    let project = project(&store);
    for (arguments, variables, expected) in [
        (&[][..], &[][..], true),
        (&[], &[("NO_COLOR", "1")], false),
        (&[], &[("NO_COLOR", "")], true),
        (&[], &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false),
        (&["--color", "never"], &[("CLICOLOR_FORCE", "1")], false),
        (&["--color", "always"], &[("NO_COLOR", "1")], true),
        (&["--format", "plain"], &[], true),
        (&["--format", "plain"], &[("NO_COLOR", "1")], false),
        (&["--format", "plain"], &[("TERM", "dumb")], false),
        (
            &["--format", "plain"],
            &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")],
            true,
        ),
    ] {
        let mut terminal = Terminal::start(with(check(&project, arguments), variables), 50, 80);
        assert_eq!(terminal.finish_in_order(), Some(1));
        let text = terminal.emulator().text();
        let shown = text.escape_debug();
        assert_eq!(
            has_color(&terminal),
            expected,
            "{arguments:?} {variables:?}\n{shown}"
        );
    }
}

#[test]
fn a_stdout_elsewhere_gets_plain_lines_and_the_terminal_nothing() {
    let store = gate::store();
    let project = project(&store);
    let command = check(&project, &[]);
    let mut terminal = Terminal::start_with_stdout(command, (50, 80), Stdio::piped());
    let stdout = terminal.take_stdout();
    assert_eq!(terminal.finish_in_order(), Some(1));
    assert_eq!(terminal.emulator().text(), "");
    assert!(
        stdout.contains("Evaluated 2 checks") && !stdout.contains('\u{1b}'),
        "{stdout}"
    );
}

#[test]
fn a_matrix_that_is_asked_for_needs_stderr_alone() {
    let store = gate::store();
    let project = project(&store);
    let command = check(&project, &["--format", "matrix"]);
    let mut terminal = Terminal::start_with_stdout(command, (50, 80), Stdio::piped());
    assert_eq!(terminal.take_stdout(), "");
    assert_eq!(terminal.finish_in_order(), Some(1));
    let rows = terminal.emulator().rows().join("\n");
    assert!(rows.contains("\n ✔ passes"), "{rows}");
}

#[test]
fn json_on_a_terminal_is_json_and_a_summary() {
    let store = gate::store();
    let project = project(&store);
    let mut terminal = Terminal::start(check(&project, &["--format", "json", "--log"]), 50, 5000);
    assert_eq!(terminal.finish_in_order(), Some(1));
    let lines = terminal.emulator().transcript();
    let (json, people): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.starts_with('{'));
    assert!(json.len() > 8, "{lines:#?}");
    for line in json {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert_eq!(people.len(), 2, "{lines:#?}");
    assert!(
        people[0].starts_with("✖ check-fails failed after"),
        "{lines:#?}"
    );
    assert!(
        people[1].starts_with("✔ 1 passed  ✖ 1 failed"),
        "{lines:#?}"
    );
}

#[test]
fn quiet_is_the_failures_and_the_last_line() {
    let store = gate::store();
    let project = project(&store);
    let terminal = run(check(&project, &["-q"]), 200);
    let transcript = terminal.emulator().transcript();
    assert!(
        transcript[0].is_empty() && transcript[1].starts_with("✖ check-fails failed after"),
        "{transcript:#?}"
    );
    assert!(
        transcript
            .last()
            .unwrap()
            .starts_with("✔ 1 passed  ✖ 1 failed"),
        "{transcript:#?}"
    );
    let shown = transcript.join("\n");
    assert!(
        !shown.contains("project") && !shown.contains("passes"),
        "{shown}"
    );
    // Nothing was drawn and taken back either.
    assert!(!terminal.emulator().text().contains("passes"));
}

#[test]
fn verbose_says_more_and_twice_the_logs() {
    let store = gate::store();
    let project = project(&store);
    for (argument, has_log) in [("-v", false), ("-vv", true)] {
        store.run_nix(&["store", "gc"], project.dir());
        let terminal = run(check(&project, &[argument]), 200);
        let shown = terminal.emulator().transcript().join("\n");
        assert!(shown.contains("Built check-passes"), "{shown}");
        assert_eq!(
            shown.contains("> a line of its log"),
            has_log,
            "{argument}: {shown}"
        );
        assert_eq!(shown.matches(" ✔ passes").count(), 1, "{shown}");
    }
}

#[test]
fn an_attribute_that_is_a_derivation_has_its_last_name() {
    let store = gate::store();
    let outputs = |body: &str| {
        format!(
            r#"{{ outputs = {{ self }}: {{ packages.x86_64-linux = {{
              default = derivation {{
                name = "tool"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-euc" "echo it runs; {body}" ];
              }};
              broken = throw "not today\nnor tomorrow";
            }}; }}; }}"#
        )
    };
    let script = format!(
        "until [ -e {}/gates/end ]; do read -r -t 0.05 _ <>/dev/ptmx || :; done; exit 1",
        store.folder().display()
    );
    let project = Project::new(&store).flake(&outputs(&script)).committed();
    let name = ".#packages.x86_64-linux.default";
    let mut terminal = Terminal::start(check(&project, &[name]), 40, 120);
    let rows = terminal.wait_for("it runs");
    assert!(
        rows.iter().any(|row| row[1..].contains(" default ")),
        "{rows:#?}"
    );
    assert!(
        rows.iter()
            .any(|row| row[1..].contains(" tool  building  ")),
        "{rows:#?}"
    );
    gate::open(&store, "end");
    assert_eq!(terminal.finish_in_order(), Some(1));
    let lines = terminal.emulator().transcript();
    let shown = lines.join("\n");
    assert!(
        lines.iter().any(|line| line.starts_with(" ✖ default  ")),
        "{shown}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.ends_with(" nixci check '.#packages.x86_64-linux.default'")),
        "{shown}"
    );
    let failed = lines
        .iter()
        .find(|line| line.starts_with("      FAILED tool after "));
    // No ` for` a check without a name.
    assert!(
        failed.is_some_and(|line| line.contains("s: builder")),
        "{shown}"
    );

    let broken = ".#packages.x86_64-linux.broken";
    let terminal = run(check(&project, &[broken, "--format", "plain"]), 200);
    let lines = terminal.emulator().transcript();
    let shown = lines.join("\n");
    // The whole message is there once, line by line.
    assert_eq!(shown.matches("failed to evaluate").count(), 1, "{shown}");
    assert_eq!(shown.matches("\n    │ not today\n").count(), 1, "{shown}");
    assert!(!shown.contains(" FAILED "), "{shown}");
    assert_eq!(
        shown.matches("\n    │ nor tomorrow\n").count(),
        1,
        "{shown}"
    );
}
