//! Flakes with inputs that the forge shows to nobody without a token, and whose evaluations have one.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    pages::{page, text::links},
    pull_requests::open,
    security::secrets::everything,
    support::{
        PATIENCE,
        git_server::{GitRepository, Seen},
        nix,
        running::Running,
        servers,
        store::TestStore,
        tls::{Authority, own_address},
    },
    world::{World, pull_request},
};

/// What opens `/private` of the git server, as it is and as it goes over the wire: user `x-access-token`.
const TOKEN: &str = "t0ken";
const ENCODED: &str = "eC1hY2Nlc3MtdG9rZW46dDBrZW4=";
/// The user of the server itself has another one.
const ANY: &str = "";

impl World {
    /// A world with a repository `acme/lib` that is private, and a flake that has what this makes of the forge's address
    /// as an input.
    async fn with_input(settings: &str, input: impl Fn(&str) -> String) -> Self {
        Self::with_input_in(nix::newest().store(), settings, input).await
    }

    async fn with_input_in(
        store: TestStore,
        settings: &str,
        input: impl Fn(&str) -> String,
    ) -> Self {
        let world = World::in_store(store.with_daemon(), &flake(ANY), settings).await;
        let folder = world.store.folder().join("lib");
        let lib = GitRepository::init(&folder);
        lib.commit(&[("flake.nix", "{ outputs = _: { word = \"hidden word\"; }; }")]);
        let bare = world.store.folder().join("git/acme/lib.git");
        lib.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
        let input = input(world.git_server.address());
        world.commit("a private input", &[("flake.nix", &flake(&input))]);
        fs::write(world.store.folder().join("inputs-token"), TOKEN).unwrap();
        world
    }

    /// A world whose server and Nix trust an authority; its evaluations may have the token.
    async fn by_tls(isolation: &str) -> (Self, Authority) {
        let store = nix::newest().store();
        let authority = Authority::in_folder(&store.folder().join("tls"));
        let certificate = authority.certificate().display().to_string();
        let store = store
            .with_variable("SSL_CERT_FILE", &certificate)
            .with_variable("NIX_SSL_CERT_FILE", &certificate);
        let settings = format!("isolation = \"{isolation}\"\n");
        let world = Self::with_input_in(store, &settings, git_input).await;
        world.let_in("\"acme/demo\"", "");
        (world, authority)
    }

    /// Lets the evaluations of these repositories have the token.
    fn let_in(&self, repositories: &str, more: &str) {
        let file = self.store.folder().join("inputs-token");
        self.change_settings(|text| {
            let own = text.find("[[forge.work.private_inputs]]");
            let text = &text[..own.unwrap_or(text.len())];
            format!(
                "{text}[[forge.work.private_inputs]]\ntoken_file = \"{}\"\nuser = \"x-access-token\"\n\
                repositories = [{repositories}]\n{more}\n",
                file.display()
            )
        });
    }

    /// What was asked of the private repository, and whether the token came with any of that.
    fn asked_for_lib(&self) -> (usize, bool) {
        let seen = self.git_server.seen();
        let of_lib = |seen: &&Seen| seen.line.contains("/acme/lib");
        let has_token = |seen: &Seen| {
            let shown = seen.authorization.as_deref().unwrap_or_default();
            shown.contains(ENCODED) || shown.contains(TOKEN)
        };
        assert!(
            !seen.iter().any(|seen| has_token(seen) && !of_lib(&seen)),
            "{seen:#?}"
        );
        let of_lib: Vec<_> = seen.iter().filter(of_lib).collect();
        (of_lib.len(), of_lib.into_iter().any(has_token))
    }

    /// The folders that have what opens private inputs.
    fn opened(&self) -> Vec<PathBuf> {
        opened(&self.store.folder().join("state/homes"))
    }
}

/// A flake with one check, which says the word of its input. Without an input it has none.
fn flake(input: &str) -> String {
    let (inputs, word) = if input.is_empty() {
        (String::new(), "\"no word\"")
    } else {
        (format!("inputs.lib.url = \"{input}\";"), "inputs.lib.word")
    };
    format!(
        "{{ {inputs} outputs = inputs: {{ checks.x86_64-linux.a = derivation {{ name = \"a\"; system = \"x86_64-linux\";\n\
        builder = \"/bin/sh\"; args = [ \"-c\" \"echo ${{{word}}}; echo > $out\" ]; }}; }}; }}\n"
    )
}

