//! Whose repositories count when they have a topic.

use toml::Spanned;

use super::Reader;
use crate::config::{ConfigError, ForgeSoftware, server::words::forge_owner};

impl Reader<'_> {
    pub(super) fn owners(
        &self,
        owners: Option<Spanned<Vec<Spanned<String>>>>,
        kind: ForgeSoftware,
    ) -> Result<Vec<String>, ConfigError> {
        let Some(owners) = owners else {
            return Ok(Vec::new());
        };
        if owners.get_ref().is_empty() {
            // It could mean nobody as well as everybody.
            let message = "name somebody; `topics = []` is for nobody";
            return Err(self.wrong(owners.span(), message));
        }
        self.list(owners.get_ref(), |text| forge_owner(text, kind))
    }
}
