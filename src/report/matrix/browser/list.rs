//! A list to choose from: logs, or checks.

use std::borrow::Cow;

use super::{
    Action, Canvas, Drawing, Facts, Key, Page, Size, Step, log_page::LogPage, prompt::Prompt,
    waits_page::WaitsPage,
};
use crate::{
    nix::StorePath,
    report::{
        format::{counted, duration},
        matrix::{
            logs::Log,
            model::{Check, Stage},
        },
        words::spoken,
    },
};

/// What is chosen, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report::matrix) enum Kind {
    /// A log to read.
    Logs,
    /// A check, to see what it waits for.
    Waits,
    /// A check to cancel.
    Cancel,
}

/// What a line of a list stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Id {
    Step(StorePath),
    Check(usize),
}

enum Entry<'a> {
    Log(&'a StorePath, &'a Log),
    Check(&'a Check),
}

impl<'a> Entry<'a> {
    fn id(&self) -> Id {
        match self {
            Self::Log(drv_path, _) => Id::Step((*drv_path).clone()),
            Self::Check(check) => Id::Check(check.at),
        }
    }

    /// What it is called: a log by the checks it is for, too.
    fn name(&self) -> Cow<'a, str> {
        match self {
            Self::Log(_, log) => match log.checks.as_slice() {
                [] => Cow::Borrowed(&log.name),
                [check] => Cow::Owned(format!("{}  {check}", log.name)),
                [check, rest @ ..] => Cow::Owned(format!("{}  {check} +{}", log.name, rest.len())),
            },
            Self::Check(check) => Cow::Borrowed(&check.path),
        }
    }
}

#[derive(Debug)]
pub(super) struct List {
    kind: Kind,
    /// The entry that is chosen, and its place when it was last seen.
    chosen: Option<Id>,
    at: usize,
    filter: Prompt,
    /// The check that is about to be cancelled.
    asks: Option<String>,
}

impl List {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            chosen: None,
            at: 0,
            filter: Prompt::default(),
            asks: None,
        }
    }

    pub(super) fn apply(&mut self, key: Key, facts: Facts<'_>, body: Size) -> Step {
        if let Some(check) = self.asks.take() {
            return if matches!(key, Key::Char('y' | 'Y')) {
                Step::Act(Action::Cancel(check))
            } else {
                Step::Stay
            };
        }
        if self.filter.is_open() && self.filter.apply(key) {
            return Step::Stay;
        }
        let entries = self.entries(facts);
        let at = self.place(&entries);
        let page = body.lines.max(2) - 1;
        let last = entries.len().saturating_sub(1);
        let to = match key {
            Key::Char('j') | Key::Down | Key::Ctrl('n') => at + 1,
            Key::Char('k') | Key::Up | Key::Ctrl('p') => at.saturating_sub(1),
            Key::PageDown | Key::Char(' ') | Key::Ctrl('f') => at + page,
            Key::PageUp | Key::Char('b') | Key::Ctrl('b') => at.saturating_sub(page),
            Key::Home | Key::Char('g') => 0,
            Key::End | Key::Char('G') => last,
            Key::Char('/') => {
                self.filter.open();
                return Step::Stay;
            }
            Key::Enter | Key::Right | Key::Char('l') => {
                return entries.get(at).map_or(Step::Stay, |entry| self.open(entry));
            }
            Key::Char('o') => {
                return match entries.get(at) {
                    Some(Entry::Log(drv_path, _)) => {
                        Step::Act(Action::OpenPager((*drv_path).clone()))
                    }
                    Some(Entry::Check(_)) | None => Step::Stay,
                };
            }
            Key::Escape if !self.filter.text().is_empty() => {
                self.filter.clear();
                return Step::Stay;
            }
            Key::Escape | Key::Char('q') | Key::Left => return Step::Back,
            Key::Char(_) | Key::Ctrl(_) | Key::Backspace => return Step::Stay,
        };
        self.at = to.min(last);
        self.chosen = entries.get(self.at).map(Entry::id);
        Step::Stay
    }

    /// What Enter does.
    fn open(&mut self, entry: &Entry<'_>) -> Step {
        self.chosen = Some(entry.id());
        match (entry, self.kind) {
            (Entry::Log(drv_path, _), _) => {
                Step::Open(Page::Log(LogPage::new((*drv_path).clone())))
            }
            (Entry::Check(check), Kind::Cancel) => {
                self.asks = Some(check.path.to_string());
                Step::Stay
            }
            (Entry::Check(check), Kind::Waits | Kind::Logs) => {
                let check = check.path.to_string();
                let page = Page::Waits(WaitsPage::new(check.clone()));
                Step::OpenAndAct(page, Action::Explain(check))
            }
        }
    }

    fn entries<'a>(&self, facts: Facts<'a>) -> Vec<Entry<'a>> {
        let mut entries: Vec<Entry<'a>> = match self.kind {
            Kind::Logs => {
                let logs = facts.logs.in_order();
                logs.map(|(drv_path, log)| Entry::Log(drv_path, log))
                    .collect()
            }
            Kind::Waits | Kind::Cancel => {
                let rows = facts.model.rows();
                let checks = rows.flat_map(|row| facts.model.checks_of(row));
                let open = checks.filter(|check| check.stage == Stage::Waiting);
                open.map(Entry::Check).collect()
            }
        };
        if !self.filter.text().is_empty() {
            entries.retain(|entry| self.filter.is_in(&entry.name()));
        }
        entries
    }

    /// Where the chosen entry is now; where it was, if it is gone.
    fn place(&self, entries: &[Entry<'_>]) -> usize {
        let chosen = self.chosen.as_ref();
        let found = chosen.and_then(|id| entries.iter().position(|entry| entry.id() == *id));
        found
            .unwrap_or(self.at)
            .min(entries.len().saturating_sub(1))
    }

    pub(super) fn render(&self, canvas: Canvas<'_>) -> Drawing {
        let entries = self.entries(canvas.facts);
        let at = self.place(&entries);
        let lines = canvas.size.lines;
        // The chosen one stays in the middle where there is something on both sides of it.
        let top = at
            .saturating_sub(lines / 2)
            .min(entries.len().saturating_sub(lines));
        let shown = entries.iter().enumerate().skip(top).take(lines);
        let mut body: Vec<_> = shown
            .map(|(n, entry)| line(canvas, entry, n == at))
            .collect();
        if body.is_empty() {
            let nothing = match (self.filter.text(), self.kind) {
                ("", Kind::Logs) => "nothing has failed, and nothing is being built",
                ("", Kind::Waits) => "no check waits for anything",
                ("", Kind::Cancel) => "no check is left to cancel",
                _ => "nothing has this in its name",
            };
            body.push(
                canvas
                    .line()
                    .skip(3)
                    .push(nothing, &canvas.styles.dim)
                    .finish(),
            );
        }
        let failed = canvas.facts.logs.failed();
        let (what, more) = match self.kind {
            Kind::Logs => (
                "logs",
                format!(
                    "{failed} failed, {} running",
                    canvas.facts.model.running.len()
                ),
            ),
            Kind::Waits => ("what does it wait for?", counted(entries.len(), "check")),
            Kind::Cancel => ("cancel which check?", counted(entries.len(), "check")),
        };
        let filtered = match self.filter.text() {
            "" => more,
            text => format!("{more}  /{text}"),
        };
        let last = if let Some(check) = &self.asks {
            let asks = format!("cancel {check}? y n");
            canvas
                .line()
                .skip(1)
                .push(&asks, &canvas.styles.notice)
                .finish()
        } else if self.filter.is_open() {
            self.filter.render(canvas, &counted(entries.len(), "match"))
        } else {
            let mut keys = vec![
                ("q", "back"),
                ("Enter", "open"),
                ("/", "filter"),
                ("j k", "move"),
            ];
            match self.kind {
                Kind::Logs => keys.push(("o", "pager")),
                Kind::Cancel => keys[1].1 = "cancel",
                Kind::Waits => {}
            }
            canvas.keys(&keys)
        };
        Drawing {
            title: canvas.title(what, &filtered),
            body,
            last,
        }
    }
}