fn git_input(address: &str) -> String {
    format!("git+{address}/private/acme/lib.git?ref=main")
}

fn opened(homes: &Path) -> Vec<PathBuf> {
    let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
    entries(homes)
        .flat_map(|home| entries(&home.path()).collect::<Vec<_>>())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("inputs-"))
        .map(|entry| entry.path())
        .collect()
}

/// Looks at all processes and at the homes until it is told to stop.
struct Watcher {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Watched>,
}

#[derive(Default)]
struct Watched {
    /// Processes that were told where the files are.
    told: usize,
    /// Command lines and environments with the token in them.
    leaks: Vec<String>,
    /// Files with the token, and their modes.
    files: Vec<(PathBuf, u32)>,
}

impl Watcher {
    fn start(homes: PathBuf) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut watched = Watched::default();
            while !stop.load(Ordering::SeqCst) {
                watched.look(&homes);
            }
            watched
        });
        Self { is_over, thread }
    }

    fn stop(self) -> Watched {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

impl Watched {
    fn look(&mut self, homes: &Path) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let texts = ["cmdline", "environ"].map(|file| {
                let bytes = fs::read(process.path().join(file)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).into_owned()
            });
            // Whose homes these are; others of this machine may look for the same token.
            let world = homes.ancestors().nth(2).unwrap().to_str().unwrap();
            if !texts.iter().any(|text| text.contains(world)) {
                continue;
            }
            for text in texts {
                if text.contains(TOKEN) || text.contains(ENCODED) {
                    self.leaks
                        .push(format!("{}: {text}", process.path().display()));
                }
                self.told += usize::from(text.contains("/inputs-"));
            }
        }
        for folder in opened(homes) {
            for file in fs::read_dir(folder).into_iter().flatten().flatten() {
                if let Ok(mode) = file.metadata() {
                    let mode = mode.permissions().mode() & 0o7777;
                    self.files.push((file.path(), mode));
                }
            }
        }
    }
}

/// Security: "token leak through fetchers", "secrets in logs".
#[tokio::test(flavor = "multi_thread")]
async fn a_push_has_its_private_inputs_and_nobody_sees_by_what() {
    let others = nix::all().into_iter().map(|nix| (nix, "none"));
    let walls = [(nix::newest(), "landlock")];
    let bubblewrap = servers::bubblewrap().map(|_| (nix::newest(), "bubblewrap"));
    for (nix, isolation) in others.chain(walls).chain(bubblewrap) {
        let case = format!("{nix} {isolation}");
        let settings = format!("isolation = \"{isolation}\"\n");
        let mut world = World::with_input_in(nix.store(), &settings, git_input).await;
        world.let_in("\"acme/demo\"", "");
        let homes = world.store.folder().join("state/homes");
        // What a server left that was killed.
        let left = homes.join("1-private/inputs-run-7-0");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("netrc"), TOKEN).unwrap();
        let watcher = Watcher::start(homes);
        let commit = world.git(&["rev-parse", "HEAD"]);
        world.start().await;
        let verdict = world.verdict(&commit).await;
        let state = &verdict["nixci/build"].0;
        assert_eq!(state, "success", "{case}: {verdict:?}\n{}", world.log());
        let (asked, has_token) = world.asked_for_lib();
        assert!(asked > 0 && has_token, "{case}: {asked}");
        assert_eq!(world.opened(), Vec::<PathBuf>::new(), "{case}");

        let seen = watcher.stop();
        assert_eq!(seen.leaks, [""; 0], "{case}");
        assert!(seen.told > 0 && !seen.files.is_empty(), "{case}");
        for (file, mode) in seen.files {
            let is_left = file.starts_with(&left);
            assert!(is_left || mode == 0o600, "{case}: {file:?} {mode:o}");
        }
        let mut said = vec![("journal".to_owned(), world.log().into_bytes())];
        for link in links(&page(&world, "/runs/1").await) {
            if link.starts_with("/runs/1") {
                said.push((link.clone(), page(&world, &link).await.into()));
            }
        }
        let (_, log, _) = world.ctl(&["log", "1", "a"]).await;
        assert_eq!(log, "hidden word\n", "{case}");
        for arguments in [&["show", "1", "--json"][..], &["audit"], &["doctor"]] {
            let (_, out, error) = world.ctl(arguments).await;
            said.push((format!("ctl {arguments:?}"), format!("{out}{error}").into()));
        }
        assert_eq!(world.stop().await, Some(0));
        everything(&world.store.folder().join("state"), &mut said);
        everything(&world.store.folder().join("store"), &mut said);
        assert!(said.len() > 20, "{case}: {}", said.len());
        for (place, text) in &said {
            let text = String::from_utf8_lossy(text);
            let has = [TOKEN, ENCODED].iter().any(|token| text.contains(token));
            assert!(!has, "{case}: {place}: {text}");
        }
    }
}

