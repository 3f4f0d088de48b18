//! `--link`: the step's tree is made without a look at what lies below it, so no link there is followed and anything may be
//! replaced. Folders that were there keep their metadata all the same: a file put into `/tmp` must not close it.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::Request;
use super::files::{self, Meta};
use super::resolve::kind;
use crate::build::context::plain;
use crate::error::{Kind, Result, fail};
use crate::sys::path::Root;
use rustix::fs::FileType;

/// Gives the folders on the way to the destination of `request` in `made` the owner, mode and times that they have in
/// `base`, as far as there are real folders.
pub fn keep_folders(base: &Root, made: &Root, request: &Request) -> Result<()> {
    let (dest, _) = request.destination();
    let mut path = PathBuf::new();
    for name in dest.components().filter(|part| matches!(part, Component::Normal(_))) {
        path.push(name);
        let is_dir = |root: &Root| root.lstat(&path).ok().filter(|stat| kind(stat) == FileType::Directory);
        let (Some(below), Some(_)) = (is_dir(base), is_dir(made)) else { break };
        let meta = Meta { owner: (below.st_uid, below.st_gid), mode: below.st_mode & 0o7777, times: &below };
        give(made, &path, &meta).map_err(|error| {
            fail(Kind::System, format!("{}: the folder /{}: {}", request.word(), path.display(), plain(&error)))
        })?;
    }
    Ok(())
}

fn give(made: &Root, path: &Path, meta: &Meta) -> io::Result<()> {
    files::open_folder(made, path).and_then(|fd| files::finish(fd, meta, false, &[]))
}
