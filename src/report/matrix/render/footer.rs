//! Below the matrix: the steps that run, and the line with the figures.

use console::Style;

use super::{View, Writer};
use crate::report::{
    format::{bytes, count, counted, duration, estimate},
    matrix::{
        layout::{GAP, MARGIN, Sort},
        text_line::TextLine,
    },
    running::RunningStep,
    sanitize::{columns, fit},
    words::first_line,
};

/// From this width on, running steps show the check they are for.
const WITH_CHECKS: usize = 72;
/// From this width on, they show the machine and how long they took before, too.
const WIDE: usize = 100;
/// In less room, the last line of a log says nothing.
const LAST_LINE_COLUMNS_MIN: usize = 12;

impl Writer<'_> {
    /// A line for each of the oldest running steps, and empty ones for those that have just ended.
    pub(super) fn steps(&self, lines: usize) -> Vec<String> {
        let steps = self.model.running.in_order();
        let steps: Vec<_> = steps
            .into_iter()
            .take(lines)
            .map(|step| (self.fields(step), step))
            .collect();
        let widths: [usize; 4] = std::array::from_fn(|field| {
            let widest = steps
                .iter()
                .map(|(fields, _)| columns(&fields[field]))
                .max();
            widest.unwrap_or(0).min(self.field_columns_max(field))
        });
        let styles = self.styles;
        let spinner = styles.glyphs.spinner(self.now);
        let line = |(fields, step): &([String; 4], &RunningStep)| {
            let mut line = self.line().skip(1).push(spinner, &styles.run);
            let mut at = MARGIN;
            for ((text, width), style) in fields.iter().zip(widths).zip([
                &styles.strong,
                &styles.plain,
                &styles.run,
                &styles.plain,
            ]) {
                if width > 0 {
                    line = line.skip_to(at).push_within(text, width, style);
                    at += width + GAP;
                }
            }
            if self.size.columns.saturating_sub(at) >= LAST_LINE_COLUMNS_MIN {
                line = line.skip_to(at).push(&step.news(), &styles.dim);
            }
            line.finish()
        };
        let mut shown: Vec<_> = steps.iter().map(line).collect();
        shown.resize(lines, String::new());
        shown
    }

    /// How wide a field may get: more for the check, and not so narrow that usual words are cut.
    fn field_columns_max(&self, field: usize) -> usize {
        let width = self.size.columns;
        [
            width / 3,
            (width / 5).max(13),
            (width / 5).max(11),
            width / 4,
        ][field]
    }

    /// The check, the derivation, what it is at, and for how long. A narrow terminal gets less.
    fn fields(&self, step: &RunningStep) -> [String; 4] {
        let took = duration(self.now.saturating_sub(step.started));
        if self.size.columns < WITH_CHECKS {
            return [String::new(), step.name.clone(), step.stage(), took];
        }
        let more = match step.more_checks {
            0 => String::new(),
            more => format!(" +{}", count(more)),
        };
        let room = self.field_columns_max(0).saturating_sub(more.len());
        let check = fit(&step.check, room, self.styles.glyphs.ellipsis);
        let mut fields = [
            format!("{check}{more}"),
            step.name.clone(),
            step.stage(),
            took,
        ];
        if self.size.columns >= WIDE {
            if !step.machine.is_empty() {
                fields[2] = format!("{} on {}", fields[2], step.machine);
            }
            if let Some(expected) = step.expected {
                fields[3] = format!("{} of about {}", fields[3], estimate(expected));
            }
        }
        fields
    }

    /// The figures of the run on one line. Where there is no room for all, those that matter least are left out.
    pub(super) fn status(&self, view: &View) -> String {
        if let Some(question) = view.question {
            return self
                .line()
                .skip(1)
                .push(question, &self.styles.notice)
                .finish();
        }
        let mut parts = self.figures();
        for (is_shown, text) in [
            (view.sort != Sort::Name, view.sort.as_str()),
            (view.has_keys, "? keys"),
        ] {
            if is_shown {
                parts.push(Figure {
                    weight: 0,
                    joint: "",
                    text: text.to_owned(),
                    style: &self.styles.dim,
                });
            }
        }
        let mut line = self.status_line(&parts, usize::MAX);
        while parts.len() > 1 && self.size.columns < line.used() {
            let least = parts.iter().enumerate().min_by_key(|(_, part)| part.weight);
            if let Some((at, _)) = least {
                parts.remove(at);
            }
            line = self.status_line(&parts, usize::MAX);
        }
        self.status_line(&parts, self.size.columns).finish()
    }

    fn status_line(&self, parts: &[Figure<'_>], width: usize) -> TextLine {
        let glyphs = &self.styles.glyphs;
        let dot = format!(" {} ", glyphs.dot);
        let mut line = TextLine::new(width, glyphs).skip(1);
        let mut before: Option<&str> = None;
        for part in parts {
            let between = match before {
                None => "",
                Some(joint) if joint == part.joint && !joint.is_empty() => joint,
                Some(_) => &dot,
            };
            line = line
                .push(between, &self.styles.dim)
                .push(&part.text, part.style);
            before = Some(part.joint);
        }
        line
    }

    fn figures(&self) -> Vec<Figure<'_>> {
        let progress = &self.model.progress;
        let styles = self.styles;
        let glyphs = &styles.glyphs;
        let mut figures = Vec::new();
        let mut add = |weight, joint, text, style| {
            figures.push(Figure {
                weight,
                joint,
                text,
                style,
            });
        };
        if let Some(reason) = &self.model.stopping {
            add(
                9,
                "",
                format!("stopping: {}", first_line(reason)),
                &styles.notice,
            );
        }
        let known = match progress.attributes {
            0 => String::new(),
            n => format!("/{}", count(n)),
        };
        let evaluated = format!("eval {}{known}", count(progress.evaluated));
        if progress.evaluating {
            add(
                6,
                "",
                format!("{} {evaluated}", glyphs.spinner(self.now)),
                &styles.run,
            );
        } else {
            add(3, "", evaluated, &styles.plain);
        }
        if progress.building > 0 {
            add(5, "", counted(progress.building, "build"), &styles.run);
        }
        if progress.queued > 0 {
            add(
                4,
                "",
                format!("{} queued", count(progress.queued)),
                &styles.plain,
            );
        }
        if progress.downloading > 0 {
            let (done, all) = (
                bytes(progress.downloaded_bytes),
                bytes(progress.download_bytes),
            );
            let text = format!(
                "{} {} ({done} of {all})",
                glyphs.down,
                count(progress.downloading)
            );
            add(2, "", text, &styles.run);
        }
        if progress.uploading > 0 {
            let others = [progress.building, progress.downloading, progress.queued];
            let is_last = others.iter().all(|n| *n == 0);
            let n = if is_last {
                counted(progress.uploading, "upload")
            } else {
                count(progress.uploading)
            };
            add(2, "", format!("{} {n}", glyphs.up), &styles.run);
        }
        let counts = &self.model.outcomes;
        let others = counts.total() - counts.passed() - counts.failed();
        for (weight, n, glyph, style) in [
            (7, counts.passed(), glyphs.pass, &styles.pass),
            (
                8,
                counts.failed().saturating_sub(self.model.allowed),
                glyphs.fail,
                &styles.fail,
            ),
            (5, self.model.allowed, glyphs.allowed, &styles.notice),
            (4, others, glyphs.neutral, &styles.notice),
        ] {
            if n > 0 {
                add(weight, " ", format!("{glyph} {}", count(n)), style);
            }
        }
        add(6, ", ", duration(self.now), &styles.plain);
        let remaining = progress.remaining.filter(|remaining| !remaining.is_zero());
        if let Some(remaining) = remaining {
            let about = if progress.evaluating {
                "more than"
            } else {
                "about"
            };
            let text = format!("{about} {} left", estimate(remaining));
            add(1, ", ", text, &styles.plain);
        }
        figures
    }
}

/// A figure of the status line.
struct Figure<'a> {
    /// How much it matters.
    weight: u8,
    /// What stands between it and a neighbour of its kind; empty: what stands between all.
    joint: &'static str,
    text: String,
    style: &'a Style,
}
