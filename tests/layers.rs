//! Layers from strangers: every known way in which a tar has led a tool astray, and what must come back exactly.
//!
//! The streams are made here, byte by byte, because no honest program writes them.

use crate::support::{Sandbox, fixtures, lacks};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

const BLOCK: usize = 512;

/// A tar that is put together block by block.
#[derive(Clone, Default)]
struct Tar(Vec<u8>);

impl Tar {
    /// A header, sealed after `change` had its way, and content that need not fit it.
    fn entry(mut self, kind: u8, name: &str, content: &[u8], change: impl FnOnce(&mut [u8])) -> Tar {
        let mut block = [0; BLOCK];
        let fits = name.len().min(100);
        block[..fits].copy_from_slice(&name.as_bytes()[..fits]);
        block[100..108].copy_from_slice(b"0000755\0");
        block[108..116].copy_from_slice(b"0000000\0");
        block[116..124].copy_from_slice(b"0000000\0");
        block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        block[136..148].copy_from_slice(b"00000000001\0");
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        change(&mut block);
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&block);
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }
    fn file(self, name: &str, content: &[u8]) -> Tar {
        self.entry(b'0', name, content, |_| ())
    }
    fn dir(self, name: &str) -> Tar {
        self.entry(b'5', name, b"", |_| ())
    }
    fn link(self, kind: u8, name: &str, target: &str) -> Tar {
        self.entry(kind, name, b"", |block| block[157..157 + target.len()].copy_from_slice(target.as_bytes()))
    }
    fn pax(self, kind: u8, records: &[(&str, &str)]) -> Tar {
        let mut body = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (rest..).find(|n| *n == rest + n.to_string().len()).unwrap();
            body += &format!("{length} {key}={value}\n");
        }
        self.entry(kind, "pax", body.as_bytes(), |_| ())
    }
    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }
}

/// Asks that the tar is refused with these words, and that nothing of it stays.
#[track_caller]
fn refused(sb: &Sandbox, tar: Tar, says: &str) {
    sb.dhow(["import", "-", "x"]).stdin(tar.end()).fails(125).says(says);
    for folder in ["layers", "images", "staging", "blobs/sha256"] {
        let left = fs::read_dir(sb.store().join(folder)).into_iter().flatten().flatten().map(|e| e.file_name());
        let left: Vec<_> = left.filter(|n| n != "by-diff" && n != "names").collect();
        assert!(left.is_empty(), "{folder} has {left:?}");
    }
}

/// Imports the tar above a shell. Asks that the exact tar comes back. Gives what was said.
#[track_caller]
fn taken(sb: &Sandbox, tar: Tar) -> String {
    let shell = fs::read(fixtures::BUSYBOX).unwrap();
    let tar = tar.file("bin/sh", &shell).end();
    let said = sb.dhow(["import", "-", "x"]).stdin(tar.clone()).ok().stderr;
    sb.dhow(["inspect", "x"]).ok().has(&fixtures::digest(&tar));
    let saved = sb.dhow(["save", "x"]).ok().raw;
    let mut saved = tar::Archive::new(saved.as_slice());
    let exact = saved.entries().unwrap().any(|e| {
        let mut bytes = Vec::new();
        std::io::copy(&mut e.unwrap(), &mut bytes).unwrap();
        bytes == tar
    });
    assert!(exact, "save gives another tar");
    said
}

#[track_caller]
fn look(sb: &Sandbox, script: &str) -> String {
    sb.dhow(["run", "--rm", "x", "/bin/sh", "-c", script]).ok().text().to_owned()
}

