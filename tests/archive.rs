//! `save`, `load`, `import` and `rmi`: with other tools' archives, with broken ones, and there and back again.

use crate::support::{Output, Sandbox, fixtures, lacks};
use std::fs;

/// Loads the image `base` from an archive that dhow did not write. Gives its id.
fn base(sb: &Sandbox) -> String {
    let out = sb.dhow(["load", "-i"]).arg(fixtures::base_archive()).ok();
    assert_eq!(out.text(), "Loaded image: localhost/base:latest");
    sb.dhow(["inspect", "--format", "{{.Id}}", "base"]).ok().text().to_owned()
}

/// A tar of these members. Names are put in as they are, however wrong.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        out.append(&header, *bytes).unwrap();
    }
    out.into_inner().unwrap()
}

fn config(diff_ids: &[String]) -> String {
    format!(
        r#"{{"os":"linux","architecture":"amd64","rootfs":{{"type":"layers","diff_ids":{}}}}}"#,
        serde_json::to_string(diff_ids).unwrap()
    )
}

const LIST: &str = r#"[{"Config":"c.json","RepoTags":["quay.io/a/b:1"],"Layers":["l.tar"]}]"#;

/// What the store holds of images, by file names.
fn contents(sb: &Sandbox) -> Vec<String> {
    let mut found = Vec::new();
    for dir in ["layers", "layers/by-diff", "images", "images/names", "blobs/sha256", "staging"] {
        let names = fs::read_dir(sb.store().join(dir)).into_iter().flatten().flatten();
        let names = names.map(|e| e.file_name().into_string().unwrap());
        found.extend(names.filter(|n| n != "by-diff" && n != "names").map(|n| format!("{dir}/{n}")));
    }
    found
}

#[track_caller]
fn refused(sb: &Sandbox, archive: &[u8], part: &str) -> Output {
    let out = sb.dhow(["load"]).stdin(archive).fails(125).says(part);
    assert_eq!(out.stdout, "", "{out}");
    assert_eq!(contents(sb), [""; 0], "the store changed");
    out
}

#[test]
fn another_tool_reads_what_save_writes() {
    if lacks("skopeo") || lacks("umoci") {
        return;
    }
    let sb = Sandbox::new();
    base(&sb);
    sb.dhow(["save", "-o", "docker.tar", "base"]).ok();
    sb.dhow(["save", "--format", "oci-archive", "-o", "oci.tar", "base"]).ok();
    sb.dhow(["save", "--format", "oci-dir", "-o", "oci-dir", "base"]).ok();
    sb.dhow(["save", "--format", "docker-dir", "-o", "docker-dir", "base"]).ok();
    for (source, image) in [
        ("docker-archive:docker.tar:localhost/base:latest", "a"),
        ("oci-archive:oci.tar:localhost/base:latest", "b"),
        ("oci:oci-dir:localhost/base:latest", "c"),
        ("dir:docker-dir", "d"),
    ] {
        sb.program("skopeo", ["inspect", "--config", source]).ok().has("PATH=/bin");
        sb.program("skopeo", ["--insecure-policy", "copy", source, &format!("oci:layout:{image}")]).ok();
        sb.program("umoci", ["unpack", "--rootless", "--image", &format!("layout:{image}"), image]).ok();
        assert!(sb.read(format!("{image}/rootfs/etc/group")).contains("staff:x:50:user"));
    }
}

#[test]
fn what_is_saved_comes_back_as_the_same_image() {
    let sb = Sandbox::new();
    let id = base(&sb);
    sb.build("child", "FROM base\nRUN mkdir /d && echo x > /d/f && rm /etc/group\n");
    for format in ["docker-archive", "oci-archive"] {
        sb.dhow(["save", "--format", format, "-o", "first.tar", "base", "child"]).ok();
        let there = Sandbox::new();
        let file = sb.path("first.tar");
        let loaded = there.dhow(["load", "-i"]).arg(&file).ok();
        assert_eq!(loaded.lines(), ["Loaded image: localhost/base:latest", "Loaded image: localhost/child:latest"]);
        assert_eq!(there.dhow(["inspect", "--format", "{{.Id}}", "base"]).ok().text(), id);
        there.dhow(["run", "--rm", "child", "cat", "/d/f"]).ok().has("x");
        there.dhow(["run", "--rm", "child", "test", "-e", "/etc/group"]).fails(1);
        there.dhow(["save", "--format", format, "-o", "second.tar", "base", "child"]).ok();
        assert!(fs::read(&file).unwrap() == fs::read(there.path("second.tar")).unwrap(), "{format}: other bytes");
    }
}

