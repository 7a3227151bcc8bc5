//! Which repositories a server looks after, and what it builds that no webhook told.

use std::{
    fs,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    fake::Repository,
    support::PATIENCE,
    world::{World, flake, git, push},
};

impl World {
    /// Makes another repository, with a flake of its own. Returns its commit.
    pub(crate) fn add(&self, id: u64, name: &str, topics: &[&str]) -> String {
        let mut forge = self.forge.world();
        let mut repository = forge.find("acme/demo").unwrap().clone();
        repository = Repository {
            id,
            name: name.to_owned(),
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            permissions: repository.permissions.take(),
            rights: std::mem::take(&mut repository.rights),
            installation: repository.installation,
            ..Repository::default()
        };
        forge.repositories.push(repository);
        drop(forge);
        let bare = self.bare(name);
        fs::create_dir_all(&bare).unwrap();
        git(&bare, &["init", "-q", "--bare", "-b", "main"]);
        self.commit_to(name, &flake(&[(&format!("of-{id}"), "echo ok > $out")]))
    }

    /// Where git has a repository.
    fn bare(&self, name: &str) -> std::path::PathBuf {
        self.store.folder().join(format!("git/{name}.git"))
    }

    /// Pushes a flake to another repository's default branch. Returns the commit.
    pub(crate) fn commit_to(&self, name: &str, flake: &str) -> String {
        let work = tempfile::tempdir().unwrap();
        let bare = self.bare(name);
        git(work.path(), &["clone", "-q", bare.to_str().unwrap(), "."]);
        fs::write(work.path().join("flake.nix"), flake).unwrap();
        git(work.path(), &["add", "-A"]);
        git(work.path(), &["commit", "-q", "--allow-empty", "-m", "x"]);
        git(work.path(), &["push", "-q", "origin", "HEAD:main"]);
        git(work.path(), &["rev-parse", "HEAD"])
    }

    /// Has the server look at the forges now.
    pub(crate) async fn sweep(&self) {
        let (code, _, error) = self.ctl(&["sweep"]).await;
        assert_eq!(code, Some(0), "{error}");
    }

    /// The repositories by name: whether each is built, and what is wrong with it.
    pub(crate) async fn repositories(&self) -> Vec<(String, bool, Option<String>)> {
        let (_, text, _) = self.ctl(&["repositories", "--json"]).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        let all = answer["repositories"].as_array().unwrap().iter();
        all.map(|known| {
            (
                known["name"].as_str().unwrap().to_owned(),
                known["enabled"] == true,
                known["problem"].as_str().map(str::to_owned),
            )
        })
        .collect()
    }

