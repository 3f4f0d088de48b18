//! Layers on their way into the store: unpacked and checked in a staging folder, then published together.
//!
//! Runs in a worker, where files can be given to all owners that an image has.

use super::super::Store;
use super::super::flight::{self, Flight};
use super::super::layer::{LayerRecord, LayerRef};
use super::super::staging::Staging;
use crate::error::{Kind, Result, fail};
use crate::image::digest::Digest;
use crate::layer::compress;
use crate::layer::extract::{self, Options};
use crate::progress;
use crate::sys::path::Root;
use crate::sys::userns;
use anyhow::Context;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// How hard recipes are compressed: zstd's own default.
const LEVEL: i32 = 3;

/// The layers of one command.
pub struct Layers<'a> {
    store: &'a Store,
    staging: &'a Staging,
    ready: HashMap<Digest, Ready>,
    /// How many folders were begun: each has a name of its own.
    begun: usize,
    /// Kept until everything is published.
    flights: Vec<Flight>,
}

enum Ready {
    /// The store had it.
    Stored(LayerRef),
    /// Unpacked in this folder, without the things in this list.
    Made(PathBuf, LayerRecord, Vec<String>),
}

impl<'a> Layers<'a> {
    /// None yet.
    pub fn new(store: &'a Store, staging: &'a Staging) -> Layers<'a> {
        Layers { store, staging, ready: HashMap::new(), begun: 0, flights: Vec::new() }
    }

    /// Whether this layer need not be unpacked: it was before, or the store has it.
    pub fn knows(&mut self, diff_id: Digest) -> Result<bool> {
        if self.ready.contains_key(&diff_id) {
            return Ok(true);
        }
        if self.find(diff_id)? {
            return Ok(true);
        }
        let flight = self.flight(diff_id)?;
        let found = self.find(diff_id)?;
        if !found {
            self.flights.extend(flight);
        }
        Ok(found)
    }

    fn find(&mut self, diff_id: Digest) -> Result<bool> {
        // One that goes between the look and the lease is unpacked like any other.
        let Some(layer) = self.store.find_layer(&diff_id)? else { return Ok(false) };
        if !self.store.lease(self.staging, &[&layer.id])? {
            return Ok(false);
        }
        self.ready.insert(diff_id, Ready::Stored(layer));
        Ok(true)
    }

    /// While another command unpacks this layer, waits for it; but who has begun others goes on without waiting, because
    /// somebody may wait for those.
    fn flight(&self, diff_id: Digest) -> Result<Option<Flight>> {
        let (kind, key) = (flight::Kind::Layer, diff_id.hex());
        let free = self.store.try_flight(kind, &key)?;
        if free.is_some() || !self.flights.is_empty() {
            return Ok(free);
        }
        let flight = self.store.flight(kind, &key, &mut |maker, pause| {
            if let Some(maker) = maker {
                progress::notice(&format!("waiting for a layer that is being unpacked by {maker}"));
            }
            std::thread::sleep(pause);
            Ok(())
        })?;
        Ok(Some(flight))
    }

    /// Unpacks a layer, compressed or not, and reads `from` to its end. Gives its diff id and the size of its tar.
    /// `expected` is what the diff id must be. Of a layer that cannot be unpacked, nothing stays.
    pub fn unpack(&mut self, from: impl Read, expected: Option<Digest>) -> Result<(Digest, u64)> {
        let dir = self.staging.path().join(format!("layer-{}", self.begun));
        self.begun += 1;
        let made = unpack_into(&dir, from).and_then(|(record, warnings)| {
            let diff_id = Digest::parse(&record.diff_id)?;
            match expected {
                Some(expected) if expected != diff_id => Err(other_content(diff_id, expected)),
                _ => Ok((diff_id, record, warnings)),
            }
        });
        match made {
            Ok((diff_id, record, warnings)) => {
                let size = record.tar_size;
                match self.ready.entry(diff_id) {
                    Entry::Vacant(place) => drop(place.insert(Ready::Made(dir, record, warnings))),
                    // The same one again, under another name.
                    Entry::Occupied(_) => userns::remove_trees_here(&[dir])?,
                }
                Ok((diff_id, size))
            }
            Err(error) => {
                // What cannot be removed now goes with the staging folder.
                let _ = userns::remove_trees_here(&[dir]);
                Err(error)
            }
        }
    }

    /// Forgets what was unpacked and is not wanted; it goes with the staging folder.
    pub fn keep_only(&mut self, wanted: &HashSet<Digest>) {
        self.ready.retain(|diff_id, _| wanted.contains(diff_id));
    }

    /// What was left out of the layers, for the person.
    pub fn warnings(&self) -> Vec<String> {
        let made = self.ready.values().filter_map(|ready| match ready {
            Ready::Made(dir, _, warnings) => Some((dir, warnings)),
            Ready::Stored(_) => None,
        });
        let mut made: Vec<_> = made.collect();
        made.sort();
        made.into_iter().flat_map(|(_, warnings)| warnings).cloned().collect()
    }

    /// Puts everything that was unpacked into the store and does `record` with it; if that fails, takes back what
    /// nobody else has begun to use.
    pub fn publish<T>(self, record: impl FnOnce(&HashMap<Digest, LayerRef>) -> Result<T>) -> Result<T> {
        let (mut layers, mut made) = (HashMap::new(), Vec::new());
        let publish = || -> Result<()> {
            for (diff_id, ready) in self.ready {
                let layer = match ready {
                    Ready::Stored(layer) => layer,
                    Ready::Made(dir, record, _) => {
                        let layer = self.store.publish_layer(self.staging, &dir, record)?;
                        made.push(layer.id.clone());
                        layer
                    }
                };
                layers.insert(diff_id, layer);
            }
            Ok(())
        };
        let result = publish().and_then(|()| record(&layers));
        if result.is_err() {
            self.staging.end_leases();
            let _ = self.store.forget_layers(&made).and_then(|gone| crate::sys::userns::remove_trees_here(&gone));
        }
        result
    }
}

