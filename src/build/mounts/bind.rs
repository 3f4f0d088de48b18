//! Trees of bind mounts: files of the context, of a stage or an image, or of a cache.
//!
//! Files of the context are copied (cheaply where the file system can share blocks), once for each selection of a build:
//! what a step sees is what its key was computed from, it is root's, what the ignore file leaves out is not there, and no
//! socket or pipe leads back to the host (docs/decisions/0024).

use super::{Found, clean, restrict};
use crate::build::context::Context;
use crate::build::copy::{self as files, Request, Source};
use crate::build::execute::{Executor, StageLayer};
use crate::build::instruction::mount::Origin;
use crate::error::{Kind, Result, fail_with};
use crate::sys::mount;
use crate::sys::path::Root;
use anyhow::Context as _;
use rustix::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The name under which a copy lies in its folder.
const COPY: &str = "tree";

/// Files of the context.
pub(in crate::build) fn of_context(
    context: &Context,
    origin: &Origin,
    found: &Found,
    writable: bool,
    executor: &mut Executor<'_>,
) -> Result<OwnedFd> {
    let copy = match executor.copies.get(&found.digest) {
        Some(copy) => copy.clone(),
        None => {
            let made = copy_context(context, origin, found, executor)?;
            executor.copies.insert(found.digest.clone(), made.clone());
            made
        }
    };
    let tree = if writable {
        let over = executor.overlay(vec![executor.relative(&copy)])?;
        mount::subtree(over, &executor.anchor()?, &mount::c_path(Path::new(COPY))?).context("mounting the files")?
    } else {
        mount::copy_host_tree(&mount::c_path(&copy.join(COPY))?, true).context("mounting the files")?
    };
    restrict(tree, !writable)
}

fn copy_context(context: &Context, origin: &Origin, found: &Found, executor: &mut Executor<'_>) -> Result<PathBuf> {
    let copy = executor.scratch("bind")?;
    let dest = Root::open(&copy).with_context(|| format!("opening {}", copy.display()))?;
    let dest_name = format!("/{COPY}");
    let sources = [origin.source.clone()];
    let request = Request { sources: &sources, dest: &dest_name, workdir: "/", mount: true, ..Request::default() };
    let done = files::execute(&Source::Context(context), &found.selected, &request, &dest)?;
    match done.changed {
        Some(path) => Err(fail_with(
            Kind::User,
            format!("{} changed while it was copied", path.display()),
            "Run the build again when nothing writes to the context.",
        )),
        None => Ok(copy),
    }
}

/// Files of a stage or an image.
pub(in crate::build) fn of_layers(
    layers: &[StageLayer],
    origin: &Origin,
    writable: bool,
    executor: &mut Executor<'_>,
) -> Result<OwnedFd> {
    let lower = executor.lower(layers);
    let tree = match (writable, lower.as_slice()) {
        (true, _) => executor.overlay(lower)?,
        (false, [one]) => {
            let path = executor.store().root().join(one);
            let layer = Root::open(&path).with_context(|| format!("opening {}", path.display()))?;
            return of_folder(inside(&layer, &origin.source)?, true);
        }
        (false, _) => executor.readable_overlay(&lower)?,
    };
    let path = clean(Path::new(&origin.source));
    let tree = if path.as_os_str().is_empty() {
        tree
    } else {
        mount::subtree(tree, &executor.anchor()?, &mount::c_path(&path)?)
            .with_context(|| format!("mounting {}", origin.source))?
    };
    restrict(tree, !writable)
}

/// What a path leads to inside a tree.
fn inside(root: &Root, path: &str) -> Result<OwnedFd> {
    let flags = rustix::fs::OFlags::PATH;
    let path = if path.is_empty() { "/" } else { path };
    root.open_at(Path::new(path), flags, rustix::fs::Mode::empty()).with_context(|| format!("opening {path}"))
}

/// A folder or a file that is open.
pub(in crate::build) fn of_folder(folder: impl AsFd, read_only: bool) -> Result<OwnedFd> {
    let tree = mount::copy_tree(folder.as_fd(), c"", true).context("mounting a folder")?;
    restrict(tree, read_only)
}
