//! What a run leaves behind besides its report: options of `check`, and how they are carried out.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use sha2::{Digest, Sha256};

use crate::{
    config::write_file,
    event::{Event, EventKind},
    nix::{StorePath, hex},
    store::Pool,
};

/// How long the part of a link's name that comes from a check may be, in bytes; file systems take 255 in all.
const NAME_MAX: usize = 160;

/// What a run leaves behind.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Results")]
pub(super) struct ResultArgs {
    /// Link the outputs of every passed check as PREFIX-CHECK, and PREFIX-CHECK^OUTPUT for others than `out`; what is
    /// linked is downloaded and not collected as garbage
    #[arg(long, value_name = "PREFIX", conflicts_with = "no_build")]
    pub(super) out_link: Option<PathBuf>,

    /// Link them in this folder, as CHECK and CHECK^OUTPUT
    #[arg(long, value_name = "DIR", conflicts_with = "no_build")]
    pub(super) gc_root: Option<PathBuf>,

    /// Write the outputs of every passed check to this file, a path a line
    #[arg(long, value_name = "FILE")]
    pub(super) out_paths: Option<PathBuf>,
}

impl ResultArgs {
    /// Whether outputs have to be in the store of this machine.
    pub(super) fn links(&self) -> bool {
        self.out_link.is_some() || self.gc_root.is_some()
    }

    /// The links to an output of a check.
    fn links_of(&self, check: &str, output: &str) -> Vec<PathBuf> {
        let name = link_name(check, output);
        let prefixed = self.out_link.as_ref().map(|prefix| {
            let mut link = prefix.clone().into_os_string();
            link.push("-");
            link.push(&name);
            PathBuf::from(link)
        });
        let in_folder = self.gc_root.as_ref().map(|dir| dir.join(&name));
        prefixed.into_iter().chain(in_folder).collect()
    }
}

/// The checks that passed, each with its derivation and its outputs as far as known.
#[derive(Debug, Default)]
pub(super) struct Results(Vec<Passed>);

#[derive(Debug)]
struct Passed {
    check: String,
    drv_path: StorePath,
    outputs: std::collections::BTreeMap<String, Option<StorePath>>,
}

impl Results {
    /// Takes note of an event.
    pub(super) fn observe(&mut self, event: &Event) {
        if let EventKind::CheckFinished {
            check,
            drv_path: Some(drv_path),
            outcome,
            outputs,
            ..
        } = &event.kind
            && outcome.is_passed()
        {
            self.0.push(Passed {
                check: check.clone(),
                drv_path: drv_path.clone(),
                outputs: outputs.clone(),
            });
        }
    }

    /// Makes the links and the file that were asked for. One error for all that went wrong. Without a store, outputs whose
    /// paths nobody told are left out.
    pub(super) async fn leave(
        &self,
        args: &ResultArgs,
        pool: Option<&Arc<Pool>>,
    ) -> anyhow::Result<()> {
        if !args.links() && args.out_paths.is_none() {
            return Ok(());
        }
        let mut connection = match pool {
            Some(pool) => Some(pool.acquire().await?),
            None => None,
        };
        let mut lines = String::new();
        let mut roots = Vec::new();
        let mut failed = None;
        for passed in &self.0 {
            let mut outputs = passed.outputs.clone();
            if let Some(connection) = &mut connection
                && !outputs.values().all(Option::is_some)
            {
                outputs = connection
                    .query_derivation_output_map(&passed.drv_path)
                    .await?;
            }
            for (output, path) in outputs {
                let Some(path) = path else {
                    continue;
                };
                lines.push_str(path.as_str());
                lines.push('\n');
                for link in args.links_of(&passed.check, &output) {
                    match std::path::absolute(&link) {
                        Ok(link) => roots.push((link, path.clone())),
                        Err(error) => failed = failed.or(Some(error.into())),
                    }
                }
            }
        }
        if let Some(connection) = &mut connection {
            match connection.add_gc_roots(&roots).await {
                Ok(gone) => {
                    let gone = gone.first().map(|path| {
                        anyhow::anyhow!("{path} is not in the store any more: it gets no link")
                    });
                    failed = failed.or(gone);
                }
                Err(error) => failed = failed.or(Some(error.into())),
            }
        }
        if let Some(file) = &args.out_paths
            && let Err(error) = write_out_paths(file, &lines)
        {
            failed = failed.or(Some(error));
        }
        failed.map_or(Ok(()), Err)
    }
}

fn write_out_paths(file: &Path, lines: &str) -> anyhow::Result<()> {
    use anyhow::Context as _;
    write_file(file, lines.as_bytes()).with_context(|| format!("cannot write `{}`", file.display()))
}

/// A file name for an output of a check, another one for each: `x86_64-linux.fmt`, `x86_64-linux.fmt^dev`. What could mean
/// something to a file system or a shell is written as `%XX`.
fn link_name(check: &str, output: &str) -> String {
    let mut name = escaped(if check.is_empty() { "result" } else { check });
    if output != "out" {
        name.push('^');
        name.push_str(&escaped(output));
    }
    if name.len() > NAME_MAX {
        let hash = hex(&Sha256::digest(name.as_bytes()));
        name.truncate(NAME_MAX - 17);
        name = format!("{name}-{}", &hash[..16]);
    }
    name
}

fn escaped(text: &str) -> String {
    let mut name = String::new();
    for (at, byte) in text.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || b"_-+=@".contains(&byte);
        // A name of dots alone, and one that begins with them, means something.
        if is_plain || (byte == b'.' && at > 0) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{NAME_MAX, link_name};

    #[test]
    fn names_of_links_are_safe_and_differ() {
        let long = "x".repeat(4000);
        let longer = format!("{long}y");
        let checks = [
            "x86_64-linux.fmt",
            "x86_64-linux.\"../../etc\"",
            "..",
            ".",
            "",
            "a^dev",
            "a",
            "a%5Edev",
            "ä\u{1b}[2J\n",
            &long,
            &longer,
        ];
        let mut seen = HashSet::new();
        for check in checks {
            for output in ["out", "dev", "-dev", "../x"] {
                let name = link_name(check, output);
                assert!(name.len() <= NAME_MAX, "{name}");
                assert!(!name.starts_with('.') && !name.is_empty(), "{name}");
                let safe = |c: char| c.is_ascii_alphanumeric() || "_-+=@.%^".contains(c);
                assert!(name.chars().all(safe), "{name}");
                assert!(seen.insert(name), "{check} {output}");
            }
        }
        assert_eq!(link_name("x86_64-linux.fmt", "out"), "x86_64-linux.fmt");
        assert_eq!(link_name("a", "dev"), "a^dev");
    }
}
