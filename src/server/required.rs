//! Checks without which a run does not pass, whatever else does. Pure.

use std::collections::HashMap;

use crate::{
    db::server::path_of,
    event::{Event, EventKind, Outcome, RunOutcome},
    nix::AttrPath,
};

/// How many checks are named.
const NAMED: usize = 5;

/// Watches a run for checks that have to be there and pass.
#[derive(Debug, Default)]
pub(super) struct Required {
    paths: Vec<String>,
    attribute: String,
    ended: HashMap<AttrPath, Outcome>,
}

impl Required {
    /// Demands checks by their attribute paths below the flake's outputs, of a run of what is below `attribute`.
    pub(super) fn new(paths: Vec<String>, attribute: &str) -> Self {
        Self {
            paths,
            attribute: attribute.to_owned(),
            ended: HashMap::new(),
        }
    }

    /// Takes an event; the end of a run that would pass becomes a failure if something is missing.
    pub(super) fn observe(&mut self, event: &mut Event) {
        if self.paths.is_empty() {
            return;
        }
        if let EventKind::CheckFinished { check, outcome, .. } = &event.kind
            && let Ok(path) = AttrPath::parse(&path_of(&self.attribute, check))
        {
            self.ended.insert(path, *outcome);
        }
        if let EventKind::RunFinished {
            outcome: outcome @ (RunOutcome::Passed | RunOutcome::Failed),
            error,
            exit_code,
            ..
        } = &mut event.kind
            && let Some(why) = self.missing()
        {
            *outcome = RunOutcome::Failed;
            *exit_code = 1;
            *error = Some(why);
        }
    }

    /// What is missing, in words.
    fn missing(&self) -> Option<String> {
        let of = |path: &String| {
            AttrPath::parse(path)
                .ok()
                .and_then(|path| self.ended.get(&path).copied())
        };
        let missing: Vec<String> = self
            .paths
            .iter()
            .filter_map(|path| match of(path) {
                Some(outcome) if outcome.is_passed() => None,
                Some(outcome) => Some(format!("{path} ({outcome})")),
                None => Some(format!("{path} (not there)")),
            })
            .collect();
        let named = missing[..missing.len().min(NAMED)].join(", ");
        let more = match missing.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!missing.is_empty()).then(|| format!("required checks did not pass: {named}{more}"))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use jiff::Timestamp;

    use super::Required;
    use crate::event::{Counts, Event, EventKind, Outcome, RunOutcome};

    fn event(kind: EventKind) -> Event {
        Event {
            at: Timestamp::UNIX_EPOCH,
            elapsed: Duration::ZERO,
            kind,
        }
    }

    /// How a run ends with these checks in which `checks.x86_64-linux.fmt` is required.
    fn end(checks: &[(&str, Outcome)]) -> (RunOutcome, Option<String>) {
        let mut required = Required::new(vec!["checks.x86_64-linux.fmt".into()], "checks");
        for (check, outcome) in checks {
            required.observe(&mut event(EventKind::CheckFinished {
                check: (*check).into(),
                system: crate::nix::System::parse("x86_64-linux").unwrap(),
                name: String::new(),
                drv_path: None,
                kind: None,
                outcome: *outcome,
                duration: Duration::ZERO,
                outputs: BTreeMap::new(),
                cause: None,
                reason: None,
                allowed: false,
                previous: None,
            }));
        }
        let mut end = event(EventKind::RunFinished {
            outcome: RunOutcome::Passed,
            counts: Counts::default(),
            duration: Duration::ZERO,
            exit_code: 0,
            error: None,
            allowed: 0,
        });
        required.observe(&mut end);
        let EventKind::RunFinished { outcome, error, .. } = end.kind else {
            panic!("it is another event");
        };
        (outcome, error)
    }

    #[test]
    fn a_required_check_has_to_be_there_and_pass() {
        let good = ("x86_64-linux.good", Outcome::Built);
        let passed = (RunOutcome::Passed, None);
        assert_eq!(end(&[good, ("x86_64-linux.fmt", Outcome::Cached)]), passed);
        assert_eq!(end(&[("x86_64-linux.\"fmt\"", Outcome::Built)]), passed);
        let failed = |why: &str| {
            let why = format!("required checks did not pass: checks.x86_64-linux.fmt ({why})");
            (RunOutcome::Failed, Some(why))
        };
        assert_eq!(end(&[good]), failed("not there"));
        // It may fail, or no builder has its system: nothing that it could say of itself.
        assert_eq!(
            end(&[("x86_64-linux.fmt", Outcome::Failed)]),
            failed("failed")
        );
        assert_eq!(
            end(&[("x86_64-linux.fmt", Outcome::Unsupported)]),
            failed("unsupported")
        );
    }
}
