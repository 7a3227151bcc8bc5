//! Plans against a store that is a small model: which derivations there are, what is valid and what is offered.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Mutex,
};

use super::{BoxFuture, MissingPaths, PlanError, Planner, StoreView};
use crate::{
    graph::{Disposition, How, Plan, Wanted},
    nix::{Builders, Derivation, DerivationOutput, Machine, StorePath},
};

fn path(name: &str) -> StorePath {
    StorePath::parse(&format!(
        "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-{name}"
    ))
    .unwrap()
}

fn drv(name: &str) -> StorePath {
    path(&format!("{name}.drv"))
}

#[derive(Default)]
struct ModelStore {
    derivations: HashMap<StorePath, Derivation>,
    valid: HashSet<StorePath>,
    offered: HashSet<StorePath>,
    realised: HashMap<StorePath, StorePath>,
    asked: Mutex<Vec<String>>,
    held: Mutex<Vec<StorePath>>,
}

impl ModelStore {
    /// Adds a derivation with one output of its name, `inputs` below it.
    fn add(&mut self, name: &str, inputs: &[&str]) -> &mut Derivation {
        let derivation = Derivation {
            outputs: BTreeMap::from([(
                "out".to_owned(),
                DerivationOutput {
                    path: path(name).as_str().to_owned(),
                    ..DerivationOutput::default()
                },
            )]),
            input_drvs: inputs
                .iter()
                .map(|input| (drv(input), BTreeSet::from(["out".to_owned()])))
                .collect(),
            system: "x86_64-linux".into(),
            ..Derivation::default()
        };
        self.derivations.entry(drv(name)).or_insert(derivation)
    }

    fn ask(&self, question: &str) {
        self.asked.lock().unwrap().push(question.to_owned());
    }

    fn outputs(&self, drv_path: &StorePath) -> Vec<StorePath> {
        self.derivations[drv_path]
            .outputs
            .values()
            .filter_map(|o| StorePath::parse(&o.path).ok())
            .collect()
    }

    fn visit_drv(&self, drv_path: &StorePath, missing: &mut MissingPaths) {
        let outputs = self.outputs(drv_path);
        if !outputs.is_empty() && outputs.iter().all(|path| self.valid.contains(path)) {
            return;
        }
        if !outputs.is_empty() && outputs.iter().all(|path| self.offered.contains(path)) {
            missing.download_bytes += 10 * outputs.len() as u64;
            missing.will_substitute.extend(outputs);
            return;
        }
        if missing.will_build.insert(drv_path.clone()) {
            for input in self.derivations[drv_path].input_drvs.keys() {
                self.visit_drv(input, missing);
            }
        }
    }
}

impl StoreView for ModelStore {
    fn valid_paths(&self, paths: Vec<StorePath>) -> BoxFuture<'_, HashSet<StorePath>> {
        self.ask("valid_paths");
        Box::pin(async move {
            Ok(paths
                .into_iter()
                .filter(|path| self.valid.contains(path))
                .collect())
        })
    }

    fn missing_for_drvs(&self, drv_paths: Vec<StorePath>) -> BoxFuture<'_, MissingPaths> {
        self.ask("missing_for_drvs");
        Box::pin(async move {
            let mut missing = MissingPaths::default();
            for drv_path in &drv_paths {
                self.visit_drv(drv_path, &mut missing);
            }
            Ok(missing)
        })
    }

    fn missing_for_paths(&self, paths: Vec<StorePath>) -> BoxFuture<'_, MissingPaths> {
        self.ask("missing_for_paths");
        Box::pin(async move {
            Ok(MissingPaths {
                download_bytes: 10 * paths.len() as u64,
                will_substitute: paths.into_iter().collect(),
                ..MissingPaths::default()
            })
        })
    }

    fn output_map(&self, drv_path: StorePath) -> BoxFuture<'_, HashMap<String, Option<StorePath>>> {
        Box::pin(async move {
            Ok(HashMap::from([(
                "out".to_owned(),
                self.realised.get(&drv_path).cloned(),
            )]))
        })
    }

    fn derivation(&self, drv_path: StorePath) -> BoxFuture<'_, Derivation> {
        self.ask("derivation");
        Box::pin(async move {
            self.derivations
                .get(&drv_path)
                .cloned()
                .ok_or(PlanError::Derivation {
                    drv_path,
                    detail: "not there".into(),
                })
        })
    }

    fn hold(&self, drv_paths: Vec<StorePath>) -> BoxFuture<'_, ()> {
        self.held.lock().unwrap().extend(drv_paths);
        Box::pin(async { Ok(()) })
    }
}

