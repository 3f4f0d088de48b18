//! Secrets and SSH agents, as a step gets them.
//!
//! A secret is a file in memory or a variable of the one process. It is part of no key, layer, history or record, and
//! nothing here prints one.

use super::restrict;
use crate::build::execute::Executor;
use crate::build::instruction::mount::Access;
use crate::error::{Kind, Result, fail, fail_with};
use crate::sys::mount::{self, Attr};
use anyhow::Context as _;
use rustix::fd::OwnedFd;
use rustix::fs::{Gid, Mode, OFlags, Uid};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// The content of a secret. It shows itself to nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Keeps the bytes.
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(bytes)
    }

    /// `NAME=value` for the step's environment.
    pub(in crate::build) fn variable(&self, name: &str) -> Result<String> {
        let text = std::str::from_utf8(&self.0).ok().filter(|text| !text.contains('\0'));
        text.map(|text| format!("{name}={text}")).ok_or_else(|| {
            let message = format!("the secret for the variable {name} is no text");
            fail_with(Kind::User, message, "Mount it as a file: leave env= out.")
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The secret of that name. That it is missing is an error only where it is required.
pub(in crate::build) fn find<'a>(
    all: &'a BTreeMap<String, Secret>,
    id: &str,
    required: bool,
) -> Result<Option<&'a Secret>> {
    match all.get(id) {
        None if required => Err(fail_with(
            Kind::User,
            format!("the step requires the secret {id:?}, and the build was not given one"),
            format!("Give it with --secret id={id},src=FILE or --secret id={id},env=NAME."),
        )),
        found => Ok(found),
    }
}

/// The secret as a file in a file system of its own.
pub(in crate::build) fn file(secret: &Secret, access: Access, executor: &Executor<'_>) -> Result<OwnedFd> {
    let options = [(c"mode".to_owned(), c"0700".to_owned()), (c"size".to_owned(), size(secret.0.len())?)];
    let attr = Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV | Attr::MOUNT_ATTR_NOEXEC;
    let memory = mount::filesystem(c"tmpfs", &options, attr).context("making a tmpfs for a secret")?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(&memory, c"secret", flags, Mode::from_raw_mode(0o600))?);
    file.write_all(&secret.0).context("writing a secret to memory")?;
    rustix::fs::fchown(&file, Some(Uid::from_raw(access.uid)), Some(Gid::from_raw(access.gid)))
        .context("giving a secret its owner")?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(access.mode))?;
    // Closed first: a file that is open for writing keeps its mount from becoming read-only.
    drop(file);
    let tree = mount::subtree(memory, &executor.anchor()?, c"secret").context("mounting a secret")?;
    restrict(tree, true)
}

/// What a tmpfs for one file of that size may take: whole pages, of whatever size they are here.
fn size(bytes: usize) -> Result<CString> {
    Ok(CString::new((bytes + (1 << 20)).to_string())?)
}

/// The socket of the SSH agent of that name.
pub(in crate::build) fn agent(
    all: &BTreeMap<String, PathBuf>,
    id: &str,
    required: bool,
    access: Access,
) -> Result<Option<OwnedFd>> {
    let Some(path) = all.get(id) else {
        if !required {
            return Ok(None);
        }
        return Err(fail_with(
            Kind::User,
            format!("the step requires the SSH agent {id:?}, and the build was not given one"),
            format!("Start an agent, and give it with --ssh {id}."),
        ));
    };
    if (access.uid, access.gid) != (0, 0) {
        return Err(fail(
            Kind::User,
            "an SSH agent talks to the user who started it alone, who is root in the step: uid= and gid= of another \
             user cannot be given to a mount of type=ssh",
        ));
    }
    let tree = mount::copy_host_tree(&mount::c_path(path)?, false)
        .with_context(|| format!("mounting the SSH agent's socket {}", path.display()))?;
    restrict(tree, false).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::new(b"hidden".to_vec());
        assert!(!format!("{secret:?} {:?}", Some(&secret)).contains("hidden"));
        assert_eq!(secret.variable("A").unwrap(), "A=hidden");
        let error = Secret::new(b"hid\0den".to_vec()).variable("A").unwrap_err().to_string();
        assert!(error.contains("variable A") && !error.contains("den"), "{error}");
    }

    #[test]
    fn what_is_missing_is_an_error_only_where_it_is_required() {
        let none = BTreeMap::new();
        assert!(find(&none, "x", false).unwrap().is_none());
        assert!(find(&none, "x", true).unwrap_err().to_string().contains("\"x\""));
        let access = Access { uid: 0, gid: 0, mode: 0o600 };
        assert!(agent(&BTreeMap::new(), "x", false, access).unwrap().is_none());
        assert!(agent(&BTreeMap::new(), "x", true, access).is_err());
    }
}
