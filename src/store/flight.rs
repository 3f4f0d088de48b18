//! Single flight: of several processes that want the same thing made, one makes it and the others wait and find it.
//!
//! ```text
//! flights/<kind>-<key>      locked by the process that makes it; removed by it under the lock
//! ```
//! The death of the maker frees the lock, and the next in line makes the thing itself. A file that a killed maker left is
//! taken over by the next one with the same key, else removed by [`Store::sweep_flights`].
//!
//! What is made is found where it belongs (the layer index, the step cache), never here: who gets a flight after waiting
//! looks there again first. Correctness never rests on a flight, only work is spared.
//!
//! Order: a flight is taken before the store's lock, and **waited for only by who holds no other flight**; so no two
//! processes can wait for each other, in whatever order they need things. Who holds one and finds a second taken lets
//! go of the first one before waiting, or does the work itself.

use super::lock::{self, Held, Rank};
use super::{Store, record};
use crate::error::Result;
use crate::sys::lock::Mode;
use anyhow::Context;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A layer, by the hex of its diff id.
    Layer,
    /// A build step, by a key that two builds have in common.
    Step,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Layer => "layer",
            Kind::Step => "step",
        }
    }
}

/// The right to make one thing, until dropped.
#[must_use]
#[derive(Debug)]
pub struct Flight {
    path: PathBuf,
    _held: Held,
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Under the lock: whoever opens the name from now on makes a new file, and who waits for this one notices.
        let _ = fs::remove_file(&self.path);
    }
}

/// The longest pause between two tries of a waiter.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a waiter says nothing.
const SILENCE: Duration = Duration::from_secs(1);

impl Store {
    fn flight_path(&self, kind: Kind, key: &str) -> PathBuf {
        debug_assert!(key.bytes().all(|b| b.is_ascii_hexdigit()), "a key is hex: {key}");
        self.root.join("flights").join(format!("{}-{key}", kind.word()))
    }

    /// Takes the flight for `key` (hex) if no process has it. Never waits.
    pub fn try_flight(&self, kind: Kind, key: &str) -> Result<Option<Flight>> {
        let path = self.flight_path(kind, key);
        loop {
            let file = open(&path).with_context(|| format!("opening {}", path.display()))?;
            let Some(held) = lock::try_take(file, Rank::Flight, Mode::Exclusive).context("locking a flight")? else {
                return Ok(None);
            };
            if is_at(held.file(), &path)? {
                lock::sign(held.file());
                return Ok(Some(Flight { path, _held: held }));
            }
            // Its holder removed the file between our opening and our lock.
        }
    }

    /// Who has the flight for `key`, as far as that can be seen: `process 7 (dhow build)`.
    pub fn flight_maker(&self, kind: Kind, key: &str) -> String {
        let file = File::open(self.flight_path(kind, key));
        file.map_or_else(|_| "another dhow".into(), |file| lock::holder(&file))
    }

    /// Waits until the flight for `key` (hex) can be taken. The caller must hold no other flight, and looks afterwards
    /// whether the thing has been made.
    ///
    /// `idle` is called again and again while another process has it. It sleeps for about the time that it is given; when
    /// it fails the waiting ends with its error. Once, after a second, it is told who the maker is, as far as that can be
    /// seen (`process 7 (dhow build)`).
    pub fn flight(
        &self,
        kind: Kind,
        key: &str,
        idle: &mut dyn FnMut(Option<String>, Duration) -> Result<()>,
    ) -> Result<Flight> {
        lock::assert_order(Rank::Flight, Mode::Exclusive);
        let maker = || self.flight_maker(kind, key);
        let began = Instant::now();
        let mut told = false;
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(flight) = self.try_flight(kind, key)? {
                return Ok(flight);
            }
            let tell = !told && began.elapsed() >= SILENCE;
            told |= tell;
            idle(tell.then(maker), pause)?;
            pause = (pause * 2).min(PAUSE);
        }
    }

    /// Removes the files that killed makers left.
    pub fn sweep_flights(&self) -> Result<()> {
        let dir = self.root.join("flights");
        for name in record::names(&dir)? {
            let path = dir.join(name);
            let Ok(file) = File::options().read(true).write(true).open(&path) else { continue };
            if let Some(held) = lock::try_take(file, Rank::Flight, Mode::Exclusive).context("locking a flight")?
                && is_at(held.file(), &path)?
            {
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }
}

/// Opens or makes the lock file, and the folder in a store that has never had a flight.
fn open(path: &Path) -> io::Result<File> {
    match lock::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if let Some(dir) = path.parent() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            }
            lock::open(path)
        }
        other => other,
    }
}