#[test]
fn folders_come_back_as_the_same_image() {
    let sb = Sandbox::new();
    let id = base(&sb);
    sb.dhow(["tag", "base", "other:1"]).ok();
    sb.dhow(["save", "--format", "oci-dir", "-o", "oci", "base", "other:1"]).ok();
    sb.dhow(["save", "--format", "docker-dir", "-o", "dir", "base"]).ok();
    assert!(sb.read("dir/version").starts_with("Directory Transport Version"));
    for (folder, names) in [
        ("oci", &["Loaded image: localhost/base:latest", "Loaded image: localhost/other:1"][..]),
        ("dir", &[&format!("Loaded image: sha256:{id}")]),
    ] {
        let there = Sandbox::new();
        assert_eq!(there.dhow(["load", "-i"]).arg(sb.path(folder)).ok().lines(), names);
        assert_eq!(there.dhow(["images", "-q", "--no-trunc"]).ok().lines()[0], format!("sha256:{id}"));
        there.dhow(["run", "--rm", &id, "id", "-u"]).ok().has("0");
    }

    // A folder that is in use stays as it is; what a format cannot hold is said beforehand.
    sb.dhow(["save", "--format", "oci-dir", "-o", "oci", "base"])
        .fails(125)
        .says("cannot save to oci: the folder is there");
    sb.dhow(["save", "--format", "oci-dir", "base"]).fails(125).says("name it with --output");
    sb.dhow(["save", "--format", "tar", "base"]).fails(125).says("oci-dir or docker-dir");
    sb.build("child", "FROM base\nLABEL a=b\n");
    let both = sb.dhow(["save", "--format", "docker-dir", "-o", "two", "base", "child"]).fails(125);
    both.says("cannot save to two: docker-dir has room for one image only");
    sb.dhow(["save", "-o", "no/such/file.tar", "base"])
        .fails(125)
        .says("cannot save to no/such/file.tar: no such file");
    assert!(!sb.path("two").exists() && !sb.path(".two").exists());

    // A damaged blob is found, and a folder that is no image is said to be none.
    let there = Sandbox::new();
    let layer =
        fs::read_dir(sb.path("dir")).unwrap().map(|e| e.unwrap().path()).max_by_key(|p| p.metadata().unwrap().len());
    fs::write(layer.unwrap(), "x").unwrap();
    there.dhow(["load", "-i"]).arg(sb.path("dir")).fails(125).says("ends after 1 of");
    there.dhow(["load", "-i", "."]).fails(125).says("neither manifest.json");
    assert_eq!(contents(&there), [""; 0]);
}

#[test]
fn two_images_with_one_tag_are_told_apart() {
    let sb = Sandbox::new();
    base(&sb);
    sb.build("child", "FROM base\nLABEL a=b\n");
    sb.dhow(["save", "--format", "oci-archive", "-o", "oci.tar", "base", "child"]).ok();
    if lacks("skopeo") {
        return;
    }
    let source = "oci-archive:oci.tar:localhost/child:latest";
    sb.program("skopeo", ["inspect", source]).ok().has("\"a\": \"b\"");
}

#[test]
fn a_stream_and_a_file_give_the_same_and_in_every_order() {
    let sb = Sandbox::new();
    let layer = tar(&[("f", b"x")]);
    let config = config(&[fixtures::digest(&layer)]);
    let list = LIST.as_bytes();
    let junk: Vec<u8> = (0..9u32 << 20).map(|n| n as u8).collect();
    let members = [("manifest.json", list), ("c.json", config.as_bytes()), ("l.tar", &layer), ("junk", &junk)];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0]] {
        let archive = tar(&order.map(|n| members[n]));
        sb.write("a.tar", &archive);
        for load in [sb.dhow(["load"]).stdin(archive), sb.dhow(["load", "-i", "a.tar"])] {
            load.ok().has("Loaded image: quay.io/a/b:1");
            assert!(sb.dhow(["save", "quay.io/a/b:1"]).ok().raw.windows(layer.len()).any(|w| w == layer));
            sb.dhow(["rmi", "quay.io/a/b:1"]).ok();
            assert_eq!(contents(&sb), [""; 0]);
        }
    }
    // What nobody asked for goes again, even if it is a layer; what was asked for must be one.
    let other = tar(&[("g", b"y")]);
    let more = tar(&[("other.tar", &other[..]), members[2], members[1], members[0]]);
    sb.dhow(["load"]).stdin(more).ok();
    assert_eq!(contents(&sb).iter().filter(|n| n.starts_with("layers/by-diff/")).count(), 1);
    let wrong = tar(&[("l.tar", &junk[..]), members[1], members[0]]);
    let there = Sandbox::new();
    refused(&there, &wrong, "cannot load layer \"l.tar\": it is neither a layer nor small enough");
}

