//! Below the matrix: the steps that run, and the line with the figures.

use console::Style;

use super::Writer;
use crate::report::{
    format::{bytes, count, counted, duration, estimate},
    matrix::layout::{GAP, MARGIN},
    running::RunningStep,
    sanitize::columns,
};

/// From this width on, running steps show the check they are for.
const WIDE: usize = 72;

impl Writer<'_> {
    /// A line for each of the oldest running steps, and empty ones for those that have just ended.
    pub(super) fn steps(&self, lines: usize) -> Vec<String> {
        let steps = self.model.running.in_order();
        let steps: Vec<_> = steps
            .into_iter()
            .take(lines)
            .map(|step| (self.fields(step), step))
            .collect();
        let quarter = self.size.columns / 4;
        let widths: [usize; 4] = std::array::from_fn(|field| {
            let widest = steps
                .iter()
                .map(|(fields, _)| columns(&fields[field]))
                .max();
            widest.unwrap_or(0).min(quarter)
        });
        let styles = self.styles;
        let spinner = styles.glyphs.spinner(self.now);
        let (plain, run) = (Style::new(), &styles.run);
        let line = |(fields, step): &([String; 4], &RunningStep)| {
            let mut line = self.line().skip(1).push(spinner, run);
            let mut at = MARGIN;
            for ((text, width), style) in
                fields
                    .iter()
                    .zip(widths)
                    .zip([&styles.strong, &plain, run, &plain])
            {
                if width > 0 {
                    line = line.skip_to(at).push_within(text, width, style);
                    at += width + GAP;
                }
            }
            line.skip_to(at).push(&step.last_line, &styles.dim).finish()
        };
        let mut shown: Vec<_> = steps.iter().map(line).collect();
        shown.resize(lines, String::new());
        shown
    }

    /// The check, the derivation, what it is at, and for how long. A narrow terminal gets less.
    fn fields(&self, step: &RunningStep) -> [String; 4] {
        let took = duration(self.now.saturating_sub(step.started));
        if self.size.columns < WIDE {
            return [String::new(), step.name.clone(), step.stage(), took];
        }
        let check = match step.more_checks {
            0 => step.check.clone(),
            more => format!("{} +{}", step.check, count(more)),
        };
        let machine = match step.machine.as_str() {
            "" => String::new(),
            machine => format!(" on {machine}"),
        };
        let expected = step.expected.map_or(String::new(), |expected| {
            format!(" of about {}", estimate(expected))
        });
        let stage = format!("{}{machine}", step.stage());
        [check, step.name.clone(), stage, format!("{took}{expected}")]
    }

    /// The figures of the run on one line.
    pub(super) fn status(&self) -> String {
        let progress = &self.model.progress;
        let glyphs = &self.styles.glyphs;
        // Each with how much it matters: where there is no room for all, the least goes first.
        let mut parts: Vec<(u8, String, &Style)> = Vec::new();
        let plain = Style::new();
        if let Some(reason) = &self.model.stopping {
            parts.push((9, format!("stopping: {reason}"), &self.styles.notice));
        }
        let known = if progress.attributes > 0 {
            format!("/{}", count(progress.attributes))
        } else {
            String::new()
        };
        let sign = if progress.evaluating {
            format!("{} ", glyphs.spinner(self.now))
        } else {
            String::new()
        };
        parts.push((
            6,
            format!("{sign}eval {}{known}", count(progress.evaluated)),
            &plain,
        ));
        if progress.building > 0 {
            parts.push((5, counted(progress.building, "build"), &self.styles.run));
        }
        if progress.queued > 0 {
            parts.push((3, format!("{} queued", count(progress.queued)), &plain));
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
            parts.push((2, text, &self.styles.run));
        }
        let counts = &self.model.outcomes;
        let others = counts.total() - counts.passed() - counts.failed();
        for (n, glyph, style, weight) in [
            (counts.passed(), glyphs.pass, &self.styles.pass, 7),
            (counts.failed(), glyphs.fail, &self.styles.fail, 8),
            (others, glyphs.neutral, &self.styles.notice, 4),
        ] {
            if n > 0 {
                parts.push((weight, format!("{glyph} {}", count(n)), style));
            }
        }
        parts.push((6, duration(self.now), &plain));
        if let Some(remaining) = progress.remaining {
            parts.push((1, format!("about {} left", estimate(remaining)), &plain));
        }
        let dot = format!(" {} ", glyphs.dot);
        let needed = |parts: &[(u8, String, &Style)]| {
            let texts: usize = parts
                .iter()
                .map(|(_, text, _)| columns(text) + columns(&dot))
                .sum();
            texts + 1 - columns(&dot)
        };
        while parts.len() > 1 && needed(&parts) > self.size.columns {
            let least = parts
                .iter()
                .enumerate()
                .min_by_key(|(_, (weight, ..))| *weight);
            if let Some((at, _)) = least {
                parts.remove(at);
            }
        }
        let mut line = self.line().skip(1);
        for (i, (_, text, style)) in parts.iter().enumerate() {
            if i > 0 {
                line = line.push(&dot, &self.styles.dim);
            }
            line = line.push(text, style);
        }
        line.finish()
    }
}
