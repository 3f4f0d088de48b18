//! `COPY` and `ADD`: what to copy. Selecting and copying is done elsewhere.

use super::{Input, Instruction};
use crate::build::copy::Chmod;
use crate::build::expand::{self, Scope};
use crate::build::heredoc;
use crate::build::remote;
use crate::build::words;
use crate::error::Result;
use crate::registry::http::without_credentials;

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
    /// `--chmod`; known after `expand`.
    pub chmod: Option<Chmod>,
    /// `--link`: the destination's folders are real ones, whatever is there below this step.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`, in order.
    pub exclude: Vec<String>,
    /// `--checksum`: the digest that a single remote source must have, or the beginning of a commit's.
    pub checksum: Option<String>,
    /// `--keep-git-dir`; nothing if it is not said, and then the source's own query decides.
    pub keep_git_dir: Option<bool>,
    /// `--unpack`; nothing if it is not said: local archives are unpacked, remote ones are not.
    pub unpack: Option<bool>,
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
    let exclude = input.texts("exclude")?;
    let parents = !add && input.switch("parents")?;
    let checksum = if add { input.text("checksum")? } else { None };
    let keep_git_dir = if add { input.choice("keep-git-dir")? } else { None };
    let unpack = if add { input.choice("unpack")? } else { None };
    if let Some(text) = chmod_text.as_ref().filter(|t| !t.contains('$')) {
        Chmod::parse(text).map_err(|e| input.error_at_flag("chmod", e.to_string()))?;
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
    let chmod = None;
    let what = Copy {
        add,
        sources,
        files,
        dest,
        from,
        chown,
        chmod,
        link,
        parents,
        exclude,
        checksum,
        keep_git_dir,
        unpack,
        chmod_text,
    };
    what.check().map_err(|e| input.error(e))?;
    Ok(Instruction::Copy(what))
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
            None => sources.push(argument),
        }
    }
    if docs.next().is_some() {
        return Err(input.error_at("<<", "a heredoc must be a source, a word of its own"));
    }
    Ok((files, sources))
}

impl Copy {
    /// `COPY` or `ADD`.
    pub fn keyword(&self) -> &'static str {
        if self.add { "ADD" } else { "COPY" }
    }

    /// Expands sources, destination, owner, mode, patterns, checksum and unquoted heredocs.
    pub fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        let word = |text: &mut String| expand::word(text, scope, escape).map(|new| *text = new);
        let words = self.sources.iter_mut().chain([&mut self.dest]).chain(&mut self.chown);
        words.chain(&mut self.exclude).chain(&mut self.checksum).try_for_each(word)?;
        self.chown = self.chown.take().filter(|c| !c.is_empty());
        self.checksum = self.checksum.take().filter(|c| !c.is_empty());
        if let Some(text) = &self.chmod_text {
            let text = expand::word(text, scope, escape)?;
            self.chmod = if text.is_empty() { None } else { Some(Chmod::parse(&text).map_err(|e| e.to_string())?) };
            self.chmod_text = Some(text);
        }
        for file in self.files.iter_mut().filter(|f| f.expand) {
            file.content = expand::heredoc(&file.content, scope)?;
        }
        self.check()
    }

    /// What the words together must keep to; asked again when variables have become values.
    fn check(&self) -> Result<(), String> {
        let (mut remotes, mut unknown) = (0, 0);
        for source in &self.sources {
            remotes += usize::from(remote::is_remote(source));
            // A variable may turn out to be anything.
            unknown += usize::from(source.contains('$'));
        }
        if let Some(source) = self.sources.iter().find(|s| !self.add && remote::is_remote(s)) {
            return Err(format!("COPY cannot take a remote source: {source}; ADD can"));
        }
        if self.checksum.is_some() && unknown == 0 && (remotes != 1 || self.sources.len() + self.files.len() != 1) {
            return Err("--checksum is for exactly one source, and that a remote one".into());
        }
        Ok(())
    }

    /// The sources; those that are fetched without a password, which neither an image nor a record should hold.
    pub fn shown_sources(&self) -> Vec<String> {
        let show = |s: &String| if remote::is_remote(s) { without_credentials(s) } else { s.clone() };
        self.sources.iter().map(show).collect()
    }

    /// The `created_by` of the history entry.
    pub fn history(&self) -> String {
        let mut text = self.keyword().to_owned();
        let switch = |name: &str, value: Option<bool>| value.map(|v| format!(" --{name}={v}")).unwrap_or_default();
        let value = |name: &str, value: Option<&String>| value.map(|v| format!(" --{name}={v}")).unwrap_or_default();
        text += &value("chown", self.chown.as_ref());
        text += &value("chmod", self.chmod_text.as_ref().filter(|_| self.chmod.is_some()));
        text += if self.link { " --link" } else { "" };
        text += if self.parents { " --parents" } else { "" };
        for pattern in &self.exclude {
            text += &format!(" --exclude={pattern}");
        }
        text += &value("checksum", self.checksum.as_ref());
        text += &switch("keep-git-dir", self.keep_git_dir);
        text += &switch("unpack", self.unpack);
        let files = self.files.iter().map(|f| format!("<<{}", f.name));
        for word in self.shown_sources().into_iter().chain(files).chain([self.dest.clone()]) {
            text.push(' ');
            text.push_str(&word);
        }
        text + " # buildkit"
    }
}
