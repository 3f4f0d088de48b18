//! Paths that cannot leave a directory tree.
//!
//! A [`Root`] is a descriptor of a directory; every path given to it is resolved by the kernel as if that directory were
//! `/` (`openat2` with `RESOLVE_IN_ROOT`), so neither `..` nor a symbolic link, not even one planted while we look, leads
//! out of it. This module deliberately works on descriptors alone: it never uses `/proc/self`, which a process that is
//! not dumpable cannot read, and it knows nothing of layers or images.

use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, Stat, Uid};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// How often a lookup is repeated when the kernel says that a rename elsewhere disturbed it.
const LOOKUP_RETRIES: usize = 256;
/// The kernel's own limit of symbolic links in one lookup (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// A directory tree which no operation leaves: every path is resolved inside it, as if it were `/`.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without any path.
    pub name: OsString,
    /// What it is, asked of the inode where the directory does not tell.
    pub kind: FileType,
}

impl Root {
    /// Opens the directory `path` (links are followed on the way there) as a tree of its own.
    pub fn open(path: &Path) -> io::Result<Root> {
        Ok(Root { fd: fs::open(path, dir_flags(), Mode::empty())? })
    }

    /// Takes a descriptor that the caller opened; it must be of a directory.
    pub fn from_fd(fd: OwnedFd) -> Root {
        Root { fd }
    }

    /// The descriptor of the top directory.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// A second handle of the same directory.
    pub fn try_clone(&self) -> io::Result<Root> {
        Ok(Root { fd: self.fd.try_clone()? })
    }

