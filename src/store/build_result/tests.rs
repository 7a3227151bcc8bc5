use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{BuildResult, BuildStatus, KeyedBuildResult, Meaning, Success};
use crate::{
    nix::{StorePath, golden},
    store::{
        DerivedPath, ProtocolVersion, StoreError,
        wire::{Request, WireReader},
    },
};

async fn read(bytes: &[u8], minor: u8) -> Result<BuildResult, StoreError> {
    BuildResult::read(
        &mut WireReader::new(bytes, "a test"),
        ProtocolVersion::new(minor),
        "/nix/store",
    )
    .await
}

/// What golden data says of a result, as ours.
fn expected(meaning: &Value) -> BuildResult {
    let number = |name: &str| meaning[name].as_u64().unwrap_or_default();
    let cpu = |name: &str| meaning[name].as_u64().map(Duration::from_micros);
    let outputs = meaning["builtOutputs"].as_object().into_iter().flatten();
    let status = (0..=14)
        .map(BuildStatus::from_wire)
        .find(|status| format!("{status:?}") == meaning["status"]);
    BuildResult {
        status: status.unwrap(),
        error_message: meaning["errorMsg"].as_str().unwrap_or_default().to_owned(),
        times_built: number("timesBuilt"),
        is_non_deterministic: meaning["isNonDeterministic"].as_bool().unwrap_or_default(),
        started_at: number("startTime"),
        stopped_at: number("stopTime"),
        cpu_user: cpu("cpuUser"),
        cpu_system: cpu("cpuSystem"),
        built_outputs: outputs
            .map(|(name, value)| (name.clone(), golden::store_path(&value["outPath"])))
            .collect(),
    }
}

#[tokio::test]
async fn golden_results_are_read() {
    for minor in [29, 37] {
        let Some((bytes, meaning)) =
            golden::read_wire(&format!("worker-protocol/build-result-1.{minor}"))
        else {
            return;
        };
        let mut reader = WireReader::new(&bytes[..], "a test");
        for meaning in meaning.as_array().unwrap() {
            let result = BuildResult::read(&mut reader, ProtocolVersion::new(minor), "/nix/store")
                .await
                .unwrap();
            assert_eq!(result, expected(meaning));
        }
        assert!(!reader.has_buffered());
    }
}

#[tokio::test]
async fn golden_keyed_results_are_read() {
    let Some((bytes, meaning)) = golden::read_wire("worker-protocol/keyed-build-result-1.29")
    else {
        return;
    };
    let mut reader = WireReader::new(&bytes[..], "a test");
    for meaning in meaning.as_array().unwrap() {
        let keyed = KeyedBuildResult::read(&mut reader, ProtocolVersion::new(29))
            .await
            .unwrap();
        assert_eq!(keyed.result, expected(meaning));
        let path = meaning["path"].get("drvPath").unwrap_or(&meaning["path"]);
        assert_eq!(keyed.target.path(), &golden::store_path(path));
    }
}

/// A success with one output, as daemons from 1.37 write it.
fn written(output_id: &str, json: &str) -> Request {
    let request = Request::default()
        .u64(0)
        .string("")
        .u64(1)
        .u64(0)
        .u64(10)
        .u64(12);
    request
        .u64(1)
        .u64(5_000_000)
        .u64(0)
        .u64(1)
        .string(output_id)
        .string(json)
}

