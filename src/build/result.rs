//! From a finished target to the image that was asked for: what the command line says about its configuration, its times
//! and its layers. Then it is recorded, named and given out.
//!
//! None of this is part of a step's key: the same steps serve builds that want different results of them. Not here: where
//! results go ([`super::output`]).

use super::key::Inputs;
use super::output::{self, Output};
use super::walk::Finished;
use super::{Built, Options};
use crate::error::{Kind, Result, fail_with};
use crate::image::config::{Execution, History, ImageConfig};
use crate::layer::diff::{Look, Times};
use crate::layer::{self, merge};
use crate::progress::Reporter;
use crate::run::prepare::resemble;
use crate::run::time;
use crate::store::Store;
use crate::store::cache::StepRecord;
use crate::store::compose::Composed;
use crate::store::layer::{LayerRecord, LayerRef};
use crate::store::staging::Staging;
use crate::sys::path::Root;
use crate::sys::{fault, userns};
use anyhow::Context;
use std::collections::BTreeMap;

/// Which layers become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Squash {
    /// None.
    #[default]
    No,
    /// Those that the build made on top of its base image.
    New,
    /// All.
    All,
}

/// What is asked of the image besides its steps.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The time of the image, of its new history, and of every file given out: seconds since 1970.
    pub created: Option<i64>,
    /// Times of files in the layers that the build made.
    pub times: Times,
    /// `--squash`, `--squash-all`.
    pub squash: Squash,
    /// `--omit-history`.
    pub omit_history: bool,
    /// Notes of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Variables for the image, not for its steps.
    pub env: Vec<(String, String)>,
    /// Variables to take from the image.
    pub unset_env: Vec<String>,
    /// Labels to take from the image.
    pub unset_labels: Vec<String>,
    /// Labels of base images are not inherited.
    pub drop_base_labels: bool,
}

impl Wanted {
    /// Whether layers may have to be made anew.
    fn remakes(&self) -> bool {
        self.squash != Squash::No || self.times != Times::Own
    }
}

/// Makes the image of a finished target, records it unless only files are wanted, and gives it out. `staging` protects its
/// layers, where something does already.
pub fn complete(
    store: &Store,
    options: &Options,
    finished: Finished,
    staging: Option<&Staging>,
    reporter: &dyn Reporter,
) -> Result<Built> {
    let simple = !options.result.remakes() && options.outputs.iter().all(Output::is_record);
    match staging {
        None if !simple => {
            let staging = store.staging()?;
            let ids: Vec<&str> = finished.layers.iter().map(|layer| layer.id.as_str()).collect();
            let built = match store.lease(&staging, &ids) {
                Ok(true) => protected(store, options, finished, Some(&staging), reporter),
                Ok(false) => Err(fail_with(
                    Kind::System,
                    "a layer of the image was removed by another command",
                    "Run the command again.",
                )),
                Err(error) => Err(error),
            };
            staging.remove()?;
            built
        }
        staging => protected(store, options, finished, staging, reporter),
    }
}

fn protected(
    store: &Store,
    options: &Options,
    finished: Finished,
    staging: Option<&Staging>,
    reporter: &dyn Reporter,
) -> Result<Built> {
    let wanted = &options.result;
    let Finished { mut config, mut layers, base_layers, base_history } = finished;
    settle(&mut config, &options.labels, wanted, base_history)?;
    if let (true, Some(staging)) = (wanted.remakes(), staging) {
        layers = remade(store, staging, layers, base_layers, wanted)?;
    }
    let image = Composed::new(config, layers, &wanted.annotations)?;
    let recorded = options.is_recorded();
    let manifest_size = image.manifest.len() as u64;
    let image = if recorded { store.record(image)? } else { image.record };
    if recorded {
        for tag in &options.tags {
            store.set_name(tag, &image.manifest)?;
        }
    }
    for wanted in &options.outputs {
        output::give(store, wanted, &image, options, reporter)?;
    }
    Ok(Built { image, recorded, manifest_size })
}

/// Brings a configuration into the form that was asked for.
fn settle(
    config: &mut ImageConfig,
    labels: &BTreeMap<String, String>,
    wanted: &Wanted,
    base_history: usize,
) -> Result<()> {
    let run = &mut config.config;
    for name in &wanted.unset_labels {
        run.labels.iter_mut().for_each(|all| drop(all.remove(name)));
    }
    if !labels.is_empty() {
        run.labels.get_or_insert_default().extend(labels.clone());
    }
    if run.labels.as_ref().is_some_and(BTreeMap::is_empty) {
        run.labels = None;
    }
    environment(run, wanted);
    if let Some(seconds) = wanted.created {
        let time = time::of_seconds(seconds)?;
        config.history.iter_mut().skip(base_history).for_each(|entry| entry.created = Some(time.clone()));
        config.created = Some(time);
    }
    match wanted.squash {
        Squash::No => {}
        Squash::New => flatten(&mut config.history[base_history..]),
        Squash::All => flatten(&mut config.history),
    }
    if wanted.omit_history {
        config.history.clear();
    }
    Ok(())
}

