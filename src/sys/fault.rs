//! Fail points: named places at which a test can have this program killed or a system call fail.
//!
//! They stand where something becomes visible or durable: at renames, syncs, records, folders and locks. Only debug
//! builds have them (docs/decisions/0016); in a release build [`point`] is nothing at all. Not here: what must hold
//! afterwards (`tests/faults`).
//!
//! ```text
//! DHOW_FAULT=NAME[:N]=ACTION   at the Nth passing (1) in any one process: kill, kill-group, stop, error:ENOSPC, error:EIO
//! DHOW_FAULT_TRACE=FILE        every passing adds its name as a line
//! ```

use std::io;

/// Passes the point `name`. An error is a test's order to behave as if what comes next had failed with it.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &str) -> io::Result<()> {
    Ok(())
}

/// Passes the point `name`. An error is a test's order to behave as if what comes next had failed with it.
#[cfg(debug_assertions)]
pub fn point(name: &str) -> io::Result<()> {
    active::point(name)
}

#[cfg(debug_assertions)]
mod active {
    use rustix::process::{Signal, getpid, kill_current_process_group, kill_process};
    use std::io::{self, Write};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Order {
        name: String,
        nth: u32,
        action: Action,
    }

    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    enum Action {
        Kill,
        KillGroup,
        Stop,
        Fail(i32),
    }

    /// Read once; a cloned process has its parent's copy, and goes on with its parent's count.
    static ORDER: OnceLock<Option<Order>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);

    pub fn point(name: &str) -> io::Result<()> {
        trace(name);
        let order = ORDER.get_or_init(|| parse(&std::env::var("DHOW_FAULT").ok()?));
        let Some(order) = order.as_ref().filter(|order| order.name == name) else { return Ok(()) };
        if PASSED.fetch_add(1, Ordering::Relaxed) + 1 != order.nth {
            return Ok(());
        }
        match order.action {
            Action::Kill => kill_process(getpid(), Signal::KILL)?,
            Action::KillGroup => kill_current_process_group(Signal::KILL)?,
            Action::Stop => kill_process(getpid(), Signal::STOP)?,
            Action::Fail(errno) => return Err(io::Error::from_raw_os_error(errno)),
        }
        Ok(())
    }

    fn trace(name: &str) {
        let Some(path) = std::env::var_os("DHOW_FAULT_TRACE") else { return };
        if let Ok(mut file) = std::fs::File::options().append(true).create(true).open(path) {
            let _ = file.write_all(format!("{name}\n").as_bytes());
        }
    }

    fn parse(text: &str) -> Option<Order> {
        let (place, action) = text.split_once('=')?;
        let (name, nth) = place.split_once(':').map_or(Some((place, 1)), |(n, nth)| Some((n, nth.parse().ok()?)))?;
        let action = match action {
            "kill" => Action::Kill,
            "kill-group" => Action::KillGroup,
            "stop" => Action::Stop,
            "error:ENOSPC" => Action::Fail(libc::ENOSPC),
            "error:EIO" => Action::Fail(libc::EIO),
            _ => return None,
        };
        Some(Order { name: name.into(), nth, action })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn orders_are_read_as_documented() {
            let order = parse("a.b:3=error:EIO").unwrap();
            assert_eq!((order.name.as_str(), order.nth, order.action), ("a.b", 3, Action::Fail(libc::EIO)));
            assert_eq!(parse("a=kill").unwrap().nth, 1);
            assert!(parse("a").is_none() && parse("a:x=kill").is_none() && parse("a=what").is_none());
        }
    }
}
