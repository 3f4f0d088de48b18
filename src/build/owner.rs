//! `--chown` of COPY and ADD: a user and a group, by name or number, to ids.
//!
//! Names are looked up in the tree that is written to, and one that is not there fails the build (the Dockerfile reference
//! says so). This module does not apply the ids.

use std::path::Path;

use crate::error::{Kind, Result, fail, fail_with};
use crate::image::passwd;
use crate::sys::path::Root;

/// The largest account file that is read.
const MAX_FILE: u64 = 1 << 20;

/// The (uid, gid) that `spec` (`user`, `user:group`, each a name or a number) means in `root`.
///
/// A user alone brings the group of its `/etc/passwd` line if given by name, and the group of the same number if given by
/// number.
pub fn resolve_chown(spec: &str, root: &Root) -> Result<(u32, u32)> {
    let (user, group) = match spec.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (spec, None),
    };
    if user.is_empty() || group == Some("") {
        return Err(fail(Kind::User, format!("--chown={spec}: expected `user` or `user:group`, names or numbers")));
    }
    let (uid, own_gid) = match passwd::parse_id(user) {
        Some(id) => (id, id),
        None => {
            let users = passwd::parse_users(&account_file(root, "/etc/passwd", spec)?);
            let found = passwd::user_named(&users, user).ok_or_else(|| unknown(spec, "user", user, "/etc/passwd"))?;
            (found.uid, found.gid)
        }
    };
    let gid = match group {
        None => own_gid,
        Some(group) => match passwd::parse_id(group) {
            Some(id) => id,
            None => {
                let groups = passwd::parse_groups(&account_file(root, "/etc/group", spec)?);
                passwd::group_named(&groups, group).ok_or_else(|| unknown(spec, "group", group, "/etc/group"))?.gid
            }
        },
    };
    Ok((uid, gid))
}

/// The text of an account file; one that does not exist is empty.
fn account_file(root: &Root, path: &str, spec: &str) -> Result<String> {
    match root.read_small(Path::new(path), MAX_FILE) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(fail(Kind::User, format!("--chown={spec}: cannot read {path} of the image: {error}"))),
    }
}

fn unknown(spec: &str, what: &str, name: &str, file: &str) -> anyhow::Error {
    fail_with(
        Kind::User,
        format!("--chown={spec}: no {what} {name:?} in {file} of the image"),
        format!("Create the {what} in an earlier step, or give its number."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/passwd"), "app:x:1000:1001::/:\n").unwrap();
        std::fs::write(dir.path().join("etc/group"), "staff:x:50:\n").unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn rule_11_names_and_numbers() {
        let (_dir, root) = tree();
        for (spec, expected) in [
            ("app", (1000, 1001)),
            ("7", (7, 7)),
            ("1000", (1000, 1000)),
            ("app:staff", (1000, 50)),
            ("7:staff", (7, 50)),
            ("app:3", (1000, 3)),
        ] {
            assert_eq!(resolve_chown(spec, &root).unwrap(), expected, "{spec}");
        }
    }

    #[test]
    fn rule_11_unknown_names_fail() {
        let (dir, root) = tree();
        for spec in ["nobody", "app:nobody", "", ":staff", "app:", "-1", "4294967295"] {
            assert!(resolve_chown(spec, &root).is_err(), "{spec}");
        }
        std::fs::remove_dir_all(dir.path().join("etc")).unwrap();
        assert!(resolve_chown("app", &root).unwrap_err().to_string().contains("no user \"app\""));
        assert_eq!(resolve_chown("5:6", &root).unwrap(), (5, 6));
    }
}
