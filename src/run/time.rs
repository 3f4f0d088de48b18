//! The time of day as records keep it.

use crate::error::{Kind, Result, fail};

/// Now, RFC 3339 in UTC with nanoseconds.
pub fn now() -> String {
    // Nine digits always: records are compared as text.
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}

/// A time given in seconds since 1970, likewise; an error if it is out of all calendars.
pub fn of_seconds(seconds: i64) -> Result<String> {
    let time = jiff::Timestamp::from_second(seconds)
        .map_err(|e| fail(Kind::User, format!("{seconds} seconds since 1970 is no time: {e}")))?;
    Ok(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
