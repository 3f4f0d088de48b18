//! Single Dockerfile lines that change an image configuration without a build: `commit --change`, `import --change`.

use super::args::{Globals, Platform};
use super::instruction::{Instruction, parse_step};
use super::parse::parse;
use super::state::StageState;
use crate::error::{Kind, Result, fail_with};
use crate::image::config::ImageConfig;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The instructions that can stand alone: they need neither files nor a step before them.
const ALLOWED: &[&str] = &[
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Applies the lines in order; each sees the variables that the ones before it set. The history stays as it is.
pub fn apply(config: &mut ImageConfig, lines: &[String]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let had_path = config.config.env_get("PATH").is_some();
    let globals = Globals::new(&BTreeMap::new(), &Platform::host(), "");
    let mut state = StageState::new(config.clone(), Arc::new(globals));
    if !had_path {
        // A stage begins with a PATH; an image that has none is not given one by the way.
        state.execution().env = config.config.env.clone();
    }
    for text in lines {
        let file = parse("--change", text.as_bytes())?;
        for line in &file.lines {
            if !ALLOWED.contains(&line.keyword.as_str()) {
                return Err(fail_with(
                    Kind::User,
                    format!("--change {text:?}: {} cannot be used here", line.keyword),
                    format!("Possible are {}.", ALLOWED.join(", ")),
                ));
            }
            let mut step = parse_step(line, &file)?;
            step.expand(&state.scope())?;
            if let Instruction::Workdir(workdir) = &step.instruction {
                workdir.apply(&mut state);
            } else {
                step.apply(&mut state, None)?;
            }
        }
    }
    config.config = state.config.config;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(lines: &[&str]) -> Result<ImageConfig> {
        let mut config = ImageConfig::default();
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        apply(&mut config, &lines).map(|()| config)
    }

    #[test]
    fn lines_change_the_configuration_and_nothing_else() {
        let lines =
            ["ENV A=1", "ENV B=$A$A", "cmd [\"x\", \"y\"]", "WORKDIR /a", "WORKDIR b", "EXPOSE 80", "LABEL k=v"];
        let config = changed(&lines).unwrap();
        let run = &config.config;
        assert_eq!(run.env.as_deref().unwrap(), ["A=1", "B=11"]);
        assert_eq!(run.cmd.as_deref().unwrap(), ["x", "y"]);
        assert_eq!(run.working_dir.as_deref(), Some("/a/b"));
        assert!(run.exposed_ports.as_ref().unwrap().contains_key("80/tcp"));
        assert_eq!(run.labels.as_ref().unwrap()["k"], "v");
        assert!(config.history.is_empty());
    }

    #[test]
    fn lines_that_need_a_build_are_refused_by_name() {
        for bad in ["RUN true", "COPY a b", "FROM x", "NOPE", ""] {
            assert!(changed(&[bad]).is_err(), "{bad}");
        }
        assert!(changed(&["RUN true"]).unwrap_err().to_string().contains("RUN cannot be used"));
    }
}
