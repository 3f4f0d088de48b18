//! Builds an image from a Dockerfile.

pub mod args;
pub mod context;
pub mod copy;
pub mod expand;
pub mod glob;
pub mod heredoc;
pub mod ignore;
pub mod index;
pub mod instruction;
pub mod owner;
pub mod parse;
mod pattern;
pub mod source;
pub mod stage;
pub mod state;
pub mod words;
