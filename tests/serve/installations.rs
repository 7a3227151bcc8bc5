//! Installations of a GitHub App: of an organization, of a user, and of somebody whom nobody asked.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    fake::fault::{self, Fault, FaultKind},
    world::{World, flake},
};

/// The installations of the organization `acme` and the user `alice`, and of `other`, who let the App in as well.
const ACME: u64 = 5;
const ALICE: u64 = 7;
const OTHER: u64 = 9;

/// What GitHub tells of an installation.
fn installation(action: &str, id: u64) -> Value {
    let (login, kind) = match id {
        ACME => ("acme", "Organization"),
        ALICE => ("alice", "User"),
        _ => ("other", "User"),
    };
    json!({
        "action": action,
        "installation": {
            "id": id, "account": { "id": 100 + id, "login": login, "type": kind }, "target_type": kind,
            "repository_selection": "all", "suspended_at": null,
        },
        "repositories": [],
        "sender": { "id": 2, "login": "writer", "type": "User" },
    })
}

impl World {
    /// Lets the App into a repository, by this installation, or takes it out.
    fn install(&self, name: &str, installation: u64) {
        let mut forge = self.forge.world();
        forge.find(name).unwrap().installation = installation;
    }

    /// Says that a repository besides `acme/demo` was pushed to.
    async fn pushed(&mut self, id: u64, name: &str, installation: u64) -> String {
        let commit = self.commit_to(name, &flake(&[("next", "echo next > $out")]));
        let mut push = crate::world::push("main", &commit, "m");
        push["repository"] =
            json!({ "id": id, "full_name": name, "default_branch": "main", "private": false });
        push["installation"] = json!({ "id": installation });
        assert_eq!(self.deliver("push", &push).await, 202);
        commit
    }

    /// Waits until a commit has passed in a repository.
    async fn passes(&self, name: &str, commit: &str) {
        self.eventually(&format!("{name} passes"), async || {
            let mut forge = self.forge.world();
            let runs = &forge.find(name).unwrap().check_runs;
            let is_passed = |run: &&Value| {
                run["head_sha"] == commit
                    && run["name"] == "nixci/build"
                    && run["conclusion"] == "success"
            };
            runs.iter().any(|run| is_passed(&run))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_let_the_app_in_is_built_if_the_settings_say_so() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    world.on_github();
    world.change_settings(|text| text.replace("[\"acme/demo\"]", "[\"Acme/*\", \"alice/tools\"]"));
    let demo = world.git(&["rev-parse", "HEAD"]);
    let tools = world.add(20, "alice/tools", &[]);
    world.add(21, "alice/notes", &[]);
    let other = world.add(22, "other/thing", &["nixci"]);
    for (name, installation) in [
        ("alice/tools", 0),
        ("alice/notes", 0),
        ("other/thing", OTHER),
    ] {
        world.install(name, installation);
    }
    world.start().await;
    world.passes("acme/demo", &demo).await;
    world.until_built(&["acme/demo"]).await;

    // A user lets it into all that is his; one of these is to be built.
    for name in ["alice/tools", "alice/notes"] {
        world.install(name, ALICE);
    }
    let created = installation("created", ALICE);
    assert_eq!(world.deliver("installation", &created).await, 202);
    world.until_built(&["acme/demo", "alice/tools"]).await;
    world.passes("alice/tools", &tools).await;

    // Whoever else lets it in gets nothing, pushes or not.
    let created = installation("created", OTHER);
    assert_eq!(world.deliver("installation", &created).await, 202);
    let pushed = world.pushed(22, "other/thing", OTHER).await;
    world
        .log_has("other/thing is none of the repositories that are built")
        .await;
    let of_other = world
        .forge
        .world()
        .find("other/thing")
        .unwrap()
        .check_runs
        .len();
    assert_eq!(of_other, 0, "{other} {pushed}");

    // Each installation has tokens of its own.
    {
        let forge = world.forge.world();
        for grant in forge.tokens.values() {
            let wanted = match grant.installation {
                ACME => 12,
                ALICE => 20,
                // To list what there is.
                _ => continue,
            };
            for id in grant.repositories.iter().flatten() {
                assert_eq!(*id, wanted, "{}", grant.installation);
            }
        }
        let mut all = forge.tokens.values();
        assert!(all.any(|grant| grant.repositories == Some(vec![20])));
    }

    // The user's is suspended: nothing of the organization's stops, and what was his stays known.
    world.forge.world().suspended = vec![ALICE];
    world.forge.world().tokens.clear();
    let suspended = installation("suspend", ALICE);
    assert_eq!(world.deliver("installation", &suspended).await, 202);
    let next = world.pushed(12, "acme/demo", ACME).await;
    world.passes("acme/demo", &next).await;
    world.forge.world().suspended.clear();
    let back = installation("unsuspend", ALICE);
    assert_eq!(world.deliver("installation", &back).await, 202);
    world.until_built(&["acme/demo", "alice/tools"]).await;
    let next = world.pushed(20, "alice/tools", ALICE).await;
    world.passes("alice/tools", &next).await;

    // The organization takes it out.
    world.install("acme/demo", 0);
    let deleted = installation("deleted", ACME);
    assert_eq!(world.deliver("installation", &deleted).await, 202);
    world.until_built(&["alice/tools"]).await;
    assert_eq!(world.stop().await, Some(0));
}

/// GitHub counts what each installation writes by itself.
#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_is_at_its_limit_holds_up_no_other() {
    const LIMIT: Duration = Duration::from_secs(150);
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    world.on_github();
    world.change_settings(|text| text.replace("[\"acme/demo\"]", "[\"acme/*\", \"alice/tools\"]"));
    world.add(20, "alice/tools", &[]);
    world.install("alice/tools", ALICE);
    let demo = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.passes("acme/demo", &demo).await;
    world.until_built(&["acme/demo", "alice/tools"]).await;
    let limit = Fault {
        place: "POST /repos/alice/tools/check-runs",
        kind: FaultKind::Limit(fault::Limit::Secondary, LIMIT),
    };
    world.forge.world().faults.push_back(limit);
    world.pushed(20, "alice/tools", ALICE).await;
    world
        .eventually("it is at its limit", async || {
            !world.forge.world().shut.is_empty()
        })
        .await;
    let began = Instant::now();
    let next = world.pushed(12, "acme/demo", ACME).await;
    world.passes("acme/demo", &next).await;
    assert!(began.elapsed() < LIMIT * 3 / 4, "{}", world.log());
    // Nothing else is asked of the one that is at its limit.
    let refused = world.forge.world().shut[0].refused.clone();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(world.stop().await, Some(0));
}
