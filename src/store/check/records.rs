//! Records against what they name: names → images → blobs and layers, containers → layers, the layer index, the step
//! cache, and the folders of the store themselves.

use super::super::container::ContainerRecord;
use super::super::image::{self, ImageRecord, NameRecord};
use super::super::layer::{LayerRecord, LayerRef};
use super::super::{FOLDERS, Store, cache::StepRecord, record};
use super::trees::{Damage, Damaged};
use super::{Finding, Remedy};
use crate::error::Result;
use crate::image::config::ImageConfig;
use crate::image::digest::Digest;
use crate::image::manifest;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The store's records as they were when it was made.
pub(super) struct View {
    /// By the hex digits of the manifest's digest; nothing for a damaged one.
    images: BTreeMap<String, Option<ImageRecord>>,
    /// By file name.
    names: BTreeMap<String, Option<NameRecord>>,
    containers: BTreeMap<String, Result<Option<ContainerRecord>>>,
    layer_ids: Vec<String>,
    layers: BTreeMap<String, LayerRecord>,
}

impl View {
    pub(super) fn of(store: &Store) -> Result<View> {
        let (images, names) = (store.root().join("images"), store.root().join("images/names"));
        let layer_ids = store.layer_ids()?;
        let layer = |id: &String| store.layer(id).ok().flatten().map(|found| (id.clone(), found));
        Ok(View {
            images: record::names(&images)?
                .iter()
                .filter_map(|file| file.strip_suffix(".json"))
                .map(|hex| (hex.to_string(), record::read(&images.join(format!("{hex}.json"))).ok().flatten()))
                .collect(),
            names: record::names(&names)?
                .into_iter()
                .map(|file| {
                    let found = record::read(&names.join(&file)).ok().flatten();
                    (file, found)
                })
                .collect(),
            containers: store.container_ids()?.into_iter().map(|id| (id.clone(), store.container(&id))).collect(),
            layers: layer_ids.iter().filter_map(layer).collect(),
            layer_ids,
        })
    }

    pub(super) fn layer_ids(&self) -> &[String] {
        &self.layer_ids
    }

