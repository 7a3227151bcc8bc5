//! The files that Nix reads its settings from; only to know whether something changed or is set at all.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// How deep `include` may lead to further files.
const DEPTH_MAX: u32 = 8;

/// The text of all of Nix's configuration files, in the order in which Nix reads them, with `NIX_CONFIG` last. `env`
/// looks up a variable.
pub(super) fn read_all(env: &dyn Fn(&str) -> Option<OsString>) -> String {
    let mut text = String::new();
    for file in files(env) {
        read(&file, 0, &mut text);
    }
    if let Some(config) = env("NIX_CONFIG") {
        text.push_str(&config.to_string_lossy());
        text.push('\n');
    }
    text
}

/// Whether a setting is set in this text, under its own name.
pub(super) fn is_set(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let line = line.split('#').next().unwrap_or_default();
        line.split_once('=')
            .is_some_and(|(key, _)| key.trim() == name)
    })
}

fn files(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let path = |name: &str| {
        env(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let mut files = vec![
        path("NIX_CONF_DIR")
            .unwrap_or_else(|| "/etc/nix".into())
            .join("nix.conf"),
    ];
    if let Some(user_files) = env("NIX_USER_CONF_FILES") {
        files.extend(std::env::split_paths(&user_files));
        return files;
    }
    let dirs = env("XDG_CONFIG_DIRS")
        .filter(|dirs| !dirs.is_empty())
        .unwrap_or_else(|| "/etc/xdg".into());
    files.extend(std::env::split_paths(&dirs).map(|dir| dir.join("nix/nix.conf")));
    let home = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
    files.extend(home.map(|dir| dir.join("nix/nix.conf")));
    files
}

fn read(file: &Path, depth: u32, text: &mut String) {
    let Ok(own) = std::fs::read_to_string(file) else {
        return;
    };
    for line in own.lines() {
        text.push_str(line);
        text.push('\n');
        let mut words = line.split_whitespace();
        if let (Some("include" | "!include"), Some(other)) = (words.next(), words.next())
            && depth < DEPTH_MAX
        {
            let other = file.parent().unwrap_or(Path::new("/")).join(other);
            read(&other, depth + 1, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, ffi::OsString};

    use super::{is_set, read_all};

    #[test]
    fn included_files_and_nix_config_count() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("nix.conf"),
            "cores = 2 # max-jobs = 9\n!include more.conf\n",
        )
        .unwrap();
        std::fs::write(dir.path().join("more.conf"), "sandbox = true\n").unwrap();
        let env: HashMap<&str, OsString> = HashMap::from([
            ("NIX_CONF_DIR", dir.path().into()),
            ("NIX_USER_CONF_FILES", "".into()),
            ("NIX_CONFIG", "timeout = 3".into()),
        ]);
        let text = read_all(&|name| env.get(name).cloned());
        assert!(is_set(&text, "cores") && is_set(&text, "sandbox") && is_set(&text, "timeout"));
        assert!(!is_set(&text, "max-jobs") && !is_set(&text, "core"));
    }
}
