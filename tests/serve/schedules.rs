//! What is built because it is time.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    pages::page,
    support::PATIENCE,
    world::{World, flake},
};

/// Once a year, which is not today as far as these tests are concerned: they set what was dealt with.
const YEARLY: &str = "[[schedule]]\nname = \"yearly\"\ncron = \"0 0 1 1 *\"\nrepositories = [\"work/acme/*\"]\n\
                      [[schedule]]\nname = \"others\"\ncron = \"0 0 1 1 *\"\nrepositories = [\"us/*\"]\n";
const OWN: &str = "[[serve.schedule]]\nname = \"own\"\ncron = \"17 0 1 1 *\"\nbranch = \"next\"\n\
     [[serve.schedule]]\nname = \"lost\"\ncron = \"17 0 1 1 *\"\nbranch = \"nowhere\"\n";

impl World {
    async fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let (code, shown, error) = self.ctl(&arguments).await;
        assert_eq!((code, error.as_str()), (Some(0), ""), "{arguments:?}");
        serde_json::from_str(&shown).unwrap()
    }

    /// The runs for which it was time, oldest first, with the names of their refs.
    async fn timed(&self) -> Vec<(u64, String)> {
        let runs = self.json(&["list"]).await;
        let runs = runs["runs"].as_array().unwrap().iter().rev();
        runs.filter(|run| run["kind"] == "schedule" && run["state"] == "finished")
            .map(|run| {
                let git_ref = run["ref"].as_str().unwrap().to_owned();
                (run["run"].as_u64().unwrap(), git_ref)
            })
            .collect()
    }

    async fn until_timed(&self, count: usize, limit: Duration) -> Vec<(u64, String)> {
        let began = Instant::now();
        loop {
            let timed = self.timed().await;
            if timed.len() >= count {
                return timed;
            }
            assert!(began.elapsed() < limit, "{timed:?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// As if the server had been down for years.
    fn oversleep(&self) {
        let database = self.store.folder().join("state/nixci.sqlite");
        let database = rusqlite::Connection::open(database).unwrap();
        let changed = database
            .execute("UPDATE schedules SET done_until = 1500000000000", [])
            .unwrap();
        assert!(changed > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_many_times_is_built_once_and_anew() {
    let checks = flake(&[("good", "echo ok > $out"), ("bad", "echo oh no; exit 3")]);
    let mut world = World::new(&checks, YEARLY).await;
    let main = world.commit("rules", &[("nixci.toml", OWN)]);
    world.git(&["checkout", "-q", "-b", "next"]);
    let next = world.commit("next", &[("file", "1")]);
    world.git(&["checkout", "-q", "main"]);
    world.start().await;
    world.verdict(&main).await;
    let began = Instant::now();
    while world.json(&["schedules"]).await["schedules"][2].is_null() {
        assert!(began.elapsed() < PATIENCE, "{}", world.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (_, shown, _) = world.ctl(&["schedules", "acme/demo"]).await;
    for line in [
        "work/acme/demo  yearly  main     0 0 1 1 *   next ",
        "work/acme/demo  own     next     17 0 1 1 *  next ",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(!shown.contains("others"), "{shown}");
    assert_eq!(world.timed().await, []);

    assert_eq!(world.stop().await, Some(0));
    world.oversleep();
    world.start().await;
    let mut timed = world.until_timed(2, PATIENCE).await;
    world.verdict(&next).await;
    // Neither is what it builds taken over from a run before, nor what failed in it. Of the two that begin together one builds
    // what fails, and the other has waited for that.
    let mut built = 0;
    for (run, _) in &timed {
        let run = world.json(&["show", &run.to_string()]).await;
        assert_eq!(run["reused_from"], Value::Null);
        assert_eq!(run["counts"]["failed"], 1, "{run}");
        let mut failed = run["steps"].as_array().unwrap().iter();
        let bad = failed.find(|step| step["name"] == "bad").unwrap();
        let error = bad["error"].as_str().unwrap();
        let is_of = |run: u64| error.starts_with(&format!("it failed in run {run} already: "));
        if !timed.iter().any(|(run, _)| is_of(*run)) {
            assert_eq!(bad["log_tail"], "oh no", "{bad}");
            built += 1;
        }
    }
    assert!(built > 0, "it was built anew");
    // Once, for all the years; also when the server comes back once more.
    world.kill().await;
    world.start().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.timed().await, timed);
    timed.sort_by(|a, b| a.1.cmp(&b.1));
    let refs: Vec<&str> = timed.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(refs, ["refs/heads/main", "refs/heads/next"]);

    let shown = page(&world, "/repositories/work/acme/demo").await;
    assert!(shown.contains("Schedules"), "{shown}");
    let last = format!("<a href=\"/runs/{0}\">run {0}</a>", timed[0].0);
    assert!(shown.contains(&last), "{shown}");
    assert!(shown.contains("there is no branch `nowhere`"), "{shown}");
    let run = page(&world, &format!("/runs/{}", timed[0].0)).await;
    assert!(run.contains("schedule yearly"), "{run}");

    // A push is not held up by what it was time for, and what is no longer wanted is gone.
    let gone = world.commit("without rules", &[("nixci.toml", "")]);
    world.push_event("main", &gone).await;
    world.verdict(&gone).await;
    let began = Instant::now();
    while !world.json(&["schedules"]).await["schedules"][1].is_null() {
        assert!(began.elapsed() < PATIENCE, "{}", world.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let left = world.json(&["schedules"]).await;
    assert_eq!(left["schedules"][0]["name"], "yearly");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_built_when_it_is_time() {
    let minutely = "[[schedule]]\nname = \"minutely\"\ncron = \"* * * * *\"\n";
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), minutely).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    assert_eq!(world.verdict(&commit).await["nixci/build"].0, "success");
    let timed = world.until_timed(1, Duration::from_secs(180)).await;
    assert_eq!(timed[0].1, "refs/heads/main");
    let run = world.json(&["show", &timed[0].0.to_string()]).await;
    assert_eq!(run["commit"], commit);
    assert_eq!(run["reused_from"], Value::Null);
    assert_eq!(run["outcome"], "passed");
    assert_eq!(world.stop().await, Some(0));
}

/// What was queued for an older commit deploys nothing over what a push has.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_is_time_for_deploys_nothing_over_what_was_pushed_since() {
    let dir = tempfile::tempdir().unwrap();
    let outputs = dir.path().join("outputs");
    std::fs::create_dir(&outputs).unwrap();
    let settings = format!("outputs_dir = \"{}\"\n{YEARLY}", outputs.display());
    let mut world = World::new(&flake(&[("good", "echo 1 > $out")]), &settings).await;
    let deployed = dir.path().join("deployed");
    let step = format!(
        "[[post_build]]\nname = \"deploy\"\ncommand = [\"/bin/sh\", \"-c\", 'cat %(prop:out_path)s >> {}']\n",
        deployed.display()
    );
    world.change_settings(|text| format!("{text}\n{step}"));
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&first).await;
    let began = Instant::now();
    while world.json(&["schedules"]).await["schedules"][0].is_null() {
        assert!(began.elapsed() < PATIENCE, "{}", world.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.ctl(&["pause", "acme/demo"]).await.0, Some(0));
    assert_eq!(world.stop().await, Some(0));
    world.oversleep();
    world.start().await;
    let timed = world.run_is("refs/heads/main", 1, "queued").await;
    // It comes after all else, as on a server with much to do.
    let wait = |until: i64| {
        let database = world.database();
        let sql = "UPDATE runs SET not_before = ?1 WHERE kind = 'schedule'";
        assert_eq!(database.execute(sql, [until]).unwrap(), 1);
    };
    wait(i64::MAX);
    let second = world.commit("2", &[("flake.nix", &flake(&[("good", "echo 2 > $out")]))]);
    let payload = crate::world::push("main", &second, "2");
    assert!((200..300).contains(&world.deliver_as("second", "push", &payload).await));
    world.run_is("refs/heads/main", timed, "queued").await;
    assert_eq!(world.ctl(&["resume", "acme/demo"]).await.0, Some(0));
    assert_eq!(world.verdict(&second).await["nixci/build"].0, "success");
    let named = outputs.join("acme/demo/main/x86_64-linux.good");
    let newest = std::fs::read_to_string(&named).unwrap();
    wait(0);
    world.until_timed(1, PATIENCE).await;
    assert_eq!(std::fs::read_to_string(&deployed).unwrap(), "1\n2\n");
    assert_eq!(std::fs::read_to_string(&named).unwrap(), newest);
    let (_, shown, _) = world.ctl(&["show", &timed.to_string()]).await;
    for said in [
        "no post-build steps: run 3 is newer",
        "not in the outputs folder: run 3 is newer",
    ] {
        assert!(shown.contains(said), "{shown}");
    }
    assert_eq!(world.stop().await, Some(0));
}
