//! A wrong hash, and where it is written.

use std::collections::HashMap;

use crate::{
    nix::Hash,
    report::source_tree::{Place, SourceTree, find},
};

/// How many places of one hash are told.
const PLACES_TOLD: usize = 3;
/// What Nixpkgs has for a hash that is not known yet.
const FAKES: [&str; 3] = ["fakeHash", "fakeSha256", "fakeSha512"];

/// What makes a hash mismatch go away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct HashFix {
    /// What the derivation says.
    pub specified: Hash,
    /// What came out.
    pub got: Hash,
    /// Where the wrong one is written; the first ones.
    pub places: Vec<HashPlace>,
}

/// A place with a wrong hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct HashPlace {
    /// Where it is.
    pub place: Place,
    /// What is written there.
    pub wrong: String,
    /// What belongs there, written in the same way.
    pub right: String,
}

impl HashFix {
    /// Reads an error of a build or an evaluation, in which every version of Nix has a line each for what was
    /// `specified:` and `got:`; of an input of a flake, all stands in one line.
    pub(in crate::report) fn parse(error: &str) -> Option<Self> {
        let labelled = |label: &str| {
            let mut lines = error.lines();
            let text = lines.find_map(|line| line.trim().strip_prefix(label))?;
            Hash::parse(text.trim())
        };
        let of_input = |label: &str| {
            let (_, told) = error.split_once("NAR hash mismatch in input")?;
            let (_, hash) = told.split_once(label)?;
            Hash::parse(hash.split('\'').next()?)
        };
        let hashes = labelled("specified:").zip(labelled("got:"));
        let (specified, got) = hashes.or_else(|| of_input("expected '").zip(of_input("got '")))?;
        Some(Self {
            specified,
            got,
            places: Vec::new(),
        })
    }

    /// What is wrong and what is right, written as in the file where it was found.
    pub(in crate::report) fn one_line(&self, arrow: &str) -> String {
        match self.places.first() {
            Some(found) => format!("{} {arrow} {}", found.wrong, found.right),
            None => format!("{} {arrow} {}", self.specified, self.got),
        }
    }

    /// The ways the wrong hash may be written, each with what belongs there.
    fn spellings(&self) -> Vec<(String, String)> {
        let forms = self.specified.forms().into_iter().zip(self.got.forms());
        let fakes = FAKES
            .iter()
            .filter(|_| self.specified.is_fake())
            .map(|fake| ((*fake).to_owned(), format!("\"{}\"", self.got)));
        forms.chain(fakes).collect()
    }
}

/// Looks for all wrong hashes in one go.
pub(in crate::report) fn locate<'f>(
    fixes: impl IntoIterator<Item = &'f mut HashFix>,
    tree: &dyn SourceTree,
) {
    let mut fixes: Vec<_> = fixes.into_iter().collect();
    let mut words = HashMap::new();
    let mut meant = Vec::new();
    for (at, fix) in fixes.iter().enumerate() {
        for (wrong, right) in fix.spellings() {
            // A fake stands for any hash: where there are several of them, nobody knows which is meant.
            words
                .entry(wrong.clone())
                .and_modify(|n| *n = usize::MAX)
                .or_insert(meant.len());
            meant.push((at, wrong, right));
        }
    }
    for (word, place) in find(tree, &words) {
        let Some((at, wrong, right)) = meant.get(word) else {
            continue;
        };
        if let Some(fix) = fixes.get_mut(*at) {
            fix.places.push(HashPlace {
                place,
                wrong: wrong.clone(),
                right: right.clone(),
            });
        }
    }
    for fix in fixes {
        if fix.specified.is_fake() && fix.places.len() > 1 {
            fix.places.clear();
        }
        fix.places.truncate(PLACES_TOLD);
    }
}

#[cfg(test)]
mod tests;
