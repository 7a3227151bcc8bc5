//! Gates that builds stop at until a test opens them, so that a test looks at a state of its choice for as long as it
//! likes, whatever else the machine does.

use std::fs;

use super::{nix, project::PRELUDE, store::TestStore};

/// The folder in a store's folder that builds see in their sandbox.
const FOLDER: &str = "gates";

/// A store of the newest Nix with a daemon, whose builds see the gates.
pub(crate) fn store() -> TestStore {
    let store = nix::newest().store();
    let folder = store.folder().join(FOLDER);
    fs::create_dir(&folder).unwrap();
    store
        .with_setting("extra-sandbox-paths", folder.to_str().unwrap())
        .with_daemon()
}

/// The part of a script that waits here.
pub(crate) fn wait(store: &TestStore, gate: &str) -> String {
    let file = store.folder().join(FOLDER).join(gate);
    format!("until [ -e {} ]; do nap 0.05; done\n", file.display())
}

/// The same for a script that is without the means of a [`Project`](super::Project).
pub(crate) fn wait_by_itself(store: &TestStore, gate: &str) -> String {
    format!("{PRELUDE}{}", wait(store, gate))
}

/// Lets builds pass.
pub(crate) fn open(store: &TestStore, gate: &str) {
    fs::write(store.folder().join(FOLDER).join(gate), "").unwrap();
}
