//! Evaluates `nixos/module.nix` with a real Nix, and gives what it makes to those who read it: the server its settings,
//! systemd its unit.
//!
//! A stand-in for Nixpkgs' `lib` in `tests/data/nixos/` checks types and conditions. Whether the real module system takes
//! the module, only that can tell.

#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that asked for it"
)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
};

use nixci::config::{Access, Listen, PullRequests, ServerConfig};
use serde_json::{Value, json};
use support::nix;

/// Where the module says that secrets are.
const CREDENTIALS: &str = "/run/credentials/nixci.service";

/// What the module lets the unit write besides its folders.
const CONTROL_GROUP: &str = "-/sys/fs/cgroup/system.slice/nixci.service";

/// All cases of `cases.nix`.
fn cases() -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let store = nix::newest().store();
    let arguments = ["eval", "--json", "--file", "tests/data/nixos/cases.nix"];
    serde_json::from_str(&store.run_nix(&arguments, root)).unwrap()
}

/// Reads settings as the server does, with a file for each credential that the unit loads.
fn read(made: &Value) -> Result<ServerConfig, String> {
    let dir = tempfile::tempdir().unwrap();
    for credential in strings(&made["service"]["LoadCredential"]) {
        let (name, path) = credential.split_once(':').unwrap();
        fs::write(dir.path().join(name), path).unwrap();
    }
    // Null is an error here as it is for who writes TOML on NixOS.
    let text = toml::to_string(&made["file"]).map_err(|error| error.to_string())?;
    read_text(&text.replace(CREDENTIALS, dir.path().to_str().unwrap()))
}

fn read_text(text: &str) -> Result<ServerConfig, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nixci-server.toml");
    fs::write(&path, text).unwrap();
    ServerConfig::read(&path).map_err(|error| error.to_string())
}

fn strings(list: &Value) -> Vec<String> {
    serde_json::from_value(list.clone()).unwrap()
}

#[test]
fn the_settings_are_those_that_the_server_knows() {
    let cases = cases();
    let tables: BTreeMap<String, Vec<String>> =
        serde_json::from_value(cases["keys"].clone()).unwrap();
    for (table, keys) in &tables {
        let table = table.replace('*', "x");
        let table = table.trim_end_matches('.');
        let heading = if table.is_empty() {
            String::new()
        } else if ["post_build", "schedule", "forge.x.private_inputs"].contains(&table) {
            format!("[[{table}]]\n")
        } else {
            format!("[{table}]\n")
        };
        let error = read_text(&format!("{heading}no-such-key = 1\n")).unwrap_err();
        let (_, known) = error
            .split_once("expected")
            .unwrap_or_else(|| panic!("{error}"));
        let mut known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        known.sort_unstable();
        assert_eq!(keys, &known, "[{table}]: {error}");
    }
    assert_eq!(tables.len(), 10, "{tables:?}");
    assert_eq!(cases["undescribed"], json!([]));
    assert_eq!(cases["accepted"], true);
    let refused: Vec<bool> = serde_json::from_value(cases["refused"].clone()).unwrap();
    assert_eq!(refused, [false; 7]);
}

#[test]
fn the_server_reads_what_the_module_writes() {
    let cases = cases();
    let least = read(&cases["least"]).unwrap();
    assert_eq!(least.url.as_str(), "https://ci.example.org/");
    assert_eq!(least.pull_requests, PullRequests::Approved);
    assert_eq!(least.state_dir, Path::new("/var/lib/nixci"));

    let whole = read(&cases["whole"]).unwrap();
    assert_eq!(whole.listen, Listen::Systemd);
    assert_eq!(whole.url.as_str(), "https://ci.example.org/");
    assert_eq!((least.behind_proxy, whole.behind_proxy), (false, true));
    let tokens = whole.ctl_tokens.iter().map(|token| &*token.name);
    let tokens: Vec<&str> = tokens.collect();
    assert_eq!(tokens, ["ctl-token-0-ctl", "ctl-token-1-ctl-old"]);
    assert_eq!(whole.statuses.prefix, "buildbot");
    assert_eq!(whole.limits.eval_memory, Some(4096 << 20));
    assert_eq!(whole.limits.drain.as_secs(), 120);
    assert!(whole.upload.push_closure);
    assert_eq!(whole.post_builds[0].environment.len(), 1);
    assert!(whole.schedules[0].is_for_repository("work", "acme/demo"));
    let names: Vec<&String> = whole.forges.keys().collect();
    assert_eq!(names, ["hub", "mirror", "work"]);
    assert_eq!(whole.forges["work"].webhook_secrets.len(), 2);
    assert_eq!(whole.forges["work"].owners, ["acme", "alice"]);
    assert!(whole.forges["hub"].owners.is_empty());
    let inputs = &whole.forges["work"].private_inputs;
    let users: Vec<_> = inputs.iter().map(|inputs| inputs.user.as_str()).collect();
    assert_eq!(users, ["nixci", "reader"]);
    assert!(!inputs[0].pull_requests && inputs[1].pull_requests);
    assert!(matches!(
        whole.forges["hub"].access,
        Access::App { id: 12345, .. }
    ));
    assert_eq!(
        whole.forges["mirror"].plain["demo"].poll.unwrap().as_secs(),
        300
    );
}

