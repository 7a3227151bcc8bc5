//! Asks the store what is missing, and reads what must be built.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    future::Future,
    pin::Pin,
};

use super::{Disposition, How, Plan, PlannedStep, Wanted};
use crate::nix::{Builders, Derivation, StorePath, System};

/// A future in a box, so that a [`StoreView`] can be used as an object.
type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PlanError>> + Send + 'a>>;

/// Why no plan could be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The store did not answer.
    #[error("cannot ask the store what is missing: {0}")]
    Store(String),
    /// A derivation cannot be read.
    #[error("cannot read the derivation {drv_path}: {detail}")]
    Derivation {
        /// The derivation.
        drv_path: StorePath,
        /// Why.
        detail: String,
    },
}

/// What the store says is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MissingPaths {
    /// Derivations that must be built.
    pub will_build: HashSet<StorePath>,
    /// Paths that a trusted substituter offers.
    pub will_substitute: HashSet<StorePath>,
    /// What to download, compressed, in bytes.
    pub download_bytes: u64,
}

/// The questions a planner asks a store.
pub trait StoreView: Send + Sync {
    /// Which of these paths are valid.
    fn valid_paths(&self, paths: Vec<StorePath>) -> BoxFuture<'_, HashSet<StorePath>>;
    /// What is missing to have all outputs of these derivations.
    fn missing_for_drvs(&self, drv_paths: Vec<StorePath>) -> BoxFuture<'_, MissingPaths>;
    /// What is missing to have these paths.
    fn missing_for_paths(&self, paths: Vec<StorePath>) -> BoxFuture<'_, MissingPaths>;
    /// Where the outputs of a content-addressed derivation are, as far as they have been built.
    fn output_map(&self, drv_path: StorePath) -> BoxFuture<'_, HashMap<String, Option<StorePath>>>;
    /// Reads a derivation.
    fn derivation(&self, drv_path: StorePath) -> BoxFuture<'_, Derivation>;
    /// Holds derivations against garbage collection until the run ends.
    fn hold(&self, drv_paths: Vec<StorePath>) -> BoxFuture<'_, ()>;
}

/// Makes plans, one batch after the other; remembers the steps it planned.
#[derive(Debug)]
pub struct Planner {
    builders: Builders,
    /// Whether what a substituter offers is to be downloaded although nothing needs it.
    download: bool,
    /// Targets of all steps planned so far.
    planned: HashSet<StorePath>,
}

impl Planner {
    /// Makes a planner that has planned nothing yet.
    pub fn new(builders: Builders, download: bool) -> Self {
        Self {
            builders,
            download,
            planned: HashSet::new(),
        }
    }

    /// Says what has to be done to have the outputs of these derivations, beyond what was planned before.
    pub async fn plan(
        &mut self,
        store: &dyn StoreView,
        wanted: &[Wanted],
    ) -> Result<Plan, PlanError> {
        let mut plan = Plan::default();
        let mut open: Vec<(&Wanted, Vec<StorePath>)> = Vec::new();
        let valid = store
            .valid_paths(wanted.iter().flat_map(known_outputs).cloned().collect())
            .await?;
        let mut seen = HashSet::new();
        for want in wanted.iter().filter(|want| seen.insert(&want.drv_path)) {
            match absent_outputs(store, want, &valid).await? {
                Some(absent) if absent.is_empty() => plan
                    .wanted
                    .push((want.drv_path.clone(), Disposition::Valid)),
                Some(absent) => open.push((want, absent)),
                None => open.push((want, Vec::new())),
            }
        }
        if open.is_empty() {
            return Ok(plan);
        }
        let drv_paths: Vec<StorePath> =
            open.iter().map(|(want, _)| want.drv_path.clone()).collect();
        let missing = store.missing_for_drvs(drv_paths).await?;
        let mut to_build = Vec::new();
        for (want, absent) in open {
            let offered = !absent.is_empty()
                && absent
                    .iter()
                    .all(|path| missing.will_substitute.contains(path));
            let disposition = if !missing.will_build.contains(&want.drv_path) && offered {
                Disposition::Offered(absent)
            } else {
                to_build.push(want.drv_path.clone());
                Disposition::Build
            };
            if self.download
                && let Disposition::Offered(paths) = &disposition
            {
                for path in paths {
                    self.add_substitution(&mut plan, path, &want.drv_path);
                }
            }
            plan.wanted.push((want.drv_path.clone(), disposition));
        }
        store.hold(to_build.clone()).await?;
        self.add_builds(store, &mut plan, to_build, &missing)
            .await?;
        let substitutes: Vec<StorePath> = plan
            .steps
            .iter()
            .filter(|step| step.how == How::Substitute)
            .map(|step| step.target.clone())
            .collect();
        if !substitutes.is_empty() {
            plan.download_bytes = store.missing_for_paths(substitutes).await?.download_bytes;
        }
        Ok(plan)
    }

