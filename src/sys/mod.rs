//! System calls, and the only `unsafe` of the project.
//!
//! The rule: every `unsafe` block states the invariant that makes it sound; functions here are thin, named after what
//! they do to the system, and know nothing of images or containers.
#![allow(unsafe_code)]

pub mod bpf;
pub mod fault;
pub mod lock;
pub mod mount;
pub mod net;
pub mod path;
pub mod process;
pub mod seccomp;
mod seccomp_rules;
pub mod security;
pub mod socket;
pub mod tty;
pub mod userns;
pub mod xattr;
