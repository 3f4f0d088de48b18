//! Bytes of a Dockerfile → instruction lines: directives, comments, continuations, flags, heredoc bodies, positions.
//!
//! What an instruction means is not known here (that is `instruction`); variables are not expanded (`expand`).

use super::heredoc::{self, Heredoc};
pub use super::source::{Source, Span};
use super::words;
use crate::error::Result;
use std::sync::Arc;

/// Longest physical line, in bytes; the limit of the reference implementation.
const MAX_LINE: usize = 65535;

/// A leading `--name[=value]` word of an instruction.
#[derive(Debug, Clone, PartialEq)]
pub struct Flag {
    /// Without the dashes.
    pub name: String,
    /// Behind the `=`, quotes removed; `None` for a bare flag.
    pub value: Option<String>,
    /// Where it stands.
    pub span: Span,
}

/// One instruction, whatever number of lines it takes.
#[derive(Debug, Clone)]
pub struct Line {
    /// From the keyword to the last line, heredoc bodies included.
    pub span: Span,
    /// The instruction's name in upper case.
    pub keyword: String,
    /// Leading flags, in order.
    pub flags: Vec<Flag>,
    /// What follows the flags, with continuations removed.
    pub rest: String,
    /// As written, joined to one line, from the keyword on.
    pub original: String,
    /// Heredocs of the line with their bodies, in order.
    pub heredocs: Vec<Heredoc>,
    /// The comments directly above it, without their `#` and the blanks around.
    pub comments: Vec<String>,
    /// Numbers of the empty lines inside its continuations.
    pub empty_lines: Vec<u32>,
    text: Joined,
    rest_at: usize,
}

/// A whole file.
#[derive(Debug, Clone)]
pub struct Dockerfile {
    /// The text, for errors.
    pub source: Arc<Source>,
    /// The escape character: a backslash or a backtick.
    pub escape: char,
    /// The value of `# syntax=`.
    pub syntax: Option<String>,
    /// The value of `# check=`, and where it stands.
    pub check: Option<(Span, String)>,
    /// The instructions.
    pub lines: Vec<Line>,
}

/// The joined text of an instruction and where each part of it came from.
#[derive(Debug, Clone, Default)]
struct Joined {
    text: String,
    /// Byte offset in `text`, line and column of every physical line's part.
    parts: Vec<(usize, u32, u32)>,
    /// Numbers of the empty lines that were skipped.
    empty_lines: Vec<u32>,
}

impl Joined {
    fn push(&mut self, part: &str, line: u32, column: u32) {
        self.parts.push((self.text.len(), line, column));
        self.text.push_str(part);
    }

    fn span(&self, offset: usize) -> Span {
        let Some(&(start, line, column)) = self.parts.iter().rev().find(|p| p.0 <= offset) else {
            return Span::default();
        };
        let passed = self.text.get(start..offset).map_or(0, |s| s.chars().count());
        Span { line, column: column + passed as u32, end_line: line }
    }
}

impl Line {
    /// The place of the first argument that is `word`, else of the first text that is, else of the arguments.
    pub fn place_of(&self, word: &str) -> Span {
        let tail = self.text.text.get(self.rest_at..).unwrap_or_default();
        let apart = |at: &usize| {
            let (before, after) = (&tail[..*at], &tail[at + word.len()..]);
            (before.is_empty() || before.ends_with(char::is_whitespace))
                && (after.is_empty() || after.starts_with(char::is_whitespace))
        };
        let alone = tail.match_indices(word).map(|(at, _)| at).find(apart);
        let at = if word.is_empty() { Some(0) } else { alone.or_else(|| tail.find(word)) };
        self.text.span(self.rest_at + at.unwrap_or(0))
    }

    /// The line that an `ONBUILD` carries, with the outer one's heredocs.
    pub fn nested(&self) -> Line {
        let mut line = Line::split(self.text.clone(), self.rest_at, self.span.end_line);
        line.heredocs = self.heredocs.clone();
        line
    }

