//! A forge, as the file has it.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::{OneOrMore, Reader, private_inputs};
use crate::config::{
    Access, ConfigError, ForgeConfig, ForgeSoftware, PlainRepository, WriteLimits,
    server::words::base_url,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    kind: ForgeSoftware,
    url: Option<Spanned<String>>,
    api_url: Option<Spanned<String>>,
    token_file: Option<Spanned<PathBuf>>,
    app_id: Option<u64>,
    app_key_file: Option<Spanned<PathBuf>>,
    webhook_secret_file: Option<Spanned<OneOrMore>>,
    topics: Option<Vec<String>>,
    owners: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    repositories: Vec<Spanned<String>>,
    writes_per_minute: Option<Spanned<usize>>,
    writes_per_hour: Option<Spanned<usize>>,
    #[serde(default)]
    private_inputs: Vec<private_inputs::Keys>,
    #[serde(default)]
    repository: BTreeMap<String, Plain>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    url: Spanned<String>,
    #[serde(default = "default_branch")]
    default_branch: String,
    poll: Option<Spanned<String>>,
    #[serde(default)]
    public: bool,
}

fn default_branch() -> String {
    "main".to_owned()
}

impl Reader<'_> {
    pub(super) fn forge(
        &self,
        keys: Keys,
        span: std::ops::Range<usize>,
    ) -> Result<ForgeConfig, ConfigError> {
        let missing = |what: &str| self.wrong(span.clone(), &format!("{what} is missing"));
        let url = match &keys.url {
            Some(url) => self.meaning(url, base_url)?,
            None => match keys.kind {
                ForgeSoftware::Github => known_url("https://github.com/"),
                ForgeSoftware::Gitlab => known_url("https://gitlab.com/"),
                ForgeSoftware::Plain => known_url("https://localhost/"),
                ForgeSoftware::Gitea | ForgeSoftware::Forgejo => return Err(missing("`url`")),
            },
        };
        let api_url = match &keys.api_url {
            Some(url) => self.meaning(url, base_url)?,
            None => api_url(keys.kind, &url),
        };
        let access = self.access(&keys, &span)?;
        let plain = self.plain(keys.repository)?;
        if keys.kind != ForgeSoftware::Plain && !plain.is_empty() {
            let message = "`repository` is for forges of kind \"plain\"; use `repositories = [\"owner/name\"]`";
            return Err(self.wrong(span, message));
        }
        if keys.kind == ForgeSoftware::Plain
            && keys.url.is_none()
            && !keys.private_inputs.is_empty()
        {
            let message = "`url` is missing: private inputs are fetched from there";
            return Err(self.wrong(span, message));
        }
        let private_inputs = self.private_inputs(keys.private_inputs, keys.kind, &access)?;
        let usual = WriteLimits::of(keys.kind);
        Ok(ForgeConfig {
            private_inputs,
            writes: WriteLimits {
                per_minute: self.count(keys.writes_per_minute)?.or(usual.per_minute),
                per_hour: self.count(keys.writes_per_hour)?.or(usual.per_hour),
            },
            kind: keys.kind,
            url,
            api_url,
            access,
            webhook_secrets: self.secrets(keys.webhook_secret_file)?,
            topics: keys
                .topics
                .unwrap_or_else(|| ["nixci", "build-with-buildbot"].map(str::to_owned).to_vec()),
            owners: self.owners(keys.owners, keys.kind)?,
            repositories: self.list(&keys.repositories, |text| {
                let is_named = text
                    .split_once('/')
                    .is_some_and(|(owner, name)| !owner.is_empty() && !name.is_empty());
                if is_named {
                    Ok(text.to_owned())
                } else {
                    Err("write `owner/name`, or `owner/*` for all of an owner's")
                }
            })?,
            plain,
        })
    }

    fn access(&self, keys: &Keys, span: &std::ops::Range<usize>) -> Result<Access, ConfigError> {
        let wrong = |why: &str| self.wrong(span.clone(), why);
        let missing = |what: &str| wrong(&format!("{what} is missing"));
        match (&keys.token_file, keys.app_id, &keys.app_key_file) {
            (Some(file), None, None) => {
                Ok(Access::Token(self.secret(file.get_ref(), file.span())?))
            }
            (None, Some(id), Some(file)) if keys.kind == ForgeSoftware::Github => Ok(Access::App {
                id,
                key: self.secret(file.get_ref(), file.span())?,
            }),
            (None, None, None) if keys.kind == ForgeSoftware::Plain => Ok(Access::None),
            (None, None, None) if keys.kind == ForgeSoftware::Github => {
                Err(missing("`token_file`, or `app_id` with `app_key_file`,"))
            }
            (None, None, None) => Err(missing("`token_file`")),
            (None, Some(_), None) => Err(missing("`app_key_file`")),
            (None, None, Some(_)) => Err(missing("`app_id`")),
            (None, Some(_), Some(_)) => Err(wrong("only GitHub knows apps: set `token_file`")),
            (Some(_), _, _) => Err(wrong(
                "set `token_file`, or `app_id` with `app_key_file`, not both",
            )),
        }
    }

    fn plain(
        &self,
        keys: BTreeMap<String, Plain>,
    ) -> Result<BTreeMap<String, PlainRepository>, ConfigError> {
        let read = keys.into_iter().map(|(name, plain)| {
            let repository = PlainRepository {
                url: self.meaning(&plain.url, |text| {
                    Url::parse(text).map_err(|error| format!("`{text}` is no URL: {error}"))
                })?,
                default_branch: plain.default_branch,
                poll: self.duration(plain.poll.as_ref())?,
                public: plain.public,
            };
            Ok((name, repository))
        });
        read.collect()
    }
}

fn known_url(text: &'static str) -> Url {
    Url::parse(text).expect("it is a URL")
}

pub(in crate::config::server) fn api_url(kind: ForgeSoftware, url: &Url) -> Url {
    let below = |path: &str| url.join(path).expect("a path can follow an http URL");
    match kind {
        ForgeSoftware::Github if url.host_str() == Some("github.com") => {
            known_url("https://api.github.com/")
        }
        ForgeSoftware::Github => below("api/v3/"),
        ForgeSoftware::Gitea | ForgeSoftware::Forgejo => below("api/v1/"),
        ForgeSoftware::Gitlab => below("api/v4/"),
        ForgeSoftware::Plain => url.clone(),
    }
}
