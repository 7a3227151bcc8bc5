//! Attribute paths such as `checks.x86_64-linux."dotted.name"`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A path of attribute names, from the outermost in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttrPath(Vec<String>);

/// Why a string is not an attribute path.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttrPathError {
    /// A `"` is opened and never closed.
    #[error("missing closing quote in attribute path `{}`", .0.escape_debug())]
    UnclosedQuote(String),
    /// Two dots in a row, or one at an end.
    #[error("empty attribute name in `{}` (write `\"\"` if it is meant)", .0.escape_debug())]
    EmptyName(String),
}

impl AttrPath {
    /// Makes a path of its names.
    pub fn new<I, S>(names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// Parses a path as Nix does on its command line: names are separated by dots, and between `"`s a dot is part
    /// of the name. Behind a `\` in quotes the next character stands for itself.
    pub fn parse(path: &str) -> Result<Self, AttrPathError> {
        if path.is_empty() {
            return Ok(Self::default());
        }
        let mut names = Vec::new();
        let mut name = String::new();
        let mut quoted = false; // Between quotes now.
        let mut had_quotes = false; // The current name has quotes, so it may be empty.
        let mut chars = path.chars();
        let mut end_name = |name: &mut String, had_quotes: &mut bool| {
            if name.is_empty() && !*had_quotes {
                return Err(AttrPathError::EmptyName(path.to_owned()));
            }
            names.push(std::mem::take(name));
            *had_quotes = false;
            Ok(())
        };
        while let Some(c) = chars.next() {
            match c {
                '"' => {
                    quoted = !quoted;
                    had_quotes = true;
                }
                '\\' if quoted => match chars.next() {
                    Some('n') => name.push('\n'),
                    Some('r') => name.push('\r'),
                    Some('t') => name.push('\t'),
                    Some(other) => name.push(other),
                    None => return Err(AttrPathError::UnclosedQuote(path.to_owned())),
                },
                '.' if !quoted => end_name(&mut name, &mut had_quotes)?,
                _ => name.push(c),
            }
        }
        if quoted {
            return Err(AttrPathError::UnclosedQuote(path.to_owned()));
        }
        end_name(&mut name, &mut had_quotes)?;
        Ok(Self(names))
    }

    /// The names, outermost first.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether this is the path of the root itself.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This path with one more name.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let mut names = self.0.clone();
        names.push(name.to_owned());
        Self(names)
    }

    /// This path with all names of `below` behind it.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        Self(self.0.iter().chain(&below.0).cloned().collect())
    }

    /// Takes this path apart into the first of `roots` that it lies below, and the rest; all of it is the rest if it lies
    /// below none.
    pub fn split_root(&self, roots: &[Self]) -> (Self, Self) {
        let is_above = |root: &&Self| self.0.starts_with(&root.0);
        let root = roots.iter().find(is_above).cloned().unwrap_or_default();
        let rest = Self::new(&self.0[root.0.len()..]);
        (root, rest)
    }

    /// This path without the first name that stands for a system, and that name.
    pub fn split_system(&self) -> (Self, Option<&str>) {
        match self
            .0
            .iter()
            .position(|name| super::looks_like_system(name))
        {
            Some(at) => {
                let mut names = self.0.clone();
                names.remove(at);
                (Self(names), Some(&self.0[at]))
            }
            None => (self.clone(), None),
        }
    }
}

/// Writes the path as a Nix expression does: a name that is no identifier is quoted and escaped.
impl fmt::Display for AttrPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            if is_identifier(name) {
                f.write_str(name)?;
            } else {
                write_quoted(f, name)?;
            }
        }
        Ok(())
    }
}

fn is_identifier(name: &str) -> bool {
    const KEYWORDS: &[&str] = &[
        "if", "then", "else", "assert", "with", "let", "in", "rec", "inherit", "or",
    ];
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"_'-".contains(&b))
        && !KEYWORDS.contains(&name)
}

fn write_quoted(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    f.write_str("\"")?;
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '$' if chars.peek() == Some(&'{') => f.write_str("\\$")?,
            _ => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests;
