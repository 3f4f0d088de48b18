//! The time of day as records keep it.

/// Now, RFC 3339 in UTC with nanoseconds.
pub fn now() -> String {
    // Nine digits always: records are compared as text.
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}
