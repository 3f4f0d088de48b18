//! What can go wrong, as a kind, a sentence and, where one is known, a remedy.
//!
//! Functions return `anyhow::Result`; a [`Failure`] somewhere in the chain tells the command line which exit code and
//! which advice fit. This module deliberately does not print and does not know exit codes of single commands.

use std::fmt;

/// Result of everything that can fail above `sys`.
pub type Result<T, E = anyhow::Error> = anyhow::Result<T, E>;

/// The sort of a failure; the command line maps it to an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request itself is wrong: a flag, a reference, a Dockerfile, an archive.
    User,
    /// The named object does not exist.
    NotFound,
    /// The object is in use, or the name is taken.
    InUse,
    /// The machine refused: a missing helper, a kernel limit, a full disk.
    System,
    /// A program inside the container ended with this exit code, which becomes ours.
    Exit(i32),
}

/// One failure: its kind, what happened, and what to do about it.
#[derive(Debug)]
pub struct Failure {
    /// The sort of the failure.
    pub kind: Kind,
    /// A lower-case fragment that names the input and the place.
    pub message: String,
    /// The remedy, a full sentence, where we know one.
    pub hint: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// A failure of `kind` with a message.
pub fn fail(kind: Kind, message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Failure { kind, message: message.into(), hint: None })
}

/// A failure of `kind` with a message and the remedy.
pub fn fail_with(kind: Kind, message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Failure { kind, message: message.into(), hint: Some(hint.into()) })
}

/// The kind of the innermost [`Failure`] of a chain, if there is one.
pub fn kind_of(error: &anyhow::Error) -> Option<Kind> {
    failure_of(error).map(|f| f.kind)
}

/// The remedy of the innermost [`Failure`] of a chain that has one.
pub fn hint_of(error: &anyhow::Error) -> Option<&str> {
    failure_of(error).and_then(|f| f.hint.as_deref())
}

fn failure_of(error: &anyhow::Error) -> Option<&Failure> {
    error.chain().filter_map(|e| e.downcast_ref::<Failure>()).last()
}
