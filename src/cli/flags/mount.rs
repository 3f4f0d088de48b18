//! Mounts: `--volume`, `--mount`, `--tmpfs`.
//!
//! Whether a source exists and where a volume lives is decided where it is mounted.

use super::comma_fields;
use crate::error::{Kind, Result, fail, fail_with};
use crate::run::options::{MountSource, UserMount};
use crate::store::container::check_name;
use clap::Args;
use std::path::PathBuf;

/// Mount flags.
#[derive(Debug, Default, Args)]
pub struct Mounts {
    /// Mount a file or folder of this machine, or a named volume
    #[arg(short, long, value_name = "SRC:DST[:OPTIONS]")]
    pub volume: Vec<String>,
    /// Mount something: type=bind|volume|tmpfs,source=…,target=…[,readonly]
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub mount: Vec<String>,
    /// Mount an empty file system in memory
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    pub tmpfs: Vec<String>,
}

impl Mounts {
    /// All mounts, in the order of the flags above.
    pub fn resolve(&self) -> Result<Vec<UserMount>> {
        let volumes = self.volume.iter().map(|w| named("--volume", w, volume(w)));
        let mounts = self.mount.iter().map(|w| named("--mount", w, mount(w)));
        let tmpfs = self.tmpfs.iter().map(|w| named("--tmpfs", w, tmpfs(w)));
        let all: Vec<UserMount> = volumes.chain(mounts).chain(tmpfs).collect::<Result<_>>()?;
        for (at, one) in all.iter().enumerate() {
            if all[..at].iter().any(|other| other.target == one.target) {
                return Err(fail(Kind::User, format!("two mounts have the target {}", one.target)));
            }
        }
        Ok(all)
    }
}

fn named(flag: &str, word: &str, result: Result<UserMount>) -> Result<UserMount> {
    result.map_err(|e| e.context(format!("{flag} {word:?}")))
}

fn absolute_target(target: &str) -> Result<String> {
    if !target.starts_with('/') {
        return Err(fail(Kind::User, format!("the target {target:?} must be an absolute path")));
    }
    let trimmed = target.trim_end_matches('/');
    if trimmed.is_empty() {
        return Err(fail(Kind::User, "the target must not be the root folder"));
    }
    Ok(trimmed.to_string())
}

fn bind_path(source: &str) -> Result<PathBuf> {
    if source.is_empty() {
        return Err(fail(Kind::User, "the source is empty"));
    }
    Ok(std::path::absolute(source)?)
}

/// `[SOURCE:]TARGET[:OPTIONS]`; a source with a slash or dot at its beginning is a path, else the name of a volume.
fn volume(word: &str) -> Result<UserMount> {
    let parts: Vec<&str> = word.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [_target] => {
            return Err(fail_with(
                Kind::User,
                "dhow has no anonymous volumes yet",
                "Name a volume or a folder (NAME:TARGET), or use `--tmpfs TARGET`.",
            ));
        }
        [source, target] => (*source, *target, ""),
        [source, target, options] => (*source, *target, *options),
        _ => return Err(fail(Kind::User, "write SOURCE:TARGET[:OPTIONS]")),
    };
    let source = if source.starts_with(['/', '.']) {
        MountSource::Bind(bind_path(source)?)
    } else {
        check_volume(source)?;
        MountSource::Volume(source.to_string())
    };
    let mut read_only = false;
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option {
            "ro" => read_only = true,
            // Labels and caching hints mean nothing here; private propagation is what we do.
            "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" | "private" | "rprivate" | "rbind" | "bind" => {}
            other => {
                return Err(fail_with(
                    Kind::User,
                    format!("the mount option {other:?} is not supported"),
                    "Options are ro and rw.",
                ));
            }
        }
    }
    Ok(UserMount { source, target: absolute_target(target)?, read_only })
}

/// `TARGET[:OPTIONS]`.
fn tmpfs(word: &str) -> Result<UserMount> {
    let (target, options) = word.split_once(':').unwrap_or((word, ""));
    let mut read_only = false;
    let mut kept = Vec::new();
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option.split('=').next().unwrap_or("") {
            "ro" => read_only = true,
            "rw" | "tmpcopyup" | "notmpcopyup" | "rprivate" | "private" => {}
            "size" | "mode" | "uid" | "gid" | "nr_inodes" | "exec" | "noexec" | "suid" | "nosuid" | "dev" | "nodev" => {
                kept.push(option);
            }
            other => return Err(fail(Kind::User, format!("the tmpfs option {other:?} is not supported"))),
        }
    }
    Ok(UserMount { source: MountSource::Tmpfs(kept.join(",")), target: absolute_target(target)?, read_only })
}

