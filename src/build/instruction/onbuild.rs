//! `ONBUILD`: an instruction for the builds that begin with this image.

use super::{Input, Instruction, Metadata, Step, parse_step};
use crate::build::parse::Line;
use crate::build::state::StageState;
use crate::error::Result;

/// The trigger.
#[derive(Debug, Clone)]
pub struct OnBuild {
    /// What the image carries: the instruction as written, heredocs included, variables not expanded.
    pub text: String,
    /// The instruction, for what has to be known beforehand (from which stage it copies).
    pub step: Box<Step>,
}

/// Parses the line. The inner instruction must be right already here, not first in somebody's build.
pub fn parse(input: &mut Input<'_>) -> Result<Instruction> {
    input.required("an instruction")?;
    let inner = input.line.nested();
    check(&inner).map_err(|e| input.error(e))?;
    let step = Box::new(parse_step(&inner, input.df)?);
    let mut text = inner.original.clone();
    for doc in &inner.heredocs {
        text.push('\n');
        text.push_str(&doc.content);
        text.push_str(&doc.name);
    }
    Ok(Instruction::OnBuild(OnBuild { text, step }))
}

/// Some instructions make no sense as a trigger.
pub fn check(line: &Line) -> Result<(), String> {
    match line.keyword.as_str() {
        keyword @ ("ONBUILD" | "FROM" | "MAINTAINER") => Err(format!("{keyword} cannot be a trigger of ONBUILD")),
        _ => Ok(()),
    }
}

impl Metadata for OnBuild {
    fn apply(&self, state: &mut StageState) -> Result<(), String> {
        state.execution().on_build.get_or_insert_default().push(self.text.clone());
        Ok(())
    }

    fn history(&self, _: &StageState) -> Option<String> {
        None
    }

    fn boxed(&self) -> Box<dyn Metadata> {
        Box::new(self.clone())
    }
}
