//! The words: commands, flags, tables, progress and exit codes. The only module that prints.

/// Runs the command line of this process and gives its exit code.
pub fn main() -> i32 {
    0
}
