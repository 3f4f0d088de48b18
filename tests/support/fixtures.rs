//! Things that tests share and never change: made once, under a lock, and kept between runs.
//!
//! They are made by the user who runs the tests. Changing how one is made means changing the name it is kept under.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use super::skip;

/// A static busybox, as Debian's package `busybox-static` installs it.
pub const BUSYBOX: &str = "/bin/busybox";

/// The Dockerfile of the image `base`.
const BASE_DOCKERFILE: &str = r#"FROM scratch
COPY root/ /
ENV PATH=/bin
CMD ["sh"]
"#;

/// A build context that makes the image `base`: busybox, a link for each of its commands, users and /tmp. No RUN.
pub fn busybox_context() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| kept("busybox-context-1", make_busybox_context)).clone()
}

fn make_busybox_context(dir: &Path) {
    let root = dir.join("root");
    for name in ["bin", "etc", "root", "tmp", "home/user"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::copy(BUSYBOX, root.join("bin/busybox")).unwrap_or_else(|e| panic!("{BUSYBOX} (package busybox-static): {e}"));
    let list = Command::new(BUSYBOX).arg("--list").output().unwrap();
    for name in String::from_utf8(list.stdout).unwrap().lines().filter(|n| *n != "busybox") {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n")
        .unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\nstaff:x:50:user\nuser:x:1000:\n").unwrap();
    fs::write(dir.join("Dockerfile"), BASE_DOCKERFILE).unwrap();
}

/// The image `base` as an OCI layout in a tar, written here byte by byte: what dhow reads was not made by dhow.
pub fn base_archive() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| kept("base-archive-2", make_base_archive).join("base.tar")).clone()
}

fn make_base_archive(dir: &Path) {
    let mut layer = tar::Builder::new(Vec::new());
    layer.mode(tar::HeaderMode::Deterministic);
    layer.follow_symlinks(false);
    layer.append_dir_all(".", busybox_context().join("root")).unwrap();
    let layer = layer.into_inner().unwrap();
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = format!(
        r#"{{"architecture":"{arch}","os":"linux","config":{{"Env":["PATH=/bin"],"Cmd":["sh"]}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        digest(&layer)
    );
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}}"#,
        descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes(), ""),
        descriptor("application/vnd.oci.image.layer.v1.tar", &layer, ""),
    );
    let name = r#","annotations":{"org.opencontainers.image.ref.name":"base"}"#;
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        descriptor("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes(), name)
    );

    let mut out = tar::Builder::new(File::create(dir.join("base.tar")).unwrap());
    // Readers without root's rights trip over folders that are only implied by the names of files.
    for folder in ["blobs/", "blobs/sha256/"] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(0o755);
        out.append_data(&mut header, folder, std::io::empty()).unwrap();
    }
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        out.append_data(&mut header, path, bytes).unwrap();
    };
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    add("index.json", index.as_bytes());
    for blob in [manifest.as_bytes(), config.as_bytes(), &layer] {
        add(&digest(blob).replace("sha256:", "blobs/sha256/"), blob);
    }
    out.finish().unwrap();
}

fn descriptor(media_type: &str, bytes: &[u8], more: &str) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":{}{more}}}"#, digest(bytes), bytes.len())
}

/// `sha256:` and the hexadecimal digest of `bytes`.
pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// A small Debian root file system as a tar: many owners, set-uid programs, hard links, a file with capabilities, a
/// FIFO, long names. None, and the test is skipped, where mmdebstrap is missing or finds no packages.
#[must_use]
#[track_caller]
pub fn debian_rootfs() -> Option<PathBuf> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        super::find_program("mmdebstrap")?;
        Some(kept("debian-rootfs-2", make_debian_rootfs).join("rootfs.tar"))
    });
    if made.is_none() {
        skip("mmdebstrap is not installed");
    }
    made.clone()
}

/// What the hook adds inside the new root to have one of each kind that a layer must keep.
const ODDITIES: &str = r#"set -e
cd "$1"
mkdir -p odd/deep
echo one > odd/file; ln odd/file odd/hardlink; ln odd/file odd/deep/hardlink; ln -s ../odd/file odd/symlink
echo owned > odd/owned; chown 12345:54321 odd/owned; chmod 0640 odd/owned
mkfifo odd/fifo
: > odd/empty; truncate -s 3M odd/sparse; printf x >> odd/sparse
cp bin/true odd/setuid; chmod 6755 odd/setuid; mkdir odd/sticky; chmod 3777 odd/sticky
long=$(printf '%0120d' 7); mkdir -p "odd/$long/$long"; echo long > "odd/$long/$long/$long"
printf 'umlaut' > "odd/$(printf 'gr\303\274n')"
cp bin/true odd/capable; chroot "$1" setcap cap_net_raw,cap_net_admin+ep /odd/capable
"#;

fn make_debian_rootfs(dir: &Path) {
    let hook = dir.join("hook");
    fs::write(&hook, format!("#!/bin/sh\n{ODDITIES}")).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let release = fs::read_to_string("/etc/os-release").unwrap();
    let suite = release.lines().find_map(|l| l.strip_prefix("VERSION_CODENAME=")).expect("a Debian release");
    let status = Command::new("mmdebstrap")
        .args(["--quiet", "--mode=unshare", "--variant=essential", "--include=libcap2-bin,apt"])
        .args(["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*"])
        .args(["--dpkgopt=path-exclude=/usr/share/man/*", "--aptopt=Acquire::Languages \"none\""])
        .arg(format!("--customize-hook={}", hook.display()))
        .arg(suite)
        .arg(dir.join("rootfs.tar"))
        .args(debian_sources())
        .env("TMPDIR", dir)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "mmdebstrap could not make a root file system");
    fs::remove_file(hook).unwrap();
}

/// This machine's own lists of Debian packages: wherever it installs from, the fixture comes from.
fn debian_sources() -> Vec<PathBuf> {
    let lists = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|e| e.path());
    std::iter::once(PathBuf::from("/etc/apt/sources.list"))
        .chain(lists)
        .filter(|p| p.extension().is_some_and(|e| e == "list" || e == "sources"))
        .filter(|p| fs::read_to_string(p).is_ok_and(|text| text.contains("debian") && text.contains("main")))
        .collect()
}

/// The folder `name` among the kept fixtures; made by `make` if it is missing. Whoever comes second, in this process
/// or another, waits; a half-made one never gets the name.
fn kept(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let base = fixtures_dir();
    let lock = File::create(base.join(format!("{name}.lock"))).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let dir = base.join(name);
    if !dir.exists() {
        let half = base.join(format!("{name}.half"));
        let _ = fs::remove_dir_all(&half);
        fs::create_dir(&half).unwrap();
        make(&half);
        fs::rename(&half, &dir).unwrap();
    }
    dir
}

/// `/var/tmp` belongs to everyone: a folder there is only used if it is ours and nobody else can write to it.
fn fixtures_dir() -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    let dir = env::var_os("DHOW_TEST_FIXTURES")
        .map_or_else(|| PathBuf::from(format!("/var/tmp/dhow-fixtures-{uid}")), PathBuf::from);
    let _ = fs::DirBuilder::new().mode(0o755).create(&dir);
    let meta = fs::symlink_metadata(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    assert!(
        meta.is_dir() && meta.uid() == uid && meta.mode() & 0o022 == 0,
        "{} is not a folder of user {uid} alone; remove it",
        dir.display()
    );
    dir
}
