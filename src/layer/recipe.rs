//! Recipes: what is needed to give back a layer's tar, byte for byte, from the tree that it was unpacked to.
//!
//! A recipe holds all bytes of the stream that are not file content, and refers to the tree for the rest; that is a few
//! hundred bytes an entry, and compresses to a few dozen. Compression is the caller's. A file that a later entry of the
//! same tar replaces is kept aside, under the number of its reference (see [`Aside`]).
//!
//! Format: the magic line, then segments. `R` length(u32) bytes · `F` path length(u16) size(u64) path, all of a file ·
//! `S` the same for a file with holes, whose parts follow: `P` offset(u64) length(u64) · `E`, the end. Numbers are
//! little-endian.

use super::BUFFER;
use super::sparse::Sparse;
use crate::error::{Kind, Result, fail};
use crate::sys::path::{self, Root};
use anyhow::Context;
use rustix::fs::{Mode, OFlags};
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

const MAGIC: &[u8] = b"dhow-recipe 1\n";
/// Raw bytes are written in segments of at most this.
const SEGMENT: usize = 64 * 1024;

/// Writes a recipe while its tar is read.
pub struct Recorder<'a> {
    out: &'a mut dyn Write,
    raw: Vec<u8>,
    files: u64,
}

impl<'a> Recorder<'a> {
    /// Begins a recipe.
    pub fn new(out: &'a mut dyn Write) -> Result<Recorder<'a>> {
        out.write_all(MAGIC).context("cannot write the layer's recipe")?;
        Ok(Recorder { out, raw: Vec::with_capacity(SEGMENT), files: 0 })
    }

    /// Bytes to keep as they are.
    pub fn raw(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let fits = bytes.len().min(SEGMENT - self.raw.len());
            self.raw.extend_from_slice(&bytes[..fits]);
            bytes = &bytes[fits..];
            if self.raw.len() == SEGMENT {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// The content of the file `path`, of `size` bytes, comes here. Returns the number of this reference.
    pub fn file(&mut self, path: &[u8], size: u64) -> Result<u64> {
        self.reference(b'F', path, size)
    }

    /// The parts of the file `path` come here, one after the other. Returns the number of this reference.
    pub fn sparse_file(&mut self, path: &[u8], sparse: &Sparse) -> Result<u64> {
        let number = self.reference(b'S', path, sparse.size)?;
        for (offset, length) in sparse.pieces.iter().filter(|(_, length)| *length > 0) {
            self.write(b"P")?;
            self.write(&offset.to_le_bytes())?;
            self.write(&length.to_le_bytes())?;
        }
        Ok(number)
    }

    fn reference(&mut self, tag: u8, path: &[u8], size: u64) -> Result<u64> {
        self.flush()?;
        let mut segment = vec![tag];
        let length = u16::try_from(path.len()).expect("paths are checked to be at most 4095 bytes");
        segment.extend_from_slice(&length.to_le_bytes());
        segment.extend_from_slice(&size.to_le_bytes());
        segment.extend_from_slice(path);
        self.write(&segment)?;
        self.files += 1;
        Ok(self.files - 1)
    }

    /// Ends the recipe.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.write(b"E")?;
        self.out.flush().context("cannot write the layer's recipe")
    }

    fn flush(&mut self) -> Result<()> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let length = (self.raw.len() as u32).to_le_bytes();
        let raw = std::mem::take(&mut self.raw);
        self.write(b"R")?;
        self.write(&length)?;
        self.write(&raw)?;
        self.raw = raw;
        self.raw.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).context("cannot write the layer's recipe")
    }
}

/// Keeps the content of replaced files for the recipe: it knows which inode holds which reference.
pub struct Aside<'a> {
    /// An empty directory on the tree's file system.
    dir: Option<&'a Root>,
    references: HashMap<u64, u64>,
}

