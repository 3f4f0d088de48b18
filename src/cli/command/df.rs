//! `dhow system df`: where the store's room goes, each layer counted once.

use super::Verb;
use crate::cli::format::{List, Row};
use crate::cli::units::dense_size;
use crate::cli::{output, time};
use crate::error::Result;
use crate::store::Store;
use crate::store::container::Status;
use crate::store::survey::{self, Survey};
use crate::store::volume::mounts;
use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

const COLUMNS: &[&str] = &["Type", "Total", "Active", "Size", "Reclaimable"];
const HEADINGS: &[(&str, &str)] = &[
    ("Type", "TYPE"),
    ("Total", "TOTAL"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

/// Arguments of `system df`.
#[derive(Debug, Args)]
pub struct Df {
    /// Show every image, container, volume and step of the build cache
    #[arg(short, long)]
    verbose: bool,
    /// Print json, or what a Go template says of each line
    #[arg(long, value_name = "FORMAT", conflicts_with = "verbose")]
    format: Option<String>,
}

/// The store, and the bytes of what has to be walked.
struct Usage {
    store: Store,
    survey: Survey,
    /// Of each container, in the survey's order.
    containers: Vec<(u64, bool)>,
    /// Name and bytes.
    volumes: Vec<(String, u64)>,
    leftovers: Vec<(PathBuf, u64)>,
}

impl Usage {
    fn take(store: Store) -> Result<Usage> {
        let survey = store.survey()?;
        let names = store.volumes()?;
        let mut paths: Vec<PathBuf> = survey.containers.iter().map(|c| store.container_dir(&c.id)).collect();
        paths.extend(names.iter().map(|name| store.volume_dir(name)));
        let mut sizes = survey::sizes(&paths)?.into_iter();
        let mut containers = Vec::new();
        for container in &survey.containers {
            containers.push((sizes.next().unwrap_or(0), store.is_alive(&container.id)?));
        }
        let volumes = names.into_iter().zip(sizes).collect();
        let leftovers = store.leftover_sizes()?;
        Ok(Usage { store, survey, containers, volumes, leftovers })
    }

    fn lines(&self) -> Vec<Line> {
        let survey = &self.survey;
        let of_images = survey.of_images();
        let unused: HashSet<&str> = of_images.difference(&survey.of_containers()).copied().collect();
        let with_containers = survey.images.iter().filter(|image| survey.containers_of(image) > 0).count();
        let stopped = self.containers.iter().filter(|(_, alive)| !alive);
        let used = |name: &str| survey.containers.iter().any(|container| mounts(container, name));
        let free = self.volumes.iter().filter(|(name, _)| !used(name));
        let only_cached = survey.only_cached();
        let cached = survey.size_of(&only_cached);
        let in_use = survey.steps.iter().filter(|step| !only_cached.contains(step.record.layer.id.as_str())).count();
        vec![
            Line::new(
                "Images",
                survey.images.len(),
                with_containers,
                survey.size_of(&of_images),
                survey.size_of(&unused),
            ),
            Line::new(
                "Containers",
                self.containers.len(),
                self.containers.iter().filter(|(_, alive)| *alive).count(),
                self.containers.iter().map(|(size, _)| size).sum(),
                stopped.map(|(size, _)| size).sum(),
            ),
            Line::new(
                "Local Volumes",
                self.volumes.len(),
                self.volumes.iter().filter(|(name, _)| used(name)).count(),
                self.volumes.iter().map(|(_, size)| size).sum(),
                free.map(|(_, size)| size).sum(),
            ),
            Line::new("Build Cache", survey.steps.len(), in_use, cached, cached),
        ]
    }

    /// What is no class of its own: the budget, and what killed commands have left.
    fn notes(&self) -> Result<String> {
        let budget = match self.store.cache_budget()? {
            u64::MAX => "unlimited".to_string(),
            bytes => dense_size(bytes),
        };
        let mut text = format!("\nBuild cache budget: {budget}\n");
        if !self.leftovers.is_empty() {
            let size = dense_size(self.leftovers.iter().map(|(_, size)| size).sum());
            let count = self.leftovers.len();
            text.push_str(&format!("Leftovers of killed commands: {count}, {size}; any prune removes them\n"));
        }
        if self.survey.blind {
            text.push_str("The record of an image or a container is damaged: its layers are not counted\n");
        }
        Ok(text)
    }

    fn details(&self) -> Result<String> {
        let mut text = section("Images space usage:", self.images());
        text.push_str(&section("Containers space usage:", self.containers()?));
        text.push_str(&section("Local Volumes space usage:", self.volumes()));
        let cached = self.survey.size_of(&self.survey.only_cached());
        text.push_str(&section(&format!("Build cache usage: {}", dense_size(cached)), self.steps()));
        Ok(text)
    }

    fn images(&self) -> Vec<Vec<String>> {
        let survey = &self.survey;
        let mut users: HashMap<&str, usize> = HashMap::new();
        for image in &survey.images {
            let own: HashSet<&str> = image.layers.iter().map(|layer| layer.id.as_str()).collect();
            own.into_iter().for_each(|id| *users.entry(id).or_default() += 1);
        }
        let heads = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"];
        let mut rows = vec![heads.map(String::from).to_vec()];
        for image in &survey.images {
            let own: HashSet<&str> = image.layers.iter().map(|layer| layer.id.as_str()).collect();
            let shared: HashSet<&str> =
                own.iter().copied().filter(|id| users.get(id).is_some_and(|n| *n > 1)).collect();
            let (size, shared) = (survey.size_of(&own), survey.size_of(&shared));
            let mut names = survey.names_of(image);
            if names.is_empty() {
                names.push("<none>:<none>".into());
            }
            for name in names {
                let (repository, tag) = name.rsplit_once(':').unwrap_or((&name, "<none>"));
                rows.push(vec![
                    repository.to_string(),
                    tag.to_string(),
                    output::id(&image.id, false).to_string(),
                    time::ago(&image.created),
                    dense_size(size),
                    dense_size(shared),
                    dense_size(size - shared),
                    survey.containers_of(image).to_string(),
                ]);
            }
        }
        rows
    }

    fn containers(&self) -> Result<Vec<Vec<String>>> {
        let heads = ["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"];
        let mut rows = vec![heads.map(String::from).to_vec()];
        for (container, (size, _)) in self.survey.containers.iter().zip(&self.containers) {
            let status = match self.store.status(&container.id)? {
                Status::Created => "Created".to_string(),
                Status::Running(state) => format!("Up {}", time::since(&state.started)),
                Status::Exited(exit) => format!("Exited ({}) {}", exit.code, time::ago(&exit.finished)),
            };
            let volumes = container.mounts.iter().filter(|mount| mount.kind == "volume").count();
            rows.push(vec![
                output::id(&container.id, false).to_string(),
                container.image.clone(),
                container.argv.join(" ").chars().take(20).collect(),
                volumes.to_string(),
                dense_size(*size),
                time::ago(&container.created),
                status,
                container.name.clone(),
            ]);
        }
        Ok(rows)
    }

    fn volumes(&self) -> Vec<Vec<String>> {
        let mut rows = vec![["VOLUME NAME", "LINKS", "SIZE"].map(String::from).to_vec()];
        for (name, size) in &self.volumes {
            let links = self.survey.containers.iter().filter(|container| mounts(container, name)).count();
            rows.push(vec![name.clone(), links.to_string(), dense_size(*size)]);
        }
        rows
    }

    fn steps(&self) -> Vec<Vec<String>> {
        let only_cached = self.survey.only_cached();
        let heads = ["CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "SHARED"];
        let mut rows = vec![heads.map(String::from).to_vec()];
        for step in &self.survey.steps {
            let layer = &step.record.layer;
            let used = Timestamp::try_from(step.used).map_or_else(|_| String::new(), |used| used.to_string());
            rows.push(vec![
                output::id(&step.key, false).to_string(),
                "regular".to_string(),
                dense_size(layer.content_size),
                time::ago(&step.record.created),
                time::ago(&used),
                (!only_cached.contains(layer.id.as_str())).to_string(),
            ]);
        }
        rows
    }
}

fn section(heading: &str, rows: Vec<Vec<String>>) -> String {
    format!("{heading}\n\n{}\n", output::table(&rows))
}

/// A line of the summary.
struct Line {
    class: &'static str,
    total: usize,
    active: usize,
    size: u64,
    reclaimable: u64,
}

impl Line {
    fn new(class: &'static str, total: usize, active: usize, size: u64, reclaimable: u64) -> Line {
        Line { class, total, active, size, reclaimable }
    }

    fn row(&self) -> Row {
        let share = if self.size == 0 { 0 } else { (self.reclaimable as f64 * 100.0 / self.size as f64) as u64 };
        let reclaimable = format!("{} ({share}%)", dense_size(self.reclaimable));
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.to_string(), value);
        set("Type", self.class.into());
        set("Total", self.total.into());
        set("TotalCount", self.total.into());
        set("Active", self.active.into());
        set("Size", dense_size(self.size).into());
        set("Reclaimable", reclaimable.clone().into());
        let json = json!({
            "Type": self.class,
            "Total": self.total,
            "Active": self.active,
            "RawSize": self.size,
            "RawReclaimable": self.reclaimable,
            "TotalCount": self.total,
            "Size": dense_size(self.size),
            "Reclaimable": reclaimable,
        });
        Row { fields, json }
    }
}

impl Verb for Df {
    const NAME: &'static str = "df";
    const ABOUT: &'static str = "Show where the store's room goes";

    fn run(self) -> Result<i32> {
        let usage = Usage::take(Store::open()?)?;
        if self.verbose {
            output::rendered(&format!("{}{}", usage.details()?, usage.notes()?.trim_start()))?;
            return Ok(0);
        }
        let rows: Vec<Row> = usage.lines().iter().map(Line::row).collect();
        let format = self.format.as_deref();
        let list = List { format, columns: COLUMNS, headings: HEADINGS, no_heading: false };
        let mut text = list.render(&rows, output::own_personality())?;
        if format.is_none() {
            text.push_str(&usage.notes()?);
        }
        output::rendered(&text)?;
        Ok(0)
    }
}
