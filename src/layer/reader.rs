//! Reads a tar stream entry by entry, strictly.
//!
//! Where two tar programs could understand a stream differently (two sizes, two names, data behind a link), it is refused:
//! such a difference smuggles files past whoever looked at it with the other program (CVE-2025-62518, CVE-2026-33055).
//! This module touches no file system; it hashes the stream and feeds the recipe as it goes.

use super::entry::{Entry, Extension, check_global, header_number, malformed};
use super::header::{self, BLOCK, Block};
use super::recipe::Recorder;
use super::sparse::{self, Form, MapReader, Sparse};
use super::{BUFFER, MAX_ENTRIES, MAX_EXTENSION};
use crate::error::{Kind, Result, fail};
use crate::image::digest::{Digest, Hasher};
use anyhow::Context;
use std::io::{Read, Seek, SeekFrom};

/// The stream behind a buffer, with its hash if one is wanted.
struct Source<R> {
    inner: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    hasher: Option<Hasher>,
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
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&self.buffer[..self.end]);
            }
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
    /// Bytes of all holes: a file system may not have room for them once they are filled, and other readers fill them.
    holes: u64,
    /// Whether the recipe already refers to the current content rather than holding it.
    referred: bool,
}

impl<'a, R: Read> TarReader<'a, R> {
    /// Reads from `inner` at most `max` bytes; what is not file content goes to the recorder.
    pub fn new(inner: R, max: u64, recorder: Option<Recorder<'a>>) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        let source = Source { inner, buffer, start: 0, end: 0, hasher: Some(Hasher::default()), taken: 0, max };
        TarReader { source, recorder, content: 0, padding: 0, entries: 0, holes: 0, referred: false }
    }

    /// Reads a stream whose digest nobody asks for: [`TarReader::drain`] takes the place of [`TarReader::finish`].
    pub fn without_digest(inner: R, max: u64) -> Self {
        let mut reader = TarReader::new(inner, max, None);
        reader.source.hasher = None;
        reader
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
                    let (mut entry, form) = extension.complete(&block, kind, size).with_context(|| place.clone())?;
                    self.content = entry.size;
                    self.padding = header::padding(entry.size);
                    self.referred = false;
                    self.read_map(&block, form, &mut entry).context(place)?;
                    return Ok(Some(entry));
                }
            }
            extended = true;
        }
    }

    /// The next piece of the current entry's content; empty when all was read.
    pub fn content(&mut self) -> Result<&[u8]> {
        self.content_at_most(u64::MAX)
    }

    /// The same, and no more than `want` bytes of it.
    pub fn content_at_most(&mut self, want: u64) -> Result<&[u8]> {
        if self.content == 0 || want == 0 {
            return Ok(&[]);
        }
        let chunk = self.source.chunk(self.content.min(want))?;
        if chunk.is_empty() {
            return Err(truncated());
        }
        self.content -= chunk.len() as u64;
        if let (Some(recorder), false) = (&mut self.recorder, self.referred) {
            recorder.raw(chunk)?;
        }
        Ok(chunk)
    }

    /// Lets the recipe refer to `path` of the tree, where the caller stores the content that follows, with holes if the
    /// entry has them. Returns the number of that reference.
    pub fn refer(&mut self, path: &[u8], sparse: Option<&Sparse>) -> Result<Option<u64>> {
        if self.content == 0 {
            return Ok(None);
        }
        let Some(recorder) = &mut self.recorder else { return Ok(None) };
        self.referred = true;
        let number = match sparse {
            None => recorder.file(path, self.content)?,
            Some(sparse) => recorder.sparse_file(path, sparse)?,
        };
        Ok(Some(number))
    }

    /// Reads the stream to its very end and gives its digest and size: they cover what follows the archive's end mark.
    pub fn finish(mut self) -> Result<(Digest, u64)> {
        self.drain()?;
        if let Some(recorder) = self.recorder {
            recorder.finish()?;
        }
        Ok(self.source.hasher.expect("a reader without digest is drained").finish())
    }

    /// Reads the stream to its very end.
    pub fn drain(&mut self) -> Result<()> {
        loop {
            let chunk = self.source.chunk(u64::MAX)?;
            if chunk.is_empty() {
                return Ok(());
            }
            if let Some(recorder) = &mut self.recorder {
                recorder.raw(chunk)?;
            }
        }
    }

    /// Completes the map of a sparse file, whose bytes stand between its header and its content.
    fn read_map(&mut self, block: &Block, form: Form, entry: &mut Entry) -> Result<()> {
        let sparse = match form {
            Form::None if block[header::KIND] == b'S' => {
                let (mut sparse, mut more) = Sparse::old(block)?;
                while more {
                    more = sparse.old_more(&self.raw_block()?.ok_or_else(truncated)?)?;
                }
                sparse
            }
            Form::None => return Ok(()),
            Form::Known(sparse) => sparse,
            Form::MapInContent { size } => {
                let mut map = MapReader::default();
                let pieces = loop {
                    if self.content < sparse::MAP_BLOCK {
                        return Err(sparse::wrong("its map is incomplete"));
                    }
                    let mut block = [0; BLOCK];
                    let mut filled = 0;
                    while filled < BLOCK {
                        let chunk = self.content_at_most((BLOCK - filled) as u64)?;
                        block[filled..filled + chunk.len()].copy_from_slice(chunk);
                        filled += chunk.len();
                    }
                    if let Some(pieces) = map.take(&block)? {
                        break pieces;
                    }
                };
                Sparse { size, pieces }
            }
        };
        entry.size = self.content;
        sparse.check(entry.size)?;
        self.holes = self.holes.saturating_add(sparse.size - entry.size);
        if self.holes.saturating_add(self.source.taken) > self.source.max {
            let max = self.source.max;
            return Err(fail(
                Kind::User,
                format!("the archive's sparse files are larger than the {max} bytes allowed"),
            ));
        }
        entry.sparse = Some(sparse);
        Ok(())
    }

    /// Bytes of the stream up to here.
    pub fn position(&self) -> u64 {
        self.source.taken
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

impl<R: Read + Seek> TarReader<'_, R> {
    /// Passes over the current entry's content without reading it. The caller knows that the stream is that long. Not for
    /// readers with a digest or a recipe, which must see every byte.
    pub fn seek_over_content(&mut self) -> Result<()> {
        let buffered = (self.source.end - self.source.start) as u64;
        let beyond = self.content.saturating_sub(buffered);
        if beyond > 0 {
            let by = i64::try_from(beyond).ok().context("cannot read the archive")?;
            self.source.inner.seek(SeekFrom::Current(by)).context("cannot read the archive")?;
            self.source.start = self.source.end;
        } else {
            self.source.start += self.content as usize;
        }
        self.source.taken += self.content;
        self.content = 0;
        Ok(())
    }
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
            ("sparse without parts", [block(b'S', b"s", 512), vec![0; BLOCK]].concat()),
            ("sparse link", [pax(b'x', b"21 GNU.sparse.size=9\n"), block(b'2', b"s", 0)].concat()),
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
