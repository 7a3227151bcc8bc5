//! The matrix: a header, a row for each name, and a line for what has no room.

use console::Style;

use super::Writer;
use crate::{
    event::Outcome,
    report::{
        format::{count, counted, duration},
        matrix::{
            layout::{Cells, GAP, Layout, MARGIN},
            model::{Check, Class, Row, Stage},
        },
        running::RunningStep,
        sanitize::columns,
        words::spoken,
    },
};

impl Writer<'_> {
    /// The header, the rows, and what of them is folded.
    pub(super) fn matrix(&self, layout: &Layout<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        if layout.has_header {
            lines.push(self.header(layout));
        }
        lines.extend(layout.rows.iter().map(|row| self.row(row, layout)));
        lines.extend(self.folded(layout));
        lines
    }

    fn header(&self, layout: &Layout<'_>) -> String {
        let width = match layout.cells {
            Cells::Columns { .. } => MARGIN + layout.name_columns - 1,
            Cells::List | Cells::Signs(_) => self.size.columns,
        };
        let title = columns(&self.model.title);
        let mut line = self
            .line()
            .skip(1)
            .push_within(&self.model.title, width, &self.styles.strong)
            .skip(2)
            .push_within(
                &self.model.revision,
                width.saturating_sub(title + 2),
                &self.styles.dim,
            );
        match &layout.cells {
            Cells::Columns { shown, hidden } => {
                let mut at = MARGIN + layout.name_columns;
                for (system, cell) in shown {
                    let name = self.model.systems[*system].as_str();
                    line = line
                        .skip_to(at + GAP)
                        .push_within(name, *cell, &self.styles.strong);
                    at += GAP + cell;
                }
                if !hidden.is_empty() {
                    let more = format!("+{}", counted(hidden.len(), "system"));
                    line = line.skip_to(at + GAP).push(&more, &self.styles.dim);
                }
            }
            Cells::List => {
                if let [system] = self.model.systems.as_slice() {
                    line = line.skip(2).push(system.as_str(), &self.styles.strong);
                }
            }
            Cells::Signs(_) => {}
        }
        line.finish()
    }

    fn row(&self, row: &Row, layout: &Layout<'_>) -> String {
        let plain = &self.styles.plain;
        let mut at = MARGIN + layout.name_columns;
        let line = self.line();
        let name = self.model.name(row);
        match &layout.cells {
            Cells::List => {
                let check = self
                    .model
                    .cell(row, Some(0))
                    .or_else(|| self.model.cell(row, None));
                let Some(check) = check else {
                    return line.skip(MARGIN).push(name, plain).finish();
                };
                let (sign, style) = self.sign(check);
                line.skip(1)
                    .push(sign, style)
                    .skip(1)
                    .push_within(name, layout.name_columns, plain)
                    .skip_to(at + GAP)
                    .push(&self.long_word(check), &self.styles.dim)
                    .finish()
            }
            Cells::Columns { shown, hidden } => {
                let mut line = line
                    .skip(MARGIN)
                    .push_within(name, layout.name_columns, plain);
                // A check whose system is unknown has a row of its own, and stands in the first column.
                let mut homeless = self.model.cell(row, None);
                for (system, cell) in shown {
                    line = line.skip_to(at + GAP);
                    if let Some(check) = self
                        .model
                        .cell(row, Some(*system))
                        .or_else(|| homeless.take())
                    {
                        let (sign, style) = self.sign(check);
                        let room = cell.saturating_sub(2);
                        line = line.push(sign, style).skip(1).push_within(
                            &self.word(check),
                            room,
                            plain,
                        );
                    }
                    at += GAP + cell;
                }
                let rest = hidden
                    .iter()
                    .filter_map(|system| self.model.cell(row, Some(*system)));
                if let Some(check) = rest.chain(homeless).min_by_key(|check| check.class()) {
                    let (sign, style) = self.sign(check);
                    line = line.skip_to(at + GAP).push(sign, style);
                }
                line.finish()
            }
            Cells::Signs(systems) => {
                let mut line = line
                    .skip(MARGIN)
                    .push_within(name, layout.name_columns, plain);
                for system in systems {
                    if let Some(check) = self.model.cell(row, Some(*system)) {
                        let (sign, style) = self.sign(check);
                        line = line.skip_to(at + 1).push(sign, style);
                    }
                    at += GAP;
                }
                line.finish()
            }
        }
    }

    fn sign(&self, check: &Check) -> (&'static str, &Style) {
        match (check.stage, check.class()) {
            (Stage::Ended(outcome, _), _) => self.styles.outcome(outcome, check.is_allowed),
            (Stage::Waiting, Class::Running) => {
                (self.styles.glyphs.spinner(self.now), &self.styles.run)
            }
            (Stage::Waiting, _) => (self.styles.glyphs.waiting, &self.styles.dim),
        }
    }

    /// What a cell says besides its sign, in a word.
    fn word(&self, check: &Check) -> String {
        match check.stage {
            Stage::Ended(Outcome::Built | Outcome::Failed, took) => duration(took),
            Stage::Ended(Outcome::DependencyFailed, _) => "dependency".to_owned(),
            Stage::Ended(Outcome::EvaluationFailed, _) => "evaluation".to_owned(),
            Stage::Ended(Outcome::InfrastructureFailed, _) => "lost".to_owned(),
            Stage::Ended(Outcome::Unsupported, _) => "no builder".to_owned(),
            Stage::Ended(outcome, _) => spoken(outcome).to_owned(),
            Stage::Waiting if check.is_running => {
                let step = self.model.blocker(check);
                step.map_or("building".to_owned(), RunningStep::short_stage)
            }
            Stage::Waiting => match self.model.blocker(check) {
                Some(step) => format!("for {}", step.name),
                None if self.model.is_full() => "for a slot".to_owned(),
                None => "waiting".to_owned(),
            },
        }
    }

    /// What a line of a list says besides its sign: there is room for the reason.
    fn long_word(&self, check: &Check) -> String {
        let word = self.word(check);
        match check.stage {
            Stage::Waiting if !check.is_running => match self.model.blocker(check) {
                Some(step) => {
                    let took = duration(self.now.saturating_sub(step.started));
                    format!("waits for {} ({}, {took})", step.name, step.stage())
                }
                None if self.model.is_full() => "waits for a slot".to_owned(),
                None => word,
            },
            _ if check.note.is_empty() => word,
            Stage::Ended(Outcome::Unsupported, _) => check.note.to_string(),
            Stage::Ended(..) | Stage::Waiting => format!("{word}: {}", check.note),
        }
    }

    fn folded(&self, layout: &Layout<'_>) -> Option<String> {
        let parts: Vec<_> = [
            Class::Failed,
            Class::Running,
            Class::Passed,
            Class::Waiting,
            Class::Allowed,
            Class::Neutral,
        ]
        .into_iter()
        .map(|class| (layout.folded[class as usize], class))
        .filter(|(n, _)| *n > 0)
        .map(|(n, class)| {
            let what = match class {
                Class::Failed => "failed",
                Class::Running => "running",
                Class::Waiting => "waiting",
                Class::Allowed => "failed as they may",
                Class::Neutral => "left out",
                Class::Passed => "passed",
            };
            (count(n), what)
        })
        .collect();
        let ((first, what), rest) = parts.split_first()?;
        let more = if layout.rows.is_empty() { "" } else { " more" };
        let ellipsis = self.styles.glyphs.ellipsis;
        let mut text = format!("{ellipsis} {first}{more} {what}");
        for (n, what) in rest {
            text = format!("{text}, {n} {what}");
        }
        Some(
            self.line()
                .skip(MARGIN)
                .push(&text, &self.styles.dim)
                .finish(),
        )
    }
}
