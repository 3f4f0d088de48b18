//! Reads a tar stream entry by entry, strictly.
//!
//! Where two tar programs could understand a stream differently (two sizes, two names, data behind a link), it is refused:
//! such a difference smuggles files past whoever looked at it with the other program (CVE-2025-62518, CVE-2026-33055).
//! This module touches no file system; it hashes the stream and feeds the recipe as it goes.

use super::header::{self, BLOCK, Block};
use super::pax;
use super::recipe::Recorder;
use super::{BUFFER, MAX_ENTRIES, MAX_EXTENSION};
use crate::error::{Kind, Result, fail, fail_with};
use crate::image::digest::{Digest, Hasher};
use anyhow::Context;
use std::io::Read;

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
    /// Bytes of content; 0 for all but files.
    pub size: u64,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    /// Name and value of each extended attribute, unfiltered.
    pub xattrs: Xattrs,
}

impl Entry {
    /// The path for messages, which quote and escape it (`{:?}`).
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }
}

/// What the extension headers before an entry say.
#[derive(Default)]
struct Extension {
    pax: bool,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    gnu_path: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<(i64, u32)>,
    xattrs: Xattrs,
}

/// The stream behind a buffer, with its hash.
struct Source<R> {
    inner: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    hasher: Hasher,
    taken: u64,
    max: u64,
}

impl<R: Read> Source<R> {
    /// Up to `want` buffered bytes, read anew if there are none. Empty at the end of the stream only.
    fn chunk(&mut self, want: u64) -> Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = loop {
                match self.inner.read(&mut self.buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    other => break other.context("cannot read the archive")?,
                }
            };
            self.hasher.update(&self.buffer[..self.end]);
        }
        let count = ((self.end - self.start) as u64).min(want) as usize;
        let from = self.start;
        self.start += count;
        self.taken += count as u64;
        if self.taken > self.max {
            return Err(fail(Kind::User, format!("the archive is larger than the {} bytes allowed", self.max)));
        }
        Ok(&self.buffer[from..from + count])
    }

    /// One block, or `None` at a clean end of the stream.
    fn block(&mut self) -> Result<Option<Block>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let chunk = self.chunk((BLOCK - filled) as u64)?;
            if chunk.is_empty() {
                return if filled == 0 { Ok(None) } else { Err(truncated()) };
            }
            block[filled..filled + chunk.len()].copy_from_slice(chunk);
            filled += chunk.len();
        }
        Ok(Some(block))
    }
}

/// Reads entries; between two calls of [`TarReader::next_entry`] the content may be read or left.
pub struct TarReader<'a, R> {
    source: Source<R>,
    recorder: Option<Recorder<'a>>,
    /// Content bytes of the current entry still to come, and the padding behind them.
    content: u64,
    padding: usize,
    entries: u64,
    /// Whether the recipe already refers to the current content rather than holding it.
    referred: bool,
}

impl<'a, R: Read> TarReader<'a, R> {
    /// Reads from `inner` at most `max` bytes; what is not file content goes to the recorder.
    pub fn new(inner: R, max: u64, recorder: Option<Recorder<'a>>) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        let source = Source { inner, buffer, start: 0, end: 0, hasher: Hasher::default(), taken: 0, max };
        TarReader { source, recorder, content: 0, padding: 0, entries: 0, referred: false }
    }

