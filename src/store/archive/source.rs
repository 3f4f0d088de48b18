//! Where the parts of an archive are read from: a folder, a file that can be read at any place, or a stream, from which
//! everything that could be wanted was taken while it passed (`arrival`).
//!
//! Folders and files are read in place: what the store already has, or nobody asks for, is not read at all.

use super::LayerFile;
use super::arrival::{self, Arrived};
use super::layers::{Layers, other_content};
use super::names::{Named, Names};
use crate::error::{Kind, Result, fail};
use crate::image::digest::{Digest, VerifyingReader};
use crate::layer::compress;
use crate::layer::members::{MemberKind, Members};
use crate::sys::path::Root;
use anyhow::Context;
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What there is to load.
pub enum Input {
    /// A file, or something that can only be read once: a pipe, a terminal.
    File(File),
    /// A folder: an OCI layout, or what podman and skopeo call `dir:`.
    Folder(PathBuf),
}

/// An opened archive.
pub enum Source {
    Folder(Root),
    /// A tar, and where in it the members are: offset and size.
    File(File, Names<(u64, u64)>),
    Stream(Names<Arrived>),
}

impl Source {
    /// Opens an archive. A stream is read to its end, and its layers are unpacked into `layers`.
    pub fn open(input: Input, layers: &mut Layers<'_>) -> Result<Source> {
        match input {
            Input::Folder(path) => {
                let what = || format!("cannot load {}", path.display());
                Ok(Source::Folder(Root::open(&path).with_context(what)?))
            }
            Input::File(file) => open_file(file, layers).context("cannot load the archive"),
        }
    }

    /// Whether there is a file of that name.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Source::Folder(root) => {
                root.stat(Path::new(name)).is_ok_and(|s| FileType::from_raw_mode(s.st_mode).is_file())
            }
            Source::File(_, names) => names.find(name).is_some(),
            Source::Stream(names) => names.find(name).is_some(),
        }
    }

    /// Reads a small file.
    pub fn read(&self, name: &str, max: u64) -> Result<Vec<u8>> {
        let too_large = |size: u64| {
            fail(Kind::User, format!("archive member {name:.200?} has {size} bytes; {max} are allowed for what it is"))
        };
        match self {
            Source::Folder(root) => root.read_small(Path::new(name), max).map_err(|e| unreadable(name, e)),
            Source::File(file, names) => {
                let (at, size) = *names.find(name).ok_or_else(|| missing(name))?;
                if size > max {
                    return Err(too_large(size));
                }
                let mut bytes = vec![0; size as usize];
                file.read_exact_at(&mut bytes, at).map_err(|e| unreadable(name, e))?;
                Ok(bytes)
            }
            Source::Stream(names) => match names.find(name).ok_or_else(|| missing(name))? {
                Arrived::Small(bytes) if bytes.len() as u64 > max => Err(too_large(bytes.len() as u64)),
                Arrived::Small(bytes) => Ok(bytes.clone()),
                Arrived::Refused(why) => Err(why.to_error().context(format!("archive member {name:.200?}"))),
                Arrived::Layer { .. } => {
                    Err(fail(Kind::User, format!("archive member {name:.200?} is a layer, and should be JSON")))
                }
            },
        }
    }

    /// Reads a small file and checks its digest and size.
    pub fn read_blob(&self, name: &str, digest: Digest, size: u64, max: u64) -> Result<Vec<u8>> {
        let bytes = self.read(name, max)?;
        io::copy(&mut VerifyingReader::new(bytes.as_slice(), digest, size), &mut io::sink())
            .map_err(|e| fail(Kind::User, format!("archive member {name:?} is damaged: {e}")))?;
        Ok(bytes)
    }

    /// Sees to it that `layers` has the layer, checked against all that is said of it.
    pub fn layer(&self, file: &LayerFile, diff_id: Digest, layers: &mut Layers<'_>) -> Result<()> {
        if let Source::Stream(names) = self
            && let Some(Arrived::Layer { digest, size, diff_id: found }) = names.find(&file.member)
        {
            return check_arrived(file, (*digest, *size), *found, diff_id);
        }
        // Also where the store has it: an archive that lacks what it lists is damaged.
        if !self.has(&file.member) {
            return Err(missing(&file.member));
        }
        if layers.knows(diff_id)? {
            return Ok(());
        }
        let from: Box<dyn Read + '_> = match self {
            Source::Folder(root) => Box::new(open_in(root, &file.member)?),
            Source::File(archive, names) => {
                let (at, left) = *names.find(&file.member).ok_or_else(|| missing(&file.member))?;
                Box::new(Part { file: archive, at, left })
            }
            Source::Stream(names) => match names.find(&file.member).ok_or_else(|| missing(&file.member))? {
                Arrived::Small(bytes) => Box::new(bytes.as_slice()),
                Arrived::Refused(why) => return Err(why.to_error()),
                Arrived::Layer { .. } => unreachable!("looked at above"),
            },
        };
        match file.blob {
            Some((digest, size)) => layers.unpack(VerifyingReader::new(from, digest, size), Some(diff_id))?,
            None => layers.unpack(from, Some(diff_id))?,
        };
        Ok(())
    }
}

