//! A container's log: one line a record in the k8s-file format, `TIME stdout|stderr F|P TEXT`.
//!
//! `P` marks a piece whose line goes on. Each record is one write to a file opened for appending, so that a reader never
//! sees half of one and a crash loses at most what was not yet read from the container.

use crate::error::Result;
use anyhow::Context;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

/// Longer lines are cut into pieces of this size.
const MAX_PIECE: usize = 16 << 10;

/// Writes a log.
#[derive(Debug)]
pub struct LogWriter {
    file: File,
    /// Bytes of stdout and stderr that do not end a line yet.
    rest: [Vec<u8>; 2],
}

impl LogWriter {
    /// Opens the log in a container's folder.
    pub fn open(dir: &Path) -> Result<LogWriter> {
        let path = dir.join("log");
        let file = File::options().create(true).append(true).open(&path);
        Ok(LogWriter { file: file.with_context(|| format!("opening {}", path.display()))?, rest: Default::default() })
    }

    /// Adds output. A failing write (a full disk) loses that piece, never the container.
    pub fn add(&mut self, stderr: bool, bytes: &[u8], now: &str) {
        let mut rest = std::mem::take(&mut self.rest[usize::from(stderr)]);
        rest.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(end) = rest[from..].iter().position(|b| *b == b'\n').map(|n| from + n) {
            for piece in rest[from..end].chunks(MAX_PIECE).rev().skip(1).collect::<Vec<_>>().into_iter().rev() {
                self.record(stderr, 'P', piece, now);
            }
            let last = rest[from..end].chunks(MAX_PIECE).next_back().unwrap_or_default();
            self.record(stderr, 'F', last, now);
            from = end + 1;
        }
        while rest.len() - from > MAX_PIECE {
            self.record(stderr, 'P', &rest[from..from + MAX_PIECE], now);
            from += MAX_PIECE;
        }
        rest.drain(..from);
        self.rest[usize::from(stderr)] = rest;
    }

    /// Writes what is left of unfinished lines.
    pub fn finish(&mut self, now: &str) {
        for stderr in [false, true] {
            let rest = std::mem::take(&mut self.rest[usize::from(stderr)]);
            if !rest.is_empty() {
                self.record(stderr, 'P', &rest, now);
            }
        }
    }

    fn record(&mut self, stderr: bool, tag: char, text: &[u8], now: &str) {
        let stream = if stderr { "stderr" } else { "stdout" };
        let mut line = format!("{now} {stream} {tag} ").into_bytes();
        line.extend_from_slice(text);
        line.push(b'\n');
        let _ = self.file.write_all(&line);
    }
}

/// One record of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// RFC 3339 with nanoseconds.
    pub time: String,
    /// From standard error.
    pub stderr: bool,
    /// The line goes on in the next record.
    pub partial: bool,
    /// The text, without the newline.
    pub bytes: Vec<u8>,
}

/// Reads records; after the end it can be asked again, for what came since.
#[derive(Debug)]
pub struct LogReader {
    input: BufReader<File>,
    /// Start of a record whose end is not written yet.
    pending: Vec<u8>,
}

impl LogReader {
    /// Opens the log in a container's folder; `None` when there is none.
    pub fn open(dir: &Path) -> Result<Option<LogReader>> {
        let path = dir.join("log");
        match File::open(&path) {
            Ok(file) => Ok(Some(LogReader { input: BufReader::new(file), pending: Vec::new() })),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).with_context(|| format!("opening {}", path.display())),
        }
    }
}

impl Iterator for LogReader {
    type Item = LogLine;

    fn next(&mut self) -> Option<LogLine> {
        loop {
            self.input.read_until(b'\n', &mut self.pending).ok()?;
            self.pending.pop_if(|b| *b == b'\n')?;
            // A damaged line hides only itself.
            if let Some(line) = parse(&std::mem::take(&mut self.pending)) {
                return Some(line);
            }
        }
    }
}

fn parse(line: &[u8]) -> Option<LogLine> {
    let mut fields = line.splitn(4, |b| *b == b' ');
    let time = String::from_utf8(fields.next()?.to_vec()).ok()?;
    let stderr = match fields.next()? {
        b"stdout" => false,
        b"stderr" => true,
        _ => return None,
    };
    let partial = match fields.next()? {
        b"F" => false,
        b"P" => true,
        _ => return None,
    };
    Some(LogLine { time, stderr, partial, bytes: fields.next()?.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_in_order_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogWriter::open(dir.path()).unwrap();
        log.add(false, b"one\ntw", "T1");
        log.add(true, b"err\n", "T2");
        log.add(false, b"o\n", "T3");
        let long = vec![b'x'; MAX_PIECE * 2 + 5];
        log.add(false, &long, "T4");
        log.add(false, b"\n\nend", "T5");
        let mut reader = LogReader::open(dir.path()).unwrap().unwrap();
        let lines: Vec<LogLine> = reader.by_ref().collect();
        let text = |stderr: bool| -> Vec<u8> {
            let mut all = Vec::new();
            for line in lines.iter().filter(|l| l.stderr == stderr) {
                all.extend_from_slice(&line.bytes);
                if !line.partial {
                    all.push(b'\n');
                }
            }
            all
        };
        let expected = [b"one\ntwo\n".as_slice(), &long, b"\n\n"].concat();
        assert!(text(false) == expected);
        assert_eq!(text(true), b"err\n");
        log.finish("T6");
        assert_eq!(reader.next().unwrap().bytes, b"end", "a reader goes on where it was");
    }
}