#[test]
fn names_lead_nowhere_outside() {
    let sb = Sandbox::new();
    let host = sb.write("host/secret", "host");
    let (dir, file) = (sb.path("host").display().to_string(), host.display().to_string());
    refused(&sb, Tar::default().file("../x", b""), "has `..` in its path");
    refused(&sb, Tar::default().file("a/../../x", b""), "has `..` in its path");
    refused(&sb, Tar::default().pax(b'x', &[("path", "../x")]).file("f", b""), "has `..` in its path");
    refused(&sb, Tar::default().entry(b'L', "l", b"../x\0", |_| ()).file("f", b""), "has `..` in its path");
    let prefixed = Tar::default().entry(b'0', "x", b"", |block| block[345..347].copy_from_slice(b".."));
    refused(&sb, prefixed, "has `..` in its path");
    refused(
        &sb,
        Tar::default().link(b'2', "l", &dir).file("l/x", b""),
        "which it made no directory but a file or a link",
    );
    refused(&sb, Tar::default().link(b'2', "l", &dir).file("l/.wh.secret", b""), "no directory but a file or a link");
    refused(&sb, Tar::default().link(b'2', "l", &dir).link(b'1', "h", "l/secret"), "has no target in this layer");
    refused(&sb, Tar::default().link(b'1', "h", &file), "has no target in this layer");
    refused(&sb, Tar::default().link(b'1', "h", "../../host"), "has `..` in its path");
    refused(&sb, Tar::default().dir("d").link(b'1', "h", "d"), "is a hard link to a directory");
    refused(&sb, Tar::default().file("f", b"").file("f/x", b""), "no directory but a file or a link");
    refused(&sb, Tar::default().file("d/x", b"").file("d", b""), "would replace a directory that is not empty");
    refused(&sb, Tar::default().file("./", b"x"), "would replace the top directory");
    assert_eq!(sb.read("host/secret"), "host");
    assert_eq!(fs::read_dir(sb.path("host")).unwrap().count(), 1);
}

#[test]
fn absolute_names_are_the_images_own() {
    let sb = Sandbox::new();
    taken(&sb, Tar::default().file("/etc/x", b"mine").link(b'1', "/etc/y", "/etc/x").file("//a//./b", b""));
    assert_eq!(look(&sb, "cat /etc/y; test -f /a/b && test /etc/x -ef /etc/y && echo same"), "minesame");
}

#[test]
fn a_name_given_twice_never_changes_what_a_link_points_to() {
    let sb = Sandbox::new();
    let host = sb.write("host/secret", "host");
    fs::set_permissions(sb.path("host"), fs::Permissions::from_mode(0o700)).unwrap();
    let (dir, file) = (sb.path("host").display().to_string(), host.display().to_string());
    let open = |block: &mut [u8]| block[100..108].copy_from_slice(b"0007777\0");
    let tar = Tar::default().link(b'2', "d", &dir).entry(b'5', "d", b"", open).link(b'2', "f", &file);
    taken(&sb, tar.entry(b'0', "f", b"mine", open));
    assert_eq!(sb.path("host").metadata().unwrap().mode() & 0o7777, 0o700);
    assert_eq!(sb.read("host/secret"), "host");
    assert_eq!(look(&sb, "cat /f; test -d /d && test ! -L /d && echo ' a folder'"), "mine a folder");
}

#[test]
fn whiteouts_of_every_form() {
    let sb = Sandbox::new();
    for name in [".wh.", ".wh..", ".wh...", "d/.wh."] {
        refused(&sb, Tar::default().file(name, b""), "removes no proper name");
    }
    refused(&sb, Tar::default().file("d/.wh.x/y", b""), "is inside a removed name");
    let below = Tar::default().file("gone", b"").file("dir/old", b"").file("other/old", b"").file("kept", b"");
    taken(&sb, below.file(".wh..wh.plnk/1.2", b"").file(".wh..wh.aufs", b""));
    assert_eq!(look(&sb, "ls -A / | grep wh; ls /dir /other"), "/dir:\nold\n\n/other:\nold");

    // As a second layer; each form, and the top folder made opaque in a third.
    let second = Tar::default().file(".wh.gone", b"").file("dir/.wh..wh..opq", b"").file("dir/new", b"");
    let second = second.file(".wh.other", b"").dir("other").file("other/new", b"").end();
    let shell = fs::read(fixtures::BUSYBOX).unwrap();
    let third = Tar::default().file(".wh..wh..opq", b"").file("bin/sh", &shell).file("only", b"").end();
    let base =
        Tar::default().file("gone", b"").file("dir/old", b"").file("other/old", b"").file("bin/sh", &shell).end();
    for (layers, seen) in
        [(vec![&base, &second], "bin\ndir\nother\nnew\nnew"), (vec![&base, &second, &third], "bin\nonly")]
    {
        let archive = docker_archive(&layers);
        sb.dhow(["load"]).stdin(archive.clone()).ok();
        let script = "ls / | grep -v -e dev -e etc -e proc -e sys -e run -e tmp; ls /dir /other 2>/dev/null | grep -v -e : -e '^$'";
        let out = sb.dhow(["run", "--rm", "localhost/w:1", "/bin/sh", "-c", script]).run();
        assert_eq!(out.text(), seen, "{out}");
        sb.dhow(["rmi", "localhost/w:1"]).ok();
    }
}

