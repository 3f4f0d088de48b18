//! Proofs about the compiled filters: an interpreter of the BPF subset runs them, and a naive reader of the profile,
//! which shares no code with the compiler, says what they should answer.

use super::super::bpf::{self, Action, Arch, Compare, Condition, Rule, SockFilter};
use super::super::seccomp_rules::{Abi, entries};
use super::generated::{AARCH64, NATIVE, X86_64};
use super::*;
use proptest::prelude::*;
use serde_json::Value;

/// The capabilities for which the built-in program is compiled; `run::profile` holds the list that counts.
const DEFAULT_CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const EINVAL: u32 = 0x0005_0016;
const ENOSYS: u32 = 0x0005_0026;
const KILL: u32 = 0x8000_0000;

/// What the kernel's interpreter would answer; panics where the kernel's verifier would refuse.
fn interpret(program: &[SockFilter], arch: u32, number: u32, args: [u64; 6]) -> u32 {
    let word = |offset: u32| match offset {
        bpf::OFFSET_NR => number,
        bpf::OFFSET_ARCH => arch,
        _ => {
            let at = offset - bpf::OFFSET_ARGS;
            (args[at as usize / 8] >> (8 * (at % 8))) as u32
        }
    };
    let (mut at, mut a) = (0, 0u32);
    loop {
        let SockFilter { code, jt, jf, k } = program[at];
        at += 1;
        let branch = |yes: bool| usize::from(if yes { jt } else { jf });
        match code {
            bpf::LOAD => a = word(k),
            bpf::AND => a &= k,
            bpf::JUMP => at += k as usize,
            bpf::JUMP_EQ => at += branch(a == k),
            bpf::JUMP_GT => at += branch(a > k),
            bpf::JUMP_GE => at += branch(a >= k),
            bpf::RETURN => return k,
            other => panic!("instruction {other:#x} is not in the subset"),
        }
    }
}

/// The answer by reading the JSON rule after rule.
fn naive(caps: &[&str], abi: &Abi, name: Option<&str>, args: [u64; 6]) -> u32 {
    let profile: Value = serde_json::from_str(DEFAULT_PROFILE).unwrap();
    let lists = |value: &Value, text: &str| value.as_array().is_some_and(|l| l.iter().any(|v| v == text));
    for rule in profile["syscalls"].as_array().unwrap() {
        let (includes, excludes) = (&rule["includes"], &rule["excludes"]);
        let needed = includes["caps"].as_array();
        if !name.is_some_and(|name| lists(&rule["names"], name))
            || !needed.is_none_or(|all| all.iter().all(|cap| caps.contains(&cap.as_str().unwrap())))
            || caps.iter().any(|cap| lists(&excludes["caps"], cap))
            || !(includes["arches"].is_null() || lists(&includes["arches"], abi.name))
        {
            continue;
        }
        let holds = |test: &Value| {
            assert_eq!(test["op"], "SCMP_CMP_MASKED_EQ");
            let arg = args[test["index"].as_u64().unwrap() as usize];
            arg & test["value"].as_u64().unwrap() == test["valueTwo"].as_u64().unwrap()
        };
        if rule["args"].as_array().is_none_or(|tests| tests.iter().all(holds)) {
            return match rule["action"].as_str().unwrap() {
                "SCMP_ACT_ALLOW" => ALLOW,
                _ => 0x0005_0000 | rule["errnoRet"].as_u64().unwrap() as u32,
            };
        }
    }
    0x0005_0000 | profile["defaultErrnoRet"].as_u64().unwrap() as u32
}

fn program(caps: &[&str], abis: &[Abi]) -> Vec<SockFilter> {
    Profile::parse(DEFAULT_PROFILE).unwrap().compile(caps, abis)
}

fn abi(name: &str) -> &'static Abi {
    X86_64.iter().chain(AARCH64).find(|abi| abi.name == name).unwrap()
}

fn number(abi: &Abi, name: &str) -> u32 {
    entries(abi.table).find(|entry| entry.0 == name).unwrap_or_else(|| panic!("{} has no {name}", abi.name)).1
}

/// The answer of the default program of the convention's family.
fn answer(convention: &str, name: &str, args: &[u64]) -> u32 {
    let abi = abi(convention);
    let family = if AARCH64.iter().any(|a| a.name == convention) { AARCH64 } else { X86_64 };
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    interpret(&program(DEFAULT_CAPABILITIES, family), abi.audit, number(abi, name), all)
}

