//! What the fuzz target `eval_line` calls, since the parsers of evaluators are nobody else's business.

use super::{
    failure::FailureContext,
    nix_eval_jobs::{Job, Outcome},
    sections::Sections,
};

/// Takes any bytes as what evaluators write: as a line of nix-eval-jobs, as standard error, and as an error text.
///
/// # Panics
///
/// If a parser does, or if one does not keep what it promises.
#[doc(hidden)]
pub fn fuzz_evaluation(bytes: &[u8]) {
    if let Ok(job) = Job::parse(bytes) {
        let line = serde_json::json!({ "attrPath": job.path, "error": "x" }).to_string();
        let again = Job::parse(line.as_bytes()).expect("it has a path and an error");
        assert_eq!(again.path, job.path);
        if let Outcome::Failed(text) = job.outcome {
            fuzz_failure(&text);
        }
    }
    let mut sections = Sections::default();
    for line in bytes.split(|&byte| byte == b'\n') {
        sections.push(line);
    }
    sections.finish();
    fuzz_failure(&String::from_utf8_lossy(bytes));
}

fn fuzz_failure(text: &str) {
    for show_trace in [false, true] {
        let trees = vec!["/src/demo".to_owned()];
        let failure = FailureContext { trees, show_trace }.failure(text);
        assert!(!failure.message.is_empty());
        assert_eq!(failure.file.is_some(), failure.line.is_some());
        assert_ne!(failure.file.as_deref(), Some("«string»"));
    }
}
