//! The image configuration: OCI's, with Docker's additions (Healthcheck, Shell, OnBuild), which survive in every format.
//!
//! Own structures rather than `oci_spec::image::ImageConfiguration`, because that one drops Docker's fields and unknown
//! ones; everything that we do not know is kept in `extra` and written back.
//! Field names and meaning: OCI image-spec `config.md`; Docker image spec v1.3 for the three additions.

use crate::error::{Kind, Result, fail};
use crate::image::digest::{DiffId, Digest};
use crate::image::manifest::MAX_CONFIG;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The configuration object of an image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// RFC 3339 time of creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// CPU architecture in Go's words (`amd64`).
    pub architecture: String,
    /// Variant of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Operating system in Go's words (`linux`).
    pub os: String,
    /// What a container made from the image runs and how.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: Execution,
    /// The layers, lowest first.
    pub rootfs: RootFs,
    /// How the image came to be, oldest first.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// Fields that we do not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// The execution parameters of an image (`config` in the spec). A field that is `None` is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Execution {
    /// `USER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `EXPOSE`: `80/tcp` → empty object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// `ENV`, in order, `NAME=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// `ENTRYPOINT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// `CMD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// `VOLUME`: path → empty object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// `WORKDIR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// `LABEL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// `STOPSIGNAL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// `HEALTHCHECK` (Docker).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// `SHELL` (Docker).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// `ONBUILD` (Docker).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_build: Option<Vec<String>>,
    /// Fields that we do not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// The empty JSON object that stands for membership of a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Empty {}

/// Docker's health check; durations are nanoseconds, as Docker writes them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", line]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Vec<String>>,
    /// Between two checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// For one check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// In which failures do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<i64>,
    /// Between two checks in the start period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<i64>,
    /// Failures in a row that make a container unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
}

/// The layers of an image by the digest of their uncompressed tar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Diff ids, lowest first, `sha256:…`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<String>,
}

impl Default for RootFs {
    fn default() -> Self {
        RootFs { kind: "layers".into(), diff_ids: Vec::new() }
    }
}

/// One entry of an image's history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// RFC 3339 time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Free text (`commit -m`, `buildkit.dockerfile.v0`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// True when the entry has no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// Go writes an empty list or object as `null`.
fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

impl ImageConfig {
    /// Reads a configuration and checks what we rely on: its size, its platform and its diff ids.
    pub fn parse(bytes: &[u8]) -> Result<ImageConfig> {
        let wrong = |why: String| fail(Kind::User, format!("invalid image configuration: {why}"));
        if bytes.len() as u64 > MAX_CONFIG {
            return Err(wrong(format!("{} bytes, and {MAX_CONFIG} are allowed", bytes.len())));
        }
        let config: ImageConfig = serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?;
        if config.os.is_empty() || config.architecture.is_empty() {
            return Err(wrong("os or architecture is empty".into()));
        }
        if config.rootfs.kind != "layers" {
            return Err(wrong(format!("rootfs type {:?}, and only layers is known", config.rootfs.kind)));
        }
        config.diff_ids().map_err(|e| wrong(e.to_string()))?;
        Ok(config)
    }

    /// The bytes to store: the same configuration gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and JSON values always serialise")
    }

    /// The layers, lowest first, as digests.
    pub fn diff_ids(&self) -> Result<Vec<DiffId>> {
        self.rootfs.diff_ids.iter().map(|id| Digest::parse(id).map(DiffId)).collect()
    }
}

impl Execution {
    /// The value of an environment variable. Where it is given twice the last counts, as in `execve`d programs' shells.
    pub fn env_get(&self, name: &str) -> Option<&str> {
        let has = |line: &'_ String| line.split_once('=').is_some_and(|(key, _)| key == name);
        let line = self.env.as_deref()?.iter().rev().find(|line| has(line))?;
        line.split_once('=').map(|(_, value)| value)
    }

    /// Sets an environment variable, in its place if it is there and at the end if not.
    pub fn env_set(&mut self, name: &str, value: &str) {
        let lines = self.env.get_or_insert_default();
        let line = format!("{name}={value}");
        let is_it = |l: &String| l.split_once('=').is_some_and(|(key, _)| key == name);
        match lines.iter().rposition(is_it) {
            Some(at) => lines[at] = line,
            None => lines.push(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"architecture":"amd64","os":"linux","config":null,"history":null,
        "rootfs":{"type":"layers","diff_ids":null},"os.version":"10"}"#;

    #[test]
    fn unknown_fields_and_nulls_survive() {
        let config = ImageConfig::parse(SMALL.as_bytes()).unwrap();
        assert_eq!(config.extra["os.version"], "10");
        assert_eq!(config.config, Execution::default());
        assert_eq!(ImageConfig::parse(&config.to_bytes()).unwrap(), config);
    }

    #[test]
    fn unusable_configurations_are_refused() {
        for (from, to) in [("amd64", ""), ("linux", ""), ("null}", "[\"sha256:12\"]}"), ("\"layers\"", "\"x\"")] {
            assert!(ImageConfig::parse(SMALL.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
        }
    }

    #[test]
    fn environment_keeps_its_order() {
        let mut run = Execution::default();
        assert_eq!(run.env_get("A"), None);
        for (name, value) in [("A", "1"), ("B", "x=y"), ("A", "2")] {
            run.env_set(name, value);
        }
        assert_eq!(run.env.as_deref().unwrap(), ["A=2", "B=x=y"]);
        assert_eq!(run.env_get("B"), Some("x=y"));
    }
}
