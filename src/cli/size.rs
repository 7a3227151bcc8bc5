//! Sizes as people write them.

/// Parses a size with its unit, such as `800M`, `4G` or `4GiB`: units are powers of 1024. Returns bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    let unit = unit
        .strip_suffix("iB")
        .or_else(|| unit.strip_suffix('B'))
        .unwrap_or(unit);
    let shift = match unit {
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        "T" | "t" => 40,
        _ => return Err("write a number and a unit, such as 800M or 4G".into()),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "write a number and a unit, such as 800M or 4G")?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size need not be exact to the byte, and digits make no negative number"
    )]
    let bytes = (number * (1_u64 << shift) as f64) as u64;
    if bytes == 0 {
        return Err("must be more than nothing".into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(parse_size("800M"), Ok(800 << 20));
        assert_eq!(parse_size("1.5G"), Ok(3 << 29));
        assert_eq!(parse_size("4GiB"), Ok(4 << 30));
        assert_eq!(parse_size("64kB"), Ok(64 << 10));
        for bad in ["", "4", "G", "-1G", "0G", "1X", "1.2.3G", "nan"] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
        }
    }
}