impl<'a> Aside<'a> {
    /// Keeps replaced files in `dir`; without one, replacing a file that a recipe needs is refused.
    pub fn new(dir: Option<&'a Root>) -> Aside<'a> {
        Aside { dir, references: HashMap::new() }
    }

    /// Notes that the file with this inode number holds the content of a reference.
    pub fn note(&mut self, inode: u64, reference: u64) {
        self.references.insert(inode, reference);
    }

    /// Called before the file `name` goes: moves it aside if the recipe needs it and says whether it did.
    pub fn rescue(&mut self, parent: BorrowedFd<'_>, name: &OsStr, inode: u64) -> Result<bool> {
        let Some(reference) = self.references.remove(&inode) else { return Ok(false) };
        let Some(dir) = self.dir else {
            return Err(fail(Kind::User, format!("the archive has {name:?} twice, and its exact form cannot be kept")));
        };
        rustix::fs::renameat(parent, name, dir.as_fd(), reference.to_string())
            .with_context(|| format!("cannot keep the replaced file {name:?}"))?;
        Ok(true)
    }
}

/// Writes the tar that `recipe` describes, with file content from `tree` and, for files that were replaced, from `aside`.
///
/// Whether the tree still is what it was is not checked here: compare the digest of what is written.
pub fn replay(mut recipe: impl Read, tree: &Root, aside: Option<&Root>, out: &mut dyn Write) -> Result<()> {
    let mut magic = [0; MAGIC.len()];
    read_exact(&mut recipe, &mut magic)?;
    if magic != MAGIC {
        return Err(damaged("it does not begin as a recipe"));
    }
    let replaced: HashSet<OsString> = match aside {
        Some(dir) => path::list(dir.as_fd())?.into_iter().map(|e| e.name).collect(),
        None => HashSet::new(),
    };
    let mut buffer = vec![0; BUFFER];
    let mut number = 0u64;
    let mut current = None;
    loop {
        let mut tag = [0];
        read_exact(&mut recipe, &mut tag)?;
        match tag[0] {
            b'R' => {
                let length = u32::from_le_bytes(read_array(&mut recipe)?) as usize;
                let raw = buffer.get_mut(..length).ok_or_else(|| damaged("a segment is too long"))?;
                read_exact(&mut recipe, raw)?;
                out.write_all(raw).context("cannot write the layer's tar")?;
            }
            tag @ (b'F' | b'S') => {
                let length = u16::from_le_bytes(read_array(&mut recipe)?);
                let size = u64::from_le_bytes(read_array(&mut recipe)?);
                let mut path = vec![0; length.into()];
                read_exact(&mut recipe, &mut path)?;
                let key = OsString::from(number.to_string());
                let (root, path) = match aside {
                    Some(dir) if replaced.contains(&key) => (dir, key),
                    _ => (tree, OsString::from_vec(path)),
                };
                let mut file = Source::open(root, path.into(), size)?;
                if tag == b'F' {
                    file.copy(size, &mut buffer, out)?;
                }
                current = Some(file);
                number += 1;
            }
            b'P' => {
                let offset = u64::from_le_bytes(read_array(&mut recipe)?);
                let length = u64::from_le_bytes(read_array(&mut recipe)?);
                let file = current.as_mut().ok_or_else(|| damaged("a part belongs to no file"))?;
                file.seek(offset)?;
                file.copy(length, &mut buffer, out)?;
            }
            b'E' => return out.flush().context("cannot write the layer's tar"),
            _ => return Err(damaged("it has an unknown segment")),
        }
    }
}

/// A file of the tree that is copied from.
struct Source {
    file: File,
    path: PathBuf,
}

impl Source {
    /// Opens a file that must have this size.
    fn open(root: &Root, path: PathBuf, size: u64) -> Result<Source> {
        let what = || format!("cannot read {path:?} of the layer");
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::from(root.open_at(&path, flags, Mode::empty()).with_context(what)?);
        let meta = file.metadata().with_context(what)?;
        if !meta.is_file() || meta.len() != size {
            return Err(fail(Kind::System, format!("{path:?} of the layer is no longer a file of {size} bytes")));
        }
        Ok(Source { file, path })
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        let done = self.file.seek(SeekFrom::Start(offset));
        done.map(drop).with_context(|| format!("cannot read {:?} of the layer", self.path))
    }

    /// Copies the next `size` bytes.
    fn copy(&mut self, size: u64, buffer: &mut [u8], out: &mut dyn Write) -> Result<()> {
        let path = &self.path;
        let mut left = size;
        while left > 0 {
            let want = left.min(buffer.len() as u64) as usize;
            let read = self.file.read(&mut buffer[..want]);
            let count = read.with_context(|| format!("cannot read {path:?} of the layer"))?;
            if count == 0 {
                return Err(fail(Kind::System, format!("{path:?} of the layer became shorter while it was read")));
            }
            out.write_all(&buffer[..count]).context("cannot write the layer's tar")?;
            left -= count as u64;
        }
        Ok(())
    }
}

fn read_exact(from: &mut impl Read, buffer: &mut [u8]) -> Result<()> {
    from.read_exact(buffer).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => damaged("it ends too early"),
        _ => anyhow::Error::new(error).context("cannot read the layer's recipe"),
    })
}

fn read_array<const N: usize>(from: &mut impl Read) -> Result<[u8; N]> {
    let mut array = [0; N];
    read_exact(from, &mut array)?;
    Ok(array)
}

fn damaged(why: &str) -> anyhow::Error {
    fail(Kind::System, format!("the recipe of the layer's tar is damaged: {why}"))
}
