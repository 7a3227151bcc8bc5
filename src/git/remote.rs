//! Another repository: where it is, and what opens it.
//!
//! Pure: decides what may be asked and who is shown the credentials. Talks to nobody.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use url::{Host, Url};

use super::{MirrorError, address};

/// The repository that a mirror mirrors.
#[derive(Clone, Debug)]
pub struct Remote(pub(super) Place);

/// Where it is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Behind HTTP or HTTPS.
    Web {
        /// Without user, password, question and fragment.
        url: Url,
        /// Whether it is where the administrator said the forge is. Only then it may be in a private network.
        is_home: bool,
        /// What it is shown, and nobody else.
        credentials: Option<Credentials>,
    },
    /// A folder of this machine.
    Folder(PathBuf),
}

/// What opens a repository.
#[derive(Clone)]
pub struct Credentials {
    /// The name that goes with the token: `x-access-token` for GitHub, `oauth2` for GitLab, any for Gitea.
    pub user: String,
    /// The token or password.
    pub token: SecretString,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Remote {
    /// A repository of the forge whose web pages are below `home`, which comes from the configuration. `url` may come from
    /// anywhere. Elsewhere than at the forge's very scheme, host and port it is shown no credentials, and must be public.
    pub fn of_forge(
        home: &Url,
        url: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Self, MirrorError> {
        let refused = |why: &str| {
            MirrorError::Address(format!("nothing is fetched from such an address: {why}"))
        };
        let mut url = Url::parse(url).map_err(|error| refused(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("only http and https are allowed"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("it holds a user or a password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("it holds `?` or `#`"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        let is_home = url.origin() == home.origin();
        if !is_home {
            check_literal(&url)?;
        }
        let credentials = credentials.filter(|_| is_home).cloned();
        Ok(Self(Place::Web {
            url,
            is_home,
            credentials,
        }))
    }

    /// A repository in a folder of this machine that the configuration names. Never take one from anywhere else.
    pub fn in_folder(folder: &Path) -> Self {
        Self(Place::Folder(folder.to_owned()))
    }

    /// Its address, for people.
    pub fn address(&self) -> String {
        match &self.0 {
            Place::Web { url, .. } => url.to_string(),
            Place::Folder(folder) => folder.display().to_string(),
        }
    }
}

/// Refuses a URL that names a private address by its numbers, where no name has to be looked up.
fn check_literal(url: &Url) -> Result<(), MirrorError> {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    if address::is_public(address) {
        Ok(())
    } else {
        Err(private(&address.to_string()))
    }
}

/// Says that an address is in a private network.
pub(super) fn private(host: &str) -> MirrorError {
    MirrorError::Address(format!(
        "{host} is in a private network, where nothing is fetched from but the configured forge"
    ))
}

#[cfg(test)]
mod tests;
