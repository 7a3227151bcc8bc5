use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

use super::{LockedFlake, NixOutput, arguments, refused};
use crate::{
    eval::{EvalError, EvalOptions, EvalRequest, EvalScope},
    nix::{Installable, System},
};

fn request() -> EvalRequest {
    EvalRequest {
        installable: Installable::parse("github:a/b?dir=c#checks").unwrap(),
        systems: None,
        current_system: System::parse("x86_64-linux").unwrap(),
        workers: 1,
        memory_budget_bytes: 1 << 30,
        scope: EvalScope::default(),
        options: EvalOptions {
            impure: true,
            nix_options: vec![("system".into(), "a b".into())],
            override_inputs: vec![("x".into(), "path:/y".into())],
            reference_lock_file: Some("/z.lock".into()),
            accept_flake_config: true,
            show_trace: false,
            isolation: None,
        },
        nix: "nix".into(),
        nix_version: (2, 34),
    }
}

#[test]
fn all_options_reach_nix_and_no_lock_file_is_written() {
    let arguments: Vec<_> = arguments(&request())
        .into_iter()
        .map(|a| a.into_string().unwrap())
        .collect();
    assert_eq!(
        arguments,
        [
            "flake",
            "metadata",
            "--json",
            "--no-write-lock-file",
            "--show-trace",
            "--override-input",
            "x",
            "path:/y",
            "--reference-lock-file",
            "/z.lock",
            "--accept-flake-config",
            "--impure",
            "github:a/b?dir=c",
        ]
    );
}

#[test]
fn what_every_version_says_is_read() {
    // Nix 2.8 and 2.34.
    for (json, dir) in [
        (
            r#"{"lastModified":1,"locked":{"narHash":"sha256-x","rev":"8f","revCount":1,"type":"git","url":"file:///t"},
            "locks":{"nodes":{"root":{}},"root":"root","version":7},"path":"/nix/store/a-source","url":"git+file:///t"}"#,
            "",
        ),
        (
            r#"{"fingerprint":"93","locked":{"__final":true,"dir":"sub","narHash":"sha256-x","type":"git"},"locks":{"nodes":
            {"root":{"inputs":{}}},"root":"root","version":7},"path":"/nix/store/a-source","url":"git+file:///t?dir=sub"}"#,
            "sub",
        ),
    ] {
        let flake: LockedFlake = serde_json::from_str(json).unwrap();
        assert_eq!(
            (flake.path.as_str(), flake.dir()),
            ("/nix/store/a-source", dir)
        );
        assert_eq!(flake.locks.root, "root");
        assert!(!flake.is_lock_new);
    }
}

#[test]
fn a_refusal_says_where_nix_looked() {
    let said = |status, error: Option<&str>, searched: Option<&str>| {
        let output = NixOutput {
            stdout: Vec::new(),
            warnings: Vec::new(),
            error: error.map(str::to_owned),
            searched: searched.map(str::to_owned),
            status: ExitStatus::from_raw(status),
        };
        refused(&request(), output).to_string()
    };
    let searched = Some("path '/x' does not contain a 'flake.nix', searching up");
    assert_eq!(
        said(
            256,
            Some("error: could not find a flake.nix file"),
            searched
        ),
        "path '/x' does not contain a 'flake.nix', nor does a folder above it"
    );
    assert_eq!(
        said(256, Some("error: something else"), searched),
        "something else"
    );
    assert_eq!(
        said(9, None, None),
        "`nix flake metadata` ended with signal: 9 (SIGKILL) and no word"
    );
}

#[test]
fn a_file_of_the_flake_itself_is_known_before_the_flake_is() {
    let place = |trace: &str| {
        let error = format!("error: {trace}\n       at /nix/store/h-source/sub/flake.nix:1:2:");
        let output = NixOutput {
            stdout: Vec::new(),
            warnings: Vec::new(),
            error: Some(error),
            searched: None,
            status: ExitStatus::from_raw(256),
        };
        let EvalError::Flake(failure) = refused(&request(), output) else {
            panic!("the flake is refused")
        };
        failure.file.unwrap()
    };
    assert_eq!(place("syntax error"), "sub/flake.nix");
    assert_eq!(
        place("syntax error\n\n       … while updating the flake input 'a'\n"),
        "/nix/store/h-source/sub/flake.nix"
    );
}
