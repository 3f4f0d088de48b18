//! The store's format: which one it has, who is in it, and how an older one becomes this one (docs/decisions/0020).
//!
//! `version` holds a number, or while a step is done `2 from 1`. It is never changed, only replaced. Every process in the
//! store shares a lock on it from [`enter`] to its end, a container's monitor included; a migration has it alone. So a
//! migration meets nobody, and whoever waited for it looks again.
//!
//! Only what an older program would misunderstand is a new format; a field that may be missing is none. Not here: the
//! first making of a store, and locks for its parts (`lock`).

use super::{lock, record};
use crate::error::{Kind, Result, fail_with};
use crate::sys::lock::{self as kernel, Mode};
use anyhow::Context;
use lock::{Held, Rank};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The format that this code writes. An older one is migrated, a newer one refused.
pub const FORMAT: u32 = 1 + STEPS.len() as u32;

/// Turns the store at a path from one format into the next. It may have been done before, wholly or in part, and takes
/// no lock of the store's: nobody else is in it.
type Step = fn(&Path) -> Result<()>;

/// The step at position n leads from format n + 1 to n + 2.
const STEPS: &[Step] = &[];

/// Longer than any text that was ever in `version`.
const MAX_TEXT: u64 = 64;

/// What `version` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    /// The format that the store has, or is getting.
    number: u32,
    /// The step to it was begun and perhaps not finished.
    unfinished: bool,
}

impl Version {
    fn read(file: &File, root: &Path) -> Result<Version> {
        let mut text = Vec::new();
        file.take(MAX_TEXT).read_to_end(&mut text).with_context(|| format!("reading {}", path(root).display()))?;
        Version::parse(&String::from_utf8_lossy(&text)).ok_or_else(|| {
            fail_with(
                Kind::System,
                format!("{} does not hold a format number", path(root).display()),
                format!("If this is a dhow store, write \"{FORMAT}\" into that file."),
            )
        })
    }

    fn parse(text: &str) -> Option<Version> {
        let number = |word: &str| word.parse::<u32>().ok().filter(|number| *number > 0);
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [now] => Some(Version { number: number(now)?, unfinished: false }),
            [next, "from", last] if number(next)? - 1 == number(last)? => {
                Some(Version { number: number(next)?, unfinished: true })
            }
            // Of what newer programs write only the number is understood.
            [now, _, ..] => number(now).filter(|now| *now > FORMAT).map(|number| Version { number, unfinished: false }),
            [] => None,
        }
    }

    /// The format up to which every step was done.
    fn done(self) -> u32 {
        if self.unfinished { self.number - 1 } else { self.number }
    }
}

fn path(root: &Path) -> PathBuf {
    root.join("version")
}

/// Taken by who makes a store or changes its format. Whoever waited for it looks at `version` again.
pub(super) fn lock_alone(root: &Path) -> Result<Held> {
    lock::take(&root.join("format.lock"), Rank::Store, Mode::Exclusive)
}

/// Replaces `version`, on disk.
pub(super) fn write(root: &Path, text: &str) -> Result<()> {
    record::write_durable(&path(root), format!("{text}\n").as_bytes())
}

/// Enters the store at `root`: migrates it if it has an older format, refuses a newer one. As long as the file that it
/// gives is open, in this process or one cloned from it, nobody changes the format. `None` when there is no store.
pub(super) fn enter(root: &Path) -> Result<Option<File>> {
    enter_by(root, STEPS)
}

fn enter_by(root: &Path, steps: &[Step]) -> Result<Option<File>> {
    let newest = 1 + steps.len() as u32;
    loop {
        let file = match File::open(path(root)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("opening {}", path(root).display()))?,
        };
        let version = Version::read(&file, root)?;
        if version.number > newest {
            return Err(fail_with(
                Kind::System,
                format!("the store {} has format {}; this dhow knows format {newest}", root.display(), version.number),
                "Use a newer dhow, or name another store with DHOW_ROOT.",
            ));
        }
        if version.done() < newest {
            migrate(root, steps)?;
            continue;
        }
        let locking = || format!("locking {}", path(root).display());
        if !kernel::try_lock(&file, Mode::Shared).with_context(locking)? {
            lock::wait(&file, Rank::Store, Mode::Shared).with_context(locking)?;
        }
        // Replaced between our opening and our lock.
        if file.metadata().with_context(locking)?.nlink() > 0 {
            return Ok(Some(file));
        }
    }
}

fn migrate(root: &Path, steps: &[Step]) -> Result<()> {
    let _alone = lock_alone(root)?;
    while advance(root, steps)? {}
    Ok(())
}

/// Does the next step; false when there is none. A program of the format in between may come in after it, so each begins
/// with the look for others.
fn advance(root: &Path, steps: &[Step]) -> Result<bool> {
    let opened = File::options().read(true).write(true).open(path(root));
    let file = opened.with_context(|| format!("opening {}", path(root).display()))?;
    let done = Version::read(&file, root)?.done();
    let Some(step) = steps.get(done as usize - 1) else { return Ok(false) };
    let next = done + 1;
    if !kernel::try_lock(&file, Mode::Exclusive).context("locking the format")? {
        return Err(in_use(root, &file, next));
    }
    // From here on older programs stay out, even if this one is killed.
    write(root, &format!("{next} from {done}"))?;
    step(root).with_context(|| format!("changing the store {} to format {next}", root.display()))?;
    let dir = File::open(root)?;
    rustix::fs::syncfs(&dir).with_context(|| format!("syncing {}", root.display()))?;
    write(root, &next.to_string())?;
    Ok(true)
}