/// The error when a layer's tar is not the one that the configuration names.
pub fn other_content(diff_id: Digest, expected: Digest) -> anyhow::Error {
    fail(Kind::User, format!("its content is {diff_id}, but the image's configuration says {expected}"))
}

/// Unpacks into the new folder `dir`. Gives the record of the layer, and what was left out.
fn unpack_into(dir: &Path, mut from: impl Read) -> Result<(LayerRecord, Vec<String>)> {
    let (tree, aside) = (dir.join("fs"), dir.join("aside"));
    let make = || -> io::Result<File> {
        fs::create_dir(dir)?;
        fs::create_dir(&tree)?;
        // What a top directory has of which the tar says nothing.
        fs::set_permissions(&tree, fs::Permissions::from_mode(0o755))?;
        fs::create_dir(&aside)?;
        File::create_new(dir.join("tar.zst"))
    };
    let recipe = make().with_context(|| format!("making {}", dir.display()))?;
    let mut recipe = zstd::stream::write::Encoder::new(recipe, LEVEL).context("starting zstd")?;
    let (into, kept) = (Root::open(&tree)?, Root::open(&aside)?);
    let options = Options { recipe: Some(&mut recipe), aside: Some(&kept), ..Options::default() };
    let done = extract::extract(compress::decoder(&mut from)?, &into, options)?;
    // A decoder may stop at the end of its data; checks of the stream speak up only at the very end.
    io::copy(&mut from, &mut io::sink()).context("cannot read the layer")?;
    recipe.finish().context("cannot write the layer's recipe")?;
    // Goes only if it is empty, which it nearly always is.
    let _ = fs::remove_dir(&aside);
    let record = LayerRecord {
        diff_id: done.info.diff_id.to_string(),
        tar_size: done.info.tar_size,
        content_size: done.info.content_size,
        files: done.info.files,
        recipe: true,
        unsynced_boot: String::new(),
    };
    Ok((record, done.warnings))
}
