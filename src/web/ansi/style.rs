//! The look of text, as `SGR` sequences choose it (ECMA-48, 5th edition, §8.3.117; 38 and 48 by ITU-T T.416).

use std::fmt::Write as _;

use vte::Params;

/// The sixteen colours as most terminals show them, to find the nearest of any other.
const PALETTE: [[i32; 3]; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

/// Flags with the numbers that set and clear them, and the class that shows them.
const FLAGS: [(u16, u16, char); 6] = [
    (1, 22, 'b'),
    (2, 22, 'd'),
    (3, 23, 'i'),
    (4, 24, 'u'),
    (7, 27, 'v'),
    (9, 29, 's'),
];

/// The look of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    flags: [bool; FLAGS.len()],
    /// Of the sixteen colours.
    foreground: Option<u8>,
    background: Option<u8>,
}

impl Style {
    /// The classes that show it, separated by spaces.
    pub(super) fn classes(self) -> String {
        let mut classes = String::new();
        for (is_set, (_, _, class)) in self.flags.iter().zip(FLAGS) {
            if *is_set {
                let _ = write!(classes, "{class} ");
            }
        }
        for (class, color) in [('f', self.foreground), ('g', self.background)] {
            if let Some(color) = color {
                let _ = write!(classes, "{class}{color} ");
            }
        }
        classes.truncate(classes.trim_end().len());
        classes
    }

    /// Obeys the parameters of a sequence.
    pub(super) fn select(&mut self, params: &Params) {
        let mut params = params.iter();
        while let Some(param) = params.next() {
            match param {
                [38 | 48, rest @ ..] => {
                    let color = if rest.is_empty() {
                        let mut next = || params.next().and_then(|param| param.first()).copied();
                        extended(&mut next)
                    } else {
                        // `38:2::R:G:B` has a color space, which may be left out.
                        let is_long = rest.first() == Some(&2) && rest.len() > 4;
                        let mut rest = rest.iter().copied();
                        let mut at = 0;
                        extended(&mut || {
                            at += 1;
                            if at == 2 && is_long {
                                rest.next();
                            }
                            rest.next()
                        })
                    };
                    match (param[0], color) {
                        (38, Some(color)) => self.foreground = Some(color),
                        (_, Some(color)) => self.background = Some(color),
                        (_, None) => {}
                    }
                }
                // `4:0` takes the line away.
                [4, 0] => self.set(24),
                [number, ..] => self.set(*number),
                [] => {}
            }
        }
    }

    fn set(&mut self, number: u16) {
        let color = |first: u16| u8::try_from(number - first).ok();
        match number {
            0 => *self = Self::default(),
            30..=37 => self.foreground = color(30),
            39 => self.foreground = None,
            40..=47 => self.background = color(40),
            49 => self.background = None,
            90..=97 => self.foreground = color(90 - 8),
            100..=107 => self.background = color(100 - 8),
            _ => {
                for (flag, (on, off, _)) in self.flags.iter_mut().zip(FLAGS) {
                    if number == on {
                        *flag = true;
                    } else if number == off {
                        *flag = false;
                    }
                }
            }
        }
    }
}

/// Reads what follows 38 or 48: `5;N` or `2;R;G;B`.
fn extended(next: &mut dyn FnMut() -> Option<u16>) -> Option<u8> {
    match next()? {
        5 => indexed(next()?),
        2 => Some(nearest([next()?, next()?, next()?].map(i32::from))),
        _ => None,
    }
}

/// One of the 256 colours of xterm: sixteen, a cube of 6 × 6 × 6, and 24 greys.
fn indexed(number: u16) -> Option<u8> {
    let level = |n: u16| if n == 0 { 0 } else { i32::from(55 + n * 40) };
    match number {
        0..16 => u8::try_from(number).ok(),
        16..232 => {
            let n = number - 16;
            Some(nearest([level(n / 36), level(n / 6 % 6), level(n % 6)]))
        }
        232..256 => Some(nearest([i32::from(8 + (number - 232) * 10); 3])),
        _ => None,
    }
}

fn nearest(color: [i32; 3]) -> u8 {
    let distance = |other: &[i32; 3]| -> i32 {
        color
            .iter()
            .zip(other)
            .map(|(a, b)| (a.min(&255) - b).pow(2))
            .sum()
    };
    (0_u8..)
        .zip(&PALETTE)
        .min_by_key(|(_, other)| distance(other))
        .map_or(7, |(number, _)| number)
}