fn planner(download: bool) -> Planner {
    let here = Machine {
        systems: vec!["x86_64-linux".into()],
        max_jobs: 1,
        ..Machine::default()
    };
    Planner::new(Builders::new(vec![here]), download)
}

fn wanted(name: &str) -> Wanted {
    Wanted {
        drv_path: drv(name),
        outputs: BTreeMap::from([("out".to_owned(), Some(path(name)))]),
    }
}

async fn plan(planner: &mut Planner, store: &ModelStore, names: &[&str]) -> Plan {
    let wanted: Vec<Wanted> = names.iter().map(|name| wanted(name)).collect();
    planner.plan(store, &wanted).await.unwrap()
}

/// The steps as text: `name<inputs`, `↓` in front of downloads.
fn shown(plan: &Plan) -> Vec<String> {
    let short = |path: &StorePath| path.name().trim_end_matches(".drv").to_owned();
    plan.steps
        .iter()
        .map(|step| {
            let inputs: Vec<String> = step.inputs.iter().map(short).collect();
            let arrow = if step.how == How::Substitute {
                "↓"
            } else {
                ""
            };
            format!("{arrow}{}<{}", short(&step.target), inputs.join(","))
        })
        .collect()
}

#[tokio::test]
async fn inputs_come_before_what_needs_them_and_only_once() {
    let mut store = ModelStore::default();
    store.add("lib", &[]);
    store.add("valid-tool", &[]);
    store.valid.insert(path("valid-tool"));
    store.add("a", &["lib", "valid-tool"]);
    store.add("b", &["a", "lib"]);
    let mut planner = planner(false);
    let made = plan(&mut planner, &store, &["b", "a"]).await;
    assert_eq!(shown(&made), ["lib<", "a<lib", "b<a,lib"]);
    assert_eq!(*store.held.lock().unwrap(), [drv("b"), drv("a")]);
    assert_eq!(
        made.wanted,
        [
            (drv("b"), Disposition::Build),
            (drv("a"), Disposition::Build)
        ]
    );

    store.add("c", &["a"]);
    assert_eq!(
        shown(&plan(&mut planner, &store, &["c"]).await),
        ["c<a"],
        "earlier steps are not planned again"
    );
}

#[tokio::test]
async fn what_is_all_valid_costs_one_question() {
    let mut store = ModelStore::default();
    for name in ["a", "b", "c"] {
        store.add(name, &[]);
        store.valid.insert(path(name));
    }
    let made = plan(&mut planner(false), &store, &["a", "b", "c"]).await;
    assert!(made.steps.is_empty());
    assert!(
        made.wanted
            .iter()
            .all(|(_, disposition)| *disposition == Disposition::Valid)
    );
    assert_eq!(*store.asked.lock().unwrap(), ["valid_paths"]);
}

#[tokio::test]
async fn what_is_offered_is_downloaded_only_if_something_needs_it() {
    let mut store = ModelStore::default();
    store.add("offered", &[]);
    store.offered.insert(path("offered"));
    let made = plan(&mut planner(false), &store, &["offered"]).await;
    assert_eq!(
        made.wanted,
        [(drv("offered"), Disposition::Offered(vec![path("offered")]))]
    );
    assert!(made.steps.is_empty());
    assert_eq!(made.download_bytes, 0);

    store.add("a", &["offered"]);
    let made = plan(&mut planner(false), &store, &["a"]).await;
    assert_eq!(shown(&made), ["↓offered<", "a<offered"]);
    assert_eq!(made.download_bytes, 10);
}

