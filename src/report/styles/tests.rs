use std::{collections::BTreeSet, time::Duration};

use unicode_width::UnicodeWidthStr;

use super::{ASCII, Styles, UNICODE, paint};
use crate::event::Outcome;

#[test]
fn by_default_nothing_has_colours_or_leaves_ascii() {
    let styles = Styles::default();
    for outcome in Outcome::ALL {
        let (glyph, style) = styles.outcome(outcome, false);
        assert_eq!(paint(style, glyph), glyph);
        assert!(glyph.is_ascii());
    }
}

#[test]
fn colours_do_not_depend_on_the_surroundings() {
    let styles = Styles::new(true, true);
    let (glyph, style) = styles.outcome(Outcome::TimedOut, false);
    assert_eq!(paint(style, glyph), "\u{1b}[31m\u{1b}[1m✖\u{1b}[0m");
}

#[test]
fn signs_in_cells_are_one_column_wide() {
    for glyphs in [UNICODE, ASCII] {
        let single = [glyphs.pass, glyphs.fail, glyphs.neutral, glyphs.waiting];
        for glyph in single.iter().chain(glyphs.spinner) {
            assert_eq!(glyph.width(), 1, "{glyph}");
        }
        assert_eq!(single.iter().collect::<BTreeSet<_>>().len(), 4);
    }
}

#[test]
fn the_spinner_turns_every_tenth_of_a_second() {
    let shown: String = (0..5)
        .map(|i| ASCII.spinner(Duration::from_millis(i * 100 + 99)))
        .collect();
    assert_eq!(shown, "|/-\\|");
    assert_eq!(ASCII.spinner(Duration::MAX).len(), 1);
}
