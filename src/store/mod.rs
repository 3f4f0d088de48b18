//! The store: layers, images, containers, the step cache and everything half made, as plain files below one folder.
//!
//! ```text
//! version                       format number; locked by whoever is in the store (see `format`)
//! format.lock                   exclusive while the store is made or its format changes
//! lock                          shared while references are added, exclusive while victims lose their records
//! publish.lock                  exclusive while a layer gets its place; taken after the store lock
//! blobs/sha256/<hex>            manifests and configs
//! layers/<id>/fs/               a layer's tree in overlay form, never changed after commit
//! layers/<id>/layer.json        what the layer is (see `layer`)
//! layers/by-diff/<hex>          → id
//! images/<hex>.json             one record an image, by manifest digest
//! images/names/<encoded>        one record a name
//! containers/<id>/              see `container`; containers/by-name/<name> → id
//! cache/steps/<key>.json        build step → layer
//! cache/context/                digests of context files
//! cache/remote/                 files that builds fetched, see `download`
//! cache/lists/                  what lists show, as a copy (see `listing`)
//! cache/mounts/<id>             folders of RUN --mount=type=cache (see `mounts`), and a lock for each
//! staging/<id>/ + lock, lease   anything half made; swept when nobody holds the lock
//! flights/<kind>-<key>          locked by the process that makes a layer or step which others want, too (see `flight`)
//! stub/                         lowest overlay layer: the mount points that a container needs
//! ```
//!
//! Not here: mounts and processes (`run`), the tar format (`layer`), words for people (`cli`).
//! Lock order: the lock of a staging or container folder, a flight, those of cache mounts by their ids, the store
//! lock, the lock of publishing, the lock of
//! names. `lock` takes them all, and asserts it in debug builds.

pub mod archive;
pub mod blob;
pub mod budget;
pub mod cache;
pub mod check;
pub mod compose;
pub mod container;
pub mod download;
pub mod exit;
pub mod export;
pub mod flight;
mod format;
pub mod gc;
pub mod image;
pub mod layer;
mod leftover;
pub mod listing;
pub mod lock;
pub mod log;
pub mod mounts;
mod place;
pub mod record;
pub mod remove;
pub mod staging;
pub mod survey;
mod sweep;
pub mod target;
pub mod volume;

use crate::error::{Kind, Result, fail_with};
use crate::sys::fault;
use crate::sys::lock::Mode;
use anyhow::Context;
use lock::{Held, Rank};
use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folders that a store has from its first command on; those above them are made with them. Mode 0700, the caller's.
const FOLDERS: [&str; 9] = [
    "blobs/sha256",
    "layers/by-diff",
    "images/names",
    "containers/by-name",
    "cache/steps",
    "cache/context",
    "staging",
    "volumes",
    "empty",
];

/// What the lowest layer consists of.
const STUB_FOLDERS: [&str; 5] = ["dev", "etc", "proc", "sys", "run"];
const STUB_FILES: [&str; 4] = ["etc/hosts", "etc/hostname", "etc/resolv.conf", "run/.containerenv"];

/// An opened store. Cheap to make: it holds paths, and opens what a name leads to.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    /// The file `version`, locked: see `format`.
    _inside: Arc<File>,
}

impl Store {
    /// Opens the caller's store (`$DHOW_ROOT`, else `$XDG_DATA_HOME/dhow`, else `~/.local/share/dhow`), making it if needed.
    pub fn open() -> Result<Store> {
        let root = match std::env::var_os("DHOW_ROOT").filter(|v| !v.is_empty()) {
            Some(root) => std::path::absolute(root)?,
            None => dirs::data_dir()
                .ok_or_else(|| {
                    fail_with(
                        Kind::System,
                        "no place for the store: neither DHOW_ROOT nor HOME is set",
                        "Set DHOW_ROOT to a folder of yours on a local disk.",
                    )
                })?
                .join("dhow"),
        };
        Store::at(&root)
    }

    /// Opens the store at `root`, making it if needed. It must be the caller's own, and is closed to others. While the
    /// store or a clone of it lives, in this process or one cloned from it, its format stays (see `format`).
    pub fn at(root: &Path) -> Result<Store> {
        place::settle(root)?;
        let entered = match format::enter(root) {
            Ok(None) => create(root).and_then(|()| format::enter(root)),
            other => other,
        };
        let inside = entered.and_then(|inside| inside.context("its file `version` is gone again"));
        let inside = inside.map_err(|e| place::unusable(root, e))?;
        Ok(Store { root: root.to_path_buf(), _inside: Arc::new(inside) })
    }

