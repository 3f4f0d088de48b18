//! Manifests and indexes: OCI's, and Docker's schema 2, which differs only in media types.
//!
//! Own structures rather than `oci_spec`'s, so that a digest is checked by its type the moment it is read. Foreign-layer
//! `urls` are deliberately not represented: they are never fetched.

use crate::error::{Kind, Result, fail, fail_with};
use crate::image::digest::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The largest manifest or index that is read; registries refuse larger ones as well.
pub const MAX_MANIFEST: u64 = 4 << 20;
/// The largest image configuration that is read.
pub const MAX_CONFIG: u64 = 8 << 20;

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI index of manifests.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// OCI layer, not compressed.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// OCI layer, gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// OCI layer, zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// Docker schema 2 manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker list of manifests.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Docker's image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker's layer, not compressed.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// A pointer to a blob.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Free notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// What the image runs on, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// A descriptor with nothing but the three facts.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Descriptor {
        Descriptor { media_type: media_type.into(), digest, size, annotations: None, platform: None }
    }
}

/// Operating system and processor of an image, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`.
    pub architecture: String,
    /// `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on this machine's processor.
    pub fn host() -> Platform {
        Platform { os: "linux".into(), architecture: go_arch(std::env::consts::ARCH).into(), variant: None }
    }
}

/// Go's name of an architecture, from Rust's or the kernel's.
pub fn go_arch(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "x86" | "i386" | "i686" => "386",
        "aarch64" => "arm64",
        "loongarch64" => "loong64",
        "powerpc64" | "ppc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// The manifest of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// [`OCI_MANIFEST`] or [`DOCKER_MANIFEST`].
    pub media_type: String,
    /// The image configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Free notes.
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests, one for each platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// [`OCI_INDEX`] or [`DOCKER_INDEX`].
    pub media_type: String,
    /// The entries in their order.
    pub manifests: Vec<Descriptor>,
}

/// What a blob that should be a manifest is.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// One image.
    Image(Manifest),
    /// Several.
    Index(Index),
}

/// All fields of either document, to see when someone mixes them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    annotations: Option<BTreeMap<String, String>>,
    // Schema 1; named here only to refuse it with the right words.
    #[serde(rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
}

/// Reads an image manifest or an index. `expected` is the media type that the descriptor or the registry's answer gave;
/// a body that says otherwise is refused (CVE-2021-41190).
pub fn parse_document(bytes: &[u8], expected: Option<&str>) -> Result<Document> {
    let wrong = |why: &str| fail(Kind::User, format!("invalid manifest: {why}"));
    if bytes.len() as u64 > MAX_MANIFEST {
        return Err(wrong(&format!("{} bytes, and {MAX_MANIFEST} are allowed", bytes.len())));
    }
    let raw: Raw = serde_json::from_slice(bytes).map_err(|e| wrong(&e.to_string()))?;
    if raw.schema_version != 2 {
        let hint = "Push the image again with a current tool.";
        return Err(fail_with(Kind::User, format!("invalid manifest: schema version {}", raw.schema_version), hint));
    }
    if raw.manifests.is_some() && (raw.layers.is_some() || raw.config.is_some()) || raw.fs_layers.is_some() {
        return Err(wrong("it claims to be an image and an index at once"));
    }
    if let (Some(body), Some(expected)) = (&raw.media_type, expected)
        && body != expected
    {
        return Err(wrong(&format!("it says it is {body:?}, but was announced as {expected:?}")));
    }
    let given = raw.media_type.or_else(|| expected.map(Into::into));
    if let Some(manifests) = raw.manifests {
        let media_type = one_of(given, OCI_INDEX, DOCKER_INDEX)?;
        return Ok(Document::Index(Index { media_type, manifests }));
    }
    let media_type = one_of(given, OCI_MANIFEST, DOCKER_MANIFEST)?;
    let config = raw.config.ok_or_else(|| wrong("it has no config"))?;
    let layers = raw.layers.ok_or_else(|| wrong("it has no layers"))?;
    Ok(Document::Image(Manifest { media_type, config, layers, annotations: raw.annotations.unwrap_or_default() }))
}

/// Reads the manifest of one image; an index is refused.
pub fn parse_manifest(bytes: &[u8]) -> Result<Manifest> {
    match parse_document(bytes, None)? {
        Document::Image(manifest) => Ok(manifest),
        Document::Index(_) => Err(fail(Kind::User, "invalid manifest: an index where one image's manifest should be")),
    }
}

fn one_of(given: Option<String>, oci: &str, docker: &str) -> Result<String> {
    match given {
        None => Ok(oci.into()),
        Some(given) if given == oci || given == docker => Ok(given),
        Some(given) => Err(fail(Kind::User, format!("invalid manifest: media type {given:?}, expected {oci:?}"))),
    }
}

