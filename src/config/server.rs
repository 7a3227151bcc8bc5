//! What a server is told: `nixci-server.toml`.
//!
//! Written by whoever runs the server, so it is trusted, but checked all the same: a key that means nothing and a secret
//! that is not there are said with line and column before the server starts. Secrets stand in files of their own.

mod file;
mod post_build;
mod private_host;
mod private_inputs;
mod ref_pattern;
mod repository_pattern;
mod schedule;
mod secret;
mod template;
mod words;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use url::Url;

pub use self::{
    post_build::PostBuildStep,
    private_host::PrivateHost,
    private_inputs::{Entrance, PrivateInputs},
    ref_pattern::RefPattern,
    repository_pattern::RepositoryPattern,
    schedule::ServerSchedule,
    secret::make_secret,
    template::{Properties, Property, Template},
    words::{base_url, forge_name, forge_owner},
};
use super::{ConfigError, Upload};
use crate::nix::System;

/// The largest file that is read, in bytes.
const SIZE_MAX: u64 = 1 << 20;

/// What somebody shows who gives orders from another machine.
#[derive(Clone, Debug)]
pub struct CtlToken {
    /// Whose it is, for the audit log: the name of its file.
    pub name: String,
    /// What is shown.
    pub token: SecretString,
}

/// Everything that a server is told.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where it listens for HTTP.
    pub listen: Listen,
    /// Where people and forges reach it; ends with `/`.
    pub url: Url,
    /// Whether all requests come from a proxy, which says whom it has them from.
    pub behind_proxy: bool,
    /// The folder of the database, the mirrors and the logs.
    pub state_dir: PathBuf,
    /// Where `nixci ctl` reaches it.
    pub socket: PathBuf,
    /// What a program on another machine shows to use it as `nixci ctl` does; none: nobody may.
    pub ctl_tokens: Vec<CtlToken>,
    /// The folder for the paths of what was built; `None`: none are written.
    pub outputs_dir: Option<PathBuf>,
    /// All that was read from files of secrets: it is shown to nobody, wherever it comes up.
    pub secrets: Vec<SecretString>,
    /// The forges, by their names in URLs.
    pub forges: BTreeMap<String, ForgeConfig>,
    /// What commit statuses are called, and how many there are.
    pub statuses: StatusNames,
    /// Whose pull requests are built at once.
    pub pull_requests: PullRequests,
    /// Which branches are built besides the default one.
    pub branches: Vec<RefPattern>,
    /// Which tags are built.
    pub tags: Vec<RefPattern>,
    /// How much is done at once, and how long it may take.
    pub limits: Limits,
    /// What stands between evaluations and this machine.
    pub isolation: WallsWanted,
    /// Hosts of this network that evaluations may fetch from, besides the forges.
    pub private_hosts: Vec<PrivateHost>,
    /// The systems to build; `None`: those that Nix has a builder for.
    pub systems: Option<Vec<System>>,
    /// Where outputs go.
    pub upload: Upload,
    /// What is run after a check has passed, in this order.
    pub post_builds: Vec<PostBuildStep>,
    /// What is built again and again.
    pub schedules: Vec<ServerSchedule>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
    /// The socket that systemd hands over.
    Systemd,
}

/// A forge.
#[derive(Clone, Debug)]
pub struct ForgeConfig {
    /// What it is.
    pub kind: ForgeSoftware,
    /// Where its pages and repositories are; ends with `/`.
    pub url: Url,
    /// Where its interface is; ends with `/`.
    pub api_url: Url,
    /// How the server proves itself.
    pub access: Access,
    /// What signs its webhooks; the first is given to new ones, the others still count. None: no webhook is taken.
    pub webhook_secrets: Vec<SecretString>,
    /// Repositories with one of these topics are built.
    pub topics: Vec<String>,
    /// Of these only those of these owners, and on GitLab of the groups below them; none: of all.
    pub owners: Vec<String>,
    /// These repositories, `owner/name`, and all of these owners, `owner/*`, are built.
    pub repositories: Vec<String>,
    /// How much may be written to it.
    pub writes: WriteLimits,
    /// What opens private inputs at it to evaluations.
    pub private_inputs: Vec<PrivateInputs>,
    /// The repositories of a forge that has no interface, by name.
    pub plain: BTreeMap<String, PlainRepository>,
}

/// How much may be written to a forge, of each account there; `None`: as much as there is to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteLimits {
    /// In a minute.
    pub per_minute: Option<usize>,
    /// In an hour.
    pub per_hour: Option<usize>,
}

impl WriteLimits {
    /// What a forge takes that says nothing else. GitHub takes 80 in a minute and 500 in an hour from an account; others
    /// use it, too.
    fn of(kind: ForgeSoftware) -> Self {
        match kind {
            ForgeSoftware::Github => Self {
                per_minute: Some(70),
                per_hour: Some(450),
            },
            ForgeSoftware::Gitea
            | ForgeSoftware::Forgejo
            | ForgeSoftware::Gitlab
            | ForgeSoftware::Plain => Self::default(),
        }
    }
}

