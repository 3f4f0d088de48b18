//! Does what the findings of a check propose. Each repair is one step of its own: a kill between two leaves a store in
//! which the next check finds the rest.

use super::super::container::ContainerRecord;
use super::super::layer::LayerRecord;
use super::super::{Store, record, remove};
use super::{Finding, Remedy, records, trees};
use crate::error::Result;
use crate::image::digest::{Digest, Sha256Writer};
use crate::layer::diff;
use crate::sys::path::Root;
use crate::sys::userns;
use anyhow::Context;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Takes a container away, running or not: stopping one is not the store's business.
pub type Remover<'a> = &'a dyn Fn(&ContainerRecord) -> Result<()>;

/// Mends what it can, and says so in the findings.
pub(super) fn repair(store: &Store, findings: &mut [Finding], force: bool, remove: Remover<'_>) -> Result<()> {
    for finding in findings {
        if finding.remedy.needs_force() && !force {
            continue;
        }
        let done = one(store, finding, remove);
        finding.repaired = done.with_context(|| format!("repairing the {} {}", finding.object, finding.id))?;
    }
    Ok(())
}

/// True when it is done.
fn one(store: &Store, finding: &Finding, remove: Remover<'_>) -> Result<bool> {
    match &finding.remedy {
        Remedy::MendFolder => mend_folder(Path::new(&finding.id))?,
        Remedy::MendStub => store.create_stub()?,
        Remedy::RemoveRecord { path } => remove_file(&store.root().join(path))?,
        Remedy::Index { layer } => {
            let Some(found) = store.layer(layer)? else { return Ok(false) };
            // Whoever publishes a layer shares this lock.
            let _alone = store.lock_exclusive()?;
            record::write_quick(&store.by_diff(&Digest::parse(&found.diff_id)?), layer.as_bytes())?;
        }
        Remedy::RebuildLayer { diff_id } => return rebuild_layer(store, &finding.id, diff_id),
        Remedy::RebuildImage { manifest } => return rebuild_image(store, manifest),
        Remedy::RemoveLayer => return remove_layer(store, &finding.id),
        // What was mended before may have made it possible.
        Remedy::RemoveImages { manifests, .. }
            if finding.object == "image" && rebuild_image(store, &manifests[0]).unwrap_or(false) => {}
        Remedy::RemoveImages { manifests, containers, .. } => {
            remove_containers(store, containers, remove)?;
            remove_images(store, manifests)?;
            if finding.object == "layer" {
                remove_layer(store, &finding.id)?;
            }
        }
        Remedy::RemoveContainer => remove_damaged_container(store, &finding.id)?,
        Remedy::Person { .. } => return Ok(false),
    }
    Ok(true)
}

fn rebuild_image(store: &Store, manifest: &str) -> Result<bool> {
    let Some((config, layers)) = records::config_of(store, manifest) else { return Ok(false) };
    Ok(store.record_image_as(&config, layers)?.manifest == *manifest)
}

fn mend_folder(path: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o700))?)
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

/// Writes the record of a layer whose files still give the tar that it should be. They were read whole, so they are on disk
/// as far as anyone can tell.
fn rebuild_layer(store: &Store, id: &str, diff_id: &str) -> Result<bool> {
    let recipe = trees::has_recipe(store, id);
    let record = userns::run(|| {
        let mut tar = Sha256Writer::new(io::sink());
        store.write_unchecked_tar(id, recipe, &mut tar)?;
        let (_, digest, tar_size) = tar.finish();
        let tree = diff::digest(&Root::open(&store.layer_tree(id))?, &[])?;
        let (content_size, files) = (tree.content_size, tree.files);
        let unsynced_boot = String::new();
        Ok(LayerRecord { diff_id: digest.to_string(), tar_size, content_size, files, recipe, unsynced_boot })
    })?;
    if record.diff_id != diff_id {
        return Ok(false);
    }
    record::write_durable(&store.layer_dir(id).join("layer.json"), &record::to_json(&record)?)?;
    Ok(true)
}

/// Removes a layer and what the cache knows of it, if nobody else names it now.
fn remove_layer(store: &Store, id: &str) -> Result<bool> {
    for step in store.steps()?.iter().filter(|step| step.record.layer.id == id) {
        remove_file(&store.root().join(format!("cache/steps/{}.json", step.key)))?;
    }
    userns::remove_trees(&store.forget_layers(&[id.to_string()])?)?;
    Ok(!store.layer_dir(id).exists())
}

fn remove_containers(store: &Store, ids: &[String], remove: Remover<'_>) -> Result<()> {
    for id in ids {
        if let Some(container) = store.container(id)? {
            remove(&container)?;
        }
    }
    Ok(())
}

fn remove_images(store: &Store, manifests: &[String]) -> Result<()> {
    for manifest in manifests {
        if let Ok(Some(_)) = store.image(manifest) {
            remove::rmi(store, manifest, true)?;
            continue;
        }
        let _alone = store.lock_exclusive()?;
        for name in store.names()?.iter().filter(|name| name.manifest == *manifest) {
            store.remove_name(&name.name)?;
        }
        let hex = manifest.strip_prefix("sha256:").unwrap_or(manifest);
        remove_file(&store.root().join("images").join(format!("{hex}.json")))?;
    }
    Ok(())
}

/// Removes a container whose record cannot be read, unless it runs: then nobody could stop it in order.
fn remove_damaged_container(store: &Store, id: &str) -> Result<()> {
    // Held until it is gone. The file may be as damaged as the record, or missing.
    let lock = store.lock_ended(id, false)?;
    if lock.is_none() && store.is_alive(id)? {
        anyhow::bail!("it is running, or just being removed");
    }
    store.forget_container(id)?;
    store.drop_dead_names()?;
    userns::remove_trees(&store.container_rubbish(id))
}