#[test]
fn secrets_come_as_credentials_and_nowhere_else() {
    let cases = cases();
    let whole = &cases["whole"];
    assert_eq!(
        strings(&whole["service"]["LoadCredential"]),
        [
            "ctl-token-0-ctl:/secrets/ctl",
            "ctl-token-1-ctl-old:/secrets/ctl-old",
            "secret-key:/secrets/key",
            "forge-hub-app-key:/secrets/app.pem",
            "forge-hub-webhook-0:/secrets/hub",
            "forge-work-inputs-0:/secrets/inputs",
            "forge-work-inputs-1:/secrets/all-inputs",
            "forge-work-token:/secrets/token",
            "forge-work-webhook-0:/secrets/new",
            "forge-work-webhook-1:/secrets/old",
        ]
    );
    assert!(!whole["file"].to_string().contains("/secrets/"));
}

#[test]
fn the_unit_nginx_and_the_socket_belong_together() {
    let cases = cases();
    let whole = &cases["whole"];
    let service = &whole["service"];
    assert_eq!(service["Type"], "notify-reload");
    assert_eq!(service["WatchdogSec"], "2min");
    assert_eq!(service["User"], "nixci");
    assert_eq!(service["TimeoutStopSec"], "2m 30s");
    assert_eq!(cases["least"]["service"]["TimeoutStopSec"], "60s 30s");
    assert_eq!(
        service["ReadWritePaths"],
        json!([CONTROL_GROUP, "/srv/outputs"])
    );
    assert_eq!(service["EnvironmentFile"], json!(["/secrets/environment"]));
    assert_eq!(
        service["ExecStart"],
        "/programs/nixci/bin/nixci serve --config /generated/nixci-server.toml"
    );
    let programs = ["nix", "git", "openssh", "cachix"];
    assert_eq!(
        strings(&whole["path"]),
        programs.map(|name| format!("/programs/{name}"))
    );
    assert_eq!(whole["requires"], json!(["nixci.socket"]));
    assert_eq!(whole["sockets"]["listenStreams"], json!(["127.0.0.1:8080"]));
    let place = &whole["nginx"]["virtualHosts"]["ci.example.org"]["locations"]["/"];
    assert_eq!(place["proxyPass"], "http://127.0.0.1:8080");
    let extra = place["extraConfig"].as_str().unwrap();
    assert!(extra.contains("client_max_body_size 25m;"), "{extra}");
    assert!(extra.contains("proxy_buffering off;"), "{extra}");

    let unix = &cases["unix"];
    let place = &unix["nginx"]["virtualHosts"]["ci"]["locations"]["/"];
    assert_eq!(place["proxyPass"], "http://unix:/run/nixci.http");
    assert_eq!(unix["file"]["url"], "https://ci");

    let least = &cases["least"];
    assert_eq!(least["sockets"], json!({}));
    assert_eq!(least["nginx"], json!({}));
    assert_eq!(least["requires"], json!([]));
    assert_eq!(cases["disabled"], json!({}));
}

#[test]
fn what_cannot_work_is_said_before_it_is_built() {
    let failed = &cases()["failed"];
    let expected = [
        ("none", vec![]),
        ("url", vec!["settings.url is missing"]),
        ("domain", vec!["nginx.domain is missing"]),
        ("listen", vec!["services.nixci.socket.enable"]),
        ("unix", vec!["nginx may not use a socket of the user nixci"]),
        ("trusted", vec!["trusted-users has the user nixci"]),
        ("sandbox", vec!["nix.settings.sandbox is not `true`"]),
        ("name", vec!["letters, digits and `-` only"]),
        ("forge_url", vec!["forge.work.url is missing"]),
        ("app", vec!["a GitHub App needs", "not both"]),
        ("token", vec!["forge.work.token_file is missing"]),
        ("repository", vec!["is for forges of the kind `plain`"]),
        ("secret", vec!["settings.secrets: the name `a/b`"]),
        ("relative", vec!["`token` is no absolute path"]),
        (
            "stored",
            vec!["is in the Nix store, where everybody can read it"],
        ),
    ];
    assert_eq!(failed.as_object().unwrap().len(), expected.len());
    for (case, wanted) in expected {
        let said = strings(&failed[case]);
        assert_eq!(said.len(), wanted.len(), "{case}: {said:?}");
        for (said, wanted) in said.iter().zip(wanted) {
            assert!(said.contains(wanted), "{case}: {said}");
        }
    }
}

/// The text of a unit with these settings of a service.
fn unit_text(service: &Value) -> String {
    let mut text = "[Service]\n".to_owned();
    for (key, value) in service.as_object().unwrap() {
        let values = value.as_array().cloned().unwrap_or(vec![value.clone()]);
        for value in values {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            writeln!(text, "{key}={value}").unwrap();
        }
    }
    text
}