fn environment(run: &mut Execution, wanted: &Wanted) {
    for (name, value) in &wanted.env {
        run.env_set(name, value);
    }
    if let Some(all) = &mut run.env {
        all.retain(|entry| !wanted.unset_env.iter().any(|name| entry.split('=').next() == Some(name)));
    }
}

/// Several layers became one: it is that of the last entry that had any.
fn flatten(history: &mut [History]) {
    if let Some(last) = history.iter().rposition(|entry| !entry.empty_layer) {
        history[..last].iter_mut().for_each(|entry| entry.empty_layer = true);
    }
}

/// The layers, squashed and with other times as asked for.
fn remade(
    store: &Store,
    staging: &Staging,
    mut layers: Vec<LayerRef>,
    base_layers: usize,
    wanted: &Wanted,
) -> Result<Vec<LayerRef>> {
    let kept = if wanted.squash == Squash::All { 0 } else { base_layers };
    let own = layers.split_off(kept);
    if own.is_empty() {
        return Ok(layers);
    }
    let look = Look { times: wanted.times, whole: kept == 0 && wanted.squash != Squash::No, plain: false };
    if wanted.squash == Squash::No {
        for layer in own {
            layers.push(remake(store, staging, &[layer], look)?);
        }
    } else {
        layers.push(remake(store, staging, &own, look)?);
    }
    Ok(layers)
}

/// One layer from several (lowest first), or from one with other times. Remembered like a step: the next build finds it.
fn remake(store: &Store, staging: &Staging, parts: &[LayerRef], look: Look) -> Result<LayerRef> {
    let all: Vec<&str> = parts.iter().map(|layer| layer.diff_id.as_str()).collect();
    let inputs = Inputs::default().with("the layers", all.join(" ")).with("the form", format!("{look:?}"));
    let key = inputs.key("made anew");
    if let Some(found) = store.cached_step(&key)?
        && store.lease(staging, &[&found.layer.id])?
    {
        return Ok(found.layer);
    }
    let layer = userns::run(|| {
        let trees = parts.iter().map(|layer| Root::open(&store.layer_tree(&layer.id)));
        let trees = trees.collect::<Result<Vec<_>, _>>().context("opening a layer")?;
        let made = staging.path().join("remade");
        let info = layer::take_in(|out| merge::write_merged(&trees, look, out), &made)?;
        if let Some(top) = parts.last() {
            resemble(&store.layer_tree(&top.id), &made.join("fs"))?;
        }
        fault::point("build.remade")?;
        let layer = store.publish_layer(staging, &made, LayerRecord::of(&info))?;
        staging.empty_here()?;
        Ok(layer)
    })?;
    store.remember_step(&key, &StepRecord { layer: layer.clone(), created: time::now(), inputs: inputs.0 })?;
    Ok(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ImageConfig {
        let entry = |name: &str, empty_layer| History {
            created: Some("2026-01-02T03:04:05Z".into()),
            created_by: Some(name.into()),
            empty_layer,
            ..History::default()
        };
        let mut config = ImageConfig { os: "linux".into(), architecture: "amd64".into(), ..ImageConfig::default() };
        config.history = vec![entry("base", false), entry("a", false), entry("b", false), entry("c", true)];
        config.config.labels = Some([("old", "1"), ("kept", "1")].map(|(k, v)| (k.into(), v.into())).into());
        config.config.env = Some(vec!["PATH=/bin".into(), "GONE=1".into()]);
        config
    }

    #[test]
    fn only_new_history_gets_the_time_and_labels_and_variables_change() {
        let mut config = config();
        let wanted = Wanted {
            created: Some(60),
            env: vec![("A".into(), "b=c".into())],
            unset_env: vec!["GONE".into()],
            unset_labels: vec!["old".into()],
            ..Wanted::default()
        };
        settle(&mut config, &[("new".into(), "2".into())].into(), &wanted, 1).unwrap();
        let times: Vec<_> = config.history.iter().map(|entry| entry.created.clone().unwrap()).collect();
        assert_eq!((times[0].as_str(), times[1].as_str()), ("2026-01-02T03:04:05Z", "1970-01-01T00:01:00Z"));
        assert_eq!(config.created.as_deref(), Some("1970-01-01T00:01:00Z"));
        assert_eq!(config.config.labels.unwrap().into_keys().collect::<Vec<_>>(), ["kept", "new"]);
        assert_eq!(config.config.env.unwrap(), ["PATH=/bin", "A=b=c"]);
    }

    #[test]
    fn history_counts_the_layers_that_are_left() {
        let layers = |squash| {
            let mut config = config();
            settle(&mut config, &BTreeMap::new(), &Wanted { squash, ..Wanted::default() }, 1).unwrap();
            config.history.iter().map(|entry| !entry.empty_layer).collect::<Vec<_>>()
        };
        assert_eq!(layers(Squash::No), [true, true, true, false]);
        assert_eq!(layers(Squash::New), [true, false, true, false]);
        assert_eq!(layers(Squash::All), [false, false, true, false]);
    }
}
