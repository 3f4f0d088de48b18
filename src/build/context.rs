//! The build context: one folder of the person's, read in place, through its ignore file, and never left.
//!
//! Nothing is uploaded or copied: COPY and ADD read from here. All access goes through a [`Root`], so that neither `..` nor
//! a link reaches a file outside. This module does not decide what an instruction takes; [`crate::build::copy`] does.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::build::ignore::Ignore;
use crate::build::index::ContextIndex;
use crate::error::{Kind, Result, fail};
use crate::sys::path::Root;

/// The largest ignore file that is read.
const MAX_IGNORE_FILE: u64 = 4 << 20;

/// A context folder.
#[derive(Debug)]
pub struct Context {
    root: Root,
    ignore: Ignore,
    index: RefCell<ContextIndex>,
    path: PathBuf,
}

impl Context {
    /// Opens the folder `path`. The ignore file is the first that exists of `<dockerfile>.dockerignore`,
    /// `<dockerfile>.containerignore` (beside the Dockerfile), `.containerignore` and `.dockerignore` (in the folder);
    /// they are never merged. The index of the folder is kept in `<cache_dir>/context`.
    pub fn open(path: &Path, dockerfile: &Path, cache_dir: &Path) -> Result<Context> {
        Context::open_with(path, cache_dir, |root| find_ignore(root, Some(dockerfile)))
    }

    /// Opens the folder `path`, which belongs to no Dockerfile: only an ignore file in it counts.
    pub fn open_named(path: &Path, cache_dir: &Path) -> Result<Context> {
        Context::open_with(path, cache_dir, |root| find_ignore(root, None))
    }

    /// Opens the folder `path` with the ignore file that the person named.
    pub fn open_with_ignore_file(path: &Path, ignore_file: &Path, cache_dir: &Path) -> Result<Context> {
        let name = ignore_file.display().to_string();
        Context::open_with(path, cache_dir, |_| {
            let text = read_outside(ignore_file)?
                .ok_or_else(|| fail(Kind::NotFound, format!("ignore file {name}: no such file")))?;
            Ignore::parse(&name, &text)
        })
    }

    /// The rules of the ignore file alone, for who needs no file of the context.
    pub fn ignore_of(path: &Path, dockerfile: &Path) -> Result<Ignore> {
        let root = Root::open(path)
            .map_err(|e| fail(Kind::User, format!("build context {}: {}", path.display(), plain(&e))))?;
        find_ignore(&root, Some(dockerfile))
    }

    fn open_with(path: &Path, cache_dir: &Path, ignore: impl FnOnce(&Root) -> Result<Ignore>) -> Result<Context> {
        let wrong = |error: io::Error| {
            let kind = if error.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::User };
            fail(kind, format!("build context {}: {}", path.display(), plain(&error)))
        };
        let path = path.canonicalize().map_err(wrong)?;
        let root = Root::open(&path).map_err(wrong)?;
        let ignore = ignore(&root)?;
        let index = RefCell::new(ContextIndex::open(&cache_dir.join("context"), &path));
        Ok(Context { root, ignore, index, path })
    }

    /// The folder as a tree that nothing leaves.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The rules of its ignore file.
    pub fn ignore(&self) -> &Ignore {
        &self.ignore
    }

    /// The digests of its files that are known.
    pub fn index(&self) -> &RefCell<ContextIndex> {
        &self.index
    }

    /// Its absolute path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what was learned about its files. A failure costs the next build time and nothing else.
    pub fn save_index(&self) -> io::Result<()> {
        self.index.borrow_mut().save()
    }
}

fn find_ignore(root: &Root, dockerfile: Option<&Path>) -> Result<Ignore> {
    let suffixes = [".dockerignore", ".containerignore"];
    for (dockerfile, suffix) in dockerfile.iter().flat_map(|dockerfile| suffixes.map(|suffix| (dockerfile, suffix))) {
        let mut beside = OsString::from(dockerfile);
        beside.push(suffix);
        let beside = PathBuf::from(beside);
        if let Some(text) = read_outside(&beside)? {
            return Ignore::parse(&beside.display().to_string(), &text);
        }
    }
    for name in [".containerignore", ".dockerignore"] {
        match root.read_small(Path::new(name), MAX_IGNORE_FILE) {
            Ok(text) => return Ignore::parse(name, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fail(Kind::User, format!("{name}: {}", plain(&error)))),
        }
    }
    Ok(Ignore::default())
}

/// The bytes of a small file whose path the person gave (or that lies beside one), or nothing if it is not there.
fn read_outside(path: &Path) -> Result<Option<Vec<u8>>> {
    let (Some(name), parent) = (path.file_name(), path.parent()) else { return Ok(None) };
    let parent = parent.filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The target of a link may lie anywhere: this path is the person's own word.
    let found = path.canonicalize().unwrap_or_else(|_| parent.join(name));
    let (Some(name), Some(parent)) = (found.file_name(), found.parent()) else { return Ok(None) };
    match Root::open(parent).and_then(|root| root.read_small(Path::new(name), MAX_IGNORE_FILE)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(fail(Kind::User, format!("{}: {}", path.display(), plain(&error)))),
    }
}

/// The words of a system error without its number.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text).to_string();
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignore_name(files: &[&str]) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("ctx")).unwrap();
        for file in files {
            std::fs::write(dir.path().join(file), "x\n").unwrap();
        }
        let dockerfile = dir.path().join("Dockerfile");
        let context = Context::open(&dir.path().join("ctx"), &dockerfile, &dir.path().join("cache")).unwrap();
        let name = context.ignore().name().to_string();
        name.rsplit('/').next().unwrap().to_string()
    }

    #[test]
    fn precedence_of_ignore_files() {
        let all = ["ctx/.dockerignore", "ctx/.containerignore", "Dockerfile.dockerignore"];
        assert_eq!(ignore_name(&all), "Dockerfile.dockerignore");
        assert_eq!(ignore_name(&all[..2]), ".containerignore");
        assert_eq!(ignore_name(&all[..1]), ".dockerignore");
        assert_eq!(ignore_name(&[]), "");
    }

    #[test]
    fn ignore_file_may_not_be_a_folder_nor_broken() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".dockerignore"), "[").unwrap();
        let open = || Context::open(dir.path(), &dir.path().join("Dockerfile"), dir.path());
        assert!(open().unwrap_err().to_string().starts_with(".dockerignore: line 1"));
        std::fs::remove_file(dir.path().join(".dockerignore")).unwrap();
        std::fs::create_dir(dir.path().join(".dockerignore")).unwrap();
        assert_eq!(open().unwrap_err().to_string(), ".dockerignore: not a regular file");
        let missing = Context::open(&dir.path().join("no"), Path::new("-"), dir.path()).unwrap_err().to_string();
        assert!(missing.ends_with("no: no such file or directory"), "{missing}");
    }

    #[test]
    fn named_ignore_file_must_exist() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Context::open_with_ignore_file(dir.path(), &dir.path().join("i"), dir.path()).is_err());
        std::fs::write(dir.path().join("i"), "x").unwrap();
        let context = Context::open_with_ignore_file(dir.path(), &dir.path().join("i"), dir.path()).unwrap();
        assert!(context.ignore().excluded(Path::new("x")));
    }
}
