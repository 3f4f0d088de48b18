//! What the store holds, who names it, and how much room it takes: the view that `system df` shows and every prune
//! decides by.
//!
//! A layer's size is that of its files' contents, as recorded when it was made: nothing is walked for it. What changes
//! (containers, volumes, leftovers) is walked, in a user namespace. Not here: removing anything (`gc`, `sweep`).

use super::Store;
use super::cache::Step;
use super::container::ContainerRecord;
use super::image::{ImageRecord, NameRecord};
use crate::error::Result;
use crate::sys::path::{self, Root};
use crate::sys::userns;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, statat};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// How deep trees are walked for their size. Each level holds a descriptor, of which a process has 1024 by default.
const MAX_DEPTH: usize = 256;

/// The store at one moment. Things that come and go meanwhile may be missing or gone.
#[derive(Debug)]
pub struct Survey {
    /// All images.
    pub images: Vec<ImageRecord>,
    /// All names of images.
    pub names: Vec<NameRecord>,
    /// All containers, newest first.
    pub containers: Vec<ContainerRecord>,
    /// All steps in the cache.
    pub steps: Vec<Step>,
    /// Bytes of each layer's files, by the layer's id; 0 for one whose record is damaged.
    pub layers: BTreeMap<String, u64>,
    /// Layers that commands at work protect.
    pub leased: HashSet<String>,
    /// Every layer is to be kept, because the record of an image or container is damaged: who knows what it names.
    pub blind: bool,
}

impl Survey {
    /// The full names of an image.
    pub fn names_of(&self, image: &ImageRecord) -> Vec<String> {
        let own = self.names.iter().filter(|name| name.manifest == image.manifest);
        own.map(|name| name.name.clone()).collect()
    }

    /// How many containers were made from an image.
    pub fn containers_of(&self, image: &ImageRecord) -> usize {
        self.containers.iter().filter(|container| container.image_manifest == image.manifest).count()
    }

    /// The layers that images name.
    pub fn of_images(&self) -> HashSet<&str> {
        self.images.iter().flat_map(|image| image.layers.iter().map(|layer| layer.id.as_str())).collect()
    }

    /// The layers that containers stand on.
    pub fn of_containers(&self) -> HashSet<&str> {
        self.containers.iter().flat_map(|container| container.layers.iter().map(String::as_str)).collect()
    }

    /// The layers that only steps of the cache name.
    pub fn only_cached(&self) -> HashSet<&str> {
        let (images, containers) = (self.of_images(), self.of_containers());
        let all = self.steps.iter().map(|step| step.record.layer.id.as_str());
        all.filter(|id| self.layers.contains_key(*id) && !images.contains(id) && !containers.contains(id)).collect()
    }

    /// Bytes of these layers together. Each is counted once by the nature of a set.
    pub fn size_of(&self, layers: &HashSet<&str>) -> u64 {
        layers.iter().filter_map(|id| self.layers.get(*id)).sum()
    }
}

impl Store {
    /// Looks at everything. Nothing is locked: for a decision the caller holds the store's lock alone.
    pub fn survey(&self) -> Result<Survey> {
        let mut layers = BTreeMap::new();
        for id in self.layer_ids()? {
            match self.layer(&id) {
                Ok(None) => {} // rubbish, see `sweep`
                Ok(Some(found)) => drop(layers.insert(id, found.content_size)),
                Err(_) => drop(layers.insert(id, 0)),
            }
        }
        Ok(Survey {
            images: self.images()?,
            names: self.names()?,
            containers: self.containers()?,
            steps: self.steps()?,
            leased: self.leased_layers()?,
            blind: self.used_layers()?.is_none(),
            layers,
        })
    }
}

/// Bytes of the regular files below each of these paths, hard links once; 0 for a path that is not there. In a user
/// namespace, where all of them can be seen.
pub fn sizes(paths: &[PathBuf]) -> Result<Vec<u64>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    userns::run(|| Ok(paths.iter().map(|path| size_here(path)).collect()))
}

fn size_here(path: &Path) -> u64 {
    let Ok(root) = Root::open(path) else {
        return std::fs::symlink_metadata(path).map_or(0, |meta| if meta.is_file() { meta.len() } else { 0 });
    };
    let mut sum = Sum { bytes: 0, linked: HashSet::new() };
    sum.add(root.as_fd(), 0);
    sum.bytes
}

struct Sum {
    bytes: u64,
    /// Device and inode of files with several names that were counted.
    linked: HashSet<(u64, u64)>,
}

impl Sum {
    /// Adds what is in a directory. A running container may change it meanwhile: what cannot be seen any more has no size.
    fn add(&mut self, dir: BorrowedFd<'_>, depth: usize) {
        for entry in path::list(dir).unwrap_or_default() {
            if entry.kind == FileType::Directory {
                if depth < MAX_DEPTH
                    && let Ok(below) = path::open_dir_at(dir, &entry.name)
                {
                    self.add(below.as_fd(), depth + 1);
                }
                continue;
            }
            let Ok(stat) = statat(dir, &entry.name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let counts = entry.kind == FileType::RegularFile
                && (stat.st_nlink == 1 || self.linked.insert((stat.st_dev, stat.st_ino)));
            if counts {
                self.bytes = self.bytes.saturating_add(u64::try_from(stat.st_size).unwrap_or(0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_measured_with_its_hard_links_once_and_no_link_followed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/f"), [0; 1000]).unwrap();
        std::fs::write(at("one"), [0; 10]).unwrap();
        std::fs::hard_link(at("one"), at("a/two")).unwrap();
        std::os::unix::fs::symlink("/usr", at("away")).unwrap();
        assert_eq!(size_here(dir.path()), 1010);
        assert_eq!(size_here(&at("a/b/f")), 1000);
        assert_eq!(size_here(&at("missing")), 0);
    }
}
