//! What a user asks for: `[FLAKE][#ATTRIBUTE]`.

use std::fmt;

use super::{AttrPath, AttrPathError};

/// A flake reference and the attribute to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installable {
    /// The flake reference, as Nix takes it: `.`, `github:owner/repo`, `path:/x?dir=y`.
    pub flake: String,
    /// The attribute path below the flake's outputs.
    pub attribute: AttrPath,
}

/// Why a string is no installable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallableError {
    /// The text behind `#` is no attribute path.
    #[error(transparent)]
    Attribute(#[from] AttrPathError),
    /// An output selection such as `^out` makes no sense for checks.
    #[error("`{}` selects outputs: checks are built with all of theirs, so leave out what is behind `^`", .0.escape_debug())]
    OutputSelection(String),
}

impl Installable {
    /// Parses `[FLAKE][#ATTRIBUTE]`; the flake is `.` and the attribute `checks` where they are left out.
    pub fn parse(text: &str) -> Result<Self, InstallableError> {
        let (flake, attribute) = match text.split_once('#') {
            Some((flake, attribute)) => (flake, attribute),
            None => (text, ""),
        };
        if attribute.contains('^') && !attribute.contains('"') {
            return Err(InstallableError::OutputSelection(text.to_owned()));
        }
        let attribute = AttrPath::parse(attribute)?;
        Ok(Self {
            flake: if flake.is_empty() { "." } else { flake }.to_owned(),
            attribute: if attribute.is_empty() {
                AttrPath::new(["checks"])
            } else {
                attribute
            },
        })
    }
}

impl fmt::Display for Installable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.flake, self.attribute)
    }
}

#[cfg(test)]
mod tests {
    use super::Installable;

    #[test]
    fn the_defaults_are_this_flake_and_its_checks() {
        let shown = |text: &str| Installable::parse(text).unwrap().to_string();
        assert_eq!(shown("."), ".#checks");
        assert_eq!(shown(""), ".#checks");
        assert_eq!(shown("#packages"), ".#packages");
        assert_eq!(shown("github:a/b"), "github:a/b#checks");
        assert_eq!(
            shown("path:/x?dir=y#checks.x86_64-linux"),
            "path:/x?dir=y#checks.x86_64-linux"
        );
        assert_eq!(shown(".#a.\"b.c\""), ".#a.\"b.c\"");
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| Installable::parse(text).unwrap_err().to_string();
        assert_eq!(
            error(".#a..b"),
            "empty attribute name in `a..b` (write `\"\"` if it is meant)"
        );
        assert!(error(".#hello^out").contains("selects outputs"));
    }
}
