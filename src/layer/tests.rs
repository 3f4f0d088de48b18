//! Whole layers: tar → tree → tar.

use super::extract::{Extracted, Options, extract};
use super::header::{self, BLOCK};
use super::{compress, diff, plain, recipe};
use crate::sys::path::Root;
use proptest::prelude::*;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// Builds streams block by block, odd ones included.
#[derive(Clone, Default)]
pub(super) struct Tar(Vec<u8>);

impl Tar {
    pub(super) fn add(self, kind: u8, name: &str, link: &str, content: &[u8]) -> Tar {
        self.with_mode(kind, name, link, content, 0o755)
    }
    pub(super) fn with_mode(mut self, kind: u8, name: &str, link: &str, content: &[u8], mode: u64) -> Tar {
        let mut block = [0; BLOCK];
        header::put_text(&mut block, header::NAME, name.as_bytes());
        header::put_text(&mut block, header::LINK, link.as_bytes());
        header::put_text(&mut block, header::MAGIC, header::USTAR);
        header::put_number(&mut block, header::MODE, mode);
        header::put_number(&mut block, header::UID, rustix::process::geteuid().as_raw().into());
        header::put_number(&mut block, header::GID, rustix::process::getegid().as_raw().into());
        header::put_number(&mut block, header::SIZE, content.len() as u64);
        header::put_number(&mut block, header::MTIME, 1_600_000_000);
        block[header::KIND] = kind;
        header::seal(&mut block);
        self.0.extend_from_slice(&block);
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len() + header::padding(content.len() as u64), 0);
        self
    }
    pub(super) fn file(self, name: &str, content: &[u8]) -> Tar {
        self.add(b'0', name, "", content)
    }
    pub(super) fn dir(self, name: &str) -> Tar {
        self.add(b'5', name, "", b"")
    }
    pub(super) fn symlink(self, name: &str, target: &str) -> Tar {
        self.add(b'2', name, target, b"")
    }
    pub(super) fn hardlink(self, name: &str, target: &str) -> Tar {
        self.add(b'1', name, target, b"")
    }
    pub(super) fn pax(self, records: &[(&str, &str)]) -> Tar {
        let mut body = String::new();
        for (key, value) in records {
            // Two digits are enough for what the tests write.
            let length = key.len() + value.len() + 5;
            assert!((10..100).contains(&length));
            body += &format!("{length} {key}={value}\n");
        }
        self.add(b'x', "pax", "", body.as_bytes())
    }
    pub(super) fn end(mut self, blocks: usize) -> Vec<u8> {
        self.0.resize(self.0.len() + blocks * BLOCK, 0);
        self.0
    }
}

struct Place {
    dir: tempfile::TempDir,
    tree: Root,
    aside: Root,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("fs")).unwrap();
        std::fs::create_dir(dir.path().join("aside")).unwrap();
        let open = |name| Root::open(&dir.path().join(name)).unwrap();
        Place { tree: open("fs"), aside: open("aside"), dir }
    }
    fn at(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join("fs").join(path)
    }
    fn extract(&self, tar: &[u8]) -> anyhow::Result<(Extracted, Vec<u8>)> {
        let mut recipe = Vec::new();
        let options = Options { recipe: Some(&mut recipe), aside: Some(&self.aside), ..Options::default() };
        let done = extract(tar, &self.tree, options)?;
        Ok((done, recipe))
    }
    /// Extracts and demands the exact stream back.
    fn round(&self, tar: &[u8]) -> Extracted {
        let (done, recipe) = self.extract(tar).unwrap();
        let mut again = Vec::new();
        recipe::replay(recipe.as_slice(), &self.tree, Some(&self.aside), &mut again).unwrap();
        assert!(again == tar, "the replayed tar differs");
        assert_eq!(done.info.diff_id.0, crate::image::digest::Digest::of(tar));
        assert_eq!(done.info.tar_size, tar.len() as u64);
        done
    }
    fn refuses(&self, tar: Tar) -> String {
        format!("{:#}", self.extract(&tar.end(2)).unwrap_err())
    }
}

fn is_whiteout(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|m| m.file_type().is_char_device() && m.rdev() == 0)
}

fn is_opaque(path: &Path) -> bool {
    let dir = std::fs::File::open(path).unwrap();
    crate::sys::xattr::get(std::os::fd::AsFd::as_fd(&dir), b"user.overlay.opaque").unwrap() == Some(b"y".to_vec())
}

