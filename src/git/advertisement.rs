//! What a git server says it has: the answer to `info/refs`.
//!
//! Read here and not by libgit2, since a server's names may be any bytes and their number any; libgit2 is then told of
//! what is wanted alone. Pure.
//!
//! Source of the format: `gitprotocol-pack(5)`, `gitprotocol-http(5)` and `gitprotocol-capabilities(5)`.

use git2::Oid;

use super::{CommitId, mirror_error::one_line};

/// A ref of another repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRef {
    /// Its full name: `refs/heads/main`.
    pub name: String,
    /// The object it names; for an annotated tag the tag itself.
    pub id: CommitId,
    /// What an annotated tag stands for.
    pub peeled: Option<CommitId>,
}

impl RemoteRef {
    /// The commit it stands for.
    pub fn commit(&self) -> CommitId {
        self.peeled.unwrap_or(self.id)
    }
}

/// What another repository has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertisement {
    /// Its refs by name, `HEAD` not among them. Those with names that are no UTF-8 are left out.
    pub refs: Vec<RemoteRef>,
    /// The full name of the branch that its `HEAD` stands for, where it says so.
    pub default_branch: Option<String>,
    /// Where it is now, if its server sent there: another path of the same server.
    pub moved_to: Option<String>,
    /// What it can do, as far as libgit2 has a use for it.
    pub(super) capabilities: Vec<&'static str>,
}

/// What is passed on to libgit2.
const CAPABILITIES: &[&str] = &[
    "multi_ack",
    "multi_ack_detailed",
    "ofs-delta",
    "side-band",
    "side-band-64k",
    "thin-pack",
];

/// What is wrong with a shallow repository: Nix counts commits, and a merge needs where two histories part.
pub(super) const CUT_OFF: &str = "its history is cut off (a shallow clone)";

/// A ref that stands for nothing, by which a server without refs tells what it can do.
const NO_REFS: &[u8] = b"capabilities^{}";

impl Advertisement {
    /// The ref of this name.
    pub fn find(&self, name: &str) -> Option<&RemoteRef> {
        let at = self.refs.binary_search_by(|it| it.name.as_str().cmp(name));
        Some(&self.refs[at.ok()?])
    }

    /// Reads an answer with at most `refs_max` refs. The error says what is wrong with it.
    pub(super) fn parse(answer: &[u8], refs_max: usize) -> Result<Self, String> {
        let mut lines = Lines(answer);
        match lines.next()? {
            Some(Line::Text(line)) if line == b"# service=git-upload-pack" => {}
            Some(_) | None => return Err("it does not begin as git does".to_owned()),
        }
        if lines.next()? != Some(Line::Flush) {
            return Err("it does not go on as git does".to_owned());
        }
        let mut found = Self::default();
        let mut is_first = true;
        while let Some(Line::Text(line)) = lines.next()? {
            if let Some(error) = line.strip_prefix(b"ERR ") {
                return Err(format!(
                    "it says: {}",
                    one_line(&String::from_utf8_lossy(error))
                ));
            }
            let line = if std::mem::take(&mut is_first) {
                found.first_line(line)?
            } else {
                line
            };
            found.line(line)?;
            if found.refs.len() > refs_max {
                return Err(format!("it has more than {refs_max} refs"));
            }
        }
        found.refs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Takes what it can do from the end of its first line.
    fn first_line<'a>(&mut self, line: &'a [u8]) -> Result<&'a [u8], String> {
        let end = line
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(line.len());
        let words = line.get(end + 1..).unwrap_or_default();
        for word in words.split(|&byte| byte == b' ') {
            if word
                .strip_prefix(b"object-format=")
                .is_some_and(|format| format != b"sha1")
            {
                return Err(
                    "its commits have SHA-256 names, which are not understood yet".to_owned(),
                );
            }
            if let Some(branch) = word.strip_prefix(b"symref=HEAD:") {
                self.default_branch = String::from_utf8(branch.to_vec()).ok();
            }
            self.capabilities
                .extend(CAPABILITIES.iter().filter(|name| name.as_bytes() == word));
        }
        Ok(&line[..end])
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let wrong = || "it has a line that names no ref".to_owned();
        if line.starts_with(b"shallow ") {
            return Err(CUT_OFF.to_owned());
        }
        let (id, name) = line.split_at_checked(40).ok_or_else(wrong)?;
        let id: CommitId = str::from_utf8(id)
            .ok()
            .and_then(|id| id.parse().ok())
            .ok_or_else(wrong)?;
        let name = name.strip_prefix(b" ").ok_or_else(wrong)?;
        if name == NO_REFS || id.0 == Oid::ZERO_SHA1 {
            return Ok(());
        }
        let Ok(name) = str::from_utf8(name) else {
            return Ok(());
        };
        if let Some(tag) = name.strip_suffix("^{}") {
            if let Some(last) = self.refs.last_mut().filter(|last| last.name == tag) {
                last.peeled = Some(id);
            }
        } else if name.starts_with("refs/") {
            self.refs.push(RemoteRef {
                name: name.to_owned(),
                id,
                peeled: None,
            });
        }
        Ok(())
    }

    /// Writes an answer with these objects alone, under names of our own.
    pub(super) fn of_wanted(&self, wanted: &[(String, CommitId)]) -> Vec<u8> {
        let mut answer = Vec::new();
        line(&mut answer, "# service=git-upload-pack\n");
        answer.extend_from_slice(b"0000");
        for (index, (name, id)) in wanted.iter().enumerate() {
            let capabilities = if index == 0 {
                format!("\0{}", self.capabilities.join(" "))
            } else {
                String::new()
            };
            line(&mut answer, &format!("{id} {name}{capabilities}\n"));
        }
        answer.extend_from_slice(b"0000");
        answer
    }
}

/// Writes a line with its length before it.
fn line(answer: &mut Vec<u8>, text: &str) {
    answer.extend_from_slice(format!("{:04x}{text}", text.len() + 4).as_bytes());
}

/// A line, or the end of a section.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Text(&'a [u8]),
    Flush,
}

/// The lines of an answer, each with its length before it.
struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<Option<Line<'a>>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let broken = || "it breaks off in the midst of a line".to_owned();
        let (digits, rest) = self.0.split_at_checked(4).ok_or_else(broken)?;
        let length = str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| usize::from_str_radix(digits, 16).ok())
            .ok_or_else(|| "a line of it has no length".to_owned())?;
        if length == 0 {
            self.0 = rest;
            return Ok(Some(Line::Flush));
        }
        let length = length
            .checked_sub(4)
            .ok_or_else(|| "a line of it is shorter than nothing".to_owned())?;
        let (line, rest) = rest.split_at_checked(length).ok_or_else(broken)?;
        self.0 = rest;
        Ok(Some(Line::Text(line.strip_suffix(b"\n").unwrap_or(line))))
    }
}

#[cfg(test)]
mod tests;
