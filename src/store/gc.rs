//! Removing what nobody needs: which images, steps and layers a prune takes, and taking them.
//!
//! A layer goes when nothing names it: no image, no container, no step of the cache, and no command that is at work
//! (docs/decisions/0014). Whatever goes, goes by unlinking its record, under the store's lock alone, so that a full disk
//! is no hindrance; the files are removed afterwards, with nothing locked. Not here: containers, which have processes
//! (`run`), and what the person is asked (`cli`).

use super::budget;
use super::cache::Step;
use super::container::ContainerRecord;
use super::image::ImageRecord;
use super::survey::Survey;
use super::volume::mounts;
use super::{Store, survey};
use crate::error::Result;
use crate::sys::userns;
use std::collections::HashSet;
use std::path::PathBuf;

/// Chooses among images, by the image and its names.
type ImageChoice<'a> = &'a dyn Fn(&ImageRecord, &[String]) -> bool;
/// Chooses among steps, by the step and whether an image or container has its layer.
type StepChoice<'a> = &'a dyn Fn(&Step, bool) -> bool;

/// Which things a prune is to take, of those that nothing uses. `None`: none of that sort.
#[derive(Default)]
pub struct Wanted<'a> {
    /// Containers; the running ones are not asked about.
    pub containers: Option<&'a dyn Fn(&ContainerRecord) -> bool>,
    /// Images without containers, with their names.
    pub images: Option<ImageChoice<'a>>,
    /// Steps, and whether an image or container has their layer.
    pub steps: Option<StepChoice<'a>>,
    /// Keep as much of the cache as fits into so many bytes, the latest used of it.
    pub keep_steps: Option<u64>,
    /// Volumes without containers.
    pub volumes: Option<&'a dyn Fn(&str) -> bool>,
}

/// What a prune would take.
#[derive(Debug, Default)]
pub struct Victims {
    /// Containers that do not run.
    pub containers: Vec<ContainerRecord>,
    /// Images and their full names.
    pub images: Vec<(ImageRecord, Vec<String>)>,
    /// Steps of the cache.
    pub steps: Vec<Step>,
    /// Volumes.
    pub volumes: Vec<String>,
    /// Layers and their bytes: those that the above leave without a user, and those that had none.
    pub layers: Vec<(String, u64)>,
    /// Folders that killed commands have left.
    pub leftovers: Vec<PathBuf>,
    /// No layer can go, because the record of an image or container is damaged.
    pub blind: bool,
}

/// What a prune took.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Ids of images that are gone, and the names that they had.
    pub images: Vec<(String, Vec<String>)>,
    /// How many steps of the cache are gone.
    pub steps: usize,
    /// Names of volumes.
    pub volumes: Vec<String>,
    /// Layers that are gone.
    pub layers: Vec<String>,
}

impl Store {
    /// What a prune would take now. Nothing is locked and nothing is changed.
    pub fn victims(&self, wanted: &Wanted<'_>) -> Result<Victims> {
        let survey = self.survey()?;
        let mut containers = Vec::new();
        for container in &survey.containers {
            if wanted.containers.is_some_and(|want| want(container)) && !self.is_alive(&container.id)? {
                containers.push(container.clone());
            }
        }
        let going: HashSet<&str> = containers.iter().map(|container| container.id.as_str()).collect();
        let staying: Vec<&ContainerRecord> =
            survey.containers.iter().filter(|container| !going.contains(container.id.as_str())).collect();
        let images: Vec<(ImageRecord, Vec<String>)> = survey
            .images
            .iter()
            .filter(|image| !staying.iter().any(|container| container.image_manifest == image.manifest))
            .map(|image| (image.clone(), survey.names_of(image)))
            .filter(|(image, names)| wanted.images.is_some_and(|want| want(image, names)))
            .collect();
        let mut used: HashSet<&str> = survey.leased.iter().map(String::as_str).collect();
        used.extend(staying.iter().flat_map(|container| container.layers.iter().map(String::as_str)));
        let goes = |image: &ImageRecord| images.iter().any(|(other, _)| other.manifest == image.manifest);
        let kept = survey.images.iter().filter(|image| !goes(image));
        used.extend(kept.flat_map(|image| image.layers.iter().map(|layer| layer.id.as_str())));
        let steps = steps_to_go(&survey, wanted, &used);
        let keys: HashSet<&str> = steps.iter().map(|step| step.key.as_str()).collect();
        let left = survey.steps.iter().filter(|step| !keys.contains(step.key.as_str()));
        used.extend(left.map(|step| step.record.layer.id.as_str()));
        let free = survey.layers.iter().filter(|(id, _)| !survey.blind && !used.contains(id.as_str()));
        let layers = free.map(|(id, bytes)| (id.clone(), *bytes)).collect();
        let mut volumes = self.volumes()?;
        volumes.retain(|name| {
            wanted.volumes.is_some_and(|want| want(name)) && !staying.iter().any(|container| mounts(container, name))
        });
        let leftovers = self.leftovers()?;
        Ok(Victims { containers, images, steps, volumes, layers, leftovers, blind: survey.blind })
    }

