//! Sources that are not on this machine: what ADD and the build context may name by a URL.
//!
//! [`Remote`] is the name, taken apart (pure). [`fetch`] gets it, in a process of its own outside the user namespace: the
//! network's answers are parsed there and git runs there, with nothing of an image in reach. What is done with the files
//! is `copy`'s business.

mod fetch;
mod git;
pub mod git_ref;
mod http;

pub use fetch::{Fetched, Request, fetch};

use crate::error::{Kind, Result, fail, fail_with};
use crate::registry::http::without_credentials as shown;
use git_ref::GitRef;
use serde::{Deserialize, Serialize};

/// A source that has to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remote {
    /// A file behind `http://` or `https://`.
    File(String),
    /// A commit of a git repository.
    Git(GitRef),
}

/// Whether a source of ADD or COPY names something that has to be fetched.
pub fn is_remote(source: &str) -> bool {
    let lower = source.get(..12).unwrap_or(source).to_ascii_lowercase();
    ["http://", "https://", "git://", "ssh://"].iter().any(|scheme| lower.starts_with(scheme))
        || git_ref::is_scp_like(source)
}

impl Remote {
    /// Takes a source apart; it must be one that [`is_remote`] knows.
    pub fn parse(source: &str) -> Result<Remote> {
        match GitRef::parse(source)? {
            Some(git) => Ok(Remote::Git(git)),
            None if url_host(source).is_some_and(|host| !host.is_empty()) => Ok(Remote::File(source.to_string())),
            None => Err(fail(Kind::User, format!("{}: the URL has no host", shown(source)))),
        }
    }

    /// The name of the file, if the destination is a folder: the last part of the URL's path, decoded.
    pub fn file_name(&self) -> Result<String> {
        let Remote::File(url) = self else { return Ok(String::new()) };
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let path = path.split_once("://").map_or("", |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let name = decode(path.rsplit('/').next().unwrap_or_default());
        match name.as_deref() {
            Some("" | "." | "..") | None => {}
            Some(name) if name.contains(['/', '\0']) => {}
            Some(name) => return Ok(name.to_string()),
        }
        Err(fail_with(
            Kind::User,
            format!("{}: the URL gives no file name", shown(url)),
            "Name the file in the destination, without a slash at its end.",
        ))
    }
}

/// The host of a URL, without user and port.
fn url_host(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(if host.starts_with('[') { host } else { host.split(':').next().unwrap_or_default() })
}

/// Resolves `%41` and its like; nothing if what it gives is no text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |b: &u8| (*b as char).to_digit(16);
        match (first, tail) {
            (b'%', [a, b, after @ ..]) if hex(a).is_some() && hex(b).is_some() => {
                bytes.push((hex(a)? * 16 + hex(b)?) as u8);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_be_fetched() {
        for (source, expected) in [
            ("http://h/x", true),
            ("HTTPS://h/x", true),
            ("git://h/x", true),
            ("ssh://git@h/x", true),
            ("git@github.com:a/b.git", true),
            ("github.com/a/b", false),
            ("file:///etc/passwd", false),
            ("a:b", false),
            ("dir/git@x:y", false),
            ("./http://x", false),
            ("é", false),
        ] {
            assert_eq!(is_remote(source), expected, "{source}");
        }
    }

    #[test]
    fn rule_17_name_of_a_file() {
        for (url, expected) in [
            ("http://h/a/b.txt", Some("b.txt")),
            ("http://h/a/b.txt?x=/y#/z", Some("b.txt")),
            ("http://h/a%20b", Some("a b")),
            ("http://h/%2e%2e", None),
            ("http://h/..%2fx", None),
            ("http://h/%ff", None),
            ("http://h/", None),
            ("http://h", None),
            ("http://h/a%zz", Some("a%zz")),
        ] {
            assert_eq!(Remote::parse(url).unwrap().file_name().ok().as_deref(), expected, "{url}");
        }
        assert!(Remote::parse("http:///x").is_err());
    }
}
