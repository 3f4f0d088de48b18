//! Users and groups of a container: `--user`, `USER` and `HOME`, looked up in the root file system by our own parser.
//!
//! Rules: a name must exist; a number need not. Without a group the user's primary and supplementary groups hold; with
//! one only that (security.md 1.4: groups are set exactly).

use crate::error::{Kind, Result, fail};
use crate::image::passwd;
use crate::sys::path::Root;
use std::path::Path;

/// A resolved user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups, the primary one included.
    pub groups: Vec<u32>,
    /// Home folder; `/` when nothing says otherwise.
    pub home: String,
}

/// No file of users is larger (CVE-2024-9676: an image may bring an endless one).
const MAX_FILE: u64 = 1 << 20;

fn file(root: &Root, path: &str) -> Result<String> {
    match root.read_small(Path::new(path), MAX_FILE) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(fail(Kind::User, format!("reading /{path} of the image: {e}"))),
    }
}

/// Resolves `user[:group]`; empty means root.
pub fn resolve(spec: &str, root: &Root) -> Result<Identity> {
    let (user, group) = match spec.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|g| !g.is_empty())),
        None => (spec, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let users = passwd::parse_users(&file(root, "etc/passwd")?);
    let entry = match passwd::parse_id(user) {
        Some(uid) => passwd::user_with_id(&users, uid),
        None => passwd::user_named(&users, user),
    };
    let (uid, primary) = match (entry, passwd::parse_id(user)) {
        (Some(entry), _) => (entry.uid, entry.gid),
        (None, Some(uid)) => (uid, 0),
        (None, None) => {
            return Err(fail(Kind::User, format!("unable to find user {user}: no matching entries in passwd file")));
        }
    };
    // A root without /etc/group is common (FROM scratch); only names need the file.
    let groups = if group.is_some_and(|g| passwd::parse_id(g).is_none()) || (group.is_none() && entry.is_some()) {
        passwd::parse_groups(&file(root, "etc/group")?)
    } else {
        Vec::new()
    };
    let home = entry.map(|e| e.home.clone()).filter(|h| h.starts_with('/')).unwrap_or_else(|| "/".into());
    let (gid, extra) = match group {
        Some(group) => (group_id(group, &groups)?, Vec::new()),
        None => (primary, entry.map(|e| passwd::groups_of(&groups, &e.name)).unwrap_or_default()),
    };
    let mut all = vec![gid];
    all.extend(extra.into_iter().filter(|g| *g != gid));
    Ok(Identity { uid, gid, groups: all, home })
}

fn group_id(group: &str, groups: &[passwd::Group]) -> Result<u32> {
    passwd::parse_id(group)
        .or_else(|| passwd::group_named(groups, group).map(|g| g.gid))
        .ok_or_else(|| fail(Kind::User, format!("unable to find group {group}: no matching entries in group file")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\n";
        std::fs::write(dir.path().join("etc/passwd"), passwd).unwrap();
        std::fs::write(dir.path().join("etc/group"), "ann:x:1001:\ndisk:x:6:ann\nweb:x:33:ann,bob\n").unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn names_numbers_and_groups() {
        let (_dir, root) = root();
        let of = |spec: &str| resolve(spec, &root).map(|i| (i.uid, i.gid, i.groups, i.home));
        assert_eq!(of("").unwrap(), (0, 0, vec![0], "/root".into()));
        assert_eq!(of("ann").unwrap(), (1000, 1001, vec![1001, 6, 33], "/home/ann".into()));
        assert_eq!(of("1000").unwrap(), (1000, 1001, vec![1001, 6, 33], "/home/ann".into()));
        assert_eq!(of("ann:web").unwrap(), (1000, 33, vec![33], "/home/ann".into()));
        assert_eq!(of("77").unwrap(), (77, 0, vec![0], "/".into()));
        assert_eq!(of("77:88").unwrap(), (77, 88, vec![88], "/".into()));
        for bad in ["bob", "ann:nobody", "-1", "4294967295"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
