//! A flake in a git repository of its own, and runs of the built `nixci` on it.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    running::{Finished, Running},
    store::TestStore,
};

/// This machine's system, as Nix calls it.
pub(crate) const SYSTEM: &str = if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
    "aarch64-darwin"
} else if cfg!(target_os = "macos") {
    "x86_64-darwin"
} else if cfg!(target_arch = "aarch64") {
    "aarch64-linux"
} else {
    "x86_64-linux"
};

/// A system that no machine which runs these tests can build for.
pub(crate) const FOREIGN_SYSTEM: &str = if cfg!(target_os = "macos") {
    "x86_64-linux"
} else {
    "aarch64-darwin"
};

/// What every script may call: `nap SECONDS`. The sandbox has a shell and no program `sleep`; a terminal that nobody
/// writes to is the one thing there that `read` can wait for without using the processor.
pub(crate) const PRELUDE: &str = r#"nap() {
  if [ -x /bin/sleep ]; then /bin/sleep "$1"; else read -r -t "$1" _ <>/dev/ptmx || :; fi
}
"#;

/// A script that runs until it is stopped. It writes a line now and then: a daemon may miss that its client is gone in
/// the moment in which it handles a line or begins to wait for one, and sees it with the next.
pub(crate) const ENDLESS: &str = "while :; do echo it runs; nap 5; done";

/// A flake below the folder of a [`TestStore`]. The builder's methods may be called again after a run.
pub(crate) struct Project<'s> {
    store: &'s TestStore,
    dir: PathBuf,
    bindings: String,
    checks: String,
}

impl<'s> Project<'s> {
    /// Makes a git repository with a flake that has no checks yet, not committed. Its folder is called `project`.
    pub(crate) fn new(store: &'s TestStore) -> Self {
        Self::named(store, "project")
    }

    /// Makes it in a folder of this name, for a second project in one store.
    pub(crate) fn named(store: &'s TestStore, name: &str) -> Self {
        let dir = store.folder().join(name);
        fs::create_dir(&dir).unwrap();
        let project = Self {
            store,
            dir,
            bindings: String::new(),
            checks: String::new(),
        };
        project.git(&["init", "--quiet", "--initial-branch=main"]);
        project.write_flake();
        project
    }

    /// Adds a check for this machine's system: a script for `/bin/sh -euc` that has to write `$out`.
    pub(crate) fn check(self, name: &str, script: &str) -> Self {
        self.check_on(SYSTEM, name, script)
    }

    /// Adds a check for a system.
    pub(crate) fn check_on(self, system: &str, name: &str, script: &str) -> Self {
        let derivation = build(system, name, script);
        self.expression_on(system, name, &derivation)
    }

    /// Adds a check that logs a line and fails.
    pub(crate) fn failing(self, name: &str) -> Self {
        self.check(name, "echo 'this check fails on purpose' >&2; exit 1")
    }

    /// Adds a check that is this Nix expression, on this machine's system: `throw "x"`, `null`. It may call
    /// `build "NAME" "SCRIPT" { ATTRIBUTES }` and name what [`Self::binding`] bound.
    pub(crate) fn expression(self, name: &str, expression: &str) -> Self {
        self.expression_on(SYSTEM, name, expression)
    }

    /// Adds a check that is this Nix expression, for a system.
    pub(crate) fn expression_on(mut self, system: &str, name: &str, expression: &str) -> Self {
        let (system, name) = (nix_string(system), nix_string(name));
        writeln!(self.checks, "        {system}.{name} = {expression};")
            .expect("a String takes everything");
        self.write_flake();
        self
    }

    /// Binds a Nix expression to a name that every check's expression sees: a dependency that checks share.
    pub(crate) fn binding(mut self, name: &str, expression: &str) -> Self {
        writeln!(self.bindings, "      {name} = {expression};").expect("a String takes everything");
        self.write_flake();
        self
    }

    /// Writes a file, known to git though not committed.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self.git(&["add", "--intent-to-add", "--", path]);
        self
    }

    /// Replaces the whole `flake.nix`. What checks and bindings were added is lost.
    pub(crate) fn flake(self, text: &str) -> Self {
        self.file("flake.nix", text)
    }

    /// Commits everything that is there.
    pub(crate) fn committed(self) -> Self {
        self.git(&["add", "--all"]);
        self.git(&[
            "commit",
            "--quiet",
            "--allow-empty",
            "--message=A commit of a test",
        ]);
        self
    }

    /// Stages everything that is there.
    pub(crate) fn staged(self) -> Self {
        self.git(&["add", "--all"]);
        self
    }

    /// Makes the tree dirty: a file is there that the last commit does not have.
    pub(crate) fn dirty(self) -> Self {
        self.file("dirty", "not committed\n")
    }

    /// The repository's folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file and does nothing else: git does not know it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().expect("it is below the repository")).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs git in the repository and returns what it printed. Name, mail and date are always the same, so a commit of
    /// the same files has the same id.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let mut command = self.store.command("git");
        command.arg("-C").arg(&self.dir).args(arguments);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "nixci's tests");
            command.env(format!("GIT_{who}_EMAIL"), "tests@example.org");
            command.env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
        }
        let git = Running::start(&mut command).finish();
        assert_eq!(git.code, Some(0), "git {arguments:?}: {git}");
        git.stdout
    }

    /// Evaluates `drvPath` of a check with `nix eval` itself: what nixci has to find.
    pub(crate) fn drv_path(&self, system: &str, name: &str) -> String {
        let attribute = format!(
            ".#checks.{}.{}.drvPath",
            nix_string(system),
            nix_string(name)
        );
        self.store
            .run_nix(&["eval", "--raw", &attribute], &self.dir)
    }

    /// Prepares the built `nixci` to run in the repository with the store's environment and nothing else in it.
    pub(crate) fn nixci_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.store.command(env!("CARGO_BIN_EXE_nixci"));
        command.args(arguments).current_dir(&self.dir);
        command
    }

    /// Runs `nixci` to its end.
    pub(crate) fn nixci(&self, arguments: &[&str]) -> Finished {
        self.start(arguments).finish()
    }

    /// Starts `nixci`, for a test that does something while it runs.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.nixci_command(arguments))
    }

    fn write_flake(&self) {
        let Self {
            bindings, checks, ..
        } = self;
        let (system, prelude) = (nix_string(SYSTEM), nix_string(PRELUDE));
        let flake = format!(
            "{{
  outputs = {{ self }}:
    let
      buildOn = system: name: script: attributes: derivation ({{
        inherit system name;
        builder = \"/bin/sh\";
        args = [ \"-euc\" ({prelude} + script) ];
      }} // attributes);
      build = buildOn {system};
{bindings}    in {{
      checks = {{
{checks}      }};
    }};
}}
"
        );
        self.write("flake.nix", &flake);
        self.git(&["add", "--intent-to-add", "flake.nix"]);
    }
}

/// The call that builds a script, with a derivation name made from the check's, which may be anything.
fn build(system: &str, name: &str, script: &str) -> String {
    let tame = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '-'
        }
    };
    let name: String = format!("check-{name}").chars().map(tame).take(60).collect();
    format!(
        "buildOn {} {} {} {{ }}",
        nix_string(system),
        nix_string(&name),
        nix_string(script)
    )
}

/// Writes any text as a string of the Nix language.
pub(crate) fn nix_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' | '$' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
