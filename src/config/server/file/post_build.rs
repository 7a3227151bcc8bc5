//! `[[post_build]]` and `[secrets]` as they are written.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    time::Duration,
};

use secrecy::SecretString;
use serde::Deserialize;
use toml::Spanned;

use super::Reader;
use crate::{
    config::{
        ConfigError,
        server::{ForgeConfig, PostBuildStep, RefPattern, Template},
    },
    nix::CheckPattern,
};

/// How long a command may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(60 * 60);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    name: Spanned<String>,
    command: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    environment: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    warn_only: bool,
    repositories: Option<Vec<Spanned<String>>>,
    branches: Option<Vec<Spanned<String>>>,
    tags: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pull_requests: bool,
    checks: Option<Vec<Spanned<String>>>,
    timeout: Option<Spanned<String>>,
}

impl Reader<'_> {
    /// Reads the commands, and the secrets that are for them.
    pub(super) fn post_builds(
        &self,
        steps: Vec<Step>,
        secrets: BTreeMap<String, Spanned<PathBuf>>,
        forges: &BTreeMap<String, ForgeConfig>,
    ) -> Result<Vec<PostBuildStep>, ConfigError> {
        let secrets = secrets.into_iter().map(|(name, file)| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            if name.is_empty() || !name.chars().all(is_name) {
                let message = "the name of a secret has letters, digits, `-` and `_` only";
                return Err(self.wrong(file.span(), message));
            }
            let secret = self.secret(file.get_ref(), file.span())?;
            Ok((name, secret))
        });
        let secrets: HashMap<String, SecretString> = secrets.collect::<Result<_, ConfigError>>()?;
        let mut names = HashSet::new();
        let steps = steps.into_iter().map(|step| {
            let span = step.name.span();
            let step = self.post_build(&step, &secrets, forges)?;
            if !names.insert(step.name.clone()) {
                return Err(self.wrong(span, "another step has this name"));
            }
            Ok(step)
        });
        steps.collect()
    }

    fn post_build(
        &self,
        keys: &Step,
        secrets: &HashMap<String, SecretString>,
        forges: &BTreeMap<String, ForgeConfig>,
    ) -> Result<PostBuildStep, ConfigError> {
        if keys.command.get_ref().is_empty() {
            let message = "the program is missing: write `[\"program\", \"argument\"]`";
            return Err(self.wrong(keys.command.span(), message));
        }
        let globs = |patterns: &Option<Vec<Spanned<String>>>| {
            let patterns = patterns.as_ref();
            patterns
                .map(|patterns| self.list(patterns, RefPattern::parse))
                .transpose()
        };
        let environment = keys.environment.iter().map(|(name, value)| {
            let is_name = !name.is_empty() && !name.contains(['=', '\0']);
            if !is_name {
                return Err(self.wrong(value.span(), "that is no name of a variable"));
            }
            let template = self.meaning(value, |text| template(text, secrets))?;
            if keys.pull_requests && template.secrets().next().is_some() {
                let message = "a step for pull requests is given no secrets";
                return Err(self.wrong(value.span(), message));
            }
            Ok((name.clone(), template))
        });
        Ok(PostBuildStep {
            name: self.meaning(&keys.name, step_name)?,
            environment: environment.collect::<Result<_, _>>()?,
            command: self.list(keys.command.get_ref(), |text| {
                let template = template(text, secrets)?;
                if template.secrets().next().is_some() {
                    return Err(
                        "everybody on this machine sees a command: give it the secret in `environment`"
                            .to_owned(),
                    );
                }
                Ok(template)
            })?,
            warn_only: keys.warn_only,
            repositories: self.repositories(keys.repositories.as_ref(), forges)?,
            branches: globs(&keys.branches)?,
            tags: globs(&keys.tags)?,
            pull_requests: keys.pull_requests,
            checks: keys
                .checks
                .as_ref()
                .map(|checks| self.list(checks, CheckPattern::parse))
                .transpose()?,
            timeout: self.duration(keys.timeout.as_ref())?.unwrap_or(TIMEOUT),
        })
    }
}

fn template(text: &str, secrets: &HashMap<String, SecretString>) -> Result<Template, String> {
    if text.contains('\0') {
        return Err("no program can be given a NUL".to_owned());
    }
    Template::parse(text, secrets)
}

fn step_name(name: &str) -> Result<String, &'static str> {
    let is_short = !name.is_empty() && name.chars().count() <= 100;
    if is_short && !name.contains(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err("the name of a step has 1 to 100 characters")
    }
}
