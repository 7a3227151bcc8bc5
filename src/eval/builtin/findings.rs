//! What the workers' answers mean: checks, failures, and more attributes to look at.
//!
//! Apart from the engine since nothing here waits for anything. What is found goes to the delivery.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    answer::{self, Answer, Position},
    schedule::{Look, Task},
};
use crate::{
    eval::{
        EvalError, EvalFailure, EvalRequest, EvaluatedCheck, EvaluatedOutput,
        delivery::Delivery,
        failure::{FailureContext, local_trees, machines_fault},
        nix_eval_jobs::{self, Job, Outcome},
        selection::{self, Selection, Wish},
    },
    nix::{AttrPath, System, looks_like_system},
};

/// How many systems are remembered.
const SYSTEMS_MAX: usize = 100;
/// How many names are remembered and shown in place of what no pattern chooses.
const NAMES_MAX: usize = 1000;
const NAMES_SHOWN: usize = 20;

/// All that is found in one evaluation.
pub(super) struct Findings<'e, 'd> {
    /// Where it goes.
    pub(super) delivery: &'e mut Delivery<'d>,
    /// What is known about the flake, for error texts.
    pub(super) context: FailureContext,
    request: &'e EvalRequest,
    asked: &'e AttrPath,
    selection: Selection,
    /// Whether nix-eval-jobs is at work, so that only names are to be found out meanwhile.
    is_deferring: bool,
    /// Attributes that nix-eval-jobs has evaluated, and such that it may evaluate yet.
    known: HashSet<AttrPath>,
    deferred: BTreeSet<AttrPath>,
    /// Which patterns have chosen something, and names that there are instead of what the others might mean.
    has_chosen: BTreeSet<usize>,
    names: BTreeSet<String>,
    /// How many attributes are evaluated, and how many are known.
    evaluated: usize,
    attributes: usize,
    /// How many of the evaluated ones are no checks but sets of attributes, or something to pass over.
    others: usize,
    systems: BTreeSet<System>,
    /// Systems that are not wanted, with an attribute of each.
    unwanted: BTreeMap<System, AttrPath>,
    /// Systems that `nix flake check` would leave out.
    omitted: BTreeSet<String>,
}

impl<'e, 'd> Findings<'e, 'd> {
    /// Begins with nothing.
    pub(super) fn new(
        request: &'e EvalRequest,
        delivery: &'e mut Delivery<'d>,
        is_deferring: bool,
    ) -> Self {
        Self {
            delivery,
            context: FailureContext {
                trees: local_trees(&request.installable.flake),
                show_trace: request.options.show_trace,
            },
            request,
            asked: &request.installable.attribute,
            selection: Selection::new(request),
            is_deferring,
            known: HashSet::new(),
            deferred: BTreeSet::new(),
            has_chosen: BTreeSet::new(),
            names: BTreeSet::new(),
            evaluated: 0,
            attributes: 0,
            others: 0,
            systems: BTreeSet::new(),
            unwanted: BTreeMap::new(),
            omitted: BTreeSet::new(),
        }
    }

    /// Takes what came of a task: an answer, or an error text. Returns what is to be looked at because of it.
    pub(super) fn take(
        &mut self,
        task: Task,
        answer: Result<&[u8], &str>,
    ) -> Result<Vec<Task>, EvalError> {
        if let Err(error) = answer {
            blame_the_machine(error)?;
        }
        let parsed = match answer {
            Ok(json) => serde_json::from_slice::<Answer>(json).map_err(|error| {
                EvalFailure::new(format!("cannot understand what Nix says about it: {error}"))
            }),
            Err(error) => Err(self.context.failure(error)),
        };
        let Task {
            path,
            is_survey,
            look,
            ..
        } = task;
        if is_survey {
            if let Ok(Answer::Set { count: 1.., .. } | Answer::Glanced) = parsed {
                self.add_system(&path, None);
            }
            return Ok(Vec::new());
        }
        self.evaluated += 1;
        let found = parsed.and_then(|answer| self.understand(&path, look, answer));
        let tasks = match found {
            Ok(Found::Check(check)) => {
                self.check(check);
                Vec::new()
            }
            Ok(Found::Set(count, names)) => {
                self.others += 1;
                match look {
                    Look::Whole | Look::Glance => self.children(&path, count, names)?,
                    Look::Rule(_) => self.outputs(&path, count, names)?,
                }
            }
            Ok(Found::Output(output, remark)) => {
                if let Some(remark) = remark {
                    self.delivery.remark(path, remark);
                }
                self.delivery.output(output);
                Vec::new()
            }
            Ok(Found::Nothing) => {
                self.others += 1;
                Vec::new()
            }
            Ok(Found::Missing(available)) => {
                return Err(EvalError::AttributeMissing {
                    wanted: self.asked.join(&path).to_string(),
                    available,
                });
            }
            // What was asked for itself: then the evaluation has failed as a whole.
            Err(failure) if self.is_all(&path, look) => return Err(EvalError::Flake(failure)),
            // It is no set, as far as that can be known, and itself nobody wants it.
            Err(_) if look == Look::Glance => {
                self.others += 1;
                Vec::new()
            }
            Err(failure) => {
                self.choose(&path);
                self.delivery.failed(path, failure);
                Vec::new()
            }
        };
        self.tell_progress();
        Ok(tasks)
    }

