//! The files of layers against their digests: the tar that a layer gives must be the one that its diff id names, and for
//! one that was loaded, whose tar is mostly kept apart from the tree, all else in the tree must be what the tar says.
//!
//! In one worker with as many threads as there are processors, a layer each.

use super::super::{Store, layer::LayerRef};
use crate::error::Result;
use crate::image::digest::{Digest, Sha256Writer};
use crate::layer::compare;
use crate::layer::extract::{self, Options};
use crate::progress::{Event, Reporter};
use crate::sys::path::Root;
use crate::sys::userns;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Of so many differences a person is told.
const TOLD: usize = 5;

/// What is wrong with a layer's files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Damage {
    /// In words.
    pub problem: String,
    /// The digest that the tree's own tar has, where the layer's record cannot tell what it should be.
    pub actual: Option<String>,
}

/// Damaged layers by id.
pub(super) type Damaged = BTreeMap<String, Damage>;
/// Layers that could not be looked at, with the reason.
pub(super) type Unchecked = Vec<(String, String)>;

#[derive(Serialize, Deserialize)]
enum Verdict {
    Whole,
    Damaged(Damage),
    Unchecked(String),
}

/// Looks at the files of all these layers.
pub(super) fn check(store: &Store, ids: &[String], reporter: &dyn Reporter) -> Result<(Damaged, Unchecked)> {
    if ids.is_empty() {
        return Ok(Default::default());
    }
    let staging = store.staging()?;
    let scratch = staging.path().to_path_buf();
    let verdicts = userns::run(|| {
        let verdicts = in_worker(store, ids, &scratch, reporter);
        userns::remove_trees_here(std::slice::from_ref(&scratch)).and(Ok(verdicts))
    });
    if scratch.exists() && fs::remove_dir_all(&scratch).is_err() {
        let _ = userns::remove_trees(&[scratch]);
    }
    let (mut damaged, mut unchecked) = (Damaged::new(), Unchecked::new());
    for (id, verdict) in ids.iter().zip(verdicts?) {
        // Removed by another command meanwhile.
        if !store.layer_dir(id).exists() {
            continue;
        }
        match verdict {
            Verdict::Whole => {}
            Verdict::Damaged(damage) => drop(damaged.insert(id.clone(), damage)),
            Verdict::Unchecked(why) => unchecked.push((id.clone(), why)),
        }
    }
    Ok((damaged, unchecked))
}

fn in_worker(store: &Store, ids: &[String], scratch: &Path, reporter: &dyn Reporter) -> Vec<Verdict> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(ids.len());
    let sizes = ids.iter().filter_map(|id| store.layer(id).ok().flatten()).map(|record| record.tar_size);
    let total = sizes.fold(0, u64::saturating_add);
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let (next, done) = (&next, &done);
    let (send, receive) = mpsc::channel();
    let mut verdicts: Vec<Verdict> = ids.iter().map(|_| Verdict::Unchecked("not looked at".into())).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let send = send.clone();
            scope.spawn(move || {
                while let Some((at, id)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, ids.get(n)?)))
                {
                    let verdict = layer(store, id, &scratch.join(id), done);
                    if send.send((at, verdict)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        loop {
            match receive.recv_timeout(Duration::from_millis(100)) {
                Ok((at, verdict)) => verdicts[at] = verdict,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            let done = done.load(Ordering::Relaxed).min(total);
            reporter.report(Event::Bytes { what: "checking layers".into(), done, total: Some(total) });
        }
    });
    verdicts
}

fn layer(store: &Store, id: &str, scratch: &Path, done: &AtomicU64) -> Verdict {
    match look(store, id, scratch, done) {
        Ok(None) => Verdict::Whole,
        Ok(Some(damage)) => Verdict::Damaged(damage),
        Err(error) if is_ours(&error) => Verdict::Unchecked(format!("{error:#}")),
        Err(error) => Verdict::Damaged(Damage { problem: format!("{error:#}"), actual: None }),
    }
}

/// Whether it is this process or the machine that lacks something, rather than the layer.
fn is_ours(error: &anyhow::Error) -> bool {
    let number = error.chain().find_map(|cause| {
        let io = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        io.or_else(|| cause.downcast_ref::<rustix::io::Errno>().map(|errno| errno.raw_os_error()))
    });
    const LACKS: [i32; 8] =
        [libc::ENOMEM, libc::EMFILE, libc::ENFILE, libc::EACCES, libc::EPERM, libc::ENOSPC, libc::EDQUOT, libc::EROFS];
    number.is_some_and(|number| LACKS.contains(&number))
}

fn look(store: &Store, id: &str, scratch: &Path, done: &AtomicU64) -> Result<Option<Damage>> {
    let tree = Root::open(&store.layer_tree(id)).context("opening its files")?;
    let Some(record) = store.layer(id).ok().flatten() else {
        // What it is supposed to be only others can tell: an image, or the index.
        let mut actual = Sha256Writer::new(Counted(io::sink(), done));
        store.write_unchecked_tar(id, has_recipe(store, id), &mut actual)?;
        let actual = Some(actual.finish().1.to_string());
        return Ok(Some(Damage { problem: "its record is damaged or gone".into(), actual }));
    };
    Digest::parse(&record.diff_id)?;
    let layer = LayerRef {
        id: id.into(),
        diff_id: record.diff_id,
        tar_size: record.tar_size,
        content_size: record.content_size,
    };
    if !record.recipe {
        store.write_layer_tar(&layer, &mut Counted(io::sink(), done))?;
        return Ok(None);
    }
    let differences = unpack_and_compare(store, &layer, &tree, scratch, done)?;
    if differences.is_empty() {
        return Ok(None);
    }
    Ok(Some(Damage { problem: differences.join("; "), actual: None }))
}

/// Whether the layer's tar is kept beside its tree.
pub(super) fn has_recipe(store: &Store, id: &str) -> bool {
    store.layer_dir(id).join("tar.zst").exists()
}

/// Unpacks the layer's tar anew, all files left empty, and compares the tree with that: so it is the same code that
/// decides what an archive means, and there is no second opinion to be kept in step.
fn unpack_and_compare(
    store: &Store,
    layer: &LayerRef,
    tree: &Root,
    scratch: &Path,
    done: &AtomicU64,
) -> Result<Vec<String>> {
    let fresh = scratch.join("fs");
    fs::create_dir_all(&fresh).with_context(|| format!("making {}", fresh.display()))?;
    let fresh = Root::open(&fresh)?;
    let (read, write) = io::pipe().context("making a pipe")?;
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || store.write_layer_tar(layer, &mut Counted(write, done)));
        let mut read = read;
        let options = Options { hollow: true, ..Options::default() };
        let unpacked = extract::extract(&mut read, &fresh, options);
        // The writer must not meet a closed pipe: what is wrong with the layer is for it to say.
        let _ = io::copy(&mut read, &mut io::sink());
        writer.join().expect("no panic in the writer")?;
        unpacked
    })?;
    compare::differences(&fresh, tree, scratch, TOLD)
}

/// Adds up what passes.
struct Counted<'a, W>(W, &'a AtomicU64);

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.0.write(bytes)?;
        self.1.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
