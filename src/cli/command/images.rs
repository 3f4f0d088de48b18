//! `dhow images`: lists images.

use super::Verb;
use crate::cli::filter::{Filters, glob};
use crate::cli::format::{List, Row};
use crate::cli::{flags, output, time, units};
use crate::error::{Kind, Result, fail};
use crate::image::reference::Reference;
use crate::store::Store;
use crate::store::image::ImageRecord;
use clap::Args;
use serde_json::{Map, Value, json};

const FILTERS: &[&str] = &["reference", "dangling", "label"];
const COLUMNS: &[&str] = &["Repository", "Tag", "ID", "CreatedSince", "Size"];
const COLUMNS_DIGESTS: &[&str] = &["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"];
const HEADINGS: &[(&str, &str)] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
];
const NONE: &str = "<none>";

/// Arguments of `images`.
#[derive(Debug, Default, Args)]
pub struct Images {
    /// Accepted and without effect: all images are shown
    #[arg(short, long)]
    all: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Show only what matches: reference, dangling or label, as KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Print json, or what a Go template says of each image
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print no line of headings
    #[arg(short = 'n', long, alias = "no-heading")]
    noheading: bool,
    /// Order: created, repository, size or tag
    #[arg(long, value_name = "FIELD", default_value = "created")]
    sort: String,
    /// Show only images of this name or pattern
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// One line: an image under one of its names.
struct Listed<'a> {
    image: &'a ImageRecord,
    /// Full name; none for an image without.
    name: Option<String>,
    /// All names of the image.
    names: Vec<String>,
}

/// A full name as repository and tag.
fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, NONE),
    }
}

impl Listed<'_> {
    fn repository_and_tag(&self) -> (&str, &str) {
        self.name.as_deref().map_or((NONE, NONE), split)
    }

    fn matches(&self, filters: &Filters) -> bool {
        let labels = self.image.config.config.labels.as_ref();
        filters.any("reference", |v| self.is_called(v))
            && filters.any("dangling", |v| flags::boolean(v).is_ok_and(|wanted| wanted == self.name.is_none()))
            && filters.labels(|key| labels.and_then(|l| l.get(key)))
    }

    /// Whether a name or pattern means this line: whole, without tag, or without the registry.
    fn is_called(&self, pattern: &str) -> bool {
        let Some(name) = self.name.as_deref() else { return false };
        let (repository, _) = split(name);
        let mut forms = vec![name, repository];
        for prefix in ["localhost/", "docker.io/library/", "docker.io/"] {
            forms.extend(name.strip_prefix(prefix));
            forms.extend(repository.strip_prefix(prefix));
        }
        forms.into_iter().any(|form| glob(pattern, form))
    }

    fn row(&self, whole: bool) -> Row {
        let image = self.image;
        let (repository, tag) = self.repository_and_tag();
        let labels = image.config.config.labels.clone().unwrap_or_default();
        let id = if whole { image.id.as_str() } else { output::id(&image.id, false) };
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.to_string(), value);
        set("ID", id.into());
        set("Repository", repository.into());
        set("Tag", tag.into());
        set("Digest", image.manifest.clone().into());
        set("CreatedSince", time::ago(&image.created).into());
        set("CreatedAt", time::local(&image.created).into());
        set("Created", time::ago(&image.created).into());
        set("Size", units::size(image.size).into());
        set("Labels", json!(labels));
        set("RepoTags", json!(self.names));
        set("Containers", "N/A".into());
        let digests: Vec<String> = self.names.iter().map(|n| format!("{}@{}", split(n).0, image.manifest)).collect();
        let json = json!({
            "Id": output::id(&image.id, true),
            "ParentId": "",
            "RepoTags": self.names,
            "RepoDigests": digests,
            "Names": self.names,
            "Digest": image.manifest,
            "Created": time::unix(&image.created),
            "CreatedAt": image.created,
            "Size": image.size,
            "VirtualSize": image.size,
            "SharedSize": 0,
            "Labels": labels,
            "Containers": 0,
            "Dangling": self.name.is_none(),
        });
        Row { fields, json }
    }
}

impl Images {
    fn select<'a>(&self, images: &'a [ImageRecord], store: &Store) -> Result<Vec<Listed<'a>>> {
        let filters = Filters::parse(&self.filter, FILTERS)?;
        filters.check("dangling", |v| flags::boolean(v).is_ok(), "true or false")?;
        let names = store.names()?;
        let mut lines = Vec::new();
        for image in images {
            let own: Vec<String> =
                names.iter().filter(|n| n.manifest == image.manifest).map(|n| n.name.clone()).collect();
            if own.is_empty() {
                lines.push(Listed { image, name: None, names: vec![] });
            }
            for name in &own {
                lines.push(Listed { image, name: Some(name.clone()), names: own.clone() });
            }
        }
        lines.retain(|line| {
            line.matches(&filters) && self.name.as_deref().is_none_or(|wanted| self.means(line, wanted))
        });
        self.order(&mut lines)?;
        Ok(lines)
    }

    /// The positional name: a pattern, or what `find_image` would take, but for all tags when it has none.
    fn means(&self, line: &Listed, wanted: &str) -> bool {
        let exact = || {
            let candidates = Reference::candidates(wanted).unwrap_or_default();
            candidates.iter().any(|r| Some(r.to_string()) == line.name)
        };
        line.is_called(wanted) || exact()
    }

    fn order(&self, lines: &mut [Listed]) -> Result<()> {
        // Names come in byte order, so that equal keys keep it: all sorts are stable.
        match self.sort.as_str() {
            "created" => lines.sort_by(|a, b| b.image.created.cmp(&a.image.created)),
            "repository" => lines.sort_by(|a, b| a.repository_and_tag().cmp(&b.repository_and_tag())),
            "size" => lines.sort_by_key(|l| l.image.size),
            "tag" => lines.sort_by(|a, b| a.repository_and_tag().1.cmp(b.repository_and_tag().1)),
            "id" => lines.sort_by(|a, b| a.image.id.cmp(&b.image.id)),
            other => {
                let message = format!("--sort {other:?}: write created, id, repository, size or tag");
                return Err(fail(Kind::User, message));
            }
        }
        Ok(())
    }
}

