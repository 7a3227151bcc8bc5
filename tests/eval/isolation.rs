//! Evaluations of strangers' code: that they give the same, and that attacks fail. Each attack is named after its row of
//! the list of attacks, and is tried without isolation too where it works there.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nixci::{
    eval::{EvalError, Isolation, Network, Walls},
    git::{CommitId, FetchLimits, GitHttp, Mirror, Remote, Wanted},
    nix::Installable,
};

use crate::{
    harness::{Evaluation, url},
    support::{PATIENCE, Project, nix, project::SYSTEM, servers, store::TestStore},
};

/// All kinds of walls that there are here.
pub(crate) fn all_walls() -> Vec<Walls> {
    let landlock = Walls::Landlock(env!("CARGO_BIN_EXE_nixci").into());
    let bubblewrap = servers::bubblewrap().map(Walls::Bubblewrap);
    bubblewrap.into_iter().chain([landlock]).collect()
}

/// A store with a daemon for every installed Nix and all kinds of walls.
fn each_store(test: impl Fn(&TestStore, Walls)) {
    for nix in nix::all() {
        for walls in all_walls() {
            test(&nix.store().with_daemon(), walls);
        }
    }
}

/// A mirror of a project: of what is checked out in it.
pub(crate) fn mirror(store: &TestStore, project: &Project<'_>, number: i64) -> (Mirror, CommitId) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mirror = Mirror::open(store.folder(), number).unwrap();
    let wanted = [Wanted::Ref("refs/heads/main".to_owned())];
    let (http, remote) = (GitHttp::new().unwrap(), Remote::in_folder(project.dir()));
    let limits = FetchLimits::default();
    let fetched = runtime
        .block_on(mirror.fetch(&http, &remote, &wanted, &limits))
        .unwrap();
    (mirror, fetched[0])
}

/// What keeps an evaluation of a mirror apart.
fn isolation(store: &TestStore, mirror: &Mirror, walls: Walls) -> Isolation {
    let own = ["NIX_STATE_DIR", "NIX_LOG_DIR", "NIX_BIN_DIR", "PATH"];
    let variables = store
        .env()
        .into_iter()
        .filter(|(name, _)| own.contains(name));
    let home = store.folder().join("apart");
    let stranger = Isolation::new(walls, mirror.folder(), home).of_stranger();
    Isolation {
        programs: vec![store.nix().prefix.clone()],
        store_dir: store.dir(),
        daemon_socket: store.socket(),
        variables: variables
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        network: Network::None,
        ..stranger
    }
}

/// The evaluation of a commit in a mirror, apart.
pub(crate) fn apart<'s>(
    store: &'s TestStore,
    (mirror, commit): &(Mirror, CommitId),
    walls: Walls,
) -> Evaluation<'s> {
    let mut evaluation = Evaluation::new(store, &format!("{}#checks", mirror.flake(*commit, "")));
    evaluation.request.nix = store.nix().prefix.join("bin/nix");
    evaluation.request.options.isolation = Some(isolation(store, mirror, walls));
    evaluation
}

pub(crate) fn limits<'e>(evaluation: &'e mut Evaluation<'_>) -> &'e mut Isolation {
    evaluation.request.options.isolation.as_mut().unwrap()
}

#[test]
fn a_mirror_gives_what_its_checkout_gives() {
    each_store(|store, walls| {
        let sub = "{ outputs = { self }: { checks.SYSTEM.sub = derivation { name = \"sub\"; system = \"SYSTEM\"; builder = \"/bin/sh\"; src = self; rev = self.rev; count = self.revCount; }; }; }";
        let project = Project::new(store)
            .check("a", "echo a > $out")
            .expression(
                "whole",
                "build \"whole\" \"\" { src = self; modified = self.lastModified; }",
            )
            .file("sub/flake.nix", &sub.replace("SYSTEM", SYSTEM))
            .committed();
        let (mirror, commit) = mirror(store, &project, 7);
        for (dir, flake) in [
            ("", url(project.dir())),
            ("sub", format!("{}?dir=sub", url(project.dir()))),
        ] {
            let expected = Evaluation::new(store, &format!("{flake}#checks"))
                .run()
                .drv_paths();
            assert!(!expected.is_empty());
            let mut evaluation = apart(store, &(mirror.clone(), commit), walls.clone());
            let walled = format!("{}#checks", mirror.flake(commit, dir));
            evaluation.request.installable = Installable::parse(&walled).unwrap();
            assert_eq!(
                evaluation.run().drv_paths(),
                expected,
                "Nix {}",
                store.nix()
            );
            // And without walls.
            evaluation.request.options.isolation = None;
            evaluation.request.nix = crate::harness::nix_in(store);
            assert_eq!(
                evaluation.run().drv_paths(),
                expected,
                "Nix {}",
                store.nix()
            );
        }
        for home in ["apart/cache/nix", "cache/nix"] {
            let copies = store.folder().join(home).join("gitv3");
            assert!(
                !copies.exists(),
                "Nix {} has made a copy of the mirror",
                store.nix()
            );
        }
    });
}

