//! The template engine behind `--format`, and the functions that the peers add to Go's.
//!
//! The crate is wrapped here, so that nothing else depends on its types.

use gtmpl_ng::{Context, Func, FuncError, Value as Go};
use serde_json::Value;
use std::collections::HashMap;

/// A parsed template.
pub struct Engine(gtmpl_ng::Template);

/// Fields that are maps in the peers' structures: a missing key is no error there.
const MAPS: &[&str] =
    &["Labels", "Annotations", "ExposedPorts", "Volumes", "Ports", "Networks", "PortBindings", "Data"];

impl Engine {
    /// Parses; the error is a sentence.
    pub fn parse(text: &str) -> Result<Engine, String> {
        let mut template = gtmpl_ng::Template::default();
        template.add_funcs(FUNCTIONS);
        // The engine has no methods with arguments; this is the only one that the peers' lists have.
        let text = text.replace("$.Label \"", "label $ \"").replace(".Label \"", "label $ \"");
        template.parse(text).map_err(|e| sentence(&e.to_string()))?;
        Ok(Engine(template))
    }

    /// Renders.
    pub fn render(&self, value: &Value) -> Result<String, String> {
        let mut root = to_go("", value);
        if let Go::Object(fields) = &mut root {
            for (one, other) in [("Id", "ID"), ("ID", "Id")] {
                if let Some(found) = fields.get(other).cloned() {
                    fields.entry(one.to_string()).or_insert(found);
                }
            }
        }
        self.0.render(&Context::from(root)).map_err(|e| sentence(&e.to_string()))
    }
}

/// The engine's message without its place in the template, and without the whole value where a field is missing.
fn sentence(text: &str) -> String {
    let text = text.strip_prefix("template: ").unwrap_or(text);
    let text = text.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
    text.split(" in map[").next().unwrap_or(text).to_string()
}

fn to_go(name: &str, value: &Value) -> Go {
    match value {
        Value::Null => Go::Nil,
        Value::Bool(b) => Go::Bool(*b),
        Value::String(text) => Go::from(text.as_str()),
        Value::Array(items) => Go::Array(items.iter().map(|v| to_go("", v)).collect()),
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Go::from(i),
            (None, Some(u)) => Go::from(u),
            (None, None) => Go::from(n.as_f64().unwrap_or(0.0)),
        },
        Value::Object(map) => {
            let fields: HashMap<String, Go> = map.iter().map(|(k, v)| (k.clone(), to_go(k, v))).collect();
            if MAPS.contains(&name) { Go::Map(fields) } else { Go::Object(fields) }
        }
    }
}

fn to_json(value: &Go) -> Value {
    match value {
        Go::Bool(b) => Value::Bool(*b),
        Go::String(text) => Value::String(text.clone()),
        Go::Array(items) => Value::Array(items.iter().map(to_json).collect()),
        Go::Object(map) | Go::Map(map) => {
            // `ID` beside an equal `Id` is our alias.
            let alias = |k: &str| k == "ID" && map.contains_key("Id");
            map.iter().filter(|(k, _)| !alias(k)).map(|(k, v)| (k.clone(), to_json(v))).collect()
        }
        Go::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => i.into(),
            (None, Some(u)) => u.into(),
            (None, None) => n.as_f64().map_or(Value::Null, Into::into),
        },
        Go::NoValue | Go::Nil | Go::Function(_) => Value::Null,
    }
}

const FUNCTIONS: &[(&str, Func)] = &[
    ("json", json),
    ("join", join),
    ("split", split),
    ("lower", lower),
    ("upper", upper),
    ("title", title),
    ("pad", pad),
    ("truncate", truncate),
    ("index", index),
    ("label", label),
];

fn exactly<const N: usize>(name: &str, args: &[Go]) -> Result<[Go; N], FuncError> {
    args.to_vec().try_into().map_err(|_| FuncError::ExactlyXArgs(name.into(), N))
}

fn text(value: &Go) -> String {
    match value {
        Go::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn count(value: &Go) -> usize {
    match value {
        // Far wider than any terminal; keeps a template from asking for gigabytes.
        Go::Number(n) => n.as_i64().unwrap_or(0).clamp(0, 10_000) as usize,
        _ => 0,
    }
}

fn json(args: &[Go]) -> Result<Go, FuncError> {
    let [value] = exactly("json", args)?;
    Ok(Go::from(to_json(&value).to_string()))
}

fn join(args: &[Go]) -> Result<Go, FuncError> {
    let [items, separator] = exactly("join", args)?;
    let Go::Array(items) = items else { return Ok(Go::from("")) };
    Ok(Go::from(items.iter().map(text).collect::<Vec<_>>().join(&text(&separator))))
}

fn split(args: &[Go]) -> Result<Go, FuncError> {
    let [whole, separator] = exactly("split", args)?;
    let (whole, separator) = (text(&whole), text(&separator));
    Ok(Go::Array(whole.split(separator.as_str()).map(Go::from).collect()))
}

fn lower(args: &[Go]) -> Result<Go, FuncError> {
    let [value] = exactly("lower", args)?;
    Ok(Go::from(text(&value).to_lowercase()))
}

fn upper(args: &[Go]) -> Result<Go, FuncError> {
    let [value] = exactly("upper", args)?;
    Ok(Go::from(text(&value).to_uppercase()))
}

fn title(args: &[Go]) -> Result<Go, FuncError> {
    let [value] = exactly("title", args)?;
    let mut start = true;
    let mut out = String::new();
    for c in text(&value).chars() {
        if start {
            out.extend(c.to_uppercase())
        } else {
            out.push(c)
        }
        start = !(c.is_alphanumeric() || c == '_' || c == '\'');
    }
    Ok(Go::from(out))
}

fn pad(args: &[Go]) -> Result<Go, FuncError> {
    let [value, before, after] = exactly("pad", args)?;
    let value = text(&value);
    if value.is_empty() {
        return Ok(Go::from(value));
    }
    Ok(Go::from(format!("{}{value}{}", " ".repeat(count(&before)), " ".repeat(count(&after)))))
}

fn truncate(args: &[Go]) -> Result<Go, FuncError> {
    let [value, length] = exactly("truncate", args)?;
    Ok(Go::from(text(&value).chars().take(count(&length)).collect::<String>()))
}

/// Go's `index`, and like it the zero value, not `<no value>`, for a key that a map of strings does not have.
fn index(args: &[Go]) -> Result<Go, FuncError> {
    if let [Go::Map(map), Go::String(key)] = args
        && !map.contains_key(key)
        && map.values().all(|v| matches!(v, Go::String(_)))
    {
        return Ok(Go::from(""));
    }
    gtmpl_ng::funcs::index(args)
}

/// `.Label "k"`: the value of a label, empty if there is none; in a line of headings the key itself.
fn label(args: &[Go]) -> Result<Go, FuncError> {
    let [object, key] = exactly(".Label", args)?;
    let (Go::Object(fields) | Go::Map(fields)) = object else { return Ok(Go::from("")) };
    match fields.get("Labels") {
        Some(Go::Map(labels)) => Ok(labels.get(&text(&key)).cloned().unwrap_or_else(|| Go::from(""))),
        Some(_) => Ok(key),
        None => Ok(Go::from("")),
    }
}
