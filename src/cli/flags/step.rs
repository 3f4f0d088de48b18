//! What the RUN steps of a build get: `--secret`, `--ssh`, `--allow`, names, limits and capabilities.
//!
//! Secrets are read here, before anything is built: one that is not there is told at once.

use super::comma_fields;
use super::security::capabilities;
use crate::build::{Options, Secret, UserLimit, words};
use crate::error::{Kind, Result, fail, fail_with};
use crate::run::profile;
use clap::Args;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

/// The largest secret; the peers' limit.
const MAX_SECRET: u64 = 500 << 10;

/// Flags about RUN steps.
#[derive(Debug, Default, Args)]
pub struct StepFlags {
    /// A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=NAME]
    #[arg(long, value_name = "id=NAME,…")]
    pub secret: Vec<String>,
    /// An SSH agent for RUN --mount=type=ssh [default socket: $SSH_AUTH_SOCK]
    #[arg(long, value_name = "default|NAME[=SOCKET]")]
    pub ssh: Vec<String>,
    /// Allow what a RUN asks for: security.insecure, network.host
    #[arg(long, value_name = "RIGHT")]
    pub allow: Vec<String>,
    /// Add a name to /etc/hosts of every RUN
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub add_host: Vec<String>,
    /// Name server of every RUN
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<String>,
    /// Size of /dev/shm in every RUN
    #[arg(long, value_name = "SIZE")]
    pub shm_size: Option<String>,
    /// Resource limit of every RUN
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,
    /// Add a capability to every RUN (NET_ADMIN, or ALL)
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop a capability of every RUN (CHOWN, or ALL)
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// Security of every RUN: seccomp=unconfined, no-new-privileges
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Accepted and without effect: steps stay in the build's own cgroup
    #[arg(long, value_name = "CGROUP")]
    pub cgroup_parent: Option<String>,
}

