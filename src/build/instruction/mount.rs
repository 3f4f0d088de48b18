//! `RUN --mount`: what a step wants to see besides its root file system. Words become [`Mount`]s here, with every option
//! known and checked; finding and mounting it is the engine's work (`build::mounts`).
//!
//! The options are those of the Dockerfile reference. Each has a closed set of values, and one that is not known is an
//! error: nothing of the text reaches the kernel unread.

use crate::build::expand::{self, Scope};
use crate::build::words;

/// Where secrets appear by themselves.
const SECRET_DIR: &str = "/run/secrets";

/// One `--mount`, as written until `expand` has been called.
#[derive(Debug, Clone, PartialEq)]
pub struct Mount {
    fields: Vec<(String, Option<String>)>,
    what: Option<What>,
}

/// What is mounted where.
#[derive(Debug, Clone, PartialEq)]
pub struct What {
    /// Absolute, or relative to the working directory. Empty for a secret that is only a variable, and for an agent's
    /// socket at the usual place.
    pub target: String,
    /// What it is.
    pub kind: Kind,
}

/// How several steps use one cache at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Together.
    Shared,
    /// Each its own: who finds it in use gets another one.
    Private,
    /// One after the other.
    Locked,
}

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Origin {
    /// A stage or an image; none means the context, or for a cache nothing.
    pub from: Option<String>,
    /// The path there; empty means all of it.
    pub source: String,
}

/// Owner and mode of what is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// The kinds of mounts.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Files of the context, a stage or an image.
    Bind {
        /// Which.
        origin: Origin,
        /// Writable; what is written is thrown away.
        writable: bool,
    },
    /// A folder that outlives the build.
    Cache {
        /// Its name; none means its target.
        id: Option<String>,
        /// What a new one begins with.
        origin: Origin,
        /// See [`Sharing`].
        sharing: Sharing,
        /// Not writable.
        read_only: bool,
        /// Of a new one.
        access: Access,
    },
    /// Memory.
    Tmpfs {
        /// Bytes at most.
        size: Option<u64>,
    },
    /// A secret of the build.
    Secret {
        /// Its name.
        id: String,
        /// The variable that holds it.
        env: Option<String>,
        /// Fail without it.
        required: bool,
        /// Of the file.
        access: Access,
    },
    /// The socket of an SSH agent.
    Ssh {
        /// Its name.
        id: String,
        /// Fail without it.
        required: bool,
        /// Of the socket.
        access: Access,
    },
}

impl Mount {
    /// Reads the value of a `--mount`. What holds variables is checked when they are known.
    pub fn parse(text: &str) -> Result<Mount, String> {
        let mut fields = Vec::new();
        for field in words::comma_fields(text)? {
            let (name, value) = match field.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (field.as_str(), None),
            };
            fields.push((name.trim().to_ascii_lowercase(), value));
        }
        let mut mount = Mount { fields, what: None };
        let variable = |value: &Option<String>| value.as_ref().is_some_and(|v| v.contains('$'));
        if mount.fields.iter().any(|(name, value)| name == "from" && variable(value)) {
            return Err("variables are not supported in from=; name a stage: FROM $IMAGE AS name … from=name".into());
        }
        if !mount.fields.iter().any(|(_, value)| variable(value)) {
            mount.what = Some(understand(&mount.fields)?);
        }
        Ok(mount)
    }

    /// The stage or image that it names. Known before variables are.
    pub fn from(&self) -> Option<&str> {
        self.fields.iter().rev().find(|(name, _)| name == "from").and_then(|(_, value)| value.as_deref())
    }

    /// Replaces variables by their values.
    pub fn expand(&mut self, scope: &Scope, escape: char) -> Result<(), String> {
        for (_, value) in self.fields.iter_mut().filter(|(name, _)| name != "from") {
            if let Some(value) = value {
                *value = expand::word(value, scope, escape)?;
            }
        }
        self.what = Some(understand(&self.fields)?);
        Ok(())
    }

    /// What it means; nothing before its variables are known.
    pub fn what(&self) -> Option<&What> {
        self.what.as_ref()
    }
}

