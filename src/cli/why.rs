//! `nixci why`: what would be built for a check, and the reason for each derivation.

use std::{
    collections::{HashMap, HashSet},
    io::Write,
    process::ExitCode,
    sync::Arc,
};

use anyhow::anyhow;
use clap::Args;

use super::{
    Failure,
    args::SourceArgs,
    gather::{Found, gather, print},
    named_check::{find_check_or, system_here},
    setup::{Setup, close, runtime},
};
use crate::{
    eval::EvaluatedCheck,
    graph::{Disposition, How, Plan, PlanError, PlannedStep, Planner, StoreView, Wanted},
    nix::{Derivation, StorePath},
    report::harmless,
    run::PooledStore,
};

/// Connections for plans, for holding derivations and for the cache's questions.
const CONNECTIONS: usize = 4;
/// How many names are told where the right one is not there.
const SIMILAR_MAX: usize = 10;

/// Options of `nixci why`.
#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// The check: `fmt`, `x86_64-linux.fmt` or `checks.x86_64-linux.fmt`
    #[arg(value_name = "CHECK")]
    check: String,

    /// What to evaluate and how.
    #[command(flatten)]
    source: SourceArgs,
}

/// Evaluates, plans and prints.
pub(super) fn why(args: &WhyArgs) -> Result<ExitCode, Failure> {
    let setup = Setup::new(&args.source)?;
    let code = runtime()?.block_on(run(args, setup))?;
    Ok(ExitCode::from(code))
}

async fn run(args: &WhyArgs, setup: Setup) -> Result<u8, Failure> {
    let pool = setup
        .pool(setup.client_settings(None, None), CONNECTIONS)
        .await;
    let store = Arc::new(PooledStore::new(Arc::clone(&pool), true));
    let code = tell(args, setup, store).await;
    close(&pool).await;
    code
}

async fn tell(args: &WhyArgs, setup: Setup, store: Arc<PooledStore>) -> Result<u8, Failure> {
    let builders = setup.builders.clone();
    let substitutes = setup.host.settings.value("substitute") != "false"
        && !setup.host.settings.value("substituters").is_empty();
    let attribute = setup.installable.attribute.clone();
    let (mut all, mut paths) = (Vec::new(), Vec::new());
    let mut each = |found: Found| {
        paths.push(attribute.join(found.path()).to_string());
        all.push(found);
        Ok(true)
    };
    let evaluate = setup.into_evaluation(Arc::clone(&store)).into_evaluate();
    if let Err(code) = gather(evaluate, &mut each).await? {
        return Ok(code);
    }
    let wanted = find_check_or(&paths, &args.check, &system_here(), || {
        let names: Vec<String> = all.iter().map(|found| found.path().to_string()).collect();
        Failure::evaluation(anyhow!(
            "there is no check `{}`{}",
            harmless(&args.check),
            similar(&args.check, &names)
        ))
    })?;
    let found = paths.iter().zip(&all).find(|(path, _)| **path == wanted);
    let Some((_, found)) = found else {
        return Ok(0);
    };
    let mut lines = vec![harmless(&found.path().to_string())];
    let code = match found {
        Found::Failed(_, failure) => {
            let message = failure.message.lines();
            lines.extend(message.map(|line| format!("  {}", harmless(line))));
            1
        }
        Found::Check(check) => {
            let plan = Planner::new(builders, true)
                .plan(store.as_ref(), &[wanted_of(check)])
                .await
                .map_err(Failure::infrastructure)?;
            let facts = Facts::read(store.as_ref(), &plan, substitutes)
                .await
                .map_err(Failure::infrastructure)?;
            lines.extend(explain(&plan, &facts));
            0
        }
    };
    let write = |out: &mut dyn Write| lines.iter().try_for_each(|line| writeln!(out, "{line}"));
    Ok(if print(write)? { code } else { 141 })
}

fn wanted_of(check: &EvaluatedCheck) -> Wanted {
    Wanted {
        drv_path: check.drv_path.clone(),
        outputs: check.outputs.clone(),
    }
}

/// Names that may be meant, for the end of a sentence.
fn similar(check: &str, names: &[String]) -> String {
    let alike: Vec<&String> = names.iter().filter(|name| name.contains(check)).collect();
    let chosen = if alike.is_empty() {
        names.iter().collect()
    } else {
        alike
    };
    let shown: Vec<&str> = chosen
        .iter()
        .take(SIMILAR_MAX)
        .map(|name| name.as_str())
        .collect();
    match (shown.is_empty(), chosen.len() - shown.len()) {
        (true, _) => ": there is none at all".to_owned(),
        (false, 0) => format!("; there is {}", shown.join(", ")),
        (false, more) => format!("; there is {} and {more} more", shown.join(", ")),
    }
}

