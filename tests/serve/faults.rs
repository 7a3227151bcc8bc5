//! What goes wrong between the server and a forge, and that it is told everything once all the same.

use std::time::{Duration, Instant};

use crate::{
    fake::fault::{Done, Fault, FaultKind, Limit},
    world::{World, flake},
};

/// What a run of [`troubled`] tells a forge in the end.
const VERDICT: [(&str, &str, &str); 3] = [
    ("nixci/build", "failure", "1 passed, 1 failed"),
    (
        "nixci/build KIND:acme/demo#checks.x86_64-linux.bad",
        "failure",
        "failed: builder failed with exit code 3",
    ),
    ("nixci/eval", "success", "2 checks"),
];
/// How long until a forge has been told all of it, its silence of half a minute included.
const LIMIT: Duration = Duration::from_secs(120);

/// A server, and a forge that these things happen to from the first status on.
async fn troubled(kind: &str, faults: Vec<Fault>) -> World {
    let flake = flake(&[("good", "echo ok > $out"), ("bad", "exit 3")]);
    let mut world = World::new(&flake, "").await;
    if kind == "github" {
        world.on_github();
    }
    world.forge.world().faults.extend(faults);
    world.start().await;
    world
}

/// Waits until the forge shows the verdict on the first commit. Returns every status that it took, and of each check run
/// how it is now.
async fn weathered(world: &World, kind: &str) -> Vec<(String, String, String)> {
    let commit = world.git(&["rev-parse", "HEAD"]);
    let verdict = VERDICT
        .map(|(name, state, text)| [&name.replace("KIND", kind), state, text].map(str::to_owned));
    let began = Instant::now();
    loop {
        let shown = shown(world, &commit);
        let has = |[name, state, text]: &[String; 3]| {
            let mut of_name = shown.iter().rev().filter(|(of, ..)| of == name);
            of_name
                .next()
                .is_some_and(|(_, is, says)| is == state && says == text)
        };
        if verdict.iter().all(has) && untold(world) == 0 {
            return shown;
        }
        assert!(began.elapsed() < LIMIT, "{shown:#?}\n{}", world.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How much the server thinks that it has to tell yet.
fn untold(world: &World) -> i64 {
    let ask = "SELECT count(*) FROM statuses WHERE sent < version";
    world
        .database()
        .query_row(ask, [], |row| row.get(0))
        .unwrap()
}

fn shown(world: &World, commit: &str) -> Vec<(String, String, String)> {
    let mut forge = world.forge.world();
    let found = forge.find("acme/demo").unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let statuses = found.told.iter().filter(|(of, _)| of == commit);
    let statuses = statuses.map(|(_, status)| {
        let [name, state, says] = ["context", "state", "description"].map(|of| text(&status[of]));
        (name, state, says)
    });
    let runs = found.check_runs.iter();
    let runs = runs.filter(|run| run["head_sha"] == commit).map(|run| {
        let name = text(&run["name"]);
        (
            name,
            text(&run["conclusion"]),
            text(&run["output"]["title"]),
        )
    });
    statuses.chain(runs).collect()
}

/// Nothing was told twice: no status, and no name of a check run.
fn assert_once(shown: &[(String, String, String)], kind: &str) {
    for (index, one) in shown.iter().enumerate() {
        let is_same = |other: &(String, String, String)| {
            if kind == "github" {
                other.0 == one.0
            } else {
                other == one
            }
        };
        assert!(!shown[index + 1..].iter().any(is_same), "{shown:#?}");
    }
}

/// What a forge is told by.
fn place(kind: &str) -> &'static str {
    if kind == "github" {
        "POST /repos/acme/demo/check-runs"
    } else {
        "POST /api/v1/repos/acme/demo/statuses"
    }
}

fn cut(place: &'static str, done: Done) -> Fault {
    Fault {
        place,
        kind: FaultKind::Cut(done),
    }
}

async fn connections_are_cut(kind: &str) {
    let faults = [Done::Yes, Done::No, Done::Yes, Done::Yes, Done::Yes];
    let faults = faults.map(|done| cut(place(kind), done)).into();
    let mut world = troubled(kind, faults).await;
    assert_once(&weathered(&world, kind).await, kind);
    let left = world.forge.world().faults.len();
    assert!(left <= 2, "{left} are left");
    assert_eq!(world.stop().await, Some(0), "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_told_once_though_connections_are_cut() {
    connections_are_cut("gitea").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_run_is_made_once_though_connections_are_cut() {
    connections_are_cut("github").await;
}

/// Whoever asks whether it was taken hears that it was enough, and has to ask once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_run_is_made_once_though_nobody_may_ask_for_it() {
    let limit = Fault {
        place: "GET /repos/acme/demo/commits/",
        kind: FaultKind::Limit(Limit::Secondary, Duration::from_secs(1)),
    };
    let mut world = troubled("github", vec![cut(place("github"), Done::Yes), limit]).await;
    assert_once(&weathered(&world, "github").await, "github");
    assert_eq!(world.forge.world().shut.len(), 1);
    assert_eq!(world.stop().await, Some(0), "{}", world.log());
}

/// It takes as long as the server waits for one answer: half a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_run_is_made_once_though_its_answer_never_comes() {
    let fault = Fault {
        place: place("github"),
        kind: FaultKind::Silence(Done::Yes),
    };
    let mut world = troubled("github", vec![fault]).await;
    assert_once(&weathered(&world, "github").await, "github");
    assert!(world.forge.world().faults.is_empty());
    assert_eq!(world.stop().await, Some(0), "{}", world.log());
}

/// While a forge says that it was enough, only the request that found that out is made, and afterwards all is told.
async fn a_limit_is_honoured(kind: &str, limit: Limit) {
    let fault = Fault {
        place: place(kind),
        kind: FaultKind::Limit(limit, Duration::from_secs(3)),
    };
    let mut world = troubled(kind, vec![fault]).await;
    assert_once(&weathered(&world, kind).await, kind);
    let refused = world.forge.world().shut[0].refused.clone();
    assert_eq!(refused.len(), 1, "{refused:?}\n{}", world.log());
    assert_eq!(world.stop().await, Some(0), "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_limit_is_honoured_until_it_is_reset() {
    a_limit_is_honoured("github", Limit::Primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_secondary_limits_are_honoured() {
    a_limit_is_honoured("github", Limit::Secondary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_another_forge_is_honoured() {
    a_limit_is_honoured("gitea", Limit::Plain).await;
}