    fn split(text: Joined, start: usize, end_line: u32) -> Line {
        let whole = &text.text[start..];
        let keyword_end = whole.find(char::is_whitespace).unwrap_or(whole.len());
        let keyword = whole[..keyword_end].to_uppercase();
        let (flags, rest_at) = words::flags(&text.text, start + keyword_end);
        let flags = flags
            .into_iter()
            .map(|(at, word)| {
                let (name, value) = match word.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (word, None),
                };
                Flag { name, value, span: text.span(at) }
            })
            .collect();
        let span = Span { end_line, ..text.span(start) };
        let rest = text.text[rest_at..].trim().to_owned();
        let original = whole.trim_end().to_owned();
        let empty_lines = text.empty_lines.clone();
        let (heredocs, comments) = (Vec::new(), Vec::new());
        Line { span, keyword, flags, rest, original, heredocs, comments, empty_lines, text, rest_at }
    }
}

/// Parses a Dockerfile; `name` is for messages.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Dockerfile> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let source = Arc::new(Source { name: name.to_owned(), text: String::from_utf8_lossy(bytes).into_owned() });
    let mut reader = Reader::new(&source, bytes);
    let mut directives = Directives { escape: '\\', open: true, seen: Vec::new() };
    let (mut lines, mut comments) = (Vec::new(), Vec::new());
    while let Some(first) = reader.next() {
        if directives.read(first, &reader)? {
            continue;
        }
        if let Some(comment) = comment(first) {
            comments.push(comment.to_owned());
            continue;
        }
        let comments = std::mem::take(&mut comments);
        if first.trim().is_empty() {
            continue;
        }
        let joined = reader.join(first, directives.escape)?;
        if joined.text.trim().is_empty() {
            continue;
        }
        let mut line = Line { comments, ..Line::split(joined, 0, reader.number()) };
        reader.heredocs(&mut line)?;
        lines.push(line);
    }
    if lines.is_empty() {
        let span = Span { line: reader.number().max(1), column: 1, end_line: reader.number().max(1) };
        return Err(source.error(span, "file with no instructions: it needs at least a FROM"));
    }
    let (syntax, check) = (directives.take("syntax"), directives.take("check"));
    let syntax = syntax.map(|(_, value)| value);
    Ok(Dockerfile { source: source.clone(), escape: directives.escape, syntax, check, lines })
}

/// The text of a line that is a comment.
fn comment(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix('#').map(str::trim)
}

/// Splits a line's end off if it is a continuation: the escape character, not itself escaped, and blanks.
fn continuation(line: &str, escape: char) -> Option<&str> {
    let before = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!before.ends_with(escape)).then_some(before)
}

/// The physical lines, consumed one after another.
struct Reader<'a> {
    source: &'a Source,
    /// Text with its line end, and whether its bytes are good text.
    lines: Vec<(&'a str, bool)>,
    next: usize,
}

impl<'a> Reader<'a> {
    fn new(source: &'a Source, bytes: &'a [u8]) -> Self {
        let raw = bytes.split_inclusive(|b| *b == b'\n');
        let good = |line: &[u8]| !line.contains(&0) && std::str::from_utf8(line).is_ok();
        let lines = source.text.split_inclusive('\n').zip(raw.map(good)).collect();
        Reader { source, lines, next: 0 }
    }

