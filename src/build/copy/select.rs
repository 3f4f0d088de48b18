//! From the sources of a COPY or ADD to the files they name.
//!
//! A source is cleaned by its text, so that `..` stops at the root; its wildcards are matched name by name; links in the
//! path of a source are followed inside the tree (and those met below a copied folder are not). A wildcard may match
//! nothing, a plain name may not.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, Stat};

use super::resolve::{Resolved, join, resolve};
use super::tree::{Entry, Tree, single, walk};
use super::{Request, Source, clean};
use crate::build::context::plain;
use crate::build::glob::{Glob, has_wildcard};
use crate::build::ignore::{Ignore, Rule};
use crate::error::{Kind, Result, fail, fail_with};
use crate::sys::path;

/// One thing that is copied.
#[derive(Debug)]
pub struct Selected {
    /// Where it is in the source, without links.
    pub path: PathBuf,
    pub(super) what: Piece,
    /// With `--parents`: the folders to make below the destination, outermost first, and the metadata they take. A folder
    /// that is copied itself is the last of them.
    pub(super) above: Vec<(PathBuf, Stat)>,
}

/// What is copied: a single file, or the contents of a folder.
#[derive(Debug)]
pub(super) enum Piece {
    /// The name is the one that the source gave, not that of a link's target.
    File(Entry),
    Folder(Tree),
}

/// What a COPY or ADD takes, in the order of its sources, the matches of a wildcard sorted.
pub fn select(source: &Source, request: &Request) -> Result<Vec<Selected>> {
    let exclude = Ignore::from_patterns("--exclude", request.exclude)?;
    let mut selected = Vec::new();
    for pattern in request.sources {
        let cleaned = clean(Path::new(pattern));
        let names: Vec<&[u8]> = cleaned.iter().map(OsStrExt::as_bytes).collect();
        let wildcard = names.iter().position(|name| has_wildcard(name)).filter(|_| !request.mount);
        let literal = wildcard.unwrap_or(names.len());
        // What stands before a `/./` is not repeated below the destination.
        let pivot = pattern.split_once("/./").map_or(0, |(before, _)| clean(Path::new(before)).iter().count());
        let named: PathBuf = cleaned.iter().take(literal).collect();
        let start = Match { found: look(source, &named, request, pattern)?, named, pivot };
        if literal == names.len() {
            match take(source, start, &exclude, request)? {
                Taken::Piece(piece) => selected.push(*piece),
                Taken::Nothing => {}
                Taken::Missing(rule) => return Err(missing(source, request, pattern, rule)),
            }
            continue;
        }
        for found in expand(source, start, &names[literal..], pivot.checked_sub(literal), request, pattern)? {
            if let Taken::Piece(piece) = take(source, found, &exclude, request)? {
                selected.push(*piece);
            }
        }
    }
    Ok(selected)
}

/// A path that a source names.
struct Match {
    found: Resolved,
    /// The path as named, links and all.
    named: PathBuf,
    /// How many of its names `--parents` does not repeat.
    pivot: usize,
}

enum Taken<'a> {
    Piece(Box<Selected>),
    /// `--exclude` leaves it out, or it is a socket.
    Nothing,
    /// It does not exist as far as the build is concerned, and the rule that says so.
    Missing(Option<&'a Rule>),
}

/// Takes one path that a source names.
fn take<'a>(source: &Source<'a>, matched: Match, exclude: &Ignore, request: &Request) -> Result<Taken<'a>> {
    let found = &matched.found;
    let Some(stat) = found.found else { return Ok(Taken::Missing(None)) };
    if let Some(rule) = found.links.iter().find_map(|link| source.left_out_by(link)) {
        return Ok(Taken::Missing(Some(rule)));
    }
    let rule = source.left_out_by(&found.path);
    let name = matched.named.file_name().unwrap_or_default().to_owned();
    let what = if found.is_dir() {
        let tree = walk(source, &found.path, stat, exclude, request)?;
        if rule.is_some() && tree.is_empty() {
            return Ok(Taken::Missing(rule));
        }
        Piece::Folder(tree)
    } else if rule.is_some() {
        return Ok(Taken::Missing(rule));
    } else if exclude.excluded(Path::new(&name)) {
        return Ok(Taken::Nothing);
    } else {
        let Some(entry) = single(source, &found.path, name, stat)? else { return Ok(Taken::Nothing) };
        Piece::File(entry)
    };
    let above = if request.parents { above(source, &matched, request)? } else { Vec::new() };
    Ok(Taken::Piece(Box::new(Selected { path: matched.found.path, what, above })))
}

