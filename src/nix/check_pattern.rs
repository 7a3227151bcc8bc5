//! Patterns that choose checks, such as `x86_64-linux.nixos-*`.
//!
//! A pattern is an attribute path whose names are globs. It is held against the names themselves and not against their
//! written form, so that a dot in a name is no border, and so that it is known before an attribute is evaluated whether
//! something below it can match. Pure.

use std::{fmt, str::FromStr};

use globset::{GlobBuilder, GlobMatcher};

use super::AttrPath;

/// The longest pattern, in bytes.
const LENGTH_MAX: usize = 1000;

/// A pattern for checks.
///
/// In a name `*` stands for any text, `?` for one character, `[a-z]` for one of these and `{a,b}` for one of those;
/// behind a `\` every character stands for itself, and so it does between `"`s, where Nix's `\n`, `\r` and `\t` are
/// known too. The name `**` stands for any number of names. The
/// path may have the system or leave it out, and may begin at the attribute asked for or at the flake's outputs. What
/// matches a set matches everything in it.
#[derive(Clone)]
pub struct CheckPattern {
    text: String,
    names: Vec<Name>,
}

#[derive(Clone)]
enum Name {
    One(GlobMatcher),
    AnyNumber,
}

/// Why a text is no pattern.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckPatternError {
    /// It is empty, or has an empty name.
    #[error("empty name in the pattern `{}` (write `\"\"` if it is meant)", .0.escape_debug())]
    EmptyName(String),
    /// A quote is never closed.
    #[error("missing closing quote in the pattern `{}`", .0.escape_debug())]
    UnclosedQuote(String),
    /// One of its names is no glob.
    #[error("`{}` is no pattern: {reason}", pattern.escape_debug())]
    Glob {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// It is longer than 1000 bytes.
    #[error("a pattern has at most {LENGTH_MAX} bytes, this one has {0}")]
    TooLong(usize),
}

/// How a pattern stands to an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Neither the attribute nor anything below it matches.
    Outside,
    /// Something below it may match.
    Above,
    /// It matches, or a set that it is in does.
    Inside,
}

impl CheckPattern {
    /// The pattern that every check matches.
    pub fn all() -> Self {
        Self {
            text: "**".to_owned(),
            names: vec![Name::AnyNumber],
        }
    }

    /// Parses a pattern.
    pub fn parse(text: &str) -> Result<Self, CheckPatternError> {
        if text.len() > LENGTH_MAX {
            return Err(CheckPatternError::TooLong(text.len()));
        }
        let names = split(text)?
            .into_iter()
            .map(|name| Name::parse(&name, text))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.to_owned(),
            names,
        })
    }

    /// Says how it stands to the attribute `below`, which lies below the attribute `asked` for.
    pub fn reach(&self, asked: &AttrPath, below: &AttrPath) -> Reach {
        let (asked, below) = (asked.names(), below.names());
        let whole: Vec<Step<'_>> = asked
            .iter()
            .map(|name| (name, false))
            .chain(below.iter().map(|name| (name, true)))
            .map(|(name, counts)| Step { name, counts })
            .collect();
        let starts = [0, 1.min(asked.len()), asked.len()];
        let mut best = Reach::Outside;
        for (at, start) in starts.iter().enumerate() {
            if starts[..at].contains(start) {
                continue;
            }
            let path = &whole[*start..];
            best = best.max(self.reach_along(path.iter().copied()));
            let system = path
                .iter()
                .position(|step| super::looks_like_system(step.name));
            if let Some(system) = system {
                let others = path.iter().enumerate().filter(|(at, _)| *at != system);
                best = best.max(self.reach_along(others.map(|(_, step)| *step)));
            }
        }
        best
    }

    /// Follows a path and returns how far it leads.
    fn reach_along<'p>(&self, path: impl Iterator<Item = Step<'p>>) -> Reach {
        let end = self.names.len();
        let mut at = vec![false; end + 1];
        at[0] = true;
        self.skip_any_number(&mut at);
        for step in path {
            let mut next = vec![false; end + 1];
            for (i, name) in self.names.iter().enumerate().filter(|(i, _)| at[*i]) {
                match name {
                    Name::AnyNumber => next[i] = true,
                    Name::One(glob) => next[i + 1] |= glob.is_match(step.name),
                }
            }
            self.skip_any_number(&mut next);
            at = next;
            if at[end] && step.counts {
                return Reach::Inside;
            }
        }
        // At the end there is nothing left to match.
        if at[..end].contains(&true) {
            Reach::Above
        } else {
            Reach::Outside
        }
    }

    /// `**` stands for no name, too.
    fn skip_any_number(&self, at: &mut [bool]) {
        for (i, name) in self.names.iter().enumerate() {
            if matches!(name, Name::AnyNumber) && at[i] {
                at[i + 1] = true;
            }
        }
    }
}

/// A name of an attribute path.
#[derive(Clone, Copy)]
struct Step<'p> {
    name: &'p str,
    /// Whether it is below the attribute asked for. Above it everything is wanted and nothing can be chosen.
    counts: bool,
}

impl Name {
    fn parse(name: &str, pattern: &str) -> Result<Self, CheckPatternError> {
        if name == "**" {
            return Ok(Self::AnyNumber);
        }
        let glob = GlobBuilder::new(name)
            .literal_separator(false)
            .backslash_escape(true)
            .empty_alternates(true)
            .build()
            .map_err(|error| CheckPatternError::Glob {
                pattern: pattern.to_owned(),
                reason: error.kind().to_string(),
            })?;
        Ok(Self::One(glob.compile_matcher()))
    }
}

/// Takes a pattern apart into the globs of its names.
fn split(text: &str) -> Result<Vec<String>, CheckPatternError> {
    let mut names = Vec::new();
    let (mut name, mut is_quoted, mut had_quotes, mut braces) = (String::new(), false, false, 0);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                is_quoted = !is_quoted;
                had_quotes = true;
            }
            '\\' => {
                let next = chars.next();
                let missing = || CheckPatternError::Glob {
                    pattern: text.to_owned(),
                    reason: "nothing follows `\\`".to_owned(),
                };
                let c = match next.ok_or_else(missing)? {
                    'n' if is_quoted => '\n',
                    'r' if is_quoted => '\r',
                    't' if is_quoted => '\t',
                    other => other,
                };
                push_literal(&mut name, c);
            }
            _ if is_quoted => push_literal(&mut name, c),
            '.' if braces == 0 => {
                if name.is_empty() && !had_quotes {
                    return Err(CheckPatternError::EmptyName(text.to_owned()));
                }
                names.push(std::mem::take(&mut name));
                had_quotes = false;
            }
            _ => {
                braces += i32::from(c == '{') - i32::from(c == '}');
                name.push(c);
            }
        }
    }
    if is_quoted {
        return Err(CheckPatternError::UnclosedQuote(text.to_owned()));
    }
    if name.is_empty() && !had_quotes {
        return Err(CheckPatternError::EmptyName(text.to_owned()));
    }
    names.push(name);
    Ok(names)
}

/// Writes a character that stands for itself.
fn push_literal(glob: &mut String, c: char) {
    if "*?[]{},!\\".contains(c) {
        glob.push('\\');
    }
    glob.push(c);
}

impl FromStr for CheckPattern {
    type Err = CheckPatternError;

    fn from_str(text: &str) -> Result<Self, CheckPatternError> {
        Self::parse(text)
    }
}

/// Writes it as it was given.
impl fmt::Display for CheckPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CheckPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// Patterns are the same if they are written the same.
impl PartialEq for CheckPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CheckPattern {}

#[cfg(test)]
mod tests;