/// Says who is in the store: containers by their names, else processes as far as they can be seen.
fn in_use(root: &Path, version: &File, next: u32) -> anyhow::Error {
    let mut users = live_containers(root);
    if users.is_empty() {
        users.extend(kernel::holders(version).into_iter().map(|(pid, command)| format!("process {pid} ({command})")));
    }
    if users.is_empty() {
        users.push("another command".into());
    }
    fail_with(
        Kind::InUse,
        format!("the store {} cannot be changed to format {next}: in use by {}", root.display(), users.join(", ")),
        "Stop these with the dhow that started them, and run the command again.",
    )
}

/// Formats may differ in what a container's record holds; all have its lock and its name.
fn live_containers(root: &Path) -> Vec<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let dir = root.join("containers");
    let ids = record::names(&dir).unwrap_or_default();
    let alive = ids
        .iter()
        .map(|id| dir.join(id))
        .filter(|dir| File::open(dir.join("lock")).is_ok_and(|file| kernel::is_held(file).unwrap_or(true)));
    let named = alive.filter_map(|dir| record::read::<Named>(&dir.join("container.json")).ok().flatten());
    named.map(|container| format!("the container {}", container.name.escape_debug())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{hint_of, kind_of};
    use crate::store::Store;
    use std::fs;

    /// A store of format 1 that nobody is in.
    fn store() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::at(dir.path()).unwrap());
        write(dir.path(), "1").unwrap();
        let root = dir.path().to_path_buf();
        (dir, root)
    }

    fn text(root: &Path) -> String {
        fs::read_to_string(path(root)).unwrap()
    }

    /// Appends a letter to a file, once; fails before or after that if there is a file that says so.
    fn letter(root: &Path, letter: &str) -> Result<()> {
        let stop = |at: &str| -> Result<()> {
            anyhow::ensure!(!root.join(format!("stop-{at}-{letter}")).exists(), "stopped");
            Ok(())
        };
        let file = root.join("letters");
        let so_far = fs::read_to_string(&file).unwrap_or_default();
        stop("before")?;
        if !so_far.ends_with(letter) {
            fs::write(&file, so_far + letter)?;
        }
        stop("after")
    }

    const TO_THREE: &[Step] = &[|root| letter(root, "a"), |root| letter(root, "b")];

    #[test]
    fn a_migration_stopped_anywhere_goes_on_and_does_each_step_once() {
        for (stop, left) in [
            ("before-a", "2 from 1\n"),
            ("after-a", "2 from 1\n"),
            ("before-b", "3 from 2\n"),
            ("after-b", "3 from 2\n"),
        ] {
            let (_dir, root) = store();
            let stop = root.join(format!("stop-{stop}"));
            fs::write(&stop, "").unwrap();
            assert!(format!("{:#}", enter_by(&root, TO_THREE).unwrap_err()).contains("changing the store"));
            assert_eq!(text(&root), left);
            let older = enter_by(&root, &[]).unwrap_err();
            assert!(older.to_string().contains(&format!("has format {}", &left[..1])), "kept out: {older}");
            fs::remove_file(&stop).unwrap();
            assert!(enter_by(&root, TO_THREE).unwrap().is_some());
            assert_eq!(text(&root), "3\n");
            assert_eq!(fs::read_to_string(root.join("letters")).unwrap(), "ab");
        }
    }

    #[test]
    fn a_store_in_use_is_not_migrated_and_stays_as_it_is() {
        let (_dir, root) = store();
        let inside = enter_by(&root, &[]).unwrap();
        let error = enter_by(&root, TO_THREE).unwrap_err();
        assert_eq!(kind_of(&error), Some(Kind::InUse));
        assert!(error.to_string().contains(&format!("process {} (", std::process::id())), "{error}");
        assert_eq!((text(&root).as_str(), root.join("letters").exists()), ("1\n", false));
        drop(inside);
        enter_by(&root, TO_THREE).unwrap();
        assert_eq!(text(&root), "3\n");
    }

    #[test]
    fn whoever_opened_the_old_version_waits_for_the_migration_and_looks_again() {
        let (_dir, root) = store();
        let migrator = File::options().read(true).write(true).open(path(&root)).unwrap();
        assert!(kernel::try_lock(&migrator, Mode::Exclusive).unwrap());
        std::thread::scope(|scope| {
            let late = scope.spawn(|| enter_by(&root, &[]));
            // Whether it comes before or after this, it must not get in.
            write(&root, "2").unwrap();
            drop(migrator);
            let error = late.join().unwrap().unwrap_err();
            assert!(error.to_string().contains("has format 2"), "{error}");
        });
    }

    #[test]
    fn several_that_come_at_once_migrate_once() {
        let (_dir, root) = store();
        std::thread::scope(|scope| {
            let comers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| enter_by(&root, TO_THREE).map(|file| file.is_some()))).collect();
            for comer in comers {
                assert!(comer.join().unwrap().unwrap());
            }
        });
        assert_eq!((text(&root).as_str(), fs::read_to_string(root.join("letters")).unwrap().as_str()), ("3\n", "ab"));
    }

    #[test]
    fn a_newer_format_is_refused_in_words_and_nonsense_too() {
        let (_dir, root) = store();
        for (newer, number) in [("99", 99), ("2 from 1", 2), ("7 and more to come", 7)] {
            write(&root, newer).unwrap();
            let error = Store::at(&root).unwrap_err();
            assert!(error.to_string().contains(&format!("has format {number};")), "{error}");
            assert!(hint_of(&error).is_some());
        }
        for nonsense in ["", "0", "-1", "one", "1 from 0", "1 x", "0 from 0", "99999999999"] {
            write(&root, nonsense).unwrap();
            let error = Store::at(&root).unwrap_err();
            assert!(error.to_string().contains("format number"), "{nonsense:?}: {error}");
        }
    }
}