    /// Adds a step for each of these derivations and for all below them that must be built; inputs come first. What nobody
    /// can build needs nothing.
    async fn add_builds(
        &mut self,
        store: &dyn StoreView,
        plan: &mut Plan,
        drv_paths: Vec<StorePath>,
        missing: &MissingPaths,
    ) -> Result<(), PlanError> {
        // Depth first without recursion: a derivation is pushed again, parsed, to be added after its inputs.
        let mut stack: Vec<(StorePath, Option<Derivation>)> = drv_paths
            .into_iter()
            .rev()
            .map(|path| (path, None))
            .collect();
        let mut entered: HashSet<StorePath> = HashSet::new();
        let mut offered = Offered::new(store, missing);
        while let Some((drv_path, parsed)) = stack.pop() {
            if let Some(derivation) = parsed {
                let inputs = self
                    .inputs(plan, &drv_path, &derivation, &mut offered)
                    .await?;
                self.add_step(plan, drv_path, &derivation, inputs);
                continue;
            }
            if self.planned.contains(&drv_path) || !entered.insert(drv_path.clone()) {
                continue;
            }
            let derivation = store.derivation(drv_path.clone()).await?;
            if self.find_builder(&derivation).is_err() {
                self.add_step(plan, drv_path, &derivation, Vec::new());
                continue;
            }
            let below: Vec<StorePath> = derivation
                .input_drvs
                .keys()
                .filter(|input| missing.will_build.contains(*input))
                .cloned()
                .collect();
            stack.push((drv_path, Some(derivation)));
            stack.extend(below.into_iter().rev().map(|path| (path, None)));
        }
        Ok(())
    }

    /// The targets a derivation waits for. Adds those that are downloaded.
    async fn inputs(
        &mut self,
        plan: &mut Plan,
        drv_path: &StorePath,
        derivation: &Derivation,
        offered: &mut Offered<'_>,
    ) -> Result<Vec<StorePath>, PlanError> {
        let mut inputs = Vec::new();
        for (input, names) in &derivation.input_drvs {
            if offered.missing.will_build.contains(input) {
                inputs.push(input.clone());
                continue;
            }
            for path in offered.outputs(input, names).await? {
                self.add_substitution(plan, &path, input);
                inputs.push(path);
            }
        }
        for source in derivation
            .input_srcs
            .iter()
            .filter(|path| offered.missing.will_substitute.contains(*path))
        {
            self.add_substitution(plan, source, drv_path);
            inputs.push(source.clone());
        }
        Ok(inputs)
    }

    fn add_step(
        &mut self,
        plan: &mut Plan,
        drv_path: StorePath,
        derivation: &Derivation,
        inputs: Vec<StorePath>,
    ) {
        let how = match self.find_builder(derivation) {
            Ok(local) => How::Build { local },
            Err(reason) => How::Unsupported { reason },
        };
        self.planned.insert(drv_path.clone());
        plan.steps.push(PlannedStep {
            target: drv_path.clone(),
            drv_path,
            system: System::of_derivation(&derivation.system),
            inputs,
            how,
        });
    }

    fn find_builder(&self, derivation: &Derivation) -> Result<bool, String> {
        self.builders
            .find(&derivation.system, &derivation.required_system_features())
    }

    fn add_substitution(&mut self, plan: &mut Plan, path: &StorePath, drv_path: &StorePath) {
        if self.planned.insert(path.clone()) {
            plan.steps.push(PlannedStep {
                target: path.clone(),
                drv_path: drv_path.clone(),
                system: System::of_derivation(""),
                inputs: Vec::new(),
                how: How::Substitute,
            });
        }
    }
}

/// Finds what a substituter offers of derivations that need not be built; reads each derivation once.
struct Offered<'a> {
    store: &'a dyn StoreView,
    missing: &'a MissingPaths,
    /// The offered outputs by name, of each derivation asked about.
    known: HashMap<StorePath, Vec<(String, StorePath)>>,
}

impl<'a> Offered<'a> {
    fn new(store: &'a dyn StoreView, missing: &'a MissingPaths) -> Self {
        Self {
            store,
            missing,
            known: HashMap::new(),
        }
    }

    /// The outputs with these names that are offered; all others are valid.
    async fn outputs(
        &mut self,
        drv_path: &StorePath,
        names: &BTreeSet<String>,
    ) -> Result<Vec<StorePath>, PlanError> {
        if self.missing.will_substitute.is_empty() {
            return Ok(Vec::new());
        }
        if !self.known.contains_key(drv_path) {
            let derivation = self.store.derivation(drv_path.clone()).await?;
            let offered = derivation
                .outputs
                .into_iter()
                .filter_map(|(name, output)| Some((name, StorePath::parse(&output.path).ok()?)))
                .filter(|(_, path)| self.missing.will_substitute.contains(path))
                .collect();
            self.known.insert(drv_path.clone(), offered);
        }
        Ok(self.known[drv_path]
            .iter()
            .filter(|(name, _)| names.contains(name))
            .map(|(_, path)| path.clone())
            .collect())
    }
}

fn known_outputs(want: &Wanted) -> impl Iterator<Item = &StorePath> {
    want.outputs.values().flatten()
}

/// The outputs that are not valid; `None` if some are only known after the build.
async fn absent_outputs(
    store: &dyn StoreView,
    want: &Wanted,
    valid: &HashSet<StorePath>,
) -> Result<Option<Vec<StorePath>>, PlanError> {
    if want.outputs.values().all(Option::is_some) {
        return Ok(Some(
            known_outputs(want)
                .filter(|path| !valid.contains(*path))
                .cloned()
                .collect(),
        ));
    }
    let map = store.output_map(want.drv_path.clone()).await?;
    let Some(paths) = want
        .outputs
        .keys()
        .map(|name| map.get(name).cloned().flatten())
        .collect::<Option<Vec<StorePath>>>()
    else {
        return Ok(None);
    };
    let valid = store.valid_paths(paths.clone()).await?;
    Ok(Some(
        paths
            .into_iter()
            .filter(|path| !valid.contains(path))
            .collect(),
    ))
}

#[cfg(test)]
mod tests;
