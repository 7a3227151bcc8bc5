//! Names, errors, phases and logs that try to take the terminal over.

use crate::{
    check, gate,
    support::{Project, store::TestStore},
    terminal::Terminal,
};

/// Clears, titles, moves, modes, replies, colours that stay, another character set, and no end.
const ATTACKS: [&str; 14] = [
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}]0;owned\u{7}",
    "\u{1b}]52;c;b3duZWQ=\u{1b}\\",
    "\u{1b}[10A\u{1b}[K",
    "\u{1b}[?25l\u{1b}[?1049h",
    "\u{1b}[?2004h\u{1b}[?1000h",
    "\u{1b}[5n\u{1b}[c",
    "\u{1b}[41;5mred",
    "\u{1b}(0",
    "\u{1b}c\u{9b}2J",
    "\u{1b}[3;4r",
    "\u{7}\u{8}\u{b}\u{c}\r",
    "\u{1b}P1$q\"p\u{1b}\\\u{1b}_x\u{1b}\\",
    "\u{1b}]8;;http://example.org",
];

/// A script that writes a line with each attack, and ends each with a word.
fn attacking_log() -> String {
    use std::fmt::Write as _;
    let mut script = String::new();
    for attack in ATTACKS {
        let octal: String = attack.bytes().fold(String::new(), |mut octal, byte| {
            let _ = write!(octal, "\\{byte:03o}");
            octal
        });
        let _ = writeln!(script, "printf 'begin {octal} end\\n'");
    }
    // Bytes that are no text, letters over letters, letters of two columns, a long line.
    script.push_str("printf 'a\\000b\\377\\376c\\n'\n");
    let _ = writeln!(script, "printf 'e{}\\n'", "\u{301}".repeat(300));
    let _ = writeln!(script, "printf '{}\\n'", "日本語".repeat(200));
    let _ = writeln!(script, "echo {}", "x".repeat(10_000));
    let phase = serde_json::json!({ "action": "setPhase", "phase": ATTACKS.concat() });
    let _ = writeln!(script, "printf '%s\\n' '@nix {phase}' >&2");
    script
}

fn project(store: &TestStore) -> Project<'_> {
    let wait = gate::wait(store, "end");
    let log = attacking_log();
    let mut project = Project::new(store)
        .check("loud", &format!("{log}echo that was all; {wait}exit 1"))
        .check("victim", &format!("{wait}echo > $out"));
    for (number, attack) in ATTACKS.into_iter().enumerate() {
        project = project.check(&format!("{number:02} {attack} end"), "echo > $out");
    }
    let message = crate::support::project::nix_string(&ATTACKS.concat());
    for (name, value) in [
        (
            "e\u{301}\u{301}\u{200b}\u{202e}txt.exe".to_owned(),
            "throw".to_owned(),
        ),
        (
            "日本語".repeat(40),
            format!("builtins.trace {message} throw"),
        ),
        ("x".repeat(10_000), "throw".to_owned()),
    ] {
        project = project.expression(&name, &format!("{value} {message}"));
    }
    project.committed()
}

#[test]
fn nothing_from_outside_reaches_the_terminal() {
    for (columns, verbosity) in [(80, "--color=auto"), (41, "-vv")] {
        let store = gate::store();
        let project = project(&store);
        let earlier: Vec<String> = (0..30).map(|n| format!("$ command {n}")).collect();
        let above: Vec<&str> = earlier.iter().map(String::as_str).collect();
        let command = check(&project, &["-j", "2", verbosity]);
        let mut terminal = Terminal::start_below(command, 40, columns, &above);
        terminal.wait_until("both gates", |rows| {
            let has = |texts: [&str; 2]| {
                rows.iter()
                    .any(|row| texts.iter().all(|text| row.contains(text)))
            };
            has(["2 builds", "✔ 14 ✖ 3"])
                && has(["check-victim", "building  "])
                && has([
                    if columns < 60 { "loud>" } else { "check-loud" },
                    "that was all",
                ])
        });
        let intact = |terminal: &Terminal| {
            let mut emulator = terminal.emulator();
            assert_eq!(emulator.tampering(), Vec::<String>::new());
            let transcript = emulator.transcript();
            assert_eq!(transcript[..earlier.len()], earlier);
            transcript[earlier.len()..].join("\n")
        };
        let shown = intact(&terminal);
        assert!(
            !terminal.emulator().has_wrapped_below(" project "),
            "{shown}"
        );
        // The block is there once: its title, a row for the victim, its step, the status line.
        for texts in [
            [" project  ", ""],
            [" victim ", "building"],
            ["check-victim", "building  "],
            ["2 builds", "✔ 14"],
        ] {
            let is_it = |line: &&str| texts.iter().all(|text| line.contains(text));
            assert_eq!(
                shown.lines().filter(is_it).count(),
                1,
                "{texts:?} in\n{shown}"
            );
        }

        gate::open(&store, "end");
        assert_eq!(terminal.finish_in_order(), Some(1));
        let shown = intact(&terminal);
        assert_eq!(shown.matches("\n project  ").count(), 1, "{shown}");
        assert!(
            shown.ends_with('s') && shown.contains("\n✔ 15 passed  ✖ 4 failed"),
            "{shown}"
        );
    }
}
