//! What is shown instead of a page.

use askama::Template;

use super::site::Page;

/// What is shown instead of a page.
#[derive(Debug, Template)]
#[template(path = "trouble.html")]
pub struct TroublePage {
    /// What every page has.
    pub page: Page,
    /// What happened, and what to do.
    pub text: &'static str,
}
