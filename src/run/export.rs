//! The file system of a container as one flat tar, running or not: its image's layers and its own changes, merged.
//!
//! The layers are seen through a read-only overlay of their own, so nothing of the container's mounts is in the tar:
//! volumes, `/proc` and the like are empty folders, as with the peers. A running container goes on meanwhile; what it
//! writes during the copy may be caught half written, as by any copy of a live system.

use super::prepare::{lower_dirs, mount_overlay};
use crate::error::Result;
use crate::layer::diff;
use crate::store::Store;
use crate::store::container::ContainerRecord;
use crate::sys::path::Root;
use crate::sys::userns;
use anyhow::Context;
use rustix::fs::{Mode, OFlags};
use std::io::Write;
use std::path::Path;

/// Writes the tar to `out`, which is only appended to. Another process does the writing: `out` must be a file, pipe or
/// terminal, perhaps buffered, and must hold nothing back when it is handed over.
pub fn export(store: &Store, container: &ContainerRecord, out: &mut dyn Write) -> Result<()> {
    userns::run(|| {
        let upper = format!("containers/{}/upper", container.id);
        let layers = container.layers.iter().map(|id| format!("layers/{id}/fs"));
        // With the stub there are always two, which an overlay without an upper folder needs.
        let lower = lower_dirs(layers.chain([upper]).collect::<Vec<_>>().into_iter(), true);
        let mounted = Root::from_fd(mount_overlay(store, &lower, None, false)?);
        // A mount's own descriptor is only a place (O_PATH), which cannot be read.
        let top = mounted.open_at(Path::new("."), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
        let tree = Root::from_fd(top.context("opening the container's files")?);
        let written = diff::write_tar(&tree, &[], out);
        store.check_still_there(container)?;
        written.map(drop)
    })
}
