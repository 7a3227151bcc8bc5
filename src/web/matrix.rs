//! The checks of a run as a table: rows by name, columns by system, what matters first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{moment::took, sign::Sign, site::Site};
use crate::{
    db::server::{CheckRow, StepRow},
    event::Outcome,
    report::harmless,
};

/// How many rows a page has unless all are asked for.
const ROWS: usize = 1000;

/// What became of a check; of a row, the first of these that one of its checks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Failed,
    Running,
    Waiting,
    Allowed,
    Neutral,
    Passed,
}

/// The checks of a run.
#[derive(Debug, Default)]
pub(super) struct Matrix {
    /// The columns.
    pub systems: Vec<String>,
    /// What did not pass.
    pub rows: Vec<MatrixRow>,
    /// What passed.
    pub passed: Vec<MatrixRow>,
    /// How many rows there is no room for.
    pub left_out: usize,
}

/// The checks of one name.
#[derive(Debug)]
pub(super) struct MatrixRow {
    /// The name.
    pub name: String,
    /// Its checks by column.
    pub cells: Vec<Option<Cell>>,
}

/// A check.
#[derive(Debug)]
pub(super) struct Cell {
    /// Its page.
    pub href: String,
    /// Its column.
    pub system: String,
    /// How it stands.
    pub sign: Sign,
    /// The same in short.
    pub text: String,
}

impl Matrix {
    /// The checks of a run and its steps by derivation.
    pub(super) fn new(
        site: &Site,
        run: i64,
        checks: &[CheckRow],
        steps: &HashMap<&str, &StepRow>,
        all: bool,
    ) -> Self {
        let systems: BTreeSet<&str> = checks.iter().map(|check| check.system.as_str()).collect();
        let mut by_name: BTreeMap<&str, Vec<&CheckRow>> = BTreeMap::new();
        for check in checks {
            by_name.entry(&check.name).or_default().push(check);
        }
        let own_step = |check: &CheckRow| steps.get(check.drv_path.as_deref()?).copied();
        let mut rows: Vec<(Class, &str, Vec<&CheckRow>)> = by_name
            .into_iter()
            .filter_map(|(name, checks)| {
                let class = checks.iter().map(|check| class(check, own_step(check)));
                Some((class.min()?, name, checks))
            })
            .collect();
        rows.sort_by_key(|(class, ..)| *class);
        let left_out = if all {
            0
        } else {
            rows.len().saturating_sub(ROWS)
        };
        rows.truncate(rows.len() - left_out);
        let mut matrix = Self {
            systems: systems.iter().map(|system| harmless(system)).collect(),
            left_out,
            ..Self::default()
        };
        for (class, name, checks) in rows {
            let cells = systems.iter().map(|system| {
                let check = checks.iter().find(|check| check.system == **system)?;
                let sign = Sign::of_check(check, own_step(check));
                Some(Cell {
                    href: site.check(run, &check.path),
                    system: harmless(system),
                    text: in_short(check, &sign),
                    sign,
                })
            });
            let row = MatrixRow {
                name: if name.is_empty() {
                    "(the attribute itself)".to_owned()
                } else {
                    harmless(name)
                },
                cells: cells.collect(),
            };
            if class == Class::Passed {
                matrix.passed.push(row);
            } else {
                matrix.rows.push(row);
            }
        }
        matrix
    }
}

fn class(check: &CheckRow, step: Option<&StepRow>) -> Class {
    let Some(outcome) = check.outcome.as_deref().and_then(Outcome::parse) else {
        return match step {
            Some(_) => Class::Running,
            None => Class::Waiting,
        };
    };
    if check.allowed {
        Class::Allowed
    } else if outcome.is_failed() {
        Class::Failed
    } else if outcome.is_passed() {
        Class::Passed
    } else {
        Class::Neutral
    }
}

/// What a build took, or what happened instead of one.
fn in_short(check: &CheckRow, sign: &Sign) -> String {
    let outcome = check.outcome.as_deref().and_then(Outcome::parse);
    match outcome {
        Some(Outcome::Built | Outcome::Failed) => {
            check.duration.map_or_else(|| sign.word.clone(), took)
        }
        Some(Outcome::DependencyFailed) => "dependency".to_owned(),
        Some(Outcome::EvaluationFailed) => "evaluation".to_owned(),
        Some(Outcome::InfrastructureFailed) => "infrastructure".to_owned(),
        Some(Outcome::Unsupported) => "no builder".to_owned(),
        Some(
            Outcome::Substituted
            | Outcome::Cached
            | Outcome::Evaluated
            | Outcome::TimedOut
            | Outcome::Skipped
            | Outcome::Cancelled,
        )
        | None => sign.word.clone(),
    }
}
