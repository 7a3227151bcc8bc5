//! Keys while a run goes on: logs to read, what a check waits for, checks to cancel.

use std::{
    fs,
    time::{Duration, Instant},
};

use rustix::process::{Signal, kill_process};

use crate::{
    check, gate,
    support::{
        AT_ONCE, PATIENCE, Project,
        project::{SYSTEM, nix_string},
        store::TestStore,
    },
    terminal::Terminal,
};

/// A check that failed with a log, one that runs, and two that wait: `waits` for `shared`, which runs too, and `last`
/// for a slot. What runs ends when the gate `end` is opened.
fn in_its_midst(store: &TestStore) -> Project<'_> {
    let gate = gate::wait(store, "end");
    let shared = format!("echo the shared one begins; {gate}echo > $out");
    let runs = format!(
        "echo '@nix {{\"action\":\"setPhase\",\"phase\":\"checkPhase\"}}' >&2; echo it runs; {gate}echo > $out"
    );
    let needs_shared = "{ needs = [ shared ]; }";
    Project::new(store)
        .binding(
            "shared",
            &format!("build \"shared\" {} {{ }}", nix_string(&shared)),
        )
        .check(
            "a-fails",
            "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo \"line $i of the log\"; done; echo 'error: bad thing' >&2; exit 1",
        )
        .check("b-runs", &runs)
        .expression(
            "c-waits",
            &format!("build \"waits\" \"echo > $out\" {needs_shared}"),
        )
        .check("d-last", &runs.replace("it runs", "it is the last"))
        .committed()
}

/// Runs it in a terminal of this size, until the first check has failed and two builds run.
fn start(project: &Project<'_>, lines: u16, columns: u16, arguments: &[&str]) -> Terminal {
    let mut terminal = Terminal::start(
        check(project, &[&["-j", "2"], arguments].concat()),
        lines,
        columns,
    );
    terminal.wait_until("the failure and two builds", |rows| {
        let has = |text: &str| rows.iter().any(|row| row.contains(text));
        has("✖ 1") && has("2 builds")
    });
    terminal
}

