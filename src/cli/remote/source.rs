//! Brings flakes of this machine to another one, as store paths.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    cli::local_flake::percent_encode,
    nix::StorePath,
    upload::{Invocation, run_program},
};

/// How to bring flakes to a machine.
pub(super) struct Source {
    /// The program `nix`.
    pub(super) nix: PathBuf,
    /// `--option`s of the command line.
    pub(super) nix_options: Vec<(String, String)>,
    /// The machine, as ssh takes it.
    pub(super) host: String,
}

impl Source {
    /// What a flake is called there. One that is on this machine is copied, with all its inputs. `below`: the folder that
    /// is left out of its own.
    ///
    /// # Errors
    ///
    /// Why it cannot be copied, in words.
    pub(super) async fn copied(&self, flake: &str, below: &str) -> Result<String, String> {
        let is_here = ["path:", "git+file:", ".", "/"]
            .iter()
            .any(|start| flake.starts_with(start));
        if !is_here {
            return Ok(flake.to_owned());
        }
        let copied = async {
            let metadata = self.nix(&["flake", "metadata", flake]).await?;
            let url = format!("ssh-ng://{}", self.host);
            let archived = self.nix(&["flake", "archive", "--to", &url, flake]).await?;
            let path = archived["path"].as_str().unwrap_or_default();
            let path = StorePath::parse(path)
                .map_err(|_| "`nix flake archive` does not say where it is".to_owned())?;
            Ok(path_reference(&path, &metadata["locked"], below))
        };
        copied.await.map_err(|why: String| {
            let flake = flake.escape_debug();
            format!("cannot copy the flake `{flake}` there: {why}")
        })
    }

    async fn nix(&self, words: &[&str]) -> Result<Value, String> {
        let mut args: Vec<String> = ["--extra-experimental-features", "nix-command flakes"]
            .iter()
            .chain(words)
            .chain(&["--json", "--no-write-lock-file"])
            .map(ToString::to_string)
            .collect();
        for (name, value) in &self.nix_options {
            args.extend(["--option".to_owned(), name.clone(), value.clone()]);
        }
        let invocation = Invocation {
            program: self.nix.clone(),
            args,
            ..Invocation::default()
        };
        let printed = Box::pin(run_program(&invocation)).await;
        let printed = printed.map_err(|fault| fault.text)?;
        serde_json::from_slice(&printed).map_err(|error| error.to_string())
    }
}

/// A flake in the store, with what is known of the commit it was. `below`: the folder that is left out of its own.
pub(super) fn path_reference(path: &StorePath, locked: &Value, below: &str) -> String {
    let mut parameters = Vec::new();
    for name in ["rev", "revCount", "lastModified"] {
        match &locked[name] {
            Value::String(text) => parameters.push(format!("{name}={text}")),
            Value::Number(number) => parameters.push(format!("{name}={number}")),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
        }
    }
    let dir = locked["dir"].as_str().unwrap_or_default();
    let dir = dir.strip_suffix(below).unwrap_or(dir).trim_end_matches('/');
    if !dir.is_empty() {
        let dir = percent_encode(dir);
        parameters.push(format!("dir={dir}"));
    }
    let query = if parameters.is_empty() { "" } else { "?" };
    format!("path:{path}{query}{}", parameters.join("&"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::path_reference;
    use crate::nix::StorePath;

    #[test]
    fn a_flake_in_the_store_keeps_its_commit_and_folder() {
        let store = "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-source";
        let path = StorePath::parse(store).unwrap();
        let locked =
            json!({"rev": "ab", "revCount": 3, "lastModified": 9, "dir": "a b/c", "type": "git"});
        assert_eq!(
            path_reference(&path, &locked, ""),
            format!("path:{store}?rev=ab&revCount=3&lastModified=9&dir=a%20b/c")
        );
        let below = path_reference(&path, &json!({"dir": "a/nix"}), "nix");
        assert_eq!(below, format!("path:{store}?dir=a"));
        let all = path_reference(&path, &json!({"dir": "nix"}), "nix");
        assert_eq!(all, format!("path:{store}"));
        assert_eq!(
            path_reference(&path, &json!({}), ""),
            format!("path:{store}")
        );
    }
}
