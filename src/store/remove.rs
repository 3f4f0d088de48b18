//! Removes names and images. What a container was made from stays until the container goes.

use super::container::{ContainerRecord, short};
use super::image::{ImageRecord, NameRecord};
use super::{Store, record};
use crate::error::{Kind, Result, fail_with};
use crate::image::digest::Digest;
use crate::sys::userns;
use std::collections::HashSet;

/// What [`rmi`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Full names that are gone.
    pub untagged: Vec<String>,
    /// Ids of images that are gone, `sha256:…`.
    pub deleted: Vec<String>,
}

/// Removes what `text` names, by the peers' rules: a name among several only loses its image; the last name takes the
/// image with it; an id with several names needs `force`. An image that a container was made from is not removed,
/// `force` or not (see [`users`]). Layers that nobody else uses go too; those that steps of a build gave stay in the
/// cache.
pub fn rmi(store: &Store, text: &str, force: bool) -> Result<Removed> {
    let (removed, gone) = {
        let _alone = store.lock_exclusive()?;
        let (removed, layers) = take_out(store, text, force)?;
        (removed, store.forget_unused(&layers)?)
    };
    if !gone.is_empty() {
        // A worker is made anyway: what killed commands left goes with it.
        let mut rubbish = store.abandoned_staging()?;
        rubbish.extend(gone);
        userns::remove_trees(&rubbish)?;
    }
    Ok(removed)
}

/// The containers that keep [`rmi`] with `force` from removing what `text` names. None if only a name would go.
pub fn users(store: &Store, text: &str) -> Result<Vec<ContainerRecord>> {
    if store.dead_name(text)?.is_some() {
        return Ok(Vec::new());
    }
    let (image, found_by) = store.find_image_and_name(text)?;
    if found_by.is_some() && store.names()?.iter().filter(|name| name.manifest == image.manifest).count() > 1 {
        return Ok(Vec::new());
    }
    let mut all = store.containers()?;
    all.retain(|container| match found_by {
        Some(_) => container.image_manifest == image.manifest,
        None => container.image_id == image.id,
    });
    Ok(all)
}

/// Removes names and records and gives the layers that may have lost their last user.
fn take_out(store: &Store, text: &str, force: bool) -> Result<(Removed, Vec<String>)> {
    if let Some(name) = store.dead_name(text)? {
        store.remove_name(&name)?;
        return Ok((Removed { untagged: vec![name], deleted: Vec::new() }, Vec::new()));
    }
    let (image, found_by) = store.find_image_and_name(text)?;
    // Two manifests may share one config: by its id they are one image.
    let mut records: Vec<ImageRecord> = store.images()?.into_iter().filter(|other| other.id == image.id).collect();
    let named = |name: &NameRecord| Some(&name.name) == found_by.as_ref();
    let all_names = store.names()?;
    let mine = all_names.iter().find(|n| named(n)).cloned();
    if mine.is_some() {
        records.retain(|record| record.manifest == image.manifest);
    }
    let names: Vec<NameRecord> =
        all_names.into_iter().filter(|n| records.iter().any(|r| r.manifest == n.manifest)).collect();
    if let Some(name) = mine.filter(|_| names.len() > 1) {
        store.remove_name(&name.name)?;
        return Ok((Removed { untagged: vec![name.name], deleted: Vec::new() }, Vec::new()));
    }
    if names.len() > 1 && !force {
        return Err(several_names(&image, &names));
    }
    check_unused(store, &records)?;
    let mut removed = Removed::default();
    for name in names {
        store.remove_name(&name.name)?;
        removed.untagged.push(name.name);
    }
    let layers = records.iter().flat_map(|r| r.layers.iter().map(|l| l.id.clone())).collect();
    for record in &records {
        store.remove_image(record)?;
    }
    if !store.has_blob(&Digest::parse(&image.id)?) {
        removed.deleted.push(image.id);
    }
    Ok((removed, layers))
}

impl Store {
    /// What images and containers name; `None` if one of their records is damaged.
    pub(super) fn used_layers(&self) -> Result<Option<HashSet<String>>> {
        let mut used = HashSet::new();
        let images = self.root().join("images");
        for file in record::names(&images)?.iter().filter(|name| name.ends_with(".json")) {
            let Ok(image) = record::read::<ImageRecord>(&images.join(file)) else { return Ok(None) };
            used.extend(image.into_iter().flat_map(|image| image.layers).map(|layer| layer.id));
        }
        for id in self.container_ids()? {
            let Ok(container) = self.container(&id) else { return Ok(None) };
            used.extend(container.into_iter().flat_map(|container| container.layers));
        }
        Ok(Some(used))
    }
}

