//! Sizes and spans of time in the words of the peers' tables.
//!
//! Rules after Docker's go-units: decimal units, "About an hour", weeks until two months.

/// A size in decimal units with three significant digits, `7.8 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: &[&str] = &["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    // 999.5 would be printed as 1000: that is one of the next unit.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    let mut digits = format!("{value:.decimals$}");
    if digits.contains('.') {
        digits.truncate(digits.trim_end_matches('0').trim_end_matches('.').len());
    }
    format!("{digits} {}", UNITS[unit])
}

/// A size without a blank, `7.8MB`, as the peers' tables of disk usage and their sums have it.
pub fn dense_size(bytes: u64) -> String {
    size(bytes).replace(' ', "")
}

/// A span in seconds, `About an hour`, `3 weeks`.
pub fn duration(seconds: i64) -> String {
    let minutes = seconds / 60;
    // Hours are rounded, everything else is cut.
    let hours = (seconds + 1800) / 3600;
    match () {
        () if seconds < 1 => "Less than a second".into(),
        () if seconds == 1 => "1 second".into(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".into(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".into(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 14 => format!("{} days", hours / 24),
        () if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 730 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1024, "1.02 kB"),
            (7_800_000, "7.8 MB"),
            (123_456_789, "123 MB"),
            (999_900_000, "1 GB"),
            (1_500_000_000_000, "1.5 TB"),
            (100, "100 B"),
        ];
        for (bytes, words) in cases {
            assert_eq!(size(bytes), words, "{bytes}");
        }
    }

    #[test]
    fn durations_use_the_peers_words() {
        let (minute, hour, day) = (60, 3600, 86400);
        let cases = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (90, "About a minute"),
            (3 * minute, "3 minutes"),
            (50 * minute, "50 minutes"),
            (hour + 1000, "About an hour"),
            (2 * hour, "2 hours"),
            (2 * day, "2 days"),
            (13 * day, "13 days"),
            (3 * 7 * day, "3 weeks"),
            (90 * day, "3 months"),
            (800 * day, "2 years"),
        ];
        for (seconds, words) in cases {
            assert_eq!(duration(seconds), words, "{seconds}");
        }
    }
}