#[test]
fn every_call_number_gets_the_profiles_answer() {
    for family in [X86_64, AARCH64] {
        let program = program(DEFAULT_CAPABILITIES, family);
        for abi in family {
            for (name, number) in entries(abi.table) {
                let want = naive(DEFAULT_CAPABILITIES, abi, Some(name), [0; 6]);
                assert_eq!(interpret(&program, abi.audit, number, [0; 6]), want, "{} {name}", abi.name);
            }
        }
    }
}

#[test]
fn numbers_without_a_name_get_enosys() {
    let program = program(DEFAULT_CAPABILITIES, X86_64);
    for number in [336, 400, 511, 512, 547, 1000, 0x3fff_ffff, 0x4000_0000 + 548, 0x8000_0000, u32::MAX] {
        assert_eq!(interpret(&program, abi("amd64").audit, number, [0; 6]), ENOSYS, "{number:#x}");
    }
}

#[test]
fn an_unknown_architecture_is_killed() {
    assert_eq!(interpret(&program(&[], X86_64), abi("arm64").audit, 0, [0; 6]), KILL);
}

#[test]
fn every_name_of_the_profile_is_known_somewhere() {
    /// Names that no kernel table has (any more), kept because the profile's sources list them.
    const GONE: &[&str] = &["syscall", "timerfd"];
    let profile: Value = serde_json::from_str(DEFAULT_PROFILE).unwrap();
    let known: Vec<&str> = X86_64.iter().chain(AARCH64).flat_map(|abi| entries(abi.table)).map(|e| e.0).collect();
    for rule in profile["syscalls"].as_array().unwrap() {
        for name in rule["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
            assert!(known.contains(&name) || GONE.contains(&name), "{name} is in no table");
        }
    }
}

#[test]
fn programs_are_short_and_the_built_in_one_is_the_default() {
    for family in [X86_64, AARCH64] {
        let length = program(DEFAULT_CAPABILITIES, family).len();
        assert!(length < 400, "{length} instructions");
    }
    assert_eq!(default_program(), compile_for(DEFAULT_CAPABILITIES).unwrap());
}

#[test]
fn only_capabilities_of_the_profile_ask_for_another_program() {
    let mut caps = DEFAULT_CAPABILITIES.to_vec();
    caps.retain(|cap| *cap != "CAP_CHOWN");
    caps.push("CAP_NET_RAW");
    assert!(matches!(program_for(&caps).unwrap(), Cow::Borrowed(_)));
    caps.push("CAP_SYS_TIME");
    assert!(matches!(program_for(&caps).unwrap(), Cow::Owned(_)));
}

#[test]
fn five_personalities_pass_in_32_bits() {
    for (persona, want) in [
        (0, ALLOW),
        (8, ALLOW),
        (0x20000, ALLOW),
        (0x20008, ALLOW),
        (0xffff_ffff, ALLOW),
        (u64::MAX, ALLOW),
        (0x40000, ENOSYS),
        (9, ENOSYS),
    ] {
        assert_eq!(answer("amd64", "personality", &[persona]), want, "{persona:#x}");
        assert_eq!(answer("arm64", "personality", &[persona]), want, "{persona:#x}");
    }
}

#[test]
fn socket_families_cant_be_passed_by_with_a_dirty_upper_half() {
    for dirt in [0, 1 << 32, u64::MAX << 32] {
        for convention in ["amd64", "x32", "x86", "arm64", "arm"] {
            for (family, want) in [(1, ALLOW), (2, ALLOW), (10, ALLOW), (17, ALLOW), (38, EPERM), (40, EPERM)] {
                assert_eq!(answer(convention, "socket", &[family | dirt, 1, 0]), want, "{convention} {family}");
            }
            assert_eq!(answer(convention, "socket", &[16 | dirt, 3, 9 | dirt]), EINVAL);
            assert_eq!(answer(convention, "socket", &[16 | dirt, 3, 0]), ALLOW);
        }
    }
}

#[test]
fn containers_may_nest() {
    for name in ["clone", "clone3", "unshare", "setns", "mount", "pivot_root", "fsopen", "open_tree", "keyctl"] {
        let want = if name == "keyctl" { ENOSYS } else { ALLOW };
        assert_eq!(answer("amd64", name, &[0x7e02_0000]), want, "{name}");
        assert_eq!(answer("arm64", name, &[0x7e02_0000]), want, "{name}");
    }
}

#[test]
fn io_uring_and_keys_do_not_exist() {
    for name in ["io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "request_key", "keyctl"] {
        for convention in ["amd64", "x32", "x86", "arm64", "arm"] {
            assert_eq!(answer(convention, name, &[]), ENOSYS, "{convention} {name}");
        }
    }
}

