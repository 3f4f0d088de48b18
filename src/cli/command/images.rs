//! `dhow images`: lists images.

use super::Verb;
use crate::cli::filter::{Filters, glob};
use crate::cli::format::{List, Row, Wanted};
use crate::cli::{flags, output, time, units};
use crate::error::{Kind, Result, fail};
use crate::image::reference::Reference;
use crate::store::Store;
use crate::store::listing::ImageLine;
use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

const FILTERS: &[&str] = &[
    "reference",
    "dangling",
    "label",
    "label!",
    "before",
    "since",
    "after",
    "until",
    "id",
    "digest",
    "containers",
    "intermediate",
    "readonly",
];
/// Filters that are true or false.
const SWITCHES: &[&str] = &["dangling", "containers", "intermediate", "readonly"];
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
    /// Show only what matches: reference, dangling, label, label!, before, since, until, id, digest or containers, as
    /// KEY=VALUE
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
    image: &'a ImageLine,
    /// Full name; none for an image without.
    name: Option<String>,
    /// All names of the image.
    names: Rc<[String]>,
}

/// The filters, with what they name looked up.
struct Chosen {
    filters: Filters,
    before: Option<Vec<Timestamp>>,
    since: Option<Vec<Timestamp>>,
    until: Option<Vec<Timestamp>>,
    /// Manifests that a container was made from, if somebody asks.
    used: HashSet<String>,
}

impl Chosen {
    fn new(texts: &[String], store: &Store) -> Result<Chosen> {
        let filters = Filters::parse(texts, FILTERS)?;
        for key in SWITCHES {
            filters.check(key, |v| flags::boolean(v).is_ok(), "true or false")?;
        }
        let created = |name: &str| Ok(time::point(&store.find_image(name)?.created));
        let (before, mut since) = (filters.each("before", created)?, filters.each("since", created)?);
        if let Some(after) = filters.each("after", created)? {
            since.get_or_insert_default().extend(after);
        }
        let until = filters.each("until", time::limit)?;
        let mut used = HashSet::new();
        if filters.has("containers") {
            used.extend(store.container_lines()?.into_iter().map(|(container, _)| container.image_manifest));
        }
        Ok(Chosen { filters, before, since, until, used })
    }

    fn has(&self, line: &Listed<'_>) -> bool {
        let (filters, image) = (&self.filters, line.image);
        let switch = |key: &str, is: bool| filters.any(key, |v| flags::boolean(v).is_ok_and(|wanted| wanted == is));
        let created = time::point(&image.created);
        let hex = |text: &str| text.strip_prefix("sha256:").unwrap_or(text).to_string();
        filters.any("reference", |v| line.is_called(v))
            && switch("dangling", line.name.is_none())
            && switch("containers", self.used.contains(&image.manifest))
            // There are none: what lies between the steps of a build is no image here.
            && switch("intermediate", false)
            && switch("readonly", false)
            && filters.any("id", |v| hex(&image.id).starts_with(&hex(v)))
            && filters.any("digest", |v| image.manifest.starts_with(v))
            && self.before.iter().all(|them| them.iter().any(|t| created < *t))
            && self.since.iter().all(|them| them.iter().any(|t| created > *t))
            && self.until.iter().all(|them| them.iter().any(|t| created < *t))
            && filters.labels(|key| image.labels().and_then(|all| all.get(key)))
    }
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

    fn row(&self, whole: bool, wanted: Wanted<'_>) -> Row {
        let image = self.image;
        let (repository, tag) = self.repository_and_tag();
        let id = if whole { image.id.as_str() } else { output::id(&image.id, false) };
        let mut fields = Map::new();
        let mut set = |name: &str, value: &dyn Fn() -> Value| {
            if wanted.field(name) {
                fields.insert(name.to_string(), value());
            }
        };
        set("ID", &|| id.into());
        set("Repository", &|| repository.into());
        set("Tag", &|| tag.into());
        set("Digest", &|| image.manifest.clone().into());
        set("CreatedSince", &|| time::ago(&image.created).into());
        set("CreatedAt", &|| time::local(&image.created).into());
        set("Created", &|| time::ago(&image.created).into());
        set("Size", &|| units::size(image.size).into());
        set("Labels", &|| json!(image.labels().cloned().unwrap_or_default()));
        set("RepoTags", &|| json!(*self.names));
        set("Containers", &|| "N/A".into());
        Row { fields, json: if wanted.json { self.json() } else { Value::Null } }
    }

