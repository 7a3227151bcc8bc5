use std::time::Duration;

use super::{bytes, count, counted, duration, estimate};

#[test]
fn durations_have_the_precision_their_length_deserves() {
    for (millis, shown, guessed) in [
        (0, "0.0s", "0s"),
        (49, "0.0s", "0s"),
        (449, "0.4s", "0s"),
        (12_450, "12.4s", "12s"),
        (59_999, "59.9s", "1m"),
        (60_000, "1m00s", "1m"),
        (72_900, "1m12s", "1m"),
        (179_000, "2m59s", "3m"),
        (3_599_999, "59m59s", "1h00m"),
        (3_600_000, "1h00m", "1h00m"),
        (7_500_000, "2h05m", "2h05m"),
        (864_000_000, "240h00m", "240h00m"),
    ] {
        let length = Duration::from_millis(millis);
        assert_eq!(duration(length), shown, "{millis} ms");
        assert_eq!(estimate(length), guessed, "{millis} ms");
    }
    assert_eq!(duration(Duration::MAX), "5124095576030431h00m");
    assert_eq!(estimate(Duration::MAX), "5124095576030431h00m");
}

#[test]
fn sizes_have_binary_units() {
    for (n, shown) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (2047, "1.9 KiB"),
        (10 * 1024, "10 KiB"),
        (41 << 20, "41 MiB"),
        ((4 << 20) + (100 << 10), "4.0 MiB"),
        ((4 << 20) + (110 << 10), "4.1 MiB"),
        ((1 << 30) - 1, "1023 MiB"),
        (120 << 30, "120 GiB"),
        (u64::MAX, "15 EiB"),
    ] {
        assert_eq!(bytes(n), shown, "{n}");
    }
}

#[test]
fn thousands_stand_apart() {
    for (n, shown) in [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (123_456, "123,456"),
        (1_234_567, "1,234,567"),
    ] {
        assert_eq!(count(n), shown);
    }
    assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    assert_eq!(counted(1, "check"), "1 check");
    assert_eq!(counted(0, "check"), "0 checks");
    assert_eq!(counted(1200, "build"), "1,200 builds");
}