    /// Waits until something is so.
    pub(crate) async fn eventually(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let began = Instant::now();
        while !is_so().await {
            assert!(began.elapsed() < PATIENCE, "{what}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until exactly these are built.
    pub(crate) async fn until_built(&self, names: &[&str]) {
        self.eventually(&format!("{names:?} are built"), async || {
            let all = self.repositories().await;
            let built: Vec<&str> = all
                .iter()
                .filter(|(_, is_built, _)| *is_built)
                .map(|(name, ..)| name.strip_prefix("work/").unwrap())
                .collect();
            built == names
        })
        .await;
    }
}

fn good() -> String {
    flake(&[("good", "echo ok > $out")])
}

/// The state that a commit has in the end.
async fn built(world: &World, commit: &str) -> String {
    world.verdict(commit).await["nixci/build"].0.clone()
}

/// The payload of a repository that changed, as GitHub sends it.
fn changed(action: &str, id: u64, name: &str) -> Value {
    json!({
        "action": action,
        "repository": { "id": id, "full_name": name, "default_branch": "main", "private": false },
        "installation": { "id": 5 },
        "sender": { "id": 2, "login": "writer" },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_owners_and_names_say_what_is_built() {
    let mut world = World::new(&good(), "").await;
    let demo = world.git(&["rev-parse", "HEAD"]);
    let topical = world.add(20, "acme/topical", &["nixci", "web"]);
    let other = world.add(21, "acme/other", &["nixci-not"]);
    let archived = world.add(22, "acme/archived", &["nixci"]);
    let owned = world.add(23, "team/owned", &[]);
    world
        .forge
        .world()
        .find("acme/archived")
        .unwrap()
        .is_archived = true;
    world.change_settings(|text| {
        text.replace("[\"acme/demo\"]", "[\"acme/demo\", \"Team/*\"]")
            .replace("topics = []", "topics = [\"nixci\"]")
    });
    world.start().await;
    for commit in [&demo, &topical, &owned] {
        assert_eq!(built(&world, commit).await, "success");
    }
    world
        .until_built(&["acme/demo", "acme/topical", "team/owned"])
        .await;
    for commit in [&other, &archived] {
        assert!(world.statuses(commit).is_empty());
    }
    // Whatever is built tells, and nothing else is made to.
    for known in &world.forge.world().repositories {
        let is_built = ["acme/demo", "acme/topical", "team/owned"].contains(&known.name.as_str());
        assert_eq!(known.hooks.len(), usize::from(is_built), "{}", known.name);
    }
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_come_go_and_change_their_names_by_event() {
    let mut world = World::new(&good(), "").await;
    world.on_github();
    world.change_settings(|text| {
        text.replace("[\"acme/demo\"]", "[]")
            .replace("topics = []", "topics = [\"nixci\"]")
    });
    world.forge.world().find("acme/demo").unwrap().topics = vec!["nixci".to_owned()];
    world.add(20, "acme/new", &[]);
    world.start().await;
    world.until_built(&["acme/demo"]).await;

    // It gets the topic: nothing was known of it.
    world.forge.world().find("acme/new").unwrap().topics = vec!["nixci".to_owned()];
    let edited = changed("edited", 20, "acme/new");
    assert_eq!(world.deliver("repository", &edited).await, 202);
    world.until_built(&["acme/demo", "acme/new"]).await;

    // It is called otherwise: what it had, it has.
    let bare = |name: &str| world.store.folder().join(format!("git/{name}.git"));
    fs::rename(bare("acme/new"), bare("acme/better")).unwrap();
    {
        let mut forge = world.forge.world();
        "acme/better".clone_into(&mut forge.find("acme/new").unwrap().name);
        forge.renamed.insert("acme/new".to_owned(), 20);
    }
    let renamed = changed("renamed", 20, "acme/better");
    world.deliver("repository", &renamed).await;
    world.until_built(&["acme/better", "acme/demo"]).await;
    assert_eq!(world.repositories().await.len(), 2, "it is the same one");
    let commit = world.commit_to("acme/better", &flake(&[("more", "echo ok > $out")]));
    let mut push = crate::world::push("main", &commit, "m");
    push["repository"] = changed("", 20, "acme/better")["repository"].clone();
    push["installation"] = json!({ "id": 5 });
    world.deliver("push", &push).await;
    world
        .eventually("it is built by its new name", async || {
            let mut forge = world.forge.world();
            let runs = &forge.find("acme/better").unwrap().check_runs;
            runs.iter()
                .any(|run| run["head_sha"] == commit && run["conclusion"] == "success")
        })
        .await;

    // The App is shown the door there.
    world
        .forge
        .world()
        .find("acme/better")
        .unwrap()
        .installation = 6;
    world.forge.world().find("acme/better").unwrap().topics = Vec::new();
    let removed = json!({
        "action": "removed", "installation": { "id": 5, "account": { "id": 1, "login": "acme" } },
        "repositories_added": [], "repositories_removed": [{ "id": 20, "full_name": "acme/better" }],
        "sender": { "id": 2, "login": "writer" },
    });
    world.deliver("installation_repositories", &removed).await;
    world.until_built(&["acme/demo"]).await;
    let next = world.commit_to("acme/better", &flake(&[("no", "echo ok > $out")]));
    push["after"] = json!(next);
    push["head_commit"]["id"] = json!(next);
    assert_eq!(world.deliver("push", &push).await, 202);
    world
        .eventually("its pushes are for others", async || {
            world
                .log()
                .contains("acme/better is none of the repositories that are built")
        })
        .await;
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_come_go_and_change_their_names_by_looking() {
    let mut world = World::new(&good(), "").await;
    let demo = world.git(&["rev-parse", "HEAD"]);
    world.change_settings(|text| text.replace("topics = []", "topics = [\"nixci\"]"));
    world.start().await;
    built(&world, &demo).await;
    let new = world.add(20, "acme/new", &["nixci"]);
    world.sweep().await;
    assert_eq!(built(&world, &new).await, "success");
    world.until_built(&["acme/demo", "acme/new"]).await;

    let bare = |name: &str| world.store.folder().join(format!("git/{name}.git"));
    fs::create_dir_all(bare("other/moved").parent().unwrap()).unwrap();
    fs::rename(bare("acme/new"), bare("other/moved")).unwrap();
    "other/moved".clone_into(&mut world.forge.world().find("acme/new").unwrap().name);
    let next = world.commit_to("other/moved", &flake(&[("next", "echo ok > $out")]));
    world.sweep().await;
    assert_eq!(built(&world, &next).await, "success");
    world.until_built(&["acme/demo", "other/moved"]).await;

    // The token may no longer see it; and what is listed is gone, too.
    world
        .forge
        .world()
        .repositories
        .retain(|known| known.name == "acme/demo");
    world.sweep().await;
    world.until_built(&["acme/demo"]).await;
    world.forge.world().repositories.clear();
    world.sweep().await;
    world.until_built(&[]).await;
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broken_repository_stops_no_other() {
    let mut world = World::new(&good(), "").await;
    let demo = world.git(&["rev-parse", "HEAD"]);
    // Before the others, by the alphabet and by the settings.
    world.add(20, "aaa/silent", &[]);
    world.add(21, "aaa/gone", &[]);
    let walled = world.add(22, "aaa/walled", &["nixci"]);
    let listed = "[\"aaa/silent\", \"aaa/gone\", \"no repository/x\", \"acme/demo\"]";
    world.change_settings(|text| {
        text.replace("[\"acme/demo\"]", listed)
            .replace("topics = []", "topics = [\"nixci\"]")
    });
    let git_root = world.store.folder().join("git");
    fs::rename(git_root.join("aaa/gone.git"), git_root.join("elsewhere")).unwrap();
    world.forge.world().broken = vec![
        ("/repos/aaa/silent".to_owned(), 500),
        ("/repos/aaa/walled/hooks".to_owned(), 403),
    ];
    world.start().await;
    assert_eq!(built(&world, &demo).await, "success");
    // Even where no webhook can be: what is there is seen.
    assert_eq!(built(&world, &walled).await, "success");
    world
        .eventually("what is wrong is said", async || {
            let all = world.repositories().await;
            let problem = |name: &str| {
                let mut all = all.iter();
                all.find(|(known, ..)| known == name)
                    .and_then(|known| known.2.clone())
                    .unwrap_or_default()
            };
            problem("work/aaa/walled").starts_with("the webhook cannot be set: HTTP 403")
                && !problem("work/aaa/gone").is_empty()
                && problem("work/acme/demo").is_empty()
        })
        .await;
    // All is well again.
    world.forge.world().broken.clear();
    fs::rename(git_root.join("elsewhere"), git_root.join("aaa/gone.git")).unwrap();
    world.sweep().await;
    world
        .eventually("nothing is wrong any more", async || {
            let all = world.repositories().await;
            all.len() == 4
                && all
                    .iter()
                    .all(|(_, is_built, problem)| *is_built && problem.is_none())
        })
        .await;
    assert_eq!(world.stop().await, Some(0));
}

/// A pull request as the forge lists it.
fn listed(number: u64, head: &str, changed: Timestamp) -> Value {
    json!({
        "number": number, "state": "open", "updated_at": changed.to_string(), "title": "a pull request", "draft": false,
        "user": { "id": 2, "login": "writer" },
        "base": { "ref": "main", "sha": "0".repeat(39) + "1", "repo": { "id": 12 } },
        "head": { "ref": "topic", "label": "topic", "sha": head, "repo": { "id": 13, "owner": { "id": 2 } } },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_told_is_built() {
    let mut world = World::new(&good(), "branches = [\"release-*\"]").await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    built(&world, &first).await;
    assert_eq!(world.stop().await, Some(0));

    // While it was away: a push, a branch that is built and one that is not, a pull request of today and one of last year.
    let head = |number: u64| {
        world.git(&["checkout", "-q", "-B", "topic", &first]);
        world.git(&[
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            &format!("pull {number}"),
        ]);
        let to = format!("HEAD:refs/pull/{number}/head");
        world.git(&["push", "-q", "-f", "origin", &to]);
        world.git(&["rev-parse", "HEAD"])
    };
    let (old, new) = (head(7), head(8));
    world.git(&["checkout", "-q", "-B", "release-1", &first]);
    let release = world.commit("release", &[("release", "1")]);
    world.git(&["checkout", "-q", "-B", "feature", &first]);
    let feature = world.commit("feature", &[("feature", "1")]);
    world.git(&["checkout", "-q", "main"]);
    let pushed = world.commit("pushed", &[("pushed", "1")]);
    let now = Timestamp::now();
    {
        let mut forge = world.forge.world();
        let pulls = &mut forge.find("acme/demo").unwrap().pulls;
        pulls.insert(
            7,
            listed(7, &old, now - SignedDuration::from_hours(24 * 365)),
        );
        pulls.insert(8, listed(8, &new, now - SignedDuration::from_hours(1)));
    }
    world.start().await;
    for commit in [&pushed, &release, &new] {
        assert_eq!(built(&world, commit).await, "success");
    }
    // And while it is there, each thing once.
    let later = world.commit("later", &[("later", "1")]);
    world.sweep().await;
    assert_eq!(built(&world, &later).await, "success");
    world.sweep().await;
    for commit in [&feature, &old] {
        assert!(world.statuses(commit).is_empty());
    }
    let (_, list, _) = world.ctl(&["list", "--json"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["runs"].as_array().unwrap().len(), 5, "{list:#}");
    assert_eq!(world.stop().await, Some(0));
}

/// Pushes an annotated tag for a commit of its own, whatever had that name. Returns the commit.
fn tag(world: &World, name: &str, message: &str) -> String {
    world.git(&["checkout", "-q", "-B", "topic", "main"]);
    world.git(&["commit", "-q", "--allow-empty", "-m", message]);
    world.git(&["tag", "-f", "-a", "-m", name, name]);
    world.git(&["push", "-q", "-f", "origin", &format!("refs/tags/{name}")]);
    world.git(&["rev-parse", "HEAD"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_nobody_told_of_is_built_once_and_those_from_before_are_not() {
    let mut world = World::new(&good(), "tags = [\"v*\"]").await;
    let first = world.git(&["rev-parse", "HEAD"]);
    // The past of a repository that comes to the server.
    let old = tag(&world, "v0", "old");
    world.start().await;
    built(&world, &first).await;
    // Its first look is over.
    world.sweep().await;
    assert_eq!(world.stop().await, Some(0));

    let (away, other) = (tag(&world, "v1", "away"), tag(&world, "x1", "other"));
    world.start().await;
    assert_eq!(built(&world, &away).await, "success");
    // One that moves, and one that a webhook told of before the look.
    let moved = tag(&world, "v1", "moved");
    let told = tag(&world, "v2", "told");
    let mut event = push("main", &world.git(&["rev-parse", "v2"]), "");
    event["ref"] = json!("refs/tags/v2");
    event["head_commit"] = json!({ "id": told, "message": "told" });
    world.deliver("push", &event).await;
    assert_eq!(built(&world, &told).await, "success");
    world.sweep().await;
    assert_eq!(built(&world, &moved).await, "success");
    // One that is gone may come again.
    world.git(&["push", "-q", "origin", ":refs/tags/v1"]);
    world.sweep().await;
    world.sweep().await;
    for commit in [&old, &other] {
        assert!(world.statuses(commit).is_empty());
    }
    let (_, list, _) = world.ctl(&["list", "--json"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let refs: Vec<&str> = list["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["ref"].as_str().unwrap_or_default())
        .collect();
    let (v1, v2) = ("refs/tags/v1", "refs/tags/v2");
    assert_eq!(refs, [v1, v2, v1, "refs/heads/main"], "{list:#}");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_repository_is_looked_at_as_often_as_is_set() {
    let mut world = World::new(&good(), "").await;
    let git_root = world.store.folder().join("git");
    let address = format!("file://{}", git_root.join("acme/demo.git").display());
    world.change_settings(|text| {
        let (server, _) = text.split_once("[forge.work]").unwrap();
        format!(
            "{server}[forge.work]\nkind = \"plain\"\n[forge.work.repository.\"tools/demo\"]\nurl = \"{address}\"\n\
            poll = \"1s\"\npublic = true\n"
        )
    });
    world.start().await;
    let passed = async |count: usize| {
        world
            .eventually(&format!("{count} runs pass"), async || {
                let (_, list, _) = world.ctl(&["list", "--json"]).await;
                let list: Value = serde_json::from_str(&list).unwrap();
                let runs = list["runs"].as_array().unwrap();
                runs.iter().filter(|run| run["outcome"] == "passed").count() == count
            })
            .await;
    };
    passed(1).await;
    // No webhook, and no order.
    world.commit("next", &[("next", "1")]);
    passed(2).await;
    world.until_built(&["tools/demo"]).await;
    world.change_settings(|text| text.replace("tools/demo", "tools/other"));
    let (code, _, error) = world.ctl(&["reload"]).await;
    assert_eq!(code, Some(0), "{error}");
    world.until_built(&["tools/other"]).await;
    assert_eq!(world.stop().await, Some(0));
}
