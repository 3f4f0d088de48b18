//! `--format`: `json`, `table TEMPLATE` and Go templates.
//!
//! Most templates in scripts are fields with text between them; those are rendered directly. Only what needs more (pipes,
//! conditions, loops) loads the template engine. Templates come from the person, values may come from images.

mod engine;

use crate::cli::output::{self, Personality};
use crate::error::{Kind, Result, fail_with};
use serde_json::{Map, Value};

/// One line of a list: the fields that templates see, and the object that `--format json` prints.
pub struct Row {
    /// Fields under the names that both peers know; values as people read them.
    pub fields: Map<String, Value>,
    /// podman's typed object.
    pub json: Value,
}

/// How a list is shown.
pub struct List<'a> {
    /// The `--format` flag.
    pub format: Option<&'a str>,
    /// The fields of the default table.
    pub columns: &'a [&'a str],
    /// Heading of each field.
    pub headings: &'a [(&'a str, &'a str)],
    /// Without the line of headings.
    pub no_heading: bool,
}

/// What of a row will be printed: making the rest would cost more than reading the records.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Only these fields; none means that any may be.
    fields: Option<&'a [&'a str]>,
    /// podman's typed object.
    pub json: bool,
}

impl Wanted<'_> {
    /// Everything.
    #[cfg(test)]
    pub const ALL: Wanted<'static> = Wanted { fields: None, json: true };

    /// Whether this field will be printed.
    pub fn field(&self, name: &str) -> bool {
        self.fields.is_none_or(|fields| fields.contains(&name))
    }
}

impl List<'_> {
    /// What [`List::render`] will look at.
    pub fn wanted(&self, personality: Personality) -> Wanted<'_> {
        match self.format.map(str::trim) {
            None | Some("table") => Wanted { fields: Some(self.columns), json: false },
            Some("json") if personality == Personality::Podman => Wanted { fields: Some(&[]), json: true },
            Some(_) => Wanted { fields: None, json: false },
        }
    }

    /// Renders the rows.
    pub fn render(&self, rows: &[Row], personality: Personality) -> Result<String> {
        match self.format.map(str::trim) {
            None | Some("table") => Ok(self.default_table(rows)),
            Some("json") if personality == Personality::Podman => {
                let all: Vec<&Value> = rows.iter().map(|r| &r.json).collect();
                pretty(&all)
            }
            Some(text) if text == "json" || is_json_action(text) => Ok(rows.iter().map(json_line).collect()),
            Some(text) => match text.strip_prefix("table").filter(|t| t.starts_with([' ', '\t', '\\'])) {
                Some(template) => self.custom_table(template.trim_start(), rows),
                None => each_line(&Template::parse(text)?, rows),
            },
        }
    }

    fn heading(&self, field: &str) -> String {
        let known = self.headings.iter().find(|(f, _)| *f == field);
        known.map_or_else(|| field.to_uppercase(), |(_, h)| (*h).to_string())
    }

    fn default_table(&self, rows: &[Row]) -> String {
        let mut lines = Vec::with_capacity(rows.len() + 1);
        if !self.no_heading {
            lines.push(self.columns.iter().map(|c| self.heading(c)).collect());
        }
        for row in rows {
            lines.push(self.columns.iter().map(|c| row.fields.get(*c).map(plain).unwrap_or_default()).collect());
        }
        output::table(&lines)
    }

    fn custom_table(&self, text: &str, rows: &[Row]) -> Result<String> {
        let template = Template::parse(text)?;
        let mut lines: Vec<Vec<String>> = Vec::with_capacity(rows.len() + 1);
        let cells = |line: String| line.trim_end_matches('\n').split('\t').map(String::from).collect();
        if !self.no_heading {
            let headings: Map<String, Value> =
                self.headings.iter().map(|(f, h)| ((*f).to_string(), Value::String((*h).to_string()))).collect();
            lines.push(cells(template.render(&Value::Object(headings))?));
        }
        for row in rows {
            lines.push(cells(template.render(&Value::Object(row.fields.clone()))?));
        }
        Ok(output::table(&lines))
    }
}