#[test]
fn an_ordinary_layer_arrives() {
    let place = Place::new();
    let tar = Tar::default()
        .dir("./etc/")
        .with_mode(b'0', "./etc/secret", "", b"x", 0o4640)
        .symlink("etc/link", "/nowhere")
        .hardlink("etc/hard", "./etc/secret")
        .add(b'6', "etc/pipe", "", b"")
        .add(b'3', "dev/null", "", b"")
        .add(b'3', "etc/null", "", b"")
        .file("implied/parent/f", &vec![9; 600_000])
        .end(20);
    let done = place.round(&tar);
    let meta = place.at("etc/secret").metadata().unwrap();
    assert_eq!((meta.permissions().mode() & 0o7777, meta.mtime(), meta.nlink()), (0o4640, 1_600_000_000, 2));
    assert_eq!(place.at("etc").metadata().unwrap().mtime(), 1_600_000_000);
    assert_eq!(place.at("etc/link").symlink_metadata().unwrap().mtime(), 1_600_000_000);
    assert!(place.at("etc/pipe").metadata().unwrap().file_type().is_fifo());
    assert_eq!((done.info.files, done.info.content_size), (8, 600_001));
    assert_eq!(done.warnings.len(), 1);
    assert!(done.warnings[0].contains("etc/null"), "nobody misses what is in /dev");
}

#[test]
fn nothing_escapes() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap();
    std::fs::write(outside.path().join("host"), "host").unwrap();
    let host = format!("{target}/host");
    for tar in [
        Tar::default().file("../x", b""),
        Tar::default().file("a/../../x", b""),
        Tar::default().symlink("l", target).file("l/x", b""),
        Tar::default().symlink("l", target).dir("d").hardlink("d/h", "l/host"),
        Tar::default().hardlink("h", &host),
        Tar::default().hardlink("h", "../../host"),
        Tar::default().symlink("l", target).file("l/.wh.host", b""),
        Tar::default().file(".wh.", b""),
        Tar::default().file(".wh...", b""),
        Tar::default().file(".wh..", b""),
        Tar::default().file("d/.wh.x/y", b""),
        Tar::default().file("f", b"").file("f/x", b""),
        Tar::default().dir("d").file("d/x", b"").file("d", b""),
        Tar::default().file("./", b"x"),
        Tar::default().pax(&[("path", "../escaped")]).file("f", b""),
    ] {
        Place::new().refuses(tar);
    }
    // A link replaced by a directory or file is itself replaced, not its target.
    let place = Place::new();
    let tar = Tar::default().symlink("l", target).dir("l").symlink("m", &host).file("m", b"mine").hardlink("/n", "/m");
    place.round(&tar.end(2));
    assert!(place.at("l").symlink_metadata().unwrap().is_dir());
    assert_eq!(std::fs::read(place.at("n")).unwrap(), b"mine");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read(outside.path().join("host")).unwrap(), b"host");
}

#[test]
fn whiteouts_become_markers() {
    let place = Place::new();
    let tar = Tar::default()
        .file("a/.wh.gone", b"")
        .dir("b/")
        .file("b/.wh..wh..opq", b"")
        .file(".wh.again", b"")
        .dir("again")
        .file("kept", b"1")
        .file(".wh.kept", b"")
        .file(".wh.implied", b"")
        .file("implied/f", b"2")
        .file(".wh..wh.plnk/123", b"");
    place.round(&tar.end(2));
    assert!(is_whiteout(&place.at("a/gone")));
    assert!(is_opaque(&place.at("b")) && is_opaque(&place.at("again")) && is_opaque(&place.at("implied")));
    assert_eq!(std::fs::read(place.at("kept")).unwrap(), b"1");
    assert!(!place.at(".wh..wh.plnk").exists());
}

#[test]
fn forged_overlay_attributes_are_dropped() {
    let place = Place::new();
    let records = [("SCHILY.xattr.user.overlay.redirect", "/x"), ("SCHILY.xattr.user.note", "kept")];
    place.round(&Tar::default().pax(&records).dir("d").end(2));
    let dir = std::fs::File::open(place.at("d")).unwrap();
    let names = crate::sys::xattr::list(std::os::fd::AsFd::as_fd(&dir)).unwrap();
    assert_eq!(names, [b"user.note".to_vec()]);
}

