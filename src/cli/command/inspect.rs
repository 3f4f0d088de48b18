//! `dhow inspect`: everything that is known of containers and images, as JSON under the peers' names.

use super::Verb;
use crate::cli::format::Template;
use crate::cli::{output, problem};
use crate::error::{Kind, Result, fail, kind_of};
use crate::store::Store;
use crate::store::container::{ContainerRecord, StateRecord, Status};
use crate::store::image::ImageRecord;
use crate::store::record;
use clap::Args;
use serde_json::{Value, json};

/// Go's zero time, which the peers show for what has not happened.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    shape: Shape,
    /// What to look for: container, image or all
    #[arg(short, long, value_name = "TYPE", default_value = "all")]
    r#type: String,
}

/// Arguments of `container inspect`.
#[derive(Debug, Args)]
pub struct ContainerInspect {
    #[command(flatten)]
    shape: Shape,
}

/// Arguments of `image inspect`.
#[derive(Debug, Args)]
pub struct ImageInspect {
    #[command(flatten)]
    shape: Shape,
}

/// What all forms of `inspect` share.
#[derive(Debug, Args)]
struct Shape {
    /// Print json, or what a Go template says of each object
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Accepted and without effect: sizes of images are always shown
    #[arg(short, long)]
    size: bool,
    /// Containers or images, by name or id
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Container,
    Image,
    All,
}

fn find(store: &Store, name: &str, wanted: Wanted) -> Result<Value> {
    if wanted != Wanted::Image {
        match store.find_container(name) {
            Ok(found) => return container(store, &found),
            Err(e) if wanted == Wanted::All && kind_of(&e) == Some(Kind::NotFound) => {}
            Err(e) => return Err(e),
        }
    }
    match store.find_image(name) {
        Ok(found) => image(store, &found),
        Err(e) if wanted == Wanted::All && kind_of(&e) == Some(Kind::NotFound) => {
            Err(fail(Kind::NotFound, format!("no such object: {name:?} is neither a container nor an image")))
        }
        Err(e) => Err(e),
    }
}

impl Shape {
    fn run(self, wanted: Wanted) -> Result<i32> {
        let store = Store::open()?;
        let template = match self.format.as_deref().map(str::trim) {
            None | Some("json") => None,
            Some(text) => Some(Template::parse(text)?),
        };
        let mut found = Vec::new();
        let mut code = 0;
        for name in &self.names {
            match find(&store, name, wanted) {
                Ok(value) => found.push(value),
                Err(error) => {
                    // With a template standard output holds only its lines; without, the list comes at the end.
                    problem::report(&error);
                    code = problem::exit_code(&error);
                }
            }
        }
        match template {
            None => output::json(&found)?,
            Some(template) => {
                let mut text = String::new();
                for value in &found {
                    text.push_str(&template.render(value)?);
                    text.push('\n');
                }
                output::rendered(&text)?;
            }
        }
        Ok(code)
    }
}

impl Verb for Inspect {
    const NAME: &'static str = "inspect";
    const ABOUT: &'static str = "Show everything known of containers and images";

    fn run(self) -> Result<i32> {
        let wanted = match self.r#type.as_str() {
            "all" | "" => Wanted::All,
            "container" => Wanted::Container,
            "image" => Wanted::Image,
            other => return Err(fail(Kind::User, format!("--type {other:?}: write container, image or all"))),
        };
        self.shape.run(wanted)
    }
}

impl Verb for ContainerInspect {
    const NAME: &'static str = "inspect";
    const ABOUT: &'static str = "Show everything known of containers";

    fn run(self) -> Result<i32> {
        self.shape.run(Wanted::Container)
    }
}

impl Verb for ImageInspect {
    const NAME: &'static str = "inspect";
    const ABOUT: &'static str = "Show everything known of images";

    fn run(self) -> Result<i32> {
        self.shape.run(Wanted::Image)
    }
}

