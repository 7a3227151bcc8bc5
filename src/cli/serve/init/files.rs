//! What `--init` writes: the settings, the folder of the state, and a file for each secret that nobody else can read.

use std::{
    fmt::Display,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::anyhow;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Answers, Proof};
use crate::{cli::Failure, config::ForgeSoftware};

/// The user that the unit runs a server as.
const USER: &str = "nixci";

/// Where things are written.
pub(super) struct Files {
    config: PathBuf,
    secrets: PathBuf,
}

/// What each secret is called behind the name of its forge.
const SECRETS: [&str; 5] = [
    "token",
    "app.pem",
    "app-client-id",
    "app-client-secret",
    "webhook",
];

impl Files {
    pub(super) fn new(config: &Path) -> Self {
        let dir = config.parent().unwrap_or(Path::new("/"));
        Self {
            config: config.to_owned(),
            secrets: dir.join("secrets"),
        }
    }

    /// Whether no secret of a forge of this name is there.
    pub(super) fn are_free(&self, name: &str) -> Result<(), String> {
        let mut files = SECRETS.map(|what| self.secret(name, what)).into_iter();
        match files.find(|file| file.exists()) {
            Some(file) => Err(format!(
                "{} is there already: choose another name, or move it away",
                file.display()
            )),
            None => Ok(()),
        }
    }

    fn secret(&self, name: &str, what: &str) -> PathBuf {
        self.secrets.join(format!("{name}-{what}"))
    }

    /// The file with what webhooks of a forge are signed with.
    pub(super) fn webhook_secret(&self, name: &str) -> PathBuf {
        self.secret(name, "webhook")
    }

    /// Writes everything, the settings last.
    pub(super) fn write(
        &self,
        answers: &Answers,
        proof: &Proof,
        webhook_secret: &SecretString,
    ) -> Result<(), Failure> {
        let owner = owner();
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |error: io::Error| Failure::infrastructure(anyhow!("cannot write {path}: {error}"))
        };
        for dir in [&answers.state_dir, &self.secrets] {
            make_dir(dir, owner).map_err(failed(dir))?;
        }
        let mut secrets = vec![(self.webhook_secret(&answers.name), webhook_secret)];
        match proof {
            Proof::None => {}
            Proof::Token(token) => secrets.push((self.secret(&answers.name, "token"), token)),
            Proof::App(app) => {
                // GitHub shows these once. Logins will need the last two.
                let secret = |what| self.secret(&answers.name, what);
                secrets.extend([
                    (secret("app.pem"), &app.key),
                    (secret("app-client-id"), &app.client_id),
                    (secret("app-client-secret"), &app.client_secret),
                ]);
            }
        }
        for (file, secret) in &secrets {
            let text = format!("{}\n", secret.expose_secret().trim_end());
            write_new(file, &text, 0o600, owner).map_err(failed(file))?;
        }
        let text = self.settings(answers, proof);
        write_new(&self.config, &text, 0o644, None).map_err(failed(&self.config))
    }

    /// The text of the settings.
    fn settings(&self, answers: &Answers, proof: &Proof) -> String {
        let (name, kind) = (&answers.name, answers.kind);
        let set = |key: &str, value: &dyn Display| format!("{key} = {}", quoted(value));
        let file = |key: &str, what: &str| set(key, &self.secret(name, what).display());
        let url = answers.url.as_str();
        let mut lines = vec![
            "# Written by `nixci serve --init`. examples/server/nixci-server.toml has every setting."
                .to_owned(),
            String::new(),
            "# Where the server listens, and where people and forges reach it.".to_owned(),
            set("listen", &answers.listen),
            set("url", &url.trim_end_matches('/')),
            "# The database, the mirrors and the logs.".to_owned(),
            set("state_dir", &answers.state_dir.display()),
            String::new(),
            format!("# Its webhooks come to {url}webhook/{name}."),
            format!("[forge.{name}]"),
            set("kind", &kind.as_str()),
        ];
        if kind != ForgeSoftware::Plain {
            lines.push(set("url", &answers.forge_url));
        }
        match proof {
            Proof::None => {}
            Proof::Token(_) => lines.push(file("token_file", "token")),
            Proof::App(app) => {
                let id = app.id;
                lines.extend([format!("app_id = {id}"), file("app_key_file", "app.pem")]);
            }
        }
        lines.push(file("webhook_secret_file", "webhook"));
        if kind == ForgeSoftware::Plain {
            for repository in &answers.repositories {
                lines.extend([
                    String::new(),
                    format!("[forge.{name}.repository.{}]", quoted(repository)),
                    set("url", &answers.forge_url),
                    "# How often to look for news that no webhook tells.".to_owned(),
                    set("poll", &"5m"),
                    "# Whether everybody may see its pages.".to_owned(),
                    "# public = true".to_owned(),
                ]);
            }
        } else {
            let list = |names: &[String]| {
                let names: Vec<String> = names.iter().map(quoted).collect();
                format!("[{}]", names.join(", "))
            };
            lines.extend([
                "# Repositories with one of these topics are built, if they belong to one of these owners.".to_owned(),
                "topics = [\"nixci\"]".to_owned(),
            ]);
            if !answers.owners.is_empty() {
                lines.push(format!("owners = {}", list(&answers.owners)));
            }
            lines.extend([
                "# And these, whoever has them.".to_owned(),
                format!("repositories = {}", list(&answers.repositories)),
            ]);
        }
        lines.join("\n") + "\n"
    }
}

/// A string of TOML.
fn quoted(text: impl Display) -> String {
    toml::Value::String(text.to_string()).to_string()
}

/// Whom secrets and state are to belong to: the user that the unit runs the server as, where root writes and there is one.
fn owner() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let number = |option: &str| {
        let output = Command::new("id").args([option, USER]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    Some((number("-u")?, number("-g")?))
}

/// Makes a folder that is for its owner alone, and keeps one that is there as it is.
fn make_dir(dir: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent() {
        fs::create_dir_all(above)?;
    }
    DirBuilder::new().mode(0o700).create(dir)?;
    give(dir, owner)
}

/// Writes a file that is not there yet.
fn write_new(file: &Path, text: &str, mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut new = options.write(true).create_new(true).mode(mode).open(file)?;
    new.write_all(text.as_bytes())?;
    give(file, owner)
}

fn give(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    match owner {
        Some((user, group)) => chown(path, Some(user), Some(group)),
        None => Ok(()),
    }
}
