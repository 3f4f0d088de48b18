//! Extended attributes by descriptor.
//!
//! Only of open files and directories: the attributes that we carry (`user.*`, `security.capability`, overlayfs' own)
//! cannot exist on symbolic links, FIFOs or devices, so there is deliberately nothing here that takes a path.

use rustix::fs::{self, XattrFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;

/// The kernel's limits of a list of names and of one value (`xattr(7)`).
const MAX: usize = 64 * 1024;

/// The names of all attributes of an open file, sorted; none where the file system has no such thing.
pub fn list(fd: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let size = match fs::flistxattr_query(fd) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        other => other?,
    };
    // A little room for a name that is added meanwhile; with the kernel's limit there is always enough.
    let mut buffer = vec![0u8; size + 256];
    let filled = match fs::flistxattr(fd, buffer.as_mut_slice()) {
        Err(Errno::RANGE) => {
            buffer.resize(MAX, 0);
            fs::flistxattr(fd, buffer.as_mut_slice())?
        }
        other => other?,
    };
    let mut names: Vec<Vec<u8>> =
        buffer[..filled].split(|b| *b == 0).filter(|n| !n.is_empty()).map(<[u8]>::to_vec).collect();
    names.sort_unstable();
    Ok(names)
}

/// The value of an attribute, or `None` if the file does not have it.
pub fn get(fd: BorrowedFd<'_>, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0u8; 256];
    loop {
        match fs::fgetxattr(fd, name, buffer.as_mut_slice()) {
            Ok(size) => {
                buffer.truncate(size);
                return Ok(Some(buffer));
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
            Err(Errno::RANGE) if buffer.len() < MAX => buffer.resize(MAX, 0),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sets an attribute, new or not.
pub fn set(fd: BorrowedFd<'_>, name: &[u8], value: &[u8]) -> io::Result<()> {
    Ok(fs::fsetxattr(fd, name, value, XattrFlags::empty())?)
}

/// Removes an attribute; one that is not there is no error.
pub fn remove(fd: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match fs::fremovexattr(fd, name) {
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
#[allow(clippy::print_stderr)] // A skipped test says why.
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn attributes_come_back() {
        let file = tempfile::tempfile().unwrap();
        let fd = file.as_fd();
        match set(fd, b"user.b", &[7; 3000]) {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                return eprintln!("skipped: the temporary folder has no user attributes");
            }
            other => other.unwrap(),
        }
        set(fd, b"user.a", b"").unwrap();
        assert_eq!(list(fd).unwrap(), [b"user.a".to_vec(), b"user.b".to_vec()]);
        assert_eq!(get(fd, b"user.b").unwrap().unwrap(), vec![7; 3000]);
        assert_eq!(get(fd, b"user.a").unwrap().unwrap(), b"");
        remove(fd, b"user.a").unwrap();
        remove(fd, b"user.a").unwrap();
        assert_eq!(get(fd, b"user.a").unwrap(), None);
    }
}
