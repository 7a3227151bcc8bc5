//! Outputs that are copied to binary caches while builds go on.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    event, events,
    support::{
        AT_ONCE, PATIENCE, Project, nix,
        running::Running,
        servers::{S3, write_script},
        store::TestStore,
    },
    uploaded,
};

/// The store paths a binary cache in a folder has, by the names of their outputs, sorted.
fn cached(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|ext| ext == "narinfo"))
        .map(|file| {
            let text = fs::read_to_string(file).unwrap();
            let path = text.lines().next().unwrap().to_owned();
            path.rsplit_once('/').unwrap().1[33..].to_owned()
        })
        .collect();
    names.sort();
    names
}

/// `app` needs `lib` to be built and not to run; `bad` fails.
fn project(store: &TestStore) -> Project<'_> {
    Project::new(store)
        .binding("lib", r#"build "lib" "echo lib > $out" { }"#)
        .expression(
            "app",
            r#"build "app" "read x < ${lib}; echo $x > $out" { }"#,
        )
        .check("tool", "echo tool > $out")
        .committed()
}

#[test]
fn outputs_are_copied_to_a_folder_with_every_nix() {
    for nix in nix::all() {
        for daemon in [true, false] {
            let store = nix.store();
            let store = if daemon { store.with_daemon() } else { store };
            let project = project(&store).failing("bad");
            let cache = store.folder().join("cache-of-run");
            let url = format!("file://{}", cache.display());
            let run = project.nixci(&["check", "--format", "json", "--copy-to", &url]);
            assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
            assert_eq!(cached(&cache), ["app", "check-tool"], "Nix {nix}: {run}");
            assert_eq!(uploaded(&run, "uploaded").len(), 2, "Nix {nix}: {run}");
            assert_eq!(uploaded(&run, "upload_failed"), [""; 0], "Nix {nix}: {run}");
            let started = events(&run, "upload_started");
            assert_eq!(started[0]["destination"], url.as_str(), "{run}");

            // What is there already is copied too, and what was built on the way where that is wanted.
            let whole = store.folder().join("whole");
            let url = format!("file://{}", whole.display());
            let run = project.nixci(&["check", "--copy-to", &url]);
            assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
            assert_eq!(cached(&whole), ["app", "check-tool"], "Nix {nix}: {run}");
        }
    }
}

