//! OCI data: references, digests, manifests and configs as values. No I/O and no system calls.

pub mod config;
pub mod digest;
pub mod manifest;
pub mod passwd;
pub mod reference;