/// An archive of an image `localhost/w:1` with these layers.
fn docker_archive(layers: &[&Vec<u8>]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|l| fixtures::digest(l)).collect();
    let names: Vec<String> = (0..layers.len()).map(|n| format!("{n}.tar")).collect();
    let config = serde_json::json!({"os": "linux", "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "rootfs": {"type": "layers", "diff_ids": ids}});
    let list = serde_json::json!([{"Config": "c.json", "RepoTags": ["localhost/w:1"], "Layers": names}]);
    let mut out = Tar::default();
    for (name, layer) in names.iter().zip(layers) {
        out = out.file(name, layer);
    }
    out.file("c.json", config.to_string().as_bytes()).file("manifest.json", list.to_string().as_bytes()).end()
}

#[test]
fn overlay_marks_and_devices_are_not_taken_from_an_archive() {
    let sb = Sandbox::new();
    let forged = [
        ("SCHILY.xattr.user.overlay.redirect", "/bin"),
        ("SCHILY.xattr.user.overlay.opaque", "y"),
        ("SCHILY.xattr.trusted.overlay.opaque", "y"),
        ("SCHILY.xattr.user.note", "kept"),
    ];
    let device = |block: &mut [u8]| {
        block[329..337].copy_from_slice(b"0000000\0");
        block[337..345].copy_from_slice(b"0000000\0");
    };
    let tar = Tar::default().pax(b'x', &forged).dir("d").file("d/f", b"").entry(b'3', "whiteout", b"", device);
    let said = taken(&sb, tar.entry(b'4', "disk", b"", device).entry(b'3', "dev/kmsg", b"", device));
    assert!(said.contains("device node \"whiteout\" is left out") && said.contains("\"disk\""), "{said}");
    assert!(!said.contains("kmsg"), "every container has a /dev of its own: {said}");
    assert_eq!(look(&sb, "ls /d; ls / | grep -e whiteout -e disk; true"), "f");
}

#[test]
fn headers_that_programs_read_differently_are_refused() {
    let sb = Sandbox::new();
    let size = |text: &'static [u8]| move |block: &mut [u8]| block[124..124 + text.len()].copy_from_slice(text);
    let file = || Tar::default().file("f", b"");
    let lie = Tar::default().pax(b'x', &[("size", "1024")]).file("f", b"abc");
    refused(&sb, lie, "two sizes for one entry, 3 and 1024");
    let both = Tar::default().pax(b'x', &[("path", "a")]).entry(b'L', "l", b"b\0", |_| ()).file("f", b"");
    refused(&sb, both, "give an entry two names");
    let twice = Tar::default().pax(b'x', &[("path", "a")]).pax(b'x', &[("path", "b")]).file("f", b"");
    refused(&sb, twice, "two PAX headers before one entry");
    refused(&sb, Tar::default().pax(b'g', &[("path", "a")]).file("f", b""), "a global PAX header sets \"path\"");
    refused(&sb, Tar::default().entry(b'0', "f", b"", size(&[0xff; 12])), "is not a number from 0 on");
    refused(&sb, Tar::default().entry(b'0', "f", b"", size(b"12x")), "is not a number from 0 on");
    refused(&sb, Tar::default().entry(b'2', "l", b"abc", |b| b[157] = b'x'), "content behind an entry that is no file");
    refused(&sb, Tar::default().entry(b'V', "v", b"", |_| ()), "unknown type 'V'");
    let gap = Tar(vec![0; BLOCK]).file("hidden", b"");
    refused(&sb, Tar([file().0, gap.0].concat()), "a single zero block in the middle");
    let mut wrong = file().0;
    wrong[0] = b'g';
    refused(&sb, Tar(wrong), "checksum is wrong");
    taken(&sb, Tar::default().pax(b'g', &[("comment", "harmless")]).file("f", b""));
}

#[test]
fn what_is_too_large_is_refused_before_it_costs_anything() {
    let sb = Sandbox::new();
    let sized = |octal: &'static [u8; 12]| move |block: &mut [u8]| block[124..136].copy_from_slice(octal);
    refused(
        &sb,
        Tar::default().entry(b'x', "pax", b"", sized(b"10000000000\0")),
        "an extension header of 1073741824 bytes",
    );
    refused(&sb, Tar::default().entry(b'0', "f", b"", sized(b"77777777777\0")), "ends in the middle of an entry");
    let deep = "d/".repeat(1900);
    refused(&sb, Tar::default().pax(b'x', &[("path", &deep)]).file("f", b""), "nested deeper than 1024");
    let long = "n".repeat(256);
    refused(&sb, Tar::default().pax(b'x', &[("path", &long)]).file("f", b""), "a name longer than 255 bytes");
    let longer = "dir/".repeat(1100);
    refused(&sb, Tar::default().pax(b'x', &[("path", &longer)]).file("f", b""), "has a path of 4400 bytes");
    let records = [("GNU.sparse.size", "1099511627776"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "0,1")];
    refused(&sb, Tar::default().pax(b'x', &records).file("f", b"x"), "sparse files are larger than");
    refused(
        &sb,
        Tar::default()
            .pax(b'x', &[("GNU.sparse.size", "9"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "0,9")])
            .file("f", b"x"),
        "its parts have 9 bytes",
    );

    // The largest that is allowed, and many of them.
    let deep = "d/".repeat(1000) + "f";
    let mut tar = Tar::default().pax(b'x', &[("path", &deep)]).file("f", b"deep");
    for n in 0..5000 {
        tar = tar.file(&format!("many/{n}"), b"");
    }
    taken(&sb, tar);
    assert_eq!(look(&sb, "ls /many | wc -l"), "5000");
    sb.dhow(["rmi", "x"]).ok();
}

#[test]
fn sparse_files_of_gnu_tar_come_back_exactly() {
    if lacks("tar") || lacks("truncate") {
        return;
    }
    let sb = Sandbox::new();
    sb.program("truncate", ["-s", "1M", "holes"]).ok();
    let mut file = fs::File::options().write(true).open(sb.path("holes")).unwrap();
    for offset in (0..300u64).map(|n| n * 16384 + 4096) {
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(offset)).unwrap();
        std::io::Write::write_all(&mut file, &[b'x'; 4096]).unwrap();
    }
    file.set_len(50 << 20).unwrap();
    sb.program("truncate", ["-s", "9M", "empty"]).ok();
    let shell = fs::read(fixtures::BUSYBOX).unwrap();
    fs::create_dir(sb.path("bin")).unwrap();
    fs::write(sb.path("bin/sh"), shell).unwrap();
    fs::set_permissions(sb.path("bin/sh"), fs::Permissions::from_mode(0o755)).unwrap();
    for form in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let words = [form, &["--sparse", "--owner=0", "--group=0", "-c", "holes", "empty", "bin"]].concat();
        let tar = sb.program("tar", words).ok().raw;
        assert!(tar.len() < 5 << 20, "{form:?} is not sparse");
        sb.dhow(["import", "-", "x"]).stdin(tar.clone()).ok();
        sb.dhow(["inspect", "x"]).ok().has(&fixtures::digest(&tar));
        let saved = sb.dhow(["save", "x"]).ok().raw;
        assert!(saved.windows(BLOCK).step_by(BLOCK).any(|w| w == &tar[..BLOCK]), "{form:?}");
        let there = Sandbox::new();
        there.dhow(["load"]).stdin(saved).ok();
        let sums =
            there.dhow(["run", "--rm", "x", "/bin/sh", "-c", "stat -c '%s' holes empty; sha256sum < holes"]).ok();
        let expected = fixtures::digest(&fs::read(sb.path("holes")).unwrap()).replace("sha256:", "");
        assert_eq!(sums.lines(), ["52428800", "9437184", &format!("{expected}  -")], "{form:?}");
        let blocks: u64 = look(&there, "stat -c %b holes").parse().unwrap();
        assert!(blocks * 512 < 5 << 20, "{form:?} filled the holes: {blocks} blocks");
        sb.dhow(["rmi", "x"]).ok();
    }
}

