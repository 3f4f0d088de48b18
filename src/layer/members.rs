//! The members of a tar that is no tree but a container of named things: an archive of images.
//!
//! Only names, kinds and content; owners, modes and times mean nothing there. Names are checked as those of a layer are.
//! Nothing is unpacked here.

use super::entry::EntryKind;
use super::meta;
use super::reader::TarReader;
use crate::error::{Kind, Result, fail};
use std::io::{self, Read, Seek};

/// The most bytes that an archive may have: several images with layers of the largest size.
const MAX_ARCHIVE: u64 = 4 * super::MAX_TAR;

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file of this many bytes.
    File(u64),
    /// A link, to be understood from the folder that it is in.
    Symlink(String),
    /// Another name of the member with this name.
    Hardlink(String),
    /// A folder, or something that an archive has no use for.
    Other,
}

/// One member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Relative, without `.` and `..`; empty for the top folder. Bytes that are no UTF-8 are replaced: no list can mean
    /// such a name.
    pub name: String,
    /// What it is.
    pub kind: MemberKind,
    /// Where its content begins in the stream.
    pub offset: u64,
}

/// Reads the members one by one.
pub struct Members<R> {
    reader: TarReader<'static, R>,
}

impl<R: Read> Members<R> {
    /// Reads `inner`, which is not compressed.
    pub fn new(inner: R) -> Members<R> {
        Members { reader: TarReader::without_digest(inner, MAX_ARCHIVE) }
    }

    /// The next member, or `None` at the end of the archive. What was not read of the last one's content is passed over.
    pub fn next_member(&mut self) -> Result<Option<Member>> {
        let Some(entry) = self.reader.next_entry()? else { return Ok(None) };
        let name = text(&meta::clean_path(&entry.path)?);
        let kind = match entry.kind {
            EntryKind::File if entry.sparse.is_some() => {
                return Err(fail(Kind::User, format!("archive member {name:?} is a sparse file")));
            }
            EntryKind::File => MemberKind::File(entry.size),
            EntryKind::Symlink => MemberKind::Symlink(text(&entry.link)),
            EntryKind::Hardlink => MemberKind::Hardlink(text(&meta::clean_path(&entry.link)?)),
            _ => MemberKind::Other,
        };
        Ok(Some(Member { name, kind, offset: self.reader.position() }))
    }

    /// Reads what follows the last member, to the very end.
    pub fn drain(&mut self) -> Result<()> {
        self.reader.drain()
    }
}

/// The content of the current member.
impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = self.reader.content_at_most(buffer.len() as u64).map_err(io::Error::other)?;
        buffer[..chunk.len()].copy_from_slice(chunk);
        Ok(chunk.len())
    }
}

impl<R: Read + Seek> Members<R> {
    /// Passes over the current member's content without reading it; the stream must be known to be that long.
    pub fn seek_over(&mut self) -> Result<()> {
        self.reader.seek_over_content()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::entry::EntryKind;
    use crate::layer::writer::{Head, TarWriter};
    use std::io::Cursor;

    fn archive(members: &[(&str, EntryKind, &str, usize)]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = TarWriter::new(&mut out);
        for (path, kind, link, size) in members {
            let size = *size as u64;
            let (path, link) = (path.as_bytes(), link.as_bytes());
            let head = Head { kind: *kind, path, link, mode: 0, uid: 0, gid: 0, size, mtime: (0, 0), xattrs: &[] };
            writer.head(&head).unwrap();
            writer.content(&mut io::repeat(path[0]), size, path).unwrap();
        }
        writer.finish().unwrap();
        out
    }

    #[test]
    fn reading_and_seeking_find_the_same() {
        let tar = archive(&[
            ("./a/x", EntryKind::File, "", 700_000),
            ("b", EntryKind::File, "", 3),
            ("c", EntryKind::Symlink, "../b", 0),
            ("d", EntryKind::Hardlink, "./a/x", 0),
        ]);
        let (mut read, mut seek) = (Members::new(tar.as_slice()), Members::new(Cursor::new(&tar)));
        let mut found = Vec::new();
        while let Some(member) = read.next_member().unwrap() {
            assert_eq!(seek.next_member().unwrap().as_ref(), Some(&member));
            seek.seek_over().unwrap();
            if let MemberKind::File(size) = member.kind {
                let content = &tar[member.offset as usize..][..size as usize];
                assert!(content.iter().all(|b| *b == if size == 3 { b'b' } else { b'.' }));
            }
            found.push((member.name, member.kind));
        }
        assert_eq!(seek.next_member().unwrap(), None);
        assert_eq!(found[0], ("a/x".into(), MemberKind::File(700_000)));
        assert_eq!(found[2].1, MemberKind::Symlink("../b".into()));
        assert_eq!(found[3].1, MemberKind::Hardlink("a/x".into()));
    }
}
