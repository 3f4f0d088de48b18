//! Where results go and what is asked of them: files, archives, squashed layers, fixed times, last words on the image.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::{field, hits, shell};
use crate::support::{Sandbox, fixtures};

const DOCKERFILE: &str = "FROM base\nRUN mkdir /d && echo one > /d/a && echo gone > /gone && chown 1000 /d/a && chmod 4755 /d/a\n\
    RUN rm /gone && ln /d/a /d/b && ln -s a /d/l && rm /etc/group\nLABEL x=1\n";

fn context(sb: &Sandbox) {
    sb.write("ctx/Dockerfile", DOCKERFILE);
}

fn build(sb: &Sandbox, words: &[&str]) -> crate::support::Output {
    sb.dhow(["build", "--network", "none"]).args(words).arg("ctx").ok()
}

#[test]
fn files_come_out_as_a_folder_of_the_callers_and_as_a_tar() {
    let sb = Sandbox::with_base();
    context(&sb);
    let images = sb.dhow(["images", "-q"]).ok().lines().len();
    sb.write("out/d/a", "old");
    sb.write("out/mine", "stays");
    build(&sb, &["-o", "out"]);
    let at = |name: &str| fs::symlink_metadata(sb.path("out").join(name)).unwrap();
    assert_eq!((sb.read("out/d/a").as_str(), sb.read("out/mine").as_str()), ("one\n", "stays"));
    let me = rustix::process::getuid().as_raw();
    assert_eq!((at("d/a").uid(), at("d/a").mode() & 0o7777), (me, 0o755), "no set-uid program of the caller's");
    assert_eq!(at("d/a").ino(), at("d/b").ino());
    assert!(at("d/l").is_symlink() && fs::symlink_metadata(sb.path("out/gone")).is_err());
    assert!(fs::symlink_metadata(sb.path("out/etc/group")).is_err());
    build(&sb, &["-o", "type=tar,dest=f.tar"]);
    let list = sb.program("tar", ["tvf", "f.tar", "d", "--numeric-owner"]).ok();
    list.has("-rwsr-xr-x 1000/0").has("d/b link to d/a");
    let piped = sb.dhow(["build", "--network", "none", "-o", "-", "ctx"]).ok();
    assert_eq!(piped.raw, fs::read(sb.path("f.tar")).unwrap());
    assert_eq!(sb.dhow(["images", "-q"]).ok().lines().len(), images, "only files were asked for");
}

#[test]
fn archives_are_taken_by_other_tools_and_cacheonly_leaves_the_cache() {
    let sb = Sandbox::with_base();
    context(&sb);
    build(&sb, &["-t", "x", "-o", "type=cacheonly"]);
    sb.dhow(["image", "exists", "x"]).fails(1);
    let out = build(&sb, &["-t", "x", "-o", "type=oci,dest=o.tar,annotation.n=1", "-o", "type=docker,dest=d.tar"]);
    assert_eq!(hits(&out), 2, "{out}");
    build(&sb, &["-t", "x", "-o", "type=oci,dest=layout,tar=false"]);
    let other = Sandbox::new();
    for archive in ["o.tar", "d.tar", "layout"] {
        other.dhow(["load", "-i"]).arg(sb.path(archive)).ok();
        assert_eq!(shell(&other, "x", "cat /d/a; ls /gone 2>&1 | wc -l"), "one\n1", "{archive}");
    }
    for refused in ["type=registry,name=x", "type=nothing", "type=tar,dest=/,x=1"] {
        sb.dhow(["build", "-o", refused, "ctx"]).fails(125);
    }
    sb.dhow(["build", "--push", "ctx"]).fails(125).says("push");
}

#[test]
fn squashed_layers_show_the_same_files() {
    let sb = Sandbox::with_base();
    context(&sb);
    let layers = |name: &str| field(&sb, name, "{{len .RootFS.Layers}}");
    let look = "find / -xdev -path /proc -prune -o -path /dev -prune -o -path /sys -prune -o -print | sort | md5sum; stat -c '%u %a' /d/a";
    build(&sb, &["-t", "plain"]);
    build(&sb, &["-t", "new", "--squash"]);
    build(&sb, &["-t", "all", "--squash-all"]);
    assert_eq!([layers("plain"), layers("new"), layers("all")], ["3", "2", "1"]);
    for image in ["new", "all"] {
        assert_eq!(shell(&sb, image, look), shell(&sb, "plain", look), "{image}");
        sb.dhow(["history", image]).ok();
    }
}

#[test]
fn two_stores_give_one_image_with_a_fixed_time() {
    let ids = [["--timestamp", "1000000000"], ["--source-date-epoch", "1000000000"]].map(|time| {
        let ids = [(); 2].map(|()| {
            // Its layers are the same to the byte; the time of a built base would not be.
            let sb = Sandbox::new();
            sb.dhow(["load", "-i"]).arg(fixtures::base_archive()).ok();
            context(&sb);
            sb.write("ctx/f", "now");
            sb.write("ctx/Dockerfile", format!("{DOCKERFILE}COPY f /f\n"));
            build(&sb, &["-t", "x", "--rewrite-timestamp", "--iidfile", "id", time[0], time[1]]);
            assert_eq!(shell(&sb, "x", "stat -c %Y /f /d"), "1000000000\n1000000000");
            assert_eq!(field(&sb, "x", "{{.Created}}"), "2001-09-09T01:46:40Z");
            sb.read("id")
        });
        assert_eq!(ids[0], ids[1], "{time:?}");
        ids
    });
    assert!(ids[0][0].starts_with("sha256:"));
}

#[test]
fn the_command_line_has_the_last_word_on_the_image() {
    let sb = Sandbox::with_base();
    context(&sb);
    let words =
        "-t x --label y=2 --unsetlabel x --env A=b --unsetenv PATH --omit-history --annotation n=v --metadata-file m";
    build(&sb, &words.split(' ').collect::<Vec<_>>());
    assert_eq!(field(&sb, "x", "{{json .Config.Labels}}"), r#"{"y":"2"}"#);
    assert_eq!(field(&sb, "x", "{{json .Config.Env}}"), r#"["A=b"]"#);
    assert_eq!(field(&sb, "x", "{{len .History}}"), "0");
    let metadata: serde_json::Value = serde_json::from_str(&sb.read("m")).unwrap();
    assert_eq!(metadata["image.name"], "localhost/x:latest");
    assert_eq!(metadata["containerimage.config.digest"], format!("sha256:{}", field(&sb, "x", "{{.Id}}")));
    sb.write("ctx/Dockerfile", "FROM not-there\nLABEL z=1\n");
    build(&sb, &["-t", "second", "--from", "x", "--inherit-labels=false"]);
    assert_eq!(field(&sb, "second", "{{json .Config.Labels}}"), r#"{"z":"1"}"#);
}
