//! Takes secrets out of whatever the server keeps, shows or sends: those that it knows, and what looks like one.
//!
//! Text is cleaned where it comes in, before it is written anywhere, so that nothing at rest has them. A text without
//! secrets costs two passes that skip most of it.

mod pattern;
mod redaction;
mod redactor;
mod secrets;

pub use self::{redaction::Redaction, redactor::Redactor, secrets::Secrets};

/// What stands in the place of a secret.
const HIDDEN: &str = "***";
