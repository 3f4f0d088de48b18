//! `dhow volume create|exists|inspect|ls|rm`: volumes, in their simple form.

use super::Verb;
use crate::cli::filter::{Filters, name_matches};
use crate::cli::format::{List, Row};
use crate::cli::{flags, output, problem};
use crate::error::{Kind, Result, kind_of};
use crate::store::Store;
use crate::store::volume::{mounts, no_volume, volume_exists};
use crate::sys::userns;
use clap::Args;
use serde_json::{Map, Value, json};

const COLUMNS: &[&str] = &["Driver", "Name"];
const HEADINGS: &[(&str, &str)] =
    &[("Driver", "DRIVER"), ("Name", "VOLUME NAME"), ("Mountpoint", "MOUNTPOINT"), ("Scope", "SCOPE")];

/// Arguments of `volume create`.
#[derive(Debug, Args)]
pub struct VolumeCreate {
    /// A volume that is there already is no error
    #[arg(long)]
    ignore: bool,
    /// Name of the volume [default: a random one]
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Verb for VolumeCreate {
    const NAME: &'static str = "create";
    const ABOUT: &'static str = "Make a volume";

    fn run(self) -> Result<i32> {
        let store = Store::open()?;
        let name = self.name.unwrap_or_else(|| crate::store::random_hex(32));
        let lenient = self.ignore || output::own_personality() == output::Personality::Docker;
        if !lenient && store.has_volume(&name) {
            return Err(volume_exists(&name));
        }
        store.make_volume(&name)?;
        output::line(&name)?;
        Ok(0)
    }
}

/// Arguments of `volume exists`.
#[derive(Debug, Args)]
pub struct VolumeExists {
    /// Name of the volume
    #[arg(value_name = "VOLUME")]
    name: String,
}

impl Verb for VolumeExists {
    const NAME: &'static str = "exists";
    const ABOUT: &'static str = "Tell by the exit code whether a volume exists";

    fn run(self) -> Result<i32> {
        Ok(i32::from(!Store::open()?.has_volume(&self.name)))
    }
}

/// Arguments of `volume ls`.
#[derive(Debug, Args)]
pub struct VolumeList {
    /// Print names only
    #[arg(short, long)]
    quiet: bool,
    /// Show only what matches: name or dangling, as KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Print json, or what a Go template says of each volume
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print no line of headings
    #[arg(short = 'n', long, alias = "no-heading")]
    noheading: bool,
}

impl Verb for VolumeList {
    const NAME: &'static str = "ls";
    const ABOUT: &'static str = "List volumes";

    fn run(self) -> Result<i32> {
        let filters = Filters::parse(&self.filter, &["name", "dangling"])?;
        filters.check("dangling", |v| flags::boolean(v).is_ok(), "true or false")?;
        let store = Store::open()?;
        let containers = store.containers()?;
        let mut names = store.volumes()?;
        names.retain(|name| {
            let unused = !containers.iter().any(|container| mounts(container, name));
            filters.any("name", |v| name_matches(name, v))
                && filters.any("dangling", |v| flags::boolean(v) == Ok(unused))
        });
        if self.quiet {
            output::text(&names.iter().map(|name| format!("{name}\n")).collect::<String>())?;
            return Ok(0);
        }
        let rows: Vec<Row> = names.iter().map(|name| row(&store, name)).collect();
        let format = self.format.as_deref();
        let list = List { format, columns: COLUMNS, headings: HEADINGS, no_heading: self.noheading };
        output::rendered(&list.render(&rows, output::own_personality())?)?;
        Ok(0)
    }
}

fn described(store: &Store, name: &str) -> Value {
    json!({
        "Name": name,
        "Driver": "local",
        "Mountpoint": store.volume_dir(name).display().to_string(),
        "Labels": {},
        "Scope": "local",
        "Options": {},
    })
}

fn row(store: &Store, name: &str) -> Row {
    let json = described(store, name);
    let fields: Map<String, Value> = json.as_object().cloned().unwrap_or_default();
    Row { fields, json }
}

/// Arguments of `volume inspect`.
#[derive(Debug, Args)]
pub struct VolumeInspect {
    /// Print what a Go template says of each volume
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names of volumes
    #[arg(value_name = "VOLUME", required = true)]
    names: Vec<String>,
}

impl Verb for VolumeInspect {
    const NAME: &'static str = "inspect";
    const ABOUT: &'static str = "Show what is known of volumes";

    fn run(self) -> Result<i32> {
        let store = Store::open()?;
        let mut found = Vec::new();
        let code = problem::each(&self.names, problem::exit_code, |name| {
            if !store.has_volume(name) {
                return Err(no_volume(name));
            }
            found.push(row(&store, name));
            Ok(None)
        })?;
        match self.format.as_deref().filter(|format| format.trim() != "json") {
            None => output::json(&found.iter().map(|row| &row.json).collect::<Vec<_>>())?,
            format => {
                let list = List { format, columns: COLUMNS, headings: HEADINGS, no_heading: true };
                output::rendered(&list.render(&found, output::own_personality())?)?;
            }
        }
        Ok(code)
    }
}

/// Arguments of `volume rm`.
#[derive(Debug, Args)]
pub struct VolumeRemove {
    /// Remove the containers that use it, too; a volume that does not exist is no error
    #[arg(short, long)]
    force: bool,
    /// Remove all volumes
    #[arg(short, long)]
    all: bool,
    /// Names of volumes
    #[arg(value_name = "VOLUME", required_unless_present = "all")]
    names: Vec<String>,
}

impl Verb for VolumeRemove {
    const NAME: &'static str = "rm";
    const ABOUT: &'static str = "Remove volumes";

    fn run(self) -> Result<i32> {
        let store = Store::open()?;
        let targets = if self.all { store.volumes()? } else { self.names };
        problem::each(&targets, problem::removal_code, |name| {
            if self.force {
                for container in store.containers()?.iter().filter(|container| mounts(container, name)) {
                    crate::run::control::remove(&store, container, true, None)?;
                }
            }
            match store.forget_volume(name).and_then(|left| userns::remove_trees(&[left])) {
                Err(e) if self.force && kind_of(&e) == Some(Kind::NotFound) => Ok(None),
                done => done.map(|()| Some(name.to_string())),
            }
        })
    }
}
