//! Reads what a Docker archive lists: `manifest.json`, an array with config, names and layers of each image.
//!
//! (Docker image spec v1.2 and later.) The older `repositories` file says nothing that is not in it. Current Docker
//! puts the same blobs of an OCI layout under both lists; this one has the full names.

use super::source::Source;
use super::{DOCKER_LIST, Found, LayerFile};
use crate::error::{Kind, Result, fail};
use crate::image::digest::Digest;
use crate::image::manifest::MAX_CONFIG;
use crate::image::reference::Reference;
use anyhow::Context;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// The images of the archive that has this list, in its order.
pub fn images(source: &Source, list: &[u8]) -> Result<Vec<Found>> {
    parse(list)?.into_iter().map(|entry| found(source, entry)).collect()
}

fn parse(bytes: &[u8]) -> Result<Vec<Entry>> {
    serde_json::from_slice(bytes).map_err(|e| fail(Kind::User, format!("the archive's {DOCKER_LIST} is invalid: {e}")))
}

fn found(source: &Source, entry: Entry) -> Result<Found> {
    let config = source.read(&entry.config, MAX_CONFIG)?;
    if let Some(stated) = digest_in_name(&entry.config)
        && stated != Digest::of(&config)
    {
        return Err(fail(
            Kind::User,
            format!("archive member {:?} is damaged: its content is {}", entry.config, Digest::of(&config)),
        ));
    }
    let layers = entry.layers.unwrap_or_default();
    Ok(Found {
        config,
        layers: layers.into_iter().map(|member| LayerFile { member, blob: None }).collect(),
        names: names(&entry.repo_tags.unwrap_or_default())?,
    })
}

/// The digest that a member's name states: `<hex>.json` or `blobs/sha256/<hex>`.
fn digest_in_name(name: &str) -> Option<Digest> {
    let last = name.rsplit('/').next()?;
    Digest::from_hex(last.strip_suffix(".json").unwrap_or(last))
}

fn names(tags: &[String]) -> Result<Vec<Reference>> {
    let parse = |tag: &String| Reference::parse(tag).map(Reference::with_default_tag);
    let names: Result<Vec<_>> = tags.iter().map(parse).collect();
    // A digest is no name that an archive could give: it follows from a manifest, which is made anew here.
    Ok(names.context("the archive names an image wrongly")?.into_iter().filter(|n| n.digest.is_none()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_all_makers_are_read() {
        let list = br#"[{"Config":"a.json","RepoTags":null,"Layers":["x/layer.tar"],"LayerSources":{"a":{"size":1}}},
            {"Config":"b.json","RepoTags":["alpine:3","quay.io/a/b"],"Layers":null,"Parent":"sha256:1"}]"#;
        let entries = parse(list).unwrap();
        assert_eq!(entries[0].layers.as_deref().unwrap(), ["x/layer.tar"]);
        let names = names(entries[1].repo_tags.as_deref().unwrap()).unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["docker.io/library/alpine:3", "quay.io/a/b:latest"]);
    }

    #[test]
    fn broken_lists_are_refused() {
        for text in ["", "{}", "[{}]", r#"[{"Config":"a","Config":"b"}]"#, r#"[{"Config":1}]"#, "[{"] {
            assert!(parse(text.as_bytes()).unwrap_err().to_string().contains("manifest.json"), "{text}");
        }
        assert!(names(&["../x".into()]).is_err());
    }

    #[test]
    fn a_name_may_state_a_digest() {
        let hex = Digest::of(b"x").hex();
        for name in [format!("{hex}.json"), format!("blobs/sha256/{hex}")] {
            assert_eq!(digest_in_name(&name), Some(Digest::of(b"x")));
        }
        assert_eq!(digest_in_name("config.json"), None);
    }
}
