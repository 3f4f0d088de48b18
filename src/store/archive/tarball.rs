//! Writes the outer tar of an archive: the same members always give the same bytes.
//!
//! Its members are plain files with short names, so the plain header suffices; trees are `layer`'s business.

use crate::error::{Kind, Result, fail};
use anyhow::Context;
use std::io::{self, BufWriter, Write};
use tar::{EntryType, Header};

const BLOCK: u64 = 512;
/// Large enough that a layer's small files reach the output together.
const BUFFER: usize = 256 * 1024;

/// An archive on its way out.
pub struct Tarball<W: Write> {
    out: BufWriter<W>,
}

impl<W: Write> Tarball<W> {
    /// Begins an archive.
    pub fn new(out: W) -> Tarball<W> {
        Tarball { out: BufWriter::with_capacity(BUFFER, out) }
    }

    /// Adds a folder; readers without root's rights trip over folders that are only implied.
    pub fn folder(&mut self, name: &str) -> Result<()> {
        self.head(name, EntryType::Directory, 0o755, 0)
    }

    /// Adds a file of exactly `size` bytes, which `write` gives.
    pub fn stream(&mut self, name: &str, size: u64, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        self.head(name, EntryType::Regular, 0o644, size)?;
        let mut counted = Counted { out: &mut self.out, count: 0 };
        write(&mut counted)?;
        if counted.count != size {
            return Err(fail(
                Kind::System,
                format!("archive member {name} has {} bytes instead of {size}", counted.count),
            ));
        }
        let padding = (BLOCK - size % BLOCK) % BLOCK;
        self.put(&[0; BLOCK as usize][..padding as usize])
    }

    /// Writes the end mark and everything that is still held back.
    pub fn finish(mut self) -> Result<()> {
        self.put(&[0; 2 * BLOCK as usize])?;
        self.out.flush().context("cannot write the archive")
    }

    fn head(&mut self, name: &str, kind: EntryType, mode: u32, size: u64) -> Result<()> {
        let mut header = Header::new_ustar();
        header.set_path(name).with_context(|| format!("cannot name the archive member {name}"))?;
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        self.put(header.as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).context("cannot write the archive")
    }
}

struct Counted<W> {
    out: W,
    count: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.count += count as u64;
        Ok(count)
    }
    /// A member's end is no reason to write early.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn another_reader_finds_the_members() {
        let mut bytes = Vec::new();
        let mut out = Tarball::new(&mut bytes);
        out.folder("blobs/").unwrap();
        out.stream("blobs/a", 7, |out| Ok(out.write_all(b"content")?)).unwrap();
        out.stream("empty", 0, |_| Ok(())).unwrap();
        out.finish().unwrap();
        let mut names = Vec::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            names.push(format!("{} {text}", entry.path().unwrap().display()));
        }
        assert_eq!(names, ["blobs/ ", "blobs/a content", "empty "]);
    }

    #[test]
    fn a_member_of_another_size_is_an_error() {
        let mut out = Tarball::new(io::sink());
        let error = out.stream("x", 3, |out| Ok(out.write_all(b"four")?)).unwrap_err();
        assert!(error.to_string().contains("4 bytes instead of 3"));
    }
}
