//! Signals: their names as people write them, and what those that reach us mean for a container.

use crate::error::{Kind, Result, fail};
use nix::sys::signal::Signal;
use std::str::FromStr;

/// The number of a signal written as `TERM`, `SIGTERM`, `15` or `RTMIN+3`.
pub fn parse(text: &str) -> Result<i32> {
    if let Ok(number) = text.parse::<i32>()
        && (1..=64).contains(&number)
    {
        return Ok(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Ok(signal) = Signal::from_str(&format!("SIG{name}")) {
        return Ok(signal as i32);
    }
    // Real-time signals as glibc numbers them for programs: 34 to 64.
    let real_time = match name.split_once(['+', '-']) {
        Some(("RTMIN", n)) if name.contains('+') => n.parse::<i32>().ok().map(|n| 34 + n),
        Some(("RTMAX", n)) if name.contains('-') => n.parse::<i32>().ok().map(|n| 64 - n),
        None if name == "RTMIN" => Some(34),
        None if name == "RTMAX" => Some(64),
        _ => None,
    };
    real_time.filter(|n| (34..=64).contains(n)).ok_or_else(|| {
        fail(Kind::User, format!("invalid signal: {text:?} is neither a name nor a number from 1 to 64"))
    })
}

/// What a signal to the front means for the program in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It gets the same signal.
    Forward(i32),
    /// Its terminal, if it has one, gets our terminal's size.
    Resize,
    /// Nothing.
    Ignore,
}

/// What this signal means.
pub fn meaning(number: i32) -> Meaning {
    match number {
        libc::SIGWINCH => Meaning::Resize,
        libc::SIGCHLD | libc::SIGURG | libc::SIGPIPE => Meaning::Ignore,
        // Stopping the front alone would be no use to anybody: the container has no job control of ours.
        libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU | libc::SIGCONT => Meaning::Ignore,
        number => Meaning::Forward(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [("TERM", 15), ("sigkill", 9), ("2", 2), ("SIGRTMIN+3", 37), ("RTMAX-1", 63)] {
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
        for bad in ["", "0", "65", "NOPE", "RTMIN+99"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