#[test]
fn memory_does_not_grow_with_a_layer() {
    if lacks("prlimit") {
        return;
    }
    let sb = Sandbox::new();
    let block: Vec<u8> = (0..1u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let layer = Tar::default().file("large", &block.repeat(300)).end();
    let archive = docker_archive(&[&layer]);
    drop(layer);
    // Of address space: what is in memory is less.
    let limited = |words: &[&str]| {
        let binary = sb.binary().display().to_string();
        sb.program("prlimit", [&["--as=209715200", binary.as_str()], words].concat())
    };
    limited(&["load"]).stdin(archive).deadline(300).ok();
    limited(&["save", "-o", "saved.tar", "localhost/w:1"]).deadline(300).ok();
    sb.dhow(["rmi", "localhost/w:1"]).ok();
    limited(&["load", "-i", "saved.tar"]).deadline(300).ok();
}

#[test]
fn export_writes_what_the_container_sees() {
    let sb = Sandbox::with_base();
    sb.write("vol/inside", "");
    let volume = format!("{}:/vol", sb.path("vol").display());
    let change = "echo new > /added; rm /etc/group; mkdir /d; ln /added /d/link; chown 1000:50 /d; sleep 1000";
    let id = sb.dhow(["run", "-d", "-v", &volume, "base", "sh", "-c", change]).ok().text().to_owned();
    while sb.dhow(["exec", &id, "stat", "-c", "%u", "/d"]).run().text() != "1000" {}
    let names = |tar: &[u8]| -> Vec<String> {
        let mut archive = tar::Archive::new(tar);
        let all = archive.entries().unwrap().map(|e| {
            let e = e.unwrap();
            let (uid, gid) = (e.header().uid().unwrap(), e.header().gid().unwrap());
            format!("{} {uid}:{gid}", e.path().unwrap().display())
        });
        all.collect()
    };
    let running = sb.dhow(["export", &id]).ok().raw;
    let seen = names(&running);
    for name in ["added 0:0", "d/ 1000:50", "d/link 0:0", "bin/busybox 0:0", "etc/passwd 0:0", "vol/ 0:0"] {
        assert!(seen.iter().any(|n| n == name), "{name} is not among {seen:?}");
    }
    assert!(
        !seen.iter().any(|n| n.starts_with("etc/group") || n.starts_with("vol/i") || n.contains(".wh.")),
        "{seen:?}"
    );
    sb.dhow(["kill", &id]).ok();
    sb.dhow(["export", "-o", "x.tar", &id]).ok();
    assert_eq!(names(&fs::read(sb.path("x.tar")).unwrap()), seen);
    sb.dhow(["rm", "-f", &id]).ok();
    sb.dhow(["import", "x.tar", "flat"]).ok();
    sb.dhow(["run", "--rm", "flat", "/bin/cat", "/d/link"]).ok().has("new");
    sb.dhow(["export", "nobody"]).fails(125).says("no such container");
    sb.dhow(["import", "https://example.org/x.tar"]).fails(125).says("cannot import from the address");
}
