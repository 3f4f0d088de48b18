//! Builds an image from a Dockerfile.

pub mod args;
pub mod expand;
pub mod heredoc;
pub mod instruction;
pub mod parse;
mod pattern;
pub mod source;
pub mod stage;
pub mod state;
pub mod words;
