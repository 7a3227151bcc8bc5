use proptest::prelude::*;

use super::{FailureContext, local_trees, machines_fault};
use crate::eval::EvalFailure;

/// Nix 2.34: frames first, the message last.
const THROW_2_34: &str = r#"error:
       … from call site
         at «string»:1:1:
            1| l [ "x86_64-linux" "throws" ]
             | ^

       … while evaluating the attribute 'checks.x86_64-linux.throws'
         at /nix/store/1f8rbv9m4vf8m0qklk07dwfs414h2kr2-source/flake.nix:41:9:
           40|         wants-kvm = mk system "wants-kvm";
           41|         throws = throw "this check does not evaluate";
             |         ^
           42|         asserts = assert 1 == 2; ok;

       … while calling the 'throw' builtin
         at /nix/store/1f8rbv9m4vf8m0qklk07dwfs414h2kr2-source/flake.nix:41:18:
           40|         wants-kvm = mk system "wants-kvm";
           41|         throws = throw "this check does not evaluate";
             |                  ^
           42|         asserts = assert 1 == 2; ok;

       error: this check does not evaluate"#;

/// Nix 2.8: the message first, then frames from the innermost out, blank lines everywhere.
const MISSING_2_8: &str = r#"error: attribute 'nope' missing

       at /nix/store/niwdsg54hdjbidp9bbx89533ckqdid9j-source/lib/a b.nix:44:29:

           43|         aborts = abort "aborted on purpose";
           44|         missing-attribute = { }.nope;
             |                             ^
           45|         type-error = 1 + "a";

       … while evaluating the attribute 'checks.x86_64-linux.missing-attribute'

       at /nix/store/niwdsg54hdjbidp9bbx89533ckqdid9j-source/flake.nix:44:9:

           43|         aborts = abort "aborted on purpose";
           44|         missing-attribute = { }.nope;
             |         ^
           45|         type-error = 1 + "a";

       … while evaluating anonymous lambda

       at «string»:1:2:

            1|  f: builtins.trace ("NONCE " + builtins.toJSON (f root)) null
             |  ^"#;

/// Nix 2.34 on a mistake that is found in an input, with the frames of the flake around it.
const IN_AN_INPUT: &str = r"error:
       … while evaluating the attribute 'checks'
         at /nix/store/1f8rbv9m4vf8m0qklk07dwfs414h2kr2-source/flake.nix:7:3:
            6|   {
            7|   checks = lib.f 1;
             |   ^
            8|   }

       … while calling 'f'
         at /nix/store/00000000000000000000000000000000-source/lib.nix:2:7:
            1| {
            2|   f = x: x.y;
             |       ^
            3| }

       (19989 duplicate frames omitted)

       error: expected a set but found an integer: 1
       at /nix/store/00000000000000000000000000000000-source/lib.nix:2:10:
            1| {
            2|   f = x: x.y;
             |          ^
            3| }";

fn context(hash: &str) -> FailureContext {
    FailureContext {
        trees: vec![
            "/home/me/flake".to_owned(),
            format!("/nix/store/{hash}-source"),
        ],
        show_trace: false,
    }
}

fn of(text: &str) -> EvalFailure {
    let in_store = text.split("/nix/store/").nth(1).unwrap_or_default();
    context(in_store.split("-source").next().unwrap_or_default()).failure(text)
}

fn place(failure: &EvalFailure) -> (Option<&str>, Option<u32>, Option<u32>) {
    (failure.file.as_deref(), failure.line, failure.column)
}

#[test]
fn the_innermost_place_is_shown_with_the_message() {
    let failure = of(THROW_2_34);
    assert_eq!(place(&failure), (Some("flake.nix"), Some(41), Some(18)));
    assert_eq!(
        failure.message,
        r#"this check does not evaluate
at flake.nix:41:18:
40|         wants-kvm = mk system "wants-kvm";
41|         throws = throw "this check does not evaluate";
  |                  ^
42|         asserts = assert 1 == 2; ok;"#
    );
}

