//! Text from images and containers, made harmless for a terminal (docs: everything from outside is escaped).
//!
//! Not here: the container's own output stream, which `run`, `exec` and `logs` pass on as it is.

use std::borrow::Cow;

fn is_control(c: char) -> bool {
    // Cc covers C0, DEL and C1; the others turn the reading direction and can make a name look like another one.
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        c if (c as u32) < 0x100 => out.push_str(&format!("\\x{:02x}", c as u32)),
        c => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
    }
}

/// Every control character as a visible escape, line ends too: for table cells and messages.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// The same, but line ends and tabs stay: for rendered templates and JSON.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '\n' || c == '\t')
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| is_control(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_control(c) && !keep(c) { push_escaped(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Output of a build step on its way to a terminal: colours and progress bars (CR, BS) may stay, nothing else that a
/// terminal would act on. Keeps what a chunk leaves unfinished for the next one.
#[derive(Default)]
pub struct Stream {
    rest: Vec<u8>,
}

/// The longest tail that may wait for its end: a colour sequence.
const MAX_REST: usize = 32;

impl Stream {
    /// The next chunk, made harmless.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let keep = unfinished(&self.rest);
        let tail = self.rest.split_off(self.rest.len() - keep);
        let whole = std::mem::replace(&mut self.rest, tail);
        render(&String::from_utf8_lossy(&whole))
    }

    /// What was still waiting when the stream ended.
    pub fn finish(&mut self) -> String {
        render(&String::from_utf8_lossy(&std::mem::take(&mut self.rest)))
    }
}

/// How many bytes at the end are the beginning of a colour sequence or of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let window = &bytes[bytes.len().saturating_sub(MAX_REST)..];
    if let Some(at) = window.iter().rposition(|b| *b == 0x1b) {
        let tail = &window[at..];
        if tail.len() == 1 || (tail[1] == b'[' && tail[2..].iter().all(|b| b.is_ascii_digit() || *b == b';')) {
            return tail.len();
        }
    }
    for n in 1..=window.len().min(3) {
        let lead = window[window.len() - n];
        let needs = match lead {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if needs > n { n } else { 0 };
    }
    0
}

fn render(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(end) = colour(rest) {
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        if is_control(c) && !matches!(c, '\n' | '\t' | '\r' | '\u{8}') {
            push_escaped(&mut out, c)
        } else {
            out.push(c)
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// The length of a colour sequence (`ESC [ digits m`) at the beginning of `text`.
fn colour(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("\x1b[")?;
    let end = inner.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    inner[end..].starts_with('m').then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(one_line("a\x1b]0;x\x07\n\u{9b}b"), "a\\x1b]0;x\\x07\\n\\x9bb");
        assert_eq!(lines("a\n\tb\u{202e}"), "a\n\tb\\u{202e}");
        assert!(matches!(one_line("plain ü"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_stream_keeps_colours_even_when_they_come_in_pieces() {
        let mut stream = Stream::default();
        let mut all = stream.push(b"x\x1b[3");
        all += &stream.push(b"1mred\x1b[0m \x1b[2J\xc3");
        all += &stream.push(b"\xbc\r\n\x1b");
        all += &stream.finish();
        assert_eq!(all, "x\x1b[31mred\x1b[0m \\x1b[2Jü\r\n\\x1b");
    }
}