/// `type=…,source=…,target=…`.
fn mount(word: &str) -> Result<UserMount> {
    let (mut kind, mut source, mut target) = ("volume".to_string(), None, None);
    let mut read_only = false;
    let mut memory = Vec::new();
    for field in comma_fields(word)? {
        let (key, value) = field.split_once('=').map_or((field.as_str(), None), |(k, v)| (k, Some(v.to_string())));
        let switch = |value: &Option<String>| match value.as_deref() {
            None => Ok(true),
            Some(text) => super::boolean(text).map_err(|e| fail(Kind::User, format!("{key}: {e}"))),
        };
        match key {
            "type" => kind = value.unwrap_or_default(),
            "source" | "src" => source = value,
            "target" | "dst" | "destination" => target = value,
            "readonly" | "ro" => read_only = switch(&value)?,
            "rw" => read_only = !switch(&value)?,
            "tmpfs-size" => memory.push(format!("size={}", value.unwrap_or_default())),
            "tmpfs-mode" => memory.push(format!("mode={}", value.unwrap_or_default())),
            "consistency" | "bind-propagation" if matches!(value.as_deref(), Some("rprivate" | "private")) => {}
            "consistency" => {}
            other => return Err(fail(Kind::User, format!("the mount field {other:?} is not supported"))),
        }
    }
    let target = absolute_target(&target.ok_or_else(|| fail(Kind::User, "the target is missing (target=PATH)"))?)?;
    if !memory.is_empty() && kind != "tmpfs" {
        return Err(fail(Kind::User, "tmpfs-size and tmpfs-mode belong to type=tmpfs"));
    }
    let missing = || fail(Kind::User, "the source is missing (source=…)");
    let source = match kind.as_str() {
        "bind" => MountSource::Bind(bind_path(&source.ok_or_else(missing)?)?),
        "volume" => {
            let name = source.ok_or_else(missing)?;
            check_volume(&name)?;
            MountSource::Volume(name)
        }
        "tmpfs" if source.is_some() => return Err(fail(Kind::User, "a tmpfs has no source")),
        "tmpfs" => MountSource::Tmpfs(memory.join(",")),
        other => {
            return Err(fail_with(
                Kind::User,
                format!("the mount type {other:?} is not supported"),
                "Types are bind, volume and tmpfs.",
            ));
        }
    };
    Ok(UserMount { source, target, read_only })
}

fn check_volume(name: &str) -> Result<()> {
    match check_name("volume", name) {
        Err(error) if name.contains('/') => {
            Err(fail_with(Kind::User, error.to_string(), format!("A folder begins with / or a dot: `./{name}`.")))
        }
        checked => checked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &str, target: &str, read_only: bool) -> UserMount {
        UserMount { source: MountSource::Bind(source.into()), target: target.into(), read_only }
    }

    #[test]
    fn volumes_are_paths_or_names() {
        assert_eq!(volume("/a:/b").unwrap(), bind("/a", "/b", false));
        assert_eq!(volume("/a:/b/:ro,z").unwrap(), bind("/a", "/b", true));
        assert_eq!(volume("data:/d").unwrap().source, MountSource::Volume("data".into()));
        let here = std::env::current_dir().unwrap().join("x");
        assert_eq!(volume("./x:/d").unwrap().source, MountSource::Bind(here));
        for bad in ["/b", "/a:b", "/a:/b:U", "/a:/", "a/b:/c", ":/b", "/a:/b:ro:x"] {
            assert!(volume(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mounts_are_fields() {
        assert_eq!(mount("type=bind,src=/a,dst=/b,readonly").unwrap(), bind("/a", "/b", true));
        assert_eq!(mount("type=bind,source=/a,target=/b,ro=false").unwrap(), bind("/a", "/b", false));
        let memory = mount("type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=1777").unwrap();
        assert_eq!(memory.source, MountSource::Tmpfs("size=1m,mode=1777".into()));
        assert_eq!(mount("source=v,target=/v").unwrap().source, MountSource::Volume("v".into()));
        for bad in
            ["type=bind,target=/b", "type=bind,source=/a", "type=x,source=a,target=/b", "type=tmpfs,source=a,target=/b"]
        {
            assert!(mount(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_mounts_on_one_target_are_refused() {
        let flags = Mounts { volume: vec!["/a:/t".into()], tmpfs: vec!["/t".into()], ..Mounts::default() };
        assert!(flags.resolve().unwrap_err().to_string().contains("/t"));
        assert_eq!(tmpfs("/t:size=1m,rw").unwrap().source, MountSource::Tmpfs("size=1m".into()));
        assert!(tmpfs("/t:upperdir=/x").is_err());
    }
}
