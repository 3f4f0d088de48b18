//! From an image and options to a running process, and what can be done with it afterwards.
//!
//! ```text
//! options → spec (pure) → plan (pure) → worker: prepare, monitor → init applies the plan → execve
//! ```
//! Not here: images and layers on disk (`store`), words for people (`cli`).

pub mod capability;
pub mod channel;
pub mod commit;
pub mod control;
pub mod exec;
pub mod export;
pub mod init;
mod launch;
mod monitor;
pub mod network;
pub mod options;
pub mod plan;
pub mod prepare;
pub mod profile;
pub mod prune;
pub mod signal;
pub mod spec;
pub mod step;
pub mod time;
pub mod user;

pub use launch::{Outcome, run};
