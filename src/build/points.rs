//! Mount points of a step: where each mount goes in the root file system, and what has to be made there first.
//!
//! What is missing is made in a layer of its own, right below the one that the step writes: the step finds it there, the
//! step's layer never has it, and nothing has to be taken away afterwards by a path that the step could have bent. The
//! folders above it look in that layer as they do in the image, because an overlay shows the topmost.

use super::copy::resolve::{kind, resolve};
use super::index::kept_xattrs;
use crate::error::{Kind, Result, fail};
use crate::sys::path::Root;
use crate::sys::xattr;
use anyhow::Context as _;
use rustix::fs::{FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// A mount point in a tree.
#[derive(Debug, PartialEq, Eq)]
pub struct Point {
    /// Relative to the root, without links.
    pub path: PathBuf,
    /// A folder, else a file.
    pub is_dir: bool,
    /// It is not there yet.
    pub missing: bool,
}

/// The folders that every start makes anew.
const FRESH: [&str; 3] = ["dev", "proc", "sys"];

/// Finds the mount point that each target (absolute; true: a folder) means, links followed inside the tree. What lies in a
/// mount before it, or in a file system that every start makes anew, is made when that is there.
pub fn find(root: &Root, targets: &[(&Path, bool)]) -> Result<Vec<Point>> {
    let mut points: Vec<Point> = Vec::new();
    for (target, is_dir) in targets {
        let relative = target.strip_prefix("/").unwrap_or(target);
        if FRESH.iter().any(|f| relative.starts_with(f)) {
            points.push(Point { path: relative.to_path_buf(), is_dir: *is_dir, missing: false });
            continue;
        }
        let shown = || format!("the mount target {}", target.display());
        let found = resolve(root, target).with_context(shown)?;
        let inside = |above: &Path| found.path != above && found.path.starts_with(above);
        let later = FRESH.iter().any(|f| found.path.starts_with(f)) || points.iter().any(|p| inside(&p.path));
        if found.path.as_os_str().is_empty() {
            return Err(fail(Kind::User, format!("{} is the root folder", shown())));
        }
        if found.found.is_some() && !later && found.is_dir() != *is_dir {
            let words = if *is_dir { ["a file", "a folder"] } else { ["a folder", "a file"] };
            let message = format!("{} is {} in the image, and {} is to be mounted there", shown(), words[0], words[1]);
            return Err(fail(Kind::User, message));
        }
        points.push(Point { missing: found.found.is_none() && !later, path: found.path, is_dir: *is_dir });
    }
    Ok(points)
}

/// Makes the missing ones in the folder `layer`, with the folders above them as `root` has them.
pub fn make(points: &[Point], root: &Root, layer: &Path) -> Result<()> {
    let made = Root::open(layer).with_context(|| format!("opening {}", layer.display()))?;
    let mut above: BTreeMap<PathBuf, Stat> = BTreeMap::new();
    for point in points.iter().filter(|p| p.missing) {
        make_one(point, root, &made, &mut above)
            .with_context(|| format!("making the mount target /{}", point.path.display()))?;
    }
    // From below upwards: a folder's time changes with what is made in it.
    for (path, stat) in above.iter().rev() {
        resemble(root, &made, path, stat).with_context(|| format!("making the folder /{}", path.display()))?;
    }
    Ok(())
}

fn make_one(point: &Point, root: &Root, made: &Root, above: &mut BTreeMap<PathBuf, Stat>) -> io::Result<()> {
    for folder in point.path.ancestors().skip(1).filter(|f| !f.as_os_str().is_empty()) {
        match root.lstat(folder) {
            Ok(stat) if kind(&stat) == FileType::Directory => drop(above.insert(folder.to_path_buf(), stat)),
            Ok(_) => return Err(rustix::io::Errno::NOTDIR.into()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    if point.is_dir {
        return made.create_dirs(&point.path, 0o755, None).map(drop);
    }
    if let Some(parent) = point.path.parent() {
        made.create_dirs(parent, 0o755, None)?;
    }
    made.open_at(&point.path, OFlags::CREATE | OFlags::WRONLY, Mode::from_raw_mode(0o644)).map(drop)
}

/// Gives a folder of the layer the owner, mode, attributes and times of the one that it stands for.
fn resemble(root: &Root, made: &Root, path: &Path, stat: &Stat) -> io::Result<()> {
    let folder = OFlags::RDONLY | OFlags::DIRECTORY;
    let (from, to) = (root.open_at(path, folder, Mode::empty())?, made.open_at(path, folder, Mode::empty())?);
    for (name, value) in kept_xattrs(&from)? {
        xattr::set(std::os::fd::AsFd::as_fd(&to), &name, &value)?;
    }
    rustix::fs::fchown(&to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    rustix::fs::fchmod(&to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    let times = Timestamps {
        last_access: Timespec { tv_sec: stat.st_atime, tv_nsec: stat.st_atime_nsec as _ },
        last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as _ },
    };
    Ok(rustix::fs::futimens(&to, &times)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn only_what_is_missing_is_made_and_folders_above_look_the_same() {
        let (image, layer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir_all(image.path().join("srv/deep")).unwrap();
        std::fs::set_permissions(image.path().join("srv"), std::fs::Permissions::from_mode(0o710)).unwrap();
        symlink("/srv/deep", image.path().join("link")).unwrap();
        let root = Root::open(image.path()).unwrap();
        let targets = ["/srv", "/link/new/one", "/link/new/one/inner", "/file", "/dev/x"].map(Path::new);
        let points = find(&root, &targets.map(|t| (t, t != Path::new("/file")))).unwrap();
        let missing: Vec<_> = points.iter().filter(|p| p.missing).map(|p| p.path.to_str().unwrap()).collect();
        // Everything below /srv lies in the first mount.
        assert_eq!(missing, ["file"]);
        let points = find(&root, &[(targets[1], true), (targets[3], false)]).unwrap();
        make(&points, &root, layer.path()).unwrap();
        assert!(layer.path().join("srv/deep/new/one").is_dir() && layer.path().join("file").is_file());
        let meta = |dir: &tempfile::TempDir| {
            let meta = dir.path().join("srv").metadata().unwrap();
            (meta.mode(), meta.mtime(), meta.mtime_nsec())
        };
        assert_eq!(meta(&image), meta(&layer));
    }

    #[test]
    fn a_target_of_the_wrong_kind_is_told() {
        let image = tempfile::tempdir().unwrap();
        std::fs::write(image.path().join("f"), "").unwrap();
        let root = Root::open(image.path()).unwrap();
        for (bad, is_dir) in [("/f", true), ("/", true), ("/..", true), ("/f/x", true)] {
            assert!(find(&root, &[(Path::new(bad), is_dir)]).is_err(), "{bad}");
        }
    }
}