    /// How many images and containers there are.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.images.len(), self.containers.len())
    }

    /// Everything that is wrong, given the layers whose files are; in an order in which it can be mended.
    pub(super) fn findings(&self, store: &Store, damaged: &Damaged) -> Result<Vec<Finding>> {
        let mut all = Vec::new();
        folders(store, &mut all)?;
        self.layers(store, damaged, &mut all);
        self.index(store, damaged, &mut all)?;
        self.images(store, &mut all);
        self.names(&mut all);
        self.containers(store, &mut all);
        steps(store, &mut all)?;
        volumes(store, &mut all)?;
        Ok(all)
    }

    fn images_of(&self, layer: &str) -> impl Iterator<Item = &ImageRecord> {
        self.images.values().flatten().filter(move |image| image.layers.iter().any(|named| named.id == layer))
    }

    fn readable_containers(&self) -> impl Iterator<Item = &ContainerRecord> {
        self.containers.values().filter_map(|found| found.as_ref().ok()?.as_ref())
    }

    /// The names of an image, or its id.
    fn shown(&self, image: &ImageRecord) -> Vec<String> {
        let own = self.names.values().flatten().filter(|name| name.manifest == image.manifest);
        let names: Vec<String> = own.map(|name| name.name.clone()).collect();
        if names.is_empty() { vec![image.id.clone()] } else { names }
    }

    fn layers(&self, store: &Store, damaged: &Damaged, all: &mut Vec<Finding>) {
        for (id, damage) in damaged {
            let diff_id = damage.actual.as_ref().filter(|actual| self.says(store, id, actual));
            let remedy = match diff_id {
                Some(diff_id) => Remedy::RebuildLayer { diff_id: diff_id.clone() },
                None => self.without_layer(id),
            };
            // Without its record and without a user it is on its way out.
            if remedy == Remedy::RemoveLayer && matches!(store.layer(id), Ok(None)) {
                continue;
            }
            let known = self.layers.get(id).map(|found| format!(" ({})", found.diff_id)).unwrap_or_default();
            let Damage { problem, .. } = damage;
            all.push(finding("layer", id, format!("its files are not what they were{known}: {problem}"), remedy));
        }
        for image in self.images.values().flatten() {
            for layer in image.layers.iter().filter(|layer| !self.layer_ids.contains(&layer.id)) {
                let problem = format!("the image {} needs it, and it is gone", self.shown(image).join(", "));
                all.push(finding("layer", &layer.id, problem, self.without_layer(&layer.id)));
            }
        }
    }

    /// Whether an image or the index says that this layer has this diff id.
    fn says(&self, store: &Store, id: &str, diff_id: &str) -> bool {
        let named = |image: &ImageRecord| image.layers.iter().any(|l| l.id == id && l.diff_id == diff_id);
        self.images_of(id).any(named)
            || Digest::parse(diff_id)
                .is_ok_and(|d| fs::read_to_string(store.by_diff(&d)).is_ok_and(|named| named == id))
    }

    /// What goes when a layer cannot be had any more.
    fn without_layer(&self, id: &str) -> Remedy {
        let images: Vec<&ImageRecord> = self.images_of(id).collect();
        let manifests: Vec<String> = images.iter().map(|image| image.manifest.clone()).collect();
        let stands = |container: &&ContainerRecord| {
            container.layers.iter().any(|layer| layer == id) || manifests.contains(&container.image_manifest)
        };
        let containers: Vec<String> = self.readable_containers().filter(stands).map(|c| c.id.clone()).collect();
        if manifests.is_empty() && containers.is_empty() {
            return Remedy::RemoveLayer;
        }
        Remedy::RemoveImages { names: images.iter().flat_map(|i| self.shown(i)).collect(), manifests, containers }
    }

    fn index(&self, store: &Store, damaged: &Damaged, all: &mut Vec<Finding>) -> Result<()> {
        let dir = store.layers_dir().join("by-diff");
        for hex in record::names(&dir)? {
            let named = fs::read_to_string(dir.join(&hex)).unwrap_or_default();
            let right = self.layers.get(&named).is_some_and(|found| found.diff_id == format!("sha256:{hex}"));
            // One that leads to a layer that is gone is a miss, which happens.
            if right
                || !named.is_empty()
                    && named.bytes().all(|b| b.is_ascii_hexdigit())
                    && !self.layers.contains_key(&named)
            {
                continue;
            }
            let path = format!("layers/by-diff/{hex}");
            all.push(finding(
                "index",
                &hex,
                "it does not lead to the layer that it names",
                Remedy::RemoveRecord { path },
            ));
        }
        for (id, found) in self.layers.iter().filter(|(id, _)| !damaged.contains_key(*id)) {
            let Ok(diff_id) = Digest::parse(&found.diff_id) else { continue };
            let named = fs::read_to_string(store.by_diff(&diff_id)).unwrap_or_default();
            if self.layers.get(&named).is_none_or(|other| other.diff_id != found.diff_id) {
                let remedy = Remedy::Index { layer: id.clone() };
                all.push(finding(
                    "index",
                    &diff_id.hex(),
                    format!("the layer {id} is not found by its digest"),
                    remedy,
                ));
            }
        }
        Ok(())
    }

    fn images(&self, store: &Store, all: &mut Vec<Finding>) {
        for (hex, found) in &self.images {
            let Some(problem) = image_problem(store, hex, found.as_ref()) else { continue };
            let manifest = format!("sha256:{hex}");
            let remedy = if config_of(store, &manifest).is_some() {
                Remedy::RebuildImage { manifest }
            } else {
                let shown = |name: &&NameRecord| name.manifest == manifest;
                let names = self.names.values().flatten().filter(shown).map(|name| name.name.clone()).collect();
                let own = |c: &&ContainerRecord| c.image_manifest == manifest;
                let containers = self.readable_containers().filter(own).map(|c| c.id.clone()).collect();
                Remedy::RemoveImages { manifests: vec![manifest], names, containers }
            };
            all.push(finding("image", &format!("sha256:{hex}"), problem, remedy));
        }
    }

    fn names(&self, all: &mut Vec<Finding>) {
        for (file, found) in &self.names {
            let problem = match found {
                None => "its record is damaged".to_string(),
                Some(found) if image::encode(&found.name) != *file => format!("its record says {:?}", found.name),
                Some(found) => {
                    let hex = found.manifest.strip_prefix("sha256:").unwrap_or_default();
                    if self.images.contains_key(hex) {
                        continue;
                    }
                    format!("the image that it names is gone ({})", found.manifest)
                }
            };
            let id = found.as_ref().map_or(file, |found| &found.name);
            all.push(finding("name", id, problem, Remedy::RemoveRecord { path: format!("images/names/{file}") }));
        }
    }

    fn containers(&self, store: &Store, all: &mut Vec<Finding>) {
        for (id, found) in &self.containers {
            let problem = match found {
                Err(error) => format!("{error:#}"),
                // Half made, or half removed: the next command's business.
                Ok(None) => continue,
                Ok(Some(found)) if found.id != *id => format!("its record is that of {}", found.id),
                Ok(Some(_)) => {
                    for file in ["state", "exit"] {
                        let broken = if file == "state" { store.state(id).err() } else { store.exit(id).err() };
                        if let Some(error) = broken {
                            let path = format!("containers/{id}/{file}.json");
                            all.push(finding("container", id, format!("{error:#}"), Remedy::RemoveRecord { path }));
                        }
                    }
                    continue;
                }
            };
            all.push(finding("container", id, problem, Remedy::RemoveContainer));
        }
        for container in self.readable_containers() {
            for layer in container.layers.iter().filter(|layer| !self.layer_ids.contains(layer)) {
                if self.images_of(layer).next().is_none() {
                    let problem = format!("the container {} needs it, and it is gone", container.name);
                    all.push(finding("layer", layer, problem, self.without_layer(layer)));
                }
            }
        }
    }
}

