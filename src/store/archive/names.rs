//! What an archive has under which name, links between members included (older `docker save` made them between layers).
//!
//! Names lead nowhere but to other members: `..` stops at the top, as `/` does.

use crate::error::{Kind, Result, fail};
use std::collections::HashMap;

/// The most members, and bytes of all their names: far more than any saved image has, and little memory.
const MAX_MEMBERS: usize = 100_000;
const MAX_BYTES: usize = 16 << 20;
/// The kernel's own limit of links in one lookup.
const MAX_LINKS: usize = 40;

/// Where a name leads.
#[derive(Debug)]
pub enum Named<T> {
    /// To content.
    Here(T),
    /// To a name, as seen from the folder of this one.
    Symlink(String),
    /// To a name, as seen from the top.
    Hardlink(String),
}

/// The members by name.
#[derive(Debug)]
pub struct Names<T> {
    map: HashMap<String, Named<T>>,
    bytes: usize,
}

impl<T> Names<T> {
    /// None yet.
    pub fn new() -> Names<T> {
        Names { map: HashMap::new(), bytes: 0 }
    }

    /// Adds a member; of two with one name the later counts, as when a tar is unpacked.
    pub fn add(&mut self, name: String, what: Named<T>) -> Result<()> {
        self.bytes += name.len();
        if let Named::Symlink(target) | Named::Hardlink(target) = &what {
            self.bytes += target.len();
        }
        if self.map.len() == MAX_MEMBERS || self.bytes > MAX_BYTES {
            return Err(fail(Kind::User, format!("the archive has more than {MAX_MEMBERS} members or too long names")));
        }
        self.map.insert(name, what);
        Ok(())
    }

    /// What a name leads to.
    pub fn find(&self, name: &str) -> Option<&T> {
        let mut here = resolve("", name);
        for _ in 0..MAX_LINKS {
            here = match self.map.get(&here)? {
                Named::Here(found) => return Some(found),
                Named::Symlink(target) => resolve(here.rsplit_once('/').map_or("", |(folder, _)| folder), target),
                Named::Hardlink(target) => target.clone(),
            };
        }
        None
    }
}

/// `name` as seen from `folder`, without `.` and `..`.
fn resolve(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = if name.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in name.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.retain(|part| !matches!(*part, "" | "."));
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside_and_end() {
        let mut names = Names::new();
        names.add("a/layer.tar".into(), Named::Here(1)).unwrap();
        names.add("b/layer.tar".into(), Named::Symlink("../a/layer.tar".into())).unwrap();
        names.add("c".into(), Named::Symlink("../../../b/./layer.tar".into())).unwrap();
        names.add("d".into(), Named::Hardlink("a/layer.tar".into())).unwrap();
        names.add("e/x".into(), Named::Symlink("/d".into())).unwrap();
        names.add("loop".into(), Named::Symlink("loop".into())).unwrap();
        names.add("out".into(), Named::Symlink("/etc/passwd".into())).unwrap();
        for name in ["./a/layer.tar", "b/layer.tar", "c", "d", "e/x", "../a/layer.tar"] {
            assert_eq!(names.find(name), Some(&1), "{name}");
        }
        assert_eq!((names.find("loop"), names.find("out"), names.find("a")), (None, None, None));
    }

    #[test]
    fn there_is_an_end_to_names() {
        let mut names = Names::new();
        let long = "n".repeat(4000);
        let last = (0..10_000).map(|n| names.add(format!("{n}{long}"), Named::Here(()))).find(|r| r.is_err());
        assert!(last.unwrap().unwrap_err().to_string().contains("too long names"));
    }
}
