//! What opens private inputs of flakes at a forge, and to whose evaluations.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::{ForgeSoftware, PrivateHost, RefPattern, ServerConfig};

/// A token that reads repositories of a forge, and the repositories whose evaluations get it.
#[derive(Clone, Debug)]
pub struct PrivateInputs {
    /// Where the token is read from.
    pub token_file: PathBuf,
    /// The token.
    pub token: SecretString,
    /// The name that goes with it.
    pub user: String,
    /// For which repositories, by `OWNER/NAME` at this forge or `FORGE/OWNER/NAME`.
    pub repositories: Vec<RefPattern>,
    /// Whether also for pull requests of people who may write.
    pub pull_requests: bool,
}

impl PrivateInputs {
    /// Whether a repository of a forge gets what opens the forge `of`. One that everybody may see has to be named in full:
    /// whoever sees it sees what is said of its inputs, and what its lock file says opens them in the store.
    fn is_for(&self, of: &str, forge: &str, full_name: &str, private: bool) -> bool {
        let long = format!("{forge}/{full_name}");
        let slashes = |text: &str| text.matches('/').count();
        self.repositories.iter().any(|pattern| {
            let text = pattern.as_str();
            // Neither does `*` reach over to another forge, nor an owner of this one that is called like a forge.
            let names_forge =
                text.starts_with(&format!("{forge}/")) && slashes(text) >= slashes(&long).min(2);
            let name = if of == forge && pattern.matches(full_name) {
                full_name
            } else if names_forge && pattern.matches(&long) {
                &long
            } else {
                return false;
            };
            private || text == name
        })
    }
}

/// Where something may be fetched from at a host whose token evaluations may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The port; `None`: any.
    pub port: Option<u16>,
    /// Whether by TLS; `None`: with or without.
    pub tls: Option<bool>,
}

impl ServerConfig {
    /// What evaluations of a repository may get, and the names of the forges that it opens: of each forge the first.
    pub fn private_inputs<'c>(
        &'c self,
        forge: &str,
        full_name: &str,
        private: bool,
    ) -> impl Iterator<Item = (&'c str, &'c PrivateInputs)> {
        self.forges.iter().filter_map(move |(of, known)| {
            let mut inputs = known.private_inputs.iter();
            let found = inputs.find(|inputs| inputs.is_for(of, forge, full_name, private))?;
            Some((of.as_str(), found))
        })
    }

    /// The hosts whose tokens evaluations may have, as URLs have them, and where something may be fetched from there: a
    /// token is found by the name of the host alone, and is shown to nothing else that listens there.
    pub fn guarded_hosts(&self) -> impl Iterator<Item = (String, Vec<Entrance>)> {
        let opened = self.forges.values();
        let opened = opened.filter(|forge| !forge.private_inputs.is_empty());
        opened.filter_map(|forge| {
            let name = forge.url.host_str()?.to_owned();
            let entrances = self.entrances(&name);
            Some((name, entrances))
        })
    }

    /// Whether a forge is all that is fetched from at its host.
    pub fn has_host_of_its_own(&self, forge: &Url) -> bool {
        let name = forge.host_str().unwrap_or_default();
        self.entrances(name)
            .iter()
            .all(|found| *found == Entrance::of(forge))
    }

    /// All that the settings name at a host.
    fn entrances(&self, name: &str) -> Vec<Entrance> {
        let is_there = |url: &&Url| url.host_str() == Some(name);
        let urls = self.forges.values().flat_map(|forge| {
            let plain = forge.plain.values().map(|repository| &repository.url);
            [&forge.url, &forge.api_url].into_iter().chain(plain)
        });
        let named = self.private_hosts.iter().filter(|host| host.name == name);
        let named = named.map(|PrivateHost { port, .. }| Entrance {
            port: *port,
            tls: None,
        });
        urls.filter(is_there)
            .map(Entrance::of)
            .chain(named)
            .collect()
    }
}

impl Entrance {
    fn of(url: &Url) -> Self {
        Self {
            port: url.port_or_known_default(),
            tls: Some(url.scheme() == "https"),
        }
    }
}

/// The name that goes with a token where nothing else is said: what a forge takes for any.
pub(super) fn usual_user(kind: ForgeSoftware) -> &'static str {
    match kind {
        ForgeSoftware::Github => "x-access-token",
        ForgeSoftware::Gitlab => "oauth2",
        ForgeSoftware::Gitea | ForgeSoftware::Forgejo | ForgeSoftware::Plain => "nixci",
    }
}

/// Whether a token or a user can stand in the files that Nix, git and curl read, and in a header. An error says what they
/// have.
pub(super) fn word(text: &str) -> Result<(), &'static str> {
    let is_word = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._~+/=".contains(c));
    if is_word {
        Ok(())
    } else {
        Err("has letters, digits and `-._~+/=` only, in one line")
    }
}
