//! Words of the file that are asked for elsewhere, too: addresses and names.

use std::path::PathBuf;

use url::Url;

use super::{ForgeSoftware, Listen};

impl Listen {
    /// Reads an address. An error says what one is.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "systemd" {
            return Ok(Self::Systemd);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            if !path.is_absolute() {
                return Err(format!(
                    "`{text}` has no absolute path: write `unix:/path/to/socket`"
                ));
            }
            return Ok(Self::Unix(path));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
        format!(
            "`{text}` is no address: write `127.0.0.1:8080`, `unix:/path/to/socket` or `systemd`"
        )
    })
    }
}

/// Reads the address of a server or a forge, which ends with `/` then. An error says what is wrong with it.
pub fn base_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("`{text}` is no URL: {error}"))?;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
        return Err(format!("`{text}` is no http or https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("a URL here has no user, password or query".to_owned());
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// Whether a forge can have this name, which is a part of addresses. An error says what one has.
pub fn forge_name(text: &str) -> Result<(), &'static str> {
    let is_name = !text.is_empty()
        && text.len() <= 50
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_name {
        Ok(())
    } else {
        Err("the name of a forge has letters, digits and `-` only")
    }
}

/// Reads the name of a user or an organization, or on GitLab of a group, which may be in another. An error says what one is.
pub fn forge_owner(text: &str, kind: ForgeSoftware) -> Result<String, String> {
    let is_name = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.~".contains(c))
    };
    let is_owner = match kind {
        ForgeSoftware::Gitlab => text.split('/').all(is_name),
        ForgeSoftware::Github
        | ForgeSoftware::Gitea
        | ForgeSoftware::Forgejo
        | ForgeSoftware::Plain => is_name(text),
    };
    if is_owner {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{text}` is no owner: write the name of a user or an organization, or on GitLab `GROUP` or `GROUP/GROUP`"
        ))
    }
}
