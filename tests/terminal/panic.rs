//! A panic in the midst of a run. The program has none that could be asked for, so this test runs itself in a terminal,
//! shows a run with the library, and panics.

use std::{
    env, io, mem,
    process::Command,
    sync::{Arc, Mutex},
};

use nixci::{
    event::{Event, EventKind},
    report::{Again, Detail, Format, Look, NoSource, ReportFiles, ReportOptions, Reporter},
};

use crate::terminal::Terminal;

/// Set where this program is to panic.
const VARIABLE: &str = "NIXCI_TEST_PANIC";

#[test]
fn a_panic_leaves_the_terminal_as_it_was() {
    if env::var_os(VARIABLE).is_some() {
        show_and_panic();
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "panic::a_panic_leaves_the_terminal_as_it_was",
            "--nocapture",
        ])
        .env(VARIABLE, "1");
    let mut terminal = Terminal::start(command, 24, 80);
    let code = terminal.finish_restored();
    assert_eq!(code, Some(101));
    let text = terminal.emulator().text();
    assert!(text.contains("modes were changed: true"), "{text}");
    assert!(text.contains("in the midst of it"), "{text}");
}

fn show_and_panic() {
    Reporter::restore_terminal_on_panic();
    let options = ReportOptions {
        look: Look {
            format: Format::Matrix,
            color: true,
            unicode: true,
        },
        log_lines: 10,
        verbosity: 0,
        detail: Detail::Events,
        keys: true,
        fold: true,
        stall_timeout: None,
        flake: ".".into(),
        attribute: "checks".into(),
        scope: None,
        again: Again::default(),
        logs: None,
        flake_check: false,
        nix_version: (2, 34),
    };
    let mut reporter = Reporter::new(options, Box::new(NoSource), ReportFiles::default());
    let message = "a warning".to_owned();
    let event = Event {
        at: jiff::Timestamp::now(),
        elapsed: std::time::Duration::ZERO,
        kind: EventKind::Warned { message },
    };
    reporter.report(&event).unwrap();
    let modes = rustix::termios::tcgetattr(io::stdin()).unwrap().local_modes;
    let is_changed = !modes.contains(rustix::termios::LocalModes::ICANON);
    // What is dropped while the stack is left would put the terminal in order as well.
    let reporter = Arc::new(Mutex::new(reporter));
    mem::forget(Arc::clone(&reporter));
    panic!("in the midst of it, modes were changed: {is_changed}");
}
