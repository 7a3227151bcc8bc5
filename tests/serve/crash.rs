//! Killed at any moment, the server loses nothing it has taken, and says nothing twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::{
    support::store::StoreProcess,
    world::{Sender, World, flake, pull_request, push},
};

/// How often it is killed: set `NIXCI_CRASHES` for more.
const MOMENTS: u64 = 50;
/// The longest time between a start and the end of it, in milliseconds.
const LIFE_MS: u64 = 900;
/// The branches that are pushed to; the pull requests come from other commits.
const BRANCHES: [&str; 3] = ["main", "feature-a", "feature-b"];
/// How long builders may outlive it.
const IDLE: Duration = Duration::from_secs(60);
/// How long a verdict may take, with all that the server has to catch up on before it.
const CATCH_UP: Duration = Duration::from_secs(300);

/// What was said of a commit, and what has to come of it.
struct Said {
    /// The branch, or none for a pull request.
    branch: Option<&'static str>,
    delivery: String,
    event: &'static str,
    payload: Value,
    /// Whether the server said that it has it.
    is_taken: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_ends_what_it_took_and_tells_it_once() {
    let moments = std::env::var("NIXCI_CRASHES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(MOMENTS);
    let mut random = Random::new();
    let seed = random.0;
    let settings = "branches = [\"feature-*\"]\n[pull_requests]\nbuild = \"all\"\n[limits]\nkeep_outputs = 2\n";
    let mut world = World::new(&flake(&[("base", "echo ok > $out")]), settings).await;
    let first = world.git(&["rev-parse", "HEAD"]);
    // What pull requests are for: it stays as it is, so that none ever is in conflict.
    world.git(&["branch", "base"]);
    world.git(&["push", "-q", "origin", "base"]);
    let mut said: BTreeMap<String, Said> = BTreeMap::new();
    world.start().await;
    for moment in 0..moments {
        let news = news(&world, moment, &mut random);
        let sender = world.sender();
        let delivering = tokio::spawn(deliver(sender, news, random.below(120)));
        tokio::time::sleep(Duration::from_millis(random.below(LIFE_MS))).await;
        world.kill().await;
        let left = world.store.wait_until_idle(IDLE);
        // Killed before it lets it run, bubblewrap leaves its inner process waiting: the server that comes next ends that.
        let walled = |process: &StoreProcess| process.command_line.contains("--unshare-all");
        assert!(
            left.iter().all(walled),
            "moment {moment}, seed {seed}: {left:?}"
        );
        said.extend(delivering.await.unwrap());
        world.start().await;
        let now = world.store.processes();
        assert!(
            !left.iter().any(|process| now.contains(process)),
            "moment {moment}, seed {seed}: {left:?}"
        );
        // As a forge does with what was not taken, and as anybody may with what was.
        let again: Vec<_> = said
            .iter()
            .filter(|(_, said)| !said.is_taken || random.clone().below(20) == 0)
            .map(|(commit, said)| (commit.clone(), said.again()))
            .collect();
        said.extend(deliver(world.sender(), again, 0).await);
    }
    // A branch that goes takes with it what it left.
    let gone = "feature-b";
    world.git(&["push", "-q", "origin", "--delete", gone]);
    let mut deletion = push(gone, &"0".repeat(40), "");
    deletion["deleted"] = true.into();
    assert_eq!(world.deliver("delete", &deleted(gone)).await, 202);
    assert_eq!(world.deliver("push", &deletion).await, 202);

    let heads: BTreeMap<&str, String> = ["main", "feature-a"]
        .map(|branch| {
            (
                branch,
                world.git(&["rev-parse", &format!("origin/{branch}")]),
            )
        })
        .into();
    assert!(said.values().all(|said| said.is_taken));
    for (commit, said) in &said {
        let verdict = world.verdict_within(commit, CATCH_UP).await;
        let about = format!("seed {seed}, {commit}: {verdict:?}\n{}", world.log());
        let is_head = said
            .branch
            .is_none_or(|branch| heads.get(branch) == Some(commit));
        if is_head {
            let built = ("failure".to_owned(), "2 passed, 1 failed".to_owned());
            assert_eq!(verdict["nixci/build"], built, "{about}");
            assert_eq!(verdict.len(), 3, "{about}");
        }
        let ends = world.ends_told(commit);
        let twice: Vec<_> = ends.iter().filter(|(_, count)| **count != 1).collect();
        assert!(twice.is_empty(), "{twice:?}, {about}");
    }
    world.until(&first, |_| true).await;
    assert_eq!(world.stop().await, Some(0));
    let left = world.store.wait_until_idle(IDLE);
    assert!(left.is_empty(), "seed {seed}: {left:?}");
    roots_are_of(&world, &heads.keys().copied().collect());
    world.database_is_whole();
}

/// New commits, each with checks of its own, on random branches and in pull requests.
fn news(world: &World, moment: u64, random: &mut Random) -> Vec<(String, Said)> {
    let count = 1 + random.below(2);
    let one = |n: u64, random: &mut Random| {
        let checks = [
            (format!("quick{moment}-{n}"), "echo > $out".to_owned()),
            (
                format!("slow{moment}-{n}"),
                "echo some words; read -t 0.3 x < /dev/zero || true; echo > $out".to_owned(),
            ),
            (format!("bad{moment}-{n}"), "exit 1".to_owned()),
        ];
        let checks: Vec<_> = checks
            .iter()
            .map(|(name, script)| (name.as_str(), script.as_str()))
            .collect();
        let files = [("flake.nix", flake(&checks))];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        let number = moment * 10 + n;
        let delivery = format!("moment-{number}");
        let which = usize::try_from(random.below(4)).unwrap();
        if let Some(branch) = BRANCHES.get(which) {
            world.git(&["checkout", "-q", "-B", branch]);
            let commit = world.commit(&format!("commit {number}"), &files);
            let payload = push(branch, &commit, "a message");
            let (event, is_taken) = ("push", false);
            (
                commit,
                Said {
                    branch: Some(branch),
                    delivery,
                    event,
                    payload,
                    is_taken,
                },
            )
        } else {
            world.git(&["checkout", "-q", "-B", "topic", "base"]);
            let commit = world.commit(&format!("commit {number}"), &files);
            let head = format!("HEAD:refs/pull/{number}/head");
            world.git(&["push", "-q", "-f", "origin", &head]);
            let mut payload = pull_request("opened", number, &commit, (2, "writer"));
            payload["pull_request"]["base"]["ref"] = "base".into();
            world.forge_has(&payload);
            let (event, is_taken) = ("pull_request", false);
            (
                commit,
                Said {
                    branch: None,
                    delivery,
                    event,
                    payload,
                    is_taken,
                },
            )
        }
    };
    (0..count).map(|n| one(n, random)).collect()
}

impl Said {
    fn again(&self) -> Self {
        Self {
            delivery: self.delivery.clone(),
            payload: self.payload.clone(),
            ..*self
        }
    }
}

/// Delivers one after the other, with pauses. Returns them with what the server said.
async fn deliver(sender: Sender, all: Vec<(String, Said)>, pause_ms: u64) -> Vec<(String, Said)> {
    let mut delivered = Vec::new();
    for (commit, mut said) in all {
        let status = sender
            .deliver(&said.delivery, said.event, &said.payload)
            .await;
        said.is_taken |= (200..300).contains(&status);
        delivered.push((commit, said));
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
    delivered
}

fn deleted(branch: &str) -> Value {
    let mut payload = push(branch, &"0".repeat(40), "");
    payload["ref"] = branch.into();
    payload["ref_type"] = "branch".into();
    payload
}

/// Holds the roots that are left against the branches that are: newest runs of each check, and outputs that are there.
fn roots_are_of(world: &World, branches: &BTreeSet<&str>) {
    let roots = world.store.folder().join("state/gcroots/1");
    let names = |dir: &std::path::Path| -> Vec<_> {
        fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    };
    let left = names(&roots);
    let left: BTreeSet<_> = left
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(left, *branches);
    for branch in names(&roots) {
        for check in names(&branch) {
            let links = names(&check);
            assert!((1..=2).contains(&links.len()), "{links:?}");
            for link in links {
                let target = fs::read_link(&link).unwrap();
                assert!(
                    target.exists(),
                    "{} leads to {}",
                    link.display(),
                    target.display()
                );
            }
        }
    }
}

/// Xorshift: another sequence each time, said when something fails.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn new() -> Self {
        let given = std::env::var("NIXCI_CRASH_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self(
            given
                .unwrap_or_else(|| now.as_secs() * 1000 + u64::from(now.subsec_millis()))
                .max(1),
        )
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