/// Security: "token leak through fetchers": whoever may not have it, and what a run says then.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_may_not_have_private_inputs_sends_no_token() {
    let mut world = World::with_input("[pull_requests]\nbuild = \"all\"\n", git_input).await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    let mut asked = 0;
    // Fails, having asked without a token.
    let mut fails = async |world: &World, commit: &str, case: &str| {
        let verdict = world.verdict(commit).await;
        assert_eq!(verdict["nixci/eval"].0, "failure", "{case}: {verdict:?}");
        let (more, has_token) = world.asked_for_lib();
        assert!(more > asked && !has_token, "{case}: {more}");
        asked = more;
        verdict["nixci/eval"].1.clone()
    };
    let text = fails(&world, &first, "no setting").await;
    let why = format!(
        "{} asks for a user and a password, and this evaluation has none for it",
        world.git_server.address()
    );
    assert_eq!(text, why);
    let (_, shown, _) = world.ctl(&["show", "1"]).await;
    let hint =
        "If it is private: the server's settings have no `private_inputs` for this repository.";
    assert!(shown.contains(&why) && shown.contains(hint), "{shown}");
    for repositories in ["\"acme/other\"", "\"acme/*\"", "\"other/acme/demo\""] {
        // The forge shows `acme/demo` to everybody.
        world.let_in(repositories, "pull_requests = true");
        world.reload("the settings are read anew").await;
        let commit = world.commit(repositories, &[("file", repositories)]);
        world.push_event("main", &commit).await;
        fails(&world, &commit, repositories).await;
    }
    world.let_in("\"acme/demo\"", "pull_requests = false");
    world.reload("the settings are read anew").await;
    let base = world.git(&["rev-parse", "HEAD"]);
    let of_writer = open(&world, 7, &base, &[("topic", "1")]);
    world
        .deliver(
            "pull_request",
            &pull_request("opened", 7, &of_writer, (2, "writer")),
        )
        .await;
    fails(&world, &of_writer, "a writer's pull request").await;

    // Of a stranger nothing is built unasked here, whatever the settings say.
    world.let_in("\"acme/demo\"", "pull_requests = true");
    world.reload("the settings are read anew").await;
    let of_stranger = open(&world, 8, &base, &[("topic", "2")]);
    world
        .deliver(
            "pull_request",
            &pull_request("opened", 8, &of_stranger, (3, "reader")),
        )
        .await;
    let waits = "(the repository has private inputs)";
    world
        .until(&of_stranger, |told| {
            told.get("nixci/build")
                .is_some_and(|(_, text)| text.ends_with(waits))
        })
        .await;
    world.approve(8, &of_stranger).await;
    fails(&world, &of_stranger, "a stranger's pull request").await;

    // And now somebody may.
    let of_writer = open(&world, 9, &base, &[("topic", "3")]);
    world
        .deliver(
            "pull_request",
            &pull_request("opened", 9, &of_writer, (2, "writer")),
        )
        .await;
    let verdict = world.verdict(&of_writer).await;
    assert_eq!(
        verdict["nixci/build"].0,
        "success",
        "{verdict:?}\n{}",
        world.log()
    );
    let before = world.asked_for_lib();
    assert!(before.1);

    // What that has fetched, Nix keeps at home: not in that of a stranger whose commit is approved. Nor does the result count for
    // him, although it is the same tree.
    let of_stranger = open(&world, 10, &base, &[("topic", "3")]);
    world
        .deliver(
            "pull_request",
            &pull_request("opened", 10, &of_stranger, (3, "reader")),
        )
        .await;
    world
        .until(&of_stranger, |told| {
            told.get("nixci/build")
                .is_some_and(|(_, text)| text.starts_with("waits"))
        })
        .await;
    world.approve(10, &of_stranger).await;
    let verdict = world.verdict(&of_stranger).await;
    assert_eq!(verdict["nixci/eval"].0, "failure", "{verdict:?}");
    let seen = world.git_server.seen();
    let last = seen.iter().filter(|seen| seen.line.contains("/acme/lib"));
    assert!(
        last.skip(before.0).all(|seen| seen.authorization.is_none()),
        "{seen:#?}"
    );
    assert_eq!(world.stop().await, Some(0));
}

