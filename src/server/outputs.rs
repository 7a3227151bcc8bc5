//! Where outputs are that are only known once they are built: those of content-addressed derivations.

use std::collections::BTreeMap;

use crate::{
    nix::StorePath,
    store::{Pool, StoreError},
};

/// Outputs by name, as far as their paths are known.
pub(super) type Outputs = BTreeMap<String, Option<StorePath>>;

/// Whether it is known where all outputs are.
pub(super) fn are_known(outputs: &Outputs) -> bool {
    !outputs.is_empty() && outputs.values().all(Option::is_some)
}

/// Asks the store where the outputs of derivations are of which that is not known. One of which it cannot say so keeps it
/// from none of the others; returns the first error.
pub(super) async fn look_up<'o>(
    pool: &Pool,
    built: impl Iterator<Item = (&'o StorePath, &'o mut Outputs)>,
) -> Result<(), StoreError> {
    let mut done = Ok(());
    for (drv_path, outputs) in built {
        if are_known(outputs) {
            continue;
        }
        // One that an error came from is not lent out again.
        match pool
            .acquire()
            .await?
            .query_derivation_output_map(drv_path)
            .await
        {
            Ok(found) => *outputs = found,
            Err(error) => done = done.and(Err(error)),
        }
    }
    done
}
