//! `nixci.toml` as it is written.

use std::{fmt::Display, time::Duration};

use serde::{Deserialize, de};
use toml::Spanned;

use super::{
    CheckRule, ConfigError, FILE, Place, RepositoryConfig, Tree, Upload, buildbot::attribute,
    serve::ServeKeys,
};
use crate::{
    config::{Sourced, parse_duration},
    nix::{CheckPattern, System},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    attributes: Option<Texts>,
    systems: Option<Texts>,
    only: Option<Texts>,
    exclude: Option<Texts>,
    timeout: Option<Spanned<Seconds>>,
    flake_dir: Option<Spanned<String>>,
    lock_file: Option<Spanned<String>>,
    #[serde(default)]
    check: Vec<Spanned<Rule>>,
    #[serde(default)]
    upload: Upload<Spanned<String>>,
    #[serde(default)]
    serve: ServeKeys,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: Spanned<String>,
    allow_failure: Option<bool>,
    timeout: Option<Seconds>,
    local: Option<bool>,
}

/// A list of strings, each with its place.
type Texts = Spanned<Vec<Spanned<String>>>;

/// A duration: a number of seconds, or a string such as `10m`.
struct Seconds(Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Seconds;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of seconds, or a duration such as \"10m\"")
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Seconds, E> {
                self.visit_str(&seconds.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Seconds, E> {
                parse_duration(text).map(Seconds).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Reads the text of the file.
pub(super) fn parse(text: &str, tree: &Tree) -> Result<RepositoryConfig, ConfigError> {
    let file: Keys = toml::from_str(text).map_err(|error| Place::of_toml(FILE, text, &error))?;
    let at = |span| Place::new(FILE, text, span);
    let path = |path: Spanned<String>| {
        let found = tree.path(path.get_ref(), &at(path.span()))?;
        Ok::<_, ConfigError>(Sourced::new(found, at(path.span()).origin()))
    };
    Ok(RepositoryConfig {
        attributes: file
            .attributes
            .map(|texts| list(text, texts, attribute))
            .transpose()?,
        systems: file
            .systems
            .map(|texts| list(text, texts, System::parse))
            .transpose()?,
        only: file
            .only
            .map(|texts| list(text, texts, CheckPattern::parse))
            .transpose()?,
        exclude: file
            .exclude
            .map(|texts| list(text, texts, CheckPattern::parse))
            .transpose()?,
        timeout: file
            .timeout
            .map(|time| Sourced::new(time.get_ref().0, at(time.span()).origin())),
        checks: file
            .check
            .into_iter()
            .map(|rule| {
                let origin = at(rule.span()).origin();
                let Rule {
                    name,
                    allow_failure,
                    timeout,
                    local,
                } = rule.into_inner();
                let rule = CheckRule {
                    name: meaning(text, &name, CheckPattern::parse)?,
                    allow_failure,
                    timeout: timeout.map(|Seconds(duration)| duration),
                    local,
                };
                Ok(Sourced::new(rule, origin))
            })
            .collect::<Result<_, ConfigError>>()?,
        upload: file.upload.map(|text| {
            let origin = at(text.span()).origin();
            Sourced::new(text.into_inner(), origin)
        }),
        serve: file.serve.read(text)?,
        flake_dir: file.flake_dir.map(path).transpose()?,
        lock_file: file.lock_file.map(path).transpose()?,
    })
}

/// Reads every string of a list.
pub(super) fn list<T, E: Display>(
    text: &str,
    texts: Texts,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Sourced<Vec<T>>, ConfigError> {
    let origin = Place::new(FILE, text, texts.span()).origin();
    let values = texts.into_inner();
    let values = values.iter().map(|value| meaning(text, value, &parse));
    Ok(Sourced::new(values.collect::<Result<_, _>>()?, origin))
}

/// Reads a string that means something.
pub(super) fn meaning<T, E: Display>(
    text: &str,
    value: &Spanned<String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, ConfigError> {
    parse(value.get_ref())
        .map_err(|error| Place::new(FILE, text, value.span()).error(error.to_string()))
}