/// The options of one mount while they are read.
#[derive(Default)]
struct Words {
    target: Option<String>,
    source: Option<String>,
    from: Option<String>,
    id: Option<String>,
    env: Option<String>,
    sharing: Option<Sharing>,
    size: Option<u64>,
    writable: Option<bool>,
    required: bool,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
}

impl Words {
    fn access(&self, mode: u32) -> Access {
        let of = |value: Option<u32>| value.unwrap_or(0);
        Access { uid: of(self.uid), gid: of(self.gid), mode: self.mode.unwrap_or(mode) }
    }

    fn origin(&self) -> Origin {
        Origin { from: self.from.clone(), source: self.source.clone().unwrap_or_default() }
    }

    fn target(&self, kind: &str) -> Result<String, String> {
        let target = self.target.clone().filter(|t| !t.is_empty());
        target.ok_or_else(|| format!("a mount of type={kind} needs a target=, the place where it is to appear"))
    }
}

/// Which options each type takes besides its target.
const OPTIONS: &[(&str, &[&str])] = &[
    ("bind", &["source", "from", "rw", "ro"]),
    ("cache", &["id", "source", "from", "rw", "ro", "sharing", "mode", "uid", "gid"]),
    ("tmpfs", &["size"]),
    ("secret", &["id", "env", "required", "mode", "uid", "gid", "source"]),
    ("ssh", &["id", "required", "mode", "uid", "gid"]),
];

/// One name for the options that have several.
fn canonical(name: &str) -> &str {
    match name {
        "dst" | "destination" => "target",
        "src" => "source",
        "readwrite" => "rw",
        "readonly" => "ro",
        other => other,
    }
}

fn understand(fields: &[(String, Option<String>)]) -> Result<What, String> {
    let kind = fields.iter().rev().find(|(name, _)| name == "type").map(|(_, v)| v.clone().unwrap_or_default());
    let kind = kind.map_or_else(|| "bind".to_owned(), |k| k.to_ascii_lowercase());
    let Some((_, takes)) = OPTIONS.iter().find(|(name, _)| *name == kind) else {
        let types: Vec<&str> = OPTIONS.iter().map(|(name, _)| *name).collect();
        return Err(format!("unknown mount type `{kind}`: it is one of {}", types.join(", ")));
    };
    let mut words = Words::default();
    for (name, value) in fields.iter().filter(|(name, _)| name != "type") {
        let option = canonical(name);
        if option != "target" && !takes.contains(&option) {
            let near = words::nearest(option, takes.iter().copied().chain(["target"]));
            let hint = near.map(|n| format!(" (did you mean {n}?)")).unwrap_or_default();
            return Err(format!("a mount of type={kind} has no option `{name}`{hint}"));
        }
        read(&mut words, option, value.as_deref())?;
    }
    if words.target.as_deref().is_some_and(|t| t.trim_matches('/').is_empty() && t.starts_with('/')) {
        return Err("a mount's target cannot be the root folder".into());
    }
    finish(&kind, words)
}

fn read(words: &mut Words, option: &str, value: Option<&str>) -> Result<(), String> {
    match (option, value) {
        ("rw", value) => words.writable = Some(switch(option, value)?),
        ("ro", value) => words.writable = Some(!switch(option, value)?),
        ("required", value) => words.required = switch(option, value)?,
        (_, None) => return Err(format!("the mount option `{option}` needs a value: {option}=…")),
        ("target", Some(value)) => words.target = Some(value.to_owned()),
        ("source", Some(value)) => words.source = Some(value.to_owned()),
        ("from", Some(value)) => words.from = Some(value.to_owned()).filter(|v| !v.is_empty()),
        ("id", Some(value)) => words.id = Some(value.to_owned()).filter(|v| !v.is_empty()),
        ("env", Some(value)) => words.env = Some(variable(value)?),
        ("size", Some(value)) => words.size = Some(words::size(value)?),
        ("mode", Some(value)) => words.mode = Some(mode(value)?),
        ("uid", Some(value)) => words.uid = Some(number(option, value)?),
        ("gid", Some(value)) => words.gid = Some(number(option, value)?),
        ("sharing", Some(value)) => {
            words.sharing = Some(match value.to_ascii_lowercase().as_str() {
                "shared" => Sharing::Shared,
                "private" => Sharing::Private,
                "locked" => Sharing::Locked,
                _ => return Err(format!("sharing is shared, private or locked, not `{value}`")),
            });
        }
        _ => return Err(format!("unknown mount option `{option}`")),
    }
    Ok(())
}

