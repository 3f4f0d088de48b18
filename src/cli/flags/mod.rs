//! Flags by concern: each file holds a group of flags, their help, and how their words become options.
//!
//! Here no flag has an effect yet; nothing opens the store or asks the kernel.

pub mod environment;
pub mod labels;
pub mod mount;
pub mod network;
pub mod process;
pub mod result;
pub mod security;
pub mod step;

use crate::error::{Kind, Result, fail, fail_with};
use crate::image::manifest::Platform;

/// A switch's value as Go reads it.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write true or false".into()),
    }
}

/// Splits a comma-separated list in which a field may be quoted, as in CSV.
pub fn comma_fields(text: &str) -> Result<Vec<String>> {
    crate::build::words::comma_fields(text).map_err(|e| fail(Kind::User, e))
}

/// Checks `--platform`: only this machine's own is possible.
pub fn own_platform(text: &str) -> Result<()> {
    let host = Platform::host();
    let mut parts = text.split('/');
    let (os, arch) = match (parts.next().unwrap_or(""), parts.next()) {
        (os, Some(arch)) => (os, arch),
        (one, None) if one == host.os => (one, host.architecture.as_str()),
        (arch, None) => (host.os.as_str(), arch),
    };
    if os == host.os && crate::image::manifest::go_arch(arch) == host.architecture {
        return Ok(());
    }
    Err(fail_with(
        Kind::User,
        format!("the platform {text} is not this machine's"),
        format!("dhow runs {}/{} programs only, so far.", host.os, host.architecture),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_platform_is_taken() {
        let host = Platform::host();
        assert!(own_platform(&format!("{}/{}", host.os, host.architecture)).is_ok());
        assert!(own_platform("linux").is_ok());
        assert!(own_platform("windows/amd64").is_err());
        assert!(own_platform("linux/s390x").is_err());
    }
}
