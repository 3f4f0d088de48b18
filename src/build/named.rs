//! Named contexts (`--build-context`): what a name in `FROM` and `--from` stands for instead of a stage or an image.

use crate::error::{Kind, Result, fail, fail_with};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A folder, with an ignore file of its own. One that was unpacked or fetched is no later build's.
    Folder {
        /// Where it is.
        path: PathBuf,
    },
    /// An image, by its reference.
    Image(String),
    /// A stage of the same file.
    Stage(String),
}

/// The named contexts of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contexts(BTreeMap<String, Named>);

/// A value of `--build-context`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Known without a look anywhere.
    Named(Named),
    /// A folder or a URL that has yet to be looked for.
    Place(String),
    /// An image of an OCI layout that has yet to be loaded.
    Layout {
        /// The layout's folder.
        path: PathBuf,
        /// Which of its images.
        tag: Option<String>,
    },
}

impl Value {
    /// Takes a value apart: `docker-image://`, `oci-layout://FOLDER[:TAG]`, `target:`, else a place.
    pub fn parse(text: &str) -> Result<Value> {
        if let Some(image) = text.strip_prefix("docker-image://") {
            return Ok(Value::Named(Named::Image(image.to_string())));
        }
        if let Some(stage) = text.strip_prefix("target:") {
            return Ok(Value::Named(Named::Stage(stage.to_string())));
        }
        if let Some(layout) = text.strip_prefix("oci-layout://") {
            if layout.contains("@sha256:") {
                return Err(fail_with(
                    Kind::User,
                    format!("--build-context {text}: an image of a layout is chosen by its tag here, not by a digest"),
                    "Write oci-layout://FOLDER:TAG; the tag can be left out where there is one image.",
                ));
            }
            let (path, tag) = match layout.rsplit_once(':') {
                Some((path, tag)) if !tag.contains('/') => (path, Some(tag.to_string())),
                _ => (layout, None),
            };
            return Ok(Value::Layout { path: path.into(), tag });
        }
        if text.is_empty() || text == "-" {
            return Err(fail(
                Kind::User,
                "--build-context: expected name=folder, name=URL, name=docker-image://image or name=oci-layout://folder",
            ));
        }
        Ok(Value::Place(text.to_string()))
    }
}

impl Contexts {
    /// Adds a name.
    pub fn insert(&mut self, name: &str, named: Named) {
        self.0.insert(normal(name), named);
    }

    /// The folder that `name` stands for, if it is one.
    pub fn folder(&self, name: &str) -> Option<&Path> {
        match self.get(name)? {
            Named::Folder { path } => Some(path),
            _ => None,
        }
    }

    /// All folders.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.0.values().filter_map(|named| match named {
            Named::Folder { path } => Some(path.as_path()),
            _ => None,
        })
    }

    /// What `name`, as a Dockerfile writes it, stands for.
    pub fn get(&self, name: &str) -> Option<&Named> {
        if self.0.is_empty() { None } else { self.0.get(&normal(name)) }
    }
}

/// One form for all ways to write a name: stages do not differ by case, and images have a default registry and tag.
fn normal(name: &str) -> String {
    let name = name.to_lowercase();
    let short = name.strip_prefix("docker.io/").unwrap_or(&name);
    let short = short.strip_prefix("library/").unwrap_or(short);
    short.strip_suffix(":latest").unwrap_or(short).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_all_their_forms() {
        let mut contexts = Contexts::default();
        contexts.insert("Alpine", Named::Stage("s".into()));
        for name in ["alpine", "ALPINE:latest", "docker.io/library/alpine", "library/alpine"] {
            assert!(contexts.get(name).is_some(), "{name}");
        }
        assert!(contexts.get("alpine:3").is_none() && contexts.get("quay.io/alpine").is_none());
    }

    #[test]
    fn values() {
        let image = Value::Named(Named::Image("a:1".into()));
        assert_eq!(Value::parse("docker-image://a:1").unwrap(), image);
        assert_eq!(Value::parse("target:s").unwrap(), Value::Named(Named::Stage("s".into())));
        assert_eq!(Value::parse("https://h/x").unwrap(), Value::Place("https://h/x".into()));
        let layout = |path: &str, tag: Option<&str>| Value::Layout { path: path.into(), tag: tag.map(String::from) };
        assert_eq!(Value::parse("oci-layout://a:b/c").unwrap(), layout("a:b/c", None));
        assert_eq!(Value::parse("oci-layout:///c:1").unwrap(), layout("/c", Some("1")));
        assert!(Value::parse("oci-layout://x@sha256:0").is_err() && Value::parse("").is_err());
    }
}
