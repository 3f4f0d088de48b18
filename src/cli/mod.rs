//! The words: commands, flags, tables, progress and exit codes. The only module that prints.
//!
//! A command is one file in `command/`, a group of flags one file in `flags/`; their doc comments become the help text,
//! the man pages and the completions. Nothing here decides what a flag means for the kernel or for an image.

pub mod checks;
pub mod command;
pub mod escape;
pub mod filter;
pub mod flags;
pub mod format;
pub mod output;
pub mod problem;
pub mod progress;
pub mod prune;
pub mod time;
pub mod units;

use crate::error::Result;
use std::ffi::OsString;

/// Runs the command line of this process and gives its exit code.
pub fn main() -> i32 {
    let args: Vec<OsString> = std::env::args_os().collect();
    match dispatch(&args) {
        Ok(code) => code,
        Err(error) if output::is_closed(&error) => 0,
        Err(error) => {
            problem::report(&error);
            problem::exit_code(&error)
        }
    }
}

fn dispatch(args: &[OsString]) -> Result<i32> {
    // Answered before any parser is built: scripts and prompts ask for it often.
    if let [_, only] = args
        && (only == "--version" || only == "-v")
    {
        output::line(&command::version::one_line(output::personality(args)))?;
        return Ok(0);
    }
    crate::progress::on_notice(output::warn);
    command::run(args)
}