/// Starts bash with a script, in which `NIXCI` stands for a run with these arguments.
fn start_in_bash(
    project: &Project<'_>,
    store: &TestStore,
    arguments: &[&str],
    script: &str,
) -> Terminal {
    let nixci = check(project, arguments);
    let words: Vec<_> = std::iter::once(nixci.get_program())
        .chain(nixci.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    let mut shell = store.command("bash");
    let script = script.replace("NIXCI", &words.join(" "));
    shell.args(["-c", &script]).current_dir(project.dir());
    Terminal::start(shell, 24, 80)
}

fn has(rows: &[String], text: &str) -> bool {
    rows.iter().any(|row| row.contains(text))
}

#[test]
fn logs_are_read_while_the_run_goes_on_at_any_width() {
    for columns in [40, 60, 80, 200] {
        let store = gate::store();
        let project = in_its_midst(&store);
        let mut terminal = start(&project, 14, columns, &[]);
        terminal.type_keys("f");
        let rows = terminal.wait_for(" logs  1 failed, 2 running");
        assert!(rows[1].starts_with("▸✖ check-a-fails"), "{rows:#?}");
        assert!(terminal.emulator().is_alternate());
        terminal.type_keys("\r");
        let rows = terminal.wait_for("error: bad thing");
        assert!(
            rows[0].starts_with(" check-a-fails  failed after"),
            "{rows:#?}"
        );
        // Up to the beginning, and a search from there on.
        terminal.type_keys("g");
        let rows = terminal.wait_for("line 1 of the log");
        assert_eq!(rows[12], "line 12 of the log");
        terminal.type_keys(" /LINE 1");
        terminal.wait_for(" /LINE 1_");
        terminal.type_keys("50\r");
        terminal.wait_for("line 150 of the log");
        terminal.type_keys("/nowhere\r");
        terminal.wait_for("no `nowhere` there");
        terminal.type_keys("q");
        terminal.wait_for(" logs  1 failed");
        // The filter leaves what has it in its name.
        terminal.type_keys("/b-RUN\r");
        let rows = terminal.wait_until("the filtered list", |rows| {
            rows[1].starts_with("▸") && rows[1].contains("check-b-runs") && rows[2].is_empty()
        });
        assert!(rows[0].contains("/b-RUN"), "{rows:#?}");
        terminal.type_keys("\x1b[C");
        terminal.wait_for("it runs");
        assert!(!terminal.emulator().has_wrapped_below("it runs"));
        // First the log, then the filter, then the list.
        terminal.type_keys("\x1b");
        terminal.wait_for(" logs  1 failed");
        terminal.type_keys("\x1b");
        terminal.wait_until("all logs", |rows| has(rows, "check-a-fails"));
        terminal.type_keys("\x1b");
        terminal.wait_for("2 builds");
        gate::open(&store, "end");
        assert_eq!(terminal.finish_in_order(), Some(1));
        let transcript = terminal.emulator().transcript();
        assert_eq!(
            transcript
                .iter()
                .filter(|line| line.contains("error: bad thing"))
                .count(),
            1,
            "what was read is not left on the usual screen: {transcript:#?}"
        );
    }
}

#[test]
fn what_is_written_is_followed() {
    let store = gate::store();
    let script = format!(
        "i=0; until [ -e {0}/stop ]; do i=$((i+1)); echo \"line $i\"; nap 0.05; done; {1}echo > $out",
        store.folder().join("gates").display(),
        gate::wait(&store, "end")
    );
    let project = Project::new(&store).check("talks", &script).committed();
    let mut terminal = Terminal::start(check(&project, &[]), 10, 60);
    terminal.wait_for("check-talks  building");
    terminal.type_keys("f\r");
    terminal.wait_for("following");
    terminal.wait_for("line 20");
    terminal.wait_for("line 30");
    // Whoever goes up stays there.
    terminal.type_keys("g");
    terminal.wait_until("the beginning", |rows| rows[1] == "line 1");
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(terminal.emulator().rows()[1], "line 1");
    gate::open(&store, "stop");
    terminal.type_keys("G");
    terminal.wait_for("following");
    gate::open(&store, "end");
    // The run is over, and its reader is left in peace; the log of what passed is not kept.
    terminal.wait_for("the run is over");
    assert!(terminal.emulator().is_alternate());
    terminal.resize(12, 50);
    terminal.wait_until("the new size", |rows| {
        rows.len() == 12 && rows[11].contains("q back")
    });
    terminal.type_keys("qq");
    assert_eq!(terminal.finish_in_order(), Some(0));
    let transcript = terminal.emulator().transcript();
    assert!(
        transcript.last().unwrap().starts_with("✔ 1 passed"),
        "{transcript:#?}"
    );
}

#[test]
fn it_is_told_what_a_check_waits_for() {
    for columns in [60, 200] {
        let store = gate::store();
        let project = in_its_midst(&store);
        let mut terminal = start(&project, 12, columns, &[]);
        terminal.type_keys("w");
        terminal.wait_for(" what does it wait for?  3 checks");
        terminal.type_keys("/waits\r\r");
        let rows = terminal.wait_for("runs: building");
        assert!(
            rows[0].starts_with(&format!(" {SYSTEM}.c-waits waits for")),
            "{rows:#?}"
        );
        assert_eq!(rows[1].trim_end(), " waits  waits for");
        assert!(
            rows[2].starts_with("   shared  runs: building, "),
            "{rows:#?}"
        );
        terminal.type_keys("q/last\r\r");
        let only = terminal.wait_for("check-d-last  ");
        assert_eq!(
            only[1],
            " check-d-last  goes next: waits for one of 2 slots"
        );
        terminal.type_keys("qq");
        terminal.wait_for("eval 4/4");
        gate::open(&store, "end");
        assert_eq!(terminal.finish_in_order(), Some(1));
    }
}

#[test]
fn a_cancelled_check_takes_along_only_what_nothing_else_needs() {
    let store = gate::store();
    let wait = |name: &str| format!("echo {name}; {}echo > $out", gate::wait(&store, "end"));
    let project = Project::new(&store)
        .binding(
            "shared",
            &format!("build \"shared\" {} {{ }}", nix_string(&wait("shared"))),
        )
        .binding(
            "own",
            &format!("build \"own\" {} {{ }}", nix_string(&wait("own"))),
        )
        .expression(
            "a",
            "build \"a\" \"echo > $out\" { needs = [ shared own ]; }",
        )
        .expression("b", "build \"b\" \"echo > $out\" { needs = [ shared ]; }")
        .committed();
    let mut terminal = Terminal::start(check(&project, &["-j", "2"]), 14, 80);
    terminal.wait_for("2 builds");
    let builds = || {
        let builders = store.builders();
        let runs = |name: &str| {
            builders
                .iter()
                .any(|builder| builder.command_line.contains(&format!("echo {name};")))
        };
        (runs("shared"), runs("own"))
    };
    let wait_until_built = |expected| {
        let deadline = Instant::now() + PATIENCE;
        while builds() != expected {
            assert!(Instant::now() < deadline, "{:?}", store.builders());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_until_built((true, true));
    terminal.type_keys("c");
    terminal.wait_for(" cancel which check?  2 checks");
    // Another key than y changes nothing.
    terminal.type_keys("\rn");
    terminal.type_keys("\r");
    terminal.wait_for(&format!("cancel {SYSTEM}.a? y n"));
    terminal.type_keys("y");
    terminal.wait_for(" cancel which check?  1 check");
    terminal.type_keys("q");
    terminal.wait_until("one build", |rows| {
        has(rows, "– a  cancelled") && has(rows, "1 build")
    });
    wait_until_built((true, false));
    gate::open(&store, "end");
    assert_eq!(terminal.finish_in_order(), Some(1));
    let transcript = terminal.emulator().transcript();
    let last = transcript.last().unwrap();
    assert!(
        last.starts_with("✔ 1 passed  – 1 cancelled"),
        "{transcript:#?}"
    );
}

#[test]
fn rows_are_sorted_as_asked_for() {
    let store = gate::store();
    let script = format!("{}echo > $out", gate::wait(&store, "end"));
    let project = Project::new(&store)
        .check("a-passes", "echo > $out")
        .check("b-runs", &script)
        .failing("c-fails")
        .committed();
    let mut terminal = Terminal::start(check(&project, &["-j", "1"]), 14, 80);
    let order = |rows: &[String]| {
        let names = rows.iter().filter_map(|row| row.split_whitespace().nth(1));
        let names = names.filter(|name| ["a-passes", "b-runs", "c-fails"].contains(name));
        names.map(|name| name[..1].to_owned()).collect::<String>()
    };
    terminal.wait_until("what is to come", |rows| {
        order(rows) == "abc" && has(rows, "1 build") && has(rows, "✔ 1") && !has(rows, "failures")
    });
    gate::open(&store, "never");
    for (expected, told) in [("bca", "longest first"), ("abc", "eval")] {
        // Failures first comes before.
        terminal.type_keys(if expected == "bca" { "ss" } else { "s" });
        terminal.wait_until(expected, |rows| order(rows) == expected && has(rows, told));
    }
    gate::open(&store, "end");
    assert_eq!(terminal.finish_in_order(), Some(1));
}

#[test]
fn q_stops_the_run_when_it_is_confirmed() {
    let store = gate::store();
    let project = in_its_midst(&store);
    let mut terminal = start(&project, 14, 80, &[]);
    terminal.type_keys("q");
    terminal.wait_for(" stop the run? y n");
    terminal.type_keys("n");
    terminal.wait_for("eval 4/4");
    terminal.type_keys("?");
    terminal.wait_for("stop the run, as Ctrl-C does");
    terminal.type_keys("qqy");
    assert_eq!(terminal.finish_in_order(), Some(130));
    assert_eq!(store.wait_until_idle(AT_ONCE), []);
}

#[test]
fn the_terminal_is_as_before_however_the_run_ends() {
    // On the usual screen and on the other one.
    for keys in ["", "f", "f\r", "?"] {
        for (signal, code) in [
            (Signal::TERM, Some(143)),
            (Signal::INT, Some(130)),
            (Signal::QUIT, None),
        ] {
            let store = gate::store();
            let project = in_its_midst(&store);
            let mut terminal = start(&project, 14, 80, &[]);
            assert!(!terminal.is_as_before());
            terminal.type_keys(keys);
            if !keys.is_empty() {
                terminal.wait_for("q back");
            }
            kill_process(terminal.id(), signal).unwrap();
            assert_eq!(terminal.finish_restored(), code, "{keys:?} {signal:?}");
            gate::open(&store, "end");
        }
    }
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_takes_it_again() {
    let store = gate::store();
    let project = in_its_midst(&store);
    let before = store.folder().join("before");
    let during = store.folder().join("during");
    let script = format!(
        "set -m; stty -g > {}; NIXCI; stty -g > {}; echo 'the shell'; fg > /dev/null; echo code $?",
        before.display(),
        during.display(),
    );
    let mut terminal = start_in_bash(&project, &store, &["-j", "2"], &script);
    terminal.wait_for("2 builds");
    terminal.type_keys("f");
    terminal.wait_for(" logs  1 failed");
    terminal.type_keys("\x1a");
    // It is shown on the usual screen, and the shell goes on at once by the `fg` of the script.
    terminal.wait_until("the list again", |rows| {
        has(rows, " logs  1 failed") && during.exists()
    });
    assert_eq!(
        fs::read_to_string(&during).unwrap(),
        fs::read_to_string(&before).unwrap()
    );
    terminal.type_keys("q");
    terminal.wait_for("the shell");
    terminal.wait_for("eval 4/4");
    gate::open(&store, "end");
    assert_eq!(terminal.finish_in_order(), Some(0));
    let transcript = terminal.emulator().transcript();
    assert_eq!(transcript.last().unwrap(), "code 1", "{transcript:#?}");
}

#[test]
fn a_run_in_the_background_leaves_the_keyboard_alone() {
    let store = gate::store();
    let project = in_its_midst(&store);
    let script = "set -m; NIXCI & read line; echo \"read $line\"; wait $!; echo code $?";
    let mut terminal = start_in_bash(&project, &store, &["-j", "2"], script);
    terminal.wait_for("2 builds");
    assert!(terminal.is_as_before());
    terminal.type_keys("for the shell\r");
    terminal.wait_for("read for the shell");
    gate::open(&store, "end");
    assert_eq!(terminal.finish(), Some(0));
    assert!(
        terminal
            .emulator()
            .transcript()
            .contains(&"code 1".to_owned())
    );
}

#[test]
fn without_keys_what_is_typed_is_the_shells() {
    let store = gate::store();
    let project = in_its_midst(&store);
    let script = "NIXCI; read line; echo \"read $line\"";
    let mut terminal = start_in_bash(&project, &store, &["-j", "2", "--no-keys"], script);
    let rows = terminal.wait_for("2 builds");
    assert!(!has(&rows, "? keys"), "{rows:#?}");
    terminal.type_keys("f for the shell\r");
    let frame = terminal.frames();
    terminal.wait_for_frames(frame + 3);
    assert!(!terminal.emulator().is_alternate());
    gate::open(&store, "end");
    assert_eq!(terminal.finish(), Some(0));
    let transcript = terminal.emulator().transcript();
    assert_eq!(
        transcript.last().unwrap(),
        "read f for the shell",
        "{transcript:#?}"
    );
}

#[test]
fn the_pager_gets_the_log_and_the_terminal() {
    let store = gate::store();
    let project = in_its_midst(&store);
    let pager = store.folder().join("pager");
    let got = store.folder().join("got");
    fs::write(
        &pager,
        format!(
            "cp \"$2\" {0}; stty -a > {0}.modes; echo \"the pager $1\"; trap '' INT; read line; echo read $line\n",
            got.display()
        ),
    )
    .unwrap();
    let mut command = check(&project, &["-j", "2"]);
    command.env("PAGER", format!("sh {} -x", pager.display()));
    let mut terminal = Terminal::start(command, 16, 80);
    terminal.wait_until("the failure and two builds", |rows| {
        has(rows, "✖ 1") && has(rows, "2 builds")
    });
    terminal.type_keys("fo");
    terminal.wait_for("the pager -x");
    assert!(terminal.is_as_before());
    // Ctrl-C is meant for the pager.
    terminal.type_keys("\x03");
    std::thread::sleep(Duration::from_millis(300));
    terminal.type_keys("q\r");
    terminal.wait_for(" logs  1 failed");
    let log = fs::read_to_string(&got).unwrap();
    assert!(log.starts_with("line 1 of the log\n"), "{log}");
    assert!(
        log.contains("\nline 200 of the log\nerror: bad thing\n"),
        "{log}"
    );
    let modes = fs::read_to_string(store.folder().join("got.modes")).unwrap();
    assert!(
        modes.contains(" icanon") && modes.contains(" echo "),
        "{modes}"
    );
    terminal.type_keys("q");
    terminal.wait_for("eval 4/4");
    gate::open(&store, "end");
    assert_eq!(terminal.finish_in_order(), Some(1));
}

#[test]
fn a_pager_that_is_missing_is_told_of() {
    let store = gate::store();
    let project = in_its_midst(&store);
    let mut command = check(&project, &["-j", "2"]);
    command.env("PAGER", "no-such-pager");
    let mut terminal = Terminal::start(command, 16, 100);
    terminal.wait_until("the failure and two builds", |rows| {
        has(rows, "✖ 1") && has(rows, "2 builds")
    });
    terminal.type_keys("fo");
    terminal.wait_for("cannot run the pager `no-such-pager`: set PAGER");
    terminal.type_keys("q");
    gate::open(&store, "end");
    assert_eq!(terminal.finish(), Some(1));
}

#[test]
fn a_window_changes_its_size_while_a_log_is_read() {
    let store = gate::store();
    let project = in_its_midst(&store);
    let mut terminal = start(&project, 24, 100, &[]);
    terminal.type_keys("f\r");
    terminal.wait_for("error: bad thing");
    for (lines, columns) in [(24, 40), (10, 200), (3, 20), (40, 80)] {
        terminal.resize(lines, columns);
        terminal.wait_until("the new size", |rows| {
            let last = rows.iter().rposition(|row| row.contains("q back"));
            rows[0].starts_with(" check-a-fails") && last == Some(usize::from(lines) - 1)
        });
        assert!(!terminal.emulator().has_wrapped_below(" check-a-fails"));
    }
    terminal.type_keys("qq");
    terminal.wait_for("eval 4/4");
    gate::open(&store, "end");
    assert_eq!(terminal.finish_in_order(), Some(1));
}

#[test]
fn a_lock_of_another_process_is_told() {
    let store = gate::store();
    let project = in_its_midst(&store);
    let mut first = start(&project, 14, 80, &[]);
    let mut second = Terminal::start(check(&project, &["-j", "4"]), 14, 100);
    let rows = second.wait_for("waits for lock on");
    assert!(!rows.iter().any(|row| row.contains("u{1b}")), "{rows:#?}");
    second.wait_for("c-waits  waits for shared (waits for lock on");
    second.type_keys("w/waits\r\r");
    second.wait_for("   shared  waits for lock on");
    second.type_keys("qq");
    gate::open(&store, "end");
    assert_eq!(first.finish_in_order(), Some(1));
    assert_eq!(second.finish_in_order(), Some(1));
}