/// The folders that `--parents` repeats for one path.
fn above(source: &Source, matched: &Match, request: &Request) -> Result<Vec<(PathBuf, Stat)>> {
    let names: Vec<&OsStr> = matched.named.iter().collect();
    let end = if matched.found.is_dir() { names.len() } else { names.len().saturating_sub(1) };
    let mut above = Vec::new();
    for at in matched.pivot..end {
        let full: PathBuf = names[..=at].iter().collect();
        let stat = source
            .root()
            .stat(&full)
            .map_err(|error| unreadable(source, request, &full.display().to_string(), &error))?;
        above.push((names[matched.pivot..=at].iter().collect(), stat));
    }
    Ok(above)
}

/// Follows a path of the source; what runs through a file does not exist.
fn look(source: &Source, path: &Path, request: &Request, pattern: &str) -> Result<Resolved> {
    match resolve(source.root(), path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Ok(Resolved { path: path.to_path_buf(), links: Vec::new(), found: None::<Stat> })
        }
        other => other.map_err(|error| unreadable(source, request, pattern, &error)),
    }
}

/// All paths below `start` that match the components `names`; those before the one at `pivot` are not repeated.
fn expand(
    source: &Source,
    start: Match,
    names: &[&[u8]],
    pivot: Option<usize>,
    request: &Request,
    pattern: &str,
) -> Result<Vec<Match>> {
    let mut level = vec![start];
    for (at, name) in names.iter().enumerate() {
        if pivot == Some(at) {
            level.iter_mut().for_each(|one| one.pivot = one.named.iter().count());
        }
        let deep = request.parents && *name == b"**";
        let glob = Glob::compile(if deep { b"*" } else { name }, false)
            .map_err(|why| fail(Kind::User, format!("{} {pattern}: malformed wildcard: {why}", request.word())))?;
        let mut next = Vec::new();
        if deep {
            // Every folder at any depth, the present ones included; at the end a folder stands for all below it anyway.
            level.retain(|one| one.found.is_dir());
            let mut seen = 0;
            while at + 1 < names.len() && seen < level.len() {
                let below = children(source, &level[seen], &glob, request, pattern)?;
                level.extend(below.into_iter().filter(|one| one.found.is_dir() && one.found.links.is_empty()));
                seen += 1;
            }
            continue;
        }
        for folder in level.iter().filter(|one| one.found.is_dir()) {
            next.append(&mut children(source, folder, &glob, request, pattern)?);
        }
        level = next;
    }
    Ok(level)
}

/// What in a folder matches, sorted.
fn children(source: &Source, folder: &Match, glob: &Glob, request: &Request, pattern: &str) -> Result<Vec<Match>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let listed = source
        .root()
        .open_at(&join(Path::new("."), &folder.found.path), flags, Mode::empty())
        .and_then(|fd| path::list(fd.as_fd()))
        .map_err(|error| unreadable(source, request, pattern, &error))?;
    let mut matches = Vec::new();
    for entry in listed.into_iter().filter(|entry| glob.matches(entry.name.as_bytes())) {
        let mut found = look(source, &folder.found.path.join(&entry.name), request, pattern)?;
        found.links.extend_from_slice(&folder.found.links);
        matches.push(Match { found, named: folder.named.join(&entry.name), pivot: folder.pivot });
    }
    Ok(matches)
}

fn unreadable(source: &Source, request: &Request, pattern: &str, error: &io::Error) -> anyhow::Error {
    fail(
        Kind::User,
        format!("{} {pattern}: cannot look it up in {}: {}", request.word(), source.describe(), plain(error)),
    )
}

fn missing(source: &Source, request: &Request, pattern: &str, rule: Option<&Rule>) -> anyhow::Error {
    let message = format!("{} {pattern}: not found in {}", request.word(), source.describe());
    match (rule, source) {
        (Some(rule), Source::Context(context)) => fail_with(
            Kind::NotFound,
            format!("{message}: line {} of {} ({}) leaves it out", rule.line, context.ignore().name(), rule.text),
            "Add a line with `!` and the path after that line to take it in again.",
        ),
        (_, Source::Context(_)) => fail_with(
            Kind::NotFound,
            message,
            "Sources are relative to the build context, and nothing outside it can be copied.",
        ),
        _ => fail_with(Kind::NotFound, message, "With --from, sources are relative to the root of that file system."),
    }
}
