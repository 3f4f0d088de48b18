//! `FROM [--platform=…] image [AS name]`. Its variables are expanded by the plan, with the global arguments only.

use super::{Input, Instruction};
use crate::build::words;
use crate::error::Result;

/// The beginning of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct From {
    /// An image, an earlier stage or `scratch`; not expanded.
    pub image: String,
    /// The stage's name, in lower case.
    pub name: Option<String>,
    /// Not expanded.
    pub platform: Option<String>,
}

/// Parses the line.
pub fn parse(input: &mut Input<'_>) -> Result<Instruction> {
    let platform = input.text("platform")?;
    let words = words::blank(input.required("an image, a stage or scratch")?);
    let (image, name) = match words.as_slice() {
        [image] => (*image, None),
        [image, keyword, name] if keyword.eq_ignore_ascii_case("as") => (*image, Some(name.to_lowercase())),
        [_, second, ..] => return Err(input.error_at(second, "FROM takes an image and perhaps `AS name`")),
        [] => return Err(input.error("FROM needs an image")),
    };
    if let Some(name) = name.as_deref().filter(|n| !is_stage_name(n)) {
        let written = words[2];
        let rule = "it begins with a letter and holds letters, digits, `-`, `_` and `.`";
        return Err(input.error_at(written, format!("invalid name for a stage: `{name}`; {rule}")));
    }
    Ok(Instruction::From(From { image: image.to_owned(), name, platform }))
}

fn is_stage_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c))
}
