//! `dhow save`: writes images to an archive.

use super::Verb;
use crate::cli::output;
use crate::cli::progress::Console;
use crate::error::{Kind, Result, fail};
use crate::store::Store;
use crate::store::archive::{self, Format, Output};
use crate::store::image::ImageRecord;
use crate::store::target::{to_file, to_folder};
use anyhow::Context;
use clap::Args;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// Arguments of `save`.
#[derive(Debug, Args)]
pub struct Save {
    /// The file to write, or the folder for the formats that are one [default: standard output]
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
    /// The form: docker-archive, oci-archive, oci-dir or docker-dir
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

/// The format, and whether it is a folder.
fn format(word: &str) -> Result<(Format, bool)> {
    match word {
        "docker-archive" | "docker" => Ok((Format::Docker, false)),
        "oci-archive" | "oci" => Ok((Format::Oci, false)),
        "oci-dir" => Ok((Format::Oci, true)),
        "docker-dir" => Ok((Format::DockerDir, true)),
        other => Err(fail(
            Kind::User,
            format!("--format {other:?}: write docker-archive, oci-archive, oci-dir or docker-dir"),
        )),
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

/// Writes to standard output.
pub fn to_standard_output(write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, Standard);
    write(&mut out).and_then(|()| out.flush().context("writing to standard output"))
}

impl Verb for Save {
    const NAME: &'static str = "save";
    const ABOUT: &'static str = "Write images to an archive";

    fn run(self) -> Result<i32> {
        let (format, is_folder) = format(&self.format)?;
        if is_folder && self.output.is_none() {
            return Err(fail(Kind::User, format!("--format {} is a folder: name it with --output", self.format)));
        }
        if self.output.is_none() {
            output::refuse_terminal()?;
        }
        let store = Store::open()?;
        let images = select(&store, &self.images)?;
        let console = Console::new(self.quiet);
        let save = |output: Output<'_>| archive::save(&store, &images, format, output, &console);
        let done = match &self.output {
            Some(path) => {
                let done = match is_folder {
                    true => to_folder(path, |folder| save(Output::Folder(folder))),
                    false => to_file(path, |out| save(Output::Stream(out))),
                };
                done.with_context(|| format!("cannot save to {}", path.display()))
            }
            None => to_standard_output(|out| save(Output::Stream(out))),
        };
        console.finish();
        done?;
        Ok(0)
    }
}
