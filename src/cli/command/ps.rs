//! `dhow ps`: lists containers.

use super::Verb;
use crate::cli::filter::{Filters, name_matches};
use crate::cli::format::{List, Row};
use crate::cli::{output, time};
use crate::error::Result;
use crate::store::Store;
use crate::store::container::{ContainerRecord, Status};
use clap::Args;
use serde_json::{Map, Value, json};

const FILTERS: &[&str] = &["id", "name", "status", "label", "ancestor", "exited"];
const COLUMNS: &[&str] = &["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
const HEADINGS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("RunningFor", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Status", "STATUS"),
    ("State", "STATE"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("Networks", "NETWORKS"),
    ("Size", "SIZE"),
    ("Pid", "PID"),
    ("ExitCode", "EXIT CODE"),
    ("ImageID", "IMAGE ID"),
];

/// Arguments of `ps`.
#[derive(Debug, Default, Args)]
pub struct Ps {
    /// Show containers that do not run, too
    #[arg(short, long)]
    all: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Do not shorten ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Show only what matches: id, name, status, label, ancestor or exited, as KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Print json, or what a Go template says of each container
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print no line of headings
    #[arg(long, alias = "no-heading")]
    noheading: bool,
    /// Show the last created containers, whatever their state
    #[arg(short = 'n', long, value_name = "COUNT")]
    last: Option<usize>,
    /// Show the last created container, whatever its state
    #[arg(short, long)]
    latest: bool,
}

/// States that the peers know. Some never occur here, but asking for them is no mistake.
const STATES: &[&str] =
    &["created", "running", "exited", "stopped", "paused", "restarting", "removing", "stopping", "dead", "unknown"];

/// A container and what it does.
struct Listed {
    record: ContainerRecord,
    status: Status,
}

impl Listed {
    fn state(&self) -> &'static str {
        match self.status {
            Status::Created => "created",
            Status::Running(_) => "running",
            Status::Exited(_) => "exited",
        }
    }

    fn words(&self) -> String {
        match &self.status {
            Status::Created => "Created".into(),
            Status::Running(state) => format!("Up {}", time::since(&state.started)),
            Status::Exited(exit) => format!("Exited ({}) {}", exit.code, time::ago(&exit.finished)),
        }
    }

    fn exit_code(&self) -> i32 {
        if let Status::Exited(exit) = &self.status { exit.code } else { 0 }
    }

    fn pid(&self) -> i32 {
        if let Status::Running(state) = &self.status { state.pid } else { 0 }
    }

    fn matches(&self, filters: &Filters, store: &Store) -> bool {
        let c = &self.record;
        let labels = c.config.labels.as_ref();
        filters.any("id", |v| c.id.starts_with(v))
            && filters.any("name", |v| name_matches(&c.name, v))
            && filters.any("status", |v| v == self.state() || (v == "stopped" && self.state() == "exited"))
            && filters.any("exited", |v| self.state() == "exited" && v.parse() == Ok(self.exit_code()))
            && filters
                .any("ancestor", |v| v == c.image || store.find_image(v).is_ok_and(|image| image.id == c.image_id))
            && filters.labels(|key| labels.and_then(|l| l.get(key)))
    }

    fn row(&self, whole: bool) -> Row {
        let c = &self.record;
        let labels = c.config.labels.clone().unwrap_or_default();
        let command = c.argv.join(" ");
        let command = if whole { command } else { shortened(&command) };
        let targets: Vec<&str> = c.mounts.iter().map(|m| m.destination.as_str()).collect();
        let networks = if c.network == "none" { vec![] } else { vec![c.network.as_str()] };
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.to_string(), value);
        set("ID", output::id(&c.id, whole).into());
        set("Image", c.image.clone().into());
        set("ImageID", output::id(&c.image_id, whole).into());
        set("Command", command.into());
        set("RunningFor", time::ago(&c.created).into());
        set("CreatedAt", time::local(&c.created).into());
        set("Created", time::ago(&c.created).into());
        set("Status", self.words().into());
        set("State", self.state().into());
        set("Ports", "".into());
        set("Names", c.name.clone().into());
        set("Labels", json!(labels));
        set("Mounts", targets.join(",").into());
        set("Networks", networks.join(",").into());
        set("Size", "".into());
        set("Pid", self.pid().into());
        set("ExitCode", self.exit_code().into());
        Row { fields, json: self.json(&labels, &targets, &networks) }
    }

    /// podman's typed object.
    fn json(&self, labels: &std::collections::BTreeMap<String, String>, mounts: &[&str], networks: &[&str]) -> Value {
        let c = &self.record;
        let (mut started, mut exited_at) = (0, -62_135_596_800_i64);
        match &self.status {
            Status::Running(state) => started = time::unix(&state.started),
            Status::Exited(exit) => exited_at = time::unix(&exit.finished),
            Status::Created => {}
        }
        json!({
            "AutoRemove": c.remove,
            "Command": c.argv,
            "Created": time::unix(&c.created),
            "CreatedAt": time::ago(&c.created),
            "Exited": self.state() == "exited",
            "ExitedAt": exited_at,
            "ExitCode": self.exit_code(),
            "Id": c.id,
            "Image": c.image,
            "ImageID": output::id(&c.image_id, true),
            "IsInfra": false,
            "Labels": labels,
            "Mounts": mounts,
            "Names": [c.name],
            "Networks": networks,
            "Pid": self.pid(),
            "Pod": "",
            "PodName": "",
            "Ports": [],
            "Size": null,
            "StartedAt": started,
            "State": self.state(),
            "Status": self.words(),
        })
    }
}