#[test]
fn what_was_built_on_the_way_goes_along_if_asked_for() {
    let store = nix::newest().store().with_daemon();
    let project = project(&store);
    let cache = store.folder().join("closure");
    let url = format!("file://{}", cache.display());
    let run = project.nixci(&["check", "--copy-to", &url, "--push-closure"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(cached(&cache), ["app", "check-tool", "lib"], "{run}");
    assert!(
        run.stdout.contains("↑ 3 uploaded") || run.stdout.contains("up 3 uploaded"),
        "{run}"
    );
}

/// A file comes with the tree, so from anyone.
#[test]
fn what_the_file_says_is_sent_only_if_asked_for() {
    let store = nix::newest().store().with_daemon();
    let project = project(&store);
    let folder = |name: &str| store.folder().join(name);
    let url = |name: &str| format!("file://{}", folder(name).display());
    let toml = format!(
        "[upload]\ncopy_to = [\"{}\"]\npush_closure = true\n",
        url("file")
    );
    project.write("nixci.toml", &toml);
    project.git(&["add", "nixci.toml"]);

    let run = project.nixci(&["check", "--upload", "--copy-to", &url("more")]);
    assert_eq!(run.code, Some(0), "{run}");
    for name in ["file", "more"] {
        assert_eq!(
            cached(&folder(name)),
            ["app", "check-tool", "lib"],
            "{name}: {run}"
        );
    }

    fs::remove_dir_all(folder("file")).unwrap();
    let run = project.nixci(&["check", "--copy-to", &url("flag")]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(cached(&folder("flag")), ["app", "check-tool"], "{run}");
    assert!(!folder("file").exists(), "{run}");

    project.write(
        "nixci.toml",
        "# ours\n[upload]\ncopy_to = [\n  \"htps://me:geheim@h\",\n]\n",
    );
    let run = project.nixci(&["check"]);
    assert_eq!(run.code, Some(2), "{run}");
    let said = "error: nixci.toml:4: `htps://me:***@h` names no store that Nix knows";
    assert!(run.stderr.starts_with(said), "{run}");
    for nothing in ["", "[upload]\npush_closure = true\n"] {
        project.write("nixci.toml", nothing);
        let run = project.nixci(&["check", "--upload"]);
        assert_eq!(run.code, Some(2), "{run}");
        assert!(run.stderr.contains("nothing is said there"), "{run}");
    }
}

#[test]
fn uploads_go_out_while_builds_go_on() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("quick", "echo > $out")
        .check("slow", "nap 20; echo > $out")
        .committed();
    let url = format!("file://{}/c", store.folder().display());
    let run = project.nixci(&["check", "-j2", "--format", "json", "--copy-to", &url]);
    assert_eq!(run.code, Some(0), "{run}");
    let at = |value: &Value| value["elapsed_ms"].as_u64().unwrap();
    let first = at(&events(&run, "upload_finished")[0]);
    let last_build = events(&run, "step_finished").iter().map(at).max().unwrap();
    assert!(first + 1_000 < last_build, "{first} {last_build}: {run}");
}

#[test]
fn a_destination_that_fails_fails_no_check_and_the_run_is_errored() {
    let store = nix::newest().store().with_daemon();
    let project = project(&store);
    // Nobody can make a folder below a file.
    let file = store.folder().join("file");
    fs::write(&file, "").unwrap();
    let (bad, good) = (
        format!("file://{}/x", file.display()),
        format!("file://{}/good", store.folder().display()),
    );
    let run = project.nixci(&[
        "check",
        "--format",
        "json",
        "--copy-to",
        &bad,
        "--copy-to",
        &good,
    ]);
    assert_eq!(run.code, Some(4), "{run}");
    let outcomes = events(&run, "check_finished");
    assert!(
        outcomes.iter().all(|check| check["outcome"] == "built"),
        "{run}"
    );
    assert_eq!(uploaded(&run, "upload_failed").len(), 2, "{run}");
    assert_eq!(uploaded(&run, "uploaded").len(), 2, "{run}");
    assert!(
        !events(&run, "warned").is_empty(),
        "it was tried again: {run}"
    );
    let end = event(&run, "run_finished");
    assert_eq!(end["outcome"], "errored", "{run}");
    assert!(end["error"].as_str().unwrap().contains(&bad), "{run}");

    let failing = project.failing("bad");
    let run = failing.nixci(&["check", "--copy-to", &bad]);
    assert_eq!(run.code, Some(1), "a failed check weighs more: {run}");
    assert!(run.stdout.contains("2 outputs not uploaded"), "{run}");
}

#[test]
fn outputs_are_copied_to_an_s3_server() {
    // Debian builds Nix 2.8 and 2.26 without S3: there it is a failure that is not tried again.
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let Some(s3) = S3::start(&store) else {
            return;
        };
        let project = project(&store);
        let mut command =
            project.nixci_command(&["check", "--format", "json", "--copy-to", &s3.url()]);
        command.env("AWS_ACCESS_KEY_ID", "id");
        command.env("AWS_SECRET_ACCESS_KEY", "geheim");
        let run = Running::start(&mut command).finish();
        if nix.version < (2, 30, 0) {
            assert_eq!(run.code, Some(4), "Nix {nix}: {run}");
            assert_eq!(events(&run, "warned"), [Value::Null; 0], "Nix {nix}: {run}");
            let error = &events(&run, "upload_finished")[0]["error"];
            assert!(
                error.as_str().unwrap().contains("don't know how to open"),
                "{run}"
            );
            continue;
        }
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let listed = s3.list();
        for path in uploaded(&run, "uploaded") {
            let hash = &path.rsplit_once('/').unwrap().1[..32];
            assert!(listed.contains(&format!("{hash}.narinfo")), "{listed}");
        }
        assert_eq!(listed.matches(".narinfo</Key>").count(), 2, "{listed}");
    }
}

/// Stand-ins for programs that are not to be had here write down how they were called.
#[test]
fn cachix_attic_and_niks3_are_given_the_paths_as_they_want_them() {
    let store = nix::newest().store().with_daemon();
    let project = project(&store);
    let bin = store.folder().join("bin");
    let log = store.folder().join("calls");
    for tool in ["cachix", "attic", "niks3"] {
        let script = format!(
            "{{ printf '%s' {tool}; printf ' %s' \"$@\"; echo \" | ${{NIKS3_SERVER_URL-}}\"; \
             [ {tool} = niks3 ] || cat; }} >>{}\n",
            log.display()
        );
        write_script(&bin.join(tool), &script);
    }
    let mut command = project.nixci_command(&[
        "check",
        "--cachix",
        "mine",
        "--attic",
        "ci:mine",
        "--niks3",
        "https://tok:geheim@h",
    ]);
    let path = store.env().into_iter().find(|(name, _)| *name == "PATH");
    let path = path.unwrap().1.into_string().unwrap();
    command.env("PATH", format!("{}:{path}", bin.display()));
    let run = Running::start(&mut command).finish();
    assert_eq!(run.code, Some(0), "{run}");
    assert!(
        !run.stdout.contains("geheim") && !run.stderr.contains("geheim"),
        "{run}"
    );
    let calls = fs::read_to_string(&log).unwrap();
    let paths: Vec<&str> = calls.lines().filter(|line| line.starts_with('/')).collect();
    assert_eq!(
        paths.len(),
        4,
        "two each, read by cachix and attic: {calls}"
    );
    assert!(calls.contains("cachix push mine | \n"), "{calls}");
    assert!(calls.contains("attic push ci:mine --stdin | \n"), "{calls}");
    let niks3 = calls
        .lines()
        .find(|line| line.starts_with("niks3"))
        .unwrap();
    assert!(niks3.starts_with("niks3 push /"), "{calls}");
    assert!(niks3.ends_with(" | https://tok:geheim@h"), "{calls}");
    let (arguments, _) = niks3.split_once(" | ").unwrap();
    assert!(!arguments.contains("geheim"), "{calls}");
    assert_eq!(arguments.split(' ').count(), 4, "{calls}");
}

#[test]
fn what_is_no_destination_is_said_at_once_and_without_passwords() {
    let store = nix::newest().store().with_daemon();
    let project = project(&store);
    for (arguments, code, text) in [
        (["--copy-to", "htps://me:geheim@h"], 2, "htps://me:***@h"),
        (["--copy-to", "cache"], 2, "names no store"),
        (
            ["--copy-to", "ssh-ng://-oProxyCommand=x"],
            2,
            "names no host",
        ),
        (["--cachix", "-x"], 2, "unexpected argument"),
        (["--cachix", "a/b"], 2, "no name of a cache"),
        (["--niks3", "file:///x"], 2, "no URL of a niks3 server"),
        (
            ["--cachix", "mine"],
            4,
            "nix profile install nixpkgs#cachix",
        ),
    ] {
        let run = project.nixci(&["check", arguments[0], arguments[1]]);
        assert_eq!(run.code, Some(code), "{run}");
        assert!(run.stderr.contains(text), "{text}: {run}");
        assert!(!run.stderr.contains("geheim"), "{run}");
        assert_eq!(run.stdout, "", "{run}");
    }
    let run = project.nixci(&["check", "--push-closure"]);
    assert_eq!(run.code, Some(2), "{run}");
}

#[test]
fn the_first_ctrl_c_waits_a_moment_for_an_upload_and_nothing_outlives_the_run() {
    let store = nix::newest().store().with_daemon();
    let project = project(&store);
    let bin = store.folder().join("bin");
    write_script(&bin.join("cachix"), "cat >/dev/null; sleep 300\n");
    let mut command = project.nixci_command(&["check", "--cachix", "mine", "-v"]);
    command.env(
        "PATH",
        format!(
            "{}:{}/bin:/usr/bin:/bin",
            bin.display(),
            store.nix().prefix.display()
        ),
    );
    let mut run = Running::start(&mut command);
    run.wait_for("Uploading");
    run.signal(Signal::INT);
    let asked = Instant::now();
    let run = run.finish();
    assert_eq!(run.code, Some(130), "{run}");
    // It sleeps for five minutes.
    assert!(asked.elapsed() < PATIENCE, "{run}");
    assert!(run.stdout.contains("stopped in its midst"), "{run}");
    let left = store.wait_until_idle(AT_ONCE);
    let left: Vec<_> = left.iter().filter(|process| !process.is_daemon()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_password_in_a_url_reaches_nix_and_nobody_else() {
    let store = nix::newest().store().with_daemon();
    let project = project(&store);
    // Calls of `nix copy` are written down on their way to the real one.
    let (bin, log) = (store.folder().join("bin"), store.folder().join("calls"));
    let real = store.nix().prefix.join("bin");
    let script = format!(
        "case \" $* \" in *\" copy \"*) echo \"$*\" >>{}; echo \"$NIX_CONFIG\" >>{}.config;; esac\n\
         exec {}/nix \"$@\"\n",
        log.display(),
        log.display(),
        real.display()
    );
    write_script(&bin.join("nix"), &script);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (seen_tx, seen_rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            use std::io::{Read, Write};
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let _ = seen_tx.send(String::from_utf8_lossy(&request[..length]).into_owned());
            let _ = stream.write_all(
                b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
    });
    let url = format!("http://me:geheim@127.0.0.1:{port}");
    let mut command = project.nixci_command(&["check", "-v", "--copy-to", &url]);
    command.env(
        "PATH",
        format!("{}:{}:/usr/bin:/bin", bin.display(), real.display()),
    );
    let run = Running::start(&mut command).finish();
    assert_eq!(run.code, Some(4), "{run}");
    assert!(run.stdout.contains("http://me:***@127.0.0.1"), "{run}");
    assert!(
        !run.stdout.contains("geheim") && !run.stderr.contains("geheim"),
        "{run}"
    );
    let calls = fs::read_to_string(&log).unwrap();
    assert_eq!(
        calls.lines().count(),
        1,
        "it is refused, so once is enough: {calls}"
    );
    assert!(!calls.contains("geheim"), "{calls}");
    let seen = seen_rx.recv_timeout(PATIENCE).unwrap();
    assert!(seen.contains("GET /nix-cache-info"), "{seen}");
    let mode = fs::metadata(bin.join("nix")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
}