#[test]
fn bombs_end_at_the_limit() {
    let place = Place::new();
    let tar = Tar::default().file("zeros", &vec![0; 4 << 20]).end(2);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut gzip, &tar).unwrap();
    let (gzip, zstd) = (gzip.finish().unwrap(), zstd::encode_all(tar.as_slice(), 3).unwrap());
    for bomb in [&gzip, &zstd] {
        assert!(bomb.len() < 16 << 10);
        let into = Place::new();
        let options = Options { max_tar: 1 << 20, ..Options::default() };
        let error = extract(compress::decoder(bomb.as_slice()).unwrap(), &into.tree, options).unwrap_err();
        assert!(error.to_string().contains("larger than the 1048576 bytes allowed"), "{error}");
        assert!(into.at("zeros").metadata().unwrap().len() <= 1 << 20);
    }
    // Holes count as the zeros that other programs would write.
    let sparse = Tar::default()
        .pax(&[("GNU.sparse.size", "2000000"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "0,1")])
        .file("f", b"x")
        .end(2);
    let options = Options { max_tar: 1 << 20, ..Options::default() };
    assert!(extract(sparse.as_slice(), &place.tree, options).is_err());
}

#[test]
fn a_sparse_file_has_holes_and_comes_back() {
    let place = Place::new();
    let records = [("GNU.sparse.size", "9000000"), ("GNU.sparse.numblocks", "2"), ("GNU.sparse.map", "0,3,8000000,4")];
    let map = [b"2\n1000\n2\n5000\n1\n".as_slice(), &[0; 496]].concat();
    let content = [&map[..BLOCK], b"abc"].concat();
    let later = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.realsize", "6000"),
        ("GNU.sparse.name", "d/n"),
    ];
    let tar = Tar::default().pax(&records).file("a", b"beg-end").pax(&later).file("GNUSparseFile.1/n", &content);
    let tar =
        tar.pax(&[("GNU.sparse.size", "7"), ("GNU.sparse.numblocks", "0"), ("GNU.sparse.map", "")]).file("hole", b"");
    let done = place.round(&tar.clone().end(2));
    assert_eq!(done.info.content_size, 9_006_007);
    let bytes = std::fs::read(place.at("a")).unwrap();
    assert_eq!((&bytes[..4], &bytes[7_999_999..8_000_005]), (&b"beg\0"[..], &b"\0-end\0"[..]));
    assert!(place.at("a").metadata().unwrap().blocks() < 1000);
    let bytes = std::fs::read(place.at("d/n")).unwrap();
    assert_eq!((bytes.len(), &bytes[1000..1002], bytes[5000]), (6000, &b"ab"[..], b'c'));
    // Replaced by a later entry, it stays in the recipe; and what ADD unpacks is the same.
    let other = Place::new();
    other.round(&tar.clone().file("a", b"later").end(2));
    let plain = Place::new();
    plain::unpack_into(tar.end(2).as_slice(), &plain.tree, Path::new("."), None).unwrap();
    assert!(std::fs::read(plain.at("a")).unwrap() == std::fs::read(place.at("a")).unwrap());
}

#[test]
fn times_before_1970_and_parts_of_seconds_are_kept() {
    let place = Place::new();
    let tar =
        Tar::default().pax(&[("mtime", "-12.000000001")]).file("f", b"").pax(&[("mtime", "1.5")]).symlink("l", "f");
    place.round(&tar.pax(&[("mtime", "-0.25")]).dir("d").end(2));
    let time = |name: &str| place.at(name).symlink_metadata().map(|m| (m.mtime(), m.mtime_nsec())).unwrap();
    assert_eq!((time("f"), time("l"), time("d")), ((-13, 999_999_999), (1, 500_000_000), (-1, 750_000_000)));
    let mut first = Vec::new();
    diff::write_tar(&place.tree, &[], &mut first).unwrap();
    let mut again = Vec::new();
    diff::write_tar(&place.tree, &[], &mut again).unwrap();
    assert!(first == again, "the same tree gives the same bytes");
    let other = Place::new();
    other.round(&first);
    assert_eq!(other.at("f").metadata().unwrap().mtime_nsec(), 999_999_999);
}

