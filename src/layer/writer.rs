//! Writes tar entries in one canonical form: POSIX headers, PAX records only where a plain header cannot say it.
//!
//! The same entries give the same bytes on every machine; nothing of the host (names of users, device numbers) gets in.

use super::BUFFER;
use super::entry::EntryKind;
use super::header::{self, BLOCK, Block};
use super::pax;
use crate::error::{Kind, Result, fail};
use anyhow::Context;
use std::io::{Read, Write};

/// The header of one entry to write.
pub struct Head<'a> {
    pub kind: EntryKind,
    /// Relative, without a final slash.
    pub path: &'a [u8],
    /// Target of a link.
    pub link: &'a [u8],
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub mtime: (i64, u32),
    /// Sorted by name.
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

/// Collects entries in a large buffer, into which file content is read without another copy.
pub struct TarWriter<'a> {
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
    filled: usize,
    written: u64,
    pax: Vec<u8>,
}

impl<'a> TarWriter<'a> {
    /// Writes to `out`.
    pub fn new(out: &'a mut dyn Write) -> TarWriter<'a> {
        TarWriter { out, buffer: vec![0; BUFFER], filled: 0, written: 0, pax: Vec::new() }
    }

    /// Writes an entry's headers.
    pub fn head(&mut self, head: &Head<'_>) -> Result<()> {
        let mut block = [0; BLOCK];
        block[header::MAGIC.0..header::MAGIC.0 + 8].copy_from_slice(header::USTAR);
        block[header::KIND] = flag(head.kind);
        let mut pax = std::mem::take(&mut self.pax);
        pax.clear();
        put_path(&mut block, head, &mut pax);
        put_numbers(&mut block, head, &mut pax);
        for (name, value) in head.xattrs {
            pax::record(&mut pax, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        if !pax.is_empty() {
            self.extension(&pax)?;
        }
        self.pax = pax;
        header::seal(&mut block);
        self.put(&block)
    }

    /// Copies exactly `size` bytes of content from `from` and pads them. `name` is for messages.
    pub fn content(&mut self, from: &mut impl Read, size: u64, name: &[u8]) -> Result<()> {
        let mut left = size;
        while left > 0 {
            if self.filled == self.buffer.len() {
                self.flush()?;
            }
            let room = &mut self.buffer[self.filled..];
            let want = left.min(room.len() as u64) as usize;
            let count = match from.read(&mut room[..want]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other.with_context(|| format!("cannot read {:?}", String::from_utf8_lossy(name)))?,
            };
            if count == 0 {
                let name = String::from_utf8_lossy(name);
                return Err(fail(Kind::System, format!("{name:?} became shorter while it was read")));
            }
            self.filled += count;
            left -= count as u64;
        }
        self.put(&[0; BLOCK][..header::padding(size)])
    }

    /// Writes the end mark and returns the size of the whole.
    pub fn finish(mut self) -> Result<u64> {
        self.put(&[0; 2 * BLOCK])?;
        self.flush()?;
        self.out.flush().context("cannot write the layer's tar")?;
        Ok(self.written)
    }

    fn extension(&mut self, records: &[u8]) -> Result<()> {
        let mut block: Block = [0; BLOCK];
        block[header::MAGIC.0..header::MAGIC.0 + 8].copy_from_slice(header::USTAR);
        block[header::KIND] = b'x';
        // Readers that know PAX ignore the name; for the others it becomes a file that explains itself.
        header::put_text(&mut block, header::NAME, b"PaxHeaders/entry");
        for (at, value) in [(header::MODE, 0o644), (header::UID, 0), (header::GID, 0), (header::MTIME, 0)] {
            header::put_number(&mut block, at, value);
        }
        header::put_number(&mut block, header::SIZE, records.len() as u64);
        header::seal(&mut block);
        self.put(&block)?;
        self.put(records)?;
        self.put(&[0; BLOCK][..header::padding(records.len() as u64)])
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.filled == self.buffer.len() {
                self.flush()?;
            }
            let fits = bytes.len().min(self.buffer.len() - self.filled);
            self.buffer[self.filled..self.filled + fits].copy_from_slice(&bytes[..fits]);
            self.filled += fits;
            bytes = &bytes[fits..];
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.out.write_all(&self.buffer[..self.filled]).context("cannot write the layer's tar")?;
        self.written += self.filled as u64;
        self.filled = 0;
        Ok(())
    }
}

fn flag(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::File => b'0',
        EntryKind::Hardlink => b'1',
        EntryKind::Symlink => b'2',
        EntryKind::CharDevice => b'3',
        EntryKind::BlockDevice => b'4',
        EntryKind::Directory => b'5',
        EntryKind::Fifo => b'6',
    }
}

fn put_path(block: &mut Block, head: &Head<'_>, pax: &mut Vec<u8>) {
    let with_slash;
    let path = if head.kind == EntryKind::Directory {
        with_slash = [head.path, b"/"].concat();
        &with_slash
    } else {
        head.path
    };
    if path.len() <= header::NAME.1 {
        header::put_text(block, header::NAME, path);
    } else if let Some(at) = split_point(path) {
        header::put_text(block, header::PREFIX, &path[..at]);
        header::put_text(block, header::NAME, &path[at + 1..]);
    } else {
        pax::record(pax, b"path", path);
        header::put_text(block, header::NAME, path);
    }
    if head.link.len() > header::LINK.1 {
        pax::record(pax, b"linkpath", head.link);
    }
    header::put_text(block, header::LINK, head.link);
}

/// The slash that divides a path into a prefix of at most 155 bytes and a name of 1 to 100.
fn split_point(path: &[u8]) -> Option<usize> {
    let least = path.len().checked_sub(header::NAME.1 + 1)?;
    let most = header::PREFIX.1.min(path.len().checked_sub(2)?);
    (least.max(1)..=most).find(|at| path[*at] == b'/')
}

fn put_numbers(block: &mut Block, head: &Head<'_>, pax: &mut Vec<u8>) {
    header::put_number(block, header::MODE, u64::from(head.mode & 0o7777));
    let (seconds, nanos) = head.mtime;
    // In the order of their names, so that the records have one order.
    if !header::put_number(block, header::GID, head.gid.into()) {
        pax::record(pax, b"gid", head.gid.to_string().as_bytes());
    }
    let whole = u64::try_from(seconds).ok();
    let fits = header::put_number(block, header::MTIME, whole.unwrap_or(0));
    if whole.is_none() || !fits || nanos != 0 {
        pax::record(pax, b"mtime", pax::time(seconds, nanos).as_bytes());
    }
    if !header::put_number(block, header::SIZE, head.size) {
        pax::record(pax, b"size", head.size.to_string().as_bytes());
    }
    if !header::put_number(block, header::UID, head.uid.into()) {
        pax::record(pax, b"uid", head.uid.to_string().as_bytes());
    }
    header::put_number(block, header::MAJOR, 0);
    header::put_number(block, header::MINOR, 0);
}

#[cfg(test)]
mod tests {
    use super::super::entry::Entry;
    use super::super::reader::TarReader;
    use super::*;

    fn round(head: &Head<'_>) -> (Entry, usize) {
        let mut tar = Vec::new();
        let mut writer = TarWriter::new(&mut tar);
        writer.head(head).unwrap();
        writer.content(&mut std::io::repeat(7), head.size.min(9), b"x").unwrap();
        writer.finish().unwrap();
        let entry = TarReader::new(tar.as_slice(), u64::MAX, None).next_entry().unwrap().unwrap();
        (entry, tar.len())
    }

    const PLAIN: Head<'_> = Head {
        kind: EntryKind::File,
        path: b"a",
        link: b"",
        mode: 0o4755,
        uid: 1,
        gid: 2,
        size: 9,
        mtime: (1_700_000_000, 0),
        xattrs: &[],
    };

    #[test]
    fn plain_entries_need_no_extension() {
        let (entry, size) = round(&PLAIN);
        assert_eq!(size, 4 * BLOCK);
        assert_eq!((entry.mode, entry.uid, entry.gid, entry.size), (0o4755, 1, 2, 9));
        let long = [b"d/".repeat(60).as_slice(), b"name"].concat();
        let (entry, size) = round(&Head { path: &long, ..PLAIN });
        assert_eq!((entry.path, size), (long, 4 * BLOCK));
    }

    #[test]
    fn everything_unusual_comes_back() {
        let path = vec![b'n'; 255];
        let link = vec![b'l'; 101];
        let xattrs = vec![(b"user.a".to_vec(), b"x\0\n=".to_vec()), (b"user.b".to_vec(), vec![1; 995])];
        let head = Head {
            path: &path,
            link: &link,
            kind: EntryKind::Symlink,
            uid: 3_000_000,
            gid: 4_000_000_000,
            size: 0,
            mtime: (-13, 500_000_000),
            xattrs: &xattrs,
            ..PLAIN
        };
        let (entry, _) = round(&head);
        assert_eq!((entry.path, entry.link, entry.uid, entry.gid), (path, link, 3_000_000, 4_000_000_000));
        assert_eq!((entry.mtime, entry.xattrs), ((-13, 500_000_000), xattrs));
        let (entry, _) = round(&Head { size: 1 << 40, ..PLAIN });
        assert_eq!(entry.size, 1 << 40);
    }
}