#[test]
fn every_compression_of_archives_and_layers_is_read() {
    let sb = Sandbox::new();
    let layer = tar(&[("f", b"x")]);
    for program in ["gzip", "zstd", "xz", "bzip2"] {
        if lacks(program) {
            return;
        }
        let packed = |bytes: &[u8]| {
            sb.write("plain", bytes);
            sb.program(program, ["-c", "plain"]).ok().raw
        };
        let config = config(&[fixtures::digest(&layer)]);
        let archive =
            tar(&[("manifest.json", LIST.as_bytes()), ("c.json", config.as_bytes()), ("l.tar", &packed(&layer))]);
        for bytes in [archive.clone(), packed(&archive)] {
            sb.dhow(["load"]).stdin(bytes.clone()).ok().has("Loaded image: quay.io/a/b:1");
            sb.dhow(["rmi", "quay.io/a/b:1"]).ok();
            sb.write("a", &bytes);
            sb.dhow(["load", "-i", "a"]).ok().has("Loaded image: quay.io/a/b:1");
            sb.dhow(["rmi", "quay.io/a/b:1"]).ok();
        }
        sb.write("rootfs", packed(&layer));
        sb.dhow(["import", "rootfs", "imported"]).ok();
        sb.dhow(["inspect", "imported"]).ok().has(&fixtures::digest(&layer));
        sb.dhow(["rmi", "imported"]).ok();
    }
}

#[test]
fn a_layer_of_two_images_is_in_the_archive_once() {
    let sb = Sandbox::new();
    base(&sb);
    sb.build("child", "FROM base\nLABEL a=b\n");
    let saved = sb.dhow(["save", "base", "child"]).ok();
    let mut archive = tar::Archive::new(saved.raw.as_slice());
    let names = archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string());
    assert_eq!(names.filter(|n| n.ends_with(".tar")).count(), 1);
}

#[test]
fn archives_of_other_tools_are_loaded_and_run() {
    if lacks("skopeo") || lacks("gzip") {
        return;
    }
    let sb = Sandbox::new();
    let source = format!("oci-archive:{}:base", fixtures::base_archive().display());
    let copy = |from: &str, to: &str| {
        sb.program("skopeo", ["--insecure-policy", "copy", "--dest-compress", from, to]).ok();
    };
    copy(&source, "docker-archive:docker.tar:docker.io/library/from-docker:1");
    copy(&source, "oci:layout:x"); // compresses the layer
    copy("oci:layout:x", "oci-archive:oci.tar:quay.io/from/oci:2");
    sb.program("gzip", ["docker.tar"]).ok();
    let first = sb.dhow(["load", "-i", "docker.tar.gz"]).ok();
    assert_eq!(first.text(), "Loaded image: docker.io/library/from-docker:1");
    let second = sb.dhow(["load"]).stdin(fs::read(sb.path("oci.tar")).unwrap()).ok();
    assert_eq!(second.text(), "Loaded image: quay.io/from/oci:2");
    sb.dhow(["run", "--rm", "from-docker:1", "id", "-u"]).ok().has("0");
    sb.dhow(["run", "--rm", "quay.io/from/oci:2", "ls", "/home"]).ok().has("user");
    let layers = contents(&sb).iter().filter(|n| n.starts_with("layers/by-diff/")).count();
    assert_eq!(layers, 1, "one tar, one layer, whatever compression carried it");
}

