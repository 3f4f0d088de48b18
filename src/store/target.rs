//! Where things that are taken out of the store go: a file or folder of the person's, which appears whole or not at all.

use crate::error::{Kind, Result, fail, fail_with};
use crate::sys::{fault, process};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes to a new file beside the target and renames it, so that a failure leaves the old file.
pub fn to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    // A device or pipe is written to as it is.
    if path.exists() && !path.is_file() {
        if path.is_dir() {
            return Err(fail(Kind::User, "it is a folder"));
        }
        let mut out = BufWriter::new(File::options().write(true).open(path)?);
        write(&mut out)?;
        return Ok(out.flush()?);
    }
    let part = part(path)?;
    remove_abandoned(path);
    let done = File::create_new(&part).map_err(anyhow::Error::new).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        write(&mut out)?;
        out.flush()?;
        fault::point("save.rename")?;
        Ok(fs::rename(&part, path)?)
    });
    if done.is_err() {
        let _ = fs::remove_file(&part);
    }
    done
}

/// Has `write` fill a new folder beside the target and renames it. The target must not be there, or be an empty folder.
pub fn to_folder(path: &Path, write: impl FnOnce(PathBuf) -> Result<()>) -> Result<()> {
    match fs::read_dir(path) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                let hint = "Name another folder, or remove this one.";
                return Err(fail_with(Kind::User, "the folder is there and not empty", hint));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let part = part(path)?;
    remove_abandoned(path);
    let done = fs::create_dir(&part).map_err(anyhow::Error::new).and_then(|()| {
        write(part.clone())?;
        Ok(fs::rename(&part, path)?)
    });
    if done.is_err() {
        let _ = fs::remove_dir_all(&part);
    }
    done
}

/// The name beside `path` that is written to first: it holds our process id.
fn part(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| fail(Kind::User, "it is no name of a file"))?;
    Ok(path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id())))
}

/// Removes what killed commands have written beside `path` for it: what bears the number of a process that is gone, or ours,
/// which has written nothing yet. Not by locks: not every file system that a user saves to has them. What cannot be removed
/// is not in the way.
fn remove_abandoned(path: &Path) {
    let Some(name) = path.file_name() else { return };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let first = format!(".{}.", name.to_string_lossy());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let between = |name: &str| name.strip_prefix(&first)?.strip_suffix(".part")?.parse().ok();
        let Some(pid) = name.to_str().and_then(between) else { continue };
        if pid != std::process::id() && process::is_alive(pid) {
            continue;
        }
        let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let _ = if folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_save_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.tar");
        to_file(&path, |out| Ok(out.write_all(b"old")?)).unwrap();
        let failed = to_file(&path, |out| {
            out.write_all(b"new")?;
            Err(fail(Kind::System, "disk full"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_save_left_goes_with_the_next_one_to_the_same_target() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        // No process has a number above 2^22 (proc(5), pid_max); the first one always lives.
        fs::write(path(".x.tar.4194305.part"), "dead").unwrap();
        fs::create_dir_all(path(".x.tar.4194306.part/blobs")).unwrap();
        fs::write(path(&format!(".x.tar.{}.part", std::process::id())), "an earlier one of our number").unwrap();
        let others = [".x.tar.1.part", ".y.tar.4194305.part", ".x.tar.part", ".x.tar.a.part", "x.tar.4194305.part"];
        others.iter().for_each(|name| fs::write(path(name), "kept").unwrap());
        to_file(&path("x.tar"), |out| Ok(out.write_all(b"new")?)).unwrap();
        assert!(others.iter().all(|name| path(name).exists()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), others.len() + 1);
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("layout");
        let fill = |folder: PathBuf| Ok(fs::write(folder.join("f"), "x")?);
        assert!(to_folder(&path, |folder| fill(folder).and(Err(fail(Kind::System, "disk full")))).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        fs::create_dir(&path).unwrap();
        to_folder(&path, fill).unwrap();
        assert!(to_folder(&path, fill).unwrap_err().to_string().contains("not empty"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