    /// The next line without its line end.
    fn next(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.next)?.0;
        self.next += 1;
        Some(line.trim_end_matches(['\r', '\n']))
    }

    /// 1-based number of the line that `next` gave last.
    fn number(&self) -> u32 {
        self.next as u32
    }

    fn error(&self, message: impl Into<String>) -> anyhow::Error {
        let span = Span { line: self.number(), column: 1, end_line: self.number() };
        self.source.error(span, message)
    }

    /// Refuses what cannot be part of an instruction; comments may hold anything.
    fn check(&self) -> Result<()> {
        match self.lines.get(self.next.wrapping_sub(1)) {
            Some((line, _)) if line.len() > MAX_LINE => {
                Err(self.error(format!("line is longer than {MAX_LINE} bytes")))
            }
            Some((_, false)) => Err(self.error("line is not UTF-8 text; save the file as UTF-8")),
            _ => Ok(()),
        }
    }

    /// Joins `first` with the lines that continue it. Only the first line loses its leading blanks.
    fn join(&mut self, first: &str, escape: char) -> Result<Joined> {
        let mut joined = Joined::default();
        let trimmed = first.trim_start();
        let indent = first[..first.len() - trimmed.len()].chars().count() as u32;
        let (mut part, mut column) = (trimmed, indent + 1);
        loop {
            self.check()?;
            let Some(before) = continuation(part, escape) else {
                joined.push(part, self.number(), column);
                return Ok(joined);
            };
            joined.push(before, self.number(), column);
            loop {
                match self.next() {
                    None => return Ok(joined),
                    Some(next) if comment(next).is_some() => {}
                    Some(next) if next.trim().is_empty() => joined.empty_lines.push(self.number()),
                    Some(next) => {
                        part = next;
                        break;
                    }
                }
            }
            column = 1;
        }
    }

    /// Reads the bodies of the heredocs that the line opens, in order.
    fn heredocs(&mut self, line: &mut Line) -> Result<()> {
        let nested = (line.keyword == "ONBUILD" && !line.rest.is_empty()).then(|| line.nested());
        let carrier = nested.as_ref().unwrap_or(line);
        if !matches!(carrier.keyword.as_str(), "RUN" | "COPY" | "ADD") || words::json(&carrier.rest).is_some() {
            return Ok(());
        }
        let mut found = heredoc::find(&carrier.rest);
        for doc in &mut found {
            self.body(doc, line)?;
        }
        line.heredocs = found;
        line.span.end_line = self.number();
        Ok(())
    }

    fn body(&mut self, doc: &mut Heredoc, line: &Line) -> Result<()> {
        loop {
            let Some(text) = self.next() else {
                let place = line.place_of("<<");
                let message = format!("unterminated heredoc: no line `{}` follows", doc.name);
                return Err(self.source.error(place, message));
            };
            self.check()?;
            let candidate = if doc.chomp { text.trim_start_matches('\t') } else { text };
            if candidate == doc.name {
                return Ok(());
            }
            // The body is raw: a carriage return before the line end is part of it.
            let raw = self.lines[self.next - 1].0;
            doc.content.push_str(if doc.chomp { raw.trim_start_matches('\t') } else { raw });
        }
    }
}

/// Parser directives (`# escape=…`), which may only stand before everything else.
struct Directives {
    escape: char,
    open: bool,
    /// Key, place and value of each.
    seen: Vec<(String, Span, String)>,
}

impl Directives {
    /// Reads a line; true if it is a directive, false if it is anything else, which ends the search for good.
    fn read(&mut self, line: &str, reader: &Reader<'_>) -> Result<bool> {
        let Some((key, value)) = directive(line).filter(|_| self.open) else {
            self.open = false;
            return Ok(false);
        };
        reader.check()?;
        if self.seen.iter().any(|(seen, ..)| *seen == key) {
            return Err(reader.error(format!("only one {key} parser directive can be used")));
        }
        if key == "escape" {
            self.escape = match value {
                "\\" => '\\',
                "`" => '`',
                _ => return Err(reader.error(format!("invalid escape character `{value}`: use \\ or `"))),
            };
        }
        let span = Span { line: reader.number(), column: 1, end_line: reader.number() };
        self.seen.push((key, span, value.to_owned()));
        Ok(true)
    }

    fn take(&mut self, key: &str) -> Option<(Span, String)> {
        let at = self.seen.iter().position(|(seen, ..)| seen == key)?;
        let (_, span, value) = self.seen.swap_remove(at);
        Some((span, value))
    }
}

/// `# key = value` with a key that we know.
fn directive(line: &str) -> Option<(String, &str)> {
    let (key, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
    let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
    (matches!(key.as_str(), "syntax" | "escape" | "check") && !value.is_empty()).then_some((key, value))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
