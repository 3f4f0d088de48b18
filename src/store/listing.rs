//! What `images` and `ps` print, without reading every record each time: a copy of what they need of each record, kept in
//! one file and believed only for records that have not changed since.
//!
//! ```text
//! cache/lists/<what>      a checksum, the folder's stamp, then of each record: its name, its stamp, what lists need of it
//! ```
//! As in git's index a stamp is inode, size, time of modification and time of status change. All our records are
//! replaced by a rename, which changes the stamps of the record and of its folder: as long as the folder's is the same,
//! none of its records is looked at; else each is asked for its stamp, and only what changed is read. What changed less
//! than [`SETTLED`] before it was read is not kept, because another change within the same tick of the clock would leave
//! the same stamp. The file is written by whoever lists, when it would have saved much; nothing waits for it, and without
//! it lists are only slower.
//!
//! Not here: anything that decides what is removed or used. That reads the records.

use super::container::{MountRecord, Status};
use super::exit::ExitRecord;
use super::image::NameRecord;
use super::{Store, record};
use crate::error::Result;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Mode, OFlags};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Fewer records are read faster than a file about them.
const WORTH: usize = 32;
/// How long a record must have been left alone when it was read. Clocks of file systems tick every 10 ms at worst.
const SETTLED: Duration = Duration::from_secs(2);

/// What lists show of an image; see [`super::image::ImageRecord`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageLine {
    /// Digest of the manifest blob.
    pub manifest: String,
    /// Digest of the config blob: the image id.
    pub id: String,
    /// Bytes of all file contents.
    pub size: u64,
    /// RFC 3339.
    pub created: String,
    /// Of the configuration only the labels.
    config: Config,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Config {
    #[serde(default)]
    config: Labelled,
}

/// A configuration of which only the labels are read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Labelled {
    #[serde(rename = "Labels", default, skip_serializing_if = "Option::is_none")]
    labels: Option<BTreeMap<String, String>>,
}

impl ImageLine {
    /// The labels, if there are any.
    pub fn labels(&self) -> Option<&BTreeMap<String, String>> {
        self.config.config.labels.as_ref()
    }
}

/// What lists show of a container; see [`super::container::ContainerRecord`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerLine {
    /// 64 hex digits.
    pub id: String,
    /// Unique among containers.
    pub name: String,
    /// RFC 3339.
    pub created: String,
    /// The image as shown to people.
    pub image: String,
    /// Digest of the image's manifest.
    pub image_manifest: String,
    /// Digest of the image's config.
    pub image_id: String,
    /// What runs.
    pub argv: Vec<String>,
    /// `private`, `host` or `none`.
    pub network: String,
    /// Removed when it ends.
    pub remove: bool,
    /// Mounts asked for by the user.
    #[serde(default)]
    pub mounts: Vec<MountRecord>,
    config: Labelled,
}

impl ContainerLine {
    /// The labels, if there are any.
    pub fn labels(&self) -> Option<&BTreeMap<String, String>> {
        self.config.labels.as_ref()
    }
}

impl Store {
    /// All images, in the order of their manifests' digests. A damaged record hides only itself.
    pub fn image_lines(&self) -> Result<Vec<ImageLine>> {
        let dir = self.root.join("images");
        let read = |name: &str| record::read(&dir.join(name)).ok().flatten();
        let lines = self.lines("images", &dir, true, |name| name.ends_with(".json"), read)?;
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }

    /// All names, in byte order. A damaged one hides only itself.
    pub fn name_lines(&self) -> Result<Vec<NameRecord>> {
        let dir = self.root.join("images/names");
        let read = |name: &str| record::read(&dir.join(name)).ok().flatten();
        let lines = self.lines("names", &dir, true, |_| true, read)?;
        let mut names: Vec<NameRecord> = lines.into_iter().map(|(_, name)| name).collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(names)
    }

    /// All containers with what they do, newest first. A damaged record hides only itself.
    pub fn container_lines(&self) -> Result<Vec<(ContainerLine, Status)>> {
        let dir = self.root.join("containers");
        let read = |id: &str| {
            let record = |name| dir.join(id).join(name);
            let line = record::read::<ContainerLine>(&record("container.json")).ok().flatten()?;
            Some((line, record::read::<ExitRecord>(&record("exit.json")).ok().flatten()))
        };
        // The stamp is that of the container's own folder, and the records are in there.
        let containers = self.lines("containers", &dir, false, |name| name.len() == 64, read)?;
        let mut lines = Vec::with_capacity(containers.len());
        for (id, (line, exit)) in containers {
            // An end that is recorded needs no look at the lock: who starts a container again removes it first.
            let status = exit.map_or_else(|| self.status(&id), |exit| Ok(Status::Exited(exit)))?;
            lines.push((line, status));
        }
        lines.sort_by(|a, b| b.0.created.cmp(&a.0.created));
        Ok(lines)
    }

