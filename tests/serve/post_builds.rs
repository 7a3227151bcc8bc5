//! What is run after checks have passed.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;

use crate::{
    support::{PATIENCE, nix},
    world::{World, flake, pull_request},
};

const SECRET: &str = "correct-horse-battery";

/// Settings with steps; `DIR` in them is a folder of the test's own.
fn settings(dir: &Path, steps: &str) -> String {
    fs::write(dir.join("key"), SECRET).unwrap();
    // Before the forge of the world comes the top level of the file, so that steps have to stand behind it.
    steps.replace("DIR", &dir.display().to_string())
}

/// Gives a world these steps.
async fn world(checks: &[(&str, &str)], dir: &Path, steps: &str) -> World {
    let world = World::new(&flake(checks), "").await;
    let steps = settings(dir, steps);
    world.change_settings(|text| format!("{text}\n{steps}"));
    world
}

fn shell(name: &str, script: &str, keys: &str) -> String {
    format!(
        "[[post_build]]\nname = \"{name}\"\ncommand = [\"/bin/sh\", \"-c\", '''{script}''']\n{keys}\n"
    )
}

/// Asks the server by the socket of `nixci ctl`.
async fn ask(world: &World, method: reqwest::Method, path: &str) -> reqwest::Response {
    let socket = world.store.folder().join("state/nixci.sock");
    let key = fs::read_to_string(socket.with_extension("sock.key")).unwrap();
    let client = reqwest::Client::builder()
        .unix_socket(socket)
        .build()
        .unwrap();
    client
        .request(method, format!("http://localhost{path}"))
        .bearer_auth(key)
        .send()
        .await
        .unwrap()
}

async fn ctl(world: &World, path: &str) -> String {
    let answer = ask(world, reqwest::Method::GET, path).await;
    answer.text().await.unwrap()
}

async fn page(world: &World, path: &str) -> String {
    let answer = reqwest::get(format!("{}{path}", world.url)).await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.text().await.unwrap()
}

async fn eventually<T>(what: &str, world: &World, look: impl Fn() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}\n{}", world.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Security: "secrets in logs".
#[tokio::test(flavor = "multi_thread")]
async fn a_step_gets_what_was_built_and_its_secret_and_tells_nobody_of_that() {
    let dir = tempfile::tempdir().unwrap();
    let script = "cat result-x86_64-linux.good; cat %(prop:out_path)s; echo key $KEY; printf corr; sleep 0.2; \
         printf ect-horse-battery; echo; env | sort > DIR/env; echo \"$KEY\" > DIR/got; \
         echo %(prop:attr)s %(prop:branch)s %(prop:event)s %(prop:project)s %(prop:revision)s > DIR/props; \
         while ! test -e DIR/go; do sleep 0.05; done";
    let step = shell("push", script, "environment.KEY = \"%(secret:key)s\"");
    let steps = format!("{step}[secrets]\nkey = \"DIR/key\"\n");
    let mut world = world(&[("good", "echo fine > $out")], dir.path(), &steps).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &commit).await;
    eventually("it is not begun", &world, || {
        fs::read_to_string(dir.path().join("props"))
            .ok()
            .filter(|text| text.ends_with('\n'))
    })
    .await;
    // What anybody may see while it goes on: arguments of processes, pages.
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&line).contains(SECRET));
    }
    let statuses = world.statuses(&commit);
    assert_eq!(statuses["nixci/build"].0, "pending", "{statuses:?}");
    assert!(page(&world, "/runs/1").await.contains("going on"));
    fs::write(dir.path().join("go"), "").unwrap();
    assert_eq!(world.verdict(&commit).await["nixci/build"].0, "success");

    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("got").trim(), SECRET);
    assert_eq!(
        read("props").trim(),
        format!("x86_64-linux.good main push acme/demo {commit}")
    );
    let variables: Vec<String> = read("env")
        .lines()
        .map(|line| line.split('=').next().unwrap().to_owned())
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(&name.as_str()))
        .collect();
    assert_eq!(variables, ["HOME", "KEY", "PATH", "TMPDIR"]);

    let log = ctl(&world, "/api/v1/runs/1/log?check=good&post_build=push").await;
    assert_eq!(log, "fine\nfine\nkey ***\n***\n");
    let raw = page(&world, "/runs/1/post-builds/1/raw").await;
    assert_eq!(raw, log);
    let shown = page(&world, "/runs/1/post-builds/1").await;
    assert!(shown.contains("key ***"), "{shown}");
    assert!(page(&world, "/runs/1").await.contains("After the builds"));
    let check = page(&world, "/runs/1/checks/checks.x86_64-linux.good").await;
    assert!(check.contains("/runs/1/post-builds/1"), "{check}");
    let run: Value = serde_json::from_str(&ctl(&world, "/api/v1/runs/1").await).unwrap();
    assert_eq!(run["post_builds"][0]["outcome"], "passed", "{run}");
    assert_eq!(world.stop().await, Some(0));
    assert!(!world.log().contains(SECRET));
    // Nor in any file that is left; the folder that it worked in is gone.
    for entry in walk(&world.store.folder().join("state")) {
        let text = fs::read(&entry).unwrap_or_default();
        assert!(
            !String::from_utf8_lossy(&text).contains(SECRET),
            "{entry:?}"
        );
    }
    assert_eq!(
        fs::read_dir(world.store.folder().join("state/post-build"))
            .unwrap()
            .count(),
        0
    );
}