    /// Takes what nix-eval-jobs has found; `has_select`: only what is wanted was given to it.
    pub(super) fn take_job(&mut self, job: Job, has_select: bool) -> Result<(), EvalError> {
        let Job {
            path,
            outcome,
            warnings,
        } = job;
        let is_for_others = path.is_empty()
            || outcome == Outcome::NotLookedUp
            || (!has_select && nix_eval_jobs::is_nested(&path));
        if is_for_others || !self.selection.wants_path(&path) || !self.known.insert(path.clone()) {
            return Ok(());
        }
        self.attributes += usize::from(!self.deferred.remove(&path));
        self.limit_attributes(0)?;
        for warning in warnings {
            self.delivery.warning(Some(path.clone()), warning);
        }
        match outcome {
            Outcome::Check(check) => self.check(check),
            Outcome::Failed(error) => {
                blame_the_machine(&error)?;
                self.delivery.failed(path, self.context.failure(&error));
            }
            Outcome::NotLookedUp => {}
        }
        self.evaluated += 1;
        self.tell_progress();
        Ok(())
    }

    fn tell_progress(&mut self) {
        self.delivery
            .progress(self.evaluated - self.others, self.attributes - self.others);
    }

    fn check(&mut self, check: EvaluatedCheck) {
        self.add_system(&check.path, Some(&check.system));
        if self.selection.wants_derivation(&check.path, &check.system) {
            self.choose(&check.path);
            self.delivery.check(check);
        }
    }

    /// Notes which patterns have chosen an attribute.
    fn choose(&mut self, path: &AttrPath) {
        if self.has_chosen.len() < self.request.scope.only.len() {
            self.has_chosen.extend(self.selection.chosen_by(path));
        }
    }

    /// The first pattern that had to choose something and did not, when all is evaluated.
    pub(super) fn nothing_chosen(&self) -> Option<EvalError> {
        let scope = &self.request.scope;
        let is_missing = |at: &usize| scope.is_strict && !self.has_chosen.contains(at);
        let at = (0..scope.only.len()).find(is_missing)?;
        let mut unwanted = self.unwanted.values();
        Some(EvalError::NothingChosen {
            pattern: scope.only[at].to_string(),
            available: self.names.iter().take(NAMES_SHOWN).cloned().collect(),
            is_guess: scope.is_guess && at == 0,
            is_elsewhere: unwanted.any(|path| self.selection.may_choose(at, path)),
        })
    }

    /// nix-eval-jobs has ended: returns what it has not evaluated.
    pub(super) fn stop_deferring(&mut self) -> Vec<Task> {
        self.is_deferring = false;
        let deferred = std::mem::take(&mut self.deferred);
        deferred.into_iter().map(Task::evaluate).collect()
    }

    /// Takes a warning that came up during a task.
    pub(super) fn warning(&mut self, task: &Task, text: String) {
        if !task.is_survey {
            let path = Some(&task.path).filter(|path| !path.is_empty());
            self.delivery.warning(path.cloned(), text);
        }
    }

    fn understand(
        &self,
        path: &AttrPath,
        look: Look,
        answer: Answer,
    ) -> Result<Found, EvalFailure> {
        let shown = self.asked.join(path);
        match answer {
            Answer::Derivation(derivation) => derivation
                .into_check(path.clone(), &shown)
                .map(Found::Check),
            Answer::Glanced => Ok(Found::Nothing),
            Answer::Set { recurse: false, .. } if self.selection.may_refuse(path) => {
                Ok(Found::Nothing)
            }
            Answer::Set { .. } if selection::is_too_deep(path) => Err(EvalFailure::new(format!(
                "`{shown}` is nested too deeply: does a set contain itself?"
            ))),
            Answer::Set { count, names, .. } => Ok(Found::Set(count, names)),
            Answer::Other {
                is,
                type_name,
                position,
            } => {
                let type_name = type_name.as_deref();
                Err(self.failure(answer::not_a_derivation(&shown, &is, type_name), position))
            }
            Answer::Fit { drv_path, remark } => outputs::fit(path, look, drv_path, remark),
            Answer::Unfit { why, is, position } => {
                Err(self.failure(answer::not_fit(&shown, &why, is.as_deref()), position))
            }
            Answer::Missing { names } if self.selection.is_root(path) => Ok(Found::Missing(names)),
            Answer::Missing { .. } => Err(EvalFailure::new(format!(
                "`{shown}` was there and is not any more"
            ))),
            Answer::Blocked { at, is } => {
                let before = AttrPath::new(shown.names().iter().take(at));
                let kind = answer::value_kind(&is);
                Err(EvalFailure::new(format!(
                    "`{before}` is {kind}, so there is no `{shown}`"
                )))
            }
        }
    }