fn finish(kind: &str, words: Words) -> Result<What, String> {
    let writable = words.writable;
    let (target, kind) = match kind {
        "bind" => (words.target(kind)?, Kind::Bind { origin: words.origin(), writable: writable.unwrap_or(false) }),
        "cache" => {
            let kind = Kind::Cache {
                id: words.id.clone(),
                origin: words.origin(),
                sharing: words.sharing.unwrap_or(Sharing::Shared),
                read_only: !writable.unwrap_or(true),
                access: words.access(0o755),
            };
            (words.target("cache")?, kind)
        }
        "tmpfs" => (words.target(kind)?, Kind::Tmpfs { size: words.size }),
        "secret" => secret(&words)?,
        _ => {
            let id = words.id.clone().unwrap_or_else(|| "default".into());
            let kind = Kind::Ssh { id, required: words.required, access: words.access(0o600) };
            (words.target.clone().unwrap_or_default(), kind)
        }
    };
    Ok(What { target, kind })
}

fn secret(words: &Words) -> Result<(String, Kind), String> {
    let place = words.target.clone().filter(|t| !t.is_empty());
    let last = place.as_deref().and_then(|p| p.rsplit('/').find(|name| !name.is_empty()));
    // BuildKit takes source= for another spelling of id=, and the stronger one.
    let named = words.source.clone().filter(|s| !s.is_empty()).or_else(|| words.id.clone());
    let id = named.or_else(|| last.map(str::to_owned)).or_else(|| words.env.clone());
    let Some(id) = id else {
        return Err("a mount of type=secret needs an id=, the name that --secret gives it".into());
    };
    if place.is_none() && words.env.is_none() && (id.contains('/') || id == "." || id == "..") {
        return Err(format!("the secret `{id}` needs a target=: its name cannot be that of a file"));
    }
    let usual = if words.env.is_some() { String::new() } else { format!("{SECRET_DIR}/{id}") };
    let kind = Kind::Secret { id, env: words.env.clone(), required: words.required, access: words.access(0o400) };
    Ok((place.unwrap_or(usual), kind))
}

fn switch(option: &str, value: Option<&str>) -> Result<bool, String> {
    match value.map(str::to_ascii_lowercase).as_deref() {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(format!("the mount option {option} is true or false, not `{other}`")),
    }
}

fn mode(value: &str) -> Result<u32, String> {
    match u32::from_str_radix(value, 8) {
        Ok(mode) if mode <= 0o7777 && value.bytes().all(|b| b.is_ascii_digit()) => Ok(mode),
        _ => Err(format!("invalid mode={value}: it is an octal number from 0 to 7777")),
    }
}

fn number(option: &str, value: &str) -> Result<u32, String> {
    let number = value.parse().ok().filter(|n| *n < u32::MAX && value.bytes().all(|b| b.is_ascii_digit()));
    number.ok_or_else(|| format!("invalid {option}={value}: it is a number; names are not known before the step runs"))
}