#[test]
fn links_between_layers_of_old_docker_archives_are_followed_inside_the_archive() {
    let sb = Sandbox::new();
    let layer = tar(&[("f", b"x")]);
    let diff_id = fixtures::digest(&layer);
    let list = r#"[{"Config":"c.json","RepoTags":["quay.io/a/b:1"],"Layers":["one/layer.tar","two/layer.tar"]}]"#;
    let build = |target: &str, diff_id: &str| {
        let mut out = tar::Builder::new(Vec::new());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            header.set_size(bytes.len() as u64);
            out.append_data(&mut header, name, bytes).unwrap();
        };
        add("one/layer.tar", &layer);
        add("c.json", config(&[diff_id.into(), diff_id.into()]).as_bytes());
        add("manifest.json", list.as_bytes());
        let mut link = tar::Header::new_ustar();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        out.append_link(&mut link, "two/layer.tar", target).unwrap();
        out.into_inner().unwrap()
    };
    sb.dhow(["load"]).stdin(build("../one/layer.tar", &diff_id)).ok().has("quay.io/a/b:1");

    let other = Sandbox::new();
    let swapped = list.replace("\"one/layer.tar\"", "\"two/layer.tar\"");
    let far = String::from_utf8_lossy(&build("/etc/passwd", "")).contains("/etc/passwd");
    assert!(far, "the link is in the archive");
    let mut outward = build("/etc/passwd", &fixtures::digest(b"another layer"));
    let at = outward.windows(list.len()).position(|w| w == list.as_bytes()).unwrap();
    outward[at..at + list.len()].copy_from_slice(swapped.as_bytes());
    refused(&other, &outward, "the archive has no \"two/layer.tar\"");
}

#[test]
fn broken_archives_give_one_clear_error_and_change_nothing() {
    let sb = Sandbox::new();
    let layer = tar(&[("f", b"x")]);
    let diff_id = fixtures::digest(&layer);
    let good = config(std::slice::from_ref(&diff_id));
    let archive = |list: &str, config: &str, layer: &[u8]| {
        tar(&[("manifest.json", list.as_bytes()), ("c.json", config.as_bytes()), ("l.tar", layer)])
    };

    refused(&sb, b"", "neither manifest.json");
    refused(&sb, b"no archive at all", "cannot load the archive");
    refused(&sb, &tar(&[("f", b"x")]), "neither manifest.json");
    refused(&sb, &archive("[]", &good, &layer), "lists no image");
    refused(&sb, &archive("[", &good, &layer), "manifest.json is invalid");
    refused(&sb, &archive("{", &good, &layer), "the archive's manifest.json: invalid manifest");
    refused(&sb, &archive(LIST, "{", &layer), "invalid image configuration");
    refused(&sb, &archive(LIST, &good, b"no tar"), "cannot load layer \"l.tar\"");
    refused(&sb, &archive(LIST, &good, &tar(&[("f", b"y")])), "but the image's configuration says");
    refused(&sb, &archive(LIST, &good, &tar(&[("../../f", b"x")])), "has `..` in its path");
    refused(&sb, &archive(LIST, &config(&[]), &layer), "whose configuration names 0");
    refused(&sb, &archive(&LIST.replace("l.tar", "../l.tar.gz"), &good, &layer), "the archive has no");
    refused(&sb, &archive(&LIST.replace("quay.io/a/b:1", "../b"), &good, &layer), "names an image wrongly");
    refused(&sb, &tar(&[("../manifest.json", LIST.as_bytes())]), "has `..` in its path");
    let whole = archive(LIST, &good, &layer);
    refused(&sb, &whole[..whole.len() - 1536], "cannot load the archive");
    let wrong_name = LIST.replace("c.json", &format!("{}.json", &diff_id[7..]));
    let named = format!("{}.json", &diff_id[7..]);
    let damaged = tar(&[("manifest.json", wrong_name.as_bytes()), (&named, good.as_bytes()), ("l.tar", &layer)]);
    refused(&sb, &damaged, "is damaged: its content is");

    let mut oci = fs::read(fixtures::base_archive()).unwrap();
    let at = oci.windows(8).position(|w| w == b"staff:x:").unwrap();
    oci[at] = b'S';
    refused(&sb, &oci, "its content is");

    sb.dhow(["load"]).stdin(whole).ok().has("Loaded image: quay.io/a/b:1");
}

