//! Names of images: `registry/repository:tag@digest`.
//!
//! The grammar is the one of Docker's distribution project; limits are its too (name 255, tag 128 characters). Which
//! registry a short name means is decided here and nowhere else. No look-up happens here.

use crate::error::{Kind, Result, fail, fail_with};
use crate::image::digest::Digest;
use std::fmt;

/// The registry that a short name means.
pub const DEFAULT_REGISTRY: &str = "docker.io";
/// The registry part of names made on this machine.
pub const LOCAL_REGISTRY: &str = "localhost";
const DEFAULT_TAG: &str = "latest";
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// The full name of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Host and, where given, port.
    pub registry: String,
    /// The path within the registry, `library/alpine`.
    pub repository: String,
    /// The tag, if one is given or was filled in.
    pub tag: Option<String>,
    /// The digest, which wins over the tag.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Reads a name as one of an image in a registry: a short name belongs to docker.io (and a single word there to
    /// `library`). A missing tag stays missing.
    pub fn parse(text: &str) -> Result<Reference> {
        Parts::split(text)?.into_reference(DEFAULT_REGISTRY)
    }

    /// The names under which a local image may be meant by `text`, most likely first. A text with a registry means only
    /// itself. The tag is `latest` where neither tag nor digest is given.
    pub fn candidates(text: &str) -> Result<Vec<Reference>> {
        let parts = Parts::split(text)?;
        if parts.registry.is_some() {
            return Ok(vec![parts.into_reference(DEFAULT_REGISTRY)?.with_default_tag()]);
        }
        let local = parts.clone().into_reference(LOCAL_REGISTRY)?.with_default_tag();
        Ok(vec![local, parts.into_reference(DEFAULT_REGISTRY)?.with_default_tag()])
    }

    /// The name for a built or committed image: a short one gets `localhost/`. A digest cannot be chosen, so none may be
    /// given.
    pub fn for_new(text: &str) -> Result<Reference> {
        let reference = Parts::split(text)?.into_reference(LOCAL_REGISTRY)?;
        if reference.digest.is_some() {
            return Err(fail_with(
                Kind::User,
                format!("cannot name an image {text:?}: the name has a digest"),
                "A digest follows from the content. Leave out the part from the @ on.",
            ));
        }
        Ok(reference.with_default_tag())
    }

    /// The same, with the tag `latest` where there is neither tag nor digest.
    pub fn with_default_tag(mut self) -> Reference {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(DEFAULT_TAG.into());
        }
        self
    }

    /// Registry and repository, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The tag, if there is one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Reference {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Reference> {
        Reference::parse(text)
    }
}

/// A name taken apart, before it is known where a short one belongs.
#[derive(Clone)]
struct Parts {
    registry: Option<String>,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Parts {
    fn split(text: &str) -> Result<Parts> {
        let wrong = |why: &str| {
            let shown: String = text.chars().take(300).collect();
            fail(Kind::User, format!("{shown:?} is not an image name: {why}"))
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest).map_err(|e| wrong(&e.to_string()))?)),
            None => (text, None),
        };
        // A colon after the last slash separates the tag; one before it, the port.
        let name_start = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[name_start..].find(':') {
            Some(at) => (&rest[..name_start + at], Some(&rest[name_start + at + 1..])),
            None => (rest, None),
        };
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(wrong("a tag is 1 to 128 letters, digits, '_', '.' or '-', the first no '.' or '-'"));
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (Some(first), rest),
            _ => (None, name),
        };
        if let Some(registry) = registry
            && !is_host(registry)
        {
            return Err(wrong(&format!("{registry:?} is not a registry's host name")));
        }
        if path.is_empty() {
            return Err(wrong("the name is empty"));
        }
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(wrong("the repository must be in lower case"));
        }
        if !path.split('/').all(is_path_part) {
            return Err(wrong("each part of the path is a-z and 0-9, with single '.', '_', '__' or '-' between"));
        }
        if registry.is_none() && Digest::from_hex(path).is_some() {
            return Err(wrong("64 hexadecimal digits are an image id"));
        }
        Ok(Parts { registry: registry.map(Into::into), path: path.into(), tag: tag.map(Into::into), digest })
    }

    fn into_reference(self, default_registry: &str) -> Result<Reference> {
        let registry = match self.registry.as_deref() {
            // Docker Hub's other addresses name the same images.
            Some("index.docker.io" | "registry-1.docker.io") => DEFAULT_REGISTRY.to_owned(),
            Some(registry) => registry.to_owned(),
            None => default_registry.to_owned(),
        };
        let short = registry == DEFAULT_REGISTRY && !self.path.contains('/');
        let repository = if short { format!("library/{}", self.path) } else { self.path };
        if registry.len() + 1 + repository.len() > MAX_NAME {
            return Err(fail(
                Kind::User,
                format!("the image name is longer than {MAX_NAME} characters: {repository:.40}…"),
            ));
        }
        Ok(Reference { registry, repository, tag: self.tag, digest: self.digest })
    }
}