/// `last` is the record of the last process, which an ended container still has.
fn state(status: &Status, last: Option<&StateRecord>) -> Value {
    let began = last.map_or(NEVER, |s| s.started.as_str());
    let (word, pid, code, started, finished, error) = match status {
        Status::Created => ("created", 0, 0, NEVER, NEVER, ""),
        Status::Running(state) => ("running", state.pid, 0, state.started.as_str(), NEVER, ""),
        Status::Exited(exit) => ("exited", 0, exit.code, began, exit.finished.as_str(), exit.error.as_str()),
    };
    json!({
        "Status": word,
        "Running": word == "running",
        "Paused": false,
        "Restarting": false,
        "OOMKilled": false,
        "Dead": false,
        "Pid": pid,
        "ExitCode": code,
        "Error": error,
        "StartedAt": started,
        "FinishedAt": finished,
    })
}

fn container(store: &Store, c: &ContainerRecord) -> Result<Value> {
    let status = store.status(&c.id)?;
    let dir = store.container_dir(&c.id);
    // A damaged record costs the time of the start, not the whole answer.
    let last: Option<StateRecord> = record::read(&dir.join("state.json")).unwrap_or(None);
    let mounts: Vec<Value> = c
        .mounts
        .iter()
        .map(|m| {
            json!({
                "Type": m.kind, "Name": m.name, "Source": m.source, "Destination": m.destination,
                "Driver": if m.kind == "volume" { "local" } else { "" },
                "Mode": "", "Options": [], "RW": m.rw, "Propagation": "rprivate",
            })
        })
        .collect();
    let binds: Vec<String> = c
        .mounts
        .iter()
        .filter(|m| m.kind != "tmpfs")
        .map(|m| {
            let source = if m.kind == "volume" { &m.name } else { &m.source };
            format!("{source}:{}:{}", m.destination, if m.rw { "rw" } else { "ro" })
        })
        .collect();
    let networks = if c.network == "none" { json!({}) } else { json!({ &c.network: { "IPAddress": "" } }) };
    let mut config = serde_json::to_value(&c.config)?;
    for (key, value) in [
        ("Hostname", json!(c.hostname)),
        ("Image", json!(c.image)),
        ("Tty", json!(c.tty)),
        ("OpenStdin", json!(c.stdin)),
        ("StopSignal", json!(c.stop_signal)),
        ("StopTimeout", json!(c.stop_timeout)),
        ("CreateCommand", json!(c.create_command)),
    ] {
        config[key] = value;
    }
    for (key, empty) in EMPTY_CONFIG {
        if config.get(*key).is_none() {
            config[*key] = empty();
        }
    }
    Ok(json!({
        "Id": c.id,
        "Name": c.name,
        "Created": c.created,
        "Path": c.argv.first(),
        "Args": c.argv.get(1..).unwrap_or_default(),
        "State": state(&status, last.as_ref()),
        "Image": output::id(&c.image_id, true),
        "ImageDigest": c.image_manifest,
        "ImageName": c.image,
        "LogPath": dir.join("log").to_string_lossy(),
        "RestartCount": 0,
        "Driver": "overlay",
        "Mounts": mounts,
        "Config": config,
        "HostConfig": {
            "Binds": binds,
            "NetworkMode": c.network,
            "AutoRemove": c.remove,
            "ReadonlyRootfs": c.spec.root().as_ref().and_then(|r| r.readonly()).unwrap_or(false),
            "PortBindings": {},
            "RestartPolicy": { "Name": "no", "MaximumRetryCount": 0 },
            "Memory": 0,
            "Privileged": false,
        },
        "NetworkSettings": { "IPAddress": "", "Ports": {}, "Networks": networks },
    }))
}

