//! From an image and options to a running process.
pub mod options;
pub mod profile;
