//! Variables in instructions: `$VAR`, `${VAR:-word}` and the rest of the forms, quotes and escapes.
//!
//! It does not know where values come from nor which instruction expands what. Errors are bare sentences; the caller
//! knows the place. The forms are those of the Dockerfile reference, which resemble POSIX `sh` without being it.

use super::pattern::Pattern;
use std::collections::{BTreeMap, BTreeSet};

/// How deep `${a:-${b:-…}}` may nest; a file must not be able to exhaust the stack.
const MAX_DEPTH: usize = 64;

/// The variables that an instruction sees.
#[derive(Debug, Clone, Default)]
pub struct Scope(BTreeMap<String, String>);

impl Scope {
    /// The value of a variable, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names of all variables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Sets a variable.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Scope {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Scope(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

/// Expands `text` to one word: quotes and escapes resolved, blanks kept.
pub fn word(text: &str, scope: &Scope, escape: char) -> Result<String, String> {
    Ok(Lexer::run(text, scope, escape, true)?.text)
}

/// Expands `text` and splits the result at blanks that no quote protects.
pub fn words(text: &str, scope: &Scope, escape: char) -> Result<Vec<String>, String> {
    let mut out = Lexer::run(text, scope, escape, true)?;
    out.end_word();
    Ok(out.words)
}

/// Expands the body of a heredoc: quotes mean nothing, and a backslash escapes whatever the file's directive says.
pub fn heredoc(text: &str, scope: &Scope) -> Result<String, String> {
    Ok(Lexer::run(text, scope, '\\', false)?.text)
}

/// The names in `text` that have no value and nothing to stand in for it (`${name:-word}` has): most likely mistakes.
/// None from a text that cannot be read.
pub fn unset(text: &str, scope: &Scope, escape: char, quotes: bool) -> BTreeSet<String> {
    let mut lexer = Lexer::new(text, scope, escape, quotes);
    let read = lexer.until(None, false);
    read.map(|_| lexer.unset).unwrap_or_default()
}

/// What has been read: as one text and as words.
#[derive(Default)]
struct Output {
    text: String,
    words: Vec<String>,
    word: String,
}

impl Output {
    fn literal(&mut self, text: &str) {
        self.text.push_str(text);
        self.word.push_str(text);
    }

    fn splitting(&mut self, text: &str) {
        self.text.push_str(text);
        for c in text.chars() {
            if c.is_whitespace() { self.end_word() } else { self.word.push(c) }
        }
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }
}

struct Lexer<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    scope: &'a Scope,
    escape: char,
    quotes: bool,
    depth: usize,
    unset: BTreeSet<String>,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, scope: &'a Scope, escape: char, quotes: bool) -> Lexer<'a> {
        Lexer { chars: text.chars().peekable(), scope, escape, quotes, depth: 0, unset: BTreeSet::new() }
    }

    fn run(text: &'a str, scope: &'a Scope, escape: char, quotes: bool) -> Result<Output, String> {
        Lexer::new(text, scope, escape, quotes).until(None, false)
    }

