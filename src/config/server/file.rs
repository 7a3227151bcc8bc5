//! `nixci-server.toml` as it is written.

pub(super) mod forge;
mod owners;
mod post_build;
mod private_inputs;
mod schedule;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Display,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;
use serde::Deserialize;
use toml::Spanned;

use super::{
    CtlToken, ForgeConfig, Limits, Listen, PrivateHost, PullRequests, RefPattern,
    RepositoryPattern, ServerConfig, StatusNames, WallsWanted,
    secret::read_secret,
    words::{base_url, forge_name},
};
use crate::{
    config::{ConfigError, Upload, excerpt::Place, parse_duration},
    nix::System,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    listen: Spanned<String>,
    url: Spanned<String>,
    #[serde(default)]
    behind_proxy: bool,
    #[serde(default = "default_state_dir")]
    state_dir: Spanned<PathBuf>,
    socket: Option<PathBuf>,
    ctl_token_file: Option<Spanned<OneOrMore>>,
    outputs_dir: Option<Spanned<PathBuf>>,
    #[serde(default)]
    forge: BTreeMap<String, Spanned<forge::Keys>>,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    pull_requests: PullRequestKeys,
    #[serde(default)]
    branches: Vec<Spanned<String>>,
    #[serde(default)]
    tags: Vec<Spanned<String>>,
    #[serde(default)]
    limits: LimitKeys,
    #[serde(default)]
    isolation: WallsWanted,
    #[serde(default)]
    private_hosts: Vec<Spanned<String>>,
    systems: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    upload: Upload,
    #[serde(default)]
    secrets: BTreeMap<String, Spanned<PathBuf>>,
    #[serde(default)]
    post_build: Vec<post_build::Step>,
    #[serde(default)]
    schedule: Vec<schedule::Keys>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Status {
    prefix: Option<Spanned<String>>,
    failures: usize,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            prefix: None,
            failures: 47,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PullRequestKeys {
    build: PullRequests,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitKeys {
    jobs: Option<Spanned<usize>>,
    evaluations: Option<Spanned<usize>>,
    eval_workers: Option<Spanned<usize>>,
    eval_memory: Option<Spanned<u64>>,
    eval_timeout: Option<Spanned<String>>,
    attributes: Option<Spanned<usize>>,
    timeout: Option<Spanned<String>>,
    max_silent_time: Option<Spanned<String>>,
    failed_for: Option<Spanned<String>>,
    keep_runs: Option<Spanned<String>>,
    keep_outputs: Option<usize>,
    post_builds: Option<Spanned<usize>>,
    drain: Option<Spanned<String>>,
}

/// A file, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(PathBuf),
    More(Vec<PathBuf>),
}

fn default_state_dir() -> Spanned<PathBuf> {
    Spanned::new(0..0, "/var/lib/nixci".into())
}

/// Reads the text of the file of this name.
pub(super) fn parse(name: &str, text: &str) -> Result<ServerConfig, ConfigError> {
    let keys: Keys = toml::from_str(text).map_err(|error| Place::of_toml(name, text, &error))?;
    let reader = Reader {
        name,
        text,
        secrets: RefCell::default(),
    };
    let state_dir = reader.folder(keys.state_dir, "state_dir")?;
    let outputs_dir = keys
        .outputs_dir
        .map(|dir| reader.folder(dir, "outputs_dir"))
        .transpose()?;
    let forges = keys.forge.into_iter().map(|(forge, keys)| {
        let span = keys.span();
        if let Err(message) = forge_name(&forge) {
            return Err(reader.wrong(span, message));
        }
        let read = reader.forge(keys.into_inner(), span)?;
        Ok((forge, read))
    });
    let forges: BTreeMap<_, _> = forges.collect::<Result<_, _>>()?;
    let prefix = keys
        .status
        .prefix
        .map(|prefix| reader.meaning(&prefix, status_prefix))
        .transpose()?;
    Ok(ServerConfig {
        listen: reader.meaning(&keys.listen, Listen::parse)?,
        url: reader.meaning(&keys.url, base_url)?,
        behind_proxy: keys.behind_proxy,
        socket: keys.socket.unwrap_or_else(|| state_dir.join("nixci.sock")),
        state_dir,
        ctl_tokens: reader.ctl_tokens(keys.ctl_token_file)?,
        outputs_dir,
        statuses: StatusNames {
            prefix: prefix.unwrap_or_else(|| "nixci".to_owned()),
            failures: keys.status.failures,
        },
        pull_requests: keys.pull_requests.build,
        branches: reader.list(&keys.branches, RefPattern::parse)?,
        tags: reader.list(&keys.tags, RefPattern::parse)?,
        limits: reader.limits(keys.limits)?,
        isolation: keys.isolation,
        private_hosts: reader.list(&keys.private_hosts, PrivateHost::parse)?,
        systems: keys
            .systems
            .map(|systems| reader.list(&systems, System::parse))
            .transpose()?,
        upload: keys.upload,
        post_builds: reader.post_builds(keys.post_build, keys.secrets, &forges)?,
        schedules: reader.schedules(&keys.schedule, &forges)?,
        forges,
        // After all that reads some.
        secrets: reader.secrets.take(),
    })
}

/// Knows the text, to say where in it something is wrong.
struct Reader<'t> {
    name: &'t str,
    text: &'t str,
    /// The secrets that were read so far.
    secrets: RefCell<Vec<SecretString>>,
}

impl Reader<'_> {
    fn wrong(&self, span: std::ops::Range<usize>, message: &str) -> ConfigError {
        Place::new(self.name, self.text, span).error(message.to_owned())
    }

    fn meaning<T, E: Display>(
        &self,
        value: &Spanned<String>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError> {
        parse(value.get_ref()).map_err(|error| self.wrong(value.span(), &error.to_string()))
    }

    fn list<T, E: Display>(
        &self,
        values: &[Spanned<String>],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, ConfigError> {
        values
            .iter()
            .map(|value| self.meaning(value, &parse))
            .collect()
    }

    /// The patterns that choose repositories; none: nothing was said.
    fn repositories(
        &self,
        patterns: Option<&Vec<Spanned<String>>>,
        forges: &BTreeMap<String, ForgeConfig>,
    ) -> Result<Option<Vec<RepositoryPattern>>, ConfigError> {
        patterns
            .map(|patterns| self.list(patterns, |text| RepositoryPattern::parse(text, forges)))
            .transpose()
    }

    fn duration(&self, value: Option<&Spanned<String>>) -> Result<Option<Duration>, ConfigError> {
        value
            .map(|value| self.meaning(value, parse_duration))
            .transpose()
    }

    /// A folder that is the same wherever the server is started.
    fn folder(&self, dir: Spanned<PathBuf>, key: &str) -> Result<PathBuf, ConfigError> {
        if !dir.get_ref().is_absolute() {
            return Err(self.wrong(dir.span(), &format!("`{key}` is not an absolute path")));
        }
        Ok(dir.into_inner())
    }

    /// A number that is not zero.
    fn count(&self, value: Option<Spanned<usize>>) -> Result<Option<usize>, ConfigError> {
        match value {
            Some(count) if *count.get_ref() == 0 => {
                Err(self.wrong(count.span(), "there has to be at least one"))
            }
            count => Ok(count.map(Spanned::into_inner)),
        }
    }

    /// A number of MiB, in bytes.
    fn mib(&self, value: &Spanned<u64>) -> Result<u64, ConfigError> {
        let bytes = value.get_ref().checked_mul(1 << 20);
        bytes
            .filter(|bytes| *bytes > 0)
            .ok_or_else(|| self.wrong(value.span(), "write a number of MiB, at least 1"))
    }

    fn secret(
        &self,
        path: &Path,
        span: std::ops::Range<usize>,
    ) -> Result<SecretString, ConfigError> {
        let secret = read_secret(path).map_err(|message| self.wrong(span, &message))?;
        self.secrets.borrow_mut().push(secret.clone());
        Ok(secret)
    }

    fn secrets(&self, files: Option<Spanned<OneOrMore>>) -> Result<Vec<SecretString>, ConfigError> {
        let read = self.read_each(files)?.into_iter();
        Ok(read.map(|(_, secret)| secret).collect())
    }

    /// The tokens for orders. Each is called as its file is.
    fn ctl_tokens(&self, files: Option<Spanned<OneOrMore>>) -> Result<Vec<CtlToken>, ConfigError> {
        let named = |(path, token): (PathBuf, SecretString)| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            CtlToken {
                name: name.into_owned(),
                token,
            }
        };
        Ok(self.read_each(files)?.into_iter().map(named).collect())
    }

    /// What these files have, each with its file.
    fn read_each(
        &self,
        files: Option<Spanned<OneOrMore>>,
    ) -> Result<Vec<(PathBuf, SecretString)>, ConfigError> {
        let Some(files) = files else {
            return Ok(Vec::new());
        };
        let span = files.span();
        let files = match files.into_inner() {
            OneOrMore::One(file) => vec![file],
            OneOrMore::More(files) => files,
        };
        let read = files.into_iter().map(|file| {
            let secret = self.secret(&file, span.clone())?;
            Ok((file, secret))
        });
        read.collect()
    }

    fn limits(&self, keys: LimitKeys) -> Result<Limits, ConfigError> {
        let default = Limits::default();
        let or = |value: &Option<Spanned<String>>, default| {
            Ok::<_, ConfigError>(self.duration(value.as_ref())?.unwrap_or(default))
        };
        Ok(Limits {
            jobs: self.count(keys.jobs)?,
            evaluations: self.count(keys.evaluations)?.unwrap_or(default.evaluations),
            eval_workers: self.count(keys.eval_workers)?,
            eval_memory: keys.eval_memory.map(|mib| self.mib(&mib)).transpose()?,
            eval_timeout: or(&keys.eval_timeout, default.eval_timeout)?,
            attributes: self.count(keys.attributes)?.unwrap_or(default.attributes),
            timeout: self.duration(keys.timeout.as_ref())?,
            max_silent_time: self.duration(keys.max_silent_time.as_ref())?,
            failed_for: or(&keys.failed_for, default.failed_for)?,
            keep_runs: or(&keys.keep_runs, default.keep_runs)?,
            keep_outputs: keys.keep_outputs.unwrap_or(default.keep_outputs),
            post_builds: self.count(keys.post_builds)?.unwrap_or(default.post_builds),
            drain: or(&keys.drain, default.drain)?,
        })
    }
}

fn status_prefix(text: &str) -> Result<String, &'static str> {
    let is_short = !text.is_empty() && text.len() <= 50;
    if is_short
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        Ok(text.to_owned())
    } else {
        Err("a prefix has letters, digits, `-`, `_` and `.` only, 50 at most")
    }
}
