//! File name patterns as Go's `filepath.Match` defines them, with `**` on request: what `.dockerignore`, `--exclude` and
//! the sources of COPY and ADD are written in.
//!
//! A pattern is compiled to a list of tokens and run as a set of states, so no pattern takes exponential time. This module
//! knows neither files nor the meaning of a match, and it is not a regular expression engine.

/// Longest pattern, in characters: the state set lives on the stack. No real path component list is near it.
const MAX_TOKENS: usize = 1023;
const WORDS: usize = (MAX_TOKENS + 1).div_ceil(64);
const SLASH: u32 = '/' as u32;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Glob {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone)]
enum Token {
    Literal(u32),
    /// `?`: one character that is no slash.
    One,
    /// `*`: any characters that are no slash.
    Star,
    /// `[…]`: one character of a set, never a slash.
    Class {
        negated: bool,
        ranges: Vec<(u32, u32)>,
    },
    /// `**/` or `**` before something: nothing, or anything that ends in a slash.
    Folders,
    /// `**` at the end: anything.
    Rest,
}

/// How a pattern and a path relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// The path itself or a folder above it matches.
    pub matched: bool,
    /// Some path below this one could match, though this one may not.
    pub below: bool,
}

impl Glob {
    /// Compiles a pattern; `deep` gives `**` its meaning. The error is a fragment that says what is malformed.
    pub fn compile(pattern: &[u8], deep: bool) -> Result<Glob, &'static str> {
        let chars = decode(pattern);
        let mut tokens = Vec::with_capacity(chars.len());
        let mut at = 0;
        while at < chars.len() {
            tokens.push(next_token(&chars, &mut at, deep)?);
        }
        if tokens.len() > MAX_TOKENS {
            return Err("the pattern is longer than 1023 characters");
        }
        Ok(Glob { tokens })
    }

    /// Whether the whole of `name` matches.
    pub fn matches(&self, name: &[u8]) -> bool {
        let mut states = self.start();
        for c in characters(name) {
            states = self.step(&states, c);
            if states.is_empty() {
                return false;
            }
        }
        states.has(self.tokens.len())
    }

    /// Whether `path` or a folder above it matches, and whether something below it could.
    pub fn fit(&self, path: &[u8]) -> Fit {
        let mut states = self.start();
        for c in characters(path) {
            if c == SLASH && states.has(self.tokens.len()) {
                return Fit { matched: true, below: true };
            }
            states = self.step(&states, c);
            if states.is_empty() {
                return Fit { matched: false, below: false };
            }
        }
        let matched = states.has(self.tokens.len());
        Fit { matched, below: matched || !self.step(&states, SLASH).is_empty() }
    }

    fn start(&self) -> States {
        let mut states = States::default();
        self.enter(&mut states, 0);
        states
    }

    /// Enters state `at` and all that are reached from it without a character.
    fn enter(&self, states: &mut States, mut at: usize) {
        loop {
            states.add(at);
            match self.tokens.get(at) {
                Some(Token::Star | Token::Folders | Token::Rest) => at += 1,
                _ => return,
            }
        }
    }

    fn step(&self, from: &States, c: u32) -> States {
        let mut to = States::default();
        for at in from.iter() {
            match self.tokens.get(at) {
                Some(Token::Literal(l)) if *l == c => self.enter(&mut to, at + 1),
                Some(Token::One) if c != SLASH => self.enter(&mut to, at + 1),
                Some(Token::Class { negated, ranges })
                    if c != SLASH && ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated =>
                {
                    self.enter(&mut to, at + 1);
                }
                Some(Token::Star) if c != SLASH => self.enter(&mut to, at),
                Some(Token::Rest) => self.enter(&mut to, at),
                // Inside a folder name the way on is closed until the next slash: hence no `enter`.
                Some(Token::Folders) => {
                    to.add(at);
                    if c == SLASH {
                        self.enter(&mut to, at + 1);
                    }
                }
                _ => {}
            }
        }
        to
    }
}

/// `name` as a pattern that matches it and nothing else.
pub fn literal(name: &str) -> String {
    if !has_wildcard(name.as_bytes()) {
        return name.to_string();
    }
    let mut pattern = String::new();
    for c in name.chars() {
        match c {
            '*' | '?' | '[' => pattern.extend(['[', c, ']']),
            '\\' => pattern.push_str("\\\\"),
            _ => pattern.push(c),
        }
    }
    pattern
}

