//! `dhow image|container|volume|builder|system prune`: removes what nothing uses.
//!
//! Each says here what it takes; how it asks and reports is common (`cli::prune`).

use super::Verb;
use crate::cli::filter::Filters;
use crate::cli::prune::{PruneFlags, Report, run};
use crate::cli::{flags, time};
use crate::error::{Kind, Result, fail, fail_with};
use crate::store::Store;
use crate::store::budget::parse_size;
use crate::store::cache::Step;
use crate::store::container::ContainerRecord;
use crate::store::gc::Wanted;
use crate::store::image::ImageRecord;
use crate::store::volume::is_anonymous;
use clap::Args;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What `--filter` narrows a prune to.
struct Narrowed {
    filters: Filters,
    /// Only what was made (a step: last used) before.
    until: Option<Timestamp>,
}

impl Narrowed {
    fn parse(texts: &[String], known: &[&str]) -> Result<Narrowed> {
        let filters = Filters::parse(texts, known)?;
        filters.check("dangling", |v| flags::boolean(v).is_ok(), "true or false")?;
        let mut until = None;
        for text in texts.iter().filter_map(|text| text.strip_prefix("until=")) {
            if until.replace(time::limit(text)?).is_some() {
                return Err(fail(Kind::User, "--filter until can be given only once"));
            }
        }
        Ok(Narrowed { filters, until })
    }

    fn takes(&self, created: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        let get = |key: &str| labels.and_then(|labels| labels.get(key));
        // A time that cannot be read is nobody's reason to remove something.
        let early = self.until.is_none_or(|until| created.parse::<Timestamp>().is_ok_and(|made| made < until));
        early && self.filters.labels(get)
    }

    fn container(&self, container: &ContainerRecord) -> bool {
        self.takes(&container.created, container.config.labels.as_ref())
    }

    fn image(&self, image: &ImageRecord, names: &[String], all: bool) -> bool {
        (all || names.is_empty()) && self.takes(&image.created, image.config.config.labels.as_ref())
    }

    fn step(&self, step: &Step, in_use: bool, all: bool) -> bool {
        let used = Timestamp::try_from(step.used);
        let early = self.until.is_none_or(|until| used.is_ok_and(|used| used < until));
        early && (all || !in_use)
    }

    /// Whether only things with labels are meant, which steps do not have.
    fn by_label(&self) -> bool {
        self.filters.has("label") || self.filters.has("label!")
    }
}

/// Arguments of `container prune`.
#[derive(Debug, Args)]
pub struct ContainerPrune {
    #[command(flatten)]
    flags: PruneFlags,
    /// Only what matches: until, label or label!, as KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
}

impl Verb for ContainerPrune {
    const NAME: &'static str = "prune";
    const ABOUT: &'static str = "Remove all containers that do not run";

    fn run(self) -> Result<i32> {
        let only = Narrowed::parse(&self.filter, &["until", "label", "label!"])?;
        let wanted = Wanted { containers: Some(&|container| only.container(container)), ..Wanted::default() };
        let warning = "This will remove all containers that do not run.";
        run(&Store::open()?, &wanted, &self.flags, warning, Report::Short)
    }
}

/// Arguments of `image prune`.
#[derive(Debug, Args)]
pub struct ImagePrune {
    /// Remove every image without a container, not only those without a name
    #[arg(short, long)]
    all: bool,
    /// Remove the build cache, too
    #[arg(long)]
    build_cache: bool,
    /// Accepted and without effect: nobody else's containers are in the store
    #[arg(long)]
    external: bool,
    #[command(flatten)]
    flags: PruneFlags,
    /// Only what matches: dangling, until, label or label!, as KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
}

impl Verb for ImagePrune {
    const NAME: &'static str = "prune";
    const ABOUT: &'static str = "Remove images that nobody uses";

    fn run(self) -> Result<i32> {
        let only = Narrowed::parse(&self.filter, &["dangling", "until", "label", "label!"])?;
        let named_too =
            only.filters.has("dangling") && only.filters.any("dangling", |v| flags::boolean(v) == Ok(false));
        let all = self.all || named_too;
        let image = |image: &ImageRecord, names: &[String]| only.image(image, names, all);
        let step = |step: &Step, in_use: bool| only.step(step, in_use, true);
        let wanted = Wanted {
            images: Some(&image),
            steps: if self.build_cache { Some(&step) } else { None },
            ..Wanted::default()
        };
        let warning = match all {
            true => "This will remove all images without at least one container associated to them.",
            false => "This will remove all dangling images.",
        };
        run(&Store::open()?, &wanted, &self.flags, warning, Report::Short)
    }
}