impl Verb for Images {
    const NAME: &'static str = "images";
    const ABOUT: &'static str = "List images";

    fn run(self) -> Result<i32> {
        let store = Store::open()?;
        let images = store.images()?;
        let lines = self.select(&images, &store)?;
        if self.quiet {
            let mut ids: Vec<&str> = Vec::new();
            for line in &lines {
                let id = if self.no_trunc { line.image.id.as_str() } else { output::id(&line.image.id, false) };
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            let text: String = ids.iter().map(|id| format!("{id}\n")).collect();
            output::text(&text)?;
            return Ok(0);
        }
        let personality = output::own_personality();
        let rows = if self.format.as_deref() == Some("json") && personality == output::Personality::Podman {
            // podman lists an image once here, with all its names.
            let mut seen = Vec::new();
            lines.iter().filter(|l| !seen_before(&mut seen, l)).map(|l| l.row(true)).collect()
        } else {
            lines.iter().map(|l| l.row(self.no_trunc)).collect::<Vec<_>>()
        };
        let columns = if self.digests { COLUMNS_DIGESTS } else { COLUMNS };
        let list = List { format: self.format.as_deref(), columns, headings: HEADINGS, no_heading: self.noheading };
        output::rendered(&list.render(&rows, personality)?)?;
        Ok(0)
    }
}

fn seen_before<'a>(seen: &mut Vec<&'a str>, line: &Listed<'a>) -> bool {
    let known = seen.contains(&line.image.manifest.as_str());
    if !known {
        seen.push(&line.image.manifest);
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(store: &Store, digit: &str, names: &[&str]) -> ImageRecord {
        let image = ImageRecord {
            manifest: format!("sha256:{}", digit.repeat(64)),
            id: format!("sha256:{}", digit.repeat(64)),
            config: Default::default(),
            layers: vec![],
            size: 1_500_000,
            created: format!("2026-01-0{digit}T00:00:00Z"),
        };
        store.put_image(&image).unwrap();
        for name in names {
            store.set_name(&Reference::for_new(name).unwrap(), &image.manifest).unwrap();
        }
        image
    }

    #[test]
    fn every_name_is_a_line_and_filters_narrow_them() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let images = [image(&store, "1", &["app:1", "app:2", "reg.example:5000/x/y"]), image(&store, "2", &[])];
        let shown = |options: Images| -> Vec<String> {
            let lines = options.select(&images, &store).unwrap();
            lines.iter().map(|l| l.name.clone().unwrap_or_else(|| NONE.into())).collect()
        };
        let all = ["<none>", "localhost/app:1", "localhost/app:2", "reg.example:5000/x/y:latest"];
        assert_eq!(shown(Images { sort: "created".into(), ..Images::default() }), all);
        let filtered = |f: &str| shown(Images { filter: vec![f.into()], sort: "created".into(), ..Images::default() });
        assert_eq!(filtered("dangling=true"), ["<none>"]);
        assert_eq!(filtered("reference=app"), ["localhost/app:1", "localhost/app:2"]);
        assert_eq!(filtered("reference=*:2"), ["localhost/app:2"]);
        let named = |n: &str| shown(Images { name: Some(n.into()), sort: "created".into(), ..Images::default() });
        assert_eq!(named("app"), ["localhost/app:1", "localhost/app:2"]);
        assert_eq!(named("app:1"), ["localhost/app:1"]);
        assert_eq!(named("reg.example:5000/x/y"), ["reg.example:5000/x/y:latest"]);
    }

    #[test]
    fn the_table_has_the_five_columns() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let images = [image(&store, "1", &["app"])];
        let options = Images { sort: "created".into(), ..Images::default() };
        let rows: Vec<Row> = options.select(&images, &store).unwrap().iter().map(|l| l.row(false)).collect();
        let list = List { format: None, columns: COLUMNS, headings: HEADINGS, no_heading: false };
        let table = list.render(&rows, output::Personality::Podman).unwrap();
        let words: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(words, ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]);
        assert!(table.contains("localhost/app   latest    111111111111") && table.contains("1.5 MB"), "{table}");
        assert_eq!(rows[0].json["RepoTags"][0], "localhost/app:latest");
    }
}
