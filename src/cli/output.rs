//! Standard output: lines, tables, JSON. What scripts read goes through here.
//!
//! A reader that closes its end early (`| head`) is no failure: such an error is marked and ends the process quietly.

use crate::cli::escape;
use crate::error::{Kind, Result, fail_with};
use serde::Serialize;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Whose output shapes are wanted where the peers differ: decided by the name under which we were called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personality {
    /// Our own name, and podman's.
    Podman,
    /// Called as `docker`.
    Docker,
}

/// The personality that `args[0]` asks for.
pub fn personality(args: &[OsString]) -> Personality {
    let name = args.first().and_then(|a| Path::new(a).file_name());
    if name.is_some_and(|n| n == "docker") { Personality::Docker } else { Personality::Podman }
}

/// The personality of this process.
pub fn own_personality() -> Personality {
    personality(&std::env::args_os().take(1).collect::<Vec<_>>())
}

/// Nobody reads our standard output any more.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard output was closed")
    }
}

impl std::error::Error for Closed {}

/// Whether an error only says that nobody reads standard output any more.
pub fn is_closed(error: &anyhow::Error) -> bool {
    error.is::<Closed>()
}

/// Standard output as a stream, for what is written piece by piece; see [`failed`].
pub struct Standard;

impl Write for Standard {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        io::stdout().lock().write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush()
    }
}

/// What a failed write to standard output means.
pub fn failed(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => anyhow::Error::new(Closed),
        _ => anyhow::Error::new(error).context("writing to standard output"),
    }
}

fn checked(done: io::Result<()>) -> Result<()> {
    done.map_err(failed)
}

/// Whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes bytes as they are and flushes.
pub fn bytes(data: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    checked(out.write_all(data).and_then(|()| out.flush()))
}

/// Writes text of our own making as it is.
pub fn text(text: &str) -> Result<()> {
    bytes(text.as_bytes())
}

/// Writes one line, escaped.
pub fn line(line: &str) -> Result<()> {
    bytes(format!("{}\n", escape::one_line(line)).as_bytes())
}

/// Writes rendered text that may hold names from outside: escaped when a person looks at it, exact in a pipe.
pub fn rendered(data: &str) -> Result<()> {
    if stdout_is_terminal() { text(&escape::lines(data)) } else { text(data) }
}

/// Writes a value as indented JSON.
pub fn json(value: &impl Serialize) -> Result<()> {
    let mut data = Vec::new();
    let pretty = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut data, pretty))?;
    data.push(b'\n');
    rendered(&String::from_utf8_lossy(&data))
}

/// Writes a warning to standard error.
pub fn warn(message: &str) {
    let _ = io::stderr().lock().write_all(format!("Warning: {}\n", escape::one_line(message)).as_bytes());
}

/// Columns are at least this wide, with the gap, as docker prints them.
const MIN_WIDTH: usize = 10;
/// Blanks between two columns.
const GAP: usize = 3;

/// Lays out rows in columns: each as wide as its longest cell and three blanks; the last column is not padded.
/// Cells are escaped.
pub fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| escape::one_line(cell).into_owned()).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![MIN_WIDTH; columns];
    for row in &rows {
        // A cell that ends its row needs no room.
        for (at, cell) in row.iter().enumerate().take(row.len().saturating_sub(1)) {
            widths[at] = widths[at].max(cell.chars().count() + GAP);
        }
    }
    let mut out = String::new();
    for row in &rows {
        for (at, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if at + 1 < row.len() {
                out.extend(std::iter::repeat_n(' ', widths[at] - cell.chars().count()));
            }
        }
        out.push('\n');
    }
    out
}

/// An id without its algorithm, cut to twelve digits unless `whole`.
pub fn id(id: &str, whole: bool) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    if whole { hex } else { hex.get(..12).unwrap_or(hex) }
}

/// Refuses to write an archive to a terminal.
pub fn refuse_terminal() -> Result<()> {
    if stdout_is_terminal() {
        return Err(fail_with(
            Kind::User,
            "standard output is a terminal, which cannot take an archive",
            "Name a file with --output, or redirect standard output.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_padded_to_the_longest_cell() {
        let row = |cells: &[&str]| cells.iter().map(|c| c.to_string()).collect::<Vec<_>>();
        let laid = table(&[row(&["ID", "NAME", "X"]), row(&["a", "a-long-name", "y\x1b"])]);
        assert_eq!(laid, "ID        NAME          X\na         a-long-name   y\\x1b\n");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn ids_are_cut_and_lose_their_algorithm() {
        let full = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(id(&full, false), "abababababab");
        assert_eq!(id(&full, true).len(), 64);
        assert_eq!(id("abc", false), "abc");
    }

    #[test]
    fn the_name_of_the_program_decides_the_personality() {
        assert_eq!(personality(&["/usr/local/bin/docker".into()]), Personality::Docker);
        assert_eq!(personality(&["dhow".into()]), Personality::Podman);
    }
}
