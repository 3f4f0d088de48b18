//! Commits of git repositories, fetched by the person's own `git`, which is given as little as possible: no configuration,
//! hooks, templates or prompts, no protocol but those named here, nothing that could be read as an option.
//!
//! git runs as the user, outside the user namespace, in a folder that nothing of an image ever touches.

use super::git_ref::GitRef;
use crate::error::{Kind, Result, fail, fail_with};
use crate::registry::http::without_credentials as shown;
use crate::sys::process;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Variables that git may see: how to get out, and who signs in over ssh. The rest could change what git does.
const KEPT: &[&str] = &[
    "PATH",
    "SSH_AUTH_SOCK",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
/// So much of what git says goes into an error.
const MAX_WORDS: usize = 2000;

/// The commit that a reference stands for now.
pub fn commit(git: &GitRef) -> Result<String> {
    let commit = match git.commit() {
        Some(commit) => commit.to_ascii_lowercase(),
        None => {
            let wanted = git.reference.as_deref().unwrap_or("HEAD");
            let peeled = format!("{wanted}^{{}}");
            let mut words = vec!["ls-remote", "--quiet", "--", git.url.as_str(), wanted];
            words.extend(git.reference.is_some().then_some(peeled.as_str()));
            let listed = run(git, Path::new("/"), &words)?;
            choose(&listed, wanted).ok_or_else(|| {
                fail(Kind::NotFound, format!("{}: no branch, tag or reference {wanted:?}", shown(&git.url)))
            })?
        }
    };
    match &git.checksum {
        Some(start) if !commit.starts_with(start) => Err(fail_with(
            Kind::User,
            format!("{}: expected commit {start}, found {commit}", shown(&git.url)),
            "The reference moved since the checksum was written.",
        )),
        _ => Ok(commit),
    }
}

/// From the lines of `ls-remote`, the commit of the reference: a full name first, then a tag (what it points to rather
/// than the tag itself), then a branch, as gitrevisions(7) orders them.
fn choose(listed: &str, wanted: &str) -> Option<String> {
    let of = |name: String| {
        let line = listed.lines().find(|line| line.split_once('\t').is_some_and(|(_, found)| found == name))?;
        let id = line.split_once('\t')?.0;
        (id.len() >= 40 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_string())
    };
    ["", "refs/", "refs/tags/", "refs/heads/"]
        .iter()
        .find_map(|prefix| of(format!("{prefix}{wanted}^{{}}")).or_else(|| of(format!("{prefix}{wanted}"))))
}

/// Fetches the commit and writes its files into the empty folder `into`; gives the commit.
pub fn check_out(git: &GitRef, into: &Path) -> Result<String> {
    let commit = commit(git)?;
    run(git, into, &["init", "--quiet", "--template=", "."])?;
    run(git, into, &["remote", "add", "--", "origin", &shown(&git.url)])?;
    let shallow = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", &git.url];
    let by_commit = run(git, into, &[&shallow[..], &[&commit]].concat());
    if let Err(error) = by_commit {
        // Not every server gives out a commit by its name alone; then its reference, or else everything.
        let Some(reference) = git.reference.as_deref().filter(|_| git.commit().is_none()) else {
            let all = ["fetch", "--quiet", "--no-recurse-submodules", "--", &git.url];
            return run(
                git,
                into,
                &[&all[..], &["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]].concat(),
            )
            .map_err(|_| error)
            .and_then(|_| finish(git, into, commit));
        };
        run(git, into, &[&shallow[..], &[reference]].concat())?;
    }
    finish(git, into, commit)
}

fn finish(git: &GitRef, into: &Path, commit: String) -> Result<String> {
    run(git, into, &["checkout", "--quiet", "--detach", &commit])?;
    if git.submodules != Some(false) && into.join(".gitmodules").is_file() {
        run(git, into, &["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"])?;
    }
    let removed = if git.keep_git_dir == Some(true) {
        // What tells the moment of the fetch.
        fs::remove_file(into.join(".git/FETCH_HEAD")).and_then(|()| fs::remove_dir_all(into.join(".git/logs")))
    } else {
        fs::remove_dir_all(into.join(".git")).and_then(|()| remove_links(into))
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(fail(Kind::System, format!("{}: cleaning up: {error}", into.display())))
        }
        _ => Ok(commit),
    }
}

/// Removes the files `.git` of submodules. (No tree of git's can hold that name.)
fn remove_links(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_links(&entry.path())?;
        } else if entry.file_name() == ".git" {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The protocols that this fetch and its submodules may use: encrypted ones, and the one that the person named.
fn protocols(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme @ ("http" | "git"), _)) => format!("https:ssh:{scheme}"),
        _ => "https:ssh".into(),
    }
}

/// Runs git and gives what it printed.
fn run(git: &GitRef, dir: &Path, words: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    command.env_clear().envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("HOME", "/dev/null")
        .env("GIT_ALLOW_PROTOCOL", protocols(&git.url))
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "false")
        .env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
        .env("GIT_CEILING_DIRECTORIES", dir.parent().unwrap_or(dir))
        .env("LC_ALL", "C")
        .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "init.defaultBranch=main"])
        .args(["-c", "advice.detachedHead=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false"])
        .args(words)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = process::spawn_bound(&mut command).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => fail_with(
            Kind::System,
            format!("{}: git is not installed", shown(&git.url)),
            "Install it (apt install git), or fetch the repository yourself and name the folder.",
        ),
        _ => fail(Kind::System, format!("starting git: {error}")),
    })?;
    let output = started.wait_with_output().map_err(|e| fail(Kind::System, format!("waiting for git: {e}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    // A server's words: they must not steer the terminal, nor show a password that was in the URL.
    let said = String::from_utf8_lossy(&output.stderr).replace(&git.url, &shown(&git.url));
    let said: String = said.trim().chars().take(MAX_WORDS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    Err(fail(Kind::System, format!("{}: git {} failed: {said}", shown(&git.url), words[0])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_peeled_and_names_matched_whole() {
        let id = |c: char| c.to_string().repeat(40);
        let listed = format!(
            "{}\trefs/heads/x/v1\n{}\trefs/heads/v1\n{}\trefs/tags/v1\n{}\trefs/tags/v1^{{}}\nnonsense\n",
            id('a'),
            id('b'),
            id('c'),
            id('d')
        );
        assert_eq!(choose(&listed, "v1"), Some(id('d')));
        assert_eq!(choose(&listed, "refs/heads/v1"), Some(id('b')));
        assert_eq!(choose(&listed, "heads/v1"), Some(id('b')));
        assert_eq!(choose(&listed, "1"), None);
        assert_eq!(choose("x\tHEAD\n", "HEAD"), None);
    }

    #[test]
    fn only_named_protocols() {
        assert_eq!(protocols("git://h/x"), "https:ssh:git");
        assert_eq!(protocols("git@h:x"), "https:ssh");
        assert_eq!(protocols("ext::sh://"), "https:ssh");
    }
}
