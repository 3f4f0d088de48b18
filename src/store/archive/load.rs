//! Takes the images of an archive into the store. All of them or none: every byte is checked before the first is kept.

use super::super::Store;
use super::super::staging::Staging;
use super::layers::Layers;
use super::source::{Input, Source};
use super::{DOCKER_LIST, Found, OCI_LIST, docker, folder, in_worker, oci};
use crate::error::{Kind, Result, fail, fail_with};
use crate::image::config::ImageConfig;
use crate::image::digest::Digest;
use crate::image::manifest::MAX_MANIFEST;
use crate::image::reference::Reference;
use crate::progress::{Event, Reporter};
use crate::sys::fault;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What the worker answers.
#[derive(Serialize, Deserialize)]
struct Loaded {
    images: Vec<String>,
    warnings: Vec<String>,
}

/// Loads an archive, compressed or not, or a folder, in any of the formats. Gives what it loaded: full names, and for an image that the
/// archive gives no name its id (`sha256:…`). It is read in another process, which inherits the descriptor.
pub fn load(store: &Store, input: Input, reporter: &dyn Reporter) -> Result<Vec<String>> {
    load_some(store, input, reporter, Ok)
}

/// Loads one image without giving it a name: the one that `tag` means in the archive, without it the only one there is.
/// Gives its id (`sha256:…`).
pub fn load_unnamed(store: &Store, input: Input, tag: Option<&str>, reporter: &dyn Reporter) -> Result<String> {
    let loaded = load_some(store, input, reporter, |found| {
        let one = the_one(found, tag)?;
        Ok(vec![Found { names: Vec::new(), ..one }])
    })?;
    loaded.into_iter().next().context("one image was loaded")
}

fn load_some(
    store: &Store,
    input: Input,
    reporter: &dyn Reporter,
    choose: impl FnOnce(Vec<Found>) -> Result<Vec<Found>>,
) -> Result<Vec<String>> {
    let loaded = in_worker(store, |staging| load_here(store, input, staging, choose))?;
    for warning in loaded.warnings {
        reporter.report(Event::Warning(warning));
    }
    Ok(loaded.images)
}

fn the_one(mut found: Vec<Found>, tag: Option<&str>) -> Result<Found> {
    if let Some(tag) = tag {
        // Some tools write a bare word as the whole name, which makes it one of its own here.
        let bare = Reference::for_new(tag).ok();
        let is_it = |n: &Reference| n.tag.as_deref() == Some(tag) || Some(n) == bare.as_ref();
        found.retain(|image| image.names.iter().any(is_it));
    }
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one),
        (None, _) => {
            Err(fail(Kind::NotFound, format!("the layout has no image with the tag {}", tag.unwrap_or_default())))
        }
        (Some(_), more) => Err(fail_with(
            Kind::User,
            format!("the layout has {} images that could be meant", more + 1),
            "Choose one by its tag: oci-layout://FOLDER:TAG.",
        )),
    }
}

fn load_here(
    store: &Store,
    input: Input,
    staging: &Staging,
    choose: impl FnOnce(Vec<Found>) -> Result<Vec<Found>>,
) -> Result<Loaded> {
    fault::point("load.unpack")?;
    let mut layers = Layers::new(store, staging);
    let source = Source::open(input, &mut layers)?;
    let found = choose(list(&source)?)?;
    let mut images = Vec::new();
    for image in found {
        let diff_ids = unpack(&source, &image, &mut layers)?;
        images.push((image, diff_ids));
    }
    let wanted: HashSet<Digest> = images.iter().flat_map(|(_, diff_ids)| diff_ids).copied().collect();
    layers.keep_only(&wanted);
    let warnings = layers.warnings();
    layers.publish(|ready| {
        let mut shown = Vec::new();
        for (image, diff_ids) in images {
            let layers = diff_ids.iter().map(|id| ready[id].clone()).collect();
            let record = store.record_image_as(&image.config, layers)?;
            for name in &image.names {
                store.set_name(name, &record.manifest)?;
                shown.push(name.to_string());
            }
            if image.names.is_empty() {
                shown.push(record.id);
            }
        }
        Ok(Loaded { images: shown, warnings })
    })
}

fn list(source: &Source) -> Result<Vec<Found>> {
    let found = if source.has(DOCKER_LIST) {
        let bytes = source.read(DOCKER_LIST, MAX_MANIFEST)?;
        if folder::is_manifest(&bytes) { folder::images(source, &bytes)? } else { docker::images(source, &bytes)? }
    } else if source.has(OCI_LIST) {
        oci::images(source)?
    } else {
        return Err(fail_with(
            Kind::User,
            format!("not an archive of images: it has neither {DOCKER_LIST} (Docker) nor {OCI_LIST} (OCI)"),
            "`dhow import` makes an image of a root file system.",
        ));
    };
    if found.is_empty() {
        return Err(fail(Kind::User, "the archive lists no image"));
    }
    Ok(found)
}

/// Unpacks what is not there yet. Gives the diff ids, lowest first.
fn unpack(source: &Source, image: &Found, layers: &mut Layers<'_>) -> Result<Vec<Digest>> {
    let config = ImageConfig::parse(&image.config)?;
    let diff_ids: Vec<Digest> = config.diff_ids()?.into_iter().map(|id| id.0).collect();
    if diff_ids.len() != image.layers.len() {
        return Err(fail(
            Kind::User,
            format!(
                "the archive has {} layers for image {}, whose configuration names {}",
                image.layers.len(),
                Digest::of(&image.config).short(),
                diff_ids.len()
            ),
        ));
    }
    for (file, diff_id) in image.layers.iter().zip(&diff_ids) {
        let taken = source.layer(file, *diff_id, layers);
        taken.with_context(|| format!("cannot load layer {:?}", file.member))?;
    }
    Ok(diff_ids)
}
