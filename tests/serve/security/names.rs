//! Names that would like to be paths.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::json;

use crate::{
    pages::ask,
    world::{World, flake, push},
};

/// The files and links below a folder, without the store and what is git's.
fn files(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() && !path.ends_with("nix") && !path.ends_with("git") {
            files(&path, found);
        } else {
            found.insert(path.display().to_string());
        }
    }
}

/// Security: "path traversal": checks, branches and addresses that are called as the way to somewhere else.
#[allow(
    clippy::too_many_lines,
    reason = "one run is looked at in every way that it can be"
)]
#[tokio::test(flavor = "multi_thread")]
async fn names_lead_to_no_file_but_their_own() {
    let names = [
        "..",
        ".",
        "../../../../pwned",
        "/etc/pwned",
        "a\\\\..\\\\b",
        "%2e%2e%2f",
        ".hidden",
        "new\\nline",
    ];
    let checks: Vec<(String, &str)> = names
        .iter()
        .map(|name| (format!("\"{name}\""), "echo here; echo ok > $out"))
        .collect();
    let checks: Vec<(&str, &str)> = checks
        .iter()
        .map(|(name, script)| (&**name, *script))
        .collect();
    // A derivation has a name that Nix takes.
    let mut flake = flake(&checks);
    for name in names {
        flake = flake.replace(&format!("name = \"\"{name}\"\""), "name = \"x\"");
    }
    let world_dir = tempfile::tempdir().unwrap();
    let outputs = world_dir.path().join("a/b/c/outputs");
    let settings = format!(
        "branches = [\"**\"]\noutputs_dir = \"{}\"",
        outputs.display()
    );
    let mut world = World::new(&flake, &settings).await;
    let branch = "%2e%2e/-rf/x%2fy";
    world.git(&["checkout", "-q", "-b", branch]);
    let commit = world.commit(
        "named",
        &[("nixci.toml", "attributes = [\"checks.x86_64-linux\"]")],
    );
    world.start().await;
    world.push_event(branch, &commit).await;
    let verdict = world.verdict(&commit).await;
    assert_eq!(
        verdict["nixci/build"],
        ("success".to_owned(), format!("{} passed", names.len())),
        "{verdict:?}\n{}",
        world.log()
    );
    let of_branch = outputs.join("acme/demo/%252e%252e%2F-rf%2Fx%252fy");
    let mut found = BTreeSet::new();
    files(world_dir.path(), &mut found);
    let below = format!("{}/", outputs.join("acme/demo").display());
    assert!(
        found.iter().all(|path| path.starts_with(&below)),
        "{found:#?}"
    );
    assert_eq!(
        fs::read_dir(&of_branch).unwrap().count(),
        names.len(),
        "{found:#?}"
    );
    let mut found = BTreeSet::new();
    files(&world.store.folder().join("state"), &mut found);
    let rooted = |path: &&String| path.contains("/gcroots/");
    let own = |path: &&String| path.contains("/gcroots/1/%252e%252e%2F-rf%2Fx%252fy/");
    assert_eq!(found.iter().filter(own).count(), names.len(), "{found:#?}");
    assert!(
        found
            .iter()
            .filter(rooted)
            .all(|path| own(&path) || path.contains("/gcroots/1/main/")),
        "{found:#?}"
    );

    // Names that a forge says are gone, and no branch can have.
    for name in ["..", ".", "", "../..", "../../../state"] {
        let gone = json!({ "ref": name, "ref_type": "branch", "pusher_type": "user",
            "repository": push("main", &commit, "")["repository"], "sender": { "id": 2, "login": "writer" } });
        world.deliver("delete", &gone).await;
        let mut gone = push("main", &"0".repeat(40), "");
        gone["ref"] = json!(format!("refs/heads/{name}"));
        world.deliver("push", &gone).await;
    }
    // And their turn has come.
    let next = world.commit("next", &[("file", "x")]);
    world.push_event(branch, &next).await;
    world.verdict(&next).await;
    let mut left = BTreeSet::new();
    files(&world.store.folder().join("state/gcroots"), &mut left);
    assert!(left.len() >= names.len(), "{left:#?}");

    for path in [
        "/runs/1/steps/..%2f..%2fserver.toml/raw",
        "/runs/1/steps/1%2f..%2f..%2f..%2fnixci.sqlite/raw",
        "/runs/..%2f..%2fhook/steps/1/raw",
        "/runs/1/post-builds/..%2f..%2fhook/raw",
        "/runs/1/checks/..%2f..%2f..%2fhook",
        "/runs/1/checks/%2fetc%2fpasswd",
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/hook",
        "/repositories/work/..%2f..%2fhook/badge.svg",
        "/repositories/..%2f../acme/demo",
        "//etc/passwd",
        "/../../../../etc/passwd",
    ] {
        let answer = ask(&world, path, None).await;
        assert_eq!(answer.status(), 404, "{path}");
    }
    for name in ["../../../hook", "/etc/passwd", ".."] {
        let (code, out, _) = world.ctl(&["log", "1", name]).await;
        // It may have been built by the run of the other branch.
        let own = ["here\n", ""].contains(&out.as_str());
        assert!(code != Some(0) || own, "{name}: {code:?} {out}");
    }
    assert_eq!(world.stop().await, Some(0));
}