#[test]
fn an_old_layout_is_understood() {
    let failure = of(MISSING_2_8);
    assert_eq!(place(&failure), (Some("lib/a b.nix"), Some(44), Some(29)));
    assert_eq!(
        failure.message,
        r#"attribute 'nope' missing
at lib/a b.nix:44:29:
43|         aborts = abort "aborted on purpose";
44|         missing-attribute = { }.nope;
  |                             ^
45|         type-error = 1 + "a";"#
    );
}

#[test]
fn a_place_in_the_flake_is_preferred_to_one_in_an_input() {
    let failure = of(IN_AN_INPUT);
    assert_eq!(place(&failure), (Some("flake.nix"), Some(7), Some(3)));
    assert!(
        failure
            .message
            .starts_with("expected a set but found an integer: 1\nat flake.nix:7:3:\n"),
        "{failure:?}"
    );
}

#[test]
fn without_a_place_in_the_flake_the_innermost_counts() {
    let failure = FailureContext::default().failure(IN_AN_INPUT);
    let file = "/nix/store/00000000000000000000000000000000-source/lib.nix";
    assert_eq!(place(&failure), (Some(file), Some(2), Some(10)));
}

#[test]
fn the_whole_trace_has_every_frame_but_our_own() {
    let with_trace = |text: &str| {
        FailureContext {
            show_trace: true,
            ..context("1f8rbv9m4vf8m0qklk07dwfs414h2kr2")
        }
        .failure(text)
        .message
    };
    assert_eq!(
        with_trace(IN_AN_INPUT),
        r"expected a set but found an integer: 1
at /nix/store/00000000000000000000000000000000-source/lib.nix:2:10:
1| {
2|   f = x: x.y;
 |          ^
3| }

… (19989 duplicate frames omitted)

… while calling 'f'
  at /nix/store/00000000000000000000000000000000-source/lib.nix:2:7:
  1| {
  2|   f = x: x.y;
   |       ^
  3| }

… while evaluating the attribute 'checks'
  at flake.nix:7:3:
  6|   {
  7|   checks = lib.f 1;
   |   ^
  8|   }"
    );
    assert!(!with_trace(THROW_2_34).contains("string"));
    assert!(with_trace(THROW_2_34).contains("… while evaluating the attribute"));
}

#[test]
fn messages_of_several_lines_stay_whole() {
    let failure = of(
        "error: builder failed;\n       last 2 log lines:\n\n       > a\n       >   b\n       For full logs, run:\n",
    );
    assert_eq!(
        failure.message,
        "builder failed;\nlast 2 log lines:\n\n> a\n>   b\nFor full logs, run:"
    );
    assert_eq!(place(&failure), (None, None, None));
    let failure = of(
        "error:\n       … while x\n         at «string»:1:1:\n            1| l\n             | ^\n\n       error: first\n       second\n\n       third",
    );
    assert_eq!(failure.message, "first\nsecond\n\nthird");
}

#[test]
fn why_a_flake_is_refused_is_shortened_to_its_point() {
    let short = |text: &str| of(text).message;
    // Nix 2.34, 2.8, and nix-eval-jobs.
    assert_eq!(
        short(
            "error:\n       … while updating the lock file of flake 'git+file:///f'\n\n       … while updating the flake \
             input 'a'\n\n       … while fetching the input 'path:/x'\n\n       error: path '/x' does not exist"
        ),
        "path '/x' does not exist\n… while fetching the input 'path:/x'"
    );
    assert_eq!(
        short(
            "error: getting status of '/x': No such file or directory\n\n       … while fetching the input \
             'path:/x'\n\n       … while updating the flake input 'a'"
        ),
        "getting status of '/x': No such file or directory\n… while fetching the input 'path:/x'"
    );
    assert_eq!(
        short(
            "error: worker error: error: flake 'git+file:///src/demo' does not provide attribute 'nope'"
        ),
        "flake 'git+file:///src/demo' does not provide attribute 'nope'"
    );
    let failure =
        of("error: expected a function but got an integer at /home/me/flake/flake.nix:1:3");
    assert_eq!(
        failure.message,
        "expected a function but got an integer\nat flake.nix:1:3:"
    );
    assert_eq!(place(&failure), (Some("flake.nix"), Some(1), Some(3)));
    let failure = of(
        "error: syntax error, unexpected ';'\n       at /home/me/flake/sub/flake.nix:1:22:\n            1| { outputs = _: { x = ; }; \
         }\n             |                      ^\n            2|",
    );
    assert_eq!(place(&failure), (Some("sub/flake.nix"), Some(1), Some(22)));
    assert!(failure.message.ends_with("^\n2|"), "{}", failure.message);
}

