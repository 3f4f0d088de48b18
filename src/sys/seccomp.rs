//! The seccomp filter of a container: which program, and putting it into force.
//!
//! The default program is compiled by `build.rs` from `data/seccomp.json` and lies in the binary; other capability sets
//! and other profiles are compiled here. What a profile means is in `seccomp_rules`, how it becomes BPF in `bpf`.
//! Deliberately not here: when a container runs unfiltered (that is the caller's decision), and user notification.

use super::bpf::SockFilter;
use super::seccomp_rules::{Abi, Profile};
use crate::error::{Kind, Result, fail, fail_with};
use std::borrow::Cow;
use std::io;

#[allow(missing_docs)]
mod generated {
    use super::{Abi, SockFilter};
    include!(concat!(env!("OUT_DIR"), "/seccomp_tables.rs"));
}

/// The default profile, as `dhow info` and tests show it.
pub const DEFAULT_PROFILE: &str = include_str!("../../data/seccomp.json");

/// The kernel takes no longer programs (`BPF_MAXINSNS`).
const MAX_INSTRUCTIONS: usize = 4096;

/// The default profile's program for the default capabilities.
pub fn default_program() -> &'static [SockFilter] {
    &generated::DEFAULT_PROGRAM
}

/// The default profile's program for `caps` (`CAP_…` names): the built-in one where the difference from the default
/// capabilities does not matter to the profile, else one compiled now.
pub fn program_for(caps: &[&str]) -> Result<Cow<'static, [SockFilter]>> {
    let same = |cap: &&str| caps.contains(cap) == generated::HELD_CAPS.contains(cap);
    if generated::MENTIONED_CAPS.iter().all(same) {
        return Ok(Cow::Borrowed(default_program()));
    }
    compile_for(caps).map(Cow::Owned)
}

/// Compiles the default profile for `caps` (`CAP_…` names).
pub fn compile_for(caps: &[&str]) -> Result<Vec<SockFilter>> {
    compile_profile(DEFAULT_PROFILE, caps)
}

/// Compiles a profile in the JSON form of Docker, Podman and the OCI runtime specification for `caps`.
pub fn compile_profile(json: &str, caps: &[&str]) -> Result<Vec<SockFilter>> {
    let profile = Profile::parse(json).map_err(|e| {
        fail_with(
            Kind::User,
            format!("seccomp profile: {e}"),
            "Compare it with the seccomp section of the OCI runtime specification.",
        )
    })?;
    let program = profile.compile(caps, generated::NATIVE);
    if program.len() > MAX_INSTRUCTIONS {
        let count = program.len();
        return Err(fail(
            Kind::User,
            format!("seccomp profile: needs {count} instructions, the kernel takes {MAX_INSTRUCTIONS}"),
        ));
    }
    Ok(program)
}

/// Puts `program` into force for the calling thread and what it starts; it can't be taken back.
///
/// The caller must have CAP_SYS_ADMIN in its user namespace, else no_new_privs must be set: so this comes before
/// capabilities are dropped, and the program must allow what still follows. Neither allocates nor locks, so that it
/// may be called between clone and exec.
pub fn install(program: &[SockFilter]) -> io::Result<()> {
    const { assert!(size_of::<SockFilter>() == size_of::<libc::sock_filter>()) };
    const { assert!(align_of::<SockFilter>() == align_of::<libc::sock_filter>()) };
    let Ok(len) = u16::try_from(program.len()) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    let prog = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: `prog` points at `len` instructions of the kernel's layout (asserted above) that outlive the call; the
    // kernel only reads and copies them. The call has no other effect on this process's memory.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const prog) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
#[path = "seccomp_tests.rs"]
mod tests;
