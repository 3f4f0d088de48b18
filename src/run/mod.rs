//! Running.
pub mod options;