/// Row "local repo read".
#[test]
fn local_repo_read() {
    each_store(|store, walls| {
        let secret = Project::named(store, "secret")
            .file("token", "s3cret")
            .committed();
        let (other, commit) = mirror(store, &secret, 8);
        let fetch = format!(
            "fetchGit {{ url = \"file://{}\"; ref = \"refs/nixci/{commit}\"; rev = \"{commit}\"; }}",
            other.folder().display()
        );
        let read = format!(
            "builtins.trace (builtins.readFile (builtins.{fetch} + \"/token\")) (build \"a\" \"\" {{ }})"
        );
        let project = Project::new(store).expression("thief", &read).committed();
        let open = Evaluation::new(store, &format!("{}#checks", url(project.dir()))).run();
        assert!(
            open.failed.is_empty() && format!("{:?}", open.warnings).contains("s3cret"),
            "{open:#?}"
        );
        // What was fetched is in the store, where everybody may find it: this is about another secret.
        fs::write(secret.dir().join("token"), "another").unwrap();
        let secret = secret.committed();
        let (_, commit_2) = mirror(store, &secret, 8);
        let read = read.replace(&commit.to_string(), &commit_2.to_string());
        let project = Project::named(store, "again")
            .expression("thief", &read)
            .committed();
        let own = mirror(store, &project, 7);
        let found = apart(store, &own, walls).run();
        found.summary();
        assert_eq!(found.checks.len(), 0, "Nix {}: {found:#?}", store.nix());
        assert!(!format!("{found:?}").contains("another"), "{found:#?}");
    });
}

/// Rows "impure eval" and "token leak through fetchers".
#[test]
fn impure_eval_and_token_leak_through_fetchers() {
    each_store(|store, walls| {
        let netrc = store.folder().join("conf/netrc");
        fs::write(&netrc, "machine x password s3cret").unwrap();
        let read = |path: &str| {
            format!("builtins.trace (builtins.readFile {path}) (build \"a\" \"\" {{ }})")
        };
        let project = Project::new(store)
            .expression("passwd", &read("/etc/passwd"))
            .expression("netrc", &read(&netrc.display().to_string()))
            .expression("environ", &read("/proc/self/environ"))
            .expression(
                "env",
                "builtins.trace (builtins.getEnv \"HOME\" + \".\") (build \"a\" \"\" { })",
            )
            .expression("path", "build \"a\" \"\" { src = /etc; }")
            .committed();
        let own = mirror(store, &project, 7);
        let found = apart(store, &own, walls.clone()).run();
        found.summary();
        let checks: Vec<_> = found.checks.keys().collect();
        assert_eq!(
            checks,
            [&format!("{SYSTEM}.env")],
            "Nix {}: {found:#?}",
            store.nix()
        );
        assert!(!format!("{found:?}").contains("s3cret"));
        let told: Vec<_> = found
            .warnings
            .iter()
            .map(|(_, text)| text.as_str())
            .filter(|text| text.len() < 9)
            .collect();
        assert_eq!(told, ["."], "Nix {}: {found:#?}", store.nix());

        // Who asks for more is refused.
        let mut evaluation = apart(store, &own, walls.clone());
        evaluation.request.options.impure = true;
        assert!(matches!(evaluation.run().result, Err(EvalError::Usage(_))));
        let mut evaluation = apart(store, &own, walls);
        evaluation.request.options.accept_flake_config = true;
        assert!(matches!(evaluation.run().result, Err(EvalError::Usage(_))));
    });
}