fn variable(value: &str) -> Result<String, String> {
    if value.is_empty() || value.contains(['=', '\0']) {
        return Err(format!("`{value}` cannot be the name of a variable"));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(text: &str) -> What {
        Mount::parse(text).unwrap().what().unwrap().clone()
    }

    #[test]
    fn each_type_has_its_defaults() {
        assert_eq!(
            what("target=/x").kind,
            Kind::Bind { origin: Origin::default(), writable: false },
            "bind is the type where none is given, and read-only"
        );
        let access = |mode| Access { uid: 0, gid: 0, mode };
        let cache = Kind::Cache {
            id: None,
            origin: Origin::default(),
            sharing: Sharing::Shared,
            read_only: false,
            access: access(0o755),
        };
        assert_eq!(what("type=cache,dst=/c").kind, cache);
        assert_eq!(what("type=tmpfs,destination=/t,size=64m").kind, Kind::Tmpfs { size: Some(64 << 20) });
        let secret = what("type=secret,id=s");
        assert_eq!(secret.target, "/run/secrets/s");
        assert_eq!(secret.kind, Kind::Secret { id: "s".into(), env: None, required: false, access: access(0o400) });
        assert_eq!(what("type=secret,id=s,env=S").target, "", "a variable alone makes no file");
        assert_eq!(what("type=secret,id=s,env=S,target=/s").target, "/s");
        assert!(matches!(what("type=secret,target=/a/name").kind, Kind::Secret { id, .. } if id == "name"));
        assert!(matches!(what("type=ssh").kind, Kind::Ssh { id, required: false, .. } if id == "default"));
    }

    #[test]
    fn options_are_read_whatever_their_case_and_spelling() {
        let Kind::Cache { id, sharing, read_only, access, origin } =
            what("TYPE=cache,Target=/c,id=x,sharing=LOCKED,readonly,mode=0700,uid=5,gid=6,from=s,src=/d").kind
        else {
            panic!("not a cache");
        };
        assert_eq!((id.as_deref(), sharing, read_only), (Some("x"), Sharing::Locked, true));
        assert_eq!(access, Access { uid: 5, gid: 6, mode: 0o700 });
        assert_eq!(origin, Origin { from: Some("s".into()), source: "/d".into() });
        assert!(matches!(what("target=/x,rw").kind, Kind::Bind { writable: true, .. }));
        assert!(matches!(what("target=/x,readonly=false").kind, Kind::Bind { writable: true, .. }));
        assert!(matches!(what("type=secret,id=s,required").kind, Kind::Secret { required: true, .. }));
    }

    #[test]
    fn what_cannot_be_is_told() {
        for (bad, why) in [
            ("type=magic,target=/x", "bind, cache"),
            ("type=bind", "target="),
            ("type=cache,target=/", "root folder"),
            ("type=cache,target=//", "root folder"),
            ("target=/x,tagret=/y", "did you mean target"),
            ("target=/x,mode=0700", "no option `mode`"),
            ("type=tmpfs,target=/x,uid=5", "no option `uid`"),
            ("type=tmpfs,target=/x,size=huge", "huge"),
            ("type=cache,target=/x,sharing=often", "shared, private or locked"),
            ("type=cache,target=/x,mode=9", "octal"),
            ("type=cache,target=/x,uid=-1", "uid=-1"),
            ("type=cache,target=/x,uid=4294967295", "uid="),
            ("type=secret", "id="),
            ("type=secret,id=../x", "target="),
            ("target", "needs a value"),
            ("target=/x,from=$stage", "variables"),
            ("target=/x,bind-propagation=shared", "no option"),
            ("\"target=/x", "quotation"),
        ] {
            let error = Mount::parse(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn variables_are_expanded_and_what_they_give_is_checked() {
        let mut mount = Mount::parse("type=$kind,target=/${dir},id=$none").unwrap();
        assert!(mount.what().is_none());
        let mut scope = Scope::default();
        scope.set("kind", "cache");
        scope.set("dir", "c");
        mount.expand(&scope, '\\').unwrap();
        assert!(matches!(&mount.what().unwrap().kind, Kind::Cache { id: None, .. }));
        assert_eq!(mount.what().unwrap().target, "/c");
        let mut wrong = Mount::parse("type=$kind,target=$none").unwrap();
        assert!(wrong.expand(&scope, '\\').unwrap_err().contains("target="));
    }
}
