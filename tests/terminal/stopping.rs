//! Ctrl-C as a person types it, and terminals that go away.

use std::time::{Duration, Instant};

use regex::Regex;

use crate::{
    check, gate,
    support::{
        AT_ONCE, PATIENCE, Project,
        project::{ENDLESS, SYSTEM},
        store::TestStore,
    },
    terminal::Terminal,
};

/// A check that passed, one that runs until it is stopped, one that waits for its turn; in a terminal of this width.
fn stopped_in_its_midst(store: &TestStore, columns: u16) -> Terminal {
    let project = Project::new(store)
        .check("a-quick", "echo > $out")
        .check("b-slow", ENDLESS)
        .check("c-waits", "nap 60; echo > $out")
        .committed();
    let mut terminal = Terminal::start(check(&project, &["-j", "1"]), 24, columns);
    terminal.wait_until("the second build", |rows| {
        rows.iter()
            .any(|row| row.contains("✔ 1") && row.contains("1 build"))
            && rows.iter().any(|row| row.contains("check-b-slow"))
    });
    terminal
}

#[test]
fn ctrl_c_leaves_the_matrix_with_a_summary() {
    let durations = Regex::new(r"\d+\.\ds|[0-9a-f]{7}").unwrap();
    for columns in [80, 40] {
        let store = gate::store();
        let mut terminal = stopped_in_its_midst(&store, columns);
        terminal.type_keys("\x03");
        let typed = Instant::now();
        let code = terminal.finish_in_order();
        assert!(typed.elapsed() < AT_ONCE, "{:?}", typed.elapsed());
        assert_eq!(code, Some(130));
        assert_eq!(store.wait_until_idle(AT_ONCE), []);
        let shown = terminal.emulator().transcript().join("\n");
        assert_eq!(
            durations.replace_all(&shown, "#"),
            format!(
                "    Stopping SIGINT\n project  #  {SYSTEM}\n ✔ a-quick  #\n – b-slow   cancelled\n \
                 – c-waits  cancelled\nstopped (SIGINT)  ✔ 1 passed  – 2 cancelled  in #"
            )
        );
    }
}

#[test]
fn a_second_ctrl_c_at_any_moment_leaves_the_terminal_in_order() {
    // The first one rarely leaves time for it: it comes before, while and after the first is carried out.
    for pause in [0, 3, 10, 40].map(Duration::from_millis) {
        let store = gate::store();
        let mut terminal = stopped_in_its_midst(&store, 80);
        terminal.type_keys("\x03");
        let typed = Instant::now();
        std::thread::sleep(pause);
        terminal.type_keys("\x03");
        assert_eq!(terminal.finish_restored(), Some(130));
        assert!(typed.elapsed() < AT_ONCE, "{:?}", typed.elapsed());
        assert_eq!(store.wait_until_idle(AT_ONCE), []);
        // Either nothing of the block stays, or all that the first one leaves. What is typed after it is the shell's.
        let mut transcript = terminal.emulator().transcript();
        transcript.retain(|line| line != "^C");
        let is_whole = transcript.len() == 6 && transcript[5].starts_with("stopped (SIGINT)  ✔ 1");
        let is_told = transcript.iter().all(|line| line == "    Stopping SIGINT");
        assert!(is_told || is_whole, "{pause:?}: {transcript:#?}");
    }
}

#[test]
fn keys_that_nobody_asked_for_leave_no_trace() {
    let store = gate::store();
    let script = format!("{}echo > $out", gate::wait(&store, "end"));
    let project = Project::new(&store).check("a", &script).committed();
    let mut terminal = Terminal::start(check(&project, &[]), 24, 40);
    terminal.wait_for("1 build");
    let frame = terminal.frames();
    terminal.type_keys("typed\r\r");
    terminal.wait_for_frames(frame + 3);
    gate::open(&store, "end");
    assert_eq!(terminal.finish_in_order(), Some(0));
    let transcript = terminal.emulator().transcript();
    assert_eq!(transcript.len(), 3, "{transcript:#?}");
}

#[test]
fn what_a_shell_writes_while_it_is_stopped_stays() {
    let store = gate::store();
    let script = format!("{}echo > $out", gate::wait(&store, "end"));
    let project = Project::new(&store).check("a", &script).committed();
    let mut terminal = Terminal::start(check(&project, &[]), 24, 80);
    terminal.wait_for("check-a");
    for shell in ["one", "two"] {
        let frame = terminal.frames();
        terminal.interrupt_with(&format!(
            "\r\n[1]+  Stopped {shell}\r\n$ fg\r\nnixci check\r\n"
        ));
        terminal.wait_for_frames(frame + 3);
        terminal.type_keys("\r");
    }
    gate::open(&store, "end");
    assert_eq!(terminal.finish_in_order(), Some(0));
    let transcript = terminal.emulator().transcript();
    // Twice the block as it was, with its four lines, and three of the shell; at the end what stays.
    assert_eq!(transcript.len(), 2 * (4 + 3) + 3, "{transcript:#?}");
    assert_eq!(transcript[4], "[1]+  Stopped one");
    assert_eq!(transcript[11], "[1]+  Stopped two");
    assert!(transcript[16].starts_with("✔ 1 passed"), "{transcript:#?}");
}

#[test]
fn a_terminal_that_goes_away_ends_the_run() {
    for arguments in [&["-j", "1"][..], &["-j", "1", "--format", "plain"]] {
        let store = gate::store();
        let project = Project::new(&store).check("slow", ENDLESS).committed();
        let mut terminal = Terminal::start(check(&project, arguments), 24, 80);
        wait_for_a_builder(&store);
        terminal.close();
        let closed = Instant::now();
        let code = terminal.finish();
        assert!(closed.elapsed() < AT_ONCE, "{:?}", closed.elapsed());
        assert_eq!(code, Some(129), "{arguments:?}");
        assert_eq!(store.wait_until_idle(AT_ONCE), []);
    }
}

#[test]
fn nohup_keeps_it_alive_when_the_terminal_goes_away() {
    let store = gate::store();
    let script = format!("{}echo > $out", gate::wait(&store, "end"));
    let project = Project::new(&store).check("a", &script).committed();
    let nixci = check(&project, &[]);
    let mut command = store.command("nohup");
    command
        .arg(nixci.get_program())
        .args(nixci.get_args())
        .current_dir(project.dir());
    let mut terminal = Terminal::start(command, 24, 80);
    wait_for_a_builder(&store);
    terminal.close();
    gate::open(&store, "end");
    assert_eq!(terminal.finish(), Some(0));
    let shown = std::fs::read_to_string(project.dir().join("nohup.out")).unwrap();
    assert!(
        shown.ends_with("s\n") && shown.contains("\n✔ 1 passed  in "),
        "{shown}"
    );
}

fn wait_for_a_builder(store: &TestStore) {
    let deadline = Instant::now() + PATIENCE;
    while store.builders().is_empty() {
        assert!(Instant::now() < deadline, "nothing is built");
        std::thread::sleep(Duration::from_millis(5));
    }
}
