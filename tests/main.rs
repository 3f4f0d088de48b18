//! Everything that runs the dhow program, as one test program: a module for each topic, on top of `support`.
//!
//! `make test` runs it as an unprivileged user. Rules of the code itself are in `layering.rs`.

mod archive;
mod build;
mod check;
mod cli;
mod concurrency;
mod debian;
mod docs;
mod faults;
mod format;
mod fuzz;
mod hardening;
mod harness;
mod lifecycle;
mod machine;
mod overlay;
mod run;
mod space;
mod support;
