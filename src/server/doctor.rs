//! What is right and wrong with a server and its surroundings: `nixci serve --check` and `nixci ctl doctor`.

mod forge;
mod inputs;

use std::{os::unix::fs::PermissionsExt as _, process::Command};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use self::forge::of_forge;
use super::{connection::Connections, engine::destinations, walls::Found};
use crate::{
    config::{Listen, NixHost, PullRequests, ServerConfig},
    run::store_address,
    store::StoreAddress,
};

/// How much room there should be for the state, in bytes.
const ROOM: u64 = 1 << 30;

/// How many bytes a secret should have at least that strangers may try over the network, as often as they like.
const SECRET_BYTES: usize = 16;

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, but.
    Doubtful,
    /// It does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub about: String,
    /// How well it is.
    pub verdict: Verdict,
    /// What was found, and what to do.
    pub text: String,
}

fn finding(about: &str, verdict: Verdict, text: impl Into<String>) -> Finding {
    Finding {
        about: about.to_owned(),
        verdict,
        text: text.into(),
    }
}

/// Looks at everything. Asks the forges.
pub(super) async fn examine(
    config: &ServerConfig,
    host: &NixHost,
    connections: &Connections,
) -> Vec<Finding> {
    let mut findings = vec![finding(
        "nix",
        Verdict::Good,
        format!("{} at {}", host.version.text, host.program.display()),
    )];
    findings.push(sandbox(config, host));
    findings.push(trusted(host));
    findings.push(isolation(config, host).await);
    findings.push(clock());
    findings.push(room(config));
    findings.extend(open_to_others(config));
    findings.push(address(config));
    findings.extend(outputs(config));
    findings.extend(uploads(config));
    findings.extend(short_secrets(config));
    for (name, forge) in &config.forges {
        findings.extend(of_forge(name, forge, config, connections).await);
        findings.extend(inputs::of_forge(name, forge, config));
    }
    if config.forges.is_empty() {
        findings.push(finding(
            "forges",
            Verdict::Bad,
            "none is configured: add [forge.NAME]",
        ));
    }
    findings
}

fn sandbox(config: &ServerConfig, host: &NixHost) -> Finding {
    let set = host.settings.value("sandbox");
    if set == "true" {
        return finding("sandbox", Verdict::Good, "builds are sandboxed");
    }
    let verdict = if config.pull_requests == PullRequests::All {
        Verdict::Bad
    } else {
        Verdict::Doubtful
    };
    finding(
        "sandbox",
        verdict,
        format!(
            "Nix has `sandbox = {set}`, so what strangers send waits for approval: set it to true"
        ),
    )
}

fn trusted(host: &NixHost) -> Finding {
    let user = of_id("-un").unwrap_or_default();
    let groups: Vec<String> = of_id("-Gn")
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let names = host.settings.list("trusted-users");
    let is_root = rustix::process::geteuid().is_root();
    if is_root || is_trusted(&names, &user, &groups) {
        let text = format!(
            "the Nix daemon trusts {user}, who asks here: let the server run as a user that is not in `trusted-users`, \
            neither by name nor by a group"
        );
        return finding("trusted user", Verdict::Doubtful, text);
    }
    finding(
        "trusted user",
        Verdict::Good,
        format!("the Nix daemon trusts {user} no more than others"),
    )
}

/// Whether the daemon trusts a user with these groups, by `trusted-users`.
fn is_trusted(names: &[String], user: &str, groups: &[String]) -> bool {
    names.iter().any(|name| match name.strip_prefix('@') {
        Some(group) => groups.iter().any(|has| has == group),
        None => name == "*" || name == user,
    })
}

/// What `id` says of who this runs as: it knows users that are in no file.
fn of_id(option: &str) -> Option<String> {
    let output = Command::new("id").arg(option).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// What the server would choose where this runs: the unit may let it do less than whoever asks by hand.
async fn isolation(config: &ServerConfig, host: &NixHost) -> Finding {
    let has_daemon = matches!(store_address(host).await, StoreAddress::Socket(_));
    match Found::look(has_daemon).await.choose(config.isolation) {
        Ok(choice) => {
            let verdict = if choice.is_weak {
                Verdict::Doubtful
            } else {
                Verdict::Good
            };
            finding(
                "isolation",
                verdict,
                format!("evaluations run {}", choice.text),
            )
        }
        Err(why) => finding("isolation", Verdict::Bad, why),
    }
}

/// Tokens of apps and signatures have times in them.
fn clock() -> Finding {
    let now = Timestamp::now();
    let built: Timestamp = "2026-01-01T00:00:00Z"
        .parse()
        .unwrap_or(Timestamp::UNIX_EPOCH);
    if now < built {
        return finding(
            "clock",
            Verdict::Bad,
            format!("it says {now}: set it, or webhooks and tokens are refused"),
        );
    }
    finding("clock", Verdict::Good, format!("{now:.0}"))
}

fn room(config: &ServerConfig) -> Finding {
    let dir = &config.state_dir;
    // The server makes it at its first start.
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(dir);
    match rustix::fs::statvfs(there) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let text = format!("{} MiB free in {}", free >> 20, there.display());
            let verdict = if free < ROOM {
                Verdict::Doubtful
            } else {
                Verdict::Good
            };
            finding("disk", verdict, text)
        }
        Err(error) => finding("disk", Verdict::Bad, format!("{}: {error}", dir.display())),
    }
}

