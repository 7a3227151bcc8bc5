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
//! | `matrix/` | the live block of a terminal |
//! | `plain`, `json` | the two streams |
//! | `line`, `summary` | single lines and the end, the same for terminal and stream |
//! | `format`, `sanitize`, `styles`, `shell` | figures, hostile text, colours, commands to copy |

mod json;
mod options;
mod reporter;

pub use options::{Format, Look, ReportOptions, resolve};
pub use reporter::Reporter;

/// stub
pub fn sanitize_line(text: &str) -> String {
    text.escape_debug().to_string()
}
