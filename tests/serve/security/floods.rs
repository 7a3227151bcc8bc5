//! More of everything than anybody needs.

use std::{fs, path::Path};

use crate::world::{World, flake, pull_request};

/// Security: "status flood".
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_failures_are_fifty_statuses() {
    let settings = "[pull_requests]\nbuild = \"all\"";
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), settings).await;
    let main = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&main).await;
    let flood = "{ outputs = _: { checks.x86_64-linux = builtins.listToAttrs (builtins.genList (n: \
                 { name = \"c${toString n}\"; value = throw \"no\"; }) 1000); }; }";
    world.git(&["checkout", "-q", "-B", "topic"]);
    let head = world.commit("flood", &[("flake.nix", flood)]);
    world.git(&["push", "-q", "origin", "HEAD:refs/pull/7/head", ":topic"]);
    let opened = pull_request("opened", 7, &head, (3, "reader"));
    world.deliver("pull_request", &opened).await;
    let verdict = world.verdict(&head).await;
    assert_eq!(
        verdict["nixci/build"],
        ("failure".to_owned(), "1000 failed".to_owned())
    );
    assert_eq!(world.stop().await, Some(0));
    let contexts = world.statuses(&head).len();
    assert_eq!(contexts, 2 + 47);
    // What changes while it is told is told once.
    let told = world.told(&head);
    assert!(told <= contexts + 6, "{told}");
}

/// How many bytes there are below a folder.
fn bytes_below(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                bytes_below(&entry.path())
            } else {
                metadata.len()
            }
        })
        .sum()
}

/// Security: "build abuse": a builder that never ends and never shuts up, and one that starts more and more of itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_builder_that_never_ends_and_never_shuts_up_ends_and_is_cut_short() {
    let settings = "[limits]\ntimeout = \"4s\"\njobs = 2\n[pull_requests]\nbuild = \"all\"";
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), settings).await;
    let main = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&main).await;
    let line = "x".repeat(200);
    let abuse = flake(&[
        ("talks", &format!("while :; do echo {line}; done")),
        ("one-line", &format!("while :; do printf {line}; done")),
        (
            "starts",
            "f() { while read -t 1000 x < /dev/zero; do :; done; }; for n in 1 2 3 4 5 6 7 8; do f & done; while :; do :; done",
        ),
    ]);
    world.git(&["checkout", "-q", "-B", "topic"]);
    // It gives itself all the time in the world.
    let own = "timeout = \"1000h\"\n[[check]]\nname = \"*\"\ntimeout = \"1000h\"\n";
    let head = world.commit("abuse", &[("flake.nix", &abuse), ("nixci.toml", own)]);
    world.git(&["push", "-q", "origin", "HEAD:refs/pull/7/head", ":topic"]);
    let opened = pull_request("opened", 7, &head, (3, "reader"));
    world.deliver("pull_request", &opened).await;
    // Which comes long before the end that it gives itself.
    let verdict = world.verdict(&head).await;
    assert_eq!(
        verdict["nixci/build"],
        ("failure".to_owned(), "3 failed".to_owned()),
        "{}",
        world.log()
    );
    for name in ["talks", "one-line", "starts"] {
        let (_, text) =
            &verdict[&format!("nixci/build gitea:acme/demo#checks.x86_64-linux.{name}")];
        assert!(text.starts_with("took too long"), "{name}: {text}");
    }
    let kept = bytes_below(&world.store.folder().join("state/logs"));
    assert!(kept < 130 << 20, "{kept} bytes");
    let memory = world.memory();
    assert!(memory < 250 << 20, "{memory} bytes");
    assert!(world.store.builders().is_empty());
    // Others have their turn.
    world.git(&["checkout", "-q", "main"]);
    let next = world.commit(
        "next",
        &[("flake.nix", &flake(&[("other", "echo ok > $out")]))],
    );
    world.push_event("main", &next).await;
    assert_eq!(world.verdict(&next).await["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
}
