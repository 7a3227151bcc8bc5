//! What a binary cache offers: a real one in a folder, with the store paths taken out of the store again.

use std::{collections::BTreeMap, fs, path::PathBuf};

use crate::{
    Events,
    support::{
        Project,
        nix::{self, Nix},
        store::TestStore,
    },
};

/// A store whose only substituter is the folder `binary-cache` in it.
fn store_with_cache(nix: &Nix) -> (TestStore, PathBuf) {
    let store = nix.store();
    let cache = store.folder().join("binary-cache");
    let url = format!("file://{}", cache.display());
    let store = store
        .with_setting("substituters", &url)
        .with_setting("require-sigs", "false")
        .with_daemon();
    (store, cache)
}

/// `app` and `offered` stand each for themselves; `app` needs `lib`.
fn project(store: &TestStore) -> Project<'_> {
    Project::new(store)
        .binding("lib", r#"build "lib" "echo lib > $out" { }"#)
        .expression(
            "app",
            r#"build "app" "read x < ${lib}; echo $x > $out" { }"#,
        )
        .check("offered", "echo offered > $out")
        .committed()
}

/// Builds everything, puts `lib` and `offered` into the cache, and takes all outputs out of the store. Returns the path
/// of `offered`.
fn fill(store: &TestStore, project: &Project<'_>) -> String {
    let built = project.nixci(&["check", "--format", "json"]);
    assert_eq!(built.code, Some(0), "{built}");
    let outputs: Vec<String> = fs::read_dir(store.dir())
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| {
            ["-lib", "-app", "-check-offered"]
                .iter()
                .any(|name| path.ends_with(name))
        })
        .collect();
    assert_eq!(outputs.len(), 3, "{outputs:?}");
    let url = format!("file://{}/binary-cache", store.folder().display());
    let kept: Vec<&str> = outputs
        .iter()
        .map(String::as_str)
        .filter(|path| !path.ends_with("-app"))
        .collect();
    store.run_nix(
        &[&["copy", "--no-check-sigs", "--to", &url][..], &kept].concat(),
        project.dir(),
    );
    let mut delete: Vec<&str> = outputs.iter().map(String::as_str).collect();
    // What refers to others goes first.
    delete.sort_by_key(|path| !path.ends_with("-app"));
    store.run_nix(&[&["store", "delete"][..], &delete].concat(), project.dir());
    outputs
        .iter()
        .find(|path| path.ends_with("-check-offered"))
        .unwrap()
        .clone()
}

#[test]
fn what_is_offered_is_cached_and_what_a_build_needs_is_downloaded() {
    for nix in nix::all() {
        let (store, _) = store_with_cache(&nix);
        let project = project(&store);
        let offered = fill(&store, &project);
        let run = project.nixci(&["check", "--format", "json"]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let events = Events::of(&run);
        let expected = BTreeMap::from([("app", "built"), ("offered", "cached")]);
        assert_eq!(events.outcomes(), expected, "Nix {nix}: {run}");
        assert!(
            !fs::exists(&offered).unwrap(),
            "it is not downloaded, Nix {nix}"
        );
        let lib = events
            .all("step_started")
            .find(|event| event["name"] == "lib")
            .unwrap();
        assert_eq!(lib["substitute"], true, "Nix {nix}: {run}");
        let lib = events
            .all("step_finished")
            .find(|event| event["name"] == "lib")
            .unwrap();
        assert_eq!(lib["outcome"], "substituted", "Nix {nix}: {run}");
        let plan = events.all("plan_changed").last().unwrap();
        assert_eq!(
            (&plan["to_build"], &plan["to_substitute"]),
            (&1.into(), &1.into()),
            "Nix {nix}: {run}"
        );
        assert!(
            plan["download_bytes"].as_u64().unwrap() > 0,
            "Nix {nix}: {run}"
        );

        let run = project.nixci(&["check", "--format", "json", "--download"]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let expected = BTreeMap::from([("app", "cached"), ("offered", "substituted")]);
        assert_eq!(Events::of(&run).outcomes(), expected, "Nix {nix}: {run}");
        assert!(fs::exists(&offered).unwrap());
    }
}

#[test]
fn a_cache_that_has_not_what_it_offers_costs_a_build() {
    for nix in nix::all() {
        let (store, cache) = store_with_cache(&nix);
        let project = project(&store);
        fill(&store, &project);
        fs::remove_dir_all(cache.join("nar")).unwrap();
        let run = project.nixci(&["check", "--format", "json"]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let events = Events::of(&run);
        assert_eq!(events.check("app")["outcome"], "built", "Nix {nix}: {run}");
        assert!(events.all("step_retrying").count() >= 1, "Nix {nix}: {run}");
    }
}

#[test]
fn the_caches_a_flake_wishes_for_are_used_if_accepted() {
    for nix in nix::all() {
        let store = nix
            .store()
            .with_setting("require-sigs", "false")
            .with_setting("trusted-users", "*")
            .with_daemon();
        let url = format!("file://{}/binary-cache", store.folder().display());
        let plain = project(&store);
        fill(&store, &plain);
        let text = fs::read_to_string(plain.dir().join("flake.nix")).unwrap();
        let wishing = text.replacen(
            '{',
            &format!("{{ nixConfig.extra-substituters = [ \"{url}\" ];"),
            1,
        );
        let project = Project::named(&store, "wishing")
            .flake(&wishing)
            .committed();
        let run = project.nixci(&["check", "--format", "json", "--accept-flake-config"]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let expected = BTreeMap::from([("app", "built"), ("offered", "cached")]);
        assert_eq!(Events::of(&run).outcomes(), expected, "Nix {nix}: {run}");
        let run = project.nixci(&["check", "--format", "json"]);
        let expected = BTreeMap::from([("app", "cached"), ("offered", "built")]);
        assert_eq!(
            Events::of(&run).outcomes(),
            expected,
            "not accepted, Nix {nix}: {run}"
        );
    }
}