fn each_line(template: &Template, rows: &[Row]) -> Result<String> {
    let mut out = String::new();
    for row in rows {
        out.push_str(&template.render(&Value::Object(row.fields.clone()))?);
        out.push('\n');
    }
    Ok(out)
}

/// `{{json .}}` with any blanks.
fn is_json_action(text: &str) -> bool {
    let inner = text.strip_prefix("{{").and_then(|t| t.strip_suffix("}}"));
    inner.is_some_and(|t| t.split_whitespace().eq(["json", "."]))
}

/// docker's line for a row: one object, all values as text.
fn json_line(row: &Row) -> String {
    let text: Map<String, Value> = row.fields.iter().map(|(k, v)| (k.clone(), Value::String(joined(v)))).collect();
    format!("{}\n", Value::Object(text))
}

fn joined(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Object(map) => map.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect::<Vec<_>>().join(","),
        other => plain(other),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn pretty<T: serde::Serialize>(value: &T) -> Result<String> {
    let mut data = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut data, indent))?;
    data.push(b'\n');
    Ok(String::from_utf8_lossy(&data).into_owned())
}

/// Prints one object: with a template, as `json`, or with `otherwise` when no format was given.
pub fn object(format: Option<&str>, value: &Value, otherwise: impl FnOnce() -> Result<String>) -> Result<()> {
    let text = match format.map(str::trim) {
        None => otherwise()?,
        Some("json") => pretty(value)?,
        Some(text) => format!("{}\n", Template::parse(text)?.render(value)?),
    };
    output::rendered(&text)
}

/// A Go template, ready to be rendered many times.
pub struct Template {
    text: String,
    pieces: Option<Vec<Piece>>,
    engine: std::cell::OnceCell<engine::Engine>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Field(Vec<String>),
}

impl Template {
    /// Reads a template; `\t` and `\n` written as such become characters.
    pub fn parse(text: &str) -> Result<Template> {
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        let template = Template { pieces: simple(&text), text, engine: std::cell::OnceCell::new() };
        if template.pieces.is_none() {
            template.engine()?;
        }
        Ok(template)
    }

    fn engine(&self) -> Result<&engine::Engine> {
        if let Some(ready) = self.engine.get() {
            return Ok(ready);
        }
        let made = engine::Engine::parse(&self.text).map_err(|e| bad_template(&self.text, &e))?;
        Ok(self.engine.get_or_init(|| made))
    }

    /// Renders one value.
    pub fn render(&self, value: &Value) -> Result<String> {
        if let Some(done) = self.pieces.as_deref().and_then(|pieces| fill(pieces, value)) {
            return Ok(done);
        }
        self.engine()?.render(value).map_err(|e| bad_template(&self.text, &e))
    }
}

fn bad_template(text: &str, cause: &str) -> anyhow::Error {
    fail_with(
        Kind::User,
        format!("the template {text:?} cannot be used: {cause}"),
        "`--format json` shows the fields; functions are json, join, split, lower, upper, title, pad and truncate.",
    )
}

/// The pieces of a template that is nothing but text and fields, `{{.Name}}` or `{{ .State.Status }}`.
fn simple(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        if start > 0 {
            pieces.push(Piece::Text(rest[..start].to_string()));
        }
        let inner = &rest[start + 2..];
        let end = inner.find("}}")?;
        let path = inner[..end].trim_matches(' ').strip_prefix('.')?;
        let parts: Vec<String> = path.split('.').map(String::from).collect();
        let word = |p: &String| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !parts.iter().all(word) {
            return None;
        }
        pieces.push(Piece::Field(parts));
        rest = &inner[end + 2..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_string()));
    }
    Some(pieces)
}

/// Puts values in; `None` when one is missing or is no scalar, which the engine then handles as Go does.
fn fill(pieces: &[Piece], value: &Value) -> Option<String> {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Field(path) => {
                let mut found = value;
                for (depth, part) in path.iter().enumerate() {
                    let map = found.as_object()?;
                    found = map.get(part).or_else(|| if depth == 0 { alias(map, part) } else { None })?;
                }
                match found {
                    Value::String(text) => out.push_str(text),
                    Value::Bool(_) | Value::Number(_) => out.push_str(&found.to_string()),
                    _ => return None,
                }
            }
        }
    }
    Some(out)
}

