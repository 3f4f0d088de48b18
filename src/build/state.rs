//! What a stage has come to so far: the image configuration, the arguments in scope, and what later steps ask of them.
//!
//! File systems and layers are not here; instructions change this state through `instruction::Metadata::apply`.

use super::args::{Globals, is_proxy};
use super::expand::Scope;
use crate::image::config::{Execution, History, ImageConfig};
use std::sync::Arc;

/// The `PATH` of an image that sets none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The shell of shell forms where no `SHELL` was given.
const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// The comment of history entries that other tools look for.
const HISTORY_COMMENT: &str = "buildkit.dockerfile.v0";

/// State between two steps of a stage.
#[derive(Debug, Clone)]
pub struct StageState {
    /// Configuration and history as they are after the steps so far. The layers' digests are not kept here.
    pub config: ImageConfig,
    /// True if this stage had a `CMD`, which an `ENTRYPOINT` then leaves alone.
    pub cmd_set: bool,
    globals: Arc<Globals>,
    /// Declared `ARG`s in order; without a value it is declared but unset.
    args: Vec<(String, Option<String>)>,
}

impl StageState {
    /// The state of a stage that begins with an image, or with nothing (a configuration with only a platform).
    pub fn new(base: ImageConfig, globals: Arc<Globals>) -> StageState {
        let mut state = StageState { config: base, cmd_set: false, globals, args: Vec::new() };
        if state.env("PATH").is_none() {
            state.set_env("PATH", DEFAULT_PATH);
        }
        state
    }

    /// The state of a stage that begins with this one's result. Arguments stay in scope.
    pub fn inherit(&self) -> StageState {
        StageState { cmd_set: false, ..self.clone() }
    }

    /// The execution parameters.
    pub fn execution(&mut self) -> &mut Execution {
        &mut self.config.config
    }

    /// The value of a variable of the image's environment.
    pub fn env(&self, name: &str) -> Option<&str> {
        let all = self.config.config.env.as_deref().unwrap_or_default();
        all.iter().rev().find_map(|entry| entry.split_once('=').filter(|(n, _)| *n == name).map(|(_, v)| v))
    }

    /// Sets a variable of the image's environment, in its old place if it has one.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let all = self.config.config.env.get_or_insert_default();
        let entry = format!("{name}={value}");
        match all.iter_mut().find(|e| e.split('=').next() == Some(name)) {
            Some(old) => *old = entry,
            None => all.push(entry),
        }
    }

    /// The variables that the next instruction sees: `ENV` wins over `ARG` of the same name.
    pub fn scope(&self) -> Scope {
        let mut scope = Scope::default();
        for (name, value) in &self.args {
            if let Some(value) = value {
                scope.set(name, value);
            }
        }
        for entry in self.config.config.env.iter().flatten() {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            scope.set(name, value);
        }
        scope
    }

    /// The environment of a RUN, and what of it counts for the cache: the image's and the arguments in scope.
    pub fn run_env(&self) -> Vec<String> {
        let mut all = self.config.config.env.clone().unwrap_or_default();
        for (name, value) in &self.args {
            if let (Some(value), None) = (value, self.env(name)) {
                all.push(format!("{name}={value}"));
            }
        }
        all
    }

    /// Proxy settings that the caller gave and the file did not declare: for a RUN, but neither for the cache nor the
    /// history, because they belong to the place of the build.
    pub fn proxy_env(&self) -> Vec<String> {
        let given = self.globals.build_args.iter().filter(|(name, _)| is_proxy(name));
        let declared = |name: &str| self.env(name).is_some() || self.args.iter().any(|(n, _)| n == name);
        given.filter(|(name, _)| !declared(name)).map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// What runs a shell form.
    pub fn shell(&self) -> Vec<String> {
        match &self.config.config.shell {
            Some(shell) if !shell.is_empty() => shell.clone(),
            _ => DEFAULT_SHELL.map(str::to_owned).to_vec(),
        }
    }

    /// The working directory, absolute.
    pub fn workdir(&self) -> &str {
        self.config.config.working_dir.as_deref().filter(|d| !d.is_empty()).unwrap_or("/")
    }

    /// Declares an `ARG`: the caller's value, else the default, else the global one; a bare second `ARG` changes nothing.
    pub fn declare_arg(&mut self, name: &str, default: Option<&str>) {
        let given = self.globals.build_args.get(name).map(String::as_str);
        let value = given.or(default).or_else(|| self.globals.scope().get(name)).map(str::to_owned);
        match self.args.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) if value.is_some() => *old = value,
            Some(_) => {}
            None => self.args.push((name.to_owned(), value)),
        }
    }

    /// The names of the declared `ARG`s, with and without a value.
    pub fn declared(&self) -> impl Iterator<Item = &str> {
        self.args.iter().map(|(name, _)| name.as_str())
    }

    /// The value of a declared `ARG`.
    pub fn arg(&self, name: &str) -> Option<&str> {
        self.args.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.as_deref())
    }

    /// What the history of a RUN shows before the command: `|2 A=1 B=2 `, or nothing without arguments.
    pub fn build_args_prefix(&self) -> String {
        if self.args.is_empty() {
            return String::new();
        }
        let mut text = format!("|{} ", self.args.len());
        for (name, value) in &self.args {
            let value = self.env(name).or(value.as_deref()).unwrap_or_default();
            text.push_str(&format!("{name}={value} "));
        }
        text
    }

    /// Appends a history entry; `created` is RFC 3339.
    pub fn add_history(&mut self, created_by: String, empty_layer: bool, created: Option<&str>) {
        self.config.history.push(History {
            created: created.map(str::to_owned),
            created_by: Some(created_by),
            author: None,
            comment: Some(HISTORY_COMMENT.into()),
            empty_layer,
        });
    }

    /// Takes the triggers that the base carries; the stage runs them first and its own image does not have them.
    pub fn take_onbuild(&mut self) -> Vec<String> {
        self.config.config.on_build.take().unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
