//! What the user asked for, already validated by the command line. Plain data: no decisions, no defaults from images.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The network of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// A network namespace of its own, connected by pasta.
    #[default]
    Private,
    /// The host's network.
    Host,
    /// A network namespace of its own with nothing but loopback.
    None,
}

impl Network {
    /// The word for it, as `--network` takes it.
    pub fn word(self) -> &'static str {
        match self {
            Network::Private => "private",
            Network::Host => "host",
            Network::None => "none",
        }
    }
}

/// Where a mount's contents come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A file or folder of the host, absolute.
    Bind(PathBuf),
    /// A named volume.
    Volume(String),
    /// Memory, with mount options such as `size=64m`.
    Tmpfs(String),
}

/// A resource limit that the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserLimit {
    /// Its name as in `--ulimit`, one of [`super::profile::LIMIT_NAMES`].
    pub name: String,
    /// Soft limit; `u64::MAX` means none.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// A mount that the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserMount {
    /// Where the contents come from.
    pub source: MountSource,
    /// Absolute path inside the container.
    pub target: String,
    /// Not writable.
    pub read_only: bool,
}

/// Options of `run`.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The image, as typed.
    pub image: String,
    /// Arguments after the image; empty means the image's command.
    pub command: Vec<String>,
    /// The container's name; none means a made-up one.
    pub name: Option<String>,
    /// `--entrypoint`; an empty list clears the image's.
    pub entrypoint: Option<Vec<String>>,
    /// `NAME=value` in order; they override the image's.
    pub env: Vec<String>,
    /// `--workdir`, absolute.
    pub workdir: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--hostname`.
    pub hostname: Option<String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--volume`, `--mount`, `--tmpfs`.
    pub mounts: Vec<UserMount>,
    /// `--network`.
    pub network: Network,
    /// `--tty`.
    pub tty: bool,
    /// `--interactive`.
    pub interactive: bool,
    /// `--detach`.
    pub detach: bool,
    /// `--rm`.
    pub remove: bool,
    /// `--read-only`.
    pub read_only: bool,
    /// `--cap-add`, upper case without `CAP_`; `ALL` is possible.
    pub cap_add: Vec<String>,
    /// `--cap-drop`, likewise.
    pub cap_drop: Vec<String>,
    /// `--stop-signal`, as typed and checked.
    pub stop_signal: Option<String>,
    /// `--stop-timeout` in seconds.
    pub stop_timeout: Option<u64>,
    /// Where the container's id is written as soon as it runs.
    pub cidfile: Option<PathBuf>,
    /// The whole command line, for `inspect`.
    pub create_command: Vec<String>,
}

/// Options of `exec`.
#[derive(Debug, Clone, Default)]
pub struct ExecOptions {
    /// What to run; not empty.
    pub command: Vec<String>,
    /// `NAME=value`; they add to the container's.
    pub env: Vec<String>,
    /// `--workdir`, absolute.
    pub workdir: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--tty`.
    pub tty: bool,
    /// `--interactive`.
    pub interactive: bool,
    /// `--detach`.
    pub detach: bool,
}
