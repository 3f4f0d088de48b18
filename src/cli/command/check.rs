//! `dhow system check`: is everything in the store what it should be, and if not, mend it.
//!
//! Exit code 0 when nothing is wrong (or is any more), 1 when something is, 125 when not everything could be looked at.

use super::Verb;
use crate::cli::escape::one_line;
use crate::cli::output;
use crate::cli::progress::Console;
use crate::error::{Kind, Result, fail, fail_with};
use crate::store::Store;
use crate::store::check::{Finding, Options, Remedy, Report, check};
use crate::store::container::ContainerRecord;
use clap::Args;

/// Arguments of `system check`.
#[derive(Debug, Args)]
pub struct Check {
    /// With --repair: remove damaged images, too, and the containers that were made from them
    #[arg(short, long)]
    force: bool,
    /// Print json instead of a line for each finding
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Accepted from podman, to say what does its work here
    #[arg(short, long, value_name = "AGE", hide = true)]
    max: Option<String>,
    /// Look at records only, not at the files in layers
    #[arg(short, long)]
    quick: bool,
    /// Mend what can be mended, and remove what is damaged and needed by nobody
    #[arg(short, long)]
    repair: bool,
}

impl Verb for Check {
    const NAME: &'static str = "check";
    const ABOUT: &'static str = "Check the store for damage, and repair it";

    fn run(self) -> Result<i32> {
        let json = match self.format.as_deref() {
            None => false,
            Some("json") => true,
            Some(other) => return Err(fail(Kind::User, format!("--format knows only json, not {other:?}"))),
        };
        if self.max.is_some() {
            return Err(fail_with(
                Kind::User,
                "--max is not needed: no unused layer is taken for damage, whatever its age",
                "What ended commands left is swept without being asked; `dhow builder prune` removes unused layers.",
            ));
        }
        let store = Store::open()?;
        let options = Options { quick: self.quick, repair: self.repair, force: self.force };
        let console = Console::new(false);
        let remove = |container: &ContainerRecord| crate::run::control::remove(&store, container, true, None);
        let report = check(&store, options, &remove, &console);
        console.finish();
        let report = report?;
        if json {
            output::json(&report)?;
        } else {
            print(&report)?;
        }
        Ok(if !report.is_clean() {
            1
        } else if report.unchecked.is_empty() {
            0
        } else {
            125
        })
    }
}

fn print(report: &Report) -> Result<()> {
    for finding in &report.findings {
        output::line(&one_line(&line(finding)))?;
    }
    for (layer, why) in &report.unchecked {
        output::warn(&format!("the layer {layer} could not be checked: {why}"));
    }
    let wrong = report.findings.iter().filter(|finding| !finding.repaired).count();
    let verdict = match (report.findings.len(), wrong) {
        (0, _) => "nothing is wrong".to_string(),
        (all, 0) => format!("{all} repaired"),
        (all, wrong) => format!("{wrong} wrong, {} repaired", all - wrong),
    };
    output::line(&format!(
        "checked: {} layers, {} images, {} containers: {verdict}",
        report.layers, report.images, report.containers
    ))
}

fn line(finding: &Finding) -> String {
    let Finding { object, id, problem, .. } = finding;
    let shown = if matches!(*object, "container" | "image") { output::id(id, false) } else { id };
    let remedy = remedy(&finding.remedy);
    let means = match &finding.remedy {
        Remedy::Person { .. } => remedy,
        _ if finding.repaired => format!("done: {remedy}"),
        other if other.needs_force() => format!("--repair --force will {remedy}"),
        _ => format!("--repair will {remedy}"),
    };
    format!("{object} {shown}: {problem} [{means}]")
}

fn remedy(remedy: &Remedy) -> String {
    match remedy {
        Remedy::MendFolder => "make the folder and close it to others".into(),
        Remedy::MendStub => "make it anew".into(),
        Remedy::RebuildImage { .. } | Remedy::RebuildLayer { .. } => "write its record anew".into(),
        Remedy::Index { .. } => "write the entry anew".into(),
        Remedy::RemoveRecord { .. } => "remove the record".into(),
        Remedy::RemoveLayer => "remove the layer".into(),
        Remedy::RemoveContainer => "remove the container with its files".into(),
        Remedy::RemoveImages { names, containers, .. } => {
            let mut what = Vec::new();
            if !names.is_empty() {
                what.push(format!("the images {}", names.join(", ")));
            }
            if !containers.is_empty() {
                let short: Vec<&str> = containers.iter().map(|id| output::id(id, false)).collect();
                what.push(format!("the containers {}", short.join(", ")));
            }
            if what.is_empty() {
                what.push("the record".into());
            }
            format!("remove {}", what.join(" and "))
        }
        Remedy::Person { advice } => advice.clone(),
    }
}
