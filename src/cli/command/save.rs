//! `dhow save`: writes images to an archive.

use super::Verb;
use crate::cli::output;
use crate::cli::progress::Console;
use crate::error::{Kind, Result, fail, fail_with};
use crate::store::Store;
use crate::store::archive::Format;
use crate::store::image::ImageRecord;
use anyhow::Context;
use clap::Args;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Arguments of `save`.
#[derive(Debug, Args)]
pub struct Save {
    /// The file to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The archive's format: docker-archive or oci-archive
    #[arg(long, value_name = "FORMAT", default_value = "docker-archive")]
    format: String,
    /// Accepted and without effect: several images always fit in one archive
    #[arg(short, long)]
    multi_image_archive: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Images, by name or id
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

fn format(word: &str) -> Result<Format> {
    match word {
        "docker-archive" | "docker" => Ok(Format::Docker),
        "oci-archive" | "oci" => Ok(Format::Oci),
        other => Err(fail(Kind::User, format!("--format {other:?}: write docker-archive or oci-archive"))),
    }
}

/// The images with the names they were called by; one called by two names is there once.
fn select(store: &Store, words: &[String]) -> Result<Vec<(ImageRecord, Vec<String>)>> {
    let mut chosen: Vec<(ImageRecord, Vec<String>)> = Vec::new();
    for word in words {
        let (image, name) = store.find_image_and_name(word)?;
        // A name by digest is no tag that an archive could carry.
        let name = name.filter(|n| !n.contains('@'));
        match chosen.iter_mut().find(|(other, _)| other.manifest == image.manifest) {
            Some((_, names)) => names.extend(name.filter(|n| !names.contains(n))),
            None => chosen.push((image, name.into_iter().collect())),
        }
    }
    Ok(chosen)
}

/// Passes bytes to standard output and knows a reader that went away.
struct Standard;

impl Write for Standard {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        io::stdout().lock().write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush()
    }
}

/// Writes to a new file beside the target and renames it, so that a failure leaves the old file.
fn to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    // A device or pipe is written to as it is.
    if path.exists() && !path.is_file() {
        let file = File::options().write(true).open(path).with_context(|| format!("opening {}", path.display()))?;
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        return out.flush().with_context(|| format!("writing {}", path.display()));
    }
    let name = path.file_name().ok_or_else(|| fail(Kind::User, format!("{} is no file name", path.display())))?;
    let part = path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    let done = File::create_new(&part).with_context(|| format!("making {}", part.display())).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        write(&mut out)?;
        out.flush().with_context(|| format!("writing {}", path.display()))?;
        std::fs::rename(&part, path).with_context(|| format!("renaming to {}", path.display()))
    });
    if done.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    done
}

impl Verb for Save {
    const NAME: &'static str = "save";
    const ABOUT: &'static str = "Write images to an archive";

    fn run(self) -> Result<i32> {
        let format = format(&self.format)?;
        if self.output.is_none() && output::stdout_is_terminal() {
            return Err(fail_with(
                Kind::User,
                "standard output is a terminal, which cannot take an archive",
                "Name a file with --output, or redirect standard output.",
            ));
        }
        let store = Store::open()?;
        let images = select(&store, &self.images)?;
        let console = Console::new(self.quiet);
        let write = |out: &mut dyn Write| crate::store::archive::save(&store, &images, format, out, &console);
        let done = match &self.output {
            Some(path) => to_file(path, write),
            None => {
                let mut out = BufWriter::with_capacity(1 << 20, Standard);
                write(&mut out).and_then(|()| out.flush().context("writing to standard output"))
            }
        };
        console.finish();
        done?;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_save_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.tar");
        to_file(&path, |out| Ok(out.write_all(b"old")?)).unwrap();
        let failed = to_file(&path, |out| {
            out.write_all(b"new")?;
            Err(fail(Kind::System, "disk full"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(format("docker-dir").is_err());
    }
}