/// The settings of a unit that harden it: all but those that a distribution chooses.
fn settings(text: &str) -> Vec<&str> {
    let own = [
        "ExecStart=",
        // Type=notify-reload needs no program for it, and systemd 253.
        "ExecReload=",
        "Type=",
        "LoadCredential=",
        "ReadWritePaths=/",
        "EnvironmentFile=",
        "Environment=",
    ];
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains('=') && !line.starts_with('#'))
        .filter(|line| !own.iter().any(|own| line.starts_with(own)))
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn the_example_unit_is_as_hard_as_that_of_the_module() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = fs::read_to_string(root.join("examples/server/nixci.service")).unwrap();
    let (_, service) = example.split_once("[Service]\n").unwrap();
    let (service, _) = service.split_once("[Install]").unwrap();
    let module = unit_text(&cases()["least"]["service"]);
    assert_eq!(settings(service), settings(&module));
}

/// Lines of settings that only the first of these units has.
fn only<'t>(first: &[&'t str], second: &[&str]) -> Vec<&'t str> {
    let is_other = |line: &&&str| !second.contains(*line);
    first.iter().filter(is_other).copied().collect()
}

#[test]
fn bubblewrap_loosens_what_it_needs_and_nothing_else() {
    let cases = cases();
    let [strict, loose, auto] =
        ["least", "bubblewrap", "auto"].map(|case| unit_text(&cases[case]["service"]));
    assert_eq!(loose.replace("nixci", ""), auto.replace("nixci", ""));
    assert_eq!(cases["bubblewrap"]["path"][3], "/programs/bubblewrap");
    assert_eq!(cases["least"]["file"]["isolation"], "landlock");
    let (strict, loose) = (settings(&strict), settings(&loose));
    let taken_away: Vec<_> = only(&strict, &loose)
        .iter()
        .map(|line| line.split('=').next().unwrap())
        .collect();
    assert_eq!(
        taken_away,
        [
            "ProtectHostname",
            "ProtectKernelLogs",
            "ProtectKernelTunables",
            "RestrictAddressFamilies",
            "RestrictNamespaces",
            "SystemCallFilter",
            "SystemCallFilter",
        ]
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let drop_in = fs::read_to_string(root.join("examples/server/bubblewrap.conf")).unwrap();
    let mut drop_in = settings(&drop_in);
    drop_in.retain(|line| !line.ends_with('='));
    assert_eq!(drop_in, only(&loose, &strict));
}

#[test]
fn systemd_calls_the_unit_well_protected() {
    let cases = cases();
    // The aim is 2.0. The document has the scores by one version; each adds what it looks at.
    for (case, threshold) in [("whole", "20"), ("bubblewrap", "27")] {
        let dir = tempfile::tempdir().unwrap();
        let unit = dir.path().join("nixci.service");
        fs::write(&unit, unit_text(&cases[case]["service"])).unwrap();
        let scored = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(format!("--threshold={threshold}"))
            .arg(&unit)
            .output();
        // Other systems than those with systemd 250 or newer run the tests, too.
        let Ok(scored) = scored else { return };
        let said = String::from_utf8_lossy(&scored.stdout);
        if said.contains("exposure level") {
            assert!(scored.status.success(), "{case}: {said}");
        }
    }
}

/// The keys below a table with their paths; names that people choose are `*`.
fn keys(path: &str, table: &toml::Table, into: &mut BTreeSet<String>) {
    for (key, value) in table {
        // What programs are given and what secrets are called is nobody's setting.
        if ["secrets.", "post_build.environment."].contains(&path) {
            continue;
        }
        let is_chosen = ["forge.", "forge.*.repository."].contains(&path);
        let here = if is_chosen {
            format!("{path}*")
        } else {
            format!("{path}{key}")
        };
        let of_list = value.as_array().and_then(|list| list.first()?.as_table());
        if let Some(inner) = value.as_table().or(of_list) {
            keys(&format!("{here}."), inner, into);
        }
        into.insert(here);
    }
}

#[test]
fn the_example_of_the_settings_has_every_key_and_the_right_defaults() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("examples/server/nixci-server.toml")).unwrap();
    let secrets = tempfile::tempdir().unwrap();
    for credential in text.split(&format!("{CREDENTIALS}/")).skip(1) {
        let name = credential.split('"').next().unwrap();
        // Tokens are not all to be the same.
        fs::write(secrets.path().join(name), name).unwrap();
    }
    let text = text.replace(CREDENTIALS, secrets.path().to_str().unwrap());
    let is_setting = |line: &str| {
        let name = line.split_once(" = ").map(|(name, _)| name);
        name.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    };
    let all: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if is_setting(setting) => setting,
            Some(_) | None => line,
        })
        .collect();
    let all = all.join("\n");
    let config = read_text(&text).unwrap();
    assert_eq!(
        format!("{config:?}"),
        format!("{:?}", read_text(&all).unwrap())
    );
    let mut found = BTreeSet::new();
    keys("", &all.parse().unwrap(), &mut found);
    let tables: BTreeMap<String, Vec<String>> =
        serde_json::from_value(cases()["keys"].clone()).unwrap();
    let known = tables
        .iter()
        .flat_map(|(table, keys)| keys.iter().map(move |key| format!("{table}{key}")));
    let missing: Vec<String> = known.filter(|key| !found.contains(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
