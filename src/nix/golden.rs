//! Data that Nix's own tests are held against, for our tests.
//!
//! It lies beside the project and not in it, since its licence is another one. A test that misses it says so and passes;
//! what it would have held is held by other tests too, on data of our own.

use std::{fs, path::Path};

use serde_json::Value;

/// Reads a file, `derivation/hello.drv` for example. `None`, after a word on standard error, where the data is absent;
/// panics where only the file is.
pub(crate) fn read(name: &str) -> Option<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/nix-2.34.8");
    if !folder.exists() {
        eprintln!("skipped: no golden data of Nix beside the project");
        return None;
    }
    Some(fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// Reads bytes of the wire, `worker-protocol/string` for example, and what they mean.
pub(crate) fn read_wire(name: &str) -> Option<(Vec<u8>, Value)> {
    let bytes = read(&format!("{name}.bin"))?;
    let meaning = read(&format!("{name}.json"))?;
    Some((bytes, serde_json::from_slice(&meaning).unwrap()))
}

/// A store path that golden data names by its last component.
pub(crate) fn store_path(base_name: &Value) -> super::StorePath {
    super::StorePath::parse(&format!("/nix/store/{}", base_name.as_str().unwrap())).unwrap()
}
