//! `dhow ps`: lists containers.

use super::Verb;
use crate::cli::filter::{Filters, name_matches};
use crate::cli::format::{List, Row, Wanted};
use crate::cli::{output, time};
use crate::error::{Kind, Result, fail};
use crate::store::Store;
use crate::store::container::{Status, short};
use crate::store::listing::ContainerLine;
use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

const FILTERS: &[&str] = &[
    "id", "name", "status", "label", "label!", "ancestor", "exited", "before", "since", "until", "volume", "network",
    "health",
];
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
    /// Show only what matches: id, name, status, label, label!, ancestor, exited, before, since, until, volume, network or
    /// health, as KEY=VALUE
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
    /// Order: created, id, image, names, runningfor, status or command
    #[arg(long, value_name = "FIELD", default_value = "created")]
    sort: String,
}

/// States that the peers know. Some never occur here, but asking for them is no mistake.
const STATES: &[&str] =
    &["created", "running", "exited", "stopped", "paused", "restarting", "removing", "stopping", "dead", "unknown"];

/// What a health check can say; `none` is a container without one.
const HEALTH: &[&str] = &["starting", "healthy", "unhealthy", "none"];

/// A container and what it does.
struct Listed {
    record: ContainerLine,
    status: Status,
}

/// The filters, with what they name looked up.
struct Chosen {
    filters: Filters,
    before: Option<Vec<Timestamp>>,
    since: Option<Vec<Timestamp>>,
    until: Option<Vec<Timestamp>>,
    /// As typed, and the id of the image that it means.
    ancestors: Option<Vec<(String, Option<String>)>>,
}

impl Chosen {
    fn new(texts: &[String], store: &Store) -> Result<Chosen> {
        let filters = Filters::parse(texts, FILTERS)?;
        filters.check("status", |v| STATES.contains(&v), &format!("one of {}", STATES.join(", ")))?;
        filters.check("exited", |v| v.parse::<i32>().is_ok(), "an exit code")?;
        filters.check("health", |v| HEALTH.contains(&v), &format!("one of {}", HEALTH.join(", ")))?;
        let created = |name: &str| Ok(time::point(&store.find_container(name)?.created));
        let (before, since) = (filters.each("before", created)?, filters.each("since", created)?);
        let until = filters.each("until", time::limit)?;
        let ancestors =
            filters.each("ancestor", |v| Ok((v.to_string(), store.find_image(v).ok().map(|image| image.id))))?;
        Ok(Chosen { filters, before, since, until, ancestors })
    }

    fn has(&self, listed: &Listed) -> bool {
        let (filters, c) = (&self.filters, &listed.record);
        let created = time::point(&c.created);
        let ancestor = |(text, id): &(String, Option<String>)| *text == c.image || id.as_ref() == Some(&c.image_id);
        filters.any("id", |v| c.id.starts_with(v))
            && filters.any("name", |v| name_matches(&c.name, v))
            && filters.any("status", |v| v == listed.state() || (v == "stopped" && listed.state() == "exited"))
            && filters.any("exited", |v| listed.state() == "exited" && v.parse() == Ok(listed.exit_code()))
            && filters.any("network", |v| v == c.network)
            && filters.any("volume", |v| c.mounts.iter().any(|m| m.name == v || m.source == v || m.destination == v))
            // Nothing checks the health of a container yet.
            && filters.any("health", |v| v == "none")
            && self.ancestors.iter().all(|them| them.iter().any(ancestor))
            && self.before.iter().all(|them| them.iter().any(|t| created < *t))
            && self.since.iter().all(|them| them.iter().any(|t| created > *t))
            && self.until.iter().all(|them| them.iter().any(|t| created < *t))
            && filters.labels(|key| c.labels().and_then(|all| all.get(key)))
    }
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

