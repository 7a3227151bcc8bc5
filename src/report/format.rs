//! Figures as people read them: durations, sizes, counts.
//!
//! Apart so that the terminal, the plain lines and whatever comes later print the same text. Pure.

use std::time::Duration;

/// A duration with the precision that its length deserves: `0.4s`, `12.4s`, `1m12s`, `2h05m`. Rounds down.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}.{}s", duration.subsec_millis() / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => hours_and_minutes(seconds / 60),
    }
}

/// A duration that is only guessed: `8s`, `3m`, `2h05m`. Rounds to the nearest.
pub(super) fn estimate(duration: Duration) -> String {
    let seconds = duration.as_millis().saturating_add(500) / 1000;
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    let minutes = seconds.saturating_add(30) / 60;
    match seconds {
        0..60 => format!("{seconds}s"),
        _ if minutes < 60 => format!("{minutes}m"),
        _ => hours_and_minutes(minutes),
    }
}

fn hours_and_minutes(minutes: u64) -> String {
    format!("{}h{:02}m", minutes / 60, minutes % 60)
}

/// A size in binary units: `512 B`, `4.1 MiB`, `41 MiB`. Rounds down.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut scale = 1_u64;
    let mut unit = "B";
    for larger in UNITS {
        if bytes / scale < 1024 {
            break;
        }
        scale *= 1024;
        unit = larger;
    }
    let whole = bytes / scale;
    // Division before multiplication: `bytes * 10` would overflow.
    let tenths = bytes % scale / (scale / 10).max(1);
    if unit == "B" || whole >= 10 {
        format!("{whole} {unit}")
    } else {
        format!("{whole}.{} {unit}", tenths.min(9))
    }
}

/// A number with its thousands apart: `12,345`.
pub(super) fn count(n: impl TryInto<u64>) -> String {
    let digits = n.try_into().unwrap_or(u64::MAX).to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number and what it counts: `1 check`, `1,234 checks`.
pub fn counted(n: usize, noun: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(n))
}

#[cfg(test)]
mod tests;
