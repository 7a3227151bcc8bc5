//! Derivations of scripts in a private store, and connections to it.

use std::collections::BTreeSet;

use nixci::{
    nix::StorePath,
    store::{
        BuildMode, BuildResult, ClientSettings, Connection, DerivedPath, LogMessage, StoreAddress,
        StoreError,
    },
};

use crate::support::{
    nix::{self, Nix},
    project::SYSTEM,
    store::TestStore,
};

/// The ways to reach a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Socket,
    Stdio,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::Socket, Self::Stdio];
}

/// A private store of one Nix, reached one way.
pub(crate) struct Fixture {
    pub(crate) store: TestStore,
    pub(crate) way: Way,
}

/// Every installed Nix, reached both ways.
pub(crate) fn all() -> impl Iterator<Item = Fixture> {
    all_with(&[])
}

/// Every installed Nix with these settings in its `nix.conf`, reached both ways.
pub(crate) fn all_with(settings: &[(&str, &str)]) -> impl Iterator<Item = Fixture> {
    nix::all()
        .into_iter()
        .flat_map(move |nix| Way::ALL.map(|way| Fixture::new(&nix, way, settings)))
}

impl Fixture {
    pub(crate) fn new(nix: &Nix, way: Way, settings: &[(&str, &str)]) -> Self {
        let store = settings.iter().fold(nix.store(), |store, (name, value)| {
            store.with_setting(name, value)
        });
        // Daemon processes that open a new store at the same time trip over each other while they make it.
        let status = store.command("nix-store").arg("--init").status().unwrap();
        assert!(status.success());
        let store = match way {
            Way::Socket => store.with_daemon(),
            Way::Stdio => store,
        };
        Self { store, way }
    }

    pub(crate) fn address(&self) -> StoreAddress {
        match self.way {
            Way::Socket => StoreAddress::Socket(self.store.socket()),
            Way::Stdio => StoreAddress::Command {
                program: self.store.nix().prefix.join("bin/nix-daemon"),
                args: vec!["--stdio".into()],
                env: self
                    .store
                    .env()
                    .into_iter()
                    .map(|(name, value)| (name.into(), value))
                    .collect(),
            },
        }
    }

    pub(crate) async fn open(&self) -> Connection {
        self.open_with(&ClientSettings::default()).await
    }

    pub(crate) async fn open_with(&self, settings: &ClientSettings) -> Connection {
        Connection::open(&self.address(), settings)
            .await
            .unwrap_or_else(|error| panic!("{self}: {error}: {error:?}"))
    }

    /// Instantiates a list of derivations. In the expression, `drv NAME SCRIPT ATTRIBUTES` makes one of a script for a
    /// shell without any other program, in which `nap SECONDS` sleeps.
    pub(crate) fn instantiate(&self, list: &str) -> Vec<StorePath> {
        let expression = format!(
            r#"let drv = name: script: attributes: derivation ({{
                 inherit name; system = "{SYSTEM}"; builder = "/bin/sh";
                 args = [ "-euc" ("nap() {{ read -r -t $1 _ <>/dev/ptmx || :; }}\n" + script) ];
               }} // attributes); in {list}"#
        );
        let output = self
            .store
            .command("nix-instantiate")
            .args(["--expr", &expression])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self}: {stderr}");
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| StorePath::parse(line.split('!').next().unwrap()).unwrap())
            .collect()
    }

    /// Instantiates one derivation.
    pub(crate) fn instantiate_one(&self, drv: &str) -> StorePath {
        self.instantiate(&format!("[ ({drv}) ]")).remove(0)
    }
}

impl std::fmt::Display for Fixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Nix {} by {:?}", self.store.nix(), self.way)
    }
}

/// Builds one derivation; returns its result and everything the daemon said.
pub(crate) async fn build(
    connection: &mut Connection,
    drv_path: &StorePath,
) -> (Result<BuildResult, StoreError>, Vec<LogMessage>) {
    let mut messages = Vec::new();
    let results = connection
        .build_paths_with_results(
            &[DerivedPath::all_outputs(drv_path.clone())],
            BuildMode::Normal,
            &mut |message| messages.push(message),
        )
        .await;
    let result = results.map(|mut results| {
        assert_eq!(results.len(), 1, "{results:?}");
        let keyed = results.remove(0);
        assert_eq!(keyed.target.path(), drv_path);
        keyed.result
    });
    (result, messages)
}

/// A set of one path or of several.
pub(crate) fn set(paths: &[StorePath]) -> BTreeSet<StorePath> {
    paths.iter().cloned().collect()
}