#[test]
fn a_top_directory_is_opaque_in_both_directions() {
    let place = Place::new();
    place.round(&Tar::default().file(".wh..wh..opq", b"").file("f", b"").end(2));
    assert!(is_opaque(&place.at(".")));
    let mut tar = Vec::new();
    diff::write_tar(&place.tree, &[], &mut tar).unwrap();
    assert_eq!(&tar[..12], b".wh..wh..opq");
    let other = Place::new();
    other.round(&tar);
    assert!(is_opaque(&other.at(".")));
}

#[test]
fn replaced_files_stay_in_the_recipe() {
    let place = Place::new();
    let tar = Tar::default()
        .file("a", b"first")
        .file("a", b"second one")
        .hardlink("b", "a")
        .file("a", b"third")
        .symlink("b", "a")
        .file("empty", b"")
        .file("empty", b"no longer");
    place.round(&tar.end(3));
    assert_eq!(std::fs::read(place.at("b")).unwrap(), b"third");
}

#[test]
fn a_changed_tree_or_recipe_is_noticed() {
    let place = Place::new();
    let (_, recipe) = place.extract(&Tar::default().file("f", b"content").end(2)).unwrap();
    let replay = |recipe: &[u8]| recipe::replay(recipe, &place.tree, None, &mut std::io::sink());
    replay(&recipe).unwrap();
    for length in 0..recipe.len() {
        assert!(replay(&recipe[..length]).is_err());
    }
    std::fs::write(place.at("f"), "longer content").unwrap();
    assert!(replay(&recipe).is_err());
}

#[test]
fn the_canonical_tar_is_a_fixed_point() {
    let place = Place::new();
    let long = "n".repeat(200);
    let tar = Tar::default()
        .dir("d")
        .file("d/.wh.gone", b"")
        .file("d/.wh..wh..opq", b"")
        .pax(&[("mtime", "1600000000.25")])
        .file("d/b", b"bb")
        .hardlink("d/a", "d/b")
        .symlink("d.x", "d")
        .add(b'L', "././@LongLink", "", long.as_bytes())
        .file("short", &vec![1; 70_000]);
    place.round(&tar.end(2));
    let mut first = Vec::new();
    let counts = diff::write_tar(&place.tree, &[], &mut first).unwrap();
    assert_eq!((counts.files, counts.content_size, counts.tar_size), (7, 70_002, first.len() as u64));
    let other = Place::new();
    let done = other.round(&first);
    assert_eq!(diff::digest(&place.tree, &[]).unwrap(), done.info);
    let mut second = Vec::new();
    diff::write_tar(&other.tree, &[], &mut second).unwrap();
    assert!(first == second);
    assert!(is_whiteout(&other.at("d/gone")) && is_opaque(&other.at("d")));
    assert_eq!(other.at("d/a").metadata().unwrap().nlink(), 2);
    assert_eq!(other.at("d/b").metadata().unwrap().mtime_nsec(), 250_000_000);

    let skipped = diff::write_tar(&place.tree, &["/d".into()], &mut std::io::sink()).unwrap();
    assert_eq!(skipped.files, 2);
}

#[test]
fn sockets_are_dropped_and_whiteout_names_refused() {
    let place = Place::new();
    let _socket = std::os::unix::net::UnixListener::bind(place.at("s")).unwrap();
    assert_eq!(diff::write_tar(&place.tree, &[], &mut std::io::sink()).unwrap().files, 0);
    std::fs::write(place.at(".wh.x"), "").unwrap();
    assert!(diff::write_tar(&place.tree, &[], &mut std::io::sink()).is_err());
}

#[test]
fn deep_trees_are_written() {
    let place = Place::new();
    let path = "d/".repeat(300);
    std::fs::create_dir_all(place.at(&path)).unwrap();
    std::fs::write(place.at("e"), "").unwrap();
    let mut tar = Vec::new();
    assert_eq!(diff::write_tar(&place.tree, &[], &mut tar).unwrap().files, 301);
    Place::new().round(&tar);
}