/// Something that answers whoever comes, and asks for a password. Returns its port, and what it was shown.
fn nosy() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut read = vec![0; 8192];
            let count = stream.read(&mut read).unwrap_or_default();
            read.truncate(count);
            own.lock()
                .unwrap()
                .push(String::from_utf8_lossy(&read).into_owned());
            let _ = stream.write_all(
                b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
    });
    (port, heard)
}

/// Security: "token leak through fetchers": a netrc says a token by the name of a host alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_tarball_is_fetched_from_the_forge_and_its_token_goes_to_no_other_port() {
    let archive = |address: &str| {
        let address = address.replace("127.0.0.1", "localhost");
        format!("{address}/private/acme/lib/archive/main.tar.gz")
    };
    // Everything here may be reached, but for what is at the forge's host besides the forge.
    let mut world = World::with_input("private_hosts = [\"*\"]\n", archive).await;
    world.let_in("\"acme/demo\"", "");
    let own = world.git_server.address().to_owned();
    let named = own.replace("127.0.0.1", "localhost");
    world.change_settings(|text| text.replace(&own, &named));
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    let verdict = world.verdict(&commit).await;
    assert_eq!(
        verdict["nixci/build"].0,
        "success",
        "{verdict:?}\n{}",
        world.log()
    );
    assert!(world.asked_for_lib().1);

    let (port, heard) = nosy();
    for input in [
        format!("http://localhost:{port}/private/acme/lib/archive/main.tar.gz"),
        format!("git+http://localhost:{port}/private/acme/lib.git?ref=main"),
    ] {
        let commit = world.commit(&input, &[("flake.nix", &flake(&input))]);
        world.push_event("main", &commit).await;
        let verdict = world.verdict(&commit).await;
        assert_eq!(verdict["nixci/eval"].0, "failure", "{input}: {verdict:?}");
        assert_eq!(*heard.lock().unwrap(), [""; 0], "{input}");
    }
    // Who names that port lets it be reached, and then no netrc has the token: it would be shown there.
    world.change_settings(|text| text.replace("[\"*\"]", &format!("[\"localhost:{port}\"]")));
    world.reload("the settings are read anew").await;
    let input = format!("http://localhost:{port}/private/acme/lib/archive/main.tar.gz");
    let commit = world.commit("another", &[("flake.nix", &flake(&input)), ("file", "1")]);
    world.push_event("main", &commit).await;
    let verdict = world.verdict(&commit).await;
    assert!(
        verdict["nixci/eval"].1.contains("HTTP error 401"),
        "{verdict:?}"
    );
    let heard = heard.lock().unwrap().clone();
    assert!(!heard.is_empty());
    assert!(
        heard.iter().all(|heard| !heard.contains("uthorization")),
        "{heard:?}"
    );
    assert_eq!(world.stop().await, Some(0));
}

