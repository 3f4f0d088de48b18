//! ADD of a local tar archive: whether a file is one, told by its content, and unpacking it (rule 16).
//!
//! The formats and the confinement are the layer code's; this is only the way there.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::Result;
use crate::layer::{compress, plain};
use crate::sys::path::Root;

/// If `file` is a tar archive, compressed or not, a reader of all its bytes.
pub fn archive(file: File) -> io::Result<Option<impl Read>> {
    let mut first = Vec::new();
    (&file).take(compress::SNIFF).read_to_end(&mut first)?;
    Ok(compress::is_tar_archive(&first).then(|| io::Cursor::new(first).chain(file)))
}

/// Unpacks an archive into the folder `path` of `dest`, which is made if it is missing. Owners are the archive's unless one
/// is given. Returns what was left out.
pub fn unpack(archive: impl Read, dest: &Root, path: &Path, owner: Option<(u32, u32)>) -> Result<Vec<String>> {
    plain::unpack_into(compress::decoder(archive)?, dest, path, owner)
}
