//! Cache mounts: which folder of the store a step gets, whom it waits for, and what a new one begins with.
//!
//! A cache is known by its name, by where its first contents come from, and by owner and mode, since a new one has those.
//! A step that needs several takes all or none, so that no two steps ever wait for each other.

use super::Wanted;
use crate::build::copy::{self as files, Request, Source};
use crate::build::execute::{Executor, StageLayer};
use crate::build::instruction::mount::{Access, Kind, Origin, Sharing};
use crate::build::wait::Wait;
use crate::error::{Kind as Fault, Result, fail};
use crate::run::time;
use crate::store::mounts::{CacheMount, CacheMountRecord, cache_mount_id};
use crate::sys::lock::Mode;
use crate::sys::path::Root;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How many builds at most may each have a private copy of one cache.
const MOST_PRIVATE: usize = 1000;

/// A cache that a step asks for.
struct Asked<'a> {
    id: String,
    name: String,
    sharing: Sharing,
    access: Access,
    origin: &'a Origin,
    layers: Option<&'a [StageLayer]>,
}

/// Takes every cache of a step, made if it is new, by the ids that [`id`] gives; or none, and says which one is in use.
pub(in crate::build) fn take(
    all: &[Wanted],
    executor: &mut Executor<'_>,
) -> Result<Result<BTreeMap<String, CacheMount>, Wait>> {
    if all.iter().any(|w| matches!(w.kind, Kind::Cache { .. }) && w.layers.is_some()) {
        // The first contents are known by their digests.
        executor.collect(true)?;
    }
    let mut asked = all.iter().filter_map(|w| ask(w, executor)).collect::<Vec<_>>();
    // The strictest first where one step mounts a cache twice.
    asked.sort_by_key(|a| (a.id.clone(), a.sharing != Sharing::Locked));
    let mut taken = BTreeMap::new();
    for one in asked {
        if taken.contains_key(&one.id) {
            continue;
        }
        let mode = if one.sharing == Sharing::Locked { Mode::Exclusive } else { Mode::Shared };
        let mount = match one.sharing {
            Sharing::Private => Some(private(&one, executor)?),
            Sharing::Shared | Sharing::Locked => executor.store().try_cache_mount(&one.id, mode)?,
        };
        let Some(mount) = mount else { return Ok(Err(Wait::Cache { id: one.id, name: one.name, mode })) };
        if !mount.exists() {
            fill(&one, &mount, executor).with_context(|| format!("making the cache mount {}", one.name))?;
        }
        taken.insert(one.id, mount);
    }
    Ok(Ok(taken))
}

/// The id of a cache mount; nothing for another mount.
pub(in crate::build) fn id(wanted: &Wanted, executor: &Executor<'_>) -> Option<String> {
    ask(wanted, executor).map(|asked| asked.id)
}

fn ask<'a>(wanted: &'a Wanted, executor: &Executor<'_>) -> Option<Asked<'a>> {
    let Kind::Cache { id, origin, sharing, access, .. } = &wanted.kind else { return None };
    let name = id.clone().unwrap_or_else(|| wanted.shown());
    let layers = wanted.layers.as_deref();
    let base = layers.map(|layers| executor.chain("", layers).unwrap_or_default());
    // Without contents to begin with, source= is a folder in the cache.
    let source = if base.is_some() { origin.source.as_str() } else { "" };
    let owner = format!("{}:{} {:o}", access.uid, access.gid, access.mode);
    let id = cache_mount_id(&[&name, base.as_deref().unwrap_or_default(), source, &owner]);
    Some(Asked { id, name, sharing: *sharing, access: *access, origin, layers })
}

fn private(one: &Asked<'_>, executor: &Executor<'_>) -> Result<CacheMount> {
    for number in 0..MOST_PRIVATE {
        let id = if number == 0 { one.id.clone() } else { format!("{}-{number}", one.id) };
        if let Some(mount) = executor.store().try_cache_mount(&id, Mode::Exclusive)? {
            return Ok(mount);
        }
    }
    Err(fail(Fault::System, format!("the cache mount {} is in use by {MOST_PRIVATE} builds", one.name)))
}

/// Makes a new cache: beside its place, so that a half-filled one is never seen.
fn fill(one: &Asked<'_>, mount: &CacheMount, executor: &mut Executor<'_>) -> Result<()> {
    let made = executor.scratch("cache")?;
    let data = made.join("data");
    fs::create_dir(&data)?;
    if let Some(layers) = one.layers {
        let (root, dest) = (executor.readable(layers)?, Root::open(&data)?);
        let source = if one.origin.source.is_empty() { "/".to_owned() } else { one.origin.source.clone() };
        let sources = [source];
        let request = Request { sources: &sources, dest: "/", workdir: "/", mount: true, ..Request::default() };
        let from = Source::Tree(&root);
        let selected = files::select(&from, &request)?;
        files::execute(&from, &selected, &request, &dest)?;
    }
    std::os::unix::fs::chown(&data, Some(one.access.uid), Some(one.access.gid)).context("giving it its owner")?;
    fs::set_permissions(&data, fs::Permissions::from_mode(one.access.mode))?;
    mount.publish(&made, &CacheMountRecord { name: one.name.clone(), created: time::now() })
}

/// The folder of a cache that a step sees: all of it, or the one in it that `source=` names.
pub(in crate::build) fn folder(wanted: &Wanted, mount: &CacheMount) -> Result<Root> {
    let data = mount.data();
    let root = Root::open(&data).with_context(|| format!("opening {}", data.display()))?;
    match &wanted.kind {
        Kind::Cache { origin, .. } if wanted.layers.is_none() && !origin.source.is_empty() => {
            // Confined to the cache, and only now that it is locked: a step of another build may have put links there.
            let inner = root.create_dirs(Path::new(&origin.source), 0o755, None);
            Ok(Root::from_fd(inner.with_context(|| format!("opening {} in the cache", origin.source))?))
        }
        _ => Ok(root),
    }
}