    /// How many entries were read.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The next entry, or `None` at the end of the archive.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        self.skip_content()?;
        let mut extension = Extension::default();
        let mut extended = false;
        loop {
            let Some(block) = self.header_block()? else {
                if extended {
                    return Err(truncated());
                }
                return Ok(None);
            };
            if !header::checksum_fits(&block) {
                return Err(malformed("a header's checksum is wrong").context(self.place()));
            }
            let size = header_number(&block, header::SIZE, "size")?;
            match block[header::KIND] {
                b'x' => {
                    let body = self.extension_body(size)?;
                    extension.take_pax(&body).with_context(|| self.place())?;
                }
                b'g' => {
                    let body = self.extension_body(size)?;
                    check_global(&body).with_context(|| self.place())?;
                    continue;
                }
                b'L' => extension.gnu_path = Some(until_nul(self.extension_body(size)?)),
                b'K' => extension.gnu_link = Some(until_nul(self.extension_body(size)?)),
                kind => {
                    self.entries += 1;
                    if self.entries > MAX_ENTRIES {
                        return Err(fail(Kind::User, format!("the archive has more than {MAX_ENTRIES} entries")));
                    }
                    let place = self.place();
                    let entry = extension.complete(&block, kind, size).with_context(|| place)?;
                    self.content = entry.size;
                    self.padding = header::padding(entry.size);
                    self.referred = false;
                    return Ok(Some(entry));
                }
            }
            extended = true;
        }
    }

    /// The next piece of the current entry's content; empty when all was read.
    pub fn content(&mut self) -> Result<&[u8]> {
        if self.content == 0 {
            return Ok(&[]);
        }
        let chunk = self.source.chunk(self.content)?;
        if chunk.is_empty() {
            return Err(truncated());
        }
        self.content -= chunk.len() as u64;
        if let (Some(recorder), false) = (&mut self.recorder, self.referred) {
            recorder.raw(chunk)?;
        }
        Ok(chunk)
    }

    /// Lets the recipe refer to `path` of the tree, where the caller stores the content that follows. Returns the
    /// number of that reference.
    pub fn refer(&mut self, path: &[u8]) -> Result<Option<u64>> {
        if self.content == 0 {
            return Ok(None);
        }
        let Some(recorder) = &mut self.recorder else { return Ok(None) };
        self.referred = true;
        recorder.file(path, self.content).map(Some)
    }

    /// Reads the stream to its very end and gives its digest and size: they cover what follows the archive's end mark.
    pub fn finish(mut self) -> Result<(Digest, u64)> {
        loop {
            let chunk = self.source.chunk(u64::MAX)?;
            if chunk.is_empty() {
                break;
            }
            if let Some(recorder) = &mut self.recorder {
                recorder.raw(chunk)?;
            }
        }
        if let Some(recorder) = self.recorder {
            recorder.finish()?;
        }
        Ok(self.source.hasher.finish())
    }

    fn place(&self) -> String {
        format!("invalid archive, entry {} near byte {}", self.entries, self.source.taken)
    }

    fn skip_content(&mut self) -> Result<()> {
        while self.content > 0 {
            self.content()?;
        }
        while self.padding > 0 {
            let chunk = self.source.chunk(self.padding as u64)?;
            if chunk.is_empty() {
                return Err(truncated());
            }
            self.padding -= chunk.len();
            if let Some(recorder) = &mut self.recorder {
                recorder.raw(chunk)?;
            }
        }
        Ok(())
    }

    fn raw_block(&mut self) -> Result<Option<Block>> {
        let block = self.source.block()?;
        if let (Some(recorder), Some(block)) = (&mut self.recorder, &block) {
            recorder.raw(block)?;
        }
        Ok(block)
    }

    /// The next block that is not an end mark.
    fn header_block(&mut self) -> Result<Option<Block>> {
        let zero = |block: &Block| block.iter().all(|b| *b == 0);
        match self.raw_block()? {
            Some(block) if zero(&block) => match self.raw_block()? {
                // Some programs stop at one zero block, others read on.
                Some(second) if !zero(&second) => {
                    Err(malformed("a single zero block in the middle").context(self.place()))
                }
                _ => Ok(None),
            },
            other => Ok(other),
        }
    }

    fn extension_body(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > MAX_EXTENSION {
            return Err(malformed(&format!("an extension header of {size} bytes")).context(self.place()));
        }
        self.content = size;
        self.padding = header::padding(size);
        self.referred = false;
        let mut body = Vec::with_capacity(size as usize);
        while self.content > 0 {
            body.extend_from_slice(self.content()?);
        }
        self.skip_content()?;
        Ok(body)
    }
}

fn malformed(why: &str) -> anyhow::Error {
    fail(Kind::User, why.to_owned())
}

fn truncated() -> anyhow::Error {
    malformed("the archive ends in the middle of an entry")
}

fn until_nul(mut body: Vec<u8>) -> Vec<u8> {
    if let Some(end) = body.iter().position(|b| *b == 0) {
        body.truncate(end);
    }
    body
}