#[test]
fn capabilities_open_their_calls() {
    let abi = abi("amd64");
    let ask = |caps: &[&str], name| interpret(&program(caps, X86_64), abi.audit, number(abi, name), [0; 6]);
    for (cap, name) in [("CAP_SYS_CHROOT", "chroot"), ("CAP_BPF", "bpf"), ("CAP_SYS_ADMIN", "bpf")] {
        assert_eq!(ask(&[], name), EPERM, "{name}");
        assert_eq!(ask(&[cap], name), ALLOW, "{name}");
    }
    let audit =
        |caps: &[&str]| interpret(&program(caps, X86_64), abi.audit, number(abi, "socket"), [16, 3, 9, 0, 0, 0]);
    assert_eq!(audit(&[]), EINVAL);
    assert_eq!(audit(&["CAP_AUDIT_WRITE"]), ALLOW);
}

#[test]
fn x32_has_numbers_of_its_own() {
    let ask = |number| interpret(&program(&[], X86_64), abi("x32").audit, number, [0; 6]);
    assert_eq!(ask(0x4000_0000 + 514), ALLOW, "ioctl");
    assert_eq!(ask(0x4000_0000 + 16), ENOSYS, "amd64's number of ioctl");
    assert_eq!(ask(0x4000_0000 + 528), EPERM, "kexec_load");
    assert_eq!(ask(0x4000_0000 + 39), ALLOW, "getpid");
}

#[test]
fn i386_numbers_are_not_amd64s() {
    let ask = |number| interpret(&program(&[], X86_64), abi("x86").audit, number, [0; 6]);
    assert_eq!(ask(20), ALLOW, "getpid");
    assert_eq!(ask(87), EPERM, "swapon");
    assert_eq!(ask(0x4000_0014), ENOSYS, "there is no x32 below i386");
}

