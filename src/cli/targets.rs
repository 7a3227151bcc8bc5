//! Which of the arguments are flakes, and which are patterns.

use super::{local_flake::is_flake_here, scope_args::ScopeArgs};
use crate::nix::{AttrPath, CheckPattern, CheckPatternError, Installable, InstallableError};

/// What the arguments name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Targets {
    /// The flake, where one is named.
    pub(super) flake: Option<String>,
    /// The attributes that are named.
    pub(super) attributes: Vec<AttrPath>,
    /// The patterns.
    pub(super) patterns: Vec<CheckPattern>,
    /// Whether the first of them may have been meant as the name of a flake.
    pub(super) is_guess: bool,
}

/// Why the arguments make no sense.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetsError {
    /// A flake that is none.
    #[error(transparent)]
    Installable(#[from] InstallableError),
    /// A pattern that is none.
    #[error(transparent)]
    Pattern(#[from] CheckPatternError),
    /// Two flakes.
    #[error("one run looks at one flake, but `{}` and `{}` are named", .0.escape_debug(), .1.escape_debug())]
    TwoFlakes(String, String),
    /// A flake and a file.
    #[error("`--file` takes the place of a flake: leave out `{}`", .0.escape_debug())]
    FileAndFlake(String),
    /// The name of an argument that is none.
    #[error("`{}` cannot be the name of an argument of a function", .0.escape_debug())]
    ArgumentName(String),
}

impl Targets {
    /// Sorts the arguments, as seen from the folder this runs in.
    pub(super) fn new(args: &ScopeArgs) -> Result<Self, TargetsError> {
        Self::sort(args, is_flake_here)
    }

    /// Sorts the arguments. Whoever is in the folder of a flake means a check by the same word that elsewhere can only be
    /// the name of a flake in the registry.
    fn sort(args: &ScopeArgs, is_flake_here: impl Fn() -> bool) -> Result<Self, TargetsError> {
        let mut targets = Self::default();
        for (at, text) in args.targets.iter().enumerate() {
            let may_be_registered = at == 0 && args.file.is_none() && is_registry_name(text);
            let is_flake = looks_like_flake(text) || (may_be_registered && !is_flake_here());
            if !is_flake {
                targets.is_guess |= may_be_registered;
                targets.patterns.push(CheckPattern::parse(text)?);
                continue;
            }
            if args.file.is_some() {
                return Err(TargetsError::FileAndFlake(text.clone()));
            }
            let Installable { flake, attribute } = Installable::parse(text)?;
            if text
                .split_once('#')
                .is_some_and(|(_, path)| !path.is_empty())
            {
                targets.attributes.push(attribute);
            }
            match &targets.flake {
                Some(other) if *other != flake => {
                    return Err(TargetsError::TwoFlakes(other.clone(), flake));
                }
                Some(_) => {}
                None => targets.flake = Some(flake),
            }
        }
        targets.attributes.extend(args.attribute.iter().cloned());
        Ok(targets)
    }
}

/// The flake that the arguments name, or the file in its place; `.` where they make no sense, which is told elsewhere.
pub(super) fn named_flake(args: &ScopeArgs) -> String {
    let flake = || Targets::new(args).ok()?.flake;
    match &args.file {
        Some(file) => file.display().to_string(),
        None => flake().unwrap_or_else(|| ".".to_owned()),
    }
}

/// `--arg` or `--argstr` as pairs.
pub(super) fn named(values: &[String]) -> Result<Vec<(String, String)>, TargetsError> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-'".contains(&byte))
    };
    let pairs = values.chunks_exact(2);
    pairs
        .map(|pair| {
            if is_name(&pair[0]) {
                Ok((pair[0].clone(), pair[1].clone()))
            } else {
                Err(TargetsError::ArgumentName(pair[0].clone()))
            }
        })
        .collect()
}

/// The attributes without those that are part of others.
pub(super) fn outermost(attributes: &[AttrPath]) -> Vec<AttrPath> {
    let mut kept: Vec<AttrPath> = Vec::new();
    for (at, path) in attributes.iter().enumerate() {
        let covers = |(other_at, other): (usize, &AttrPath)| {
            let is_above = path.names().starts_with(other.names());
            is_above && (other != path || other_at < at)
        };
        if !attributes.iter().enumerate().any(covers) {
            kept.push(path.clone());
        }
    }
    kept
}

fn looks_like_flake(text: &str) -> bool {
    !text.starts_with('"')
        && (text.is_empty() || text.contains(['#', ':', '/']) || text.starts_with(['.', '~']))
}

fn is_registry_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests;
