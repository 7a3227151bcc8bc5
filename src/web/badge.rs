//! A picture of how a branch stands.
//!
//! Nothing in it comes from outside: label and verdict are words of this file.

use std::fmt::Write as _;

use crate::{db::server::Run, event::RunOutcome};

/// What stands on the left.
const LABEL: &str = "nixci";
/// How wide a letter is, about, in tenths of a pixel of an 11 px font.
const LETTER: usize = 68;
/// The room beside a text, in pixels.
const MARGIN: usize = 6;

/// The badge of the newest run of a branch that was carried out, as SVG.
pub fn badge(newest: Option<&Run>) -> String {
    let outcome = newest.and_then(|run| run.outcome.as_deref());
    let (verdict, color) = match outcome.and_then(RunOutcome::parse) {
        Some(RunOutcome::Passed) => ("passed", "#2a7a3b"),
        Some(RunOutcome::Failed) => ("failed", "#b3202a"),
        Some(RunOutcome::Errored) => ("errored", "#b3202a"),
        Some(RunOutcome::Cancelled) | None => ("unknown", "#67707a"),
    };
    let width = |text: &str| text.len() * LETTER / 10 + 2 * MARGIN;
    let (left, right) = (width(LABEL), width(verdict));
    let whole = left + right;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" role=\"img\" \
         aria-label=\"{LABEL}: {verdict}\"><title>{LABEL}: {verdict}</title>\
         <clipPath id=\"r\"><rect width=\"{whole}\" height=\"20\" rx=\"3\"/></clipPath>\
         <g clip-path=\"url(#r)\"><rect width=\"{left}\" height=\"20\" fill=\"#3b434c\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{color}\"/></g>\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\" text-anchor=\"middle\">"
    );
    for (text, middle) in [(LABEL, left / 2), (verdict, left + right / 2)] {
        let _ = write!(svg, "<text x=\"{middle}\" y=\"14\">{text}</text>");
    }
    svg.push_str("</g></svg>\n");
    svg
}