    fn failure(&self, message: String, position: Option<Position>) -> EvalFailure {
        match position {
            Some(Position { file, line, column }) => {
                self.context.failure_at(message, &file, line, column)
            }
            None => EvalFailure::new(message),
        }
    }

    fn add_system(&mut self, path: &AttrPath, of_derivation: Option<&System>) {
        let by_name = path.split_system().1.map(System::of_derivation);
        if let Some(system) = by_name.or(of_derivation.cloned())
            && self.systems.len() < SYSTEMS_MAX
        {
            self.systems.insert(system);
        }
    }

    /// Makes tasks of the attributes of a set, as far as they are wanted.
    fn children(
        &mut self,
        path: &AttrPath,
        count: usize,
        names: Vec<String>,
    ) -> Result<Vec<Task>, EvalError> {
        if count > 0 {
            self.add_system(path, None);
        }
        let mut tasks = Vec::new();
        for name in names {
            let child = path.child(&name);
            // What Nixpkgs marks sets with is no attribute to look at.
            if name == "recurseForDerivations" || self.known.contains(&child) {
                continue;
            }
            if !self.request.scope.only.is_empty()
                && !looks_like_system(&name)
                && self.names.len() < NAMES_MAX
            {
                self.names.insert(child.split_system().0.to_string());
            }
            match self.selection.wish(path, &name) {
                Wish::All => {
                    self.attributes += 1;
                    if self.is_deferring && self.selection.may_refuse(&child) {
                        self.deferred.insert(child);
                    } else {
                        tasks.push(Task::evaluate(child));
                    }
                }
                Wish::WhatIsInIt => {
                    self.attributes += 1;
                    tasks.push(Task::glance(child));
                }
                Wish::OtherSystem if self.unwanted.len() < SYSTEMS_MAX => {
                    self.unwanted
                        .entry(System::of_derivation(&name))
                        .or_insert(child);
                }
                Wish::OtherSystem | Wish::Nothing => {}
            }
        }
        self.limit_attributes(count)?;
        Ok(tasks)
    }

    /// Refuses what would be too much; `count` is the size of a single set, whose names may have been cut off.
    fn limit_attributes(&self, count: usize) -> Result<(), EvalError> {
        let limit = self.request.attributes_max();
        if count.max(self.attributes) <= limit {
            return Ok(());
        }
        Err(EvalError::Flake(EvalFailure::new(format!(
            "there are more than {limit} attributes: ask for a part of them, as in `.#checks.SYSTEM`"
        ))))
    }

    /// Returns what to look at when all is evaluated: other systems, if the wanted ones have nothing.
    pub(super) fn survey(&mut self) -> Vec<Task> {
        let unwanted = std::mem::take(&mut self.unwanted);
        if self.delivery.results > 0 {
            // To find out would cost an evaluation for each, and nobody needs to know.
            self.systems.extend(unwanted.into_keys());
            return Vec::new();
        }
        unwanted.into_values().map(Task::survey).collect()
    }

    /// The systems that have something.
    pub(super) fn systems(&self) -> Vec<System> {
        self.systems.iter().cloned().collect()
    }
}

/// What an answer amounts to.
enum Found {
    Check(EvaluatedCheck),
    /// Something that needs no build, and what is to be said about it.
    Output(EvaluatedOutput, Option<String>),
    /// How many attributes it has, and their names.
    Set(usize, Vec<String>),
    Nothing,
    /// What was asked for is missing; these are there.
    Missing(Vec<String>),
}

/// Fails the whole evaluation by an error that says nothing about the flake.
fn blame_the_machine(error: &str) -> Result<(), EvalError> {
    machines_fault(error).map_or(Ok(()), |fault| Err(EvalError::Infrastructure(fault)))
}

mod outputs;

#[cfg(test)]
mod tests;
