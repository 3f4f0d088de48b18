//! One entry of a tar: what the plain header and the extension headers before it say, put together, strictly.
//!
//! Where they disagree, or a value could be understood in two ways, the entry is refused. Reading the stream is `reader`'s.

use super::header::{self, Block};
use super::pax;
use super::sparse::{self, Form, Sparse};
use crate::error::{Kind, Result, fail};

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Hardlink,
    Symlink,
    CharDevice,
    BlockDevice,
    Directory,
    Fifo,
}

/// Names of extended attributes with their values.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// One entry, with what all its headers say put together.
#[derive(Debug)]
pub struct Entry {
    pub kind: EntryKind,
    /// As written, not yet checked for `..`.
    pub path: Vec<u8>,
    /// Target of a link.
    pub link: Vec<u8>,
    /// Permission bits with set-id and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Bytes of content in the archive; 0 for all but files.
    pub size: u64,
    /// Where they belong, if the file has holes.
    pub sparse: Option<Sparse>,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    /// Name and value of each extended attribute, unfiltered.
    pub xattrs: Xattrs,
}

impl Entry {
    /// The size of the file, with its holes, in bytes.
    pub fn file_size(&self) -> u64 {
        self.sparse.as_ref().map_or(self.size, |sparse| sparse.size)
    }

    /// The path for messages, which quote and escape it (`{:?}`).
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }
}

/// What the extension headers before an entry say.
#[derive(Default)]
pub struct Extension {
    pax: bool,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// GNU's long name (`L`).
    pub gnu_path: Option<Vec<u8>>,
    /// GNU's long link target (`K`).
    pub gnu_link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<(i64, u32)>,
    xattrs: Xattrs,
    sparse: sparse::Records,
}

/// An error about the archive's form.
pub fn malformed(why: &str) -> anyhow::Error {
    fail(Kind::User, why.to_owned())
}

/// A number of the plain header, from 0 on; `what` is for messages.
pub fn header_number(block: &Block, at: header::Field, what: &str) -> Result<u64> {
    let value = header::number(header::field(block, at)).and_then(|n| u64::try_from(n).ok());
    value.ok_or_else(|| malformed(&format!("the {what} in a header is not a number from 0 on")))
}

fn header_id(block: &Block, at: header::Field, what: &str) -> Result<u32> {
    // The highest number means "none" to chown and cannot be an id.
    let id = u32::try_from(header_number(block, at, what)?).ok().filter(|id| *id != u32::MAX);
    id.ok_or_else(|| malformed(&format!("the {what} in a header is too large")))
}

impl Extension {
    /// Reads PAX records: `length key=value\n`, the length counting itself.
    pub fn take_pax(&mut self, body: &[u8]) -> Result<()> {
        if std::mem::replace(&mut self.pax, true) {
            return Err(malformed("two PAX headers before one entry"));
        }
        pax::for_each_record(body, |key, value| self.take_record(key, value))
    }