    /// Opens `path` inside the tree; always close-on-exec. `mode` counts only where a file is created.
    pub fn open_at(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let makes = flags.contains(OFlags::CREATE) || flags.contains(OFlags::TMPFILE);
        let mode = if makes { mode } else { Mode::empty() };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..LOOKUP_RETRIES {
            match fs::openat2(&self.fd, path, flags | OFlags::CLOEXEC, mode, resolve) {
                // The kernel cannot prove that a `..` stayed inside while something was renamed: it asks to try again.
                Err(Errno::AGAIN | Errno::INTR) => continue,
                other => return Ok(other?),
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Metadata of what `path` leads to, links followed inside the tree.
    pub fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(fs::fstat(self.open_at(path, OFlags::PATH, Mode::empty())?)?)
    }

    /// Metadata of `path` itself, even if it is a symbolic link.
    pub fn lstat(&self, path: &Path) -> io::Result<Stat> {
        Ok(fs::fstat(self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?)?)
    }

    /// The target of the symbolic link `path`; `EINVAL` if it is none.
    pub fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let link = self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?;
        match fs::readlinkat(&link, c"", Vec::new()) {
            Ok(target) => Ok(PathBuf::from(OsString::from_vec(target.into_bytes()))),
            // An empty path asks the descriptor itself, and what is no link has no such path.
            Err(Errno::NOENT) => Err(Errno::INVAL.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes of a regular file of at most `max` bytes. Anything else is refused and never waited for.
    pub fn read_small(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.open_at(path, flags, Mode::empty())?);
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut bytes = Vec::with_capacity(meta.len().min(max) as usize);
        file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {max} bytes")));
        }
        Ok(bytes)
    }

    /// The directory that holds the last name of `path`, and that name. Links on the way are followed inside the tree,
    /// the last name is not looked at. `EINVAL` where `path` ends in `/`, `..` or nothing.
    pub fn resolve_parent(&self, path: &Path) -> io::Result<(OwnedFd, OsString)> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let parent = path.parent().unwrap_or(Path::new("."));
        Ok((self.open_at(parent, dir_flags(), Mode::empty())?, name.to_owned()))
    }

    /// Makes the directory `path` and those above it where they are missing, and opens it. Links are followed inside the
    /// tree; a link to nowhere has its target made. `mode` and `owner` (uid, gid) are given to the new ones only.
    pub fn create_dirs(&self, path: &Path, mode: u32, owner: Option<(u32, u32)>) -> io::Result<OwnedFd> {
        match self.open_at(path, dir_flags(), Mode::empty()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.walk_creating(path, mode, owner),
            other => other,
        }
    }

    /// The slow way of [`Root::create_dirs`]: name by name, with our own list of names still to go.
    fn walk_creating(&self, path: &Path, mode: u32, owner: Option<(u32, u32)>) -> io::Result<OwnedFd> {
        let mut todo = VecDeque::new();
        push_front(&mut todo, path);
        let mut done = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            if name == ".." {
                done.pop();
                continue;
            }
            done.push(&name);
            match self.read_link(&done) {
                Ok(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    done.pop();
                    if target.is_absolute() {
                        done = PathBuf::from("/");
                    }
                    push_front(&mut todo, &target);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_dir(&done, mode, owner)?,
                // Not a link: opening the whole at the end tells whether it is a directory.
                Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {}
                Err(error) => return Err(error),
            }
        }
        self.open_at(&done, dir_flags(), Mode::empty())
    }

    /// Makes one directory whose parent exists. Losing a race for it is no error.
    fn make_dir(&self, path: &Path, mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
        let (parent, name) = self.resolve_parent(path)?;
        match fs::mkdirat(&parent, &name, Mode::from_raw_mode(mode & 0o700)) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let dir = open_dir_at(parent.as_fd(), &name)?;
        if let Some((uid, gid)) = owner {
            fs::fchown(&dir, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        // After the owner: a change of owner may clear bits, and the umask had its say in mkdir.
        Ok(fs::fchmod(&dir, Mode::from_raw_mode(mode & 0o7777))?)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn dir_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// Opens the directory `name` of `parent` for reading; a symbolic link is an error (`ENOTDIR`).
pub fn open_dir_at(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    Ok(fs::openat(parent, name, dir_flags() | OFlags::NOFOLLOW, Mode::empty())?)
}

fn push_front(todo: &mut VecDeque<OsString>, path: &Path) {
    for part in path.components().rev() {
        match part {
            Component::Normal(name) => todo.push_front(name.to_owned()),
            Component::ParentDir => todo.push_front("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

/// The names in a directory, sorted by their bytes, without `.` and `..`.
///
/// The descriptor may be a bare `O_PATH` one, and its reading position is left alone.
pub fn list(fd: BorrowedFd<'_>) -> io::Result<Vec<DirEntry>> {
    let dir = fs::openat(fd, c".", dir_flags(), Mode::empty())?;
    let mut entries = entries(dir.as_fd())?;
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn entries(dir: BorrowedFd<'_>) -> io::Result<Vec<DirEntry>> {
    let mut found = Vec::new();
    let mut buffer = [MaybeUninit::<u8>::uninit(); 16 * 1024];
    let mut raw = RawDir::new(dir, &mut buffer);
    while let Some(entry) = raw.next() {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => FileType::from_raw_mode(fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode),
            known => known,
        };
        found.push(DirEntry { name: OsStr::from_bytes(name.to_bytes()).to_owned(), kind });
    }
    Ok(found)
}

/// One directory on the way down of [`remove_tree`].
struct Level {
    /// Its name in the directory above.
    name: OsString,
    /// Which inode it is, to know it again on the way up.
    id: (u64, u64),
    /// Its directories that still stand.
    dirs: Vec<OsString>,
}

/// Removes `name` from `parent`, with all below it if it is a directory; a name that is not there is no error.
///
/// Works by descriptors, one open at a time, so neither depth nor a path's length matters; links are never followed; a
/// directory that refuses (mode 000) is given its owner's rights first. Several processes may remove one tree at once.
pub fn remove_tree(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // Linux says EISDIR for a directory; POSIX allows EPERM.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let mut here = open_stubborn(parent, name)?;
    let mut stack = vec![enter(here.as_fd(), name)?];
    loop {
        let level = stack.last_mut().expect("the stack is left when its last level is");
        if let Some(child) = level.dirs.pop() {
            here = match open_stubborn(here.as_fd(), &child) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            let next = enter(here.as_fd(), &child)?;
            stack.push(next);
            continue;
        }
        let gone = stack.pop().expect("just looked at");
        let Some(above) = stack.last() else {
            return remove_empty(parent, &gone.name);
        };
        here = fs::openat(&here, c"..", dir_flags(), Mode::empty())?;
        // Someone who moves a directory while we are in it must not lead us elsewhere.
        if identity(here.as_fd())? != above.id {
            return Err(io::Error::other("the tree was moved while it was being removed"));
        }
        remove_empty(here.as_fd(), &gone.name)?;
    }
}

fn remove_empty(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Empties a directory of everything but its directories, which it returns.
fn enter(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Level> {
    let id = identity(dir)?;
    let found = match entries(dir) {
        // Readable but not searchable: the kind of an entry could not be asked.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::fchmod(dir, Mode::RWXU)?;
            fs::seek(dir, SeekFrom::Start(0))?;
            entries(dir)?
        }
        // Another remover was faster: a directory that is gone cannot be listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    let mut dirs = Vec::new();
    for entry in found {
        if entry.kind == FileType::Directory {
            dirs.push(entry.name);
            continue;
        }
        match fs::unlinkat(dir, &entry.name, AtFlags::empty()) {
            Err(Errno::ACCESS) => {
                fs::fchmod(dir, Mode::RWXU)?;
                match fs::unlinkat(dir, &entry.name, AtFlags::empty()) {
                    Err(Errno::NOENT) => {}
                    other => other?,
                }
            }
            Err(Errno::NOENT) => {}
            other => other?,
        }
    }
    if !dirs.is_empty() {
        // Removing them later needs write permission here; asking now is one cheap call.
        if fs::accessat(dir, c".", fs::Access::WRITE_OK | fs::Access::EXEC_OK, AtFlags::empty()).is_err() {
            fs::fchmod(dir, Mode::RWXU)?;
        }
    }
    Ok(Level { name: name.to_owned(), id, dirs })
}

fn identity(fd: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    let stat = fs::fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Opens a directory, giving its owner back the rights to do so if they were taken away.
fn open_stubborn(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    match open_dir_at(parent, name) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            chmod_no_follow(parent, name, 0o700)?;
            open_dir_at(parent, name)
        }
        other => other,
    }
}

/// Changes the mode of `name`, which must not be a symbolic link.
pub fn chmod_no_follow(parent: BorrowedFd<'_>, name: &OsStr, mode: u32) -> io::Result<()> {
    /// The number is the same on every architecture (Linux 6.6).
    const FCHMODAT2: libc::c_long = 452;
    let path = std::ffi::CString::new(name.as_bytes())?;
    // SAFETY: `path` is a NUL-terminated string that outlives the call, and the kernel only reads it; the descriptor is
    // borrowed, hence open; the call writes to none of our memory.
    let result =
        unsafe { libc::syscall(FCHMODAT2, parent.as_raw_fd(), path.as_ptr(), mode, libc::AT_SYMLINK_NOFOLLOW) };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if !matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) {
        return Err(error);
    }
    // An older kernel (or a filter that does not know the call) has only the form that follows links.
    let stat = fs::statat(parent, &path, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        return Err(Errno::LOOP.into());
    }
    Ok(fs::chmodat(parent, &path, Mode::from_raw_mode(mode), AtFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn tree() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn links_and_dots_stay_inside() {
        let (dir, root) = tree();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/passwd"), "inside").unwrap();
        symlink("/etc", dir.path().join("abs")).unwrap();
        symlink("../../../../etc", dir.path().join("rel")).unwrap();
        for path in ["abs/passwd", "rel/passwd", "../../etc/passwd", "/etc/passwd"] {
            assert_eq!(root.read_small(Path::new(path), 100).unwrap(), b"inside", "{path}");
        }
        assert_eq!(root.read_link(Path::new("abs")).unwrap(), Path::new("/etc"));
        assert!(root.read_link(Path::new("etc")).is_err());
    }

    #[test]
    fn small_means_small_and_regular() {
        let (dir, root) = tree();
        std::fs::write(dir.path().join("f"), "12345").unwrap();
        assert!(root.read_small(Path::new("f"), 4).is_err());
        assert_eq!(root.read_small(Path::new("f"), 5).unwrap(), b"12345");
        fs::mkfifoat(root.as_fd(), "pipe", Mode::RWXU).unwrap();
        assert!(root.read_small(Path::new("pipe"), 5).is_err());
        assert!(root.read_small(Path::new("/"), 5).is_err());
    }

    #[test]
    fn directories_are_made_through_links() {
        let (dir, root) = tree();
        symlink("/run/deep", dir.path().join("link")).unwrap();
        root.create_dirs(Path::new("/link/a/b"), 0o755, None).unwrap();
        assert!(dir.path().join("run/deep/a/b").is_dir());
        assert_eq!(dir.path().join("run").metadata().unwrap().permissions().mode() & 0o7777, 0o755);
        symlink("loop", dir.path().join("loop")).unwrap();
        assert!(root.create_dirs(Path::new("loop/x"), 0o755, None).is_err());
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(root.create_dirs(Path::new("file/x"), 0o755, None).is_err());
    }

    #[test]
    fn last_name_is_not_followed() {
        let (dir, root) = tree();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        symlink("d", dir.path().join("l")).unwrap();
        let (parent, name) = root.resolve_parent(Path::new("/l/x")).unwrap();
        assert_eq!(name, "x");
        let d = root.stat(Path::new("d")).unwrap();
        assert_eq!(identity(parent.as_fd()).unwrap(), (d.st_dev, d.st_ino));
        assert!(root.resolve_parent(Path::new("/")).is_err());
        assert!(root.resolve_parent(Path::new("a/..")).is_err());
    }

    #[test]
    fn removes_deep_closed_and_linked_trees() {
        let (dir, root) = tree();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("keep"), "").unwrap();
        let mut fd = root.create_dirs(Path::new("top"), 0o755, None).unwrap();
        symlink(outside.path(), dir.path().join("top/out")).unwrap();
        std::fs::create_dir(dir.path().join("top/closed")).unwrap();
        std::fs::write(dir.path().join("top/closed/f"), "").unwrap();
        std::fs::set_permissions(dir.path().join("top/closed"), PermissionsExt::from_mode(0o000)).unwrap();
        for _ in 0..3000 {
            fs::mkdirat(&fd, "d", Mode::RWXU).unwrap();
            fd = open_dir_at(fd.as_fd(), OsStr::new("d")).unwrap();
        }
        remove_tree(root.as_fd(), OsStr::new("top")).unwrap();
        assert!(list(root.as_fd()).unwrap().is_empty());
        assert!(outside.path().join("keep").exists());
        remove_tree(root.as_fd(), OsStr::new("top")).unwrap();
    }

    #[test]
    fn lists_by_bytes() {
        let (dir, root) = tree();
        for name in ["b", "a", "B", "a.b"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<_> = list(root.as_fd()).unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["B", "a", "a.b", "b"]);
    }
}