fn finding(object: &'static str, id: &str, problem: impl Into<String>, remedy: Remedy) -> Finding {
    Finding { object, id: id.into(), problem: problem.into(), remedy, repaired: false }
}

fn folders(store: &Store, all: &mut Vec<Finding>) -> Result<()> {
    let mut paths = vec![Path::new("")];
    for folder in FOLDERS.map(Path::new) {
        let above = folder.ancestors().filter(|path| !path.as_os_str().is_empty());
        paths.extend(above);
    }
    paths.sort();
    paths.dedup();
    for path in paths {
        let shown = store.root().join(path).display().to_string();
        match fs::symlink_metadata(store.root().join(path)) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                all.push(finding("folder", &shown, "it is missing", Remedy::MendFolder));
            }
            Err(e) => return Err(e.into()),
            Ok(meta) if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() => {
                let advice = "move it away, if it is not yours".to_string();
                all.push(finding("folder", &shown, "it is not a folder of yours", Remedy::Person { advice }));
            }
            Ok(meta) if meta.mode() & 0o7777 != 0o700 => {
                let problem = format!("others may look into it: its mode is {:04o}", meta.mode() & 0o7777);
                all.push(finding("folder", &shown, problem, Remedy::MendFolder));
            }
            Ok(_) => {}
        }
    }
    if !store.stub_is_whole() {
        all.push(finding("folder", "stub", "something in it was changed", Remedy::MendStub));
    }
    Ok(())
}

/// What is wrong with an image's record or blobs.
fn image_problem(store: &Store, hex: &str, found: Option<&ImageRecord>) -> Option<String> {
    let Some(found) = found else { return Some("its record is damaged".into()) };
    let Ok(manifest) = Digest::parse(&format!("sha256:{hex}")) else {
        return Some("its record has a name that is no digest".into());
    };
    let Ok(bytes) = store.get_blob(&manifest) else { return Some("its manifest is damaged or gone".into()) };
    let Ok(parsed) = manifest::parse_manifest(&bytes) else { return Some("its manifest cannot be read".into()) };
    let Ok(config) = store.get_blob(&parsed.config.digest) else {
        return Some("its configuration is damaged or gone".into());
    };
    let same = ImageConfig::parse(&config).is_ok_and(|config| {
        found.manifest == manifest.to_string()
            && found.id == parsed.config.digest.to_string()
            && found.layers.iter().map(|layer| &layer.diff_id).eq(&config.rootfs.diff_ids)
            && found.config == config
    });
    (!same).then(|| "its record does not say what its manifest and configuration say".into())
}

/// The bytes of an image's configuration, if they can still be had and all its layers, too.
pub(super) fn config_of(store: &Store, manifest: &str) -> Option<(Vec<u8>, Vec<LayerRef>)> {
    let recorded = store.image(manifest).ok().flatten();
    let blob = store.get_blob(&Digest::parse(manifest).ok()?).ok();
    let id = match blob.and_then(|bytes| manifest::parse_manifest(&bytes).ok()) {
        Some(parsed) => parsed.config.digest,
        None => Digest::parse(&recorded.as_ref()?.id).ok()?,
    };
    let bytes = store.get_blob(&id).ok().or_else(|| {
        let written = recorded?.config.to_bytes();
        (Digest::of(&written) == id).then_some(written)
    })?;
    let diff_ids = ImageConfig::parse(&bytes).ok()?.diff_ids().ok()?;
    let layers = diff_ids.iter().map(|diff_id| layer_with(store, &diff_id.0)).collect::<Option<_>>()?;
    Some((bytes, layers))
}

/// The layer with this diff id, also where the index does not know it.
fn layer_with(store: &Store, diff_id: &Digest) -> Option<LayerRef> {
    let wanted = diff_id.to_string();
    store.find_layer(diff_id).ok().flatten().or_else(|| {
        let ids = store.layer_ids().ok()?;
        ids.iter().filter_map(|id| store.usable_layer(id).ok()?).find(|layer| layer.diff_id == wanted)
    })
}

fn steps(store: &Store, all: &mut Vec<Finding>) -> Result<()> {
    let dir = store.root().join("cache/steps");
    for file in record::names(&dir)? {
        if let Err(error) = record::read::<StepRecord>(&dir.join(&file)) {
            let path = format!("cache/steps/{file}");
            all.push(finding("step", &file, format!("{error:#}"), Remedy::RemoveRecord { path }));
        }
    }
    Ok(())
}

fn volumes(store: &Store, all: &mut Vec<Finding>) -> Result<()> {
    for name in record::names(&store.root().join("volumes"))? {
        if !store.volume_dir(&name).is_dir() {
            let advice = format!("look into {}", store.root().join("volumes").join(&name).display());
            all.push(finding("volume", &name, "it has no folder _data", Remedy::Person { advice }));
        }
    }
    Ok(())
}
