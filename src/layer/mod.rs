//! Layers: tar streams to directory trees and back.
//!
//! A tree is in *overlay form*: the directory that overlayfs takes as a lower layer, with character devices 0:0 for
//! removed names and `user.overlay.opaque` on directories that hide what is below. This folder alone knows the tar format
//! and the `.wh.` names; it deliberately knows nothing of stores, registries or mounts.
//!
//! Everything here works by descriptors below a [`crate::sys::path::Root`], and streams: memory does not grow with the
//! size of a file.

pub mod compare;
pub mod compress;
pub mod diff;
mod entry;
pub mod extract;
mod header;
mod intake;
pub mod members;
pub mod merge;
mod meta;
mod pax;
pub mod plain;
pub mod reader;
pub mod recipe;
mod sparse;
mod writer;

use crate::image::digest::DiffId;
pub use intake::{take_in, through};
use serde::{Deserialize, Serialize};

/// What is known of a layer once its tar has been read or written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInfo {
    /// The digest of the tar, with everything up to its last byte.
    pub diff_id: DiffId,
    /// The size of the tar in bytes.
    pub tar_size: u64,
    /// The bytes of all regular files.
    pub content_size: u64,
    /// Entries of every kind, whiteouts among them.
    pub files: u64,
}

/// The most bytes that one layer's tar may have, where the caller sets no other limit: a bomb ends here, and the largest
/// images in public use have layers of some 20 GiB.
pub const MAX_TAR: u64 = 64 << 30;
/// The most entries of one layer; beyond it the inodes of an ordinary disk are gone.
pub const MAX_ENTRIES: u64 = 10_000_000;
/// The longest path of an entry: the kernel's `PATH_MAX`, so that every path can be opened in one call.
pub const MAX_PATH: usize = 4095;
/// The longest name between two slashes: the kernel's `NAME_MAX`.
pub const MAX_NAME: usize = 255;
/// The deepest nesting of an entry.
pub const MAX_DEPTH: usize = 1024;
/// The largest extension header (PAX records, GNU long name): names and attributes, never content.
pub const MAX_EXTENSION: u64 = 1 << 20;

/// The size of the buffers through which content passes, in bytes.
const BUFFER: usize = 256 * 1024;
/// The attribute by which overlayfs (mounted with `userxattr`) knows that a directory hides what is below.
const OPAQUE_XATTR: &[u8] = b"user.overlay.opaque";
/// Where the attribute form of a whiteout is marked (Linux 6.7).
const WHITEOUT_XATTR: &[u8] = b"user.overlay.whiteout";
/// How a removed name begins in a tar.
const WHITEOUT_PREFIX: &[u8] = b".wh.";
/// The entry that makes its directory opaque.
const OPAQUE_NAME: &[u8] = b".wh..wh..opq";

#[cfg(test)]
mod tests;
