//! What payloads name things with: checked once, so that no stranger's text gets into a URL, a refspec or a path.

use serde::Deserialize;

/// How long the name of a repository or a user may be, in bytes.
const NAME_BYTES: usize = 255;
/// How long the name of a ref may be, in bytes.
const REF_BYTES: usize = 1024;

/// Why a text names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentError {
    /// No commit.
    #[error("a commit id has 40 or 64 hexadecimal digits that are not all zero")]
    Commit,
    /// No ref.
    #[error("a full name of a ref begins with `refs/` and has no characters that Git forbids")]
    Ref,
    /// No repository.
    #[error("the name of a repository is made of letters, digits and `.-_~`, with `/` between")]
    Repository,
    /// No user.
    #[error("a user's name has at most 255 bytes, none of them a space or a control character")]
    User,
}

/// Makes a newtype of a string with rules, read from JSON by them.
macro_rules! ident {
    ($(#[$doc:meta])* $name:ident, $error:expr, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdentError;

            fn try_from(text: String) -> Result<Self, IdentError> {
                let rule: fn(&str) -> bool = $rule;
                if rule(&text) { Ok(Self(text)) } else { Err($error) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdentError;

            fn from_str(text: &str) -> Result<Self, IdentError> {
                Self::try_from(text.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

ident!(
    /// The id of a commit: 40 hexadecimal digits, or 64 in a SHA-256 repository.
    CommitId,
    IdentError::Commit,
    |text| matches!(text.len(), 40 | 64)
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && text.bytes().any(|byte| byte != b'0')
);

ident!(
    /// The full name of a ref, such as `refs/heads/main`, in Git's rules (`git help check-ref-format`).
    GitRef,
    IdentError::Ref,
    is_ref
);

ident!(
    /// The name of a repository as its forge writes it: `owner/name`, on GitLab with groups between.
    RepositoryName,
    IdentError::Repository,
    |text| text.len() <= NAME_BYTES && text.split('/').all(is_path_segment)
);

ident!(
    /// The name of a user, which may change hands: what counts is the id.
    Login,
    IdentError::User,
    |text| (1..=NAME_BYTES).contains(&text.len())
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
);

impl GitRef {
    /// The ref of a branch.
    pub fn of_branch(name: &str) -> Result<Self, IdentError> {
        Self::try_from(format!("refs/heads/{name}"))
    }

    /// The ref of a tag.
    pub fn of_tag(name: &str) -> Result<Self, IdentError> {
        Self::try_from(format!("refs/tags/{name}"))
    }

    /// The name of the branch, if it is one.
    pub fn branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }

    /// The name of the tag, if it is one.
    pub fn tag(&self) -> Option<&str> {
        self.0.strip_prefix("refs/tags/")
    }
}

fn is_path_segment(segment: &str) -> bool {
    !segment.is_empty()
        && segment.bytes().any(|byte| byte != b'.')
        && segment
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_~".contains(&byte))
}

fn is_ref(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none()
    };
    let is_forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    text.len() <= REF_BYTES
        && text
            .strip_prefix("refs/")
            .is_some_and(|rest| rest.contains('/'))
        && !text.ends_with('.')
        && text.split('/').all(is_part)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.contains(is_forbidden)
}

/// Cuts a text to at most so many bytes, at the end of a character.
pub(in crate::forge) fn bounded(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        let end = (0..=max_bytes).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests;
