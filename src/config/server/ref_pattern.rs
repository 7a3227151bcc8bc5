//! Patterns that choose branches and tags.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

/// A glob over the short name of a branch or tag. As in buildbot-nix, `*` goes over slashes, too.
#[derive(Clone)]
pub struct RefPattern(GlobMatcher);

impl PartialEq for RefPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RefPattern {}

impl fmt::Debug for RefPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for RefPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl RefPattern {
    /// Reads a glob; an error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a pattern is missing, such as `release-*`".to_owned());
        }
        GlobBuilder::new(text)
            .literal_separator(false)
            .backslash_escape(true)
            .build()
            .map(|glob| Self(glob.compile_matcher()))
            .map_err(|error| format!("`{text}` is no pattern: {}", error.kind()))
    }

    /// Whether a branch or tag of this short name is meant.
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }

    /// The glob as it was written.
    pub fn as_str(&self) -> &str {
        self.0.glob().glob()
    }
}