/// Arguments of `volume prune`.
#[derive(Debug, Args)]
pub struct VolumePrune {
    /// Remove volumes with names, too, not only anonymous ones
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    flags: PruneFlags,
    /// Only what matches: label or label!, as KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
}

impl Verb for VolumePrune {
    const NAME: &'static str = "prune";
    const ABOUT: &'static str = "Remove volumes that no container uses";

    fn run(self) -> Result<i32> {
        let only = Narrowed::parse(&self.filter, &["label", "label!"])?;
        // Volumes have no labels yet.
        let volume = |name: &str| (self.all || is_anonymous(name)) && only.takes("", None);
        let wanted = Wanted { volumes: Some(&volume), ..Wanted::default() };
        let warning = match self.all {
            true => "This will remove all volumes not used by at least one container.",
            false => "This will remove anonymous volumes not used by at least one container.",
        };
        run(&Store::open()?, &wanted, &self.flags, warning, Report::Short)
    }
}

/// Arguments of `builder prune`.
#[derive(Debug, Args)]
pub struct BuilderPrune {
    /// Forget steps whose layers images have, too: the next build executes them again
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    flags: PruneFlags,
    /// Only steps that were last used before: until=24h
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Keep so much of the cache, the latest used of it (20GB, 500MB)
    #[arg(long, value_name = "SIZE", aliases = ["reserved-space", "max-used-space", "max-storage"])]
    keep_storage: Option<String>,
}

impl Verb for BuilderPrune {
    const NAME: &'static str = "prune";
    const ABOUT: &'static str = "Remove the build cache";

    fn run(self) -> Result<i32> {
        let only = Narrowed::parse(&self.filter, &["until"])?;
        let keep_steps = self.keep_storage.as_deref().map(size).transpose()?;
        let step = |step: &Step, in_use: bool| only.step(step, in_use, self.all);
        let wanted = Wanted { steps: Some(&step), keep_steps, ..Wanted::default() };
        let warning = match self.all {
            true => "This will remove all build cache.",
            false => "This will remove all build cache that no image has.",
        };
        run(&Store::open()?, &wanted, &self.flags, warning, Report::Whole)
    }
}

fn size(text: &str) -> Result<u64> {
    parse_size(text).ok_or_else(|| {
        fail_with(Kind::User, format!("{text:?} is no size"), "Write bytes, or a number with its unit: 20GB, 500MB.")
    })
}

/// Arguments of `system prune`.
#[derive(Debug, Args)]
pub struct SystemPrune {
    /// Remove every image without a container and all build cache, not only what has no name or no image
    #[arg(short, long)]
    all: bool,
    /// Remove volumes that no container uses, too: anonymous ones, with --all every one
    #[arg(long)]
    volumes: bool,
    /// Accepted and without effect: the build cache is part of it
    #[arg(long)]
    build: bool,
    /// Accepted and without effect: nobody else's containers are in the store
    #[arg(long)]
    external: bool,
    #[command(flatten)]
    flags: PruneFlags,
    /// Only what matches: until, label or label!, as KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
}

impl Verb for SystemPrune {
    const NAME: &'static str = "prune";
    const ABOUT: &'static str = "Remove everything that nothing uses";

    fn run(self) -> Result<i32> {
        let only = Narrowed::parse(&self.filter, &["until", "label", "label!"])?;
        let container = |container: &ContainerRecord| only.container(container);
        let image = |image: &ImageRecord, names: &[String]| only.image(image, names, self.all);
        let step = |step: &Step, in_use: bool| only.step(step, in_use, self.all);
        // Nobody knows when a volume was used last, and it has no labels.
        let volume = |name: &str| (self.all || is_anonymous(name)) && only.takes("", None);
        let wanted = Wanted {
            containers: Some(&container),
            images: Some(&image),
            steps: if only.by_label() { None } else { Some(&step) },
            keep_steps: None,
            volumes: if self.volumes { Some(&volume) } else { None },
        };
        let mut warning = "This will remove all stopped containers, ".to_string();
        if self.volumes {
            warning.push_str("volumes not used by at least one container, ");
        }
        warning.push_str(match self.all {
            true => "all images without at least one container, and all build cache.",
            false => "all dangling images, and build cache that no image has.",
        });
        run(&Store::open()?, &wanted, &self.flags, &warning, Report::Whole)
    }
}
