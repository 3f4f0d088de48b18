//! PAX records (`length key=value\n`) and the times in them, in both directions.
//!
//! POSIX.1-2024 `pax`, "pax Extended Header". Which keys count, and what they change, `reader` and `writer` know.

use crate::error::{Kind, Result, fail};

/// Calls `take` for each record of an extension's body, in order.
pub fn for_each_record(mut body: &[u8], mut take: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
    while !body.is_empty() {
        let (key, value, rest) = split_record(body).ok_or_else(|| fail(Kind::User, "a PAX record is malformed"))?;
        // A NUL would end the name for the kernel and not for us.
        let is_text = !key.starts_with(b"SCHILY.xattr.");
        if key.contains(&0) || is_text && value.contains(&0) {
            return Err(fail(Kind::User, "a PAX record has a NUL"));
        }
        take(key, value)?;
        body = rest;
    }
    Ok(())
}

fn split_record(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = body.iter().take(20).position(|b| *b == b' ')?;
    let digits = &body[..blank];
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let record = body.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|b| *b == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &body[length..]))
}

/// `-12.5` → (-13, 500000000): decimal seconds; digits past the ninth are dropped.
pub fn parse_time(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9.9}").parse().ok()?;
    match (negative, nanos) {
        (true, 1..) => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanos)),
        _ => Some((seconds, nanos)),
    }
}

/// Decimal seconds without final zeros: (-13, 500000000) → `-12.5`.
pub fn time(seconds: i64, nanos: u32) -> String {
    if nanos == 0 {
        return seconds.to_string();
    }
    let (sign, whole, nanos) = if seconds < 0 {
        ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanos)
    } else {
        ("", seconds.unsigned_abs(), nanos)
    };
    format!("{sign}{whole}.{nanos:09}").trim_end_matches('0').to_owned()
}

/// Appends one PAX record, whose length counts its own digits.
pub fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let digits = |n: usize| n.to_string().len();
    let mut length = rest + digits(rest);
    if digits(length) != digits(rest) {
        length = rest + digits(length);
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_down() {
        assert_eq!(parse_time("12.5"), Some((12, 500_000_000)));
        assert_eq!(parse_time("-12.5"), Some((-13, 500_000_000)));
        assert_eq!(parse_time("-0.25"), Some((-1, 750_000_000)));
        assert_eq!(parse_time("7.0000000019"), Some((7, 1)));
        assert_eq!(parse_time("x"), None);
        for (seconds, nanos) in [(0, 0), (12, 5), (-1, 750_000_000), (-13, 0), (i64::MIN, 1)] {
            assert_eq!(parse_time(&time(seconds, nanos)), Some((seconds, nanos)));
        }
    }

    #[test]
    fn record_lengths_count_themselves() {
        for length in 0..1200 {
            let mut out = Vec::new();
            record(&mut out, b"k", &vec![b'v'; length]);
            let digits = out.iter().position(|b| *b == b' ').unwrap();
            assert_eq!(std::str::from_utf8(&out[..digits]).unwrap().parse::<usize>().unwrap(), out.len());
        }
    }
}