    fn take_record(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let text = || std::str::from_utf8(value).ok();
        let bad = || malformed(&format!("PAX record {:?} has a wrong value", String::from_utf8_lossy(key)));
        let bytes = || (!value.is_empty()).then(|| value.to_vec());
        let id = || text()?.parse::<u32>().ok().filter(|id| *id != u32::MAX);
        match key {
            b"path" => self.path = bytes(),
            b"linkpath" => self.link = bytes(),
            // An empty value takes an earlier record back.
            b"size" if value.is_empty() => self.size = None,
            b"uid" if value.is_empty() => self.uid = None,
            b"gid" if value.is_empty() => self.gid = None,
            b"mtime" if value.is_empty() => self.mtime = None,
            b"size" => {
                // Only digits: `parse` would take a plus sign.
                let digits = value.iter().all(u8::is_ascii_digit);
                self.size = Some(text().filter(|_| digits).and_then(|t| t.parse().ok()).ok_or_else(bad)?);
            }
            b"uid" => self.uid = Some(id().ok_or_else(bad)?),
            b"gid" => self.gid = Some(id().ok_or_else(bad)?),
            b"mtime" => self.mtime = Some(text().and_then(pax::parse_time).ok_or_else(bad)?),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(rest) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.take(rest, value)?;
                }
            }
        }
        Ok(())
    }

    /// The entry with this plain header, of type `flag` and size `header_size`, and how its sparse map is given.
    pub fn complete(self, block: &Block, flag: u8, header_size: u64) -> Result<(Entry, Form)> {
        let kind = match flag {
            b'0' | 0 | b'7' | b'S' => EntryKind::File,
            b'1' => EntryKind::Hardlink,
            b'2' => EntryKind::Symlink,
            b'3' => EntryKind::CharDevice,
            b'4' => EntryKind::BlockDevice,
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            other => return Err(malformed(&format!("an entry of unknown type {:?}", char::from(other)))),
        };
        let size = match self.size {
            // Programs put 0 into a header whose number does not fit.
            Some(pax) if header_size != 0 && header_size != pax => {
                return Err(malformed(&format!("two sizes for one entry, {header_size} and {pax}")));
            }
            Some(pax) => pax,
            None => header_size,
        };
        let form = self.sparse.form()?;
        // With GNU's own magic, GNU tar looks for the map in the plain header.
        let plain = matches!(flag, b'0' | 0 | b'7') && header::field(block, header::MAGIC) == header::USTAR;
        if form != Form::None && !plain {
            return Err(sparse::wrong("its header is of another type"));
        }
        let path = agree(self.path, self.gnu_path, || header_path(block))?;
        let path = self.sparse.name.unwrap_or(path);
        let link = agree(self.link, self.gnu_link, || header::text(block, header::LINK).to_vec())?;
        // Before POSIX a directory was a file whose name ends in a slash.
        let old_directory = matches!(flag, b'0' | 0) && form == Form::None && size == 0 && path.ends_with(b"/");
        let kind = if old_directory { EntryKind::Directory } else { kind };
        if kind != EntryKind::File && size != 0 {
            return Err(malformed(&format!(
                "content behind an entry that is no file: {:?}",
                String::from_utf8_lossy(&path)
            )));
        }
        let header_time = || header::number(header::field(block, header::MTIME)).unwrap_or(0);
        let entry = Entry {
            kind,
            path,
            link,
            mode: (header_number(block, header::MODE, "mode")? & 0o7777) as u32,
            uid: self.uid.map_or_else(|| header_id(block, header::UID, "user id"), Ok)?,
            gid: self.gid.map_or_else(|| header_id(block, header::GID, "group id"), Ok)?,
            size,
            sparse: None,
            mtime: self.mtime.unwrap_or_else(|| (header_time(), 0)),
            xattrs: self.xattrs,
        };
        Ok((entry, form))
    }
}

/// One name of those that PAX, GNU and the plain header give; the first two must not differ.
fn agree(pax: Option<Vec<u8>>, gnu: Option<Vec<u8>>, plain: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>> {
    match (pax, gnu) {
        (Some(pax), Some(gnu)) if pax != gnu => Err(malformed("PAX and GNU extensions give an entry two names")),
        (Some(name), _) | (None, Some(name)) => Ok(name),
        (None, None) => Ok(plain()),
    }
}

fn header_path(block: &Block) -> Vec<u8> {
    let name = header::text(block, header::NAME);
    // GNU's own magic (`ustar` and blanks) has times where POSIX has the prefix.
    if header::field(block, header::MAGIC) != header::USTAR {
        return name.to_vec();
    }
    let mut prefix = header::text(block, header::PREFIX);
    if &block[508..] == b"tar\0" {
        // Schilling's star keeps two times behind a prefix of 131 bytes.
        prefix = &prefix[..prefix.len().min(131)];
    }
    if prefix.is_empty() {
        return name.to_vec();
    }
    [prefix, b"/", name].concat()
}

/// Refuses a global PAX header that would change entries: what it says is for all that follow, and readers differ.
pub fn check_global(body: &[u8]) -> Result<()> {
    pax::for_each_record(body, |key, _| match key {
        b"comment" => Ok(()),
        other => Err(malformed(&format!("a global PAX header sets {:?}", String::from_utf8_lossy(other)))),
    })
}