#[tokio::test]
async fn with_download_what_is_offered_is_fetched_too() {
    let mut store = ModelStore::default();
    store.add("offered", &[]);
    store.offered.insert(path("offered"));
    let made = plan(&mut planner(true), &store, &["offered"]).await;
    assert_eq!(shown(&made), ["↓offered<"]);
}

#[tokio::test]
async fn foreign_systems_and_features_are_unsupported() {
    let mut store = ModelStore::default();
    store.add("foreign", &[]).system = "riscv64-linux".into();
    store
        .add("wants-kvm", &[])
        .env
        .insert(b"requiredSystemFeatures".to_vec(), b"kvm".to_vec());
    let made = plan(&mut planner(false), &store, &["foreign", "wants-kvm"]).await;
    let reasons: Vec<&How> = made.steps.iter().map(|step| &step.how).collect();
    let unsupported = |reason: &str| How::Unsupported {
        reason: reason.into(),
    };
    assert_eq!(
        reasons,
        [
            &unsupported("no builder for riscv64-linux"),
            &unsupported("no builder for x86_64-linux has the feature kvm")
        ]
    );
}

#[tokio::test]
async fn nothing_is_obtained_for_what_nobody_can_build() {
    let mut store = ModelStore::default();
    store.add("lib", &[]);
    store.add("offered", &[]);
    store.offered.insert(path("offered"));
    store.add("foreign", &["lib", "offered"]).system = "riscv64-linux".into();
    let mut planner = planner(false);
    let made = plan(&mut planner, &store, &["foreign"]).await;
    assert_eq!(shown(&made), ["foreign<"]);
    store.add("a", &["lib"]);
    assert_eq!(
        shown(&plan(&mut planner, &store, &["a"]).await),
        ["lib<", "a<lib"]
    );
}

#[tokio::test]
async fn a_derivation_is_read_once_however_many_need_it() {
    let mut store = ModelStore::default();
    store.add("offered", &[]);
    store.offered.insert(path("offered"));
    for name in ["a", "b", "c"] {
        store.add(name, &["offered"]);
    }
    let made = plan(&mut planner(false), &store, &["a", "b", "c"]).await;
    assert_eq!(
        shown(&made),
        ["↓offered<", "a<offered", "b<offered", "c<offered"]
    );
    let asked = store.asked.lock().unwrap();
    let read = asked.iter().filter(|question| *question == "derivation");
    assert_eq!(read.count(), 4);
}

#[tokio::test]
async fn content_addressed_outputs_are_looked_up() {
    let mut store = ModelStore::default();
    for name in ["built", "unbuilt"] {
        store.add(name, &[]).outputs.get_mut("out").unwrap().path = String::new();
    }
    store.realised.insert(drv("built"), path("realised"));
    store.valid.insert(path("realised"));
    let unknown = |name: &str| Wanted {
        outputs: BTreeMap::from([("out".to_owned(), None)]),
        ..wanted(name)
    };
    let wanted = [unknown("built"), unknown("unbuilt")];
    let made = planner(false).plan(&store, &wanted).await.unwrap();
    assert_eq!(
        made.wanted,
        [
            (drv("built"), Disposition::Valid),
            (drv("unbuilt"), Disposition::Build)
        ]
    );
}

#[tokio::test]
async fn a_long_chain_does_not_overflow_the_stack() {
    let mut store = ModelStore::default();
    let names: Vec<String> = (0..2_000).map(|i| format!("s{i}")).collect();
    store.add("s0", &[]);
    for pair in names.windows(2) {
        store.add(&pair[1], &[&pair[0]]);
    }
    let made = plan(&mut planner(false), &store, &["s1999"]).await;
    assert_eq!(made.steps.len(), 2_000);
    assert_eq!(made.steps[0].target, drv("s0"));
}

#[tokio::test]
async fn a_derivation_that_cannot_be_read_is_named() {
    let store = ModelStore::default();
    let unreadable = vec![drv("nowhere")];
    let error = planner(false)
        .add_builds(
            &store,
            &mut Plan::default(),
            unreadable,
            &MissingPaths::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the derivation /nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-nowhere.drv: not there"
    );
}
