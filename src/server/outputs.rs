//! Where outputs are that are only known once they are built: those of content-addressed derivations.

use std::collections::BTreeMap;

use crate::{
    nix::StorePath,
    store::{Pool, StoreError},
};

/// Outputs by name, as far as their paths are known.
pub(super) type Outputs = BTreeMap<String, Option<StorePath>>;

/// Whether the store has to be asked where outputs are.
pub(super) fn are_known(outputs: &Outputs) -> bool {
    !outputs.is_empty() && outputs.values().all(Option::is_some)
}

/// Asks the store where the outputs of derivations are of which that is not known.
pub(super) async fn look_up<'o>(
    pool: &Pool,
    built: impl Iterator<Item = (&'o StorePath, &'o mut Outputs)>,
) -> Result<(), StoreError> {
    let mut connection = None;
    for (drv_path, outputs) in built {
        if are_known(outputs) {
            continue;
        }
        let connection = match &mut connection {
            Some(connection) => connection,
            none => none.insert(pool.acquire().await?),
        };
        *outputs = connection.query_derivation_output_map(drv_path).await?;
    }
    Ok(())
}
