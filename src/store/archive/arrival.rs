//! Takes an archive from a stream, which passes only once and in any order: what is what is known when the lists have
//! come, perhaps last.
//!
//! So every member that is a tar is unpacked as it passes, as a layer that nobody has published, with the digests of what
//! came and of what was in it; small files stay in memory. Afterwards the lists say what was wanted. No member is ever
//! copied to disk as it is, and memory is bounded whatever the archive holds.

use super::layers::Layers;
use super::names::{Named, Names};
use crate::error::{Kind, Result, fail, fail_with, hint_of};
use crate::image::digest::{Digest, HashingReader};
use crate::image::manifest::MAX_CONFIG;
use crate::layer::compress::{self, SNIFF};
use crate::layer::members::{MemberKind, Members};
use anyhow::Context;
use rustix::io::Errno;
use std::io::{self, Cursor, Read};

/// What all small files together may have in memory, in bytes.
const MAX_SMALL: u64 = 64 << 20;

/// A member that has passed.
#[derive(Debug)]
pub enum Arrived {
    /// All of a file of at most [`MAX_CONFIG`] bytes.
    Small(Vec<u8>),
    /// It was unpacked.
    Layer {
        /// Of the member as it came.
        digest: Digest,
        /// Of the member as it came, in bytes.
        size: u64,
        /// Of the tar in it.
        diff_id: Digest,
    },
    /// It can be no part of an image; an error if a list says that it is one.
    Refused(Refusal),
}

/// Why a member was not taken.
#[derive(Debug)]
pub struct Refusal {
    message: String,
    hint: Option<String>,
}

impl Refusal {
    /// The refusal as an error.
    pub fn to_error(&self) -> anyhow::Error {
        match &self.hint {
            Some(hint) => fail_with(Kind::User, &self.message, hint),
            None => fail(Kind::User, &self.message),
        }
    }
}

fn refused(message: &str) -> Arrived {
    Arrived::Refused(Refusal { message: message.into(), hint: None })
}

/// Reads a tar, not compressed, to its very end.
pub fn receive(tar: impl Read, layers: &mut Layers<'_>) -> Result<Names<Arrived>> {
    let mut members = Members::new(tar);
    let mut names = Names::new();
    let mut room = MAX_SMALL;
    while let Some(member) = members.next_member()? {
        let what = match member.kind {
            MemberKind::File(size) => Named::Here(take(&mut members, size, &mut room, layers)?),
            MemberKind::Symlink(target) => Named::Symlink(target),
            MemberKind::Hardlink(target) => Named::Hardlink(target),
            MemberKind::Other => continue,
        };
        names.add(member.name, what)?;
    }
    members.drain()?;
    Ok(names)
}

fn take<R: Read>(members: &mut Members<R>, size: u64, room: &mut u64, layers: &mut Layers<'_>) -> Result<Arrived> {
    let mut first = Vec::new();
    members.take(SNIFF).read_to_end(&mut first)?;
    if compress::is_tar_archive(&first) {
        return unpack(first, members, layers);
    }
    if size > MAX_CONFIG {
        return Ok(refused("it is neither a layer nor small enough for JSON"));
    }
    // Small, though perhaps no JSON: an empty layer does not look like a tar either.
    if size > *room {
        return Ok(refused("the archive has too many small files before it"));
    }
    *room -= size;
    members.read_to_end(&mut first)?;
    Ok(Arrived::Small(first))
}

fn unpack<R: Read>(first: Vec<u8>, members: &mut Members<R>, layers: &mut Layers<'_>) -> Result<Arrived> {
    let mut passing = HashingReader::new(Cursor::new(first).chain(&mut *members));
    match layers.unpack(&mut passing, None) {
        Ok((diff_id, _)) => {
            let (_, digest, size) = passing.finish();
            Ok(Arrived::Layer { digest, size, diff_id })
        }
        Err(error) if is_of_this_machine(&error) => Err(error),
        Err(error) => {
            // If the stream itself broke off, it does so again here.
            io::copy(members, &mut io::sink()).context("cannot read the archive")?;
            let hint = hint_of(&error).map(str::to_owned);
            Ok(Arrived::Refused(Refusal { message: format!("{error:#}"), hint }))
        }
    }
}

/// Whether unpacking failed for a reason that lies here and not in what was unpacked: going on would be of no use.
fn is_of_this_machine(error: &anyhow::Error) -> bool {
    let ours = [Errno::NOSPC, Errno::DQUOT, Errno::IO, Errno::ROFS, Errno::NOMEM, Errno::MFILE, Errno::NFILE];
    error.chain().any(|cause| {
        let raw = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        let errno = cause.downcast_ref::<Errno>().copied();
        raw.is_some_and(|raw| ours.iter().any(|e| e.raw_os_error() == raw)) || errno.is_some_and(|e| ours.contains(&e))
    })
}