#[test]
#[allow(clippy::print_stderr)] // A skipped test says why.
fn gnu_tar_agrees() {
    let place = Place::new();
    std::fs::create_dir_all(place.at(&"long/".repeat(30))).unwrap();
    std::fs::write(place.at("a é"), "content").unwrap();
    std::fs::hard_link(place.at("a é"), place.at("b")).unwrap();
    symlink("x".repeat(150), place.at("link")).unwrap();
    let mut tar = Vec::new();
    diff::write_tar(&place.tree, &[], &mut tar).unwrap();
    let file = place.dir.path().join("layer.tar");
    std::fs::write(&file, tar).unwrap();
    let run = |args: &[&str]| Command::new("tar").args(args).arg("-f").arg(&file).arg("-C").arg(place.at(".")).output();
    let Ok(out) = run(&["-d"]) else { return eprintln!("skipped: no GNU tar here") };
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));

    // And the other way round: its three formats come back byte for byte.
    for format in ["gnu", "pax", "ustar"] {
        let tree = place.at(".");
        let args = ["--format", format, "-c", "-C", tree.to_str().unwrap(), "."];
        let out = Command::new("tar").args(args).output().unwrap();
        if format != "ustar" {
            assert!(out.status.success());
        }
        let other = Place::new();
        other.round(&out.stdout);
        assert_eq!(std::fs::read(other.at("b")).unwrap(), b"content");
    }
}

#[test]
fn add_unpacks_through_links_of_the_root() {
    let place = Place::new();
    std::fs::create_dir_all(place.at("usr/lib/old")).unwrap();
    symlink("/usr/lib", place.at("lib")).unwrap();
    std::fs::write(place.at("usr/lib/old/f"), "old").unwrap();
    let tar = Tar::default()
        .file("lib/x", b"new")
        .hardlink("y", "lib/x")
        .file("lib/old", b"now a file")
        .with_mode(b'5', "d", "", b"", 0o500)
        .file("d/.wh.name", b"plain")
        .end(2);
    plain::unpack_into(tar.as_slice(), &place.tree, Path::new("/"), None).unwrap();
    assert_eq!(std::fs::read(place.at("usr/lib/x")).unwrap(), b"new");
    assert_eq!(std::fs::read(place.at("usr/lib/old")).unwrap(), b"now a file");
    assert_eq!(std::fs::read(place.at("d/.wh.name")).unwrap(), b"plain");
    assert_eq!(place.at("d").metadata().unwrap().permissions().mode() & 0o777, 0o500);
    assert_eq!(place.at("y").metadata().unwrap().nlink(), 2);

    plain::unpack_into(tar.as_slice(), &place.tree, Path::new("deep/er"), None).unwrap();
    assert!(place.at("deep/er/d/.wh.name").exists());
    let bad = Tar::default().file("../x", b"").end(2);
    assert!(plain::unpack_into(bad.as_slice(), &place.tree, Path::new("deep"), None).is_err());
}

/// Any entry of a small world of names, so that they collide often.
pub(super) fn any_entry() -> impl Strategy<Value = (u8, String, String, Vec<u8>)> {
    let name =
        || prop::sample::select(vec!["a", "b", "a/b", "b/a", "c/", "./c/d", ".wh.a", "b/.wh.a", "c/.wh..wh..opq"]);
    let kind = prop::sample::select(vec![b'0', b'0', b'0', b'1', b'2', b'3', b'5', b'6', b'L', b'x']);
    (kind, name(), name(), prop::collection::vec(any::<u8>(), 0..1500)).prop_map(|(kind, name, link, data)| {
        let data = match kind {
            b'0' => data,
            b'L' => b"c/long name\0".to_vec(),
            b'x' => b"22 comment=a comment.\n12 path=c/p\n".to_vec(),
            _ => Vec::new(),
        };
        (kind, name.into(), link.into(), data)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_unpacks_comes_back(entries in prop::collection::vec(any_entry(), 0..12), blocks in 0usize..5, junk in any::<bool>()) {
        let tar = entries.into_iter().fold(Tar::default(), |tar, (k, n, l, d)| tar.add(k, &n, &l, &d));
        let mut stream = tar.end(blocks);
        if junk && blocks >= 2 {
            stream.extend_from_slice(b"rubbish behind the end");
        }
        let place = Place::new();
        if place.extract(&stream).is_ok() {
            Place::new().round(&stream);
            // The tree is also one that we can write and read again.
            let mut canonical = Vec::new();
            diff::write_tar(&place.tree, &[], &mut canonical).unwrap();
            Place::new().round(&canonical);
        }
    }

    #[test]
    fn damaged_streams_never_panic(at in 0usize..3000, byte in any::<u8>()) {
        let tar = Tar::default().dir("d").pax(&[("path", "some/where")]).file("f", &[7; 700]).hardlink("h", "some/where");
        let mut stream = tar.end(2);
        let at = at % stream.len();
        stream[at] = byte;
        let _ = Place::new().extract(&stream);
    }
}
