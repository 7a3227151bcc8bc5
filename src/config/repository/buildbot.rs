//! `buildbot-nix.toml`: the file of buildbot-nix, as far as it is about checks.
//!
//! Its keys `effects_on_pull_requests` and `effects_branches`, and all it may get yet, mean nothing here. What
//! buildbot-nix would pass over, a value of the wrong type, is an error, since nobody who writes one means it.

use serde::Deserialize;
use toml::Spanned;

use super::{BUILDBOT_FILE, ConfigError, Place, RepositoryConfig, Tree};
use crate::{config::Sourced, nix::AttrPath};

#[derive(Deserialize)]
struct Keys {
    attribute: Option<Spanned<String>>,
    lock_file: Option<Spanned<String>>,
    flake_dir: Option<Spanned<String>>,
}

/// Reads the text of the file.
pub(super) fn parse(text: &str, tree: &Tree) -> Result<RepositoryConfig, ConfigError> {
    let file: Keys =
        toml::from_str(text).map_err(|error| Place::of_toml(BUILDBOT_FILE, text, &error))?;
    let place = |value: &Spanned<String>| Place::new(BUILDBOT_FILE, text, value.span());
    let path = |value: Spanned<String>| {
        let found = tree.path(value.get_ref(), &place(&value))?;
        Ok::<_, ConfigError>(Sourced::new(found, place(&value).origin()))
    };
    let attributes = file.attribute.map(|value| {
        let found = attribute(value.get_ref()).map_err(|message| place(&value).error(message))?;
        Ok(Sourced::new(vec![found], place(&value).origin()))
    });
    Ok(RepositoryConfig {
        attributes: attributes.transpose()?,
        lock_file: file.lock_file.map(path).transpose()?,
        flake_dir: file.flake_dir.map(path).transpose()?,
        ..RepositoryConfig::default()
    })
}

/// Reads an attribute path; all outputs of a flake at once are none.
pub(super) fn attribute(text: &str) -> Result<AttrPath, String> {
    let path = AttrPath::parse(text).map_err(|error| error.to_string())?;
    if path.is_empty() {
        return Err("an attribute is missing, such as `checks`".to_owned());
    }
    Ok(path)
}
