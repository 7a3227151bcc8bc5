//! Where outputs go, and the command that brings them there.
//!
//! Pure: decides on programs and arguments, starts nothing.

use std::{fmt, path::PathBuf};

use crate::nix::{StorePath, StoreUrl, without_secrets};

/// Somewhere outputs are copied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A store that Nix itself writes to.
    Nix(StoreUrl),
    /// A cache of Cachix, by its name.
    Cachix(String),
    /// A cache of an Attic server: `CACHE` or `SERVER:CACHE`.
    Attic(String),
    /// A niks3 server.
    Niks3(StoreUrl),
}

/// Why something is no destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// It would be read as an option, or is no name at all.
    #[error(
        "`{name}` is no name of a cache: letters, digits and `-_.:` may be in one, the first of them no `-`"
    )]
    Name {
        /// The text.
        name: String,
    },
    /// A niks3 server is reached over HTTP.
    #[error("`{url}` is no URL of a niks3 server: it begins with https:// or http://")]
    Server {
        /// The URL, without passwords.
        url: String,
    },
}

/// How `nix copy` is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NixCopy {
    /// The program `nix`.
    pub program: PathBuf,
    /// The store the outputs are in, as Nix names it; `None`: the one it uses by itself.
    pub source: Option<StoreUrl>,
    /// What Nix uses by itself, for where its own setting is needed for something else.
    pub default_source: StoreUrl,
    /// `NIX_CONFIG` of this process and the `--option`s of the command line, a setting a line.
    pub config: String,
}

/// A program to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The program: a path, or a name to be looked for on `PATH`.
    pub program: PathBuf,
    /// Its arguments; none is secret.
    pub args: Vec<String>,
    /// Variables besides those of this process; may be secret.
    pub env: Vec<(&'static str, String)>,
    /// What it reads.
    pub stdin: String,
}

impl Destination {
    /// A cache of Cachix.
    pub fn cachix(name: &str) -> Result<Self, DestinationError> {
        Ok(Self::Cachix(cache_name(name)?))
    }

    /// A cache of an Attic server.
    pub fn attic(name: &str) -> Result<Self, DestinationError> {
        Ok(Self::Attic(cache_name(name)?))
    }

    /// A niks3 server.
    pub fn niks3(url: StoreUrl) -> Result<Self, DestinationError> {
        if ["http", "https"].contains(&url.scheme()) {
            Ok(Self::Niks3(url))
        } else {
            Err(DestinationError::Server {
                url: url.to_string(),
            })
        }
    }

    /// The program beside Nix that it takes, and how to get it.
    pub fn tool(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Nix(_) => None,
            Self::Cachix(_) => Some(("cachix", "nix profile install nixpkgs#cachix")),
            Self::Attic(_) => Some(("attic", "nix profile install nixpkgs#attic-client")),
            Self::Niks3(_) => Some(("niks3", "nix profile install github:Mic92/niks3")),
        }
    }

    /// The command that copies these paths, with all they refer to.
    pub fn push(&self, nix: &NixCopy, paths: &[StorePath]) -> Invocation {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        let lines = || {
            let lines = paths.iter().flat_map(|path| [path.as_str(), "\n"]);
            lines.collect::<String>()
        };
        match self {
            Self::Nix(url) => nix.to(url, &[], paths),
            // Without arguments it reads the paths.
            Self::Cachix(name) => Invocation {
                program: "cachix".into(),
                args: words(&["push", name]),
                stdin: lines(),
                ..Invocation::default()
            },
            Self::Attic(cache) => Invocation {
                program: "attic".into(),
                args: words(&["push", cache, "--stdin"]),
                stdin: lines(),
                ..Invocation::default()
            },
            // It does not read the paths.
            Self::Niks3(url) => Invocation {
                program: "niks3".into(),
                args: ["push".to_owned()]
                    .into_iter()
                    .chain(paths.iter().map(ToString::to_string))
                    .collect(),
                // In place of `--server-url`: it may hold a password.
                env: vec![("NIKS3_SERVER_URL", url.as_str().to_owned())],
                ..Invocation::default()
            },
        }
    }

    /// A text without what must not be shown of this destination.
    pub fn without_secrets(&self, text: &str) -> String {
        match self {
            Self::Nix(url) | Self::Niks3(url) => without_secrets(text, &url.secrets()),
            Self::Cachix(_) | Self::Attic(_) => text.to_owned(),
        }
    }
}

/// The name for people.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nix(url) => url.fmt(f),
            Self::Cachix(name) => write!(f, "cachix {name}"),
            Self::Attic(cache) => write!(f, "attic {cache}"),
            Self::Niks3(url) => write!(f, "niks3 {url}"),
        }
    }
}

impl NixCopy {
    /// `nix copy --to URL` with these options. Paths are arguments: Nix 2.8 cannot read them. Signatures are not asked for: what
    /// was built here has none, and a store that does not trust this user asks for them all the same.
    pub fn to(&self, url: &StoreUrl, options: &[&str], paths: &[StorePath]) -> Invocation {
        let mut config = self.config.clone();
        let mut args: Vec<String> = [
            "--extra-experimental-features",
            "nix-command",
            "copy",
            // So that also an older one names what it copies.
            "--verbose",
            "--no-check-sigs",
        ]
        .map(str::to_owned)
        .into();
        if url.secrets().is_empty() {
            if let Some(source) = &self.source {
                args.extend(["--from".to_owned(), source.as_str().to_owned()]);
            }
            args.extend(["--to".to_owned(), url.as_str().to_owned()]);
        } else {
            // Without `--to` it copies to the store of its settings, and everybody on this machine can read arguments.
            let source = self.source.as_ref().unwrap_or(&self.default_source);
            args.extend(["--from".to_owned(), source.as_str().to_owned()]);
            config.push_str("\nstore = ");
            config.push_str(url.as_str());
        }
        args.extend(options.iter().map(ToString::to_string));
        args.extend(paths.iter().map(ToString::to_string));
        Invocation {
            program: self.program.clone(),
            args,
            env: vec![("NIX_CONFIG", config)],
            stdin: String::new(),
        }
    }
}

fn cache_name(name: &str) -> Result<String, DestinationError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(allowed) {
        return Err(DestinationError::Name {
            name: name.escape_debug().to_string(),
        });
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests;