    /// The ids of containers that are missing in `lines` because their records are damaged.
    pub fn damaged_containers(&self, lines: &[(ContainerLine, Status)]) -> Result<Vec<String>> {
        let known: HashSet<&str> = lines.iter().map(|(line, _)| line.id.as_str()).collect();
        let mut ids = self.container_ids()?;
        // One without a record is half made, or was removed since.
        ids.retain(|id| !known.contains(id.as_str()) && self.container(id).is_err());
        Ok(ids)
    }

    /// Of each entry of `dir` that `read` can make something of, the name and that. `flat` says that the entries are the
    /// records themselves, so that the folder's stamp speaks for all.
    fn lines<T: Serialize + DeserializeOwned>(
        &self,
        what: &str,
        dir: &Path,
        flat: bool,
        wanted: impl Fn(&str) -> bool,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<(String, T)>> {
        let file = self.root.join("cache/lists").join(what);
        let began = SystemTime::now();
        let stamped = rustix::fs::open(dir, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .ok()
            .and_then(|folder| stamp(&folder, "").map(|stamp| (folder, stamp)));
        let Some((folder, whole)) = stamped else { return Ok(Vec::new()) };
        let copy = load::<T>(&file);
        if flat && copy.whole == Some(whole) {
            return Ok(copy.entries.into_iter().map(|entry| (entry.name, entry.line)).collect());
        }
        let mut names = record::names(dir)?;
        names.retain(|name| wanted(name));
        if names.len() < WORTH {
            return Ok(names.into_iter().filter_map(|name| read(&name).map(|found| (name, found))).collect());
        }
        let mut known = copy.entries.into_iter().peekable();
        let (mut entries, count, mut missed) = (Vec::with_capacity(names.len()), names.len(), 0);
        for name in names {
            // Both are in the order of the names.
            while known.next_if(|entry| entry.name < name).is_some() {}
            let Some(stamp) = stamp(&folder, &name) else { continue };
            match known.next_if(|entry| entry.name == name) {
                Some(entry) if entry.stamp == stamp => entries.push(entry),
                _ => {
                    // The stamp is older than what is read, never newer: at worst it does not fit the next time.
                    missed += 1;
                    entries.extend(read(&name).map(|line| Entry { name, stamp, line }));
                }
            }
        }
        // With one that cannot be read the folder has to be looked through every time.
        let whole = Some(whole).filter(|whole| flat && entries.len() == count && whole.settled(began));
        if missed >= WORTH || whole.is_some() {
            save(&file, whole, &entries, began);
        }
        Ok(entries.into_iter().map(|entry| (entry.name, entry.line)).collect())
    }
}

/// When a file was last changed, as far as a file system can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Whether what has this stamp had been left alone for a while when reading `began`.
    fn settled(&self, began: SystemTime) -> bool {
        let began = began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.changed.0 < began.saturating_sub(SETTLED).as_secs() as i64
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry<T> {
    name: String,
    stamp: Stamp,
    line: T,
}

/// What is kept of a folder of records.
#[derive(Debug, Serialize, Deserialize)]
struct Copied<T> {
    /// The folder's stamp, where it speaks for all entries.
    whole: Option<Stamp>,
    entries: Vec<Entry<T>>,
}

// The fields' types differ between architectures.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
fn stamp(folder: impl AsFd, name: &str) -> Option<Stamp> {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH).ok()?;
    Some(Stamp {
        inode: found.st_ino,
        size: found.st_size,
        modified: (found.st_mtime as i64, found.st_mtime_nsec as i64),
        changed: (found.st_ctime as i64, found.st_ctime_nsec as i64),
    })
}

/// What was kept; nothing when it is missing or damaged.
fn load<T: DeserializeOwned>(path: &Path) -> Copied<T> {
    let read = || {
        let bytes = fs::read(path).ok()?;
        let (sum, rest) = bytes.split_at_checked(8)?;
        if sum == checksum(rest) { serde_json::from_slice(rest).ok() } else { None }
    };
    read().unwrap_or(Copied { whole: None, entries: Vec::new() })
}

/// Keeps what had been left alone for a while when reading `began`. Failure is silent: a full disk or a read-only store is
/// no reason not to list.
fn save<T: Serialize>(path: &Path, whole: Option<Stamp>, entries: &[Entry<T>], began: SystemTime) {
    #[derive(Serialize)]
    struct Kept<'a, T> {
        whole: Option<Stamp>,
        entries: Vec<&'a Entry<T>>,
    }
    let keep: Vec<&Entry<T>> = entries.iter().filter(|entry| entry.stamp.settled(began)).collect();
    if keep.len() < WORTH {
        return;
    }
    let write = || -> Result<()> {
        let whole = whole.filter(|_| keep.len() == entries.len());
        let rest = record::to_json(&Kept { whole, entries: keep })?;
        let bytes = [checksum(&rest).as_slice(), &rest].concat();
        if let Some(dir) = path.parent()
            && let Err(e) = fs::create_dir(dir)
            && e.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(e.into());
        }
        record::write_quick(path, &bytes)
    };
    let _ = write();
}