/// Whether a process is there, and is not only waited for by nobody.
fn lives(id: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    entries
        .flat_map(|entry| {
            let is_dir = entry.file_type().unwrap().is_dir();
            if is_dir {
                walk(&entry.path())
            } else {
                vec![entry.path()]
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_fails_its_check_unless_it_only_warns() {
    let dir = tempfile::tempdir().unwrap();
    let steps = [
        shell("cache", "echo no cache; exit 4", "warn_only = true"),
        shell("deploy", "echo no host; exit 3", "checks = [\"bad\"]"),
        shell("after", "echo %(prop:attr)s >> DIR/after", ""),
    ]
    .concat();
    let checks = [("good", "echo 1 > $out"), ("bad", "echo 2 > $out")];
    let mut world = world(&checks, dir.path(), &steps).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &commit).await;
    let verdict = world.verdict(&commit).await;
    assert_eq!(
        verdict["nixci/build"],
        (
            "failure".to_owned(),
            "1 passed, 1 failed, 2 post-build steps failed without effect".to_owned()
        ),
        "{}",
        world.log()
    );
    let failed = &verdict["nixci/build gitea:acme/demo#checks.x86_64-linux.bad"];
    assert_eq!(
        failed.1,
        "failed: the post-build step `deploy` failed: exit status: 3"
    );
    assert_eq!(verdict.len(), 3, "{verdict:?}");
    // What comes behind a failure is not run, what comes behind a warning is.
    let after = fs::read_to_string(dir.path().join("after")).unwrap();
    assert_eq!(after, "x86_64-linux.good\n");
    let shown = page(&world, "/runs/1").await;
    assert!(
        shown.contains("the post-build step `deploy` failed"),
        "{shown}"
    );
    let run: Value = serde_json::from_str(&ctl(&world, "/api/v1/runs/1").await).unwrap();
    assert_eq!(
        (&run["outcome"], &run["counts"]["failed"]),
        (&"failed".into(), &1.into()),
        "{run}"
    );
    // Once more, the build is there and the step is tried again; what went well is not repeated.
    let second = world.commit("more", &[("other", "")]);
    world.push_event("main", &second).await;
    assert_eq!(world.verdict(&second).await["nixci/build"].0, "failure");
    let after = fs::read_to_string(dir.path().join("after")).unwrap();
    assert_eq!(after, "x86_64-linux.good\n");
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "pwn request".
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_has_no_steps() {
    let dir = tempfile::tempdir().unwrap();
    let steps = [
        shell("push", "echo %(prop:branch)s >> DIR/pushed", ""),
        shell(
            "look",
            "echo %(prop:pr_number)s %(prop:branch)s >> DIR/looked",
            "pull_requests = true",
        ),
    ]
    .concat();
    let mut world = world(&[("good", "echo 1 > $out")], dir.path(), &steps).await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.git(&["checkout", "-q", "-B", "main-2"]);
    let head = world.commit(
        "topic",
        &[("flake.nix", &flake(&[("evil", "echo 2 > $out")]))],
    );
    world.git(&["push", "-q", "origin", "HEAD:refs/pull/7/head", ":main-2"]);
    world.start().await;
    world.verdict(&first).await;
    // Its branch is called as the one that counts.
    let mut opened = pull_request("opened", 7, &head, (2, "writer"));
    opened["pull_request"]["head"]["ref"] = "main".into();
    world.deliver("pull_request", &opened).await;
    assert_eq!(world.verdict(&head).await["nixci/build"].0, "success");
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("pushed"), "main\n");
    assert_eq!(read("looked"), "main\n7 refs/pull/7/head\n");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_takes_too_long_is_ended_with_all_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; sleep 600 & echo $! > DIR/child; echo words; wait; sleep 600";
    let step = shell("slow", script, "timeout = \"1s\"");
    let mut world = world(&[("good", "echo 1 > $out")], dir.path(), &step).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    let verdict = world.verdict(&commit).await;
    assert_eq!(verdict["nixci/build"].0, "failure");
    let said = "failed: the post-build step `slow` failed: it took longer than 1 s";
    assert_eq!(
        verdict["nixci/build gitea:acme/demo#checks.x86_64-linux.good"].1,
        said
    );
    let child = fs::read_to_string(dir.path().join("child")).unwrap();
    eventually("it lives on", &world, || (!lives(&child)).then_some(())).await;
    let log = ctl(&world, "/api/v1/runs/1/log?check=good&post_build=slow").await;
    assert_eq!(log, "words\n");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_ended_ends_its_steps() {
    let dir = tempfile::tempdir().unwrap();
    let step = shell("slow", "echo $$ > DIR/id; exec sleep 600", "");
    let mut world = world(&[("good", "echo 1 > $out")], dir.path(), &step).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    let id = eventually("it is not begun", &world, || {
        fs::read_to_string(dir.path().join("id"))
            .ok()
            .filter(|id| id.ends_with('\n'))
    })
    .await;
    let order = ask(&world, reqwest::Method::POST, "/api/v1/runs/1/cancel").await;
    assert!(order.status().is_success());
    let verdict = world.verdict(&commit).await;
    assert_eq!(verdict["nixci/build"].1, "cancelled by hand");
    eventually("it lives on", &world, || (!lives(&id)).then_some(())).await;
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_begins_a_step_again() {
    let dir = tempfile::tempdir().unwrap();
    let steps = [
        shell("once", "echo once >> DIR/once", ""),
        shell(
            "slow",
            "echo $$ >> DIR/begun; test -e DIR/go || exec sleep 600; echo done >> DIR/done",
            "",
        ),
    ]
    .concat();
    let mut world = world(&[("good", "echo 1 > $out")], dir.path(), &steps).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    let begun = dir.path().join("begun");
    let id = eventually("it is not begun", &world, || {
        fs::read_to_string(&begun)
            .ok()
            .filter(|id| id.ends_with('\n'))
    })
    .await;
    world.kill().await;
    // Its unit would end what it started; here that is the test's.
    let id = rustix::process::Pid::from_raw(id.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    fs::write(dir.path().join("go"), "").unwrap();
    world.start().await;
    let verdict = world.verdict(&commit).await;
    assert_eq!(
        verdict["nixci/build"],
        ("success".to_owned(), "1 passed".to_owned())
    );
    let lines = |name: &str| {
        fs::read_to_string(dir.path().join(name))
            .unwrap()
            .lines()
            .count()
    };
    assert_eq!((lines("begun"), lines("done"), lines("once")), (2, 1, 1));
    assert_eq!(world.stop().await, Some(0));
}

/// A deployment is of the commit that is pushed, also of one that undoes another.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_undoes_another_has_its_steps_again() {
    let dir = tempfile::tempdir().unwrap();
    let step = shell("deploy", "cat %(prop:out_path)s >> DIR/deployed", "");
    let mut world = world(&[("good", "echo 1 > $out")], dir.path(), &step).await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&first).await;
    for number in ["2", "1"] {
        let script = format!("echo {number} > $out");
        let commit = world.commit(number, &[("flake.nix", &flake(&[("good", &script)]))]);
        world.push_event("main", &commit).await;
        assert_eq!(world.verdict(&commit).await["nixci/build"].0, "success");
    }
    let deployed = fs::read_to_string(dir.path().join("deployed")).unwrap();
    assert_eq!(deployed, "1\n2\n1\n");
    assert_eq!(world.stop().await, Some(0));
}

/// Of a branch only what it is at is deployed, whoever has what else built once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_its_branch_has_left_is_built_once_more_and_not_deployed() {
    let dir = tempfile::tempdir().unwrap();
    let step = shell("deploy", "cat %(prop:out_path)s >> DIR/deployed", "");
    let mut world = world(&[("good", "echo 1 > $out")], dir.path(), &step).await;
    let outputs = dir.path().join("outputs");
    fs::create_dir(&outputs).unwrap();
    world.change_settings(|text| format!("outputs_dir = \"{}\"\n{text}", outputs.display()));
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&first).await;
    let second = world.commit("2", &[("flake.nix", &flake(&[("good", "echo 2 > $out")]))]);
    world.push_event("main", &second).await;
    world.verdict(&second).await;
    let named = outputs.join("acme/demo/main/x86_64-linux.good");
    let newest = fs::read_to_string(&named).unwrap();
    let deployed = || fs::read_to_string(dir.path().join("deployed")).unwrap();
    assert_eq!(deployed(), "1\n2\n");
    // The run of the old commit, and then the run that came of that.
    let mut run = "1".to_owned();
    for _ in 0..2 {
        let (_, shown, said) = world.ctl(&["rebuild", &run, "--json"]).await;
        run = serde_json::from_str::<Value>(&shown).expect(&said)["run"].to_string();
        let (code, shown, _) = world.ctl(&["watch", &run]).await;
        assert_eq!(code, Some(0), "{shown}");
        assert_eq!(deployed(), "1\n2\n");
        assert_eq!(fs::read_to_string(&named).unwrap(), newest);
        let (_, shown, _) = world.ctl(&["show", &run]).await;
        assert!(shown.contains("no post-build steps"), "{shown}");
    }
    // What the branch is at is deployed by hand, too.
    let (_, shown, _) = world.ctl(&["run", "acme/demo", "main", "--json"]).await;
    let run = serde_json::from_str::<Value>(&shown).unwrap()["run"].to_string();
    assert_eq!(world.ctl(&["watch", &run]).await.0, Some(0));
    assert_eq!(deployed(), "1\n2\n2\n");
    assert_eq!(world.stop().await, Some(0));
}

/// What a step has done is done, whether that can be written down at once or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_locked_fails_no_step() {
    let dir = tempfile::tempdir().unwrap();
    let script = "echo begun >> DIR/begun; while ! test -e DIR/go; do sleep 0.05; done";
    let steps = [
        shell("first", script, ""),
        shell("second", "echo done >> DIR/done", ""),
    ];
    let mut world = world(&[("good", "echo 1 > $out")], dir.path(), &steps.concat()).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    let begun = dir.path().join("begun");
    eventually("it is not begun", &world, || begun.exists().then_some(())).await;
    let lock = world.database();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    fs::write(dir.path().join("go"), "").unwrap();
    world.log_has("the end of a step after a build").await;
    lock.execute_batch("COMMIT").unwrap();
    assert_eq!(world.verdict(&commit).await["nixci/build"].0, "success");
    for name in ["begun", "done"] {
        let text = fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text.lines().count(), 1, "{name}");
    }
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_ended_begins_no_step_that_waits() {
    let dir = tempfile::tempdir().unwrap();
    let step = shell("slow", "echo $$ >> DIR/id; exec sleep 600", "");
    let checks = [("one", "echo 1 > $out"), ("two", "echo 2 > $out")];
    let mut world = world(&checks, dir.path(), &step).await;
    world.change_settings(|text| format!("limits.post_builds = 1\n{text}"));
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    let id = dir.path().join("id");
    eventually("it is not begun", &world, || id.exists().then_some(())).await;
    // The other check has passed by now, too.
    eventually("one waits", &world, || {
        let built = "SELECT 1 FROM steps WHERE outcome = 'built' LIMIT 1 OFFSET 1";
        let database = world.database();
        let is_built = database.prepare(built).unwrap().exists([]).unwrap();
        is_built.then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let order = ask(&world, reqwest::Method::POST, "/api/v1/runs/1/cancel").await;
    assert!(order.status().is_success());
    assert_eq!(
        world.verdict(&commit).await["nixci/build"].1,
        "cancelled by hand"
    );
    let count = "SELECT count(*) FROM post_builds";
    let begun: i64 = world
        .database()
        .query_row(count, [], |row| row.get(0))
        .unwrap();
    assert_eq!(begun, 1);
    assert_eq!(world.stop().await, Some(0));
}

/// Where the output of a content-addressed derivation is, is known when it is built.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_content_addressed_is_named_held_and_given_to_steps() {
    let dir = tempfile::tempdir().unwrap();
    let outputs = dir.path().join("outputs");
    fs::create_dir(&outputs).unwrap();
    let floating = "__contentAddressed = true; outputHashMode = \"recursive\"; outputHashAlgo = \"sha256\"; args";
    let text = flake(&[("good", "echo fine > $out")]).replace("args", floating);
    let store = nix::newest().store();
    let store = store.with_setting("extra-experimental-features", "ca-derivations");
    let settings = format!("outputs_dir = \"{}\"", outputs.display());
    let mut world = World::in_store(store.with_daemon(), &text, &settings).await;
    let step = shell(
        "push",
        "cat %(prop:out_path)s result-x86_64-linux.good > DIR/got",
        "",
    );
    let step = self::settings(dir.path(), &step);
    world.change_settings(|text| format!("{text}\n{step}"));
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    let verdict = world.verdict(&commit).await;
    assert_eq!(verdict["nixci/build"].0, "success", "{verdict:?}");
    let got = fs::read_to_string(dir.path().join("got")).unwrap();
    assert_eq!(got, "fine\nfine\n");
    let named = outputs.join("acme/demo/main/x86_64-linux.good");
    eventually("it is not named", &world, || named.exists().then_some(())).await;
    let path = fs::read_to_string(&named).unwrap();
    world.store.run_nix(&["store", "gc"], world.store.folder());
    assert_eq!(fs::read_to_string(path).unwrap(), "fine\n");
    assert_eq!(world.stop().await, Some(0));
}
