//! A window whose size changes while nixci runs in it.

use crate::{check, gate, support::Project, terminal::Terminal};

#[test]
fn a_window_that_changes_its_size_loses_and_keeps_nothing_it_should_not() {
    let store = gate::store();
    let script = format!(
        "echo line of the log; {}echo > $out",
        gate::wait(&store, "end")
    );
    let project = Project::new(&store)
        .check(
            "a-check-with-a-rather-long-name-for-narrow-windows",
            &script,
        )
        .check("b", &script)
        .committed();
    let earlier: Vec<String> = (0..8).map(|n| format!("$ command {n}")).collect();
    let above: Vec<&str> = earlier.iter().map(String::as_str).collect();
    let command = check(&project, &["-j", "2"]);
    let mut terminal = Terminal::start_below(command, 24, 100, &above);
    terminal.wait_until("both builds", |rows| {
        rows.iter()
            .filter(|row| row.contains("line of the log"))
            .count()
            == 2
    });
    for (lines, columns) in [(24, 50), (24, 30), (24, 90), (30, 140), (12, 60), (40, 100)] {
        let frame = terminal.frames();
        terminal.resize(lines, columns);
        // The first frame may have been begun for the old size.
        terminal.wait_for_frames(frame + 3);
        let mut emulator = terminal.emulator();
        let rows = emulator.rows().join("\n");
        assert!(!emulator.has_wrapped_below(" project "), "{rows}");
        let transcript = emulator.transcript();
        assert_eq!(transcript[..earlier.len()], earlier, "{columns} columns");
        let block = &transcript[earlier.len()..];
        assert!(
            block[0].starts_with(" project "),
            "{columns} columns: {block:#?}"
        );
        assert_eq!(block.len(), 6, "{columns} columns: {block:#?}");
    }
    gate::open(&store, "end");
    assert_eq!(terminal.finish_in_order(), Some(0));
    let transcript = terminal.emulator().transcript();
    assert_eq!(transcript[..earlier.len()], earlier);
    let own = &transcript[earlier.len()..];
    assert_eq!(own.len(), 4, "{own:#?}");
    assert!(own[3].starts_with("✔ 2 passed"), "{own:#?}");
}

#[test]
fn a_window_of_any_size_will_do() {
    let store = gate::store();
    let project = Project::new(&store)
        .check("slow", "echo it runs; nap 1; echo > $out")
        .failing("fails")
        .committed();
    // Not one line alone: the emulator cannot wrap there.
    for (lines, columns) in [(2, 2), (2, 10), (3, 200), (200, 4), (0, 0)] {
        let mut terminal = Terminal::start(check(&project, &[]), lines, columns);
        assert_eq!(
            terminal.finish_in_order(),
            Some(1),
            "{lines} lines, {columns} columns"
        );
        let shown = terminal.emulator().transcript().concat();
        assert!(!shown.contains("panicked"), "{shown}");
        assert_eq!(
            shown.matches("✖ 1 failed").count(),
            1,
            "{lines} lines, {columns} columns: {shown}"
        );
    }
}