/// Whether the first part of a name is a registry rather than a folder of the default one.
fn is_registry(part: &str) -> bool {
    part == LOCAL_REGISTRY || part.contains(['.', ':']) || part.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, after)) => {
                if address.parse::<std::net::Ipv6Addr>().is_err() {
                    return false;
                }
                match after.strip_prefix(':') {
                    Some(port) => return is_port(port),
                    None => return after.is_empty(),
                }
            }
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let label = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// `[a-z0-9]+` groups joined by `.`, `_`, `__` or any number of `-`.
fn is_path_part(part: &str) -> bool {
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !plain(first) || !plain(last) {
        return false;
    }
    bytes
        .split(plain)
        .filter(|joint| !joint.is_empty())
        .all(|joint| matches!(joint, b"." | b"_" | b"__") || joint.iter().all(|b| *b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    tag.len() <= MAX_TAG
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        && tag.bytes().next().is_some_and(|b| b != b'.' && b != b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> String {
        Reference::parse(text).unwrap().to_string()
    }

    #[test]
    fn short_names_are_docker_hubs() {
        assert_eq!(full("alpine"), "docker.io/library/alpine");
        assert_eq!(full("me/app:1.0"), "docker.io/me/app:1.0");
        assert_eq!(full("docker.io/alpine"), "docker.io/library/alpine");
        assert_eq!(full("index.docker.io/alpine:3"), "docker.io/library/alpine:3");
        assert_eq!(full("localhost/x"), "localhost/x");
        assert_eq!(full("quay.io:443/a/b__c/d--e.f:T_1.x-"), "quay.io:443/a/b__c/d--e.f:T_1.x-");
        assert_eq!(full("[::1]:5000/x"), "[::1]:5000/x");
        let digest = Digest::of(b"");
        assert_eq!(full(&format!("a/b:t@{digest}")), format!("docker.io/a/b:t@{digest}"));
    }

    #[test]
    fn wrong_names_are_refused() {
        let id = "a".repeat(64);
        let long_tag = format!("x:{}", "t".repeat(129));
        let long_name = format!("a/{}", "n".repeat(250));
        for text in [
            "",
            ":",
            "/",
            "x:",
            "x/",
            "/x",
            "x//y",
            "X",
            "a/B",
            "x:.t",
            "-x",
            "x-",
            "x..y",
            "x___y",
            "x y",
            "x\n",
            "a.b:port/x",
            "a.b:99999/x",
            "-a.b/x",
            "[::1/x",
            "x@sha256:12",
            "x@",
            "../x",
            "é",
            &id,
            &long_tag,
            &long_name,
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn local_names_come_first() {
        let names =
            |text| -> Vec<String> { Reference::candidates(text).unwrap().iter().map(ToString::to_string).collect() };
        assert_eq!(names("app"), ["localhost/app:latest", "docker.io/library/app:latest"]);
        assert_eq!(names("me/app:2"), ["localhost/me/app:2", "docker.io/me/app:2"]);
        assert_eq!(names("quay.io/app"), ["quay.io/app:latest"]);
        let pinned = format!("quay.io/app@{}", Digest::of(b""));
        assert_eq!(names(&pinned).join(" "), pinned);
    }

    #[test]
    fn new_images_are_local() {
        assert_eq!(Reference::for_new("app").unwrap().to_string(), "localhost/app:latest");
        assert_eq!(Reference::for_new("docker.io/app:1").unwrap().to_string(), "docker.io/library/app:1");
        assert!(Reference::for_new(&format!("app@{}", Digest::of(b""))).is_err());
    }
}
