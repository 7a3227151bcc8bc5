//! GitHub's check runs: what a status says, with a text, places in files, and buttons.
//!
//! <https://docs.github.com/en/rest/checks/runs>. Pure: what a run says becomes requests within GitHub's limits here.

mod markdown;

use jiff::{Timestamp, Unit};
pub use markdown::{code_span, fenced};
use serde_json::{Value, json};

use super::{CommitId, status::cut};

/// How long a summary or a text may be, in characters.
pub const CHECK_TEXT_CHARS: usize = 65_535;
/// How many annotations a request may have; those of later requests are added.
const ANNOTATIONS_A_REQUEST: usize = 50;
/// How many annotations a check run gets: beyond that nobody reads them, and each fifty are a request.
const ANNOTATIONS_MAX: usize = 500;
/// How long the message of an annotation may be, in bytes: GitHub's 64 KB.
const MESSAGE_BYTES: usize = 64_000;
/// How long titles and names may be, in characters.
const TITLE_CHARS: usize = 255;
/// How many buttons there may be.
const BUTTONS_MAX: usize = 3;

/// What is shown beside a commit under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRun {
    /// What people see, and what branch protection asks for.
    pub name: String,
    /// The commit.
    pub commit: CommitId,
    /// The page that says more.
    pub details_url: Option<String>,
    /// What GitHub sends back when somebody asks for it again; may be empty.
    pub external_id: String,
    /// How it stands.
    pub state: CheckState,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// What it says; GitHub shows nothing without.
    pub output: Option<CheckOutput>,
    /// What can be asked for; the first three are shown.
    pub buttons: Vec<CheckButton>,
}

/// How a check run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckState {
    /// It waits.
    Queued,
    /// It goes on.
    InProgress,
    /// It is over.
    Completed {
        /// How it ended.
        conclusion: Conclusion,
        /// When.
        at: Option<Timestamp>,
    },
}

/// How a check run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Somebody has to do something first.
    ActionRequired,
    /// It was stopped.
    Cancelled,
    /// The commit is at fault.
    Failure,
    /// Neither good nor bad; does not hold up a merge.
    Neutral,
    /// All is well.
    Success,
    /// It was not needed.
    Skipped,
    /// It took too long.
    TimedOut,
}

/// What a check run says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOutput {
    /// In a few words.
    pub title: String,
    /// Markdown, in which what comes from outside stands in [`code_span`] or [`fenced`]; cut to
    /// [`CHECK_TEXT_CHARS`].
    pub summary: String,
    /// More Markdown, cut in the same way; may be empty.
    pub text: String,
    /// Places in files, the first five hundred.
    pub annotations: Vec<Annotation>,
}

/// Something about a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The file, as a path in the repository.
    pub path: String,
    /// The line, counted from 1.
    pub line: u32,
    /// How bad it is.
    pub level: AnnotationLevel,
    /// What it is; may be empty.
    pub title: String,
    /// What there is to say; shown as it is, not as Markdown.
    pub message: String,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnotationLevel {
    /// Worth knowing.
    Notice,
    /// Worth a look.
    Warning,
    /// Why it failed.
    Failure,
}

/// A button that GitHub sends a webhook for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckButton {
    /// What is on it, at most 20 characters.
    pub label: String,
    /// What it does, at most 40 characters.
    pub description: String,
    /// What the webhook calls it, at most 20 characters; see [`super::Command::button`].
    pub identifier: String,
}

impl CheckRun {
    /// What to send, one request after the other: the first says everything but what does not fit.
    pub(super) fn bodies(&self) -> Vec<Value> {
        let mut first = json!({ "name": cut(&self.name, TITLE_CHARS) });
        let fields = [
            ("details_url", self.details_url.clone()),
            (
                "external_id",
                Some(self.external_id.clone()).filter(|id| !id.is_empty()),
            ),
            ("started_at", self.started_at.map(time)),
        ];
        for (field, value) in fields {
            if let Some(value) = value {
                first[field] = json!(value);
            }
        }
        match self.state {
            CheckState::Queued => first["status"] = json!("queued"),
            CheckState::InProgress => first["status"] = json!("in_progress"),
            CheckState::Completed { conclusion, at } => {
                first["status"] = json!("completed");
                first["conclusion"] = json!(conclusion.as_str());
                if let Some(at) = at {
                    first["completed_at"] = json!(time(at));
                }
            }
        }
        // An empty list takes away the buttons of before.
        let buttons = self.buttons.iter().take(BUTTONS_MAX);
        first["actions"] = buttons.map(CheckButton::body).collect();
        let Some(output) = &self.output else {
            return vec![first];
        };
        let annotations = &output.annotations;
        let annotations = &annotations[..annotations.len().min(ANNOTATIONS_MAX)];
        let (now, later) = annotations.split_at(annotations.len().min(ANNOTATIONS_A_REQUEST));
        first["output"] = output.body(now);
        let later = later
            .chunks(ANNOTATIONS_A_REQUEST)
            .map(|annotations| json!({ "output": output.body(annotations) }));
        std::iter::once(first).chain(later).collect()
    }
}

impl CheckOutput {
    fn body(&self, annotations: &[Annotation]) -> Value {
        let mut body = json!({
            "title": cut(&self.title, TITLE_CHARS),
            "summary": markdown::shortened(&self.summary, CHECK_TEXT_CHARS),
        });
        if !self.text.is_empty() {
            body["text"] = json!(markdown::shortened(&self.text, CHECK_TEXT_CHARS));
        }
        if !annotations.is_empty() {
            body["annotations"] = annotations.iter().map(Annotation::body).collect();
        }
        body
    }
}

impl Annotation {
    fn body(&self) -> Value {
        let mut body = json!({
            "path": self.path,
            "start_line": self.line.max(1),
            "end_line": self.line.max(1),
            "annotation_level": match self.level {
                AnnotationLevel::Notice => "notice",
                AnnotationLevel::Warning => "warning",
                AnnotationLevel::Failure => "failure",
            },
            "message": super::hook::bounded(markdown::plain(&self.message), MESSAGE_BYTES),
        });
        if !self.title.is_empty() {
            body["title"] = json!(cut(&markdown::plain(&self.title), TITLE_CHARS));
        }
        body
    }
}

impl CheckButton {
    fn body(&self) -> Value {
        json!({
            "label": cut(&self.label, 20),
            "description": cut(&self.description, 40),
            "identifier": self.identifier,
        })
    }
}

impl Conclusion {
    fn as_str(self) -> &'static str {
        match self {
            Self::ActionRequired => "action_required",
            Self::Cancelled => "cancelled",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
            Self::Success => "success",
            Self::Skipped => "skipped",
            Self::TimedOut => "timed_out",
        }
    }
}

/// A time as GitHub takes it, to the second.
fn time(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests;
