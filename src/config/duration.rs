//! Durations as people write them.

use std::time::Duration;

use jiff::SignedDuration;

/// Parses a number of seconds, or a duration with units such as `90s`, `10m` or `1h 30m`: at least a second, at most a
/// year.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const YEAR: u64 = 366 * 24 * 60 * 60;
    let wrong = || {
        let text: String = text.chars().take(100).collect();
        format!(
            "`{}` is no duration: write a number of seconds, or one with units such as `90s`, `10m` or `1h 30m`",
            text.escape_debug()
        )
    };
    let seconds = if let Ok(seconds) = text.parse::<u64>() {
        seconds
    } else {
        let duration: SignedDuration = text.parse().map_err(|_| wrong())?;
        u64::try_from(duration.as_secs()).map_err(|_| wrong())?
    };
    if (1..=YEAR).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(format!(
            "`{}` is not between a second and a year",
            text.escape_debug()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::parse_duration;

    #[test]
    fn seconds_and_units_are_understood() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("90"), Ok(90));
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("1h30m"), Ok(5400));
        assert_eq!(seconds("1h 30m"), Ok(5400));
        assert_eq!(seconds("2 hours"), Ok(7200));
        for bad in [
            "",
            "0",
            "m",
            "ten",
            "-5m",
            "-1",
            "1e3",
            "99999999999",
            "10 m\u{1b}",
        ] {
            assert!(seconds(bad).is_err(), "{bad:?}");
        }
        assert!(!seconds("\u{1b}[2J").unwrap_err().contains('\u{1b}'));
    }
}
