//! Runs behind the walls that the settings ask for.

use std::path::Path;

use crate::{
    support::running::Running,
    world::{World, flake},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_behind_landlock_is_as_any_other() {
    let flake = flake(&[("good", "echo ok > $out"), ("bad", "exit 3")]);
    let mut world = World::new(&flake, "isolation = \"landlock\"").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    let verdict = world.verdict(&commit).await;
    let state = |context: &str| verdict[context].0.as_str();
    let states = [state("nixci/eval"), state("nixci/build")];
    assert_eq!(
        states,
        ["success", "failure"],
        "{verdict:?}\n{}",
        world.log()
    );
    let (_, shown, _) = world.ctl(&["show", "1"]).await;
    assert!(shown.contains("good") && shown.contains("bad"), "{shown}");
    let log = world.log();
    assert!(
        log.contains("evaluations run behind Landlock, ABI "),
        "{log}"
    );
    let (_, findings, _) = world.ctl(&["doctor"]).await;
    assert!(
        findings.contains("evaluations run behind Landlock"),
        "{findings}"
    );
    // The home that it had, and nothing that evaluations left in it.
    let homes = world.store.folder().join("state/homes");
    assert!(homes.join("1-trusted/tmp").is_dir());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_walls_that_were_asked_for_nothing_starts() {
    let world = World::new(&flake(&[]), "isolation = \"bubblewrap\"").await;
    let mut command = world.store.command(env!("CARGO_BIN_EXE_nixci"));
    let own = command.get_envs().find(|(name, _)| *name == "PATH");
    let path = own.and_then(|(_, value)| value?.to_str().map(str::to_owned));
    let path = path.or_else(|| std::env::var("PATH").ok()).unwrap();
    // Without any bubblewrap of the machine's.
    let path = path
        .split(':')
        .filter(|dir| !Path::new(dir).join("bwrap").exists());
    let path = path.collect::<Vec<_>>().join(":");
    command
        .env("PATH", path)
        .args(["serve", "--config"])
        .arg(world.store.folder().join("server.toml"));
    let ended = Running::start(&mut command).finish();
    assert_eq!(ended.code, Some(4), "{ended}");
    assert!(
        ended
            .stderr
            .ends_with("error: isolation: bubblewrap (`bwrap`) is not on PATH\n"),
        "{ended}"
    );
}
