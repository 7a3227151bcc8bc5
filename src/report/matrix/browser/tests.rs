use std::time::Duration;

use console::measure_text_width;
use insta::assert_snapshot;
use proptest::prelude::*;

use super::{Action, Browser, Facts, Key, Kind, Size};
use crate::{
    event::{Download, EventKind, Outcome, Wait, WaitReason},
    report::{
        matrix::{logs::Logs, model::Model},
        sanitize::tests::assert_harmless,
        script::{Script, any_events, drv, progress},
        styles::Styles,
    },
};

const SIZE: Size = Size {
    columns: 70,
    lines: 8,
};

/// A browser over a run, with keys pressed one after the other.
struct Pressed {
    model: Model,
    logs: Logs,
    now: Duration,
    browser: Browser,
    actions: Vec<Action>,
}

impl Pressed {
    fn new(script: &Script, kind: Kind) -> Self {
        let mut pressed = Self {
            model: Model::default(),
            logs: Logs::default(),
            now: Duration::ZERO,
            browser: Browser::list(kind),
            actions: Vec::new(),
        };
        pressed.observe(script);
        pressed
    }

    fn observe(&mut self, script: &Script) {
        for event in &script.events {
            self.model.observe(event);
            self.logs.observe(event);
            self.now = event.elapsed;
        }
    }

    fn press(&mut self, key: Key, size: Size) {
        let facts = Facts {
            model: &self.model,
            logs: &self.logs,
            now: self.now,
        };
        self.actions.extend(self.browser.apply(key, facts, size));
    }

    /// Types characters; `\r` and `\u{1b}` are Enter and Escape.
    fn keys(&mut self, keys: &str) -> &mut Self {
        for c in keys.chars() {
            let key = match c {
                '\r' => Key::Enter,
                '\u{1b}' => Key::Escape,
                c => Key::Char(c),
            };
            self.press(key, SIZE);
        }
        self
    }

    fn shown(&self, size: Size, styles: &Styles) -> Vec<String> {
        let facts = Facts {
            model: &self.model,
            logs: &self.logs,
            now: self.now,
        };
        self.browser.render(facts, size, styles)
    }

    fn text(&self) -> String {
        let lines = self.shown(SIZE, &Styles::new(false, true));
        lines.join("\n")
    }
}

/// A failure with a log, a build that runs, a download, and checks that wait for them.
fn midst() -> Script {
    let mut script = Script::start(&["x86_64-linux"]);
    for check in ["clippy", "fmt", "login", "unit"] {
        script = script.found(&format!("x86_64-linux.{check}"));
    }
    let lines: Vec<_> = (1..=40).map(|n| format!("line {n} of fmt")).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    script = script
        .at(1_000)
        .step("fmt", "", &["x86_64-linux.fmt"])
        .log("fmt", &lines)
        .step_ends("fmt", Outcome::Failed, 3_000, &["x86_64-linux.fmt"])
        .check_ends("x86_64-linux.fmt", Outcome::Failed, 3_000)
        .at(5_000)
        .step(
            "clippy",
            "build-2",
            &["x86_64-linux.clippy", "x86_64-linux.unit"],
        )
        .phase("clippy", "buildPhase")
        .log(
            "clippy",
            &[
                "\u{1b}[31mCompiling\u{1b}[0m\tserde",
                &"wide ".repeat(30),
                "\u{1b}[2Jlast",
            ],
        )
        .download("curl");
    script.at(65_000).then(EventKind::Ticked {
        progress: progress(),
        downloads: vec![Download {
            drv_path: drv("curl"),
            source: "https://cache.example.org".into(),
            done_bytes: 3 << 20,
            expected_bytes: 12 << 20,
        }],
    })
}

#[test]
fn logs_are_listed_with_failures_first() {
    let mut pressed = Pressed::new(&midst(), Kind::Logs);
    assert_snapshot!("logs", pressed.text());
    assert_snapshot!("logs_chosen", pressed.keys("jo").text());
    assert_eq!(pressed.actions, [Action::OpenPager(drv("clippy"))]);
    // What is chosen stays so, though others come before it.
    let more = Script::default()
        .at(66_000)
        .step("unit", "", &["x86_64-linux.unit"])
        .step_ends("unit", Outcome::TimedOut, 1_000, &[]);
    pressed.observe(&more);
    assert!(pressed.text().contains("▸⠋ clippy"), "{}", pressed.text());
    pressed.keys("/FMT");
    assert_snapshot!("logs_filtered", pressed.text());
    assert!(!pressed.keys("\r\u{1b}").browser.is_closed());
    assert!(pressed.keys("\u{1b}").browser.is_closed());
}

