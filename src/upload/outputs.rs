//! Finds the outputs of derivations that are valid: what can be copied at all.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    nix::StorePath,
    store::{Pool, StoreError},
};

/// Returns those outputs that are valid. A derivation comes with its outputs as far as they are known; where one is not,
/// the store is asked, and if it does not know the derivation either, that one has none.
pub async fn valid_outputs(
    pool: &Pool,
    derivations: impl IntoIterator<Item = (StorePath, BTreeMap<String, Option<StorePath>>)>,
) -> Result<Vec<StorePath>, StoreError> {
    let mut connection = pool.acquire().await?;
    let mut outputs = BTreeSet::new();
    for (drv_path, known) in derivations {
        if !known.is_empty() && known.values().all(Option::is_some) {
            outputs.extend(known.into_values().flatten());
            continue;
        }
        match connection.query_derivation_output_map(&drv_path).await {
            Ok(map) => outputs.extend(map.into_values().flatten()),
            Err(StoreError::Daemon { .. }) => outputs.extend(known.into_values().flatten()),
            Err(error) => return Err(error),
        }
    }
    if outputs.is_empty() {
        return Ok(Vec::new());
    }
    let valid = connection.query_valid_paths(&outputs, false).await?;
    Ok(valid.into_iter().collect())
}