fn several_names(image: &ImageRecord, names: &[NameRecord]) -> anyhow::Error {
    let list: Vec<&str> = names.iter().map(|n| n.name.as_str()).collect();
    fail_with(
        Kind::InUse,
        format!(
            "unable to delete image {} (must be forced): image is referenced in multiple repositories: {}",
            short(&image.id),
            list.join(", ")
        ),
        format!("Remove it with all its names (`dhow rmi -f {}`), or only one of them by name.", short(&image.id)),
    )
}

fn check_unused(store: &Store, records: &[ImageRecord]) -> Result<()> {
    let uses = |manifest: &str| records.iter().any(|r| r.manifest == manifest);
    let users: Vec<_> = store.containers()?.into_iter().filter(|c| uses(&c.image_manifest)).collect();
    let Some(first) = users.first() else { return Ok(()) };
    let shown: Vec<String> = users.iter().map(|c| format!("{} ({})", c.name, short(&c.id))).collect();
    let running = if store.is_alive(&first.id)? { " -f" } else { "" };
    Err(fail_with(
        Kind::InUse,
        format!("image {} is in use by the container {}", short(&first.image_id), shown.join(", ")),
        format!("Remove the container first (`dhow rm{running} {}`), or both (`dhow rmi -f`).", first.name),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::kind_of;
    use crate::image::config::ImageConfig;
    use crate::image::reference::Reference;

    fn image(store: &Store, author: &str, names: &[&str]) -> ImageRecord {
        let config = ImageConfig {
            author: Some(author.into()),
            architecture: "amd64".into(),
            os: "linux".into(),
            ..ImageConfig::default()
        };
        let image = store.record_image(config, Vec::new()).unwrap();
        for name in names {
            store.set_name(&Reference::for_new(name).unwrap(), &image.manifest).unwrap();
        }
        image
    }

    #[test]
    fn the_last_name_takes_the_image_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let made = image(&store, "a", &["one", "two"]);
        let first = rmi(&store, "one", false).unwrap();
        assert_eq!(first, Removed { untagged: vec!["localhost/one:latest".into()], deleted: vec![] });
        let last = rmi(&store, "two", false).unwrap();
        assert_eq!(last, Removed { untagged: vec!["localhost/two:latest".into()], deleted: vec![made.id.clone()] });
        assert!(store.images().unwrap().is_empty() && store.names().unwrap().is_empty());
        assert!(!store.has_blob(&Digest::parse(&made.id).unwrap()));
        assert_eq!(kind_of(&rmi(&store, "two", true).unwrap_err()), Some(Kind::NotFound));
    }

    #[test]
    fn a_name_whose_image_is_damaged_or_gone_can_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let made = image(&store, "a", &["one", "two"]);
        let record = store.root().join("images").join(format!("{}.json", &made.manifest[7..]));
        std::fs::write(&record, "{").unwrap();
        assert_eq!(rmi(&store, "one", false).unwrap().untagged, ["localhost/one:latest"]);
        std::fs::remove_file(&record).unwrap();
        assert_eq!(rmi(&store, "two", false).unwrap().untagged, ["localhost/two:latest"]);
        std::fs::write(store.root().join("images/names/localhost%2fx%3alatest"), "").unwrap();
        assert_eq!(rmi(&store, "x", false).unwrap().untagged, ["localhost/x:latest"]);
        assert!(store.names().unwrap().is_empty());
    }

    #[test]
    fn an_id_with_several_names_needs_force() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let made = image(&store, "a", &["one", "two"]);
        let other = image(&store, "b", &[]);
        let refused = rmi(&store, &made.id, false).unwrap_err();
        assert_eq!(kind_of(&refused), Some(Kind::InUse));
        assert!(refused.to_string().contains("localhost/one:latest, localhost/two:latest"), "{refused}");
        let removed = rmi(&store, &made.id, true).unwrap();
        assert_eq!((removed.untagged.len(), removed.deleted), (2, vec![made.id]));
        assert_eq!(rmi(&store, &other.id[7..19], false).unwrap().deleted, [other.id]);
        assert_eq!(std::fs::read_dir(store.root().join("staging")).unwrap().count(), 0);
    }
}