#[test]
fn names_of_files_in_the_flake_are_relative() {
    let relative = |file: &str| {
        let text = format!("error: x\n       at {file}:1:2:");
        context("h").failure(&text).file.unwrap_or_default()
    };
    assert_eq!(relative("/nix/store/h-source/a/b.nix"), "a/b.nix");
    assert_eq!(relative("/home/me/flake/flake.nix"), "flake.nix");
    assert_eq!(
        relative("/home/me/flakes/flake.nix"),
        "/home/me/flakes/flake.nix"
    );
    assert_eq!(
        relative("«git+file:///home/me/flake?ref=refs/heads/main&rev=97f0»/flake.nix"),
        "flake.nix"
    );
    assert_eq!(relative("«git+file:///home/me/flake»/x.nix"), "x.nix");
    assert_eq!(relative("«github:a/b»/x.nix"), "");
    assert_eq!(relative("«nix-internal»/derivation-internal.nix"), "");
}

#[test]
fn a_failure_always_says_something() {
    for text in [
        "",
        "error:",
        "error:\n",
        "error: \n\n",
        "error:\n       … x",
    ] {
        assert!(!of(text).message.is_empty(), "{text:?}");
    }
    let long = format!("error: {}", "é".repeat(100_000));
    assert!(of(&long).message.len() < 20_000);
}

#[test]
fn local_references_are_folders() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let sub = dir.join("repo/sub");
    std::fs::create_dir_all(&sub).unwrap();
    std::fs::create_dir(dir.join("repo/.git")).unwrap();
    let (repo, sub) = (
        dir.join("repo").display().to_string(),
        sub.display().to_string(),
    );
    let both = vec![repo.clone(), sub.clone()];
    assert_eq!(local_trees(&sub), both);
    assert_eq!(local_trees(&format!("path:{sub}?dir=x")), both);
    assert_eq!(
        local_trees(&format!("git+file://{repo}?rev=1")),
        [repo.clone(), repo]
    );
    assert!(local_trees("github:a/b").is_empty());
    assert!(local_trees("nixpkgs").is_empty());
}

proptest! {
    #[test]
    fn any_text_is_taken(text in any::<String>(), show_trace in any::<bool>()) {
        let context = FailureContext { show_trace, ..context("x") };
        prop_assert!(!context.failure(&text).message.is_empty());
    }

    #[test]
    fn any_mixture_of_what_nix_writes_is_taken(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("error:"), Just("error: x"), Just("       error: y"), Just("       … z"), Just(""),
                Just("       at /a:1:2:"), Just("         at «string»:1:2:"), Just("           42| é"),
                Just("             | ^"), Just("       (3 duplicate frames omitted)"), Just("\u{2003}| ^"),
                Just("at :::"), Just("       at /a:99999999999999:2:"),
            ],
            0..20,
        ),
        show_trace in any::<bool>(),
    ) {
        let context = FailureContext { show_trace, ..context("x") };
        let failure = context.failure(&lines.join("\n"));
        prop_assert!(!failure.message.is_empty());
        prop_assert_ne!(failure.file.as_deref(), Some("«string»"));
    }
}

