//! The members of an archive as files in a staging folder, to be looked up by the names that its lists give.
//!
//! Names and links from the archive lead nowhere but into this folder; older `docker save` made links between layers.

use crate::error::{Kind, Result, fail};
use crate::image::digest::{Digest, VerifyingReader};
use crate::layer::{compress, plain};
use crate::sys::path::Root;
use anyhow::Context;
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The unpacked members.
pub struct Spool {
    root: Root,
}

impl Spool {
    /// Unpacks `input`, compressed or not, into the new folder `dir`. Owners are the caller's, whatever the archive says.
    pub fn fill(input: impl Read, dir: &Path) -> Result<Spool> {
        fs::create_dir(dir).with_context(|| format!("making {}", dir.display()))?;
        let root = Root::open(dir).with_context(|| format!("opening {}", dir.display()))?;
        let unpack = || plain::unpack_into(compress::decoder(input)?, &root, Path::new("."), Some((0, 0)));
        unpack().context("cannot load the archive")?;
        Ok(Spool { root })
    }

    /// Whether there is a regular file of that name.
    pub fn has(&self, name: &str) -> bool {
        self.root.stat(Path::new(name)).is_ok_and(|s| rustix::fs::FileType::from_raw_mode(s.st_mode).is_file())
    }

    /// Opens a member.
    pub fn open(&self, name: &str) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = self.root.open_at(Path::new(name), flags, Mode::empty()).map_err(|e| unreadable(name, e))?;
        let file = File::from(opened);
        if !file.metadata().with_context(|| format!("reading {name:?}"))?.is_file() {
            return Err(fail(Kind::User, format!("archive member {name:?} is not a regular file")));
        }
        Ok(file)
    }

    /// Reads a small member.
    pub fn read(&self, name: &str, max: u64) -> Result<Vec<u8>> {
        self.root.read_small(Path::new(name), max).map_err(|e| unreadable(name, e))
    }

    /// Reads a small member and checks its digest and size.
    pub fn read_blob(&self, name: &str, digest: Digest, size: u64, max: u64) -> Result<Vec<u8>> {
        let bytes = self.read(name, max)?;
        io::copy(&mut VerifyingReader::new(bytes.as_slice(), digest, size), &mut io::sink())
            .map_err(|e| fail(Kind::User, format!("archive member {name:?} is damaged: {e}")))?;
        Ok(bytes)
    }
}

fn unreadable(name: &str, error: io::Error) -> anyhow::Error {
    let shown: String = name.chars().take(200).collect();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            fail(Kind::User, format!("the archive has no {shown:?}, which it says it has"))
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidFilename => {
            fail(Kind::User, format!("archive member {shown:?}: {error}"))
        }
        _ => anyhow::Error::new(error).context(format!("reading {shown:?} of the archive")),
    }
}
