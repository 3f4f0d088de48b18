//! What a process may do: ids, groups, capabilities, dumpability, keyring. Raw calls for the one thread there is; glibc's
//! wrappers would signal other threads and allocate.

use std::io;

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn prctl(option: libc::c_int, a: libc::c_ulong, b: libc::c_ulong) -> io::Result<libc::c_int> {
    // SAFETY: all options used here take plain integers and touch no memory of ours.
    let result = unsafe { libc::prctl(option, a, b, 0 as libc::c_ulong, 0 as libc::c_ulong) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Hides this process's memory and `/proc` entries from everyone without CAP_SYS_PTRACE over the namespace in which it
/// was executed (prctl(2), PR_SET_DUMPABLE).
pub fn set_dumpable(dumpable: bool) -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, dumpable as libc::c_ulong, 0).map(drop)
}

/// The kernel sends SIGKILL when the parent ends. Cleared by every change of ids: set it after them.
pub fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0).map(drop)
}

/// No later exec gains privileges.
pub fn no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)
}

/// Names this process for `ps` (15 bytes).
pub fn set_name(name: &std::ffi::CStr) {
    // SAFETY: PR_SET_NAME reads a C string of at most 16 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// A new anonymous session keyring, so that a container never holds its caller's keys. Kernels without keyrings say so
/// with ENOSYS, which is fine.
pub fn new_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name asks for an anonymous keyring; no memory is touched.
    let done = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0usize) };
    match check(done) {
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EDQUOT)) => Ok(()),
        other => other,
    }
}

/// Sets exactly these supplementary groups.
pub fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the pointer and the length describe a live array of gid_t (u32 on Linux).
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })
}

/// Sets the real, effective and saved group id.
pub fn set_gid(gid: u32) -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })
}

/// Sets the real, effective and saved user id. Leaving 0 drops the permitted and effective capabilities.
pub fn set_uid(uid: u32) -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
}

/// The last capability that this kernel might know; numbers above are refused with EINVAL, which ends the walk.
const MAX_CAPABILITY: u32 = 63;

/// Drops every capability that is not in `keep` (a bit set by capability number) from the bounding set.
pub fn limit_bounding_set(keep: u64) -> io::Result<()> {
    for number in 0..=MAX_CAPABILITY {
        if keep & (1 << number) != 0 {
            continue;
        }
        match prctl(libc::PR_CAPBSET_DROP, number as libc::c_ulong, 0) {
            Ok(_) => {}
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => break,
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Sets the capability sets of this thread; inheritable (and with it ambient) is always empty (CVE-2022-24769).
pub fn set_capabilities(effective: u64, permitted: u64) -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = CapHeader { version: VERSION_3, pid: 0 };
    let half = |shift: u32| CapData {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: 0,
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 takes a header and an array of two data structures, which live through the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &header as *const CapHeader, data.as_ptr()) })
}

/// Sets a resource limit, lowered to what this process may set.
pub fn set_limit(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    // SAFETY: zero is a valid rlimit; both structures live through the calls.
    unsafe {
        let mut current: libc::rlimit64 = std::mem::zeroed();
        check(libc::getrlimit64(resource as _, &mut current) as libc::c_long)?;
        let hard = hard.min(current.rlim_max);
        let wanted = libc::rlimit64 { rlim_cur: soft.min(hard), rlim_max: hard };
        check(libc::setrlimit64(resource as _, &wanted) as libc::c_long)
    }
}

/// Sets the host name of this UTS namespace.
pub fn set_hostname(name: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length describe a live slice.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) } as libc::c_long)
}