/// The peers write `ID` and `Id` for the same field.
fn alias<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    match name {
        "Id" => map.get("ID"),
        "ID" => map.get("Id"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(template: &str, value: Value) -> String {
        Template::parse(template).unwrap().render(&value).unwrap()
    }

    fn row() -> Row {
        let fields = json!({"ID": "abc", "Names": "web", "Labels": {"k.x": "v", "a": "b"}, "Size": "1 kB"});
        Row { fields: fields.as_object().unwrap().clone(), json: json!({"Id": "abc"}) }
    }

    fn list(format: Option<&str>, personality: Personality) -> String {
        let headings = &[("ID", "CONTAINER ID"), ("Names", "NAMES"), ("Labels", "LABELS")];
        let list = List { format, columns: &["ID", "Names"], headings, no_heading: false };
        list.render(&[row()], personality).unwrap()
    }

    #[test]
    fn fields_and_text_need_no_engine() {
        assert!(simple("{{.A}}:{{ .B.C }}\n").is_some());
        assert_eq!(simple("{{json .A}}"), None);
        assert_eq!(simple("{{.A"), None);
        assert_eq!(render("{{.ID}} {{.Id}}\\t{{.N}}", json!({"Id": "x", "N": 3})), "x x\t3");
    }

    #[test]
    fn templates_do_what_scripts_ask_of_them() {
        let value = json!({
            "Id": "abc", "Os": "linux", "Running": true,
            "Config": {"Labels": {"k.x": "v"}, "Env": ["A=1", "B=2"], "Cmd": null},
            "RepoTags": ["a:1", "b:2"]
        });
        for (template, expected) in [
            ("{{json .Config.Env}}", r#"["A=1","B=2"]"#),
            ("{{ json .Config.Cmd }}", "null"),
            (r#"{{index .Config.Labels "k.x"}}"#, "v"),
            (r#"{{index .Config.Labels "none"}}"#, ""),
            ("{{range .RepoTags}}{{.}} {{end}}", "a:1 b:2 "),
            ("{{if .Running}}up{{else}}down{{end}}", "up"),
            (r#"{{join .RepoTags ", "}}"#, "a:1, b:2"),
            ("{{upper .Os}} {{title .Os}} {{truncate .Os 3}}|{{pad .Os 1 2}}|", "LINUX Linux lin| linux  |"),
            (r#"{{index (split .Id "b") 1}}"#, "c"),
            (r#"{{printf "%q" .Id}}"#, r#""abc""#),
            ("{{slice .Id 0 2}}", "ab"),
            (r#"{{if eq .Os "linux"}}y{{end}}"#, "y"),
            ("{{.RepoTags}}", "[a:1 b:2]"),
            ("{{.Config.Labels}}", "map[k.x:v]"),
            ("{{.Os | upper}}", "LINUX"),
        ] {
            assert_eq!(render(template, value.clone()), expected, "{template}");
        }
        let missing = Template::parse("{{.Nope}}").unwrap().render(&value).unwrap_err().to_string();
        assert_eq!(missing, "the template \"{{.Nope}}\" cannot be used: no field `Nope`");
        assert!(Template::parse("{{if}}").is_err());
    }

    #[test]
    fn lists_have_the_peers_shapes() {
        assert_eq!(list(None, Personality::Podman), "CONTAINER ID   NAMES\nabc            web\n");
        assert_eq!(
            list(Some("table {{.Names}}\\t{{.ID}}"), Personality::Podman),
            "NAMES     CONTAINER ID\nweb       abc\n"
        );
        assert_eq!(list(Some("{{.Names}}"), Personality::Podman), "web\n");
        assert!(list(Some("json"), Personality::Podman).starts_with("[\n"));
        let line = list(Some("{{ json . }}"), Personality::Podman);
        assert_eq!(line, list(Some("json"), Personality::Docker));
        assert!(line.contains(r#""Labels":"a=b,k.x=v""#), "{line}");
        assert_eq!(list(Some(r#"{{.Label "k.x"}}"#), Personality::Podman), "v\n");
        assert_eq!(list(Some(r#"table {{.Label "k.x"}}"#), Personality::Podman), "k.x\nv\n");
    }
}