#[test]
fn bad_profiles_are_refused_with_the_place() {
    for (json, want) in [
        ("{", "EOF"),
        ("{}", "action is missing"),
        (r#"{"defaultAction":"SCMP_ACT_TRACE"}"#, "SCMP_ACT_TRACE is not supported"),
        (r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":5000}"#, "bad error number 5000"),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"]}]}"#, "rule 1: the action is missing"),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"op":"SCMP_CMP_EQ"}]}]}"#,
            "rule 1: argument 6",
        ),
    ] {
        let error = compile_profile(json, &[]).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}

/// Numbers near the interesting ones: small ones, halves that are equal or off by one, and anything.
fn value() -> impl Strategy<Value = u64> {
    let near = prop::sample::select(vec![0, 1, 8, 9, 16, 38, 40, 0x20000, 0x20008, 0xffff_ffff]);
    prop_oneof![near.clone(), (near.clone(), near).prop_map(|(high, low)| high << 32 | low), any::<u64>()]
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let compare = (0..7u8, value()).prop_map(|(which, mask)| match which {
        0 => Compare::Eq,
        1 => Compare::Ne,
        2 => Compare::Lt,
        3 => Compare::Le,
        4 => Compare::Gt,
        5 => Compare::Ge,
        _ => Compare::Masked(mask),
    });
    let condition = (0..6u8, compare, value()).prop_map(|(arg, compare, value)| Condition { arg, compare, value });
    let action = prop::sample::select(vec![Action::Allow, Action::Errno(1), Action::Errno(38), Action::Trap]);
    let rule =
        (prop::collection::vec(condition, 0..3), action).prop_map(|(conditions, action)| Rule { conditions, action });
    prop::collection::vec(rule, 0..4)
}

fn holds(condition: &Condition, args: [u64; 6]) -> bool {
    let (arg, value) = (args[usize::from(condition.arg)], condition.value);
    match condition.compare {
        Compare::Eq => arg == value,
        Compare::Ne => arg != value,
        Compare::Lt => arg < value,
        Compare::Le => arg <= value,
        Compare::Gt => arg > value,
        Compare::Ge => arg >= value,
        Compare::Masked(mask) => arg & mask == value,
    }
}

proptest! {
    #[test]
    fn the_default_profile_answers_as_it_reads(
        abi in prop::sample::select(X86_64.iter().chain(AARCH64).collect::<Vec<_>>()),
        call in any::<prop::sample::Index>(),
        other in any::<u32>(),
        named in prop::bool::weighted(0.8),
        args in prop::array::uniform6(value()),
        caps in prop::sample::subsequence(generated::MENTIONED_CAPS, 0..=generated::MENTIONED_CAPS.len()),
    ) {
        let table: Vec<(&str, u32)> = entries(abi.table).collect();
        let number = if named { table[call.index(table.len())].1 } else { other };
        let family = if AARCH64.iter().any(|a| a.name == abi.name) { AARCH64 } else { X86_64 };
        // A number may belong to the convention that shares the architecture.
        let (abi, name) = family
            .iter()
            .filter(|a| a.audit == abi.audit)
            .find_map(|a| entries(a.table).find(|e| e.1 == number).map(|e| (a, Some(e.0))))
            .unwrap_or((abi, None));
        let got = interpret(&program(&caps, family), abi.audit, number, args);
        prop_assert_eq!(got, naive(&caps, abi, name, args));
    }

    #[test]
    fn random_rules_answer_as_they_read(
        calls in prop::collection::btree_map(prop_oneof![0..40u32, any::<u32>()], rules(), 0..300),
        default in prop::sample::select(vec![Action::Allow, Action::Errno(38), Action::KillProcess]),
        asked in prop::collection::vec((any::<prop::sample::Index>(), 0..3u32, prop::array::uniform6(value())), 20),
    ) {
        let arches = [Arch { audit: 1, calls: calls.clone() }, Arch { audit: 2, calls: calls.clone() }];
        let program = bpf::compile(&arches, default, Action::Trap);
        let numbers: Vec<u32> = calls.keys().copied().chain([0]).collect();
        for (index, off, args) in asked {
            let number = index.get(&numbers).wrapping_add(off).wrapping_sub(1);
            let rules = calls.get(&number).map_or(&[][..], Vec::as_slice);
            let found = rules.iter().find(|rule| rule.conditions.iter().all(|c| holds(c, args)));
            let want = found.map_or(default, |rule| rule.action).value();
            prop_assert_eq!(interpret(&program, 1, number, args), want);
            prop_assert_eq!(interpret(&program, 2, number, args), want);
            prop_assert_eq!(interpret(&program, 3, number, args), Action::Trap.value());
        }
    }
}

/// Runs `body` in a child process with the default program in force; its answer becomes the wait status.
fn filtered(body: fn() -> i32) -> i32 {
    // SAFETY: after fork the child makes only system calls (no allocation, no lock) and leaves with _exit; `status`
    // outlives waitpid.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            libc::_exit(if install(default_program()).is_ok() { body() } else { 100 });
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        status
    }
}

/// The error number of a raw system call, 0 for none.
fn errno_of(number: i64, arg: i64) -> i32 {
    // SAFETY: the calls of these tests get zeros or small numbers and touch no memory of ours.
    let answer = unsafe { libc::syscall(number, arg, 0, 0) };
    if answer >= 0 { 0 } else { io::Error::last_os_error().raw_os_error().unwrap_or(-1) }
}

#[test]
fn the_kernel_takes_the_default_program_and_obeys_it() {
    let status = filtered(|| {
        let checks = [
            (errno_of(libc::SYS_getppid, 0), 0),
            (errno_of(libc::SYS_swapon, 0), libc::EPERM),
            (errno_of(libc::SYS_io_uring_setup, 0), libc::ENOSYS),
            (errno_of(libc::SYS_keyctl, 0), libc::ENOSYS),
            (errno_of(libc::SYS_socket, 38), libc::EPERM),
            (errno_of(libc::SYS_socket, 38 | 1 << 32), libc::EPERM),
            (errno_of(libc::SYS_personality, 0xffff_ffff), 0),
            (errno_of(libc::SYS_personality, 0x40000), libc::ENOSYS),
            (errno_of(100_000, 0), libc::ENOSYS),
        ];
        checks.iter().position(|(got, want)| got != want).map_or(0, |at| at as i32 + 1)
    });
    assert!(libc::WIFEXITED(status), "the child was killed: {status:#x}");
    assert_eq!(libc::WEXITSTATUS(status), 0, "number of the check that failed; 100: the filter was refused");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn int_0x80_and_x32_are_filtered_too() {
    /// A call by the old gate, without arguments.
    fn int_0x80(number: i32) -> i32 {
        let answer: i32;
        // SAFETY: the calls of this test ignore their arguments or are refused; old kernels clear r8 to r11 here.
        unsafe {
            std::arch::asm!("int 0x80", inlateout("eax") number => answer,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _);
        }
        answer
    }
    let status = filtered(|| {
        if errno_of(0x4000_0000 + libc::SYS_swapon, 0) != libc::EPERM {
            return 1;
        }
        match (int_0x80(20) > 0, int_0x80(87), int_0x80(286)) {
            (true, swapon, add_key) if swapon == -libc::EPERM && add_key == -libc::ENOSYS => 0,
            _ => 2,
        }
    });
    // A kernel without 32-bit emulation answers the gate with SIGSEGV, and there is nothing to prove.
    if libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV {
        return;
    }
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status:#x}");
}

#[test]
fn both_families_are_in_every_build() {
    assert_eq!(X86_64.len() + AARCH64.len(), 5);
    assert!(!NATIVE.is_empty());
}
