//! Where a build's result goes besides the store: a folder, a tar of its files, or an archive of the image.
//!
//! Files of a folder or a tar of files come straight from the layers, merged; no container and no mount is needed. In a
//! folder they belong to the caller, and set-uid bits and capabilities, which mean the image's users, stay behind.

use super::Options;
use crate::error::{Kind, Result, fail_with};
use crate::image::reference::Reference;
use crate::layer::diff::{Look, Times};
use crate::layer::{self, merge, plain};
use crate::progress::{Event, Reporter};
use crate::store::Store;
use crate::store::archive::{self, Format};
use crate::store::image::ImageRecord;
use crate::store::layer::LayerRef;
use crate::store::target::{to_file, to_folder};
use crate::sys::path::Root;
use crate::sys::userns;
use anyhow::Context;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What bytes are written to.
#[derive(Debug, Clone)]
pub enum Target {
    /// A file, which appears whole.
    File(PathBuf),
    /// An open one, to be written to as it is.
    Open(Arc<File>),
    /// A folder in place of a tar, for archives.
    Folder(PathBuf),
}

/// One result of a build (`--output`).
#[derive(Debug, Clone)]
pub enum Output {
    /// The image in the store, with more names.
    Image(Vec<Reference>),
    /// Nothing but the cache.
    CacheOnly,
    /// The image's files in a folder, over what is there.
    Local(PathBuf),
    /// The image's files as a tar.
    Tar(Target),
    /// The image as an archive, with these names.
    Archive {
        /// The form.
        format: Format,
        /// The names; none means the build's.
        names: Vec<Reference>,
        /// Where to.
        target: Target,
    },
}

impl Output {
    /// Whether nothing leaves the store.
    pub fn is_record(&self) -> bool {
        matches!(self, Output::Image(_) | Output::CacheOnly)
    }

    /// Whether an image in the store is needed for it.
    pub fn needs_record(&self) -> bool {
        matches!(self, Output::Image(_) | Output::Archive { .. })
    }
}

/// Gives one result out.
pub fn give(
    store: &Store,
    output: &Output,
    image: &ImageRecord,
    options: &Options,
    reporter: &dyn Reporter,
) -> Result<()> {
    let times = options.result.created.map_or(Times::Own, Times::All);
    let look = Look { times, whole: true, plain: false };
    match output {
        Output::CacheOnly => Ok(()),
        Output::Image(names) => names.iter().try_for_each(|name| store.set_name(name, &image.manifest).map(drop)),
        Output::Local(dest) => local(store, &image.layers, Look { plain: true, ..look }, dest, reporter)
            .with_context(|| format!("writing files to {}", dest.display())),
        Output::Tar(target) => write_to(target, |out| {
            userns::run(|| merge::write_merged(&trees(store, &image.layers)?, look, out).map(drop))
        }),
        Output::Archive { format, names, target } => {
            let names = if names.is_empty() { &options.tags } else { names };
            let images = [(image.clone(), names.iter().map(ToString::to_string).collect())];
            let save = |to: archive::Output<'_>| archive::save(store, &images, *format, to, reporter);
            match target {
                Target::Folder(path) => to_folder(path, |folder| save(archive::Output::Folder(folder)))
                    .with_context(|| format!("writing to {}", path.display())),
                target => write_to(target, |out| save(archive::Output::Stream(out))),
            }
        }
    }
}

fn write_to(target: &Target, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    match target {
        Target::File(path) | Target::Folder(path) => {
            to_file(path, write).with_context(|| format!("writing to {}", path.display()))
        }
        Target::Open(file) => {
            let mut out = BufWriter::with_capacity(1 << 20, file.as_ref());
            write(&mut out).and_then(|()| out.flush().context("writing to standard output"))
        }
    }
}

fn trees(store: &Store, layers: &[LayerRef]) -> Result<Vec<Root>> {
    let open = |layer: &LayerRef| Root::open(&store.layer_tree(&layer.id));
    layers.iter().map(open).collect::<Result<_, _>>().context("opening a layer")
}

/// Files that are there and that the image has, too, are replaced; others stay.
fn local(store: &Store, layers: &[LayerRef], look: Look, dest: &Path, reporter: &dyn Reporter) -> Result<()> {
    if dest.exists() && !dest.is_dir() {
        return Err(fail_with(Kind::User, "it is no folder", "For a tar of the files write type=tar,dest=FILE."));
    }
    fs::create_dir_all(dest).context("making the folder")?;
    let warnings = userns::run(|| {
        let into = Root::open(dest)?;
        let trees = trees(store, layers)?;
        // Root of the user namespace is the caller.
        let unpack = |tar: &mut dyn std::io::Read| plain::unpack_into(tar, &into, Path::new(""), Some((0, 0)));
        layer::through(|out| merge::write_merged(&trees, look, out), unpack)
    })?;
    warnings.into_iter().for_each(|text| reporter.report(Event::Warning(text)));
    Ok(())
}
