//! What an instruction's parser reads from: the line, its flags, and errors at the right place.

use crate::build::parse::{Dockerfile, Flag, Line};
use crate::build::words;
use crate::error::Result;

/// One line on its way to an instruction. Flags are taken by name; what is left at the end is unknown.
pub struct Input<'a> {
    /// The line.
    pub line: &'a Line,
    /// The file, for the escape character and errors.
    pub df: &'a Dockerfile,
    flags: Vec<&'a Flag>,
    known: Vec<&'static str>,
}

impl<'a> Input<'a> {
    /// Begins with all flags untaken.
    pub fn new(line: &'a Line, df: &'a Dockerfile) -> Self {
        Input { line, df, flags: line.flags.iter().collect(), known: Vec::new() }
    }

    /// An error at the arguments.
    pub fn error(&self, message: impl Into<String>) -> anyhow::Error {
        self.error_at("", message)
    }

    /// An error at the first argument written like `word`.
    pub fn error_at(&self, word: &str, message: impl Into<String>) -> anyhow::Error {
        self.df.source.error(self.line.place_of(word), message)
    }

    /// The arguments; that there are none is an error which says what is missing.
    pub fn required(&self, what: &str) -> Result<&'a str> {
        if self.line.rest.is_empty() {
            let message = format!("{} needs {what}", self.line.keyword);
            return Err(self.df.source.error(self.line.span, message));
        }
        Ok(&self.line.rest)
    }

    /// The JSON form of the arguments, if they have it.
    pub fn json(&self) -> Result<Option<Vec<String>>> {
        words::json(&self.line.rest).transpose().map_err(|e| self.error(e))
    }

    /// Takes `--name=value`.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        match self.take(name)? {
            None => Ok(None),
            Some(flag) => match &flag.value {
                Some(value) => Ok(Some(value.clone())),
                None => Err(self.at(flag, format!("--{name} needs a value: --{name}=…"))),
            },
        }
    }

    /// Takes every `--name=value`, in order.
    pub fn texts(&mut self, name: &'static str) -> Result<Vec<String>> {
        self.known.push(name);
        let mut values = Vec::new();
        for flag in self.flags.extract_if(.., |f| f.name == name) {
            match &flag.value {
                Some(value) => values.push(value.clone()),
                None => return Err(self.df.source.error(flag.span, format!("--{name} needs a value: --{name}=…"))),
            }
        }
        Ok(values)
    }

    /// Takes every `--name=value`, in order, and makes something of each value.
    pub fn each<T>(&mut self, name: &'static str, make: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>> {
        self.known.push(name);
        let (mine, others) = std::mem::take(&mut self.flags).into_iter().partition(|f| f.name == name);
        self.flags = others;
        let mine: Vec<&Flag> = mine;
        let one = |flag: &Flag| match &flag.value {
            Some(value) => make(value).map_err(|e| self.at(flag, e)),
            None => Err(self.at(flag, format!("--{name} needs a value: --{name}=…"))),
        };
        mine.into_iter().map(one).collect()
    }

    /// Takes `--name` or `--name=true|false`; false without it.
    pub fn switch(&mut self, name: &'static str) -> Result<bool> {
        Ok(self.choice(name)?.unwrap_or(false))
    }

    /// Takes `--name` or `--name=true|false`; nothing without it.
    pub fn choice(&mut self, name: &'static str) -> Result<Option<bool>> {
        match self.take(name)? {
            None => Ok(None),
            Some(flag) => match flag.value.as_deref().map(str::to_ascii_lowercase).as_deref() {
                None | Some("true" | "1") => Ok(Some(true)),
                Some("false" | "0") => Ok(Some(false)),
                Some(other) => Err(self.at(flag, format!("--{name} is true or false, not `{other}`"))),
            },
        }
    }

    /// Refuses a flag that is part of the language but not implemented.
    pub fn not_yet(&mut self, name: &'static str) -> Result<()> {
        self.known.push(name);
        match self.flags.iter().find(|f| f.name == name) {
            Some(flag) => Err(self.at(flag, format!("not supported yet: {} --{name}", self.line.keyword))),
            None => Ok(()),
        }
    }

    /// An error at the flag of that name.
    pub fn error_at_flag(&self, name: &str, message: impl Into<String>) -> anyhow::Error {
        match self.line.flags.iter().find(|f| f.name == name) {
            Some(flag) => self.at(flag, message),
            None => self.error(message),
        }
    }

    /// Every flag must have been taken.
    pub fn no_more_flags(&self) -> Result<()> {
        let Some(flag) = self.flags.first() else {
            return Ok(());
        };
        let near = words::nearest(&flag.name, self.known.iter().copied());
        let hint = near.map(|name| format!(" (did you mean --{name}?)")).unwrap_or_default();
        Err(self.at(flag, format!("unknown flag of {}: --{}{hint}", self.line.keyword, flag.name)))
    }

    fn take(&mut self, name: &'static str) -> Result<Option<&'a Flag>> {
        self.known.push(name);
        let Some(at) = self.flags.iter().position(|f| f.name == name) else {
            return Ok(None);
        };
        let flag = self.flags.remove(at);
        match self.flags.iter().find(|f| f.name == name) {
            Some(again) => Err(self.at(again, format!("--{name} is given twice"))),
            None => Ok(Some(flag)),
        }
    }

    fn at(&self, flag: &Flag, message: impl Into<String>) -> anyhow::Error {
        self.df.source.error(flag.span, message)
    }
}
