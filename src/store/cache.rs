//! The step cache: which layer a build step gave, by its key. A record whose layer is gone is simply a miss.

use super::layer::LayerRef;
use super::{Store, record};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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

impl Store {
    fn step_path(&self, key: &str) -> PathBuf {
        self.root.join("cache/steps").join(format!("{key}.json"))
    }

    /// The record of a step with this key (hex), if its layer is still there.
    pub fn cached_step(&self, key: &str) -> Result<Option<StepRecord>> {
        // A damaged record is no reason to fail a build: it is a miss, and the step will overwrite it.
        let Some(found) = record::read::<StepRecord>(&self.step_path(key)).ok().flatten() else { return Ok(None) };
        Ok(self.usable_layer(&found.layer.id)?.filter(|l| *l == found.layer).map(|_| found))
    }

    /// Remembers a step. Lost in a power cut at worst, which is a miss.
    pub fn remember_step(&self, key: &str, step: &StepRecord) -> Result<()> {
        record::write_quick(&self.step_path(key), &record::to_json(step)?)
    }

    /// Remembers the last key of a step position, to tell later what changed: `slot` names the position.
    pub fn previous_inputs(&self, slot: &str) -> Option<Vec<(String, String)>> {
        record::read(&self.root.join("cache/steps").join(format!(".last-{slot}"))).ok().flatten()
    }

    /// See [`Store::previous_inputs`].
    pub fn remember_inputs(&self, slot: &str, inputs: &[(String, String)]) -> Result<()> {
        let path = self.root.join("cache/steps").join(format!(".last-{slot}"));
        record::write_quick(&path, &record::to_json(&inputs)?)
    }
}