    /// Makes the lowest layer anew.
    fn create_stub(&self) -> Result<()> {
        create_stub(&self.root)
    }

    /// Whether the lowest layer holds what it should, and nothing else at its top.
    fn stub_is_whole(&self) -> bool {
        let stub = self.root.join("stub");
        let is = |name: &str, mode: u32, size: Option<u64>| {
            fs::symlink_metadata(stub.join(name)).is_ok_and(|meta| {
                let kind = if size.is_some() { meta.is_file() } else { meta.is_dir() };
                kind && meta.mode() & 0o7777 == mode && size.is_none_or(|size| meta.len() == size)
            })
        };
        let count = fs::read_dir(&stub).map_or(0, Iterator::count);
        STUB_FOLDERS.iter().all(|dir| is(dir, 0o755, None))
            && STUB_FILES.iter().all(|file| is(file, 0o644, Some(0)))
            && is("", 0o755, None)
            && count == STUB_FOLDERS.len()
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The lowest overlay layer (see `create_stub`).
    pub fn stub(&self) -> PathBuf {
        self.root.join("stub")
    }

    /// A folder that stays empty: the tree of an image without layers.
    pub fn empty(&self) -> PathBuf {
        self.root.join("empty")
    }

    /// Where digests of context files are kept.
    pub fn context_cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Takes the store lock shared: held while references to layers or images are added.
    pub fn lock_shared(&self) -> Result<Held> {
        lock::take(&self.root.join("lock"), Rank::Store, Mode::Shared)
    }

    /// Takes the store lock exclusively: held for the moment in which victims lose their records.
    pub fn lock_exclusive(&self) -> Result<Held> {
        lock::take(&self.root.join("lock"), Rank::Store, Mode::Exclusive)
    }

    /// Writes everything that the store's file system holds to disk (`syncfs`).
    pub fn sync(&self) -> Result<()> {
        let dir = File::open(&self.root)?;
        fault::point("store.sync")?;
        rustix::fs::syncfs(&dir).with_context(|| format!("syncing {}", self.root.display()))
    }
}

/// Makes a store in the folder `root`, `version` last. May be done again over what a killed one left.
fn create(root: &Path) -> Result<()> {
    let _alone = format::lock_alone(root)?;
    if root.join("version").exists() {
        return Ok(()); // another command was faster
    }
    if let Err(error) = place::probe(root) {
        // So that nothing stays where no store can be; the folder only if it was made for it.
        let _ = fs::remove_file(root.join("format.lock"));
        let _ = fs::remove_dir(root);
        return Err(error);
    }
    for dir in FOLDERS {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root.join(dir))?;
    }
    // Made now, so that no removal needs an inode for its lock on a full disk.
    for file in ["lock", "publish.lock", "containers/by-name/.lock"] {
        File::options().append(true).create(true).open(root.join(file))?;
    }
    create_stub(root)?;
    format::write(root, &format::FORMAT.to_string())
}

/// The lowest overlay layer of every container: the mount points that a start needs, so that none of them ever
/// shows up in an upper directory (docs/decisions/0009).
fn create_stub(root: &Path) -> Result<()> {
    let stub = root.join("stub");
    for dir in STUB_FOLDERS {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(stub.join(dir))?;
        fs::set_permissions(stub.join(dir), fs::Permissions::from_mode(0o755))?;
    }
    fs::set_permissions(&stub, fs::Permissions::from_mode(0o755))?;
    for file in STUB_FILES {
        fs::write(stub.join(file), b"")?;
        fs::set_permissions(stub.join(file), fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// `n` random bytes as lower-case hex.
pub fn random_hex(n: usize) -> String {
    let mut bytes = vec![0u8; n];
    let mut filled = 0;
    while filled < n {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())
            .expect("the kernel's random source is always there on Linux 3.17 and newer");
    }
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// This boot of the machine, to tell whether something unsynced may have been lost since, or a process id is of old. In
/// debug builds a test may say that the machine was started again.
pub fn boot_id() -> String {
    #[cfg(debug_assertions)]
    if let Ok(other) = std::env::var("DHOW_TEST_BOOT") {
        return other;
    }
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|s| s.trim().to_string()).unwrap_or_default()
}
