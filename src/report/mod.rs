//! Shows a run to people and programs: a live matrix, plain lines, or JSON lines.
//!
//! A [`Reporter`] is handed every [`crate::event::Event`] at once and in order, and writes. It knows nothing of how a
//! run works: only `nix` and `event` are imported here. Everything an event says comes from outside and is made
//! harmless in `sanitize` before it is shown.
//!
//! | file | what it decides |
//! |---|---|
//! | `options` | which format, with colours or not: [`resolve`] |
//! | `reporter` | who writes where |
//! | `matrix/` | the live block of a terminal, its keys, and what they open |
//! | `wish` | what someone at the keyboard wants |
//! | `plain`, `json` | the two streams |
//! | `ci`, `dialect`, `build_log` | which CI this is, its commands, and the logs it has folded |
//! | `source_tree`, `wrong_hash` | what the flake's own files tell about a failure |
//! | `files`, `file` | what else a run is written to, and how |
//! | `record`, `junit`, `markdown` | every check, and the reports that list them |
//! | `line`, `words`, `summary`, `running` | single lines, the end, and what runs, the same for terminal and stream |
//! | `format`, `sanitize`, `styles`, `shell` | figures, hostile text, colours, commands to copy |

mod build_log;
mod ci;
mod dialect;
mod file;
mod files;
mod format;
mod history_table;
mod json;
mod junit;
mod line;
mod line_ring;
mod markdown;
mod matrix;
mod options;
mod plain;
mod record;
mod reporter;
mod running;
mod sanitize;
#[cfg(test)]
mod script;
mod shell;
mod source_tree;
mod styles;
mod summary;
mod wish;
mod words;
mod wrong_hash;

pub use ci::{Ci, step_summary};
pub use file::{FileError, ReportFile, StreamFile};
pub use files::ReportFiles;
pub use format::{bytes, counted, duration};
pub use history_table::{HistoryRow, HistorySign, history_heading, history_table};
pub use json::Detail;
pub use matrix::keyboard::{Keyboard, SharedReporter};
pub use options::{Again, Format, Look, ReportOptions, resolve};
pub use reporter::Reporter;
pub use sanitize::{harmless, log_text};
#[cfg(test)]
pub(crate) use script::any_events;
pub use source_tree::{NoSource, SourceTree};
pub use styles::sign;
pub use wish::Wish;
pub use words::{headline, spoken};
pub use wrong_hash::{WrongHash, find_wrong_hashes, is_wrong_hash};
