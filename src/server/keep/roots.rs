//! The links that hold the outputs of checks: a folder for each check, and in it links with the number of a run.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
};

use tracing::warn;

use super::encoded;
use crate::{
    db::server::RunId,
    nix::StorePath,
    store::{Connection, GcRootError},
};

/// Where links of outputs lead, by the names of the outputs as they are in the names of links.
type Links = BTreeMap<String, PathBuf>;

/// Holds the outputs of a run's checks, and lets go of all but the newest ones of each. `passed` has the checks with their
/// outputs. What goes wrong with one of them hinders no other.
pub(super) async fn hold(
    connection: &mut Connection,
    dir: &Path,
    run: RunId,
    passed: Vec<(String, BTreeMap<String, StorePath>)>,
    known: &Known,
    keep: usize,
) -> Result<(), GcRootError> {
    let mut roots = Vec::new();
    tokio::task::block_in_place(|| {
        for (check, outputs) in passed {
            let dir = dir.join(encoded(&check));
            if !holds(&dir, run, &outputs) {
                roots.extend(outputs.into_iter().map(|(output, path)| {
                    (
                        dir.join(format!("{}-{}", number(run), encoded(&output))),
                        path,
                    )
                }));
            }
        }
    });
    let held = connection.add_gc_roots(&roots).await.map(|gone| {
        for path in gone {
            warn!(run = run.0, %path, "an output is gone before it could be kept");
        }
    });
    tokio::task::block_in_place(|| {
        if let Err(GcRootError::Store(_)) = &held {
            // A link that is no root would be taken for one the next time.
            for (link, _) in &roots {
                let _ = fs::remove_file(link);
            }
        }
        let mut done = Ok(());
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            // A check that is no longer there needs no outputs either; one that failed keeps those it had.
            done = done.and(if known.has(&entry.file_name().to_string_lossy()) {
                thin_out(&entry.path(), keep)
            } else {
                fs::remove_dir_all(entry.path())
            });
        }
        done
    })
    .map_err(|source| GcRootError::Link {
        link: dir.to_owned(),
        source,
    })
    .and(held)
}

/// The checks of a run by the names of their folders: they keep what they had if they did not pass.
pub(super) struct Known {
    names: HashSet<String>,
    /// Whether all of it failed as one.
    all: bool,
}

impl Known {
    /// Takes the paths of checks below the attribute of a run.
    pub(super) fn of<'p>(paths: impl Iterator<Item = &'p str>, attribute: &str) -> Self {
        let mut all = false;
        let names = paths
            .inspect(|path| all |= *path == attribute)
            .map(encoded)
            .collect();
        Self { names, all }
    }

    /// Whether a folder is that of a check, or of one below what failed as one.
    pub(super) fn has(&self, name: &str) -> bool {
        let above = name.match_indices('.').map(|(at, _)| &name[..at]);
        self.all || above.chain([name]).any(|above| self.names.contains(above))
    }
}

/// The number of a run as names have it: in the order of numbers.
fn number(run: RunId) -> String {
    format!("{:09}", run.0)
}

/// Whether the newest links of a check are an earlier run's that had the same outputs. The same run's may be no roots yet:
/// it was cut short.
fn holds(dir: &Path, run: RunId, outputs: &BTreeMap<String, StorePath>) -> bool {
    let Ok(runs) = links_in(dir) else {
        return false;
    };
    let expected: Links = outputs
        .iter()
        .map(|(output, path)| (encoded(output), path.as_str().into()))
        .collect();
    let newest = runs.last_key_value();
    newest.is_some_and(|(of, links)| *of < number(run) && *links == expected)
}

/// The links of a check, by the numbers of their runs.
fn links_in(dir: &Path) -> io::Result<BTreeMap<String, Links>> {
    let mut runs: BTreeMap<String, Links> = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // Anything else is not from here.
        if let Some((run, output)) = name.split_once('-')
            && let Ok(target) = fs::read_link(dir.join(&name))
        {
            let links = runs.entry(run.to_owned()).or_default();
            links.insert(output.to_owned(), target);
        }
    }
    Ok(runs)
}

/// Removes the links of all but the newest runs that left some.
fn thin_out(dir: &Path, keep: usize) -> io::Result<()> {
    for (run, links) in links_in(dir)?.iter().rev().skip(keep) {
        for output in links.keys() {
            fs::remove_file(dir.join(format!("{run}-{output}")))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