    /// podman's typed object.
    fn json(&self) -> Value {
        let image = self.image;
        let digests: Vec<String> = self.names.iter().map(|n| format!("{}@{}", split(n).0, image.manifest)).collect();
        json!({
            "Id": output::id(&image.id, true),
            "ParentId": "",
            "RepoTags": *self.names,
            "RepoDigests": digests,
            "Names": *self.names,
            "Digest": image.manifest,
            "Created": time::unix(&image.created),
            "CreatedAt": image.created,
            "Size": image.size,
            "VirtualSize": image.size,
            "SharedSize": 0,
            "Labels": image.labels().cloned().unwrap_or_default(),
            "Containers": 0,
            "Dangling": self.name.is_none(),
        })
    }
}

impl Images {
    fn select<'a>(&self, images: &'a [ImageLine], store: &Store) -> Result<Vec<Listed<'a>>> {
        let chosen = Chosen::new(&self.filter, store)?;
        let mut names: HashMap<String, Vec<String>> = HashMap::new();
        for name in store.name_lines()? {
            names.entry(name.manifest).or_default().push(name.name);
        }
        let mut lines = Vec::new();
        for image in images {
            let own: Rc<[String]> = names.remove(&image.manifest).unwrap_or_default().into();
            if own.is_empty() {
                lines.push(Listed { image, name: None, names: own.clone() });
            }
            for name in own.iter() {
                lines.push(Listed { image, name: Some(name.clone()), names: own.clone() });
            }
        }
        lines.retain(|line| chosen.has(line) && self.name.as_deref().is_none_or(|wanted| self.means(line, wanted)));
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
        let images = store.image_lines()?;
        let lines = self.select(&images, &store)?;
        if self.quiet {
            let mut seen = HashSet::new();
            let mut text = String::new();
            for line in &lines {
                let id = if self.no_trunc { line.image.id.as_str() } else { output::id(&line.image.id, false) };
                if seen.insert(id) {
                    text.push_str(id);
                    text.push('\n');
                }
            }
            output::text(&text)?;
            return Ok(0);
        }
        let personality = output::own_personality();
        let columns = if self.digests { COLUMNS_DIGESTS } else { COLUMNS };
        let list = List { format: self.format.as_deref(), columns, headings: HEADINGS, no_heading: self.noheading };
        let wanted = list.wanted(personality);
        let rows = if wanted.json {
            // podman lists an image once here, with all its names.
            let mut seen = HashSet::new();
            lines.iter().filter(|l| seen.insert(&l.image.manifest)).map(|l| l.row(true, wanted)).collect()
        } else {
            lines.iter().map(|l| l.row(self.no_trunc, wanted)).collect::<Vec<_>>()
        };
        output::rendered(&list.render(&rows, personality)?)?;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::image::ImageRecord;

    fn image(store: &Store, digit: &str, names: &[&str]) {
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
    }

    #[test]
    fn every_name_is_a_line_and_filters_narrow_them() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        image(&store, "1", &["app:1", "app:2", "reg.example:5000/x/y"]);
        image(&store, "2", &[]);
        let images = store.image_lines().unwrap();
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
        assert_eq!(
            filtered("before=sha256:222"),
            ["localhost/app:1", "localhost/app:2", "reg.example:5000/x/y:latest"]
        );
        assert_eq!(filtered("since=app:1"), ["<none>"]);
        assert_eq!(filtered("until=2026-01-01T12:00:00Z").len(), 3);
        assert_eq!(filtered("id=222"), ["<none>"]);
        assert_eq!(filtered("digest=sha256:2"), ["<none>"]);
        assert_eq!(filtered("containers=false").len(), 4);
        assert!(filtered("intermediate=true").is_empty() && filtered("containers=true").is_empty());
        for slip in ["dangling=maybe", "before=nothing", "until=later", "colour=red"] {
            let images = Images { filter: vec![slip.into()], ..Images::default() };
            assert!(images.select(&[], &store).is_err(), "{slip}");
        }
        let named = |n: &str| shown(Images { name: Some(n.into()), sort: "created".into(), ..Images::default() });
        assert_eq!(named("app"), ["localhost/app:1", "localhost/app:2"]);
        assert_eq!(named("app:1"), ["localhost/app:1"]);
        assert_eq!(named("reg.example:5000/x/y"), ["reg.example:5000/x/y:latest"]);
    }

    #[test]
    fn the_table_has_the_five_columns() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        image(&store, "1", &["app"]);
        let images = store.image_lines().unwrap();
        let options = Images { sort: "created".into(), ..Images::default() };
        let rows: Vec<Row> =
            options.select(&images, &store).unwrap().iter().map(|l| l.row(false, Wanted::ALL)).collect();
        let list = List { format: None, columns: COLUMNS, headings: HEADINGS, no_heading: false };
        let table = list.render(&rows, output::Personality::Podman).unwrap();
        let words: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(words, ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]);
        assert!(table.contains("localhost/app   latest    111111111111") && table.contains("1.5 MB"), "{table}");
        assert_eq!(rows[0].json["RepoTags"][0], "localhost/app:latest");
    }
}
