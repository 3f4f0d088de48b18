//! Mounts by descriptor: file systems are made detached, configured, and moved onto a target that was opened before.
//!
//! Nothing here takes a path inside a container's tree: targets are descriptors (see `path`), so a link planted in an
//! image cannot lead a mount elsewhere. The functions that a container's init calls do not allocate.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, move_mount, open_tree, unmount,
};
use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub use rustix::mount::MountAttrFlags as Attr;

/// How many lower folders the kernel puts into one overlay (`OVL_MAX_STACK`), whichever way they are given.
pub const MAX_LOWER: usize = 500;

/// What mount(2) reads of its options, on machines with the smallest pages, in bytes.
const SMALLEST_PAGE: usize = 4096;

/// The layers of an overlay; paths relative to the current folder (the kernel takes at most 255 bytes of each).
#[derive(Debug)]
pub struct Overlay<'a> {
    /// Topmost first.
    pub lower: &'a [CString],
    /// The upper and the work folder; none for a read-only view, which then needs two lower layers at least.
    pub upper: Option<(&'a CStr, &'a CStr)>,
    /// Without syncs: for trees that do not have to outlive a power cut.
    pub volatile: bool,
    /// A folder that an older kernel covers with the mount for a moment: no other process of this mount namespace may
    /// want what is below it. It may be one of the layers.
    pub anchor: &'a CStr,
}

/// Mounts an overlay, detached: layer by layer (`lowerdir+`, Linux 6.8), else by the option string.
pub fn overlay(layers: &Overlay<'_>) -> io::Result<OwnedFd> {
    let fs = fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    // Before Linux 6.5 overlay takes every option unread and complains in the kernel's log once it is to mount. An
    // option that nobody knows shows that beforehand, and a newer kernel refuses it without a word.
    if by_string_wanted() || fsconfig_set_flag(fs.as_fd(), c"dhow-probe").is_ok() {
        return overlay_by_string(layers);
    }
    match overlay_by_layer(fs, layers) {
        // An unknown option is all that Linux 6.5 says. If it was something else, the other way says it again.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => overlay_by_string(layers),
        other => other,
    }
}

/// Whether the way of older kernels is to be taken on a newer one too: for tests, in debug builds only.
fn by_string_wanted() -> bool {
    cfg!(debug_assertions) && std::env::var_os("DHOW_TEST_OVERLAY").is_some_and(|way| way == "string")
}

fn overlay_by_layer(fs: OwnedFd, layers: &Overlay<'_>) -> io::Result<OwnedFd> {
    fsconfig_set_flag(fs.as_fd(), c"userxattr")?;
    for lower in layers.lower {
        fsconfig_set_string(fs.as_fd(), c"lowerdir+", lower.as_c_str())?;
    }
    if let Some((upper, work)) = layers.upper {
        fsconfig_set_string(fs.as_fd(), c"upperdir", upper)?;
        fsconfig_set_string(fs.as_fd(), c"workdir", work)?;
        if layers.volatile {
            fsconfig_set_flag(fs.as_fd(), c"volatile")?;
        }
    }
    fsconfig_create(fs.as_fd())?;
    Ok(fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

/// The way of kernels before `lowerdir+`: one string with all options, which mount(2) cuts at a page without a word.
///
/// Each folder is opened and named by its descriptor's number, as seen from /proc/self/fd: 500 layers then take about
/// two kilobytes, and no path can hold a character that the string gives a meaning to. The mount is made on the anchor
/// for a moment, cloned, and taken away.
fn overlay_by_string(layers: &Overlay<'_>) -> io::Result<OwnedFd> {
    let lower = layers.lower.iter().map(|path| open_folder(path)).collect::<io::Result<Vec<_>>>()?;
    let upper = layers.upper.map(|(upper, work)| Ok::<_, io::Error>((open_folder(upper)?, open_folder(work)?)));
    let upper = upper.transpose()?;
    let numbers: Vec<String> = lower.iter().map(|folder| folder.as_raw_fd().to_string()).collect();
    let mut options = format!("userxattr,lowerdir={}", numbers.join(":"));
    if let Some((upper, work)) = &upper {
        options += &format!(",upperdir={},workdir={}", upper.as_raw_fd(), work.as_raw_fd());
        if layers.volatile {
            options += ",volatile";
        }
    }
    if options.len() >= SMALLEST_PAGE {
        return Err(rustix::io::Errno::TOOBIG.into());
    }
    let options = CString::new(options)?;
    let (here, anchor) = (open_folder(c".")?, open_folder(layers.anchor)?);
    let number = CString::new(anchor.as_raw_fd().to_string())?;
    rustix::process::chdir(c"/proc/self/fd")?;
    let mounted = mount(c"overlay", number.as_c_str(), c"overlay", MountFlags::empty(), Some(options.as_c_str()));
    rustix::process::fchdir(&here)?;
    mounted?;
    // By its path: a descriptor's number leads to the folder below the mount.
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let detached = open_tree(CWD, layers.anchor, clone);
    unmount(layers.anchor, UnmountFlags::DETACH)?;
    Ok(detached?)
}

fn open_folder(path: &CStr) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Makes a file system (`proc`, `tmpfs`, …) with its options, detached. Does not allocate.
pub fn filesystem(kind: &CStr, options: &[(CString, CString)], attr: MountAttrFlags) -> io::Result<OwnedFd> {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        if value.is_empty() {
            fsconfig_set_flag(fs.as_fd(), key.as_c_str())?;
        } else {
            fsconfig_set_string(fs.as_fd(), key.as_c_str(), value.as_c_str())?;
        }
    }
    fsconfig_create(fs.as_fd())?;
    Ok(fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attr)?)
}

