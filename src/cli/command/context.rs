//! `dhow builder context`, and `dhow build context`: what of a folder a build can take, and what is left out by which line.

use super::Verb;
use crate::build::listing::{self, Listed};
use crate::cli::escape;
use crate::cli::output;
use crate::cli::units;
use crate::error::{Kind, Result, fail_with};
use clap::Args;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Arguments of `builder context`.
#[derive(Debug, Args)]
pub struct BuilderContext {
    /// The Dockerfile; its own ignore file goes before the folder's
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<String>,
    /// The folder
    #[arg(value_name = "CONTEXT", default_value = ".")]
    pub(super) context: PathBuf,
}

impl Verb for BuilderContext {
    const NAME: &'static str = "context";
    const ABOUT: &'static str = "List what of a folder a build can take, and which ignore line decides";

    fn run(self) -> Result<i32> {
        let dockerfile = match self.file.as_deref().filter(|name| *name != "-") {
            Some(name) => find_dockerfile(&self.context, name, false)?,
            None => crate::build::default_dockerfile(&self.context),
        };
        let mut total = Total::default();
        // Line by line: a context may have more files than memory likes.
        let mut out = BufWriter::new(output::Standard);
        out.write_all(b"IN    SIZE       PATH\n").map_err(output::failed)?;
        listing::list(&self.context, &dockerfile, &mut |listed| {
            total.add(&listed);
            out.write_all(row(&listed).as_bytes()).map_err(output::failed)
        })?;
        out.write_all(total.words().as_bytes()).and_then(|()| out.flush()).map_err(output::failed)?;
        Ok(0)
    }
}

/// A `--file` is looked for from here, then in the context, as podman does; only there if the context came from elsewhere.
pub(super) fn find_dockerfile(context: &Path, name: &str, only_inside: bool) -> Result<PathBuf> {
    let here = std::path::absolute(name)?;
    if here.exists() && !only_inside {
        return Ok(here);
    }
    let inside = context.join(name);
    if inside.exists() {
        return Ok(inside);
    }
    Err(fail_with(
        Kind::User,
        format!("--file {name}: no such file, neither here nor in the context {}", context.display()),
        "Name the Dockerfile from the folder you are in, or from the context.",
    ))
}

fn row(listed: &Listed) -> String {
    let size = if listed.folder || !listed.included { String::new() } else { units::size(listed.size) };
    let sign = if listed.included { "yes" } else { "no" };
    let path = format!("{}{}", listed.path.display(), if listed.folder { "/" } else { "" });
    let rule = listed.rule.as_ref().map(|r| format!("   ({r})")).unwrap_or_default();
    format!("{sign:<6}{size:<11}{}\n", escape::one_line(&format!("{path}{rule}")))
}

#[derive(Default)]
struct Total {
    files: u64,
    bytes: u64,
    left_out: u64,
}

impl Total {
    fn add(&mut self, listed: &Listed) {
        match (listed.included, listed.folder) {
            (false, _) => self.left_out += 1,
            (true, false) => {
                self.files += 1;
                self.bytes += listed.size;
            }
            (true, true) => {}
        }
    }

    fn words(&self) -> String {
        let plural = |n: u64| if n == 1 { "" } else { "s" };
        let (files, left_out) = (self.files, self.left_out);
        let size = units::size(self.bytes);
        format!("{files} file{} of {size} can go in; {left_out} path{} left out\n", plural(files), plural(left_out))
    }
}
