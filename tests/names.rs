//! Names of images and what they lead to: given, moved, taken away, asked for, and listed.

use std::fs;

use crate::support::{Sandbox, lacks};

fn id(sb: &Sandbox, name: &str) -> String {
    sb.dhow(["inspect", "-f", "{{.Id}}", name]).ok().text().to_owned()
}

/// A second image, on top of `base`.
fn other(sb: &Sandbox) -> String {
    sb.write("other/Dockerfile", "FROM base\nLABEL kind=other\nRUN true\nRUN echo more > /more\n");
    sb.dhow(["build", "-q", "--network", "none", "-t", "other", "other"]).ok();
    id(sb, "other")
}

fn names(sb: &Sandbox, words: &[&str]) -> Vec<String> {
    let out = sb.dhow(["images", "--format", "{{.Repository}}:{{.Tag}}"]).args(words).ok();
    let mut lines: Vec<String> = out.lines().into_iter().map(String::from).collect();
    lines.sort();
    lines
}

#[test]
fn names_without_a_registry_are_local_and_docker_hubs_have_one_form() {
    let sb = Sandbox::with_base();
    sb.dhow([
        "tag",
        "base",
        "app",
        "app:2",
        "me/app",
        "docker.io/app",
        "index.docker.io/me/app:3",
        "reg.io:5000/a/b:x",
    ])
    .ok();
    let all = [
        "docker.io/library/app:latest",
        "docker.io/me/app:3",
        "localhost/app:2",
        "localhost/app:latest",
        "localhost/base:latest",
        "localhost/me/app:latest",
        "reg.io:5000/a/b:x",
    ];
    assert_eq!(names(&sb, &[]), all);
    let base = id(&sb, "base");
    for known in
        ["app", "localhost/app", "registry-1.docker.io/library/app", "me/app:3", "reg.io:5000/a/b:x", &base[..5]]
    {
        assert_eq!(id(&sb, known), base, "{known}");
    }
    for unknown in ["reg.io:5000/a/b", "app:4", "library/me/app", "APP"] {
        sb.dhow(["image", "exists", unknown]).fails(1);
    }
    sb.dhow(["tag", "base", "App"]).fails(125).says("must be in lower case");
    sb.dhow(["tag", "base", &"a".repeat(256)]).fails(125).says("longer than 255");
    sb.dhow(["tag", "base", &format!("a:{}", "t".repeat(129))]).fails(125).says("1 to 128");
    sb.dhow(["run", "App"]).fails(125).says("no such image").says("lower case");
}

#[test]
fn a_name_that_moves_leaves_a_dangling_image_and_untag_makes_one() {
    let sb = Sandbox::with_base();
    let (base, other) = (id(&sb, "base"), other(&sb));
    sb.dhow(["tag", "base", "app"]).ok();
    sb.dhow(["tag", "other", "app"]).ok();
    assert_eq!((id(&sb, "app"), id(&sb, "base")), (other.clone(), base.clone()));
    assert_eq!(names(&sb, &["-f", "dangling=true"]), Vec::<String>::new());
    sb.dhow(["untag", "app", "nope"]).fails(125).says("tag not known");
    sb.dhow(["untag", "other", "other"]).ok();
    sb.dhow(["tag", "base", "app"]).ok();
    let dangling = sb.dhow(["images", "-q", "--no-trunc", "-f", "dangling=true"]).ok();
    assert_eq!(dangling.text().trim_start_matches("sha256:"), other);
    assert_eq!(names(&sb, &["-f", "dangling=true"]), ["<none>:<none>"]);
    // By id it runs as before, and all names of an image go at once.
    sb.dhow(["run", "--rm", "--network", "none", &other[..12], "cat", "/more"]).ok().has("more");
    sb.dhow(["untag", "app"]).ok();
    assert_eq!(names(&sb, &[]), ["<none>:<none>", "<none>:<none>"]);
}