/// A detached copy of what is mounted at `path`, which the caller names (a bind mount in the making).
pub fn copy_tree(dir: BorrowedFd<'_>, path: &CStr, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if path.is_empty() {
        flags |= OpenTreeFlags::AT_EMPTY_PATH;
    }
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(open_tree(dir, path, flags)?)
}

/// Like [`copy_tree`] for a path of the host.
pub fn copy_host_tree(path: &CStr, recursive: bool) -> io::Result<OwnedFd> {
    copy_tree(CWD, path, recursive)
}

/// A detached copy of what `path` leads to inside a detached tree, links followed inside it.
///
/// Before Linux 6.15 only what is attached somewhere can be copied, so the tree lies on `anchor` for that moment: a folder
/// below which no other process of this mount namespace may want anything. The tree itself is used up.
pub fn subtree(tree: OwnedFd, anchor: &CStr, path: &CStr) -> io::Result<OwnedFd> {
    attach(tree.as_fd(), open_folder(anchor)?.as_fd())?;
    let copy = target(tree.as_fd(), path, true).and_then(|found| copy_tree(found.as_fd(), c"", true));
    unmount(anchor, UnmountFlags::DETACH)?;
    copy
}

/// `struct mount_attr` (mount_setattr(2)).
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Adds attributes to a mount, with everything below it when asked (Linux 5.12).
pub fn add_attributes(mounted: BorrowedFd<'_>, attr: MountAttrFlags, recursive: bool) -> io::Result<()> {
    set_attributes(mounted, &MountAttr { set: attr.bits() as u64, clear: 0, propagation: 0, userns: 0 }, recursive)
}

/// Adds attributes to a copy of a host's tree, and ends its part in the host's mount events: a file system that the host
/// mounts later does not appear in it.
pub fn make_private(tree: BorrowedFd<'_>, attr: MountAttrFlags, recursive: bool) -> io::Result<()> {
    let what = MountAttr { set: attr.bits() as u64, clear: 0, propagation: libc::MS_PRIVATE, userns: 0 };
    set_attributes(tree, &what, recursive)
}

fn set_attributes(mounted: BorrowedFd<'_>, what: &MountAttr, recursive: bool) -> io::Result<()> {
    let mut flags = libc::AT_EMPTY_PATH;
    if recursive {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: the descriptor is live, the path is an empty C string, and the structure has the layout and the size that
    // the call is told.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mounted.as_raw_fd(),
            c"".as_ptr(),
            flags,
            what as *const MountAttr,
            std::mem::size_of::<MountAttr>(),
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Puts a detached mount onto a target.
pub fn attach(mounted: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mounted, c"", target, c"", flags)?)
}

/// Opens a mount target inside a tree. With `follow`, links are followed inside the tree; else a link is an error.
pub fn target(root: BorrowedFd<'_>, path: &CStr, follow: bool) -> io::Result<OwnedFd> {
    let mut resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    if !follow {
        resolve |= ResolveFlags::NO_SYMLINKS;
    }
    loop {
        match openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Makes the tree at `root` (a mount) this process's root folder and drops the old one.
pub fn enter_root(root: BorrowedFd<'_>) -> io::Result<()> {
    rustix::process::fchdir(root)?;
    // Both folders are the same: the old root ends up on top of the new one, from where it is taken away
    // (pivot_root(2), "pivot_root(".", ".")").
    rustix::process::pivot_root(c".", c".")?;
    unmount(c".", UnmountFlags::DETACH)?;
    rustix::process::chdir(c"/")?;
    Ok(())
}

/// The path as a C string; an error for one with a NUL byte.
pub fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