/// Rows "`nixConfig` of the PR" and "IFD".
#[test]
fn ifd_is_off_for_strangers_whatever_their_nix_config_says() {
    each_store(|store, walls| {
        let flake = format!(
            "{{ nixConfig.allow-import-from-derivation = true; nixConfig.netrc-file = \"/etc/passwd\";
               outputs = {{ self }}: let
                 build = script: derivation {{ name = \"a\"; system = \"{SYSTEM}\"; builder = \"/bin/sh\"; args = [ \"-c\" script ]; }};
               in {{ checks.{SYSTEM}.ifd = build (builtins.readFile (build \"echo : > $out\")); }}; }}"
        );
        let project = Project::new(store).flake(&flake).committed();
        let own = mirror(store, &project, 7);
        let mut evaluation = apart(store, &own, walls);
        let found = evaluation.run();
        let error = &found.failed[&format!("{SYSTEM}.ifd")].message;
        assert!(
            error.contains("allow-import-from-derivation"),
            "Nix {}: {error}",
            store.nix()
        );
        limits(&mut evaluation).import_from_derivation = true;
        assert_eq!(evaluation.run().drv_paths().len(), 1);
    });
}

/// Row "eval resource exhaustion".
#[test]
fn eval_resource_exhaustion() {
    each_store(|store, walls| {
        let eats_all = "builtins.foldl' (all: x: all + \"${all}${toString x}\") \"x\" (builtins.genList (x: x) 60)";
        let flood = "builtins.foldl' (a: x: builtins.trace (toString x + line) a) (build \"a\" \"\" { }) (builtins.genList (x: x) 100000)";
        let project = Project::new(store)
            .binding(
                "line",
                "builtins.foldl' (all: x: all + all) \"0123456789\" (builtins.genList (x: x) 12)",
            )
            .check("fine", "")
            .expression("eats-all", eats_all)
            .expression("flood", flood)
            .expression("overflow", "let f = x: 1 + f x; in f 0")
            .committed();
        let own = mirror(store, &project, 7);
        let mut evaluation = apart(store, &own, walls.clone());
        evaluation.request.memory_budget_bytes = 700 << 20;
        limits(&mut evaluation).limits.output_bytes = 20 << 20;
        let found = evaluation.run();
        found.summary();
        let checks: Vec<_> = found.checks.keys().collect();
        assert_eq!(
            checks,
            [&format!("{SYSTEM}.fine")],
            "Nix {}: {found:#?}",
            store.nix()
        );
        for (name, expected) in [
            ("eats-all", "needs more than 700 MiB"),
            ("flood", "the evaluation printed more than is allowed"),
            ("overflow", "stack overflow"),
        ] {
            let message = &found.failed[&format!("{SYSTEM}.{name}")].message;
            assert!(
                message.contains(expected),
                "Nix {}: {name}: {message}",
                store.nix()
            );
        }

        let million = format!(
            "{{ outputs = {{ self }}: {{ checks.{SYSTEM} = builtins.listToAttrs (builtins.genList (x: {{
               name = toString x; value = derivation {{ name = \"a\"; system = \"{SYSTEM}\"; builder = \"x\"; inherit x; }};
             }}) 1000000); }}; }}"
        );
        let project = Project::named(store, "many").flake(&million).committed();
        let found = apart(store, &mirror(store, &project, 9), walls.clone()).run();
        let error = found.error().to_string();
        assert!(
            error.starts_with("there are more than 10000 attributes"),
            "Nix {}: {error}",
            store.nix()
        );

        let project = Project::named(store, "endless")
            .expression(
                "endless",
                "let all = builtins.genList (x: x) 100000; sum = builtins.foldl' (a: x: a + x); in \
                 builtins.foldl' (a: _: sum a all) 0 all",
            )
            .committed();
        let mut evaluation = apart(store, &mirror(store, &project, 10), walls);
        limits(&mut evaluation).limits.time = Duration::from_secs(3);
        let begin = Instant::now();
        let error = evaluation.run().error().to_string();
        assert_eq!(
            error,
            "the evaluation takes longer than 3 s, which is the limit"
        );
        assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    });
}

/// Row "SSRF".
#[test]
fn ssrf_while_evaluating() {
    each_store(|store, walls| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let visits = Arc::new(AtomicUsize::new(0));
        let counted = visits.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream
                    .write_all(b"HTTP/1.1 404 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        let fetch = format!(
            "builtins.seq (builtins.fetchurl {{ url = \"http://127.0.0.1:{port}/x\"; \
             sha256 = \"0000000000000000000000000000000000000000000000000000\"; }}) (build \"a\" \"\" {{ }})"
        );
        let project = Project::new(store).expression("a", &fetch).committed();
        let own = mirror(store, &project, 7);
        let mut evaluation = apart(store, &own, walls);
        evaluation.request.options.nix_options =
            vec![("download-attempts".to_owned(), "1".to_owned())];
        assert_eq!(evaluation.run().failed.len(), 1);
        assert_eq!(visits.load(Ordering::SeqCst), 0, "Nix {}", store.nix());
        // With a network it is for the list of addresses to keep it in.
        let isolation = limits(&mut evaluation);
        isolation.network = Network::All;
        isolation.allowed_uris = Some(vec![
            "https://example.org/".to_owned(),
            format!("git+file://{}", own.0.folder().display()),
        ]);
        let found = evaluation.run();
        let messages = format!("{found:?}");
        assert!(
            messages.contains("restricted mode"),
            "Nix {}: {found:#?}",
            store.nix()
        );
        assert_eq!(visits.load(Ordering::SeqCst), 0, "Nix {}", store.nix());
        limits(&mut evaluation).allowed_uris = None;
        assert_eq!(evaluation.run().failed.len(), 1);
        assert!(visits.load(Ordering::SeqCst) > 0, "Nix {}", store.nix());
    });
}
