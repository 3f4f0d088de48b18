//! What `images` and `ps` print, without reading every record each time: a copy of what they need of each record, kept in
//! one file and believed only for records that have not changed since.
//!
//! ```text
//! cache/lists/<what>      a checksum, then of each record: its file's name, its stamp, and what lists need of it
//! ```
//! As in git's index the stamp of a record is inode, size, time of modification and time of status change: replacing a
//! record changes it, and so does writing into one in place. A record that changed less than [`SETTLED`] before it was
//! read is not kept, because another change within the same tick of the clock would leave the same stamp. The file is
//! written by whoever lists, when it would have saved much; nothing waits for it, and without it lists are only slower.
//!
//! Not here: anything that decides what is removed or used. That reads the records.

use super::container::{ExitRecord, MountRecord, Status};
use super::image::NameRecord;
use super::{Store, record};
use crate::error::Result;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Mode, OFlags};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, HashMap, HashSet};
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
        let lines = self.lines::<ImageLine>("images", Path::new("images"), "", |name| name.ends_with(".json"))?;
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }

    /// All names, in byte order. A damaged one hides only itself.
    pub fn name_lines(&self) -> Result<Vec<NameRecord>> {
        let lines = self.lines::<NameRecord>("names", Path::new("images/names"), "", |_| true)?;
        let mut names: Vec<NameRecord> = lines.into_iter().map(|(_, name)| name).collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(names)
    }

    /// All containers with what they do, newest first. A damaged record hides only itself.
    pub fn container_lines(&self) -> Result<Vec<(ContainerLine, Status)>> {
        let dir = Path::new("containers");
        let is_id = |name: &str| name.len() == 64;
        let containers = self.lines::<ContainerLine>("containers", dir, "/container.json", is_id)?;
        let ends = self.lines::<ExitRecord>("exits", dir, "/exit.json", is_id)?;
        let mut ends: HashMap<String, ExitRecord> = ends.into_iter().collect();
        let mut lines = Vec::with_capacity(containers.len());
        for (id, line) in containers {
            // An end that is recorded needs no look at the lock: who starts a container again removes it first.
            let status = match ends.remove(&id) {
                Some(exit) => Status::Exited(exit),
                None => self.status(&id)?,
            };
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

    /// Of each `<dir>/<name><suffix>` that can be read, the name and the record.
    fn lines<T: Serialize + DeserializeOwned>(
        &self,
        what: &str,
        dir: &Path,
        suffix: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<(String, T)>> {
        let path = self.root.join(dir);
        let mut names = record::names(&path)?;
        names.retain(|name| wanted(name));
        let read = |name: &str| record::read::<T>(&path.join(format!("{name}{suffix}"))).ok().flatten();
        if names.len() < WORTH {
            return Ok(names.into_iter().filter_map(|name| read(&name).map(|found| (name, found))).collect());
        }
        let folder = match rustix::fs::open(&path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(folder) => folder,
            Err(_) => return Ok(Vec::new()),
        };
        let copy = self.root.join("cache/lists").join(what);
        let began = SystemTime::now();
        let mut known = load::<T>(&copy).into_iter().peekable();
        let (mut entries, mut missed) = (Vec::with_capacity(names.len()), 0);
        for name in names {
            // Both are in the order of the names.
            while known.next_if(|entry| entry.name < name).is_some() {}
            let Some(stamp) = stamp(&folder, &format!("{name}{suffix}")) else { continue };
            match known.next_if(|entry| entry.name == name) {
                Some(entry) if entry.stamp == stamp => entries.push(entry),
                _ => {
                    // The stamp is older than what is read, never newer: at worst it does not fit the next time.
                    missed += 1;
                    entries.extend(read(&name).map(|line| Entry { name, stamp, line }));
                }
            }
        }
        if missed >= WORTH {
            save(&copy, &entries, began);
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

#[derive(Debug, Serialize, Deserialize)]
struct Entry<T> {
    name: String,
    stamp: Stamp,
    line: T,
}

// The fields' types differ between architectures.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
fn stamp(folder: impl AsFd, name: &str) -> Option<Stamp> {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(Stamp {
        inode: found.st_ino,
        size: found.st_size,
        modified: (found.st_mtime as i64, found.st_mtime_nsec as i64),
        changed: (found.st_ctime as i64, found.st_ctime_nsec as i64),
    })
}

/// The copy's entries; none when it is missing or damaged.
fn load<T: DeserializeOwned>(path: &Path) -> Vec<Entry<T>> {
    let Ok(bytes) = fs::read(path) else { return Vec::new() };
    let Some((sum, rest)) = bytes.split_at_checked(8) else { return Vec::new() };
    if sum != checksum(rest) {
        return Vec::new();
    }
    serde_json::from_slice(rest).unwrap_or_default()
}

/// Keeps what had been left alone for a while when reading `began`. Failure is silent: a full disk or a read-only store is
/// no reason not to list.
fn save<T: Serialize>(path: &Path, entries: &[Entry<T>], began: SystemTime) {
    let Ok(began) = began.duration_since(SystemTime::UNIX_EPOCH) else { return };
    let settled = began.saturating_sub(SETTLED).as_secs() as i64;
    let keep: Vec<&Entry<T>> = entries.iter().filter(|entry| entry.stamp.changed.0 < settled).collect();
    if keep.len() < WORTH {
        return;
    }
    let write = || -> Result<()> {
        let rest = record::to_json(&keep)?;
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

    /// Writes the copy as if the records had been left alone for long.
    fn keep(store: &Store) {
        let folder = rustix::fs::open(store.root.join("images/names"), OFlags::DIRECTORY, Mode::empty()).unwrap();
        let names = record::names(&store.root.join("images/names")).unwrap();
        let entry = |name: String| {
            let line: NameRecord = record::read(&store.root.join("images/names").join(&name)).unwrap().unwrap();
            Entry { stamp: stamp(&folder, &name).unwrap(), name, line }
        };
        let entries: Vec<Entry<NameRecord>> = names.into_iter().map(entry).collect();
        let rest = record::to_json(&entries).unwrap();
        fs::create_dir_all(store.root.join("cache/lists")).unwrap();
        fs::write(store.root.join("cache/lists/names"), [checksum(&rest).as_slice(), &rest].concat()).unwrap();
    }

    fn manifests(store: &Store) -> Vec<String> {
        store.name_lines().unwrap().into_iter().map(|name| name.manifest).collect()
    }

    #[test]
    fn what_changed_is_read_and_the_rest_is_believed() {
        let (_dir, store) = store(40);
        keep(&store);
        // Proof that the copy is used at all: it says something else than a record that has not changed.
        let copy = store.root.join("cache/lists/names");
        let text = String::from_utf8(fs::read(&copy).unwrap()[8..].to_vec()).unwrap();
        let text = text.replacen("\"manifest\":\"m\"", "\"manifest\":\"c\"", 1);
        fs::write(&copy, [checksum(text.as_bytes()).as_slice(), text.as_bytes()].concat()).unwrap();
        assert_eq!(manifests(&store)[..2], ["c", "m"]);
        put(&store, 0, "x");
        fs::remove_file(path(&store, 1)).unwrap();
        put(&store, 100, "y");
        let found = manifests(&store);
        assert_eq!((found.len(), found[0].as_str(), found[39].as_str()), (40, "x", "y"));
    }

    #[test]
    fn damage_in_place_hides_the_record_although_the_copy_has_it() {
        let (_dir, store) = store(40);
        keep(&store);
        let size = fs::metadata(path(&store, 7)).unwrap().len();
        fs::write(path(&store, 7), vec![b'x'; size as usize]).unwrap();
        assert_eq!(manifests(&store).len(), 39);
    }

    #[test]
    fn a_damaged_copy_is_none() {
        let (_dir, store) = store(40);
        keep(&store);
        let copy = store.root.join("cache/lists/names");
        let whole = fs::read(&copy).unwrap();
        for at in [0, 8, 20, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(
                load::<NameRecord>(&copy).len() == 40 && {
                    fs::write(&copy, &damaged).unwrap();
                    load::<NameRecord>(&copy).is_empty()
                }
            );
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
        assert!(!store.root.join("cache/lists/names").exists());
    }
}
