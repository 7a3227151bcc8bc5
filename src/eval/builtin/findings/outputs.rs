//! What is looked at below the outputs of a flake as `nix flake check` does.
//!
//! Apart from other findings since the place among the outputs decides what a thing has to be, and not what it says it is.

use super::{Findings, Found};
use crate::{
    eval::{
        EvalError, EvalFailure, EvaluatedOutput,
        builtin::{
            answer,
            flake_check::{self, Rule},
            schedule::{Look, Task},
        },
    },
    nix::{AttrPath, System},
};

/// How many systems are named that are left out.
const OMITTED_MAX: usize = 100;
/// How many names are shown in place of one that is missing.
const NAMES_SHOWN: usize = 20;

impl Findings<'_, '_> {
    /// What to look at first: what is asked for itself.
    pub(in crate::eval::builtin) fn begin(&mut self) -> Vec<Task> {
        let tasks: Vec<Task> = if self.request.scope.flake_check {
            self.first_outputs()
        } else {
            let roots = self.request.scope.roots();
            roots.into_iter().map(Task::evaluate).collect()
        };
        self.attributes = tasks.len();
        tasks
    }

    /// Whether nothing is left to look at if this cannot be.
    pub(super) fn is_all(&self, path: &AttrPath, look: Look) -> bool {
        match look {
            Look::Whole | Look::Glance => self.selection.is_root(path),
            Look::Rule(_) => path.is_empty(),
        }
    }

    /// The outputs, and what is to be built though no rule leads to it.
    fn first_outputs(&self) -> Vec<Task> {
        let outputs = Task::by_rule(AttrPath::default(), Rule::Set);
        let opaque = self.request.scope.roots.iter().filter(|root| {
            let output = root.names().first();
            output.is_some_and(|output| flake_check::is_opaque(output))
        });
        let opaque = opaque.cloned().map(Task::evaluate);
        [outputs].into_iter().chain(opaque).collect()
    }

    /// Makes tasks of what is in a set: all outputs, one of them, or what it has for a system.
    pub(super) fn outputs(
        &mut self,
        path: &AttrPath,
        count: usize,
        names: Vec<String>,
    ) -> Result<Vec<Task>, EvalError> {
        self.require_roots(path, &names)?;
        if count > 0 {
            self.add_system(path, None);
        }
        let is_by_system = matches!(path.names(), [output] if flake_check::is_by_system(output));
        let mut tasks = Vec::new();
        for name in names {
            let child = path.child(&name);
            if self.selection.is_excluded(&child) {
                continue;
            }
            if path.is_empty()
                && let Some(remark) = flake_check::remark(&name)
            {
                self.delivery.warning(None, remark);
            }
            let rule = if is_by_system && !name.contains('-') {
                Some(Rule::System)
            } else if is_by_system && !self.is_system_wanted(&child, &name) {
                self.omit(name);
                None
            } else {
                self.rule(&child)
            };
            tasks.extend(rule.map(|rule| Task::by_rule(child, rule)));
        }
        self.attributes += tasks.len();
        self.limit_attributes(count)?;
        Ok(tasks)
    }

    /// Says which systems were left out, when all is evaluated.
    pub(in crate::eval::builtin) fn tell_omitted(&mut self) {
        if self.omitted.is_empty() {
            return;
        }
        let names = std::mem::take(&mut self.omitted);
        let systems = names.iter().map(|name| System::of_derivation(name));
        self.systems.extend(systems);
        let names: Vec<_> = names.into_iter().collect();
        let message = format!(
            "the check omitted what is for other systems: {}; `--all-systems` looks at it, too",
            names.join(", ")
        );
        self.delivery.warning(None, message);
    }

    fn rule(&self, path: &AttrPath) -> Option<Rule> {
        let rule = Rule::of(path, self.request.nix_version)?;
        let is_evaluated_already = rule == Rule::Any && self.selection.is_root(path);
        if is_evaluated_already {
            None
        } else if self.selection.is_asked_for(path) {
            Some(rule.to_build())
        } else {
            Some(rule)
        }
    }

    /// Whoever asks for something of a system wants that system.
    fn is_system_wanted(&self, path: &AttrPath, system: &str) -> bool {
        self.selection.wants_system(system) || self.selection.is_above_root(path)
    }

    fn omit(&mut self, system: String) {
        if self.omitted.len() < OMITTED_MAX {
            self.omitted.insert(system);
        }
    }

    /// What was asked for has to be there, but for checks: a flake may have none.
    fn require_roots(&self, path: &AttrPath, names: &[String]) -> Result<(), EvalError> {
        for root in &self.request.scope.roots {
            let [output, below @ ..] = root.names() else {
                continue;
            };
            let may_miss = output == "checks" && below.is_empty();
            let next = root.names().get(path.names().len());
            if !may_miss
                && root.names().starts_with(path.names())
                && next.is_some_and(|next| !names.contains(next))
            {
                return Err(EvalError::AttributeMissing {
                    wanted: root.to_string(),
                    available: names.iter().take(NAMES_SHOWN).cloned().collect(),
                });
            }
        }
        Ok(())
    }
}

/// What it means that something is as it should be.
pub(super) fn fit(
    path: &AttrPath,
    look: Look,
    drv_path: Option<String>,
    remark: Option<String>,
) -> Result<Found, EvalFailure> {
    // It may be anything, which says nothing about it.
    if look == Look::Rule(Rule::Any) {
        return Ok(Found::Nothing);
    }
    let parse = |drv_path: String| answer::derivation_path(&drv_path, path);
    let drv_path = drv_path.map(parse).transpose()?;
    let path = path.clone();
    Ok(Found::Output(EvaluatedOutput { path, drv_path }, remark))
}

#[cfg(test)]
mod tests;
