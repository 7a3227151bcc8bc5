//! The version of Nix, of whatever make it is.

use std::fmt;

/// What `nix --version` says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NixVersion {
    /// The version as it is written: `2.34.8`, `2.35pre20260801_abcdef`.
    pub text: String,
    /// Major and minor, to compare.
    pub numbers: (u32, u32),
    /// Whether this is Lix, whose numbers go their own way from 2.90 on.
    pub is_lix: bool,
}

impl NixVersion {
    /// The oldest version whose daemon and evaluator can be used.
    pub const OLDEST: (u32, u32) = (2, 8);

    /// Parses the line that `nix --version` prints: `nix (Nix) 2.34.8`, `nix (Lix, like Nix) 2.93.3`,
    /// `nix (Determinate Nix 3.5.2) 2.28.3`.
    pub fn parse(line: &str) -> Option<Self> {
        let text = line.split_whitespace().next_back()?.to_owned();
        let mut parts = text.split('.').map(|part| {
            let digits = part
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(part.len());
            part[..digits].parse::<u32>().ok()
        });
        let numbers = (parts.next()??, parts.next()??);
        Some(Self {
            is_lix: line.contains("Lix"),
            text,
            numbers,
        })
    }

    /// Whether it is too old to be used.
    pub fn is_too_old(&self) -> bool {
        self.numbers < Self::OLDEST
    }
}

impl fmt::Display for NixVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::NixVersion;

    #[test]
    fn every_make_is_understood() {
        let parsed =
            |line: &str| NixVersion::parse(line).map(|v| (v.numbers, v.is_lix, v.is_too_old()));
        assert_eq!(parsed("nix (Nix) 2.34.8\n"), Some(((2, 34), false, false)));
        assert_eq!(
            parsed("nix (Lix, like Nix) 2.93.3"),
            Some(((2, 93), true, false))
        );
        assert_eq!(
            parsed("nix (Determinate Nix 3.5.2) 2.28.3"),
            Some(((2, 28), false, false))
        );
        assert_eq!(
            parsed("nix (Nix) 2.35pre20260801_abcdef"),
            Some(((2, 35), false, false))
        );
        assert_eq!(parsed("nix (Nix) 2.3.16"), Some(((2, 3), false, true)));
        assert_eq!(parsed("hello"), None);
        assert_eq!(parsed(""), None);
    }
}