/// Whether the open file is still the one with this name.
fn is_at(file: &File, path: &Path) -> Result<bool> {
    let ours = file.metadata().context("looking at a flight")?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e).with_context(|| format!("looking at {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn pausing() -> impl FnMut(Option<String>, Duration) -> Result<()> {
        |_, pause| {
            std::thread::sleep(pause);
            Ok(())
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        (dir, store)
    }

    fn files(store: &Store) -> usize {
        record::names(&store.root.join("flights")).unwrap().len()
    }

    #[test]
    fn one_makes_what_many_want_and_no_file_stays() {
        let (_dir, store) = store();
        let (made, inside) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let flight = store.flight(Kind::Step, "ab", &mut pausing()).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two have the same flight");
                    if made.load(Ordering::SeqCst) == 0 {
                        made.store(1, Ordering::SeqCst);
                    }
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(flight);
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
        assert_eq!(files(&store), 0);
    }

    #[test]
    fn a_flight_is_taken_over_from_the_dead_and_others_are_free() {
        let (_dir, store) = store();
        let flight = store.try_flight(Kind::Layer, "ab").unwrap().unwrap();
        assert!(store.try_flight(Kind::Layer, "ab").unwrap().is_none());
        assert!(store.try_flight(Kind::Step, "ab").unwrap().is_some(), "another kind is another flight");
        assert!(store.try_flight(Kind::Layer, "cd").unwrap().is_some());
        // What remains of a maker that was killed: the file, and no lock.
        let Flight { path, .. } = &flight;
        let left = store.root.join("left");
        fs::hard_link(path, &left).unwrap();
        drop(flight);
        fs::rename(&left, store.flight_path(Kind::Layer, "ab")).unwrap();
        assert_eq!(files(&store), 1);
        assert!(store.try_flight(Kind::Layer, "ab").unwrap().is_some());
        assert_eq!(files(&store), 0);
    }

    #[test]
    fn leftovers_are_swept_and_the_living_stay() {
        let (_dir, store) = store();
        let _flight = store.try_flight(Kind::Layer, "ab").unwrap().unwrap();
        fs::write(store.flight_path(Kind::Layer, "cd"), "").unwrap();
        store.sweep_flights().unwrap();
        assert_eq!(files(&store), 1);
        assert!(store.try_flight(Kind::Layer, "ab").unwrap().is_none());
    }

    #[test]
    fn waiting_can_be_given_up_and_names_the_maker() {
        let (_dir, store) = store();
        let _flight = store.try_flight(Kind::Layer, "ab").unwrap().unwrap();
        let mut said = String::new();
        // In a thread of its own, because who holds a flight must not wait for one.
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                store.flight(Kind::Layer, "ab", &mut |maker, pause| {
                    std::thread::sleep(pause);
                    said = maker.unwrap_or_default();
                    if said.is_empty() { Ok(()) } else { Err(anyhow::anyhow!("enough")) }
                })
            });
            assert_eq!(waiter.join().unwrap().unwrap_err().to_string(), "enough");
        });
        assert!(said.starts_with(&format!("process {} (", std::process::id())), "{said}");
    }

    #[test]
    #[should_panic(expected = "Flight must not be waited for while Flight is held")]
    fn who_holds_a_flight_waits_for_none() {
        let (_dir, store) = store();
        let _flight = store.try_flight(Kind::Layer, "ab").unwrap().unwrap();
        let _ = store.flight(Kind::Layer, "cd", &mut pausing());
    }
}
