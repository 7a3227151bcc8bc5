use std::os::unix::process::ExitStatusExt;

use super::{ExitStatus, LockedFlake, arguments, refused};
use crate::{
    eval::{EvalOptions, EvalRequest},
    nix::{Installable, System},
};

fn request() -> EvalRequest {
    EvalRequest {
        installable: Installable::parse("github:a/b?dir=c#checks").unwrap(),
        systems: None,
        current_system: System::parse("x86_64-linux").unwrap(),
        workers: 1,
        memory_budget_bytes: 1 << 30,
        options: EvalOptions {
            impure: true,
            nix_options: vec![("system".into(), "a b".into())],
            override_inputs: vec![("x".into(), "path:/y".into())],
            reference_lock_file: Some("/z.lock".into()),
            accept_flake_config: true,
            show_trace: false,
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
            "--extra-experimental-features",
            "nix-command flakes",
            "--option",
            "system",
            "a b",
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
    let status = ExitStatus::from_raw(1 << 8);
    let said = |error: &str, searched: Option<&str>| {
        refused(
            &request(),
            status,
            Some(error.to_owned()),
            searched.map(str::to_owned),
        )
        .to_string()
    };
    let searched = Some("path '/x' does not contain a 'flake.nix', searching up");
    assert_eq!(
        said("error: could not find a flake.nix file", searched),
        "path '/x' does not contain a 'flake.nix', nor does a folder above it"
    );
    assert_eq!(said("error: something else", searched), "something else");
    assert_eq!(
        refused(&request(), ExitStatus::from_raw(9), None, None).to_string(),
        "`nix flake metadata` ended with signal: 9 (SIGKILL) and no word"
    );
}