#[test]
fn a_log_is_followed_searched_and_wrapped() {
    let mut pressed = Pressed::new(&midst(), Kind::Logs);
    pressed.keys("j\r");
    assert_snapshot!("log_followed", pressed.text());
    let more = Script::default()
        .at(70_000)
        .log("clippy", &["new", "newer"]);
    pressed.observe(&more);
    assert!(pressed.text().contains("newer"));
    pressed.keys("k");
    assert!(!pressed.text().contains("newer"), "{}", pressed.text());
    pressed.keys("qk\r/OF FMT\rNN");
    assert_snapshot!("log_searched", pressed.text());
    pressed.keys("n");
    assert!(
        pressed.text().contains("line 39 of fmt"),
        "{}",
        pressed.text()
    );
    pressed.keys("/nothing\r");
    assert!(
        pressed.text().contains("no `nothing` there"),
        "{}",
        pressed.text()
    );
    // A step that begins again, passes, and is gone.
    pressed.keys("qj\r");
    pressed.observe(
        &Script::default()
            .at(80_000)
            .step_ends("clippy", Outcome::Built, 1, &[]),
    );
    assert!(
        pressed.text().contains("it was built"),
        "{}",
        pressed.text()
    );
}

#[test]
fn what_a_check_waits_for_is_a_chain() {
    let mut pressed = Pressed::new(&midst(), Kind::Waits);
    assert_snapshot!("waits", pressed.text());
    pressed.keys("/unit\r\r");
    let check = "x86_64-linux.unit".to_owned();
    assert_eq!(pressed.actions, [Action::Explain(check.clone())]);
    assert_eq!(pressed.browser.explained_check(), Some(check.as_str()));
    let wait = |name: &str, reason| Wait {
        drv_path: drv(name),
        name: name.into(),
        reason,
    };
    let mut shown = Vec::new();
    for waits in [
        vec![
            wait("unit", WaitReason::Steps { open: 3 }),
            wait("server", WaitReason::Steps { open: 1 }),
            wait("clippy", WaitReason::End),
        ],
        vec![
            wait("unit", WaitReason::Steps { open: 1 }),
            wait("curl", WaitReason::End),
        ],
        vec![
            wait("unit", WaitReason::Steps { open: 1 }),
            wait("other", WaitReason::Slot { ahead: 5, slots: 2 }),
        ],
        vec![wait("unit", WaitReason::End)],
        Vec::new(),
    ] {
        let check = check.clone();
        pressed.observe(
            &Script::default()
                .at(66_000)
                .then(EventKind::CheckExplained { check, waits }),
        );
        shown.push(pressed.text());
    }
    assert_snapshot!("chains", shown.join("\n\n"));
}

#[test]
fn a_check_is_cancelled_when_that_is_confirmed() {
    let mut pressed = Pressed::new(&midst(), Kind::Cancel);
    assert_snapshot!("cancel", pressed.keys("j\r").text());
    pressed.keys("n\rx");
    assert_eq!(pressed.actions, []);
    pressed.keys("\ry");
    assert_eq!(
        pressed.actions,
        [Action::Cancel("x86_64-linux.login".into())]
    );
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        prop::sample::select("jkgGnNoqbyfFl/ 1a".chars().collect::<Vec<_>>()).prop_map(Key::Char),
        prop::sample::select(vec![
            Key::Enter,
            Key::Escape,
            Key::Backspace,
            Key::Up,
            Key::Down,
            Key::Left,
            Key::Right,
            Key::PageUp,
            Key::PageDown,
            Key::Home,
            Key::End,
            Key::Ctrl('f'),
            Key::Ctrl('u'),
        ]),
    ]
}

proptest! {
    #[test]
    fn any_keys_over_any_run_fill_the_screen_and_nothing_more(
        events in any_events(),
        keys in prop::collection::vec((key(), 1_usize..90, 1_usize..30), 0..40),
        kind in prop::sample::select(vec![Kind::Logs, Kind::Waits, Kind::Cancel]),
        is_colored in any::<bool>(),
    ) {
        let mut pressed = Pressed::new(&Script::default(), kind);
        let styles = Styles::new(is_colored, true);
        let mut events = events.into_iter();
        for (key, columns, lines) in keys {
            if let Some(event) = events.next() {
                let mut script = Script::default();
                script.events.push(event);
                pressed.observe(&script);
            }
            let size = Size { columns, lines };
            pressed.press(key, size);
            let shown = pressed.shown(size, &styles);
            prop_assert_eq!(shown.len(), lines);
            for line in &shown {
                prop_assert!(measure_text_width(line) <= columns, "{:?}", line);
                assert_harmless(line, true);
            }
        }
    }
}