/// FNV-1a over words of eight bytes: against damage, not against malice, and much faster than a digest.
fn checksum(bytes: &[u8]) -> [u8; 8] {
    let (words, rest) = bytes.as_chunks::<8>();
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    let sum = words.iter().fold(0xcbf2_9ce4_8422_2325, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(mix(sum, bytes.len() as u64), |sum, byte| mix(sum, u64::from(*byte))).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A store with `count` names, all of them old enough to be kept.
    fn store(count: usize) -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        for number in 0..count {
            put(&store, number, "m");
        }
        (dir, store)
    }

    fn path(store: &Store, number: usize) -> PathBuf {
        store.root.join(format!("images/names/n{number:03}"))
    }

    fn put(store: &Store, number: usize, manifest: &str) {
        let record = NameRecord { name: format!("n{number:03}"), manifest: manifest.into() };
        record::write_quick(&path(store, number), &record::to_json(&record).unwrap()).unwrap();
    }

    /// Writes the copy as if the records, and with `whole` their folder, had been left alone for long.
    fn keep(store: &Store, whole: bool) {
        let dir = store.root.join("images/names");
        let folder = rustix::fs::open(&dir, OFlags::DIRECTORY, Mode::empty()).unwrap();
        let entry = |name: String| {
            let line: NameRecord = record::read(&dir.join(&name)).unwrap().unwrap();
            Entry { stamp: stamp(&folder, &name).unwrap(), name, line }
        };
        let entries: Vec<Entry<NameRecord>> = record::names(&dir).unwrap().into_iter().map(entry).collect();
        let whole = stamp(&folder, "").filter(|_| whole);
        save(&copy(store), whole, &entries, SystemTime::now() + Duration::from_secs(60));
    }

    fn copy(store: &Store) -> PathBuf {
        store.root.join("cache/lists/names")
    }

    /// Changes the first `"manifest":"m"` of the copy: a proof that it is used at all.
    fn forge(store: &Store) {
        let text = String::from_utf8(fs::read(copy(store)).unwrap()[8..].to_vec()).unwrap();
        let text = text.replacen("\"manifest\":\"m\"", "\"manifest\":\"c\"", 1);
        fs::write(copy(store), [checksum(text.as_bytes()).as_slice(), text.as_bytes()].concat()).unwrap();
    }

    fn manifests(store: &Store) -> Vec<String> {
        store.name_lines().unwrap().into_iter().map(|name| name.manifest).collect()
    }

    #[test]
    fn what_changed_is_read_and_the_rest_is_believed() {
        for whole in [false, true] {
            let (_dir, store) = store(40);
            keep(&store, whole);
            forge(&store);
            assert_eq!(manifests(&store)[..2], ["c", "m"]);
            put(&store, 0, "x");
            fs::remove_file(path(&store, 1)).unwrap();
            put(&store, 100, "y");
            let found = manifests(&store);
            assert_eq!((found.len(), found[0].as_str(), found[39].as_str()), (40, "x", "y"));
        }
    }

    #[test]
    fn each_way_to_change_a_record_is_seen_through_its_folder() {
        let changes: [fn(&Store); 3] =
            [|s| put(s, 7, "x"), |s| put(s, 77, "x"), |s| fs::remove_file(path(s, 7)).unwrap()];
        for change in changes {
            let (_dir, store) = store(40);
            keep(&store, true);
            forge(&store);
            let before = manifests(&store);
            change(&store);
            assert_ne!(manifests(&store), before);
        }
    }

    #[test]
    fn damage_in_place_is_seen_once_its_folder_changes() {
        let (_dir, store) = store(40);
        keep(&store, true);
        let size = fs::metadata(path(&store, 7)).unwrap().len();
        fs::write(path(&store, 7), vec![b'x'; size as usize]).unwrap();
        put(&store, 40, "m");
        assert_eq!(manifests(&store).len(), 40, "one hidden, one more");
    }

    #[test]
    fn a_damaged_copy_is_none() {
        let (_dir, store) = store(40);
        keep(&store, true);
        let copy = copy(&store);
        let whole = fs::read(&copy).unwrap();
        for at in [0, 8, 20, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(load::<NameRecord>(&copy).entries.len(), 40);
            fs::write(&copy, &damaged).unwrap();
            let found = load::<NameRecord>(&copy);
            assert!(found.entries.is_empty() && found.whole.is_none());
            assert_eq!(manifests(&store).len(), 40);
            fs::write(&copy, &whole).unwrap();
        }
        fs::write(&copy, &whole[..5]).unwrap();
        assert_eq!(manifests(&store).len(), 40);
    }

    #[test]
    fn fresh_records_are_not_kept_and_few_are_not_worth_it() {
        let (_dir, store) = store(40);
        assert_eq!(manifests(&store).len(), 40);
        assert!(!copy(&store).exists());
    }
}