/// What software a forge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForgeSoftware {
    /// GitHub, or GitHub Enterprise.
    Github,
    /// Gitea.
    Gitea,
    /// Forgejo.
    Forgejo,
    /// GitLab.
    Gitlab,
    /// None at all: repositories that git can reach, and webhooks that anybody signs.
    Plain,
}

impl ForgeSoftware {
    /// Where the interface of one at this address is, unless it is said to be elsewhere; ends with `/`.
    pub fn api_url(self, url: &Url) -> Url {
        file::forge::api_url(self, url)
    }

    /// Its name, as in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitea => "gitea",
            Self::Forgejo => "forgejo",
            Self::Gitlab => "gitlab",
            Self::Plain => "plain",
        }
    }
}

/// How a server proves itself to a forge.
#[derive(Clone, Debug)]
pub enum Access {
    /// It does not.
    None,
    /// By a token of a user.
    Token(SecretString),
    /// As an app of GitHub's.
    App {
        /// The number of the app.
        id: u64,
        /// Its private key, in PEM.
        key: SecretString,
    },
}

/// A repository of a forge that has no interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainRepository {
    /// Where git finds it.
    pub url: Url,
    /// The branch that counts.
    pub default_branch: String,
    /// How often to look for news; `None`: never.
    pub poll: Option<Duration>,
    /// Whether everybody may see its pages.
    pub public: bool,
}

/// What commit statuses are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusNames {
    /// What their contexts begin with: `nixci`, or `buildbot` for those of buildbot-nix.
    pub prefix: String,
    /// How many failures of a commit get a status of their own.
    pub failures: usize,
}

/// Whose pull requests are built without being asked for; the strictest first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Deserialize,
    serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum PullRequests {
    /// Those of people who may write to the repository, and no others at all.
    Trusted,
    /// Those of people who may write; others once one of those has approved the commit.
    #[default]
    Approved,
    /// All.
    All,
}

/// What walls evaluations are to get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WallsWanted {
    /// Bubblewrap where it works, else Landlock, else none.
    #[default]
    Auto,
    /// Bubblewrap, or the server does not start.
    Bubblewrap,
    /// Landlock, or the server does not start.
    Landlock,
    /// None.
    None,
}

/// How much is done at once, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many builds there are on this machine at once; `None`: as Nix is set.
    pub jobs: Option<usize>,
    /// How many evaluations go on at once.
    pub evaluations: usize,
    /// How many workers all evaluations have together; `None`: by processors and memory.
    pub eval_workers: Option<usize>,
    /// The memory that all evaluations may use together, in bytes; `None`: three quarters of what is free.
    pub eval_memory: Option<u64>,
    /// How long an evaluation may take.
    pub eval_timeout: Duration,
    /// How many attributes an evaluation may find.
    pub attributes: usize,
    /// How long a build may take; `None`: as Nix is set.
    pub timeout: Option<Duration>,
    /// How long a build may be silent; `None`: as Nix is set.
    pub max_silent_time: Option<Duration>,
    /// For how long a derivation that failed is not built again.
    pub failed_for: Duration,
    /// How long runs and their logs are kept.
    pub keep_runs: Duration,
    /// How many different outputs of a check are kept from being collected, the newest ones, for each branch.
    pub keep_outputs: usize,
    /// How many commands there are at once that are run after checks have passed.
    pub post_builds: usize,
    /// How long running builds may go on when the server is told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const HOUR: u64 = 60 * 60;
        Self {
            jobs: None,
            evaluations: 2,
            eval_workers: None,
            eval_memory: None,
            eval_timeout: Duration::from_secs(HOUR),
            attributes: 100_000,
            timeout: None,
            max_silent_time: None,
            failed_for: Duration::from_secs(7 * 24 * HOUR),
            keep_runs: Duration::from_secs(90 * 24 * HOUR),
            keep_outputs: 1,
            post_builds: 4,
            drain: Duration::from_secs(60),
        }
    }
}

/// Where the key lies that goes with this socket of `nixci ctl`.
pub fn socket_key(socket: &std::path::Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

impl PullRequests {
    /// Its name, as in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Approved => "approved",
            Self::All => "all",
        }
    }
}

impl ServerConfig {
    /// Reads the file, and the secrets that it names.
    pub fn read(path: &std::path::Path) -> Result<Self, ConfigError> {
        let failed = |reason: String| ConfigError::unreadable(path, reason);
        let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
        if size.len() > SIZE_MAX {
            return Err(failed("it is larger than 1 MiB".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        file::parse(&path.display().to_string(), &text)
    }

    /// Where git finds a repository of a forge: by what the server was told, never by what came from outside. `None`: the
    /// name is not one that a repository can have, or no repository of a plain forge has it.
    pub fn clone_url(&self, forge: &str, full_name: &str) -> Option<Url> {
        let forge = self.forges.get(forge)?;
        if forge.kind == ForgeSoftware::Plain {
            return forge.plain.get(full_name).map(|plain| plain.url.clone());
        }
        let is_name = full_name
            .split('/')
            .all(|name| !name.is_empty() && name != "." && name != "..");
        let is_plain = full_name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/._-~+".contains(c));
        (is_name && is_plain && full_name.contains('/'))
            .then(|| forge.url.join(&format!("{full_name}.git")).ok())
            .flatten()
    }
}

#[cfg(test)]
mod tests;