/// A field and what it is when it is absent.
type Absent = (&'static str, fn() -> Value);

/// Fields that scripts read although an image may not set them.
const EMPTY_CONFIG: &[Absent] = &[
    ("User", || json!("")),
    ("Env", || json!([])),
    ("Cmd", || Value::Null),
    ("Entrypoint", || Value::Null),
    ("WorkingDir", || json!("")),
    ("Labels", || json!({})),
    ("ExposedPorts", || json!({})),
    ("Volumes", || json!({})),
];

fn image(store: &Store, image: &ImageRecord) -> Result<Value> {
    let names: Vec<String> =
        store.names()?.into_iter().filter(|n| n.manifest == image.manifest).map(|n| n.name).collect();
    let digests: Vec<String> = names
        .iter()
        .filter_map(|n| n.rsplit_once(':').map(|(repository, _)| format!("{repository}@{}", image.manifest)))
        .collect();
    let mut config = serde_json::to_value(&image.config.config)?;
    for (key, empty) in EMPTY_CONFIG {
        if config.get(*key).is_none() {
            config[*key] = empty();
        }
    }
    let comment = image.config.history.last().and_then(|h| h.comment.clone()).unwrap_or_default();
    Ok(json!({
        "Id": output::id(&image.id, true),
        "Digest": image.manifest,
        "RepoTags": names,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": comment,
        "Created": image.created,
        "Author": image.config.author.clone().unwrap_or_default(),
        "Architecture": image.config.architecture,
        "Os": image.config.os,
        "Size": image.size,
        "VirtualSize": image.size,
        "Labels": image.config.config.labels.clone().unwrap_or_default(),
        "User": image.config.config.user.clone().unwrap_or_default(),
        "Config": config,
        "GraphDriver": { "Name": "overlay", "Data": {} },
        "RootFS": { "Type": "layers", "Layers": image.config.rootfs.diff_ids },
        "History": image.config.history,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::exit::ExitRecord;

    #[test]
    fn an_image_has_the_fields_that_scripts_read() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let mut record = ImageRecord {
            manifest: format!("sha256:{}", "a".repeat(64)),
            id: format!("sha256:{}", "b".repeat(64)),
            config: Default::default(),
            layers: vec![],
            size: 5,
            created: "2026-01-01T00:00:00Z".into(),
        };
        record.config.config.env = Some(vec!["A=1".into()]);
        record.config.os = "linux".into();
        store.put_image(&record).unwrap();
        let name = crate::image::reference::Reference::for_new("app:1").unwrap();
        store.set_name(&name, &record.manifest).unwrap();
        let value = find(&store, "app:1", Wanted::All).unwrap();
        assert_eq!(value["RepoTags"], json!(["localhost/app:1"]));
        assert_eq!(value["RepoDigests"][0], format!("localhost/app@sha256:{}", "a".repeat(64)));
        let text = r#"{{.Id}} {{json .Config.Cmd}} {{index .Config.Env 0}} {{.Os}} {{index .Config.Labels "x"}}"#;
        let line = Template::parse(text).unwrap().render(&value).unwrap();
        assert_eq!(line, format!("{} null A=1 linux ", "b".repeat(64)));
        let missing = find(&store, "nope", Wanted::All).unwrap_err();
        assert!(missing.to_string().contains("no such object"));
        assert!(find(&store, "app:1", Wanted::Container).is_err());
    }

    #[test]
    fn a_state_has_times_even_before_they_happen() {
        assert_eq!(state(&Status::Created, None)["StartedAt"], NEVER);
        let running =
            StateRecord { pid: 7, start_time: 0, boot: String::new(), started: "2026-01-01T00:00:00Z".into() };
        assert_eq!(state(&Status::Running(running), None)["Pid"], 7);
        let ended = ExitRecord { code: 137, finished: "2026-01-01T00:00:01Z".into(), error: "gone".into() };
        let value = state(&Status::Exited(ended), None);
        assert_eq!((value["ExitCode"].as_i64(), value["Running"].as_bool()), (Some(137), Some(false)));
    }
}