impl StepFlags {
    /// Fills the options of a build.
    pub fn resolve(&self, options: &mut Options) -> Result<()> {
        for word in &self.secret {
            let (id, secret) = secret(word)?;
            options.secrets.insert(id, secret);
        }
        for word in &self.ssh {
            let (id, socket) = agent(word)?;
            options.ssh.insert(id, socket);
        }
        for right in self.allow.iter().flat_map(|w| w.split(',')).map(str::trim) {
            match right {
                "security.insecure" => options.allow_insecure = true,
                // A step's network is the caller's own to give: nothing has to be allowed.
                "network.host" => {}
                other => {
                    let message = format!("--allow {other:?}: there is no such right");
                    return Err(fail_with(Kind::User, message, "Rights are security.insecure and network.host."));
                }
            }
        }
        let step = &mut options.step;
        for word in &self.add_host {
            step.hosts.extend(hosts(word)?);
        }
        for word in &self.dns {
            step.dns.push(address(word).map_err(|e| fail(Kind::User, format!("--dns {word:?}: {e}")))?);
        }
        let sized = |text: &String| words::size(text).map_err(|e| fail(Kind::User, format!("--shm-size: {e}")));
        step.shm_size = self.shm_size.as_ref().map(sized).transpose()?;
        step.limits = self.ulimit.iter().map(|w| limit(w)).collect::<Result<_>>()?;
        step.cap_add = capabilities(&self.cap_add)?;
        step.cap_drop = capabilities(&self.cap_drop)?;
        for word in &self.security_opt {
            match word.replacen(':', "=", 1).as_str() {
                "no-new-privileges" | "no-new-privileges=true" => step.no_new_privileges = true,
                "no-new-privileges=false" => step.no_new_privileges = false,
                "seccomp=unconfined" => step.no_seccomp = true,
                // Confinement by these modules is what a rootless container does not have anyway.
                "label=disable" | "apparmor=unconfined" => {}
                _ => {
                    return Err(fail_with(
                        Kind::User,
                        format!("--security-opt {word:?} is not available"),
                        "Possible are seccomp=unconfined, no-new-privileges, label=disable and apparmor=unconfined.",
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Reads a secret, from where its words say: a file, a variable, or whichever has its id for a name.
fn secret(word: &str) -> Result<(String, Secret)> {
    let wrong = |why: &str| {
        let hint = "Write --secret id=NAME,src=FILE or --secret id=NAME,env=NAME.";
        fail_with(Kind::User, format!("--secret {word:?}: {why}"), hint)
    };
    let (mut id, mut src, mut env, mut kind) = (None, None, None, None);
    for field in comma_fields(word)? {
        let (key, value) = field.split_once('=').ok_or_else(|| wrong("every part is KEY=VALUE"))?;
        let place = match key.trim().to_ascii_lowercase().as_str() {
            "id" => &mut id,
            "src" | "source" => &mut src,
            "env" => &mut env,
            "type" => &mut kind,
            other => return Err(wrong(&format!("there is no {other:?}"))),
        };
        *place = Some(value.to_owned()).filter(|v| !v.is_empty());
    }
    let id = id.ok_or_else(|| wrong("it has no id"))?;
    match kind.as_deref() {
        None | Some("file") => {}
        Some("env") => env = env.or(src.take()).or_else(|| Some(id.clone())),
        Some(_) => return Err(wrong("its type is file or env")),
    }
    if src.is_some() && env.is_some() {
        return Err(wrong("it comes from a file or from a variable, not from both"));
    }
    if src.is_none() && env.is_none() && kind.is_none() && std::env::var_os(&id).is_some() {
        env = Some(id.clone());
    }
    let bytes = match env {
        Some(name) => {
            let value = std::env::var_os(&name).ok_or_else(|| wrong(&format!("the variable {name} is not set")))?;
            value.into_encoded_bytes()
        }
        None => read_secret(&src.unwrap_or_else(|| id.clone())).map_err(|e| wrong(&e))?,
    };
    if bytes.len() as u64 > MAX_SECRET {
        return Err(wrong("it is larger than 500 KiB"));
    }
    Ok((id, Secret::new(bytes)))
}

fn read_secret(path: &str) -> Result<Vec<u8>, String> {
    let failed = |e: std::io::Error| format!("reading {path}: {e}");
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_SECRET + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// An agent's name and socket.
fn agent(word: &str) -> Result<(String, PathBuf)> {
    let wrong = |why: String, hint: &'static str| fail_with(Kind::User, format!("--ssh {word:?}: {why}"), hint);
    let (id, path) = match word.split_once('=') {
        Some((id, path)) => (id, PathBuf::from(path)),
        None => {
            let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|s| !s.is_empty());
            let hint = "Start an agent: eval $(ssh-agent); ssh-add.";
            (word, socket.ok_or_else(|| wrong("SSH_AUTH_SOCK is not set".into(), hint))?.into())
        }
    };
    let path = std::path::absolute(path)?;
    let id = if id.is_empty() { "default" } else { id };
    match std::fs::metadata(&path) {
        Ok(meta) if meta.file_type().is_socket() => Ok((id.to_owned(), path)),
        Ok(_) => Err(wrong(
            format!("{} is not the socket of an agent; key files are not read here", path.display()),
            "Give the key to an agent with ssh-add, and name the agent's socket.",
        )),
        Err(e) => Err(wrong(format!("{}: {e}", path.display()), "Is the agent running?")),
    }
}

/// `NAME[;NAME…]:ADDRESS` or with `=`.
fn hosts(word: &str) -> Result<Vec<(String, String)>> {
    let wrong = |why: &str| fail(Kind::User, format!("--add-host {word:?}: {why}"));
    let at = word.find(['=', ':']).ok_or_else(|| wrong("write NAME:ADDRESS"))?;
    let (names, address_text) = (&word[..at], &word[at + 1..]);
    if address_text == "host-gateway" {
        return Err(wrong("host-gateway is not available yet; --network host has the host as 127.0.0.1"));
    }
    let address = address(address_text).map_err(|e| wrong(&e))?;
    let plain = |n: &str| !n.is_empty() && n.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let one = |name: &str| match plain(name) {
        true => Ok((name.to_owned(), address.clone())),
        false => Err(wrong("a name consists of letters, digits, dots and hyphens")),
    };
    names.split(';').map(one).collect()
}

fn address(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().map(|a| a.to_string()).map_err(|_| format!("{text:?} is not an address"))
}

/// `NAME=SOFT[:HARD]`; -1 means no limit.
fn limit(word: &str) -> Result<UserLimit> {
    let wrong = |why: String| fail(Kind::User, format!("--ulimit {word:?}: {why}"));
    let (name, values) = word.split_once('=').ok_or_else(|| wrong("write NAME=SOFT[:HARD]".into()))?;
    if !profile::LIMIT_NAMES.iter().any(|(known, _)| *known == name) {
        let known: Vec<&str> = profile::LIMIT_NAMES.iter().map(|(known, _)| *known).collect();
        return Err(wrong(format!("there is no limit {name:?}; there are {}", known.join(", "))));
    }
    let number = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        text => text.parse().map_err(|_| wrong(format!("{text:?} is not a number"))),
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (number(soft)?, number(hard)?);
    if soft > hard {
        return Err(wrong("the soft limit is above the hard one".into()));
    }
    Ok(UserLimit { name: name.to_owned(), soft, hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_a_file_or_a_variable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, "from the file").unwrap();
        let of = |words: &str| secret(&words.replace("FILE", path.to_str().unwrap()));
        let file = ("x".to_owned(), Secret::new(b"from the file".to_vec()));
        for words in ["id=x,src=FILE", "id=x,source=FILE", "type=file,id=x,src=FILE", "\"id=x\",src=FILE"] {
            assert_eq!(of(words).unwrap(), file, "{words}");
        }
        let path = Secret::new(std::env::var("PATH").unwrap().into_bytes());
        for words in ["id=x,env=PATH", "id=x,type=env,src=PATH"] {
            assert_eq!(of(words).unwrap(), ("x".to_owned(), path.clone()), "{words}");
        }
        for words in ["id=PATH", "id=PATH,type=env"] {
            assert_eq!(of(words).unwrap(), ("PATH".to_owned(), path.clone()), "{words}");
        }
        for bad in ["src=FILE", "id=x,src=FILE.no", "id=x,env=NOT_SET_42", "id=x,kind=y,src=FILE", "x", "id=x,type=y"] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert!(of("id=x,src=FILE,env=PATH").is_err());
        std::fs::write(dir.path().join("s"), vec![0; (MAX_SECRET + 1) as usize]).unwrap();
        assert!(of("id=x,src=FILE").unwrap_err().to_string().contains("500 KiB"));
    }

    #[test]
    fn names_limits_and_agents_are_checked() {
        let pair = |n: &str, a: &str| (n.to_owned(), a.to_owned());
        assert_eq!(hosts("a:192.0.2.1").unwrap(), [pair("a", "192.0.2.1")]);
        assert_eq!(hosts("a;b=[::1]").unwrap(), [pair("a", "::1"), pair("b", "::1")]);
        for bad in ["a", "a:b", ":192.0.2.1", "a b:192.0.2.1", "a:host-gateway", "a\nb:192.0.2.1"] {
            assert!(hosts(bad).is_err(), "{bad}");
        }
        assert_eq!(limit("nofile=1:2").unwrap(), UserLimit { name: "nofile".into(), soft: 1, hard: 2 });
        assert_eq!(limit("core=-1").unwrap().hard, u64::MAX);
        for bad in ["nofile", "files=1", "nofile=2:1", "nofile=x"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
        assert!(agent("default=/dev/null").unwrap_err().to_string().contains("key files"));
        assert!(agent("x=/no/such/socket").is_err());
    }

    #[test]
    fn rights_and_security_options_are_closed_sets() {
        let resolve = |allow: &str, security: &str| {
            let flags =
                StepFlags { allow: vec![allow.into()], security_opt: vec![security.into()], ..StepFlags::default() };
            let mut options = Options::default();
            flags.resolve(&mut options).map(|()| options)
        };
        let options = resolve("security.insecure,network.host", "seccomp=unconfined").unwrap();
        assert!(options.allow_insecure && options.step.no_seccomp);
        assert!(resolve("network.host", "no-new-privileges:true").unwrap().step.no_new_privileges);
        assert!(resolve("everything", "label=disable").is_err());
        assert!(resolve("network.host", "seccomp=profile.json").is_err());
    }
}
