//! The store's locks: one place where they are taken, their order, and who is told about whom when one is held long.
//!
//! A process that holds a lock waits only for one of a higher [`Rank`]; so no two can wait for each other. Debug builds
//! assert it at every wait. Taking a lock that is free, without waiting, is allowed in any order.
//!
//! Readers take none of these: what has its final name is whole. A start holds the store's lock shared for the moment
//! between looking at its layers and recording whose they are; only `rmi` and prunes, which hold it exclusively for the
//! moment in which victims lose their records, can make it wait.
//!
//! Not here: what is done under a lock, and locks as the kernel has them (`sys::lock`).

use crate::error::Result;
use crate::progress;
use crate::sys::fault;
use crate::sys::lock::{self, Mode};
use anyhow::Context;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// The order of the locks: while one is held, only those further down are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// `containers/<id>/lock`, `staging/<id>/lock`: its holder lives.
    Folder,
    /// `flights/…`: its holder makes what others want, too. Never waited for while another flight is held (`flight`).
    Flight,
    /// `lock`: shared by those who add references, exclusive for who takes victims away. Sharing it twice is fine.
    Store,
    /// `publish.lock`: a layer gets its place.
    Publish,
    /// `containers/by-name/.lock`: a name is taken from a container.
    Names,
}

/// A lock that blocks for longer than this is told about.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause between two tries while that time runs.
const PAUSE: Duration = Duration::from_millis(2);

thread_local! {
    /// What this thread holds. A cloned process goes on with its parent's list, which is right: it has the same
    /// descriptors, and its parent may wait for it.
    static HELD: RefCell<Vec<(Rank, Mode)>> = const { RefCell::new(Vec::new()) };
}

/// A place in the order, taken until dropped.
#[derive(Debug)]
pub(super) struct Place(Rank, Mode);

impl Place {
    /// Notes that a lock is held.
    pub(super) fn take(rank: Rank, mode: Mode) -> Place {
        if cfg!(debug_assertions) {
            HELD.with_borrow_mut(|held| held.push((rank, mode)));
        }
        Place(rank, mode)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if cfg!(debug_assertions) {
            // Not there when the lock was taken in another thread.
            let _ = HELD.try_with(|held| {
                let mut held = held.borrow_mut();
                let at = held.iter().rposition(|place| *place == (self.0, self.1));
                at.map(|at| held.remove(at));
            });
        }
    }
}

/// Asserts, in debug builds, that this thread may wait for a lock of `rank`.
pub(super) fn assert_order(rank: Rank, mode: Mode) {
    if cfg!(debug_assertions) {
        HELD.with_borrow(|held| {
            let shared_again = |place: &(Rank, Mode)| *place == (rank, Mode::Shared) && mode == Mode::Shared;
            let wrong = held.iter().find(|place| place.0 >= rank && !(rank == Rank::Store && shared_again(place)));
            if let Some((above, _)) = wrong {
                panic!("the order of locks: {rank:?} must not be waited for while {above:?} is held");
            }
        });
    }
}

/// A lock, held until dropped.
#[must_use]
#[derive(Debug)]
pub struct Held {
    file: File,
    _place: Place,
}

impl Held {
    /// The locked file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = fault::point("lock.release");
        // Explicitly, because a process cloned meanwhile has the descriptor, too.
        let _ = lock::unlock(&self.file);
    }
}

/// Opens a lock file, making it if needed.
pub(super) fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

/// Takes the lock on `path`, waiting for it as long as it needs.
pub(super) fn take(path: &Path, rank: Rank, mode: Mode) -> Result<Held> {
    let file = open(path).with_context(|| format!("opening {}", path.display()))?;
    wait(&file, rank, mode).with_context(|| format!("locking {}", path.display()))?;
    let held = Held { file, _place: Place::take(rank, mode) };
    if rank == Rank::Store && mode == Mode::Exclusive {
        sign(&held.file);
    }
    Ok(held)
}

/// Takes the lock of an open file if nobody holds it against us.
pub(super) fn try_take(file: File, rank: Rank, mode: Mode) -> io::Result<Option<Held>> {
    Ok(lock::try_lock(&file, mode)?.then(|| Held { file, _place: Place::take(rank, mode) }))
}

/// Waits for the lock on an open file. After a while a notice says who has it.
pub(super) fn wait(file: &File, rank: Rank, mode: Mode) -> io::Result<()> {
    assert_order(rank, mode);
    if lock::try_lock(file, mode)? {
        return Ok(());
    }
    // Tried again and again at first, since waiting in the kernel has no limit of time.
    let began = Instant::now();
    let mut pause = Duration::from_micros(50);
    while began.elapsed() < PATIENCE {
        std::thread::sleep(pause);
        if lock::try_lock(file, mode)? {
            return Ok(());
        }
        pause = (pause * 2).min(PAUSE);
    }
    progress::notice(&format!("waiting for {}, held by {}", words(rank), holder(file)));
    lock::lock(file, mode)
}

