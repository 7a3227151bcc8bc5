//! What of a [`Summary`] a CI shows at a line of a file, or above its log.

use super::{Ending, Summary, noise::relevant, text};
use crate::report::{
    dialect::Annotation,
    words::{in_phase, spoken},
};

/// How many of the last lines of a log an annotation has.
const LOG_LINES: usize = 10;

impl Summary {
    /// Makes an annotation for each cause.
    pub(in crate::report) fn annotations(&self, ending: Ending<'_>) -> Vec<Annotation> {
        let mut annotations = Vec::new();
        for (error, checks) in self.evaluation_errors.in_order() {
            let file = error.file.as_deref();
            annotations.push(Annotation {
                title: format!("{} failed to evaluate", text::subject(checks)),
                // A file with a whole name is none of the repository's.
                file: file
                    .filter(|file| !file.starts_with(['/', '«']))
                    .map(str::to_owned),
                line: error.line,
                column: error.column,
                message: text::message_lines(error).collect::<Vec<_>>().join("\n"),
            });
        }
        for failure in &self.failures {
            let failed = text::failed_after(failure.outcome).trim_end_matches(" after");
            let phase = in_phase(failure.phase.as_deref());
            let mut message = text::reason(failure).join("\n");
            if let Some(fix) = &failure.fix {
                message = format!("{message}\n{} -> {}", fix.specified, fix.got);
            }
            if failure.breaks.total > 0 {
                message = format!("{message}\nbreaks {}", text::list(&failure.breaks));
            }
            let (log, _) = relevant(&failure.log_tail);
            for line in &log[log.len().saturating_sub(LOG_LINES)..] {
                message.push('\n');
                message.push_str(&console::strip_ansi_codes(line));
            }
            let place = failure.fix.as_ref().and_then(|fix| fix.places.first());
            let place = place.map(|found| &found.place);
            annotations.push(Annotation {
                title: format!("{} {failed}{phase}", failure.name),
                file: place.map(|place| place.file.clone()),
                line: place.map(|place| place.line),
                column: place.map(|place| place.column),
                message,
            });
        }
        for ((outcome, why), checks) in self.mishaps.in_order() {
            annotations.push(Annotation {
                title: format!("{}: {}", text::subject(checks), spoken(*outcome)),
                message: why.clone(),
                ..Annotation::default()
            });
        }
        annotations.extend(self.untold_error(ending).map(|error| Annotation {
            title: "the run could not be carried out".to_owned(),
            message: error.to_owned(),
            ..Annotation::default()
        }));
        annotations
    }
}
