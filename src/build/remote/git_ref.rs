//! The name of a git repository, a revision and a folder in it, as `docker build` writes them: `URL#ref:subdir`, or a
//! query (`URL?branch=…&subdir=…`, Dockerfile 1.18). Pure; nothing is asked of a server.

use super::url_host;
use crate::error::{Kind, Result, fail};
use serde::{Deserialize, Serialize};

/// What to fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitRef {
    /// The repository, without query and fragment.
    pub url: String,
    /// A branch, a tag, a full reference or a commit; the server's `HEAD` without it.
    pub reference: Option<String>,
    /// The folder of the repository that counts.
    pub subdir: Option<String>,
    /// How the commit must begin, in hex.
    pub checksum: Option<String>,
    /// Whether `.git` stays.
    pub keep_git_dir: Option<bool>,
    /// Whether submodules are fetched, too.
    pub submodules: Option<bool>,
}

/// Whether `text` has the form `user@host:path`.
pub fn is_scp_like(text: &str) -> bool {
    let Some((user, rest)) = text.split_once('@') else { return false };
    let word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !user.is_empty()
        && user.chars().all(word)
        && rest.split_once(':').is_some_and(|(host, path)| {
            !host.is_empty() && host.chars().all(word) && !path.is_empty() && !path.starts_with("//")
        })
}

impl GitRef {
    /// Takes `text` apart; nothing if it is no git repository but some other URL (or path).
    pub fn parse(text: &str) -> Result<Option<GitRef>> {
        let wrong = |why: String| fail(Kind::User, format!("{}: {why}", super::shown(text)));
        let (main, fragment) = text.split_once('#').map_or((text, None), |(main, f)| (main, Some(f)));
        let (url, query) = main.split_once('?').map_or((main, None), |(url, q)| (url, Some(q)));
        let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        let is_git = match scheme.as_deref() {
            Some("git" | "ssh") => true,
            Some("http" | "https") => url.ends_with(".git"),
            Some(_) => false,
            None => is_scp_like(url),
        };
        if !is_git {
            return Ok(None);
        }
        let host = match scheme {
            Some(_) => url_host(url).unwrap_or_default(),
            None => url.split_once('@').map_or("", |(_, rest)| rest),
        };
        if host.is_empty() || host.starts_with('-') {
            return Err(wrong("the URL has no host".into()));
        }
        let mut git = GitRef { url: url.to_string(), ..GitRef::default() };
        for pair in query.iter().flat_map(|q| q.split('&')).filter(|p| !p.is_empty()) {
            git.take(pair).map_err(wrong)?;
        }
        if let Some(fragment) = fragment.filter(|f| !f.is_empty()) {
            if git.reference.is_some() || git.subdir.is_some() {
                return Err(wrong("give the revision and the folder in the query or behind #, not both".into()));
            }
            let (reference, subdir) = fragment.split_once(':').map_or((fragment, ""), |(r, s)| (r, s));
            git.set_reference("", reference).map_err(wrong)?;
            git.set_subdir(subdir).map_err(wrong)?;
        }
        Ok(Some(git))
    }

    /// Takes one `key=value` of a query.
    fn take(&mut self, pair: &str) -> Result<(), String> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = super::decode(value).ok_or_else(|| format!("{key}: the value is no text"))?;
        let switch = |value: &str| match value {
            "" | "1" | "true" => Ok(Some(true)),
            "0" | "false" => Ok(Some(false)),
            other => Err(format!("{key} is true or false, not `{other}`")),
        };
        match key {
            "ref" => self.set_reference("", &value),
            "branch" => self.set_reference("refs/heads/", &value),
            "tag" => self.set_reference("refs/tags/", &value),
            "subdir" => self.set_subdir(&value),
            "checksum" | "commit" => self.set_checksum(&value),
            "keep-git-dir" => switch(&value).map(|v| self.keep_git_dir = v),
            "submodules" => switch(&value).map(|v| self.submodules = v),
            other => Err(format!("unknown key of a git URL: {other}")),
        }
    }

    fn set_reference(&mut self, prefix: &str, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Ok(());
        }
        if self.reference.is_some() {
            return Err("only one of ref, branch and tag can be given".into());
        }
        // Narrower than git's own rule: nothing that could be taken for an option or an expression.
        let good = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./-+".contains(c))
            && !text.contains("..");
        if !good {
            return Err(format!("`{text}` cannot be the name of a revision"));
        }
        self.reference = Some(format!("{prefix}{text}"));
        Ok(())
    }

    fn set_subdir(&mut self, text: &str) -> Result<(), String> {
        if text.split('/').any(|part| part == "..") || text.contains('\0') {
            return Err(format!("the folder `{text}` may not contain `..`"));
        }
        let clean = text.trim_matches('/');
        self.subdir = (!clean.is_empty() && clean != ".").then(|| clean.to_string());
        Ok(())
    }

    /// Asks for a commit that begins with `text`.
    pub fn set_checksum(&mut self, text: &str) -> Result<(), String> {
        if text.len() < 7 || text.len() > 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("the checksum of a git source is a commit, 7 to 64 hex digits, not `{text}`"));
        }
        self.checksum = Some(text.to_ascii_lowercase());
        Ok(())
    }

    /// The commit, if the reference is one in full.
    pub fn commit(&self) -> Option<&str> {
        self.reference.as_deref().filter(|r| matches!(r.len(), 40 | 64) && r.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_repository() {
        for (text, url, reference, subdir) in [
            ("https://h/a.git", "https://h/a.git", None, None),
            ("https://h/a.git#v1", "https://h/a.git", Some("v1"), None),
            ("https://h/a.git#v1:/d/e/", "https://h/a.git", Some("v1"), Some("d/e")),
            ("https://h/a.git#:d", "https://h/a.git", None, Some("d")),
            ("https://h/a.git?ref=x&subdir=d%20e", "https://h/a.git", Some("x"), Some("d e")),
            ("https://h/a.git?branch=x", "https://h/a.git", Some("refs/heads/x"), None),
            ("git://h/a?tag=v1", "git://h/a", Some("refs/tags/v1"), None),
            ("ssh://git@h:22/a#x", "ssh://git@h:22/a", Some("x"), None),
            ("git@h:a/b.git#x:y", "git@h:a/b.git", Some("x"), Some("y")),
        ] {
            let git = GitRef::parse(text).unwrap().unwrap();
            let found = (git.url.as_str(), git.reference.as_deref(), git.subdir.as_deref());
            assert_eq!(found, (url, reference, subdir), "{text}");
        }
        for text in ["https://h/a", "http://h/a.git.tar", "dir/x.git", "file:///x.git", "ext::sh -c id"] {
            assert_eq!(GitRef::parse(text).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn what_could_lead_git_astray_is_refused() {
        for text in [
            "https://h/a.git#--upload-pack=id",
            "https://h/a.git#-x",
            "https://h/a.git#a..b",
            "https://h/a.git#a b",
            "https://h/a.git#x:../y",
            "https://h/a.git?subdir=a/%2e%2e/b",
            "https://h/a.git?ref=x#y",
            "https://h/a.git?ref=x&tag=y",
            "https://h/a.git?upload-pack=id",
            "https://h/a.git?checksum=xyz1234",
            "https://h/a.git?keep-git-dir=maybe",
            "ssh://-oProxyCommand=id/x",
            "git:///x",
        ] {
            assert!(GitRef::parse(text).is_err(), "{text}");
        }
    }
}
