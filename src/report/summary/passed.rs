//! What passed, by name: for runs that look at all outputs of a flake, of which nobody can list the rest.
//!
//! Bounded, whatever a flake has: a number of names for each group, and a number of groups.

use std::collections::BTreeMap;

use crate::{
    nix::AttrPath,
    report::{format::count, words::text},
};

/// How many groups are kept.
const GROUPS_MAX: usize = 100;
/// How many names are kept of each.
const NAMES_MAX: usize = 50;

/// What passed, grouped by the set that it is in.
#[derive(Debug, Default)]
pub(super) struct Passed {
    groups: BTreeMap<String, Group>,
    /// How many are in groups that are not kept.
    others: usize,
}

#[derive(Debug, Default)]
struct Group {
    names: Vec<String>,
    total: usize,
}

impl Passed {
    /// Takes the path of something that passed.
    pub(super) fn add(&mut self, check: &str) {
        let path = AttrPath::parse(check).unwrap_or_else(|_| AttrPath::new([check]));
        let Some((name, set)) = path.names().split_last() else {
            return;
        };
        let set = AttrPath::new(set).to_string();
        if !self.groups.contains_key(&set) && self.groups.len() == GROUPS_MAX {
            self.others += 1;
            return;
        }
        let group = self.groups.entry(set).or_default();
        group.total += 1;
        if group.names.len() < NAMES_MAX {
            group.names.push(AttrPath::new([name]).to_string());
        }
    }

    /// A line for each group: its name, and those of what is in it.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.groups.iter().map(line).collect();
        if self.others > 0 {
            lines.push(format!("and {} more", count(self.others)));
        }
        lines
    }
}

fn line((set, group): (&String, &Group)) -> String {
    let mut names = group.names.clone();
    names.sort();
    let names: Vec<_> = names.iter().map(|name| text(name)).collect();
    let more = match group.total - names.len() {
        0 => String::new(),
        more => format!(" and {} more", count(more)),
    };
    let set = match set.as_str() {
        "" => String::new(),
        set => format!("{}: ", text(set)),
    };
    format!("{set}{}{more}", names.join(", "))
}

#[cfg(test)]
mod tests;
