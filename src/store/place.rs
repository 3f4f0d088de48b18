//! The folder that a store lies in: that it is the caller's own and closed to others, at every opening, and that its
//! file system can do what a store needs, once, before one is made there.
//!
//! Not here: whether overlay can be mounted on it, which takes a user namespace, and damage (`check`).

use crate::error::{Kind, Result, fail_with, hint_of};
use crate::progress;
use crate::sys::lock::{self, Mode};
use crate::sys::xattr;
use anyhow::Context;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// Who may do what with the folder: programs in layers may be set-user-ID, and files in them anybody's.
const MODE: u32 = 0o700;

/// Sees to it that `root` is a folder of the caller's that others cannot enter, making it if needed.
pub(super) fn settle(root: &Path) -> Result<()> {
    let meta = match fs::metadata(root) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let made = fs::DirBuilder::new().recursive(true).mode(MODE).create(root);
            made.and_then(|()| fs::metadata(root)).map_err(|e| unusable(root, e.into()))?
        }
        other => other.map_err(|e| unusable(root, e.into()))?,
    };
    let shown = root.display();
    if !meta.is_dir() {
        let remedy = "Move it away, or name a folder of yours with DHOW_ROOT.";
        return Err(fail_with(Kind::System, format!("the store {shown} is no folder"), remedy));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(fail_with(
            Kind::System,
            format!("the store {shown} belongs to user {}", meta.uid()),
            "Name a folder of yours with DHOW_ROOT, or run dhow as that user.",
        ));
    }
    let mode = meta.mode() & 0o7777;
    if mode == MODE {
        return Ok(());
    }
    fs::set_permissions(root, fs::Permissions::from_mode(MODE)).map_err(|e| {
        fail_with(
            Kind::System,
            format!("the store {shown} is open to others (its mode is {mode:04o}) and cannot be closed: {e}"),
            format!("Run `chmod 700 {shown}`, or name a folder of yours with DHOW_ROOT."),
        )
    })?;
    if mode & 0o077 != 0 && root.join("version").exists() {
        progress::notice(&format!("the store {shown} was open to others (mode {mode:04o}); now it is closed to them"));
    }
    Ok(())
}

/// The failure that a store cannot be made at `root`, with a remedy unless the error has its own.
pub(super) fn unusable(root: &Path, error: anyhow::Error) -> anyhow::Error {
    if hint_of(&error).is_some() {
        return error;
    }
    fail_with(
        Kind::System,
        format!("the store {} cannot be used: {error:#}", root.display()),
        "Make the folder writable for you, or name another one on a local disk with DHOW_ROOT.",
    )
}

/// Something that a store needs of its file system.
struct Probe {
    /// What is missing where it fails.
    missing: &'static str,
    run: fn(&Path) -> io::Result<()>,
}

const PROBES: [Probe; 3] = [
    Probe { missing: "user attributes (user.*), which layers need", run: attributes },
    Probe { missing: "locks of open files, which tell what lives", run: locks },
    Probe { missing: "renames onto existing files, by which records change", run: renames },
];

/// Tries what a store needs in a folder of its own below `root`. The caller is alone there.
pub(super) fn probe(root: &Path) -> Result<()> {
    probe_all(root, &PROBES)
}

fn probe_all(root: &Path, probes: &[Probe]) -> Result<()> {
    let dir = root.join(".probe");
    let clear = || match fs::remove_dir_all(&dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).with_context(|| format!("removing {}", dir.display())),
        _ => Ok(()),
    };
    clear()?; // of one that was killed
    fs::DirBuilder::new().mode(MODE).create(&dir).with_context(|| format!("making {}", dir.display()))?;
    let failed = probes.iter().find_map(|probe| Some((probe.missing, (probe.run)(&dir).err()?)));
    clear()?;
    let Some((missing, error)) = failed else { return Ok(()) };
    // A full or failing disk is no lack of the file system's.
    if !matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied
    ) {
        return Err(error).with_context(|| format!("trying its file system for {missing}"));
    }
    Err(fail_with(
        Kind::System,
        format!("the store {} cannot be used: its file system lacks {missing} ({error})", root.display()),
        "Name a folder on a local disk (ext4, xfs, btrfs) with DHOW_ROOT.",
    ))
}

fn attributes(dir: &Path) -> io::Result<()> {
    let file = File::create(dir.join("file"))?;
    xattr::set(file.as_fd(), b"user.overlay.opaque", b"y")?;
    match xattr::get(file.as_fd(), b"user.overlay.opaque")? {
        Some(value) if value == b"y" => Ok(()),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn locks(dir: &Path) -> io::Result<()> {
    let open = || File::options().read(true).write(true).create(true).truncate(false).open(dir.join("lock"));
    let (held, other) = (open()?, open()?);
    if lock::try_lock(&held, Mode::Exclusive)? && lock::is_held(&other)? && !lock::try_lock(&other, Mode::Shared)? {
        return Ok(());
    }
    Err(io::ErrorKind::Unsupported.into())
}

fn renames(dir: &Path) -> io::Result<()> {
    let (one, two) = (dir.join("one"), dir.join("two"));
    fs::write(&one, "1")?;
    fs::write(&two, "2")?;
    fs::rename(&one, &two)?;
    if fs::read(&two)? == b"1" && !one.exists() { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::hint_of;
    use crate::store::Store;

    fn failing(run: fn(&Path) -> io::Result<()>) -> Probe {
        Probe { missing: "something", run }
    }

    #[test]
    fn what_a_file_system_lacks_is_said_before_anything_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let error = probe_all(dir.path(), &[failing(|_| Err(rustix::io::Errno::OPNOTSUPP.into()))]).unwrap_err();
        assert!(error.to_string().contains("its file system lacks something"), "{error}");
        assert!(hint_of(&error).unwrap().contains("ext4"));
        let error = probe_all(dir.path(), &[failing(|_| Err(rustix::io::Errno::NOSPC.into()))]).unwrap_err();
        assert!(
            hint_of(&error).is_none() && format!("{error:#}").contains("something"),
            "a full disk is another matter"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing stays");
    }

    #[test]
    fn what_a_killed_probe_left_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".probe")).unwrap();
        fs::write(dir.path().join(".probe/one"), "").unwrap();
        probe(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_store_is_closed_to_others_at_every_opening() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        for mode in [0o755, 0o2770, 0o500] {
            drop(Store::at(&root).unwrap());
            fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
            Store::at(&root).unwrap();
            assert_eq!(fs::metadata(&root).unwrap().mode() & 0o7777, 0o700);
        }
    }

    #[test]
    fn a_file_or_somebody_elses_folder_is_no_place_for_a_store() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = Store::at(&dir.path().join("file")).unwrap_err();
        assert!(error.to_string().contains("is no folder"), "{error}");
        // The caller of the tests is not root, who owns this one.
        if !rustix::process::geteuid().is_root() {
            let error = Store::at(Path::new("/")).unwrap_err();
            assert!(error.to_string().contains("belongs to user 0"), "{error}");
            assert!(hint_of(&error).is_some());
        }
    }
}