fn check_arrived(file: &LayerFile, (digest, size): (Digest, u64), found: Digest, wanted: Digest) -> Result<()> {
    if let Some((stated, stated_size)) = file.blob {
        if size != stated_size {
            return Err(fail(Kind::User, format!("{stated}: it has {size} bytes instead of {stated_size}")));
        }
        if digest != stated {
            return Err(fail(Kind::User, format!("{stated}: its content is {digest}")));
        }
    }
    if found != wanted { Err(other_content(found, wanted)) } else { Ok(()) }
}

fn open_file(mut file: File, layers: &mut Layers<'_>) -> Result<Source> {
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(fail(Kind::User, "it is a folder"));
    }
    if !meta.is_file() {
        return Ok(Source::Stream(arrival::receive(compress::decoder(file)?, layers)?));
    }
    let start = file.stream_position()?;
    let mut first = [0; 8];
    let count = file.read_at(&mut first, start)?;
    if compress::is_compressed(&first[..count]) {
        return Ok(Source::Stream(arrival::receive(compress::decoder(file)?, layers)?));
    }
    let names = index(&file, start, meta.len())?;
    Ok(Source::File(file, names))
}

/// Finds the members of a tar without reading their content.
fn index(file: &File, start: u64, end: u64) -> Result<Names<(u64, u64)>> {
    let mut members = Members::new(file);
    let mut names = Names::new();
    while let Some(member) = members.next_member()? {
        let what = match member.kind {
            MemberKind::File(size) => {
                let at = start + member.offset;
                if at.checked_add(size).is_none_or(|last| last > end) {
                    return Err(fail(Kind::User, "the archive ends in the middle of an entry"));
                }
                members.seek_over()?;
                Named::Here((at, size))
            }
            MemberKind::Symlink(target) => Named::Symlink(target),
            MemberKind::Hardlink(target) => Named::Hardlink(target),
            MemberKind::Other => continue,
        };
        names.add(member.name, what)?;
    }
    Ok(names)
}

/// A part of a file, read where it is: the file's own position does not move.
struct Part<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = self.left.min(buffer.len() as u64) as usize;
        let count = self.file.read_at(&mut buffer[..want], self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

fn open_in(root: &Root, name: &str) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = root.open_at(Path::new(name), flags, Mode::empty()).map_err(|e| unreadable(name, e))?;
    let file = File::from(opened);
    if !file.metadata().with_context(|| format!("reading {name:?}"))?.is_file() {
        return Err(fail(Kind::User, format!("archive member {name:?} is not a regular file")));
    }
    Ok(file)
}

fn missing(name: &str) -> anyhow::Error {
    fail(Kind::User, format!("the archive has no {name:.200?}, which it says it has"))
}

fn unreadable(name: &str, error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => missing(name),
        io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidFilename => {
            fail(Kind::User, format!("archive member {name:.200?}: {error}"))
        }
        _ => anyhow::Error::new(error).context(format!("reading {name:.200?} of the archive")),
    }
}
