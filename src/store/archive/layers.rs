//! Layers on their way into the store: unpacked and checked in a staging folder, then published together.
//!
//! Runs in a worker, where files can be given to all owners that an image has.

use super::super::Store;
use super::super::flight::{self, Flight};
use super::super::layer::{LayerRecord, LayerRef};
use super::super::staging::Staging;
use crate::error::{Kind, Result, fail};
use crate::image::digest::{DiffId, Digest};
use crate::layer::compress;
use crate::layer::extract::{self, Options};
use crate::progress;
use crate::sys::path::Root;
use anyhow::Context;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// How hard recipes are compressed: zstd's own default.
const LEVEL: i32 = 3;

/// The layers of one command.
pub struct Layers<'a> {
    store: &'a Store,
    staging: &'a Staging,
    ready: HashMap<Digest, Ready>,
    /// Kept until everything is published.
    flights: Vec<Flight>,
    /// What was left out, for the person.
    pub warnings: Vec<String>,
}

enum Ready {
    /// The store had it.
    Stored(LayerRef),
    /// Unpacked in this folder.
    Made(PathBuf, LayerRecord),
}

impl<'a> Layers<'a> {
    /// None yet.
    pub fn new(store: &'a Store, staging: &'a Staging) -> Layers<'a> {
        Layers { store, staging, ready: HashMap::new(), flights: Vec::new(), warnings: Vec::new() }
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
        let stored = self.store.find_layer(&diff_id)?;
        Ok(stored.map(|layer| self.ready.insert(diff_id, Ready::Stored(layer))).is_some())
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
    /// `expected` is what the diff id must be.
    pub fn unpack(&mut self, mut from: impl Read, expected: Option<Digest>) -> Result<(Digest, u64)> {
        let dir = self.staging.path().join(format!("layer-{}", self.ready.len()));
        let (tree, aside) = (dir.join("fs"), dir.join("aside"));
        let make = || -> io::Result<File> {
            fs::create_dir(&dir)?;
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
        let DiffId(diff_id) = done.info.diff_id;
        if let Some(expected) = expected
            && expected != diff_id
        {
            return Err(fail(
                Kind::User,
                format!("its content is {diff_id}, but the image's configuration says {expected}"),
            ));
        }
        self.warnings.extend(done.warnings);
        let record = LayerRecord {
            diff_id: diff_id.to_string(),
            tar_size: done.info.tar_size,
            content_size: done.info.content_size,
            files: done.info.files,
            recipe: true,
            unsynced_boot: String::new(),
        };
        self.ready.insert(diff_id, Ready::Made(dir, record));
        Ok((diff_id, done.info.tar_size))
    }

    /// Puts everything that was unpacked into the store and does `record` with it; if that fails, takes back what
    /// nobody else has begun to use.
    pub fn publish<T>(self, record: impl FnOnce(&HashMap<Digest, LayerRef>) -> Result<T>) -> Result<T> {
        let (mut layers, mut made) = (HashMap::new(), Vec::new());
        let publish = || -> Result<()> {
            for (diff_id, ready) in self.ready {
                let layer = match ready {
                    Ready::Stored(layer) => layer,
                    Ready::Made(dir, record) => {
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
            let _ = self.store.detach_layers(&made, self.staging);
        }
        result
    }
}
