//! Compiles the default seccomp profile into the program that the binary carries, and writes the tables of call
//! numbers for profiles that are compiled at run time. The compiler is the crate's own, included by path.

#[path = "src/sys/bpf.rs"]
#[allow(dead_code)]
mod bpf;
#[path = "src/run/profile.rs"]
#[allow(dead_code)]
mod profile;
#[path = "src/sys/seccomp_rules.rs"]
mod seccomp_rules;

use seccomp_rules::{Abi, Profile};
use std::fmt::Write as _;
use std::{env, fs, path::Path};

/// linux/audit.h.
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const AUDIT_ARCH_I386: u32 = 0x4000_0003;
const AUDIT_ARCH_AARCH64: u32 = 0xc000_00b7;
const AUDIT_ARCH_ARM: u32 = 0x4000_0028;

/// asm/unistd.h: what tells an x32 call from an amd64 one.
const X32_BIT: u32 = 0x4000_0000;

/// Calls that have numbers of their own in x32 (the kernel's syscall_64.tbl, from 512 on, in its order).
const X32_OWN: &str = "rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace \
    rt_sigpending rt_sigtimedwait rt_sigqueueinfo sigaltstack timer_create mq_notify kexec_load waitid \
    set_robust_list get_robust_list vmsplice move_pages preadv pwritev rt_tgsigqueueinfo recvmmsg sendmmsg \
    process_vm_readv process_vm_writev setsockopt getsockopt io_setup io_submit execveat preadv2 pwritev2";

/// 32-bit ARM's private calls (asm/unistd.h from 0xf0000 on), and the second name of a common one.
const ARM_OWN: [(&str, u32); 4] =
    [("breakpoint", 0xf0001), ("cacheflush", 0xf0002), ("set_tls", 0xf0005), ("sync_file_range2", 341)];

type Table = Vec<(String, u32)>;

fn main() {
    for file in ["build.rs", "data/seccomp.json", "src/sys/bpf.rs", "src/sys/seccomp_rules.rs", "src/run/profile.rs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    let json = fs::read_to_string("data/seccomp.json").expect("data/seccomp.json is readable");
    let profile = Profile::parse(&json).expect("data/seccomp.json is a profile");
    let target = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo names the target");
    let families = [("X86_64", "x86_64", x86_64_abis()), ("AARCH64", "aarch64", aarch64_abis())];

    let mut out = String::from("// Written by build.rs from data/seccomp.json and the tables of crate `syscalls`.\n");
    for (constant, _, abis) in &families {
        write_abis(&mut out, constant, abis);
    }
    let (constant, _, abis) = families
        .iter()
        .find(|(_, name, _)| *name == target)
        .unwrap_or_else(|| panic!("no table of system calls for {target}; supported: x86_64, aarch64"));
    writeln!(out, "pub const NATIVE: &[Abi] = {constant};").expect("a string takes everything");
    write_program(&mut out, &profile, abis);
    let path = Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("seccomp_tables.rs");
    fs::write(path, out).expect("OUT_DIR is writable");
}

fn write_abis(out: &mut String, constant: &str, abis: &[Abi]) {
    writeln!(out, "#[allow(dead_code)]\npub const {constant}: &[Abi] = &[").expect("a string takes everything");
    for Abi { name, audit, table } in abis {
        writeln!(out, "    Abi {{ name: {name:?}, audit: {audit:#x}, table: {table:?} }},")
            .expect("a string takes everything");
    }
    out.push_str("];\n");
}

fn write_program(out: &mut String, profile: &Profile, abis: &[Abi]) {
    let held: Vec<&str> =
        profile.mentioned_caps().into_iter().filter(|cap| profile::DEFAULT_CAPABILITIES.contains(cap)).collect();
    let program = profile.compile(profile::DEFAULT_CAPABILITIES, abis);
    let mut write = |line: String| writeln!(out, "{line}").expect("a string takes everything");
    write(format!("pub const MENTIONED_CAPS: &[&str] = &{:?};", profile.mentioned_caps()));
    write(format!("pub const HELD_CAPS: &[&str] = &{held:?};"));
    write(format!("pub static DEFAULT_PROGRAM: [SockFilter; {}] = [", program.len()));
    for bpf::SockFilter { code, jt, jf, k } in program {
        write(format!("    SockFilter {{ code: {code}, jt: {jt}, jf: {jf}, k: {k:#x} }},"));
    }
    write("];".into());
}

/// Every call that `lookup` knows. (The crate's own iterator leaves out the last one.)
fn table(lookup: impl Fn(usize) -> Option<&'static str>) -> Table {
    let known = |id: u32| lookup(id as usize).map(|name| (name.trim_start_matches("r#").to_owned(), id));
    (0..1024).filter_map(known).collect()
}

fn abi(name: &'static str, audit: u32, table: &Table) -> Abi {
    let text: String = table.iter().map(|(name, number)| format!("{name} {number}\n")).collect();
    Abi { name, audit, table: text.leak() }
}

fn x86_64_abis() -> Vec<Abi> {
    let amd64 = table(|id| syscalls::x86_64::Sysno::new(id).map(|call| call.name()));
    let own: Vec<&str> = X32_OWN.split_whitespace().collect();
    let shared = amd64.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let mut x32: Table = shared.map(|(name, number)| (name.clone(), number | X32_BIT)).collect();
    x32.extend(own.iter().zip(512..).map(|(name, number)| (name.to_string(), number | X32_BIT)));
    let x86 = table(|id| syscalls::x86::Sysno::new(id).map(|call| call.name()));
    vec![
        abi("amd64", AUDIT_ARCH_X86_64, &amd64),
        abi("x32", AUDIT_ARCH_X86_64, &x32),
        abi("x86", AUDIT_ARCH_I386, &x86),
    ]
}

fn aarch64_abis() -> Vec<Abi> {
    // The crate gives call 79 the name of the C function; the kernel and profiles call it newfstatat.
    let arm64 = table(|id| match syscalls::aarch64::Sysno::new(id)?.name() {
        "fstatat" => Some("newfstatat"),
        name => Some(name),
    });
    let mut arm = table(|id| syscalls::arm::Sysno::new(id).map(|call| call.name()));
    arm.extend(ARM_OWN.map(|(name, number)| (name.to_owned(), number)));
    vec![abi("arm64", AUDIT_ARCH_AARCH64, &arm64), abi("arm", AUDIT_ARCH_ARM, &arm)]
}
