//! Points in time as people type and read them.
//!
//! Records hold RFC 3339 text; a time that does not parse is shown as it is rather than hidden.

use crate::cli::units;
use crate::error::{Kind, Result, fail_with};
use jiff::{Timestamp, tz::TimeZone};

/// Whole seconds since the epoch, 0 for text that is no time.
pub fn unix(text: &str) -> i64 {
    text.parse::<Timestamp>().map_or(0, |t| t.as_second())
}

/// The point in time that a record holds; text that is no time counts as the epoch.
pub fn point(text: &str) -> Timestamp {
    text.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// How long ago it was, `3 minutes`.
pub fn since(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(then) => units::duration(Timestamp::now().as_second() - then.as_second()),
        Err(_) => text.to_string(),
    }
}

/// `3 minutes ago`; empty text is `N/A`.
pub fn ago(text: &str) -> String {
    if text.is_empty() { "N/A".into() } else { format!("{} ago", since(text)) }
}

/// The local time as the peers' `CreatedAt` field shows it.
pub fn local(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(t) => t.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string(),
        Err(_) => text.to_string(),
    }
}

/// A limit for `logs`: RFC 3339, a date, seconds since the epoch, or a span before now such as `1h30m`.
pub fn limit(text: &str) -> Result<Timestamp> {
    if let Ok(exact) = text.parse::<Timestamp>() {
        return Ok(exact);
    }
    let seconds = text.parse::<f64>().ok().filter(|s| s.is_finite());
    if let Some(time) = seconds.and_then(|s| Timestamp::from_nanosecond((s * 1e9) as i128).ok()) {
        return Ok(time);
    }
    if let Ok(local) = text.parse::<jiff::civil::DateTime>()
        && let Ok(zoned) = local.to_zoned(TimeZone::system())
    {
        return Ok(zoned.timestamp());
    }
    span(text)
        .and_then(|s| Timestamp::now().checked_sub(jiff::SignedDuration::from_secs_f64(s)).ok())
        .ok_or_else(|| {
            fail_with(
                Kind::User,
                format!("{text:?} is no point in time"),
                "Write 2026-01-31T12:00:00Z, 2026-01-31, seconds since the epoch, or a span before now such as 10m or 1h30m.",
            )
        })
}

/// Seconds of a span in Go's notation (`1h30m`, `1.5s`, `200ms`).
fn span(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        rest = &rest[end..];
        total += number * unit;
    }
    // Far enough back for any log, and safe to subtract.
    (!text.is_empty() && total < 1e10).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_in_all_their_forms() {
        assert_eq!(limit("1970-01-01T00:01:00Z").unwrap().as_second(), 60);
        assert_eq!(limit("60").unwrap().as_second(), 60);
        assert!(limit("2026-01-31").is_ok());
        let ago = Timestamp::now().as_second() - limit("1h30m").unwrap().as_second();
        assert!((5399..=5402).contains(&ago), "{ago}");
        for bad in ["", "yesterday", "1x", "h", "1e400"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bad_times_are_shown_not_hidden() {
        assert_eq!(since("never"), "never");
        assert_eq!(unix("never"), 0);
        assert_eq!(ago(""), "N/A");
    }
}
