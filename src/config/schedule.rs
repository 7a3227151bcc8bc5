//! What is built again and again, because it is time.

use super::Cron;

/// The longest name, in characters.
const NAME_CHARS: usize = 50;
/// The longest name of a branch, in bytes.
const BRANCH_BYTES: usize = 250;

/// A branch that is built at certain times, whether anything changed or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What it is called.
    pub name: String,
    /// When.
    pub cron: Cron,
    /// Which branch; `None`: the default one.
    pub branch: Option<String>,
}

/// Reads the name of a schedule.
pub(super) fn schedule_name(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.len() <= NAME_CHARS && text.chars().all(is_name) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "the name of a schedule has letters, digits, `-`, `_` and `.` only, {NAME_CHARS} at most"
        ))
    }
}

/// Reads the name of a branch.
pub(super) fn branch_name(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && text.len() <= BRANCH_BYTES;
    if is_name && !text.contains(char::is_control) && !text.starts_with("refs/") {
        Ok(text.to_owned())
    } else {
        Err("write the name of a branch as it is, such as `main`, without `refs/heads/`".to_owned())
    }
}