/// Whether the text holds a wildcard that no backslash protects. Without one, Go's tools take the text, backslashes
/// included, as a plain name.
pub fn has_wildcard(text: &[u8]) -> bool {
    let mut escaped = false;
    for b in text {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

fn next_token(chars: &[u32], at: &mut usize, deep: bool) -> Result<Token, &'static str> {
    let c = chars[*at];
    *at += 1;
    let next = chars.get(*at).copied();
    Ok(match char::from_u32(c) {
        Some('*') if deep && next == Some('*' as u32) => {
            *at += 1;
            if chars.get(*at) == Some(&SLASH) {
                *at += 1;
            }
            if *at == chars.len() { Token::Rest } else { Token::Folders }
        }
        Some('*') => Token::Star,
        Some('?') => Token::One,
        Some('[') => class(chars, at)?,
        Some('\\') => {
            *at += 1;
            Token::Literal(next.ok_or("it ends in a backslash that protects nothing")?)
        }
        _ => Token::Literal(c),
    })
}

fn class(chars: &[u32], at: &mut usize) -> Result<Token, &'static str> {
    const OPEN: &str = "a `[` has no matching `]`";
    let negated = chars.get(*at) == Some(&('^' as u32));
    *at += usize::from(negated);
    let mut ranges = Vec::new();
    loop {
        if chars.get(*at) == Some(&(']' as u32)) && !ranges.is_empty() {
            *at += 1;
            return Ok(Token::Class { negated, ranges });
        }
        let low = class_character(chars, at)?.ok_or(OPEN)?;
        let mut high = low;
        if chars.get(*at) == Some(&('-' as u32)) {
            *at += 1;
            high = class_character(chars, at)?.ok_or(OPEN)?;
        }
        if low > high {
            return Err("a range inside `[…]` runs backwards");
        }
        ranges.push((low, high));
    }
}

fn class_character(chars: &[u32], at: &mut usize) -> Result<Option<u32>, &'static str> {
    let Some(&c) = chars.get(*at) else { return Ok(None) };
    *at += 1;
    match char::from_u32(c) {
        Some('-') | Some(']') => Err("`-` and `]` inside `[…]` need a backslash, and `[]` matches nothing"),
        Some('\\') => {
            let c = chars.get(*at).copied();
            *at += 1;
            Ok(c)
        }
        _ => Ok(Some(c)),
    }
}

fn decode(bytes: &[u8]) -> Vec<u32> {
    characters(bytes).collect()
}

/// The characters of a name; bytes that are not UTF-8 become values above every character, each its own.
fn characters(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.utf8_chunks().flat_map(|chunk| {
        let odd = chunk.invalid().iter().map(|b| 0x11_0000 + u32::from(*b));
        chunk.valid().chars().map(u32::from).chain(odd)
    })
}

#[derive(Default)]
struct States([u64; WORDS]);

impl States {
    fn add(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|w| *w == 0)
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(i, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(i * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_patterns_match_one_name() {
        for (pattern, name, expected) in [
            ("*", ".hidden", true),
            ("*", "a/b", false),
            ("**", "a/b", false),
            ("[[]x", "[x", true),
            ("a?c", "aéc", true),
            ("[^a-c]", "d", true),
            ("[^a-c]", "b", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[\\]]", "]", true),
        ] {
            assert_eq!(
                Glob::compile(pattern.as_bytes(), false).unwrap().matches(name.as_bytes()),
                expected,
                "{pattern}"
            );
        }
    }

    #[test]
    fn odd_bytes_are_characters() {
        assert!(Glob::compile(b"a?b", false).unwrap().matches(b"a\xffb"));
        assert!(Glob::compile(b"a\xff*", false).unwrap().matches(b"a\xffb"));
        assert!(!Glob::compile(b"a\xfe", false).unwrap().matches(b"a\xff"));
    }

    #[test]
    fn hostile_pattern_is_quick_and_long_one_refused() {
        let glob = Glob::compile("*a".repeat(200).as_bytes(), true).unwrap();
        assert!(!glob.matches("a".repeat(4000).as_bytes().iter().chain(b"b").copied().collect::<Vec<_>>().as_slice()));
        assert!(Glob::compile("a".repeat(2000).as_bytes(), true).is_err());
    }

    #[test]
    fn literal_names_match_themselves() {
        for name in ["plain", "a*b", "[x]?", "\\*[", "back\\slash"] {
            let pattern = literal(name);
            if has_wildcard(pattern.as_bytes()) {
                let glob = Glob::compile(pattern.as_bytes(), false).unwrap();
                assert!(glob.matches(name.as_bytes()) && !glob.matches(b"a--b"), "{name}");
            } else {
                assert_eq!(pattern, name);
            }
        }
    }

    #[test]
    fn wildcards_are_seen() {
        assert!(has_wildcard(b"a*") && has_wildcard(b"[a]") && !has_wildcard(b"a\\*") && !has_wildcard(b"a]"));
    }
}