    fn row(&self, whole: bool, wanted: Wanted<'_>) -> Row {
        let c = &self.record;
        let mut fields = Map::new();
        let mut set = |name: &str, value: &dyn Fn() -> Value| {
            if wanted.field(name) {
                fields.insert(name.to_string(), value());
            }
        };
        let command = || if whole { c.argv.join(" ") } else { shortened(&c.argv.join(" ")) };
        set("ID", &|| output::id(&c.id, whole).into());
        set("Image", &|| c.image.clone().into());
        set("ImageID", &|| output::id(&c.image_id, whole).into());
        set("Command", &|| command().into());
        set("RunningFor", &|| time::ago(&c.created).into());
        set("CreatedAt", &|| time::local(&c.created).into());
        set("Created", &|| time::ago(&c.created).into());
        set("Status", &|| self.words().into());
        set("State", &|| self.state().into());
        set("Ports", &|| "".into());
        set("Names", &|| c.name.clone().into());
        set("Labels", &|| json!(c.labels().cloned().unwrap_or_default()));
        set("Mounts", &|| self.targets().join(",").into());
        set("Networks", &|| self.networks().join(",").into());
        set("Size", &|| "".into());
        set("Pid", &|| self.pid().into());
        set("ExitCode", &|| self.exit_code().into());
        Row { fields, json: if wanted.json { self.json() } else { Value::Null } }
    }

    /// Where the user's mounts are.
    fn targets(&self) -> Vec<&str> {
        self.record.mounts.iter().map(|m| m.destination.as_str()).collect()
    }

    fn networks(&self) -> Vec<&str> {
        Some(self.record.network.as_str()).filter(|network| *network != "none").into_iter().collect()
    }

    /// podman's typed object.
    fn json(&self) -> Value {
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
            "Labels": c.labels().cloned().unwrap_or_default(),
            "Mounts": self.targets(),
            "Names": [c.name],
            "Networks": self.networks(),
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
        let filters = Chosen::new(&self.filter, store)?;
        let last = if self.latest { Some(1) } else { self.last.filter(|n| *n > 0) };
        let all = self.all || last.is_some() || filters.filters.has("status") || filters.filters.has("exited");
        let mut chosen = Vec::new();
        let lines = store.container_lines()?;
        for id in store.damaged_containers(&lines)?.iter().map(|id| short(id)) {
            output::warn(&format!("the record of container {id} is damaged; `dhow rm -f {id}` removes the container"));
        }
        for (record, status) in lines {
            let listed = Listed { record, status };
            if (all || matches!(listed.status, Status::Running(_))) && filters.has(&listed) {
                chosen.push(listed);
            }
        }
        chosen.truncate(last.unwrap_or(usize::MAX));
        self.order(&mut chosen)?;
        Ok(chosen)
    }

    fn order(&self, lines: &mut [Listed]) -> Result<()> {
        // They come newest first, and equal keys keep that: all sorts are stable.
        match self.sort.as_str() {
            "created" | "" => {}
            "runningfor" => lines.reverse(),
            "id" => lines.sort_by(|a, b| a.record.id.cmp(&b.record.id)),
            "image" => lines.sort_by(|a, b| a.record.image.cmp(&b.record.image)),
            "names" => lines.sort_by(|a, b| a.record.name.cmp(&b.record.name)),
            "status" => lines.sort_by_key(Listed::state),
            "command" => lines.sort_by(|a, b| a.record.argv.cmp(&b.record.argv)),
            other => {
                let message =
                    format!("--sort {other:?}: write created, id, image, names, runningfor, status or command");
                return Err(fail(Kind::User, message));
            }
        }
        Ok(())
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
        let list =
            List { format: self.format.as_deref(), columns: COLUMNS, headings: HEADINGS, no_heading: self.noheading };
        let personality = output::own_personality();
        let wanted = list.wanted(personality);
        let rows: Vec<Row> = chosen.iter().map(|c| c.row(self.no_trunc, wanted)).collect();
        output::rendered(&list.render(&rows, personality)?)?;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::container::{ContainerRecord, StateRecord};
    use crate::store::exit::ExitRecord;

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
        let state = StateRecord { pid: 7, start_time: 1, boot: String::new(), started: record.created.clone() };
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
        let rows: Vec<Row> = all.iter().map(|c| c.row(false, Wanted::ALL)).collect();
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
