//! A new tree from a tar that is written meanwhile: data is read once, and the digest comes with it.
//!
//! Not here: what is written (`diff`, `merge`), and how it is unpacked (`extract`).

use super::diff::Counts;
use super::{LayerInfo, extract};
use crate::error::Result;
use crate::sys::path::Root;
use anyhow::Context;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Unpacks what `write` writes into the new folder `made/fs`, in overlay form. What is half made is for the caller to
/// remove.
pub fn take_in(write: impl FnOnce(&mut dyn Write) -> Result<Counts> + Send, made: &Path) -> Result<LayerInfo> {
    let fs_dir = made.join("fs");
    fs::create_dir_all(&fs_dir).with_context(|| format!("making {}", fs_dir.display()))?;
    fs::set_permissions(&fs_dir, fs::Permissions::from_mode(0o755))?;
    let into = Root::open(&fs_dir).with_context(|| format!("opening {}", fs_dir.display()))?;
    let extracted = through(write, |tar| extract::extract(tar, &into, extract::Options::default()))?;
    Ok(extracted.info)
}

/// Has `read` read what `write` writes, side by side.
pub fn through<T>(
    write: impl FnOnce(&mut dyn Write) -> Result<Counts> + Send,
    read: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<T> {
    let (from, to) = pipe_with(PipeFlags::CLOEXEC).context("making a pipe")?;
    // A larger pipe lets reading and writing go on side by side; refused where the user has too many of them.
    let _ = fcntl_setpipe_size(&to, 1 << 20);
    std::thread::scope(|scope| {
        // Nobody clones while this thread lives: it ends with the scope.
        let writer = scope.spawn(move || write(&mut File::from(to)));
        let mut from = File::from(from);
        let done = read(&mut from);
        drop(from);
        let written = writer.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the writer of the tar broke off")));
        match (written, done) {
            // The reader gave up first: it knows why.
            (Err(error), Err(cause)) if is_broken_pipe(&error) => Err(cause),
            (Err(error), _) => Err(error),
            (Ok(_), done) => done,
        }
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let of = |e: &(dyn std::error::Error + 'static)| e.downcast_ref::<io::Error>().map(io::Error::kind);
    error.chain().any(|e| of(e) == Some(io::ErrorKind::BrokenPipe))
}