/// A line of the list.
fn line(canvas: Canvas<'_>, entry: &Entry<'_>, is_chosen: bool) -> String {
    let styles = canvas.styles;
    let now = canvas.facts.now;
    let model = canvas.facts.model;
    let (glyph, style, detail) = match entry {
        Entry::Log(_, log) if log.end.is_some() => {
            let (glyph, style, detail) = match &log.end {
                Some((outcome, took, phase)) => {
                    let (glyph, style) = styles.outcome(*outcome, log.is_allowed);
                    let phase = if phase.is_empty() {
                        String::new()
                    } else {
                        format!(" in {phase}")
                    };
                    (
                        glyph,
                        style,
                        format!("{} after {}{phase}", spoken(*outcome), duration(*took)),
                    )
                }
                None => (styles.glyphs.waiting, &styles.dim, String::new()),
            };
            (glyph, style, detail)
        }
        Entry::Log(drv_path, _) => {
            let step = model.running.of(drv_path);
            let detail = step.map_or(String::new(), |step| {
                let took = duration(now.saturating_sub(step.started));
                format!("{} {took}  {}", step.stage(), step.last_line)
            });
            (styles.glyphs.spinner(now), &styles.run, detail)
        }
        Entry::Check(check) => match model.blocker(check) {
            Some(step) if check.is_running => {
                let took = duration(now.saturating_sub(step.started));
                (
                    styles.glyphs.spinner(now),
                    &styles.run,
                    format!("{} {took}", step.stage()),
                )
            }
            Some(step) => (
                styles.glyphs.spinner(now),
                &styles.run,
                format!("waits for {}", step.name),
            ),
            None => (styles.glyphs.waiting, &styles.dim, "waiting".to_owned()),
        },
    };
    let name_style = if is_chosen {
        &styles.strong
    } else {
        &styles.plain
    };
    let mark = if is_chosen { styles.glyphs.chosen } else { " " };
    let name = entry.name();
    let room = (canvas.size.columns * 3 / 5).max(12);
    canvas
        .line()
        .push(mark, &styles.strong)
        .push(glyph, style)
        .skip(1)
        .push_within(&name, room, name_style)
        .skip(2)
        .push(&detail, &styles.dim)
        .finish()
}
