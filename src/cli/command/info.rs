//! `dhow info`: this machine and this store, as far as they matter for containers.

use super::Verb;
use crate::cli::format;
use crate::error::Result;
use crate::image::manifest::Platform;
use crate::store::Store;
use crate::store::container::Status;
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Arguments of `info`.
#[derive(Debug, Args)]
pub struct Info {
    /// Print json, or what a Go template says
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Verb for Info {
    const NAME: &'static str = "info";
    const ABOUT: &'static str = "Show what dhow knows of this machine and its store";

    fn run(self) -> Result<i32> {
        let facts = facts(&Store::open()?)?;
        match self.format.as_deref() {
            Some(text) if text.trim() != "json" => {
                format::object(Some(text), &for_templates(&facts), || Ok(String::new()))?
            }
            format => format::object(format, &facts, || Ok(outline(&facts, 0)))?,
        }
        Ok(0)
    }
}

/// What we are asked most: `rootless` is true even for root, who gets a user namespace like everybody.
fn facts(store: &Store) -> Result<Value> {
    let uname = rustix::system::uname();
    let host = Platform::host();
    let memory = rustix::system::sysinfo();
    let unit = u64::from(memory.mem_unit.max(1));
    let containers = store.containers()?;
    let mut running = 0;
    for container in &containers {
        running += usize::from(matches!(store.status(&container.id)?, Status::Running(_)));
    }
    Ok(json!({
        "host": {
            "arch": host.architecture,
            "os": host.os,
            "kernel": uname.release().to_string_lossy(),
            "hostname": uname.nodename().to_string_lossy(),
            "cpus": std::thread::available_parallelism().map_or(1, |n| n.get()),
            "memTotal": memory.totalram as u64 * unit,
            "memFree": memory.freeram as u64 * unit,
            "security": { "rootless": true, "seccompEnabled": seccomp() },
            "idMappings": { "uidRanges": ranges("/etc/subuid"), "gidRanges": ranges("/etc/subgid") },
            "helpers": {
                "newuidmap": program("newuidmap"),
                "newgidmap": program("newgidmap"),
                "pasta": program("pasta"),
            },
        },
        "store": {
            "graphDriverName": "overlay",
            "graphRoot": store.root().to_string_lossy(),
            "containerStore": {
                "number": containers.len(),
                "running": running,
                "stopped": containers.len() - running,
            },
            "imageStore": { "number": store.images()?.len() },
        },
        "version": { "version": env!("CARGO_PKG_VERSION") },
    }))
}

fn seccomp() -> bool {
    Path::new("/proc/sys/kernel/seccomp/actions_avail").exists()
}

/// Where a helper is, empty if it is missing.
fn program(name: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|p| p.is_file());
    found.map(|p| p.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The sub-id ranges of the caller in a file of `NAME:START:COUNT` lines.
fn ranges(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let uid = rustix::process::geteuid().as_raw();
    let number = uid.to_string();
    let name = nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|u| u.name).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut parts = line.trim().split(':');
            let owner = parts.next()?;
            let (start, count) = (parts.next()?.parse::<u64>().ok()?, parts.next()?.parse::<u64>().ok()?);
            (owner == number || (!name.is_empty() && owner == name)).then(|| json!({"start": start, "size": count}))
        })
        .collect()
}

/// The facts under the names that templates use, `.Host.MemTotal`, and docker's few at the top.
fn for_templates(facts: &Value) -> Value {
    let mut top = upper(facts);
    if let Value::Object(map) = &mut top {
        let host = &facts["host"];
        let extra = json!({
            "ServerVersion": env!("CARGO_PKG_VERSION"),
            "OSType": host["os"],
            "Architecture": host["arch"],
            "KernelVersion": host["kernel"],
            "NCPU": host["cpus"],
            "MemTotal": host["memTotal"],
            "Driver": facts["store"]["graphDriverName"],
            "DockerRootDir": facts["store"]["graphRoot"],
            "Containers": facts["store"]["containerStore"]["number"],
            "Images": facts["store"]["imageStore"]["number"],
            "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"],
        });
        if let Value::Object(extra) = extra {
            map.extend(extra);
        }
    }
    top
}

fn upper(value: &Value) -> Value {
    let Value::Object(map) = value else { return value.clone() };
    let mut out = Map::new();
    for (key, value) in map {
        let name = match key.as_str() {
            "cpus" => "CPUs".to_string(),
            "os" => "OS".to_string(),
            "idMappings" => "IDMappings".to_string(),
            other => other[..1].to_uppercase() + &other[1..],
        };
        out.insert(name, upper(value));
    }
    Value::Object(out)
}

/// Nested facts as indented lines.
fn outline(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let mut out = String::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => out.push_str(&format!("{indent}{key}:\n{}", outline(value, depth + 1))),
            Value::String(text) => out.push_str(&format!("{indent}{key}: {text}\n")),
            other => out.push_str(&format!("{indent}{key}: {other}\n")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_both_peers_names() {
        let dir = tempfile::tempdir().unwrap();
        let facts = facts(&Store::at(dir.path()).unwrap()).unwrap();
        let text = "{{.Host.Arch}} {{.Store.GraphRoot}} {{.OSType}} {{.Host.Security.Rootless}}";
        let line = format::Template::parse(text).unwrap().render(&for_templates(&facts)).unwrap();
        assert!(line.contains(&*dir.path().to_string_lossy()), "{line}");
        assert!(outline(&facts, 0).contains("  cpus: "));
    }
}
