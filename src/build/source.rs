//! The text of a Dockerfile and places in it, for messages that show where something is wrong.
//!
//! It knows nothing of the language.

use crate::error::{Kind, fail};

/// A place in the text; everything is 1-based, columns count characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// First line.
    pub line: u32,
    /// Column in the first line.
    pub column: u32,
    /// Last line, equal to `line` for most.
    pub end_line: u32,
}

/// A Dockerfile's name, as messages show it, and its text.
#[derive(Debug, Default)]
pub struct Source {
    /// The path as the user gave it, or what stands in for one.
    pub name: String,
    /// The whole text; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// How much of a long line an error shows around the place.
const EXCERPT: usize = 100;

impl Source {
    /// A user's error at a place: `name:line:column: message` and the line with a mark under the column.
    pub fn error(&self, span: Span, message: impl Into<String>) -> anyhow::Error {
        fail(Kind::User, self.shown(span, &message.into()))
    }

    /// What [`Source::error`] says.
    pub fn shown(&self, span: Span, message: &str) -> String {
        format!("{}:{}:{}: {message}{}", self.name, span.line, span.column, self.excerpt(span))
    }

    fn excerpt(&self, span: Span) -> String {
        let Some(line) = self.text.lines().nth((span.line as usize).saturating_sub(1)) else {
            return String::new();
        };
        let column = (span.column as usize).saturating_sub(1);
        let skip = column.saturating_sub(EXCERPT * 2 / 3);
        // Control characters would move the mark, and a file from elsewhere must not steer the terminal.
        let shown: String =
            line.chars().skip(skip).take(EXCERPT).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mark = " ".repeat(column - skip);
        format!("\n{:>5} | {}\n      | {mark}^", span.line, shown.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_marks_the_column() {
        let source = Source { name: "Dockerfile".into(), text: "FROM a\nRUN\tx y\n".into() };
        let error = source.error(Span { line: 2, column: 5, end_line: 2 }, "bad");
        assert_eq!(error.to_string(), "Dockerfile:2:5: bad\n    2 | RUN x y\n      |     ^");
    }

    #[test]
    fn long_lines_and_places_outside_are_survived() {
        let source = Source { name: "D".into(), text: "x".repeat(500) };
        assert!(source.error(Span { line: 1, column: 400, end_line: 1 }, "m").to_string().len() < 300);
        assert_eq!(source.error(Span { line: 9, column: 1, end_line: 9 }, "m").to_string(), "D:9:1: m");
    }
}
