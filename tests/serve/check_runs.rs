//! Check runs of an App of GitHub: what they say, which places they point at, and what becomes of their buttons.

use serde_json::{Value, json};

use crate::{
    pages::ask,
    pull_requests::open,
    support::PATIENCE,
    world::{World, flake, pull_request, push},
};

impl World {
    /// The check runs of a commit that this name has, oldest first.
    fn check_runs(&self, commit: &str, name: &str) -> Vec<Value> {
        let mut forge = self.forge.world();
        let mut runs = forge.find("acme/demo").unwrap().check_runs.clone();
        runs.retain(|run| run["head_sha"] == commit && run["name"] == name);
        runs
    }

    /// Waits until the newest check run of this name is so.
    async fn check_run(&self, commit: &str, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let began = std::time::Instant::now();
        loop {
            let newest = self.check_runs(commit, name).pop();
            if let Some(newest) = newest.as_ref().filter(|run| is_so(run)) {
                return newest.clone();
            }
            let is_late = began.elapsed().as_secs() > 60;
            assert!(!is_late, "{name}: {newest:#?}\n{}", self.log());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Presses a button of a check run, or GitHub's own to run it again. Returns what is told of that.
    async fn press(&mut self, who: (u64, &str), run: &Value, button: Option<&str>) -> Value {
        let mut pressed = json!({
            "action": "rerequested",
            "repository": {
                "id": 12, "full_name": "acme/demo", "default_branch": "main", "private": false,
            },
            "installation": { "id": 5 },
            "sender": { "id": who.0, "login": who.1 },
            "check_run": {
                "head_sha": run["head_sha"], "name": run["name"], "external_id": run["external_id"],
            },
        });
        if let Some(button) = button {
            let offered = &run["actions"];
            let mut offered = offered.as_array().unwrap().iter();
            let is_offered = offered.any(|offered| offered["identifier"] == button);
            assert!(is_offered, "there is no button {button}: {run:#}");
            pressed["action"] = json!("requested_action");
            pressed["requested_action"] = json!({ "identifier": button });
        }
        assert_eq!(self.deliver("check_run", &pressed).await, 202);
        pressed
    }
}

fn has_button(run: &Value, button: &str) -> bool {
    let offered = run["actions"].as_array();
    offered.is_some_and(|offered| offered.iter().any(|one| one["identifier"] == button))
}

fn is_over(run: &Value) -> bool {
    run["status"] == "completed"
}

/// The sweep at the start finds the branch; each request is held against GitHub's own description.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_github_makes_check_runs_that_say_what_failed() {
    let flake = flake(&[
        ("good", "echo ok > $out"),
        ("bad", "echo '| <b> @you ```'; exit 3"),
        ("worse", "exit 4"),
    ]);
    let mut world = World::new(&flake, "").await;
    world.on_github();
    world.start().await;
    let began = std::time::Instant::now();
    let runs = loop {
        let runs = world
            .forge
            .world()
            .find("acme/demo")
            .unwrap()
            .check_runs
            .clone();
        let is_over = |run: &serde_json::Value| run["status"] == "completed";
        if runs.len() >= 4 && runs.iter().all(is_over) {
            break runs;
        }
        assert!(began.elapsed() < PATIENCE, "{runs:#?}\n{}", world.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let of = |name: &str| runs.iter().find(|run| run["name"] == name).unwrap().clone();
    assert_eq!(of("nixci/eval")["conclusion"], "success");
    assert_eq!(of("nixci/build")["conclusion"], "failure");
    let bad = of("nixci/build github:acme/demo#checks.x86_64-linux.bad");
    assert_eq!(bad["conclusion"], "failure");
    let summary = bad["output"]["summary"].as_str().unwrap();
    assert!(summary.contains("````text\n| <b> @you ```"), "{summary}");
    assert_eq!(runs.len(), 4, "one of each name: {runs:#?}");

    // Its button: what this check failed by is built once more, and nothing else that failed.
    let pressed = world.press((2, "writer"), &bad, None).await;
    let again = loop {
        let again = ask(&world, "/runs/2", None).await.text().await.unwrap();
        if again.contains("What failed") && !again.contains("data-live") {
            break again;
        }
        assert!(began.elapsed() < PATIENCE, "{again}\n{}", world.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(
        again.matches("<p>it failed in run 1 already").count(),
        1,
        "{again}"
    );
    assert!(again.contains("@you"), "it is built: {again}");
    world.deliver_as("again", "check_run", &pressed).await;
    world.all_is_handled().await;
    let third = ask(&world, "/runs/3", None).await.status();
    assert_eq!(third, 404, "{}", world.log());
    assert_eq!(world.stop().await, Some(0));
}

/// Each once, however often the commit is built.
#[tokio::test(flavor = "multi_thread")]
async fn places_in_files_are_pointed_at() {
    let flake = r#"{
  outputs = _: {
    checks.x86_64-linux = {
      first = import ./nix/broken.nix;
      second = import ./nix/broken.nix;
      source = derivation {
        name = "source"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo ok > $out" ];
        outputHashAlgo = "sha256"; outputHashMode = "flat";
        outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
      };
    };
  };
}
"#;
    let mut world = World::new(flake, "").await;
    let broken = "let set = { };\nin\nset.missing\n";
    let commit = world.commit("broken", &[("nix/broken.nix", broken)]);
    world.on_github();
    world.start().await;
    let is_failed = |run: &Value| is_over(run) && run["conclusion"] == "failure";
    let place = |annotation: &Value| {
        let text = |field: &str| annotation[field].as_str().unwrap_or_default().to_owned();
        let level = text("annotation_level");
        (
            text("path"),
            annotation["start_line"].as_u64(),
            level,
            text("title"),
        )
    };
    for _ in 0..2 {
        let eval = world.check_run(&commit, "nixci/eval", is_failed).await;
        let annotations = eval["output"]["annotations"].as_array().unwrap();
        assert_eq!(annotations.len(), 1, "{eval:#}");
        let (path, line, level, title) = place(&annotations[0]);
        assert_eq!(
            (path.as_str(), line, level.as_str()),
            ("nix/broken.nix", Some(3), "failure")
        );
        assert!(
            title.ends_with("(and 1 more): cannot be evaluated"),
            "{title}"
        );
        let message = annotations[0]["message"].as_str().unwrap();
        assert!(message.contains("attribute 'missing' missing"), "{message}");

        let rebuildable = |run: &Value| is_failed(run) && has_button(run, "rebuild");
        let build = world.check_run(&commit, "nixci/build", rebuildable).await;
        let annotations = build["output"]["annotations"].as_array().unwrap();
        assert_eq!(annotations.len(), 1, "{build:#}");
        let (path, line, level, title) = place(&annotations[0]);
        let title = (level.as_str(), title.as_str());
        assert_eq!((path.as_str(), line), ("flake.nix", Some(9)));
        assert_eq!(title, ("failure", "source: wrong hash"));
        let message = annotations[0]["message"].as_str().unwrap();
        assert!(
            message.starts_with("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= -> sha256-"),
            "{message}"
        );

        if world.check_runs(&commit, "nixci/build").len() == 1 {
            // What is added to a check run stays there, so that what comes now is another one.
            world.press((2, "writer"), &build, Some("rebuild")).await;
            let other = |run: &Value| run["external_id"] == "2" && rebuildable(run);
            world.check_run(&commit, "nixci/build", other).await;
        }
    }
    assert_eq!(world.check_runs(&commit, "nixci/build").len(), 2);

    // Merged with another base it is another file: what is shown is the commit's own.
    let head = open(&world, 7, &commit, &[("topic", "a file")]);
    let moved = format!("# a line\n{broken}");
    world.commit("main", &[("nix/broken.nix", &moved)]);
    let opened = pull_request("opened", 7, &head, (2, "writer"));
    world.deliver("pull_request", &opened).await;
    let eval = world.check_run(&head, "nixci/eval", is_over).await;
    assert_eq!(eval["output"]["annotations"], Value::Null, "{eval:#}");
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "approval TOCTOU", "webhook replay".
#[tokio::test(flavor = "multi_thread")]
async fn buttons_do_what_they_say_for_those_who_may_write_and_once() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let base = world.git(&["rev-parse", "HEAD"]);
    let slow =
        "n=0; while [ $n -lt 600 ]; do read -t 0.1 x < /dev/zero; n=$((n+1)); done; echo > $out";
    let head = open(
        &world,
        7,
        &base,
        &[("flake.nix", &flake(&[("slow", slow)]))],
    );
    world.on_github();
    world.start().await;
    let opened = pull_request("opened", 7, &head, (3, "reader"));
    world.deliver("pull_request", &opened).await;
    let waits = world
        .check_run(&head, "nixci/build", |run| has_button(run, "approve"))
        .await;
    assert_eq!(waits["conclusion"], "action_required");
    world.press((3, "reader"), &waits, Some("approve")).await;
    world.log_has("reader may not write to acme/demo").await;
    world.run_is("pull/7", 0, "approval").await;
    world.press((2, "writer"), &waits, Some("approve")).await;
    let first = world.run_is("pull/7", 0, "running").await;

    // The evaluation is over, and the build is not.
    let evaluated = world
        .check_run(&head, "nixci/eval", |run| has_button(run, "cancel"))
        .await;
    assert_eq!(evaluated["conclusion"], "success");
    world.press((2, "writer"), &evaluated, Some("cancel")).await;
    world.run_is("pull/7", 0, "finished").await;
    let is_gone = |run: &Value| is_over(run) && !has_button(run, "cancel");
    world.check_run(&head, "nixci/eval", is_gone).await;

    let ended = world
        .check_run(&head, "nixci/build", |run| has_button(run, "rebuild"))
        .await;
    assert_eq!(ended["conclusion"], "cancelled");
    let pressed = world.press((2, "writer"), &ended, Some("rebuild")).await;
    let second = world.run_is("pull/7", first, "running").await;
    // The webhook that ended the first does not end the second, nor is there a third.
    for id in ["again", "and-again"] {
        world.deliver_as(id, "check_run", &pressed).await;
    }
    world.log_has("was done when it was told before").await;
    assert_eq!(world.run_is("pull/7", 0, "running").await, second);
    world.end_all().await;
}

/// Two events tell of a merge queue: the push of its branch, and what it wants.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_group_is_one_run_whichever_event_comes_first() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let main = world.git(&["rev-parse", "HEAD"]);
    world.on_github();
    world.start().await;
    world.run_is("heads/main", 0, "finished").await;
    let mut last = 1;
    for (number, group_first) in [(7, true), (8, false)] {
        let branch = format!("gh-readonly-queue/main/pr-{number}-{main}");
        world.git(&["checkout", "-q", "-b", &branch, "main"]);
        let commit = world.commit("merged", &[("file", &number.to_string())]);
        let group = |action: &str| {
            json!({
                "action": action, "repository": push("main", &main, "")["repository"],
                "installation": { "id": 5 }, "sender": { "id": 2, "login": "writer" },
                "merge_group": {
                    "head_sha": commit, "head_ref": format!("refs/heads/{branch}"),
                    "base_sha": main, "base_ref": "refs/heads/main",
                },
            })
        };
        let pushed = push(&branch, &commit, "merged");
        let asked = group("checks_requested");
        let events = [("merge_group", &asked), ("push", &pushed)];
        let order = if group_first { [0, 1] } else { [1, 0] };
        for event in order {
            assert_eq!(world.deliver(events[event].0, events[event].1).await, 202);
        }
        let passed = |run: &Value| run["conclusion"] == "success";
        world.check_run(&commit, "nixci/build", passed).await;
        let run = world.run_is(&branch, 0, "finished").await;
        assert_eq!(run, last + 1, "{}", world.log());
        // And again when it is over.
        for event in order {
            world.deliver(events[event].0, events[event].1).await;
        }
        world.deliver("merge_group", &group("destroyed")).await;
        world.all_is_handled().await;
        assert_eq!(world.run_is(&branch, 0, "finished").await, run);
        last = run;
    }
    assert_eq!(world.stop().await, Some(0));
}