fn words(rank: Rank) -> &'static str {
    match rank {
        Rank::Folder => "a container's lock",
        Rank::Flight => "the work of another dhow",
        Rank::Store => "the store's lock",
        Rank::Publish => "the lock for adding layers",
        Rank::Names => "the lock of container names",
    }
}

/// Width of a holder's signature, so that writing it is one call and never leaves a part of an older one.
const SIGNATURE: usize = 64;

/// Writes into a lock file who holds it. For a person to read; nothing depends on it, so failure does not matter.
pub(super) fn sign(mut file: &File) {
    let command: String = std::env::args().nth(1).unwrap_or_default().chars().filter(char::is_ascii_graphic).collect();
    let text = format!("{} dhow {command}", std::process::id());
    let _ = file.seek(SeekFrom::Start(0));
    let _ = file.write_all(format!("{text:<63.63}\n").as_bytes());
}

/// Who holds the lock on this file against us, as far as that can be seen.
pub(super) fn holder(file: &File) -> String {
    let seen = lock::holders(file);
    if !seen.is_empty() {
        let list: Vec<String> = seen.iter().map(|(pid, command)| format!("process {pid} ({command})")).collect();
        return list.join(", ");
    }
    signature(file).unwrap_or_else(|| "another dhow".into())
}

/// The last signature. Only who holds a lock exclusively signs, so with sharers it means nobody.
fn signature(mut file: &File) -> Option<String> {
    if lock::conflict(file).ok()? != Some(Mode::Exclusive) {
        return None;
    }
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(SIGNATURE as u64).read_to_string(&mut text).ok()?;
    let (pid, command) = text.trim_end().split_once(' ')?;
    let pid: u32 = pid.parse().ok()?;
    Some(format!("process {pid} ({})", command.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, impl Fn(&str) -> std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_path_buf();
        (dir, move |name| root.join(name))
    }

    #[test]
    fn locks_are_taken_downwards() {
        let (_dir, path) = folder();
        let store = take(&path("lock"), Rank::Store, Mode::Shared).unwrap();
        let again = take(&path("lock"), Rank::Store, Mode::Shared).unwrap();
        let names = take(&path("names"), Rank::Names, Mode::Exclusive).unwrap();
        drop((store, again, names));
        let _alone = take(&path("lock"), Rank::Store, Mode::Exclusive).unwrap();
    }

    #[test]
    #[should_panic(expected = "Store must not be waited for while Names is held")]
    fn a_wait_upwards_is_a_bug() {
        let (_dir, path) = folder();
        let _names = take(&path("names"), Rank::Names, Mode::Exclusive).unwrap();
        let _store = take(&path("lock"), Rank::Store, Mode::Shared);
    }

    #[test]
    #[should_panic(expected = "Store must not be waited for while Store is held")]
    fn sharing_does_not_become_exclusive() {
        let (_dir, path) = folder();
        let _shared = take(&path("lock"), Rank::Store, Mode::Shared).unwrap();
        let _alone = take(&path("lock"), Rank::Store, Mode::Exclusive);
    }

    #[test]
    fn a_lock_that_is_free_may_be_taken_in_any_order() {
        let (_dir, path) = folder();
        let _names = take(&path("names"), Rank::Names, Mode::Exclusive).unwrap();
        let folder = try_take(open(&path("folder")).unwrap(), Rank::Folder, Mode::Exclusive).unwrap();
        assert!(folder.is_some());
    }

    #[test]
    fn the_holder_is_named() {
        let (_dir, path) = folder();
        let held = take(&path("lock"), Rank::Store, Mode::Exclusive).unwrap();
        let other = open(&path("lock")).unwrap();
        let own = format!("process {} (", std::process::id());
        assert!(holder(&other).starts_with(&own), "{}", holder(&other));
        assert!(signature(&other).unwrap().starts_with(&own), "{:?}", signature(&other));
        drop(held);
        assert_eq!(signature(&other), None, "nobody holds it any more");
        std::fs::write(path("lock"), b"\xff 7\n").unwrap();
        let _held = try_take(open(&path("lock")).unwrap(), Rank::Store, Mode::Exclusive).unwrap().unwrap();
        assert_eq!(signature(&other), None, "noise is no signature");
    }
}
