//! dhow builds and runs OCI containers for one person on one machine, without a daemon and without root.
//!
//! The modules form layers; imports point downward only (`tests/layering.rs` holds the table):
//! `cli` → `build` → `run`, `registry` → `store` → `layer` → `image` → `sys` → `error`, `progress`.
//! `docs/architecture.md` is the map.

pub mod build;
pub mod cli;
pub mod error;
pub mod image;
pub mod layer;
pub mod progress;
pub mod registry;
pub mod run;
pub mod store;
pub mod sys;