/// What has to be known of the derivations of a plan besides the plan.
struct Facts {
    derivations: HashMap<StorePath, Derivation>,
    valid: HashSet<StorePath>,
    /// Whether substituters are asked at all.
    substitutes: bool,
}

impl Facts {
    async fn read(
        store: &dyn StoreView,
        plan: &Plan,
        substitutes: bool,
    ) -> Result<Self, PlanError> {
        let mut derivations = HashMap::new();
        for step in &plan.steps {
            if !derivations.contains_key(&step.drv_path) && step.how != How::Substitute {
                let derivation = store.derivation(step.drv_path.clone()).await?;
                derivations.insert(step.drv_path.clone(), derivation);
            }
        }
        let outputs = derivations.values().flat_map(|derivation: &Derivation| {
            let paths = derivation.outputs.values();
            paths.filter_map(|output| StorePath::parse(&output.path).ok())
        });
        let valid = store.valid_paths(outputs.collect()).await?;
        Ok(Self {
            derivations,
            valid,
            substitutes,
        })
    }

    /// Why a derivation has to be built.
    fn reason(&self, drv_path: &StorePath) -> String {
        let Some(derivation) = self.derivations.get(drv_path) else {
            return "it is not in the store".to_owned();
        };
        let is_missing =
            |path: &str| StorePath::parse(path).is_ok_and(|path| !self.valid.contains(&path));
        let missing: Vec<&str> = derivation
            .outputs
            .iter()
            .filter(|(_, output)| is_missing(&output.path))
            .map(|(name, _)| name.as_str())
            .collect();
        let what = match (missing.len(), derivation.outputs.len()) {
            (0, _) => return "where its outputs are is only known when it is built".to_owned(),
            (missing, all) if missing == all => "not in the store".to_owned(),
            _ => format!("its {} not in the store", missing.join(", ")),
        };
        let offer = if !self.substitutes {
            "no substituter is asked"
        } else if !derivation.allows_substitutes() {
            "`allowSubstitutes = false` forbids to download it"
        } else {
            "no substituter offers it"
        };
        format!("{what}, and {offer}")
    }
}

/// The plan for one check as a tree, and what it comes to.
fn explain(plan: &Plan, facts: &Facts) -> Vec<String> {
    let Some((root, disposition)) = plan.wanted.first() else {
        return Vec::new();
    };
    match disposition {
        Disposition::Valid => {
            return vec!["  nothing has to be done: all its outputs are in the store".to_owned()];
        }
        Disposition::Offered(paths) => {
            let download =
                |path: &StorePath| format!("  download {}: a substituter offers it", path.name());
            return paths.iter().map(download).collect();
        }
        Disposition::Build => {}
    }
    let steps: HashMap<&StorePath, &PlannedStep> =
        plan.steps.iter().map(|step| (&step.target, step)).collect();
    let mut lines = Vec::new();
    let mut shown = HashSet::new();
    let mut stack = vec![(root, 1)];
    while let Some((target, depth)) = stack.pop() {
        let Some(step) = steps.get(target) else {
            continue;
        };
        let is_new = shown.insert(target);
        let indent = "  ".repeat(depth);
        let name = step.target.name();
        let name = name.strip_suffix(".drv").unwrap_or(name);
        let line = match &step.how {
            _ if !is_new => format!("{name} (see above)"),
            How::Build { local } => {
                let place = if *local { "" } else { " on another machine" };
                format!("build {name}{place}: {}", facts.reason(&step.drv_path))
            }
            How::Substitute => format!("download {name}: a substituter offers it"),
            How::Unsupported { reason } => format!("cannot build {name}: {reason}"),
        };
        lines.push(format!("{indent}{}", harmless(&line)));
        if is_new {
            stack.extend(step.inputs.iter().rev().map(|input| (input, depth + 1)));
        }
    }
    lines.push(totals(plan, &steps, root));
    lines
}

/// How much there is to do, and the longest chain of builds in it.
fn totals(plan: &Plan, steps: &HashMap<&StorePath, &PlannedStep>, root: &StorePath) -> String {
    let is_build = |step: &&PlannedStep| matches!(step.how, How::Build { .. });
    let builds = plan.steps.iter().filter(is_build).count();
    let downloads = plan
        .steps
        .iter()
        .filter(|step| step.how == How::Substitute)
        .count();
    // Inputs come before what needs them, so one pass tells the longest chain below each.
    let mut chains: HashMap<&StorePath, usize> = HashMap::new();
    for step in plan.steps.iter().filter(is_build) {
        let below = step
            .inputs
            .iter()
            .filter_map(|input| chains.get(input))
            .max();
        let length = below.copied().unwrap_or_default() + 1;
        chains.insert(&step.target, length);
    }
    let longest = steps.get(root).and_then(|step| chains.get(&step.target));
    format!(
        "  {builds} to build, at most {} after one another; {downloads} to download",
        longest.copied().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests;
