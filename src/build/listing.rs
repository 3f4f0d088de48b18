//! What of a context folder a build can take, and which line of the ignore file decides about each path.
//!
//! For people who wonder why their context is large or a file is missing. It reads names and sizes, never contents, and
//! holds one folder at a time. What an instruction takes is decided by `copy::select`, with the same rules.

use super::context::{Context, plain};
use super::ignore::Rule;
use crate::error::{Kind, Result, fail_with};
use crate::sys::path::{self, Root};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, statat};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// One path of the context.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    /// Relative to the context.
    pub path: PathBuf,
    /// A folder: left out with all below it, or empty.
    pub folder: bool,
    /// Bytes of a file or of a link's text; 0 for all else and for what is left out.
    pub size: u64,
    /// Whether a build can take it.
    pub included: bool,
    /// The line that decides: `.dockerignore:3: *.log`; nothing if none matches.
    pub rule: Option<String>,
}

/// Goes through a context, folder by folder in the order of names, and gives each file, each link, each empty folder and
/// each path that is left out to `each`. `dockerfile` is where the ignore file is looked for first.
pub fn list(context: &Path, dockerfile: &Path, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<()> {
    let ignore = Context::ignore_of(context, dockerfile)?;
    let wrong = |dir: &Path, error: io::Error| {
        let message = format!("reading {} of the build context: {}", dir.display(), plain(&error));
        fail_with(Kind::User, message, "Make it readable, or leave it out by .dockerignore.")
    };
    let root = Root::open(context).map_err(|e| wrong(context, e))?;
    let shown = |rule: &Rule| format!("{}:{}: {}", ignore.name(), rule.line, rule.text);
    // Folders to visit, the next one last.
    let mut todo = vec![PathBuf::new()];
    while let Some(dir) = todo.pop() {
        let mut inner = Vec::new();
        let entries = entries(&root, &dir).map_err(|e| wrong(&dir, e))?;
        if entries.is_empty() && !dir.as_os_str().is_empty() && !ignore.excluded(&dir) {
            let rule = ignore.decided_by(&dir).map(shown);
            each(Listed { path: dir, folder: true, size: 0, included: true, rule })?;
            continue;
        }
        for (name, kind, size) in entries {
            let path = dir.join(name);
            let rule = ignore.decided_by(&path);
            let included = rule.is_none_or(|rule| rule.negated);
            let folder = kind == FileType::Directory;
            if folder && (included || ignore.may_reinclude_below(&path)) {
                inner.push(path);
                continue;
            }
            let size = if included { size } else { 0 };
            each(Listed { path, folder, size, included, rule: rule.map(shown) })?;
        }
        todo.extend(inner.into_iter().rev());
    }
    Ok(())
}

/// Names, kinds and sizes in a folder of the context. Sockets are never copied, so they are not there.
fn entries(root: &Root, dir: &Path) -> io::Result<Vec<(std::ffi::OsString, FileType, u64)>> {
    let fd = root.open_at(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
    let mut found = Vec::new();
    for entry in path::list(fd.as_fd())?.into_iter().filter(|e| e.kind != FileType::Socket) {
        let size = match entry.kind {
            FileType::RegularFile | FileType::Symlink => match statat(&fd, &entry.name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat.st_size.max(0).unsigned_abs(),
                // Gone since it was listed: as if it had never been.
                Err(rustix::io::Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            },
            _ => 0,
        };
        found.push((entry.name, entry.kind, size));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn each_path_has_its_size_and_the_line_that_decides() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["a/deep", "out/kept", "out/lost", "empty", "git"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["Dockerfile", "x.log", "keep.log", "a/deep/f", "out/kept/g", "out/h", "out/lost/i", "git/j"] {
            fs::write(at(file), "12345").unwrap();
        }
        std::os::unix::fs::symlink("nowhere", at("a/link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        fs::write(at(".dockerignore"), "*.log\n!keep.log\nout\n!out/kept\ngit\n.dockerignore\n").unwrap();
        let mut seen = Vec::new();
        list(dir.path(), &at("Dockerfile"), &mut |l| {
            let rule = l.rule.as_deref().map_or("", |r| r.trim_start_matches(".dockerignore:"));
            let (slash, sign) = (if l.folder { "/" } else { "" }, if l.included { '+' } else { '-' });
            seen.push(format!("{sign} {} {}{slash} {rule}", l.size, l.path.display()).trim_end().to_owned());
            Ok(())
        })
        .unwrap();
        let want = [
            "- 0 .dockerignore 6: .dockerignore",
            "+ 5 Dockerfile",
            "- 0 git/ 5: git",
            "+ 5 keep.log 2: !keep.log",
            "- 0 x.log 1: *.log",
            "+ 7 a/link",
            "+ 5 a/deep/f",
            "+ 0 empty/",
            "- 0 out/h 3: out",
            "- 0 out/lost/ 3: out",
            "+ 5 out/kept/g 4: !out/kept",
        ];
        assert_eq!(seen, want);
        assert!(list(&at("missing"), &at("Dockerfile"), &mut |_| Ok(())).is_err());
    }
}