#[tokio::test]
async fn outputs_come_as_json_with_more_or_less_around_the_path() {
    let out = "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo";
    let path = StorePath::parse(&format!("/nix/store/{out}")).unwrap();
    for json in [
        format!(
            r#"{{"dependentRealisations":{{}},"id":"sha256:00!out","outPath":"{out}","signatures":["a:b"]}}"#
        ),
        format!(r#"{{"id":"sha256:00!out","outPath":"{out}"}}"#),
        format!(r#"{{"outPath":"{out}","newer":[1,{{"a":null}}]}}"#),
    ] {
        let result = read(written("sha256:00!out", &json).bytes(), 37)
            .await
            .unwrap();
        assert_eq!(
            result.built_outputs,
            BTreeMap::from([("out".to_owned(), path.clone())])
        );
        assert_eq!(
            (result.cpu_user, result.cpu_system),
            (Some(Duration::from_secs(5)), None)
        );
    }
}

#[tokio::test]
async fn outputs_that_make_no_sense_are_errors() {
    for (id, json, field) in [
        (
            "sha256:00",
            r#"{"outPath":"g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo"}"#,
            "builtOutputs key",
        ),
        ("sha256:00!out", "{}", "builtOutputs value"),
        ("sha256:00!out", "nonsense", "builtOutputs value"),
        (
            "sha256:00!out",
            r#"{"outPath":"../../etc/passwd"}"#,
            "builtOutputs value",
        ),
        (
            "sha256:00!out",
            r#"{"outPath":"below/g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo"}"#,
            "builtOutputs value",
        ),
        ("sha256:00!out", r#"{"outPath":7}"#, "builtOutputs value"),
    ] {
        let error = read(written(id, json).bytes(), 37).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Protocol { field: found, .. } if found == field),
            "{error:?}"
        );
    }
}

#[test]
fn every_code_has_a_meaning() {
    let table: Vec<_> = (0..=15)
        .map(|code| {
            let status = BuildStatus::from_wire(code);
            format!("{code} {status:?}: {:?}", status.meaning())
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"));
}

fn result(code: u64, error_message: &str) -> BuildResult {
    BuildResult {
        status: BuildStatus::from_wire(code),
        error_message: error_message.to_owned(),
        times_built: 0,
        is_non_deterministic: false,
        started_at: 0,
        stopped_at: 0,
        cpu_user: None,
        cpu_system: None,
        built_outputs: BTreeMap::new(),
    }
}

/// Texts of real daemons, shortened in their paths.
#[test]
fn an_ambiguous_code_is_explained_by_its_text() {
    let drv = "/nix/store/6gdvyj6j7fbm4bkvqy7rrp36n7m5b9ha-a.drv";
    for (code, text, meaning) in [
        (
            4,
            format!(
                "Cannot build '{drv}'.\nReason: platform mismatch\nRequired system: 'aarch64-darwin'\nCurrent system: 'x86_64-linux'"
            ),
            Meaning::Unsupported,
        ),
        (
            4,
            format!(
                "Cannot build '{drv}'.\nReason: missing system features\nRequired features: {{nope}}\nAvailable features: {{kvm}}"
            ),
            Meaning::Unsupported,
        ),
        (
            4,
            format!(
                "Cannot build '{drv}'.\nReason: local builds are disabled (max-jobs = 0)\nHint: set 'max-jobs'"
            ),
            Meaning::Infrastructure,
        ),
        (
            4,
            "derivation has an invalid name".to_owned(),
            Meaning::Failed,
        ),
        (
            3,
            format!("builder for '{drv}' failed due to signal 9 (Killed)"),
            Meaning::Killed,
        ),
        (
            3,
            format!(
                "Cannot build '{drv}'.\nReason: builder failed due to signal 9 (Killed).\nOutput paths:\n  /nix/store/a"
            ),
            Meaning::Killed,
        ),
        (
            3,
            format!("builder for '{drv}' failed due to signal 11 (Segmentation fault)"),
            Meaning::Failed,
        ),
        (9, String::new(), Meaning::Cancelled),
        (
            9,
            format!("cannot build missing derivation '{drv}'"),
            Meaning::Infrastructure,
        ),
        (
            10,
            format!("failed to obtain derivation of '{drv}'"),
            Meaning::Infrastructure,
        ),
        (
            10,
            format!("1 dependencies of derivation '{drv}' failed to build"),
            Meaning::DependencyFailed,
        ),
        (
            6,
            format!(
                "builder for '{drv}' failed with exit code 1;\nlast 1 log lines:\n> tar: write error\nnote: build failure may have been caused by lack of free disk space"
            ),
            Meaning::Infrastructure,
        ),
        (
            6,
            format!("builder for '{drv}' failed with exit code 1"),
            Meaning::Transient,
        ),
        (
            9,
            "writing to file: No space left on device".to_owned(),
            Meaning::Infrastructure,
        ),
        (
            9,
            "executing SQLite statement: database or disk is full".to_owned(),
            Meaning::Infrastructure,
        ),
        (
            9,
            "the group 'nixbld' specified in 'build-users-group' does not exist".to_owned(),
            Meaning::Infrastructure,
        ),
        (
            0,
            "No space left on device".to_owned(),
            Meaning::Success(Success::Built),
        ),
        (8, "No space left on device".to_owned(), Meaning::TimedOut),
    ] {
        assert_eq!(result(code, &text).meaning(), meaning, "{code} {text}");
    }
}

#[test]
fn an_operation_of_an_old_daemon_is_explained_by_its_text() {
    for (text, meaning) in [
        (
            "a 'x86_64-linux' with features {nope} is required to build '/nix/store/a.drv', but I am a 'x86_64-linux' with features {kvm}",
            Meaning::Unsupported,
        ),
        (
            "unable to start any build; either increase '--max-jobs' or enable remote builds.",
            Meaning::Infrastructure,
        ),
        (
            "Unable to start any build;\n                    either increase '--max-jobs' or enable remote builds.",
            Meaning::Infrastructure,
        ),
        ("interrupted by the user", Meaning::Transient),
        ("path '/nix/store/a' is not valid", Meaning::Failed),
        ("", Meaning::Failed),
    ] {
        assert_eq!(Meaning::of_error_text(text), meaning, "{text}");
    }
}

#[test]
fn a_builder_cannot_blame_the_machine_in_its_log() {
    let text = "builder for '/nix/store/a.drv' failed with exit code 1;\nlast 3 log lines:\n> No space left on device\n  > , but I am a 'x'\n> failed due to signal 9 (Killed)";
    assert_eq!(result(3, text).meaning(), Meaning::Failed);
}

#[tokio::test]
async fn a_message_loses_its_escapes_and_its_label() {
    let request = Request::default()
        .u64(3)
        .string("\x1b[31;1merror:\x1b[0m builder for '\x1b[35;1m/a\x1b[0m' failed\n");
    let request = request.u64(0).u64(0).u64(0).u64(0).u64(0);
    let result = read(request.bytes(), 34).await.unwrap();
    assert_eq!(result.error_message, "builder for '/a' failed");
}

#[tokio::test]
async fn a_result_for_something_odd_is_an_error() {
    let request = Request::default().string("/nix/store/!out");
    let keyed = KeyedBuildResult::read(
        &mut WireReader::new(request.bytes(), "a test"),
        ProtocolVersion::NEWEST,
    )
    .await;
    assert!(
        matches!(
            keyed,
            Err(StoreError::Protocol {
                field: "target",
                ..
            })
        ),
        "{keyed:?}"
    );
    let target = DerivedPath::parse("/other/dir/g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-a.drv!*").unwrap();
    let request = Request::default()
        .string(target.to_string())
        .append(&written(
            "sha256:00!out",
            r#"{"outPath":"g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo"}"#,
        ));
    let keyed = KeyedBuildResult::read(
        &mut WireReader::new(request.bytes(), "a test"),
        ProtocolVersion::NEWEST,
    )
    .await;
    let out = &keyed.unwrap().result.built_outputs["out"];
    assert_eq!(
        out.as_str(),
        "/other/dir/g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo",
        "outputs are in the store of the target"
    );
}
