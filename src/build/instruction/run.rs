//! `RUN`: what to run. Running it is the engine's work.

use super::mount::Mount;
use super::{Input, Instruction, listed};
use crate::build::expand::Scope;
use crate::build::heredoc::{self, Heredoc};
use crate::build::state::StageState;
use crate::error::Result;

/// The folder in which a heredoc script appears to the step.
pub const SCRIPT_DIR: &str = "/dev/pipes";

/// What to run.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// A line for the shell, as written.
    Shell(String),
    /// A program and its arguments.
    Exec(Vec<String>),
}

/// `--network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The build's.
    Default,
    /// Only a loopback interface.
    None,
    /// The host's.
    Host,
}

/// The step.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The command.
    pub form: Form,
    /// Its heredocs.
    pub heredocs: Vec<Heredoc>,
    /// `None` if the step does not say.
    pub network: Option<Network>,
    /// `--mount`, as written.
    pub mounts: Vec<Mount>,
    /// `--security=insecure`: every capability, no filter, nothing masked.
    pub insecure: bool,
}

/// Parses the line.
pub fn parse(input: &mut Input<'_>) -> Result<Instruction> {
    let mounts = input.each("mount", Mount::parse)?;
    if !input.each("device", |_| Ok(()))?.is_empty() {
        let message = "devices in a build are described by CDI files, which dhow does not read yet: leave out --device";
        return Err(input.error_at_flag("device", message));
    }
    let network = match input.text("network")?.as_deref() {
        None => None,
        Some("default") => Some(Network::Default),
        Some("none") => Some(Network::None),
        Some("host") => Some(Network::Host),
        Some(other) => {
            let message = format!("--network is default, none or host, not `{other}`");
            return Err(input.error_at_flag("network", message));
        }
    };
    let insecure = match input.text("security")?.as_deref() {
        None | Some("sandbox") => false,
        Some("insecure") => true,
        Some(other) => {
            let message = format!("--security is sandbox or insecure, not `{other}`");
            return Err(input.error_at_flag("security", message));
        }
    };
    let text = input.required("a command")?;
    let form = match input.json()? {
        Some(argv) if argv.is_empty() => return Err(input.error("RUN needs a command")),
        Some(argv) => Form::Exec(argv),
        None => Form::Shell(text.to_owned()),
    };
    Ok(Instruction::Run(Run { form, heredocs: input.line.heredocs.clone(), network, mounts, insecure }))
}

impl Run {
    /// Expands the values of mounts. The command is the shell's.
    pub fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        self.mounts.iter_mut().try_for_each(|mount| mount.expand(scope, escape))
    }

    /// The program and its arguments. `shell` is the stage's.
    pub fn argv(&self, shell: &[String]) -> Vec<String> {
        match &self.form {
            Form::Exec(argv) => argv.clone(),
            Form::Shell(_) if self.script().is_some() => {
                self.script().map(|(name, _)| vec![format!("{SCRIPT_DIR}/{name}")]).unwrap_or_default()
            }
            Form::Shell(text) => {
                let mut argv = shell.to_vec();
                argv.push(self.command_text(text));
                argv
            }
        }
    }

    /// A script with a `#!` line, as file name and content: the engine shows it read-only and executable in
    /// [`SCRIPT_DIR`], where [`Run::argv`] expects it.
    pub fn script(&self) -> Option<(String, &str)> {
        let doc = self.alone()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let safe = doc.name.chars().all(plain) && !doc.name.starts_with('.');
        let name = if safe { doc.name.clone() } else { "script".to_owned() };
        doc.content.starts_with("#!").then_some((name, doc.content.as_str()))
    }

    /// The heredoc, if it is all that the step is.
    fn alone(&self) -> Option<&Heredoc> {
        let Form::Shell(text) = &self.form else {
            return None;
        };
        heredoc::whole(text).and(self.heredocs.first()).filter(|_| self.heredocs.len() == 1)
    }

    /// A heredoc alone is itself the script, so that shells without heredocs can run it; else the shell gets the text
    /// put together again, since only it knows what each heredoc feeds.
    fn command_text(&self, text: &str) -> String {
        if let Some(doc) = self.alone() {
            return doc.content.clone();
        }
        let mut whole = text.to_owned();
        for doc in &self.heredocs {
            whole.push('\n');
            whole.push_str(&doc.content);
            whole.push_str(&doc.name);
        }
        whole
    }

    /// The `created_by` of the history entry.
    pub fn history(&self, state: &StageState) -> String {
        let argv = self.argv(&state.shell()).join(" ");
        format!("RUN {}{argv} # buildkit", state.build_args_prefix())
    }

    /// The command as an error shows it.
    pub fn shown(&self, shell: &[String]) -> String {
        match &self.form {
            Form::Exec(argv) => listed(argv),
            Form::Shell(_) => self.argv(shell).join(" "),
        }
    }
}
