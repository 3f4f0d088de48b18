//! The instructions whose one argument is the rest of the line: `USER`, `STOPSIGNAL`, `MAINTAINER`.

use super::{Input, Instruction, Metadata};
use crate::build::expand::{self, Scope};
use crate::build::state::StageState;
use crate::error::Result;

/// Who runs later steps and containers.
#[derive(Debug, Clone, PartialEq)]
pub struct User(pub String);

/// Parses a `USER`.
pub fn parse_user(input: &mut Input<'_>) -> Result<Instruction> {
    Ok(Instruction::Metadata(Box::new(User(input.required("a name or a number")?.to_owned()))))
}

impl Metadata for User {
    fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        self.0 = expand::word(&self.0, scope, escape)?;
        Ok(())
    }

    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        state.execution().user = Some(self.0.clone());
        Ok(())
    }

    fn history(&self, _: &StageState) -> Option<String> {
        Some(format!("USER {}", self.0))
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}

/// The signal that asks a container to end.
#[derive(Debug, Clone, PartialEq)]
pub struct StopSignal(pub String);

/// Parses a `STOPSIGNAL`.
pub fn parse_stopsignal(input: &mut Input<'_>) -> Result<Instruction> {
    let signal = input.required("a signal")?;
    if !signal.contains(['$', '\'', '"', '\\', '`']) {
        check_signal(signal).map_err(|e| input.error(e))?;
    }
    Ok(Instruction::Metadata(Box::new(StopSignal(signal.to_owned()))))
}

/// Names of Linux's signals without `SIG`; the real-time ones count from `RTMIN` and down from `RTMAX`.
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

fn check_signal(text: &str) -> Result<(), String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = |part: &str| part.parse::<u8>().is_ok_and(|n| n <= 30);
    let real_time = name.strip_prefix("RTMIN+").or(name.strip_prefix("RTMAX-")).is_some_and(offset);
    let number = text.parse::<u8>().is_ok_and(|n| (1..=64).contains(&n));
    if number || real_time || SIGNALS.contains(&name) {
        return Ok(());
    }
    Err(format!("invalid signal `{text}`: give a name such as SIGTERM or a number from 1 to 64"))
}

impl Metadata for StopSignal {
    fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        self.0 = expand::word(&self.0, scope, escape)?;
        check_signal(&self.0)
    }

    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        state.execution().stop_signal = Some(self.0.clone());
        Ok(())
    }

    fn history(&self, _: &StageState) -> Option<String> {
        Some(format!("STOPSIGNAL {}", self.0))
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}

/// The image's author; an old form of a label.
#[derive(Debug, Clone, PartialEq)]
pub struct Maintainer(pub String);

/// Parses a `MAINTAINER`.
pub fn parse_maintainer(input: &mut Input<'_>) -> Result<Instruction> {
    Ok(Instruction::Metadata(Box::new(Maintainer(input.required("a name")?.to_owned()))))
}

impl Metadata for Maintainer {
    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        state.config.author = Some(self.0.clone());
        Ok(())
    }

    fn history(&self, _: &StageState) -> Option<String> {
        Some(format!("MAINTAINER {}", self.0))
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}