/// Whether others on this machine may read the database and the logs, those of private repositories too. Only a folder that
/// somebody else made is so.
pub(super) fn open_to_others(config: &ServerConfig) -> Option<Finding> {
    let dir = &config.state_dir;
    let mode = dir.metadata().ok()?.permissions().mode();
    let text = format!("others may read {0}: `chmod 700 {0}`", dir.display());
    (mode & 0o077 != 0).then(|| finding("state", Verdict::Doubtful, text))
}

/// Whether the folder for outputs is there and may be written by whoever asks.
fn outputs(config: &ServerConfig) -> Option<Finding> {
    let dir = config.outputs_dir.as_ref()?;
    let shown = dir.display();
    Some(if !dir.is_dir() {
        let text = format!("{shown} is no folder: make it, for the server's user");
        finding("outputs", Verdict::Bad, text)
    } else if rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_err() {
        let text = format!("{shown} cannot be written: the server's user has to own it");
        finding("outputs", Verdict::Bad, text)
    } else {
        finding("outputs", Verdict::Good, format!("named in {shown}"))
    })
}

fn uploads(config: &ServerConfig) -> Option<Finding> {
    match destinations(&config.upload) {
        Ok(to) if to.is_empty() => None,
        Ok(to) => {
            let text = format!("outputs are copied to {} places", to.len());
            Some(finding("upload", Verdict::Good, text))
        }
        Err(error) => Some(finding("upload", Verdict::Bad, error.to_string())),
    }
}

fn address(config: &ServerConfig) -> Finding {
    let at = match &config.listen {
        Listen::Tcp(address) => address.to_string(),
        Listen::Unix(path) => path.display().to_string(),
        Listen::Systemd => "the socket of systemd".to_owned(),
    };
    let is_plain = config.url.scheme() == "http" && config.url.host_str() != Some("127.0.0.1");
    let text = format!("listens at {at}, reached as {}", config.url);
    if is_plain {
        let text =
            format!("{text}: without TLS what goes there can be read and changed on its way");
        return finding("address", Verdict::Doubtful, text);
    }
    finding("address", Verdict::Good, text)
}

/// Secrets that could be guessed.
fn short_secrets(config: &ServerConfig) -> Option<Finding> {
    let is_short = |secret: &SecretString| secret.expose_secret().len() < SECRET_BYTES;
    let mut short = Vec::new();
    if config.ctl_tokens.iter().any(|token| is_short(&token.token)) {
        short.push("ctl_token_file".to_owned());
    }
    let forges = config.forges.iter();
    let of_forges = forges.filter(|(_, forge)| forge.webhook_secrets.iter().any(is_short));
    short.extend(of_forges.map(|(name, _)| format!("forge.{name}.webhook_secret_file")));
    if short.is_empty() {
        return None;
    }
    let text = format!(
        "less than {SECRET_BYTES} characters, which can be guessed: {}; make longer ones (openssl rand -hex 32)",
        short.join(", ")
    );
    Some(finding("secrets", Verdict::Doubtful, text))
}

#[cfg(test)]
mod tests {
    use super::is_trusted;

    #[test]
    fn trust_is_by_name_by_group_or_everybodys() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let groups = names(&["nixci", "builders"]);
        for (trusted, expected) in [
            (names(&["root"]), false),
            (names(&["root", "nixci"]), true),
            (names(&["@builders"]), true),
            (names(&["@wheel", "@nixci2", "builders"]), false),
            (names(&["*"]), true),
            (names(&["@"]), false),
        ] {
            assert_eq!(
                is_trusted(&trusted, "nixci", &groups),
                expected,
                "{trusted:?}"
            );
        }
    }
}
