//! The page that says what a check waits for: a chain of steps, down to one that runs or waits for a slot.

use super::{Action, Canvas, Drawing, Key, Step};
use crate::{
    event::{Wait, WaitReason},
    report::{
        format::{count, counted, duration, estimate},
        matrix::model::Stage,
        running::RunningStep,
        words::spoken,
    },
};

#[derive(Debug)]
pub(super) struct WaitsPage {
    check: String,
    /// How many links are above the first one shown.
    top: usize,
}

impl WaitsPage {
    pub(super) fn new(check: String) -> Self {
        Self { check, top: 0 }
    }

    pub(super) fn check(&self) -> &str {
        &self.check
    }

    pub(super) fn apply(&mut self, key: Key) -> Step {
        match key {
            Key::Char('q') | Key::Escape | Key::Left => return Step::Back,
            Key::Char('j') | Key::Down => self.top = self.top.saturating_add(1),
            Key::Char('k') | Key::Up => self.top = self.top.saturating_sub(1),
            Key::Char('g') | Key::Home => self.top = 0,
            Key::Char('r') => return Step::Act(Action::Explain(self.check.clone())),
            Key::Char(_)
            | Key::Ctrl(_)
            | Key::Enter
            | Key::Backspace
            | Key::Right
            | Key::PageUp
            | Key::PageDown
            | Key::End => {}
        }
        Step::Stay
    }

    pub(super) fn render(&self, canvas: Canvas<'_>) -> Drawing {
        let model = canvas.facts.model;
        let told = model
            .explained
            .as_ref()
            .filter(|(check, _)| *check == self.check);
        let known = model
            .checks()
            .iter()
            .find(|known| *known.path == *self.check);
        let say = |text: &str| {
            vec![
                canvas
                    .line()
                    .skip(1)
                    .push(text, &canvas.styles.plain)
                    .finish(),
            ]
        };
        let body = match (known.map(|check| check.stage), told) {
            (Some(Stage::Ended(outcome, _)), _) => {
                say(&format!("nothing: it is over ({})", spoken(outcome)))
            }
            (_, None) => say(canvas.styles.glyphs.ellipsis),
            (_, Some((_, waits))) if waits.is_empty() => {
                say("its plan: what it needs is being looked up")
            }
            (_, Some((_, waits))) => {
                let top = self.top.min(waits.len().saturating_sub(canvas.size.lines));
                let links = waits.iter().enumerate().skip(top);
                let shown = links.take(canvas.size.lines);
                shown
                    .map(|(depth, wait)| link(canvas, depth, wait))
                    .collect()
            }
        };
        Drawing {
            title: canvas.title(&format!("{} waits for", self.check), ""),
            body,
            last: canvas.keys(&[("q", "back"), ("j k", "move")]),
        }
    }
}

/// How deep a link is shown to be at most, so that long chains stay in sight.
const DEPTH_MAX: usize = 8;

fn link(canvas: Canvas<'_>, depth: usize, wait: &Wait) -> String {
    let styles = canvas.styles;
    let running = canvas.facts.model.running.of(&wait.drv_path);
    let (text, style) = match wait.reason {
        WaitReason::Steps { open: 1 } => ("waits for".to_owned(), &styles.dim),
        WaitReason::Steps { open } => (
            format!(
                "waits for {}, of which the longest way is",
                counted(open, "step")
            ),
            &styles.dim,
        ),
        WaitReason::Slot { ahead: 0, slots } => (
            format!("goes next: waits for {}", one_of(slots)),
            &styles.notice,
        ),
        WaitReason::Slot { ahead, slots } => (
            format!(
                "waits for {}, {} {} first",
                one_of(slots),
                counted(ahead, "step"),
                if ahead == 1 { "goes" } else { "go" }
            ),
            &styles.notice,
        ),
        WaitReason::End => match running {
            Some(step) => (runs(canvas, step), &styles.run),
            None => (
                "the daemon has it, and has not begun".to_owned(),
                &styles.run,
            ),
        },
    };
    canvas
        .line()
        .skip(1 + 2 * depth.min(DEPTH_MAX))
        .push(&wait.name, &styles.strong)
        .skip(2)
        .push(&text, style)
        .finish()
}

fn one_of(slots: usize) -> String {
    match slots {
        1 => "the only slot".to_owned(),
        _ => format!("one of {} slots", count(slots)),
    }
}

/// What a running step is at, where, and for how long.
fn runs(canvas: Canvas<'_>, step: &RunningStep) -> String {
    let runs = if step.waits_for.is_empty() {
        "runs: "
    } else {
        ""
    };
    let mut text = format!(
        "{runs}{}, {}",
        step.stage(),
        duration(canvas.facts.now.saturating_sub(step.started))
    );
    if let Some(expected) = step.expected {
        text = format!("{text} of about {}", estimate(expected));
    }
    if !step.machine.is_empty() {
        text = format!("{text} on {}", step.machine);
    }
    let news = step.news();
    if !news.is_empty() {
        text = format!("{text}  {news}");
    }
    text
}