#[test]
fn the_machine_is_at_fault_when_its_daemon_is_gone_or_its_disk_is_full() {
    // As Nix 2.8 to 2.34 say it when the daemon is killed, and where it is not started.
    let behind_frames = |message: &str| {
        format!(
            "error:\n       … while calling the 'derivationStrict' builtin\n         at «nix-internal»/derivation-internal.nix:37:12:\n           37|   strict = derivationStrict drvAttrs;\n             |            ^\n\n       error: {message}"
        )
    };
    for message in [
        "writing to file: Broken pipe",
        "write of 72 bytes: Broken pipe",
        "reading from file: Connection reset by peer",
        "cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused",
        "cannot open connection to remote store 'daemon': error: cannot connect to socket at '/x': No such file or directory",
        "Nix daemon disconnected unexpectedly (maybe it crashed?)",
        "writing to file: No space left on device",
        "unable to download 'https://example.org/x.tar.gz': HTTP error 503",
        "unable to download 'https://example.org/x': Could not connect to server (7) CONNECT tunnel failed, response 504",
        "Failed to open archive (Source threw exception: error: unable to download 'https://github.com/a/b/archive/c.tar.gz': HTTP error 502)",
    ] {
        let is_it = |text: &str| machines_fault(text);
        assert_eq!(
            is_it(&format!("error: {message}")).as_deref(),
            Some(message)
        );
        assert_eq!(is_it(&behind_frames(message)).as_deref(), Some(message));
    }
    for (message, why) in [
        ("attribute 'x' missing", "a mistake"),
        (
            "unable to download 'https://example.org/x': Could not resolve host: example.org (6)",
            "there may be no network on purpose",
        ),
        (
            "path '/nix/store/x: Broken pipe' does not exist",
            "words in a name",
        ),
        (
            "unable to download 'https://example.org/x': HTTP error 404",
            "an input that is not there",
        ),
        (
            "unable to download 'https://example.org/HTTP error 5': HTTP error 404",
            "words in an address",
        ),
        (
            "unable to download 'https://example.org/x': Could not connect to server (7) CONNECT tunnel failed, response 403",
            "a host that nothing is fetched from",
        ),
    ] {
        assert_eq!(machines_fault(&format!("error: {message}")), None, "{why}");
    }
    let of_git = |said: &str| {
        machines_fault(&format!(
            "error: Failed to fetch git repository 'https://example.org/x.git'\ngit: https://example.org/x.git/ cannot be fetched from: {said}"
        ))
    };
    assert!(of_git("CONNECT tunnel failed, response 504").is_some());
    assert!(of_git("The requested URL returned error: 503").is_some());
    assert!(of_git("The requested URL returned error: 404").is_none());
    let thrown = THROW_2_34.replace(
        "this check does not evaluate",
        "writing to file: Broken pipe",
    );
    assert_eq!(machines_fault(&thrown), None);
}

#[test]
fn what_git_said_of_access_comes_first() {
    let git = "git: https://git.example.org asks for a user and a password, and this evaluation has none for it";
    let texts = [
        "error: program 'git' failed with exit code 128\n\n       \u{2026} while fetching the input 'git+https://git.example.org/a'",
        "error:\n       \u{2026} while fetching the input 'git+https://git.example.org/a'\n\n       error: Failed to fetch git repository 'https://git.example.org/a'",
    ];
    for text in texts {
        let failure = FailureContext::default().failure(&format!("{text}\n{git}"));
        let mut lines = failure.message.lines();
        assert_eq!(lines.next(), git.strip_prefix("git: "), "{failure:?}");
        let second = lines.next().unwrap();
        assert!(second.contains("git"), "{failure:?}");
        assert!(
            failure.message.contains("while fetching the input"),
            "{failure:?}"
        );
        assert!(!failure.message.contains("git: https"), "{failure:?}");
    }
}
