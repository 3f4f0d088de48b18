//! COPY and ADD of local files: which files ([`select`]), what they contain ([`digest`]), and putting them there
//! ([`execute`]).
//!
//! The three are separate so that a cached step touches nothing but metadata: a selection holds the metadata of all that
//! it takes, the digest adds contents (from the context index where they are known), and only a step that missed is
//! executed. Remote sources of ADD and heredocs are not handled here.

mod archive;
mod digest;
mod execute;
mod files;
mod link;
pub mod mode;
pub(super) mod resolve;
mod select;
mod tree;

use std::path::{Path, PathBuf};

pub use digest::{digest, list};
pub use execute::{Outcome, execute};
pub use link::keep_folders;
pub use mode::Chmod;
pub use select::{Selected, select};

use crate::build::context::Context;
use crate::build::ignore::Rule;
use crate::error::{Kind, Result, fail_with};
use crate::progress::{Event, Reporter};
use crate::sys::path::Root;

/// Where files come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// The build context: its ignore file applies, its index is used, its files belong to root.
    Context(&'a Context),
    /// The root file system of another stage or image: owners are kept.
    Tree(&'a Root),
}

/// One COPY or ADD, its variables expanded and its names resolved.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// The sources as written.
    pub sources: &'a [String],
    /// The destination as written; a slash at its end matters.
    pub dest: &'a str,
    /// What a relative destination is relative to; absolute.
    pub workdir: &'a str,
    /// `--chown`, as (uid, gid). Without it files of the context belong to 0:0, and those of a tree keep their owner.
    pub owner: Option<(u32, u32)>,
    /// `--chmod`.
    pub chmod: Option<Chmod>,
    /// `--exclude`, each relative to each source.
    pub exclude: &'a [String],
    /// `--parents`: the folders of a source's path are repeated below the destination, and `**` is any depth.
    pub parents: bool,
    /// ADD rather than COPY, for messages.
    pub add: bool,
    /// A file that is a tar archive is unpacked.
    pub unpack: bool,
    /// For a mount: sources are names, never patterns.
    pub mount: bool,
}

/// Puts the selected files into place and tells what was left out. A file that changed meanwhile is an error.
pub fn place(
    from: &Source<'_>,
    selected: &[Selected],
    request: &Request<'_>,
    dest: &Root,
    reporter: &dyn Reporter,
) -> Result<()> {
    let done = execute(from, selected, request, dest)?;
    done.warnings.into_iter().for_each(|w| reporter.report(Event::Warning(w)));
    match done.changed {
        Some(path) => Err(fail_with(
            Kind::User,
            format!("{} changed while it was copied", path.display()),
            "Run the build again when nothing writes to the context.",
        )),
        None => Ok(()),
    }
}

impl<'a> Source<'a> {
    /// The tree that is read.
    pub fn root(&self) -> &'a Root {
        match self {
            Source::Context(context) => context.root(),
            Source::Tree(root) => root,
        }
    }

    /// The ignore rule that leaves `path` out, if one does.
    fn left_out_by(&self, path: &Path) -> Option<&'a Rule> {
        match self {
            Source::Context(context) => context.ignore().decided_by(path).filter(|rule| !rule.negated),
            Source::Tree(_) => None,
        }
    }

    /// How messages call it.
    fn describe(&self) -> String {
        match self {
            Source::Context(context) => format!("the build context {}", context.path().display()),
            Source::Tree(_) => "the stage or image that --from names".to_string(),
        }
    }
}

impl Request<'_> {
    /// The word of the instruction, for messages.
    fn word(&self) -> &'static str {
        match (self.mount, self.add) {
            (true, _) => "RUN --mount",
            (false, true) => "ADD",
            (false, false) => "COPY",
        }
    }

    /// The owner of what is copied from `source` and of folders made on the way; none: each keeps its own.
    fn owner_from(&self, source: &Source) -> Option<(u32, u32)> {
        self.owner.or(matches!(source, Source::Context(_)).then_some((0, 0)))
    }

    /// The mode that something with `mode` gets.
    fn mode_for(&self, mode: u32, is_dir: bool) -> u32 {
        self.chmod.as_ref().map_or(mode & 0o7777, |chmod| chmod.apply(mode & 0o7777, is_dir))
    }

    /// The destination, absolute and without `.` and `..`, and whether it was written as a folder.
    fn destination(&self) -> (PathBuf, bool) {
        let last = self.dest.rsplit('/').next().unwrap_or("");
        let folder = self.parents || matches!(last, "" | "." | "..");
        (clean(&Path::new("/").join(self.workdir).join(self.dest)), folder)
    }
}

/// A path relative to the root, `.` and `..` resolved by the text alone, as Docker does before it looks at anything.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(name) => cleaned.push(name),
            std::path::Component::ParentDir => drop(cleaned.pop()),
            _ => {}
        }
    }
    cleaned
}

#[cfg(test)]
mod tests;