fn header_number(block: &Block, at: header::Field, what: &str) -> Result<u64> {
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
    fn take_pax(&mut self, body: &[u8]) -> Result<()> {
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
                } else if key.starts_with(b"GNU.sparse.") {
                    return Err(sparse());
                }
            }
        }
        Ok(())
    }

    fn complete(self, block: &Block, flag: u8, header_size: u64) -> Result<Entry> {
        let kind = match flag {
            b'0' | 0 | b'7' => EntryKind::File,
            b'1' => EntryKind::Hardlink,
            b'2' => EntryKind::Symlink,
            b'3' => EntryKind::CharDevice,
            b'4' => EntryKind::BlockDevice,
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            b'S' => return Err(sparse()),
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
        let path = agree(self.path, self.gnu_path, || header_path(block))?;
        let link = agree(self.link, self.gnu_link, || header::text(block, header::LINK).to_vec())?;
        // Before POSIX a directory was a file whose name ends in a slash.
        let old_directory = kind == EntryKind::File && flag != b'7' && size == 0 && path.ends_with(b"/");
        let kind = if old_directory { EntryKind::Directory } else { kind };
        if kind != EntryKind::File && size != 0 {
            return Err(malformed(&format!(
                "content behind an entry that is no file: {:?}",
                String::from_utf8_lossy(&path)
            )));
        }
        let header_time = || header::number(header::field(block, header::MTIME)).unwrap_or(0);
        Ok(Entry {
            kind,
            path,
            link,
            mode: (header_number(block, header::MODE, "mode")? & 0o7777) as u32,
            uid: self.uid.map_or_else(|| header_id(block, header::UID, "user id"), Ok)?,
            gid: self.gid.map_or_else(|| header_id(block, header::GID, "group id"), Ok)?,
            size,
            mtime: self.mtime.unwrap_or_else(|| (header_time(), 0)),
            xattrs: self.xattrs,
        })
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

fn sparse() -> anyhow::Error {
    fail_with(
        Kind::User,
        "the archive has a sparse file",
        "Layers have no sparse files; make the archive without `--sparse`.",
    )
}

fn check_global(body: &[u8]) -> Result<()> {
    pax::for_each_record(body, |key, _| match key {
        b"comment" => Ok(()),
        other => Err(malformed(&format!("a global PAX header sets {:?}", String::from_utf8_lossy(other)))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: u8, name: &[u8], size: u64) -> Vec<u8> {
        let mut block = [0; BLOCK];
        header::put_text(&mut block, header::NAME, name);
        for at in [header::MODE, header::UID, header::GID, header::MTIME] {
            header::put_number(&mut block, at, 0);
        }
        header::put_number(&mut block, header::SIZE, size);
        block[header::KIND] = kind;
        header::seal(&mut block);
        block.to_vec()
    }

    fn pax(kind: u8, records: &[u8]) -> Vec<u8> {
        let mut out = block(kind, b"x", records.len() as u64);
        out.extend_from_slice(records);
        out.resize(out.len() + header::padding(records.len() as u64), 0);
        out
    }

    fn read(stream: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut reader = TarReader::new(stream, 1 << 20, None);
        let mut paths = Vec::new();
        while let Some(entry) = reader.next_entry()? {
            paths.push(entry.path);
        }
        Ok(paths)
    }

    #[test]
    fn ambiguous_streams_are_refused() {
        let file = block(b'0', b"f", 0);
        let zero = vec![0; BLOCK];
        let good = [pax(b'x', b"9 path=p\n"), file.clone(), zero.clone(), zero.clone()].concat();
        assert_eq!(read(&good).unwrap(), [b"p".to_vec()]);
        let bad: &[(&str, Vec<u8>)] = &[
            ("two pax", [pax(b'x', b"9 path=p\n"), pax(b'x', b"9 path=q\n"), file.clone()].concat()),
            ("pax and gnu", [pax(b'x', b"9 path=p\n"), pax(b'L', b"q\0"), file.clone()].concat()),
            ("two sizes", [pax(b'x', b"10 size=1\n"), block(b'0', b"f", 3), zero.clone()].concat()),
            ("plus size", [pax(b'x', b"11 size=+1\n"), file.clone(), zero.clone()].concat()),
            ("global path", [pax(b'g', b"9 path=p\n"), file.clone()].concat()),
            ("link with content", [block(b'2', b"l", 5), zero.clone()].concat()),
            ("sparse", block(b'S', b"s", 0)),
            ("unknown", block(b'V', b"s", 0)),
            ("one zero block", [zero.clone(), file.clone()].concat()),
            ("truncated", file[..100].to_vec()),
            ("truncated content", block(b'0', b"f", 9)),
            ("extension at end", pax(b'x', b"9 path=p\n")),
            ("huge extension", block(b'x', b"f", 1 << 30)),
            ("bad length", [pax(b'x', b"8 path=p\n"), file.clone()].concat()),
            ("nul", [pax(b'x', b"11 path=p\0q\n"), file.clone()].concat()),
        ];
        for (what, stream) in bad {
            assert!(read(stream).is_err(), "{what}");
        }
    }

    #[test]
    fn the_stream_has_a_limit() {
        let stream = vec![0; 4096];
        let mut reader = TarReader::new(stream.as_slice(), 4000, None);
        assert!(reader.next_entry().unwrap().is_none());
        assert!(reader.finish().is_err());
    }
}
