//! Brings derivations to the store that builds them.

use super::{Fault, NixCopy, run_program};
use crate::nix::{StorePath, StoreUrl};

/// How many derivations are named on one command line.
const BATCH_MAX: usize = 500;

/// Copies derivations, with all that they need to be built, to another store.
pub async fn copy_derivations(
    nix: &NixCopy,
    to: &StoreUrl,
    drv_paths: &[StorePath],
) -> Result<(), Fault> {
    for batch in drv_paths.chunks(BATCH_MAX) {
        run_program(&nix.to(to, &["--derivation"], batch)).await?;
    }
    Ok(())
}
