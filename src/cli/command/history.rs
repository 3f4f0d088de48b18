//! `dhow history`: how an image came to be, newest step first.

use super::Verb;
use crate::cli::format::{List, Row};
use crate::cli::{flags, output, time, units};
use crate::error::Result;
use crate::image::config::History as Step;
use crate::store::Store;
use crate::store::image::ImageRecord;
use clap::{ArgAction, Args};
use serde_json::{Map, Value, json};

const COLUMNS: &[&str] = &["ID", "Created", "CreatedBy", "Size", "Comment"];
const HEADINGS: &[(&str, &str)] = &[
    ("ID", "ID"),
    ("Created", "CREATED"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];
const MISSING: &str = "<missing>";

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct History {
    /// Print json, or what a Go template says of each step
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print sizes and times for people; with =false, bytes and points in time
    #[arg(
        short = 'H',
        long,
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "true",
        default_missing_value = "true",
        value_parser = flags::boolean,
        value_name = "BOOL"
    )]
    human: bool,
    /// Do not shorten ids and instructions
    #[arg(long)]
    no_trunc: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// The image, by name or id
    #[arg(value_name = "IMAGE")]
    image: String,
}

/// The steps, newest first, each with the bytes of its layer.
fn steps(image: &ImageRecord) -> Vec<(Step, u64)> {
    let mut layers = image.layers.iter().map(|l| l.content_size);
    let mut steps: Vec<(Step, u64)> = image
        .config
        .history
        .iter()
        .map(|step| (step.clone(), if step.empty_layer { 0 } else { layers.next().unwrap_or(0) }))
        .collect();
    // Some tools write no history at all: the layers are shown anyway.
    steps.extend(layers.map(|size| (Step::default(), size)));
    steps.reverse();
    steps
}

fn row(id: &str, step: &Step, size: u64, whole: bool, human: bool) -> Row {
    let created = step.created.clone().unwrap_or_default();
    let by = step.created_by.clone().unwrap_or_default();
    let comment = step.comment.clone().unwrap_or_default();
    let shown = if whole || by.chars().count() <= 45 {
        by.clone()
    } else {
        format!("{}...", by.chars().take(42).collect::<String>())
    };
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_string(), value);
    set("ID", id.into());
    set("Created", if human { time::ago(&created) } else { created.clone() }.into());
    set("CreatedSince", time::ago(&created).into());
    set("CreatedAt", created.clone().into());
    set("CreatedBy", shown.into());
    set("Size", if human { units::size(size) } else { size.to_string() }.into());
    set("Comment", comment.clone().into());
    let json = json!({
        "id": id, "created": created, "CreatedBy": by, "size": size, "comment": comment, "emptyLayer": step.empty_layer,
    });
    Row { fields, json }
}

impl Verb for History {
    const NAME: &'static str = "history";
    const ABOUT: &'static str = "Show how an image came to be";

    fn run(self) -> Result<i32> {
        let image = Store::open()?.find_image(&self.image)?;
        let rows: Vec<Row> = steps(&image)
            .iter()
            .enumerate()
            .map(|(at, (step, size))| {
                let id = if at == 0 { output::id(&image.id, self.no_trunc) } else { MISSING };
                row(id, step, *size, self.no_trunc, self.human)
            })
            .collect();
        let format = if self.quiet { Some("{{.ID}}") } else { self.format.as_deref() };
        let list = List { format, columns: COLUMNS, headings: HEADINGS, no_heading: false };
        output::rendered(&list.render(&rows, output::own_personality())?)?;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::layer::LayerRef;

    #[test]
    fn sizes_belong_to_the_steps_with_layers() {
        let layer = |size| LayerRef { id: "a".into(), diff_id: String::new(), tar_size: 0, content_size: size };
        let step = |by: &str, empty| Step { created_by: Some(by.into()), empty_layer: empty, ..Step::default() };
        let mut image = ImageRecord {
            manifest: String::new(),
            id: String::new(),
            config: Default::default(),
            layers: vec![layer(1), layer(2), layer(3)],
            size: 6,
            created: String::new(),
        };
        image.config.history = vec![step("COPY", false), step("ENV", true), step("RUN", false)];
        let sizes: Vec<u64> = steps(&image).iter().map(|(_, size)| *size).collect();
        assert_eq!(sizes, [3, 2, 0, 1]);
        assert_eq!(
            row("x", &step(&"y".repeat(60), false), 1, false, true).fields["CreatedBy"].as_str().unwrap().len(),
            45
        );
        let exact =
            row("x", &Step { created: Some("2026-01-01T00:00:00Z".into()), ..Step::default() }, 1500, false, false);
        assert_eq!((&exact.fields["Size"], &exact.fields["Created"]), (&"1500".into(), &"2026-01-01T00:00:00Z".into()));
    }
}
