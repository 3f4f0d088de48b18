//! Where `save` writes to: the members of a tar, or the files of a new folder, under the same names.

use super::tarball::Tarball;
use crate::error::{Kind, Result, fail};
use anyhow::Context;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// Large enough that the small files of a layer reach the disk together.
const BUFFER: usize = 256 * 1024;

/// What is written to. A tar is only appended to: a pipe will do.
pub enum Sink<'a> {
    /// A tar.
    Tar(Tarball<&'a mut dyn Write>),
    /// A folder that exists and is empty.
    Folder(PathBuf),
}

impl Sink<'_> {
    /// Adds a folder; readers of tars without root's rights trip over folders that are only implied.
    pub fn folder(&mut self, name: &str) -> Result<()> {
        match self {
            Sink::Tar(tar) => tar.folder(name),
            Sink::Folder(top) => fs::create_dir(top.join(name)).with_context(|| cannot(name)),
        }
    }

    /// Adds a small file.
    pub fn file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.stream(name, bytes.len() as u64, |out| out.write_all(bytes).with_context(|| cannot(name)))
    }

    /// Adds a file of exactly `size` bytes, which `write` gives.
    pub fn stream(&mut self, name: &str, size: u64, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let top = match self {
            Sink::Tar(tar) => return tar.stream(name, size, write),
            Sink::Folder(top) => top,
        };
        let file = File::create_new(top.join(name)).with_context(|| cannot(name))?;
        let mut out = BufWriter::with_capacity(BUFFER, &file);
        write(&mut out)?;
        out.flush().with_context(|| cannot(name))?;
        let written = file.metadata().with_context(|| cannot(name))?.len();
        if written != size {
            return Err(fail(Kind::System, format!("{name} has {written} bytes instead of {size}")));
        }
        Ok(())
    }

    /// Writes everything that is still held back.
    pub fn finish(self) -> Result<()> {
        match self {
            Sink::Tar(tar) => tar.finish(),
            Sink::Folder(_) => Ok(()),
        }
    }
}

fn cannot(name: &str) -> String {
    format!("cannot write {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gets_whole_files_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut sink = Sink::Folder(dir.path().into());
        sink.folder("blobs/").unwrap();
        sink.file("blobs/a", b"content").unwrap();
        assert_eq!(fs::read(dir.path().join("blobs/a")).unwrap(), b"content");
        let error = sink.stream("x", 3, |out| Ok(out.write_all(b"four")?)).unwrap_err();
        assert!(error.to_string().contains("4 bytes instead of 3"));
        assert!(sink.file("blobs/a", b"").is_err(), "nothing is written over");
    }
}