#[test]
fn an_imported_system_keeps_owners_modes_links_and_capabilities() {
    let Some(rootfs) = fixtures::debian_rootfs() else { return };
    let sb = Sandbox::new();
    let out = sb.dhow(["import", "-c", "CMD [\"echo\",\"hi\"]", "-m", "from a tar"]).arg(&rootfs).arg("deb").ok();
    assert_eq!(out.text().trim_start_matches("sha256:").len(), 64, "{out}");
    sb.dhow(["run", "--rm", "deb"]).ok().has("hi");
    sb.dhow(["inspect", "deb"]).ok().has("from a tar").has(&fixtures::digest(&fs::read(&rootfs).unwrap()));
    let stat = |path: &str| sb.dhow(["run", "--rm", "deb", "stat", "-c", "%u:%g %a %h %F", path]).ok();
    assert_eq!(stat("/odd/owned").text(), "12345:54321 640 1 regular file");
    assert_eq!(stat("/odd/setuid").text(), "0:0 6755 1 regular file");
    assert_eq!(stat("/odd/sticky").text(), "0:0 3777 2 directory");
    assert_eq!(stat("/odd/deep/hardlink").text(), "0:0 644 3 regular file");
    assert_eq!(stat("/odd/fifo").text(), "0:0 644 1 fifo");
    sb.dhow(["run", "--rm", "deb", "getcap", "/odd/capable"]).ok().has("cap_net_admin,cap_net_raw=ep");

    sb.dhow(["save", "--format", "oci-archive", "-o", "deb.tar", "deb"]).ok();
    let there = Sandbox::new();
    there.dhow(["load", "-i"]).arg(sb.path("deb.tar")).ok();
    there.dhow(["inspect", "deb"]).ok().has(&fixtures::digest(&fs::read(&rootfs).unwrap()));
}

#[test]
fn what_a_killed_command_left_is_swept() {
    let sb = Sandbox::new();
    base(&sb);
    for words in [&["load", "-i", "again.tar"][..], &["rmi", "base"]] {
        fs::copy(fixtures::base_archive(), sb.path("again.tar")).unwrap();
        let left = sb.store().join("staging/0123456789abcdef");
        fs::create_dir_all(left.join("layer-0/fs")).unwrap();
        sb.dhow(words).ok();
        assert!(!left.exists(), "{words:?} left it");
    }
}

#[test]
fn a_failed_import_leaves_nothing() {
    let sb = Sandbox::new();
    sb.write("empty.tar", "");
    sb.dhow(["import", "empty.tar", "x"]).fails(125).says("empty");
    sb.write("text.tar", "x".repeat(1024));
    sb.dhow(["import", "text.tar", "x"]).fails(125).says("cannot import the archive");
    sb.dhow(["import", "-c", "NONSENSE a", "text.tar", "x"]).fails(125).says("NONSENSE");
    assert_eq!(contents(&sb), [""; 0]);
}

#[test]
fn an_image_goes_with_its_last_name_and_its_layers_with_it() {
    let sb = Sandbox::new();
    let id = base(&sb);
    sb.dhow(["tag", "base", "other"]).ok();
    sb.build("child", "FROM base\nRUN touch /new\n");
    sb.dhow(["rmi", &id]).fails(2).says("referenced in multiple repositories");
    assert_eq!(sb.dhow(["rmi", "other"]).ok().lines(), ["Untagged: localhost/other:latest"]);
    assert_eq!(sb.dhow(["rmi", "base"]).ok().lines().len(), 2);
    sb.dhow(["run", "--rm", "child", "true"]).ok();
    sb.dhow(["rmi", "child"]).ok().has("Deleted: ");
    assert_eq!(contents(&sb).len(), 2, "the step's layer stays in the cache, and the base's is gone");
    sb.dhow(["builder", "prune", "-f"]).ok();
    assert_eq!(contents(&sb), [""; 0]);
    sb.dhow(["rmi", "child"]).fails(1).says("no such image");
}

#[test]
fn an_image_in_use_stays() {
    let sb = Sandbox::new();
    base(&sb);
    sb.dhow(["run", "--name", "user", "base", "true"]).ok();
    sb.dhow(["rmi", "base"]).fails(2).says("dhow rm user");
    sb.dhow(["rm", "user"]).ok();
    sb.dhow(["rmi", "base"]).ok();
    assert_eq!(contents(&sb), [""; 0]);
}