    /// The value of a variable that has no other word to fall back on.
    fn value(&mut self, name: &str) -> &'a str {
        let scope: &'a Scope = self.scope;
        scope.get(name).unwrap_or_else(|| {
            self.unset.insert(name.to_owned());
            ""
        })
    }

    /// Reads up to an unprotected `stop`, or to the end. With `raw`, escapes stay in the text, for a pattern to read.
    fn until(&mut self, stop: Option<char>, raw: bool) -> Result<Output, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("variables are nested more than {MAX_DEPTH} deep"));
        }
        let mut out = Output::default();
        loop {
            let Some(c) = self.chars.next() else {
                return match stop {
                    None => Ok(out),
                    Some('/') => Err("missing / in ${…}".into()),
                    Some(stop) => Err(format!("missing {stop}")),
                };
            };
            match c {
                c if stop == Some(c) => {
                    self.depth -= 1;
                    return Ok(out);
                }
                '$' => out.splitting(&self.dollar()?),
                '\'' if self.quotes => out.literal(&self.single()?),
                '"' if self.quotes => out.literal(&self.double(raw)?),
                c if c == self.escape => {
                    // At the very end there is nothing to escape, and the character vanishes.
                    let next = self.chars.next();
                    if raw {
                        out.literal(c.encode_utf8(&mut [0; 4]));
                    }
                    if let Some(next) = next {
                        out.literal(next.encode_utf8(&mut [0; 4]));
                    }
                }
                c => out.splitting(c.encode_utf8(&mut [0; 4])),
            }
        }
    }

    fn single(&mut self) -> Result<String, String> {
        let mut text = String::new();
        for c in self.chars.by_ref() {
            if c == '\'' {
                return Ok(text);
            }
            text.push(c);
        }
        Err("unfinished single quote".into())
    }

    fn double(&mut self, raw: bool) -> Result<String, String> {
        let mut text = String::new();
        while let Some(c) = self.chars.next() {
            match c {
                '"' => return Ok(text),
                '$' => text.push_str(&self.dollar()?),
                c if c == self.escape => {
                    let escape = self.escape;
                    let escaped = self.chars.next_if(|c| matches!(c, '"' | '$') || *c == escape);
                    if raw || escaped.is_none() {
                        text.push(c);
                    }
                    text.extend(escaped);
                }
                c => text.push(c),
            }
        }
        Err("unfinished double quote".into())
    }

    /// The name of a variable: digits, one special character, or letters, digits and underscores.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.chars.peek() {
            Some('0'..='9') => {
                name.extend(std::iter::from_fn(|| self.chars.next_if(char::is_ascii_digit)));
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => name.extend(self.chars.next()),
            _ => name.extend(std::iter::from_fn(|| self.chars.next_if(|c| c.is_alphanumeric() || *c == '_'))),
        }
        name
    }

    fn dollar(&mut self) -> Result<String, String> {
        if self.chars.next_if_eq(&'{').is_some() {
            return self.braces();
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".into());
        }
        Ok(self.value(&name).to_owned())
    }

    /// Inside `${`: a name and perhaps an operator.
    fn braces(&mut self) -> Result<String, String> {
        if matches!(self.chars.peek(), Some('{' | '}' | ':')) {
            return Err("bad substitution: a name must follow ${".into());
        }
        let name = self.name();
        let scope: &'a Scope = self.scope;
        let value = scope.get(&name);
        let operator = self.chars.next();
        match operator {
            Some('}') => Ok(self.value(&name).to_owned()),
            Some(':') => match self.chars.next() {
                Some(c @ ('-' | '+' | '?')) => self.default(&name, value.filter(|v| !v.is_empty()), c, value.is_some()),
                other => Err(unsupported(":", other)),
            },
            Some(c @ ('-' | '+' | '?')) => self.default(&name, value, c, false),
            Some('#') => {
                let longest = self.chars.next_if_eq(&'#').is_some();
                Ok(self.pattern('}')?.trim_start(self.value(&name), longest))
            }
            Some('%') => {
                let longest = self.chars.next_if_eq(&'%').is_some();
                Ok(self.pattern('}')?.trim_end(self.value(&name), longest))
            }
            Some('/') => {
                let every = self.chars.next_if_eq(&'/').is_some();
                let pattern = self.pattern('/')?;
                let with = self.until(Some('}'), true)?.text;
                Ok(pattern.replace(self.value(&name), &with, every))
            }
            other => Err(unsupported("", other)),
        }
    }

    fn pattern(&mut self, stop: char) -> Result<Pattern, String> {
        let text = self.until(Some(stop), true)?.text;
        Pattern::parse(&text)
    }

    /// `-`, `+` and `?`; `value` is `None` where the operator's word decides.
    fn default(&mut self, name: &str, value: Option<&str>, operator: char, empty: bool) -> Result<String, String> {
        let word = self.until(Some('}'), false)?.text;
        match (operator, value) {
            ('+', Some(_)) | ('-', None) => Ok(word),
            ('+', None) => Ok(String::new()),
            (_, Some(value)) => Ok(value.to_owned()),
            (_, None) if !word.is_empty() => Err(format!("{name}: {word}")),
            (_, None) if empty => Err(format!("{name}: is not allowed to be empty")),
            (_, None) => Err(format!("{name}: is not allowed to be unset")),
        }
    }
}

fn unsupported(colon: &str, operator: Option<char>) -> String {
    match operator {
        Some(c) => format!("unsupported modifier {colon}{c} in ${{…}}"),
        None => "missing }".into(),
    }
}

#[cfg(test)]
#[path = "expand_tests.rs"]
mod tests;
