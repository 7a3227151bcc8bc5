//! Patterns that choose repositories.

use std::collections::BTreeMap;

use super::{ForgeConfig, ForgeSoftware, RefPattern};

/// A glob over the names of repositories at one forge: who has a name at one need not be who has it at another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryPattern {
    /// The forge; `None`: there is one only.
    forge: Option<String>,
    name: RefPattern,
}

impl RepositoryPattern {
    /// Reads `FORGE/OWNER/NAME` or, where there are not several forges, `OWNER/NAME`. An error says what to write.
    pub fn parse(text: &str, forges: &BTreeMap<String, ForgeConfig>) -> Result<Self, String> {
        if let Some((forge, name)) = text.split_once('/')
            && let Some(known) = forges.get(forge)
            // Else it is an owner that is called like a forge. Without an interface there are names of one part, too.
            && (name.contains('/') || known.kind == ForgeSoftware::Plain)
        {
            return Ok(Self {
                forge: Some(forge.to_owned()),
                name: RefPattern::parse(name)?,
            });
        }
        let name = RefPattern::parse(text)?;
        if forges.len() > 1 {
            let meant: Vec<String> = forges
                .keys()
                .map(|forge| format!("`{forge}/{text}`"))
                .collect();
            return Err(format!(
                "it does not say at which of the forges: write {}",
                meant.join(" or ")
            ));
        }
        Ok(Self { forge: None, name })
    }

    fn means(&self, forge: &str, full_name: &str) -> bool {
        self.forge.as_deref().is_none_or(|own| own == forge) && self.name.matches(full_name)
    }
}

/// Whether patterns mean a repository of a forge; where there are none, every one is meant.
pub(super) fn mean_repository(
    patterns: Option<&[RepositoryPattern]>,
    forge: &str,
    full_name: &str,
) -> bool {
    patterns.is_none_or(|patterns| {
        let mut patterns = patterns.iter();
        patterns.any(|pattern| pattern.means(forge, full_name))
    })
}