    /// Takes images, steps and volumes, as far as they are still what they were when they were chosen, and every layer and
    /// record that nothing names any more. Containers have gone before.
    pub fn prune(&self, victims: &Victims) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        let mut rubbish = Vec::new();
        for name in &victims.volumes {
            // One that has been taken into use is left alone.
            if let Ok(left) = self.forget_volume(name) {
                rubbish.push(left);
                pruned.volumes.push(name.clone());
            }
        }
        rubbish.extend(self.take_out_unused(victims, &mut pruned)?);
        userns::remove_trees(&rubbish)?;
        Ok(pruned)
    }

    fn take_out_unused(&self, victims: &Victims, pruned: &mut Pruned) -> Result<Vec<PathBuf>> {
        let _alone = self.lock_exclusive()?;
        let now = self.survey()?;
        for (image, names) in &victims.images {
            if now.containers_of(image) == 0 && now.names_of(image) == *names {
                for name in names {
                    self.remove_name(name)?;
                }
                self.remove_image(image)?;
                pruned.images.push((image.id.clone(), names.clone()));
            }
        }
        for step in &victims.steps {
            // One that was found again meanwhile, or made anew, is in use.
            let same = |found: &&Step| found.key == step.key && found.used == step.used;
            if now.steps.iter().any(|found| same(&found)) && !now.leased.contains(&step.record.layer.id) {
                self.forget_step(&step.key)?;
                pruned.steps += 1;
            }
        }
        let mut rubbish = self.sweep_records()?;
        let gone = self.forget_unused(&now.layers.into_keys().collect::<Vec<_>>())?;
        let id = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        pruned.layers = gone.iter().filter_map(id).collect();
        rubbish.extend(gone);
        Ok(rubbish)
    }

    /// Trims the cache to its budget, least recently used first. Quick when it fits: then only the cache's own records
    /// are read.
    pub fn trim_cache(&self, budget: u64) -> Result<()> {
        let mut seen = HashSet::new();
        let steps = self.steps()?;
        let layers = steps.iter().map(|step| &step.record.layer).filter(|layer| seen.insert(layer.id.clone()));
        // Some of it may belong to images, and does not count then: no less than what counts.
        if layers.map(|layer| layer.content_size).fold(0, u64::saturating_add) <= budget {
            return Ok(());
        }
        let gone = {
            let _alone = self.lock_exclusive()?;
            let survey = self.survey()?;
            let steps = budget::excess(&survey, budget);
            let layers: Vec<String> = steps.iter().map(|step| step.record.layer.id.clone()).collect();
            for step in steps {
                self.forget_step(&step.key)?;
            }
            self.forget_unused(&layers)?
        };
        userns::remove_trees(&gone)
    }

    /// Folders that killed commands have left: half made things, and layers and volumes that were half removed.
    fn leftovers(&self) -> Result<Vec<PathBuf>> {
        let mut left = self.abandoned_staging()?;
        left.extend(self.abandoned_containers()?.iter().map(|id| self.container_dir(id)));
        left.extend(self.removed_volumes());
        left.extend(self.removed_layers()?);
        Ok(left)
    }

    /// Folders that killed commands have left, and the bytes in them.
    pub fn leftover_sizes(&self) -> Result<Vec<(PathBuf, u64)>> {
        let left = self.leftovers()?;
        let sizes = survey::sizes(&left)?;
        Ok(left.into_iter().zip(sizes).collect())
    }
}

/// The steps that are wanted and that nobody stands on; with a limit, only as many of them as it takes.
fn steps_to_go(survey: &Survey, wanted: &Wanted<'_>, used: &HashSet<&str>) -> Vec<Step> {
    let Some(want) = wanted.steps else { return Vec::new() };
    let excess: Option<HashSet<&str>> = wanted
        .keep_steps
        .map(|budget| budget::excess(survey, budget).into_iter().map(|step| step.key.as_str()).collect());
    let goes = |step: &&Step| {
        let layer = step.record.layer.id.as_str();
        !survey.leased.contains(layer)
            && excess.as_ref().is_none_or(|keys| keys.contains(step.key.as_str()))
            && want(step, used.contains(layer))
    };
    survey.steps.iter().filter(goes).cloned().collect()
}