/// Behind both kinds of walls, and through the proxy.
#[tokio::test(flavor = "multi_thread")]
async fn private_inputs_come_by_tls() {
    let bubblewrap = servers::bubblewrap().map(|_| "bubblewrap");
    for isolation in ["landlock"].into_iter().chain(bubblewrap) {
        let (mut world, authority) = World::by_tls(isolation).await;
        let own = world.git_server.address().to_owned();
        let behind = own.replace("http://", "").parse().unwrap();
        let at = "127.0.0.1:0".parse().unwrap();
        let front = authority.front(at, behind).await.unwrap();
        let front = format!("https://localhost:{}", front.port());
        let commit = world.commit("by TLS", &[("flake.nix", &flake(&git_input(&front)))]);
        world.change_settings(|text| text.replace(&own, &front));
        world.start().await;
        let verdict = world.verdict(&commit).await;
        let state = &verdict["nixci/build"].0;
        assert_eq!(
            state,
            "success",
            "{isolation}: {verdict:?}\n{}",
            world.log()
        );
        assert!(world.asked_for_lib().1, "{isolation}");

        // The same host without TLS is another one.
        let plain = git_input(&own.replace("127.0.0.1", "localhost"));
        let before = world.asked_for_lib().0;
        let commit = world.commit("without", &[("flake.nix", &flake(&plain))]);
        world.push_event("main", &commit).await;
        let verdict = world.verdict(&commit).await;
        assert_eq!(
            verdict["nixci/eval"].0, "failure",
            "{isolation}: {verdict:?}"
        );
        assert_eq!(world.asked_for_lib().0, before, "{isolation}");
        assert_eq!(world.stop().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_of_gitlab_has_the_token_in_a_header() {
    let (mut world, authority) = World::by_tls("landlock").await;
    let behind = world.git_server.address().replace("http://", "");
    let behind = behind.parse().unwrap();
    // Nix knows no port of such a host.
    let host = own_address();
    let at = (host, 443).into();
    if authority.front(at, behind).await.is_none() {
        // Only root may listen there.
        assert!(!rustix::process::geteuid().is_root());
        return;
    }
    let input = format!("gitlab:acme/lib?host={host}");
    let commit = world.commit("of GitLab", &[("flake.nix", &flake(&input))]);
    let folder = world.store.folder().display().to_string();
    world.change_settings(|text| {
        let (text, _) = text
            .split_once("[[forge.work.private_inputs]]")
            .unwrap();
        format!(
            "{text}[forge.lab]\nkind = \"gitlab\"\nurl = \"https://{host}\"\ntoken_file = \"{folder}/token\"\n\
            [[forge.lab.private_inputs]]\ntoken_file = \"{folder}/inputs-token\"\nrepositories = [\"work/acme/demo\"]\n"
        )
    });
    world.start().await;
    let verdict = world.verdict(&commit).await;
    assert_eq!(
        verdict["nixci/build"].0,
        "success",
        "{verdict:?}\n{}",
        world.log()
    );
    let seen = world.git_server.seen();
    let of_api = |seen: &&Seen| seen.line.contains("/projects/acme%2Flib/");
    assert_eq!(seen.iter().filter(of_api).count(), 2, "{seen:#?}");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_leaves_no_token_behind() {
    let stalls = |address: &str| format!("git+{address}/stall/acme/lib.git?ref=main");
    let mut world = World::with_input("[limits]\ndrain = \"1s\"\n", stalls).await;
    world.let_in("\"acme/demo\"", "");
    let begun = async |world: &World| {
        let began = Instant::now();
        while world.opened().is_empty() {
            assert!(began.elapsed() < PATIENCE, "{}", world.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // In the middle of an evaluation.
    world.start().await;
    begun(&world).await;
    world.stop().await;
    assert_eq!(world.opened(), Vec::<PathBuf>::new());
    world.start().await;
    begun(&world).await;
    world.kill().await;
    // Only the next one can take it away.
    assert_eq!(world.opened().len(), 1);
    world.let_in("", "");
    world.start().await;
    world.log_has("a run begins").await;
    assert_eq!(world.opened(), Vec::<PathBuf>::new());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_whose_eyes_a_token_is_for() {
    let world = World::with_input("", git_input).await;
    world.let_in("\"acme/demo\", \"infra/*\"", "pull_requests = true");
    let file = world.store.folder().join("inputs-token");
    let check = || {
        let text = Running::start(world.command().arg("--check"))
            .finish()
            .stdout;
        let line = text.lines().find(|line| line.contains("forge work inputs"));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    let said = check();
    assert!(
        said.starts_with("bad ") && said.contains("`chmod 600`"),
        "{said}"
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
    let said = check();
    assert!(
        said.starts_with("hm ") && said.contains("without TLS"),
        "{said}"
    );
    assert!(
        said.contains("evaluations of acme/demo, infra/* may read"),
        "{said}"
    );
    assert!(
        said.contains("pull requests of people who may write included"),
        "{said}"
    );
    fs::remove_file(&file).unwrap();
    let ended = Running::start(world.command().arg("--check")).finish();
    assert!(
        ended.code != Some(0) && ended.stderr.contains("inputs-token: No such file"),
        "{ended}"
    );
}

impl World {
    /// A writer says that a commit of a pull request may be built.
    async fn approve(&mut self, number: u64, commit: &str) {
        let comment = json!({
            "action": "created", "is_pull": true, "sender": { "id": 2, "login": "writer" },
            "repository": { "id": 12, "full_name": "acme/demo", "default_branch": "main", "private": false },
            "issue": { "id": 1, "number": number, "pull_request": {}, "user": { "id": 3, "login": "reader" } },
            "comment": { "id": 90 + number, "body": format!("/nixci approve {commit}"), "user": { "id": 2, "login": "writer" } },
        });
        assert_eq!(self.deliver("issue_comment", &comment).await, 202);
    }
}
