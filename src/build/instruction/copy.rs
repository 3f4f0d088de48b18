//! `COPY` and `ADD`: what to copy. Selecting and copying is done elsewhere.

use super::{Input, Instruction};
use crate::build::expand::{self, Scope};
use crate::build::heredoc;
use crate::build::words;
use crate::error::Result;

/// A file whose content stands in the Dockerfile.
#[derive(Debug, Clone, PartialEq)]
pub struct InlineFile {
    /// The heredoc's word: the file's name, if the destination is a folder.
    pub name: String,
    /// The content.
    pub content: String,
    expand: bool,
}

/// COPY, or ADD.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// True for ADD, which unpacks local tars.
    pub add: bool,
    /// Paths and patterns in the source tree, as written.
    pub sources: Vec<String>,
    /// Heredoc sources.
    pub files: Vec<InlineFile>,
    /// As written; relative to the working directory.
    pub dest: String,
    /// `--from`: a stage, an image or a named context.
    pub from: Option<String>,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`, permission bits 0 to 0o7777; known after `expand`.
    pub chmod: Option<u32>,
    /// `--link` was given. It changes no result that can be seen here.
    pub link: bool,
    chmod_text: Option<String>,
}

/// Parses the line of either.
pub fn parse(input: &mut Input<'_>) -> Result<Instruction> {
    let add = input.line.keyword == "ADD";
    let from = if add { None } else { input.text("from")? };
    if from.as_ref().is_some_and(|f| f.contains('$')) {
        let message = "variables are not supported in --from; name a stage: FROM $IMAGE AS name … COPY --from=name";
        return Err(input.error_at_flag("from", message));
    }
    let (chown, chmod_text) = (input.text("chown")?, input.text("chmod")?);
    let link = input.switch("link")?;
    input.not_yet("exclude")?;
    for flag in if add { ["checksum", "keep-git-dir", "unpack"].as_slice() } else { &["parents"] } {
        input.not_yet(flag)?;
    }
    if let Some(text) = chmod_text.as_ref().filter(|t| !t.contains('$')) {
        mode(text).map_err(|e| input.error_at_flag("chmod", e))?;
    }
    let text = input.required("a source and a destination")?;
    let mut arguments = input.json()?.unwrap_or_else(|| words::blank(text).into_iter().map(str::to_owned).collect());
    let Some(dest) = arguments.pop().filter(|_| !arguments.is_empty()) else {
        return Err(input.error(format!("{} needs a source and a destination", input.line.keyword)));
    };
    if heredoc::whole(&dest).is_some() && !input.line.heredocs.is_empty() {
        return Err(input.error_at(&dest, "a heredoc cannot be the destination"));
    }
    let (files, sources) = split_heredocs(input, arguments)?;
    Ok(Instruction::Copy(Copy { add, sources, files, dest, from, chown, chmod: None, link, chmod_text }))
}

/// Separates heredoc sources, whose bodies the line carries in order, from paths.
fn split_heredocs(input: &Input<'_>, arguments: Vec<String>) -> Result<(Vec<InlineFile>, Vec<String>)> {
    let mut docs = input.line.heredocs.iter();
    let (mut files, mut sources) = (Vec::new(), Vec::new());
    for argument in arguments {
        match heredoc::whole(&argument).and_then(|_| docs.next()) {
            Some(doc) => {
                let name = doc.name.clone();
                if name.contains('/') || name == "." || name == ".." {
                    return Err(input.error_at(&argument, format!("`{name}` cannot be the name of a file")));
                }
                files.push(InlineFile { name, content: doc.content.clone(), expand: doc.expand });
            }
            None if is_remote(&argument) => {
                return Err(input.error_at(&argument, remote(&input.line.keyword, &argument)));
            }
            None => sources.push(argument),
        }
    }
    if docs.next().is_some() {
        return Err(input.error_at("<<", "a heredoc must be a source, a word of its own"));
    }
    Ok((files, sources))
}

fn is_remote(source: &str) -> bool {
    let lower = source.to_ascii_lowercase();
    ["http://", "https://", "git://", "ssh://", "git@"].iter().any(|p| lower.starts_with(p))
}

fn remote(keyword: &str, source: &str) -> String {
    match keyword {
        "ADD" => format!("not supported yet: ADD of a remote source: {source}"),
        _ => format!("COPY cannot take a remote source: {source}; ADD can"),
    }
}

/// Octal permission bits.
fn mode(text: &str) -> Result<u32, String> {
    let octal = !text.is_empty() && text.chars().all(|c| ('0'..='7').contains(&c));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if octal && mode <= 0o7777 => Ok(mode),
        _ if text.contains(['+', '-', '=']) => Err(format!("not supported yet: symbolic --chmod={text}; use octal")),
        _ => Err(format!("invalid --chmod={text}: it is an octal number from 0 to 7777")),
    }
}

impl Copy {
    /// `COPY` or `ADD`.
    pub fn keyword(&self) -> &'static str {
        if self.add { "ADD" } else { "COPY" }
    }

    /// Expands sources, destination, owner, mode and unquoted heredocs.
    pub fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        let word = |text: &mut String| expand::word(text, scope, escape).map(|new| *text = new);
        self.sources.iter_mut().chain([&mut self.dest]).chain(&mut self.chown).try_for_each(word)?;
        self.chown = self.chown.take().filter(|c| !c.is_empty());
        if let Some(text) = &self.chmod_text {
            let text = expand::word(text, scope, escape)?;
            self.chmod = if text.is_empty() { None } else { Some(mode(&text)?) };
        }
        for file in self.files.iter_mut().filter(|f| f.expand) {
            file.content = expand::heredoc(&file.content, scope)?;
        }
        match self.sources.iter().find(|s| is_remote(s)) {
            Some(source) => Err(remote(self.keyword(), source)),
            None => Ok(()),
        }
    }

    /// The `created_by` of the history entry.
    pub fn history(&self) -> String {
        let mut text = self.keyword().to_owned();
        if let Some(chown) = &self.chown {
            text.push_str(&format!(" --chown={chown}"));
        }
        if let Some(chmod) = self.chmod {
            text.push_str(&format!(" --chmod={chmod:o}"));
        }
        if self.link {
            text.push_str(" --link");
        }
        let files = self.files.iter().map(|f| format!("<<{}", f.name));
        for word in self.sources.iter().cloned().chain(files).chain([self.dest.clone()]) {
            text.push(' ');
            text.push_str(&word);
        }
        text + " # buildkit"
    }
}