impl Index {
    /// The entry for a platform: same system and architecture, and the same variant if one is asked for and any entry has
    /// it. The first wins. Entries without a platform are taken only if they are alone.
    pub fn choose(&self, wanted: &Platform) -> Result<&Descriptor> {
        let fits = |d: &&Descriptor| {
            d.platform.as_ref().is_some_and(|p| p.os == wanted.os && p.architecture == wanted.architecture)
        };
        let exact = |d: &&Descriptor| {
            wanted.variant.is_some() && d.platform.as_ref().is_some_and(|p| p.variant == wanted.variant)
        };
        if let [only] = self.manifests.as_slice()
            && only.platform.is_none()
        {
            return Ok(only);
        }
        let of_arch = || self.manifests.iter().filter(fits);
        of_arch().find(exact).or_else(|| of_arch().next()).ok_or_else(|| {
            let has: Vec<String> = self
                .manifests
                .iter()
                .filter_map(|d| d.platform.as_ref())
                .filter(|p| p.os != "unknown")
                .map(|p| format!("{}/{}", p.os, p.architecture))
                .collect();
            fail(
                Kind::NotFound,
                format!("no image for {}/{} in the index; it has {}", wanted.os, wanted.architecture, has.join(", ")),
            )
        })
    }
}

/// The bytes of an OCI manifest with these notes: the same input gives the same bytes.
pub fn build_manifest(config: &Descriptor, layers: &[Descriptor], annotations: &BTreeMap<String, String>) -> Vec<u8> {
    build(OCI_MANIFEST, config, layers, annotations)
}

/// The bytes of a manifest of Docker's schema 2.
pub fn build_docker_manifest(config: &Descriptor, layers: &[Descriptor]) -> Vec<u8> {
    build(DOCKER_MANIFEST, config, layers, &BTreeMap::new())
}

fn build(
    media_type: &str,
    config: &Descriptor,
    layers: &[Descriptor],
    annotations: &BTreeMap<String, String>,
) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Out<'a> {
        schema_version: u32,
        media_type: &'a str,
        config: &'a Descriptor,
        layers: &'a [Descriptor],
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        annotations: &'a BTreeMap<String, String>,
    }
    let out = Out { schema_version: 2, media_type, config, layers, annotations };
    serde_json::to_vec(&out).expect("strings and numbers always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(media_type: &str) -> Descriptor {
        Descriptor::new(media_type, Digest::of(b"x"), 1)
    }

    #[test]
    fn a_built_manifest_reads_back() {
        let config = descriptor(OCI_CONFIG);
        let layers = [descriptor(OCI_LAYER), descriptor(OCI_LAYER_GZIP)];
        let bytes = build_manifest(&config, &layers, &BTreeMap::new());
        assert_eq!(bytes, build_manifest(&config, &layers, &BTreeMap::new()));
        let manifest = parse_manifest(&bytes).unwrap();
        assert_eq!((manifest.config, manifest.layers.as_slice()), (config, layers.as_slice()));
        assert_eq!(manifest.media_type, OCI_MANIFEST);
    }

    #[test]
    fn confusing_documents_are_refused() {
        let d = serde_json::to_string(&descriptor(OCI_CONFIG)).unwrap();
        let both = format!(r#"{{"schemaVersion":2,"config":{d},"layers":[],"manifests":[]}}"#);
        let twice = format!(r#"{{"schemaVersion":2,"config":{d},"config":{d},"layers":[]}}"#);
        let typed = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","config":{d},"layers":[]}}"#);
        let good = format!(r#"{{"schemaVersion":2,"mediaType":"{DOCKER_MANIFEST}","config":{d},"layers":[]}}"#);
        let old = r#"{"schemaVersion":1,"fsLayers":[]}"#;
        for text in [both.as_str(), &twice, &typed, old, "{}", "[]", ""] {
            assert!(parse_manifest(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_document(good.as_bytes(), Some(DOCKER_MANIFEST)).is_ok());
        assert!(parse_document(good.as_bytes(), Some(OCI_INDEX)).is_err());
    }

    #[test]
    fn the_platform_decides() {
        let entry = |arch: &str, variant: Option<&str>, size| Descriptor {
            size,
            platform: Some(Platform {
                os: "linux".into(),
                architecture: arch.into(),
                variant: variant.map(Into::into),
            }),
            ..descriptor(OCI_MANIFEST)
        };
        let manifests = vec![entry("amd64", None, 1), entry("arm", Some("v6"), 2), entry("arm", Some("v7"), 3)];
        let index = Index { media_type: OCI_INDEX.into(), manifests };
        let want = |arch: &str, variant: Option<&str>| {
            index.choose(entry(arch, variant, 0).platform.as_ref().unwrap()).map(|d| d.size)
        };
        assert_eq!(want("amd64", None).unwrap(), 1);
        assert_eq!(want("arm", None).unwrap(), 2);
        assert_eq!(want("arm", Some("v7")).unwrap(), 3);
        assert!(want("riscv64", None).unwrap_err().to_string().contains("linux/amd64, linux/arm"));
        assert_eq!(go_arch("aarch64"), "arm64");
    }
}
