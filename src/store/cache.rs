//! The step cache: which layer a build step gave, by its key. A record whose layer is gone is simply a miss.

use super::layer::LayerRef;
use super::{Store, record};
use crate::error::Result;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How exact the time of a step's last use is: a hit within this span of the last one writes nothing.
const USE_GRANULARITY: Duration = Duration::from_secs(3600);

/// `cache/steps/<key>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The layer that the step gave.
    pub layer: LayerRef,
    /// RFC 3339 time at which it was made; a cached rebuild repeats it, so that it gives the same image.
    pub created: String,
    /// What went into the key, by name: tells later why a step missed.
    pub inputs: Vec<(String, String)>,
}

/// What was done last at a place of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastTime {
    /// What went into the key, by name.
    pub inputs: Vec<(String, String)>,
    /// What it gave.
    pub layer: LayerRef,
    /// Of a COPY from the context: its files and a short digest of each, unless they are too many.
    #[serde(default)]
    pub files: Vec<(String, String)>,
}

/// A step in the cache.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its key, in hex.
    pub key: String,
    /// What is recorded of it.
    pub record: StepRecord,
    /// When it was last made or found, exact to an hour. Never in the future, whatever the clock did meanwhile.
    pub used: SystemTime,
}

impl Store {
    pub(super) fn steps_dir(&self) -> PathBuf {
        self.root.join("cache/steps")
    }

    fn step_path(&self, key: &str) -> PathBuf {
        self.root.join("cache/steps").join(format!("{key}.json"))
    }

    /// The record of a step with this key (hex), if its layer is still there.
    pub fn cached_step(&self, key: &str) -> Result<Option<StepRecord>> {
        // A damaged record is no reason to fail a build: it is a miss, and the step will overwrite it.
        let path = self.step_path(key);
        let Some(found) = record::read::<StepRecord>(&path).ok().flatten() else { return Ok(None) };
        if self.usable_layer(&found.layer.id)?.is_none_or(|l| l != found.layer) {
            return Ok(None);
        }
        note_use(&path);
        Ok(Some(found))
    }

    /// All steps in the cache, in the order of their keys. A damaged record is none.
    pub fn steps(&self) -> Result<Vec<Step>> {
        let now = SystemTime::now();
        let dir = self.steps_dir();
        let mut found = Vec::new();
        for name in record::names(&dir)? {
            let Some(key) = name.strip_suffix(".json") else { continue };
            let path = dir.join(&name);
            let Some(record) = record::read::<StepRecord>(&path).ok().flatten() else { continue };
            let Ok(used) = fs::metadata(&path).and_then(|m| m.modified()) else { continue };
            found.push(Step { key: key.to_string(), record, used: used.min(now) });
        }
        Ok(found)
    }

    /// Forgets a step; its layer is another matter. One that is not there is fine.
    pub fn forget_step(&self, key: &str) -> Result<()> {
        let path = self.step_path(key);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(e).with_context(|| format!("removing {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Remembers a step. Lost in a power cut at worst, which is a miss.
    pub fn remember_step(&self, key: &str, step: &StepRecord) -> Result<()> {
        record::write_quick(&self.step_path(key), &record::to_json(step)?)
    }

    /// What is remembered of the step that was last executed at a place of a Dockerfile, which `slot` names. Nothing for
    /// a damaged record: only an explanation is lost, or work done again.
    pub fn previous_inputs(&self, slot: &str) -> Option<LastTime> {
        record::read(&self.root.join("cache/steps").join(format!(".last-{slot}"))).ok().flatten()
    }

    /// See [`Store::previous_inputs`].
    pub fn remember_inputs(&self, slot: &str, last: &LastTime) -> Result<()> {
        let path = self.root.join("cache/steps").join(format!(".last-{slot}"));
        record::write_quick(&path, &record::to_json(last)?)
    }
}

/// Sets a record's time, by which the least recently used are found, unless it is recent enough. A failure costs nothing
/// but the order.
fn note_use(path: &Path) {
    let now = SystemTime::now();
    let recent = |used: SystemTime| now.duration_since(used).is_ok_and(|age| age < USE_GRANULARITY);
    if fs::metadata(path).and_then(|m| m.modified()).is_ok_and(recent) {
        return;
    }
    let _ = File::open(path).and_then(|file| file.set_modified(now));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_noted_once_an_hour_and_the_future_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let set = |time| File::create(&path).unwrap().set_modified(time).unwrap();
        let get = || fs::metadata(&path).unwrap().modified().unwrap();
        let now = SystemTime::now();
        let (recent, old) = (now - USE_GRANULARITY / 2, now - USE_GRANULARITY * 2);
        set(recent);
        note_use(&path);
        assert_eq!(get(), recent);
        for other in [old, now + USE_GRANULARITY] {
            set(other);
            note_use(&path);
            assert!(get() >= now && get() < now + USE_GRANULARITY, "{:?}", get());
        }
    }
}