/// A command of at most twenty characters, as podman cuts it.
fn shortened(command: &str) -> String {
    if command.chars().count() <= 20 {
        return command.to_string();
    }
    format!("{}...", command.chars().take(17).collect::<String>())
}

impl Ps {
    fn select(&self, store: &Store) -> Result<Vec<Listed>> {
        let filters = Filters::parse(&self.filter, FILTERS)?;
        filters.check("status", |v| STATES.contains(&v), &format!("one of {}", STATES.join(", ")))?;
        filters.check("exited", |v| v.parse::<i32>().is_ok(), "an exit code")?;
        let last = if self.latest { Some(1) } else { self.last.filter(|n| *n > 0) };
        let all = self.all || last.is_some() || filters.has("status") || filters.has("exited");
        let mut chosen = Vec::new();
        for record in store.containers()? {
            let status = store.status(&record.id)?;
            let listed = Listed { record, status };
            if (all || matches!(listed.status, Status::Running(_))) && listed.matches(&filters, store) {
                chosen.push(listed);
            }
        }
        chosen.truncate(last.unwrap_or(usize::MAX));
        Ok(chosen)
    }
}

impl Verb for Ps {
    const NAME: &'static str = "ps";
    const ABOUT: &'static str = "List containers";

    fn run(self) -> Result<i32> {
        let chosen = self.select(&Store::open()?)?;
        if self.quiet {
            let ids: String = chosen.iter().map(|c| format!("{}\n", output::id(&c.record.id, self.no_trunc))).collect();
            output::text(&ids)?;
            return Ok(0);
        }
        let rows: Vec<Row> = chosen.iter().map(|c| c.row(self.no_trunc)).collect();
        let list =
            List { format: self.format.as_deref(), columns: COLUMNS, headings: HEADINGS, no_heading: self.noheading };
        output::rendered(&list.render(&rows, output::own_personality())?)?;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::container::{ExitRecord, StateRecord};

    fn container(store: &Store, digit: &str, name: &str) -> ContainerRecord {
        let record = ContainerRecord {
            id: digit.repeat(64),
            name: name.into(),
            created: format!("2026-01-0{digit}T00:00:00Z"),
            image: "localhost/app:latest".into(),
            image_manifest: String::new(),
            image_id: format!("sha256:{}", "e".repeat(64)),
            layers: vec![],
            argv: vec!["sleep".into(), "a-long-time\x1b[2J".into()],
            config: Default::default(),
            hostname: name.into(),
            network: "private".into(),
            tty: false,
            stdin: false,
            remove: false,
            stop_signal: "SIGTERM".into(),
            stop_timeout: 10,
            mounts: vec![],
            create_command: vec![],
            spec: oci_spec::runtime::Spec::default(),
        };
        let held = store.create_container(&record.id, name).unwrap();
        store.put_container(&record).unwrap();
        let state = StateRecord { pid: 7, start_time: 1, started: record.created.clone() };
        store.put_state(&record.id, &state).unwrap();
        if name != "live" {
            store
                .put_exit(&record.id, &ExitRecord { code: 3, finished: record.created.clone(), error: "".into() })
                .unwrap();
        } else {
            std::mem::forget(held);
        }
        record
    }

    fn names(ps: Ps, store: &Store) -> Vec<String> {
        ps.select(store).unwrap().into_iter().map(|c| c.record.name).collect()
    }

    #[test]
    fn only_the_running_unless_more_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        container(&store, "1", "live");
        container(&store, "2", "dead");
        assert_eq!(names(Ps::default(), &store), ["live"]);
        assert_eq!(names(Ps { all: true, ..Ps::default() }, &store), ["dead", "live"]);
        assert_eq!(names(Ps { latest: true, ..Ps::default() }, &store), ["dead"]);
        let filtered = |f: &str| names(Ps { filter: vec![f.into()], all: true, ..Ps::default() }, &store);
        assert_eq!(filtered("exited=3"), ["dead"]);
        assert_eq!(filtered("status=running"), ["live"]);
        assert_eq!(filtered("name=^li"), ["live"]);
        assert_eq!(filtered("id=22"), ["dead"]);
        assert!(filtered("label=x").is_empty());
        assert!(filtered("status=paused").is_empty());
        for slip in ["status=runing", "exited=x"] {
            let error = Ps { filter: vec![slip.into()], ..Ps::default() }.select(&store).err().unwrap();
            assert_eq!(error.to_string(), format!("invalid filter {slip:?}"));
        }
    }

    #[test]
    fn a_row_reads_as_the_peers_do_and_is_escaped() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        container(&store, "2", "dead");
        let all = Ps { all: true, ..Ps::default() }.select(&store).unwrap();
        let rows: Vec<Row> = all.iter().map(|c| c.row(false)).collect();
        let list = List { format: None, columns: COLUMNS, headings: HEADINGS, no_heading: false };
        let table = list.render(&rows, output::Personality::Podman).unwrap();
        assert!(table.starts_with("CONTAINER ID   IMAGE                  COMMAND"), "{table}");
        assert!(
            table.contains("sleep a-long-time...") && table.contains("Exited (3)") && !table.contains('\x1b'),
            "{table}"
        );
        assert_eq!(rows[0].json["Names"][0], "dead");
        assert_eq!(rows[0].json["ExitCode"], 3);
    }
}