#[test]
fn images_are_chosen_by_filters_and_shown_as_the_peers_do() {
    let sb = Sandbox::with_base();
    let other = other(&sb);
    let found = |filter: &str| names(&sb, &["-f", filter]);
    let (base, both) = (["localhost/base:latest"], ["localhost/base:latest", "localhost/other:latest"]);
    assert_eq!(found("since=base"), ["localhost/other:latest"]);
    assert_eq!(found("before=other"), base);
    assert_eq!(found("label=kind"), ["localhost/other:latest"]);
    assert_eq!(found("label!=kind=other"), base);
    assert_eq!(found("reference=*ther"), ["localhost/other:latest"]);
    assert_eq!(found(&format!("id={}", &other[..6])), ["localhost/other:latest"]);
    assert_eq!(found("until=1s").len() + found("until=2001-01-01").len(), found("until=1s").len());
    assert_eq!(found("containers=true"), Vec::<String>::new());
    sb.dhow(["run", "--network", "none", "other", "true"]).ok();
    assert_eq!(found("containers=true"), ["localhost/other:latest"]);
    assert_eq!(found("intermediate=false"), both);
    sb.dhow(["images", "-f", "colour=red"]).fails(125).says("invalid filter");
    sb.dhow(["images", "-n", "--sort", "repository", "--digests"]).ok().has("sha256:").has("localhost/base");
    let tree =
        sb.dhow(["image", "tree", "other"]).ok().has("Image Layers").has("Top Layer of: [localhost/base:latest]");
    assert!(tree.lines().last().unwrap().ends_with("Top Layer of: [localhost/other:latest]"), "{tree}");
    sb.dhow(["image", "tree", "--whatrequires", "base"]).ok().has("Top Layer of: [localhost/other:latest]");
    // The layers of both are the same file tree, and each image's size is the sum of its layers.
    let layers = |name: &str| sb.dhow(["inspect", "-f", "{{json .RootFS.Layers}}", name]).ok().text().to_owned();
    let lower = layers("base");
    assert!(layers("other").starts_with(lower.trim_end_matches(']')), "{lower}");
    let human = sb.dhow(["history", "other"]).ok().has("ago");
    let exact = sb.dhow(["history", "-H=false", "other"]).ok();
    assert!(human.stdout.contains(" B") && exact.stdout.contains("T") && !exact.stdout.contains(" ago"), "{exact}");
}

#[test]
fn containers_are_chosen_by_filters_and_ordered() {
    let sb = Sandbox::with_base();
    other(&sb);
    for (name, image) in [("one", "base"), ("two", "other"), ("three", "base")] {
        sb.dhow(["run", "--network", "none", "--name", name, "-v", &format!("{name}-data:/data"), image, "true"]).ok();
    }
    let found = |words: &[&str]| -> Vec<String> {
        let out = sb.dhow(["ps", "-a", "--format", "{{.Names}}"]).args(words).ok();
        out.lines().into_iter().map(String::from).collect()
    };
    assert_eq!(found(&[]), ["three", "two", "one"]);
    assert_eq!(found(&["-f", "since=one"]), ["three", "two"]);
    assert_eq!(found(&["-f", "before=two"]), ["one"]);
    assert_eq!(found(&["-f", "ancestor=other"]), ["two"]);
    assert_eq!(found(&["-f", "volume=one-data"]), ["one"]);
    assert_eq!(found(&["-f", "volume=/data", "-f", "name=t"]), ["three", "two"]);
    assert_eq!(found(&["-f", "label!=kind"]), ["three", "one"]);
    assert_eq!(found(&["-f", "network=none", "-f", "health=none", "--sort", "names"]), ["one", "three", "two"]);
    assert_eq!(found(&["-f", "until=2001-01-01"]), Vec::<String>::new());
    assert_eq!(found(&["-n", "2"]), ["three", "two"]);
    sb.dhow(["ps", "-f", "since=nobody"]).fails(125).says("no such container");
    sb.dhow(["ps", "--sort", "colour"]).fails(125);
}

#[test]
fn a_long_list_asks_once_for_each_record_that_has_not_changed() {
    if lacks("strace") {
        return;
    }
    let sb = Sandbox::with_base();
    let manifest = sb.dhow(["images", "--digests", "--format", "{{.Digest}}"]).ok().text().to_owned();
    let record: serde_json::Value = {
        let path = sb.store().join("images").join(format!("{}.json", &manifest[7..]));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let count = 60;
    for number in 0..count {
        let mut more = record.clone();
        let digest = format!("{number:064x}");
        more["manifest"] = format!("sha256:{digest}").into();
        more["id"] = more["manifest"].clone();
        let name = serde_json::json!({"name": format!("localhost/n{number}:latest"), "manifest": more["manifest"]});
        fs::write(sb.store().join(format!("images/{digest}.json")), more.to_string()).unwrap();
        fs::write(sb.store().join(format!("images/names/localhost%2fn{number}%3alatest")), name.to_string()).unwrap();
    }
    // The copy is written by whoever lists when the records have been left alone for a while.
    let copy = sb.store().join("cache/lists/images");
    for _ in 0..1000 {
        sb.dhow(["images", "-q"]).ok();
        if copy.exists() && sb.store().join("cache/lists/names").exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let trace = sb.path("trace");
    let list = sb.program("strace", ["-o"]).arg(&trace).arg(sb.binary()).args(["images", "-n"]).ok();
    assert_eq!(list.lines().len(), count + 1);
    let trace = fs::read_to_string(trace).unwrap();
    let about: Vec<&str> = trace.lines().filter(|l| l.contains(".json") || l.contains("%3a")).collect();
    assert!(about.len() <= 2 * (count + 1), "more than one call for an image and one for its name:\n{about:#?}");
    // What changes is seen at once, also when it is changed in place.
    let name = sb.store().join("images/names/localhost%2fn7%3alatest");
    let text = fs::read_to_string(&name).unwrap().replace("n7", "n_");
    fs::write(&name, text).unwrap();
    sb.dhow(["images"]).ok().has("localhost/n_ ");
}
