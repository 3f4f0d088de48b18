//! What all prunes have in common: the preview with its sizes, the question, and the report in the peers' shapes.
//!
//! Not here: what each prune takes (`command::prune`), and taking it (`run::prune`).

use crate::cli::output::{self, Personality};
use crate::cli::units::dense_size;
use crate::error::{Kind, Result, fail_with};
use crate::store::Store;
use crate::store::gc::{Pruned, Victims, Wanted};
use crate::store::survey;
use anyhow::Context;
use clap::Args;
use std::collections::HashMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// Flags that every prune has.
#[derive(Debug, Default, Args)]
pub struct PruneFlags {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

/// Whose shape the report has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// Ids or names, one a line; docker adds headings and the sum.
    Short,
    /// Headings and the sum in any case.
    Whole,
}

/// Victims, and the bytes of what has to be walked to know them.
struct Measured {
    victims: Victims,
    sizes: HashMap<PathBuf, u64>,
}

impl Measured {
    fn take(store: &Store, wanted: &Wanted<'_>) -> Result<Measured> {
        let victims = store.victims(wanted)?;
        let mut paths: Vec<PathBuf> = victims.containers.iter().map(|c| store.container_dir(&c.id)).collect();
        paths.extend(victims.volumes.iter().map(|name| store.volume_dir(name)));
        paths.extend(victims.leftovers.iter().cloned());
        let sizes = survey::sizes(&paths)?;
        Ok(Measured { victims, sizes: paths.into_iter().zip(sizes).collect() })
    }

    fn size(&self, path: &Path) -> u64 {
        self.sizes.get(path).copied().unwrap_or(0)
    }

    fn layers(&self) -> u64 {
        self.victims.layers.iter().map(|(_, bytes)| bytes).sum()
    }

    /// The lines of the preview, and the bytes of all that they name.
    fn preview(&self, store: &Store) -> (Vec<String>, u64) {
        let all = &self.victims;
        let mut lines = Vec::new();
        for container in &all.containers {
            let size = dense_size(self.size(&store.container_dir(&container.id)));
            lines.push(format!("container {} {}, {size}", output::id(&container.id, false), container.name));
        }
        for (image, names) in &all.images {
            let names = if names.is_empty() { "<none>".into() } else { names.join(", ") };
            lines.push(format!("image {} {names}, {}", output::id(&image.id, false), dense_size(image.size)));
        }
        for step in &all.steps {
            let size = dense_size(step.record.layer.content_size);
            lines.push(format!("build cache {}, {size}", output::id(&step.key, false)));
        }
        for name in &all.volumes {
            lines.push(format!("volume {name}, {}", dense_size(self.size(&store.volume_dir(name)))));
        }
        let leftovers: u64 = all.leftovers.iter().map(|path| self.size(path)).sum();
        if !all.leftovers.is_empty() {
            let (count, size) = (all.leftovers.len(), dense_size(leftovers));
            lines.push(format!("leftovers of killed commands: {count}, {size}"));
        }
        if !all.layers.is_empty() {
            let size = dense_size(self.layers());
            lines.push(format!("of all these, layers that nothing else uses: {}, {size}", all.layers.len()));
        }
        let containers: u64 = all.containers.iter().map(|c| self.size(&store.container_dir(&c.id))).sum();
        let volumes: u64 = all.volumes.iter().map(|name| self.size(&store.volume_dir(name))).sum();
        (lines, containers + volumes + leftovers + self.layers())
    }
}

/// Prunes what is `wanted`: shows it and asks, unless the flags say otherwise. `warning` says what the command removes.
pub fn run(store: &Store, wanted: &Wanted<'_>, flags: &PruneFlags, warning: &str, report: Report) -> Result<i32> {
    let found = Measured::take(store, wanted)?;
    if found.victims.blind {
        output::warn(
            "the record of an image or a container is damaged, so that nobody knows which layers it uses: no layer is removed",
        );
    }
    if flags.dry_run || !flags.force {
        let (lines, bytes) = found.preview(store);
        if !flags.dry_run {
            output::line(&format!("WARNING! {warning}"))?;
        }
        for line in lines {
            output::line(&format!("  {line}"))?;
        }
        output::line(&format!("Total that would be reclaimed: {}", dense_size(bytes)))?;
        if flags.dry_run || !confirmed()? {
            return Ok(0);
        }
    }
    let (containers, pruned) = crate::run::prune::prune(store, &found.victims)?;
    let ids: Vec<String> = containers.into_iter().map(|container| container.id).collect();
    tell(store, &found, &ids, &pruned, report)?;
    Ok(0)
}

fn confirmed() -> Result<bool> {
    output::text("Are you sure you want to continue? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("reading the answer")?;
    if answer.is_empty() {
        output::text("\n")?;
        return Err(fail_with(
            Kind::User,
            "standard input ended before the question was answered: nothing was removed",
            "Answer y, or do without the question (--force).",
        ));
    }
    Ok(answer.trim_start().starts_with(['y', 'Y']))
}

fn tell(store: &Store, found: &Measured, containers: &[String], pruned: &Pruned, report: Report) -> Result<()> {
    let docker = output::own_personality() == Personality::Docker;
    let headings = docker || report == Report::Whole;
    let section = |heading: &str, lines: &[String]| -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        if headings {
            output::line(&format!("{heading}{}", if docker { ":" } else { "" }))?;
        }
        lines.iter().try_for_each(|line| output::line(line))?;
        if docker { output::text("\n") } else { Ok(()) }
    };
    section("Deleted Containers", containers)?;
    let mut images = Vec::new();
    for (id, names) in &pruned.images {
        if docker {
            images.extend(names.iter().map(|name| format!("untagged: {name}")));
            images.push(format!("deleted: {id}"));
        } else {
            images.push(output::id(id, true).to_string());
        }
    }
    section("Deleted Images", &images)?;
    section("Deleted Volumes", &pruned.volumes)?;
    if pruned.steps > 0 && headings {
        output::line(&format!("Deleted build cache objects: {}", pruned.steps))?;
    }
    if headings || output::stdout_is_terminal() {
        let total = reclaimed(store, found, containers, pruned);
        output::line(&format!("Total reclaimed space: {}", dense_size(total)))?;
    }
    Ok(())
}

fn reclaimed(store: &Store, found: &Measured, containers: &[String], pruned: &Pruned) -> u64 {
    let known: HashMap<&str, u64> = found.victims.layers.iter().map(|(id, bytes)| (id.as_str(), *bytes)).collect();
    let layers: u64 = pruned.layers.iter().filter_map(|id| known.get(id.as_str())).sum();
    let containers: u64 = containers.iter().map(|id| found.size(&store.container_dir(id))).sum();
    let volumes: u64 = pruned.volumes.iter().map(|name| found.size(&store.volume_dir(name))).sum();
    let leftovers: u64 = found.victims.leftovers.iter().map(|path| found.size(path)).sum();
    layers + containers + volumes + leftovers
}
