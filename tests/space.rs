//! Keeping the store small: what prunes take and leave, what `system df` counts, the cache's budget, and removal on a
//! disk with no room left.

use std::fs;
use std::path::Path;

use crate::support::{Output, Sandbox, lacks, skip};

/// An image of one layer on top of `base`, with `size` random bytes.
fn layered(sb: &Sandbox, name: &str, size: u32) -> Output {
    sb.write(format!("{name}/Dockerfile"), format!("FROM base\nRUN head -c {size} /dev/urandom > /{name}\n"));
    sb.dhow(["build", "--network=none", "-t", name, name]).ok()
}

fn count(sb: &Sandbox, folder: &str) -> usize {
    let entries = fs::read_dir(sb.store().join(folder)).unwrap().map(|e| e.unwrap().file_name());
    entries.filter(|name| !name.to_str().unwrap().starts_with('.') && name != "by-diff").count()
}

/// A column of a class in `system df`.
fn usage(sb: &Sandbox, class: &str, field: &str) -> String {
    let out = sb.dhow(["system", "df", "--format", &format!("{{{{.Type}}}}={{{{.{field}}}}}")]).ok();
    let found = out.lines().into_iter().find_map(|line| line.strip_prefix(&format!("{class}=")).map(str::to_owned));
    found.unwrap_or_else(|| panic!("no {class}\n{out}"))
}

#[test]
fn a_removed_image_leaves_its_steps_in_the_cache_until_that_is_pruned() {
    let sb = Sandbox::with_base();
    layered(&sb, "app", 1_000_000);
    sb.dhow(["rmi", "app"]).ok().has("Untagged: localhost/app:latest").has("Deleted: ");
    assert_eq!(usage(&sb, "Build Cache", "Size"), "1MB");
    let again = sb.dhow(["build", "--network=none", "-t", "app", "app"]).ok();
    assert!(again.stdout.contains("Using cache"), "{again}");
    sb.dhow(["rmi", "app"]).ok();
    sb.dhow(["builder", "prune", "--dry-run"]).ok().has("Total that would be reclaimed: 1MB");
    assert_eq!(count(&sb, "layers"), 2);
    sb.dhow(["builder", "prune", "-f"]).ok().has("Total reclaimed space: 1MB");
    assert_eq!((count(&sb, "layers"), usage(&sb, "Build Cache", "Size").as_str()), (1, "0B"));
    sb.dhow(["run", "--rm", "--network=none", "base", "true"]).ok();
}

#[test]
fn layers_of_several_images_are_counted_once() {
    let sb = Sandbox::with_base();
    sb.dhow(["tag", "base", "other"]).ok();
    layered(&sb, "app", 1_000_000);
    let base: u64 = sb.dhow(["inspect", "-f", "{{.Size}}", "base"]).ok().text().parse().unwrap();
    let json = sb.dhow(["system", "df", "--format", "json"]).ok();
    assert!(json.stdout.contains(&format!("\"RawSize\": {}", base + 1_000_000)), "{base} {json}");
    let detail = sb.dhow(["system", "df", "-v"]).ok();
    let line = detail.lines().into_iter().find(|l| l.starts_with("localhost/app ")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(&words[words.len() - 2..], ["1MB", "0"], "unique size and containers\n{detail}");
    let table = sb.dhow(["system", "df"]).ok();
    let heads: Vec<&str> = table.lines()[0].split_whitespace().collect();
    assert_eq!(heads, ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]);
    assert!(table.stdout.contains("Build cache budget: "), "{table}");
}

#[test]
fn prunes_take_what_nothing_uses_and_nothing_else() {
    let sb = Sandbox::with_base();
    layered(&sb, "used", 1000);
    layered(&sb, "free", 1000);
    let dangling = layered(&sb, "again", 1000);
    sb.write("again/Dockerfile", "FROM base\nRUN echo other > /again\n");
    sb.dhow(["build", "--network=none", "-t", "again", "again"]).ok();
    let run = |name: &str, image: &str| {
        sb.dhow(["run", "-d", "--network=none", "--name", name, "-v", "data:/data", image, "sleep", "1000"]).ok()
    };
    run("live", "used");
    run("dead", "free");
    sb.dhow(["stop", "-t", "0", "dead"]).ok();

    sb.dhow(["image", "prune"]).stdin("n\n").ok().has("dangling").has("[y/N]");
    sb.dhow(["image", "prune"]).fails(125).says("question");
    let pruned = sb.dhow(["image", "prune"]).stdin("y\n").ok();
    assert_eq!(pruned.lines().last().unwrap().rsplit(' ').next(), dangling.lines().last().copied(), "{pruned}");
    sb.dhow(["image", "prune", "-a", "-f", "--filter", "label=x"]).ok();
    sb.dhow(["image", "prune", "-a", "-f", "--filter", "until=1h"]).ok();
    assert_eq!(sb.dhow(["images", "-q"]).ok().lines().len(), 4);
    sb.dhow(["volume", "prune", "-a", "-f"]).ok();
    sb.dhow(["volume", "exists", "data"]).ok();

    assert_eq!(sb.dhow(["container", "prune", "-f"]).ok().lines().len(), 1);
    assert_eq!(sb.dhow(["ps", "-aq"]).ok().lines().len(), 1);
    sb.dhow(["system", "prune", "-a", "-f", "--volumes"]).ok().has("Deleted Images").has("Total reclaimed space: ");
    assert_eq!(sb.dhow(["images", "--format", "{{.Repository}}"]).ok().text(), "localhost/used");
    sb.dhow(["volume", "exists", "data"]).ok();
    sb.dhow(["exec", "live", "test", "-e", "/used"]).ok();
    sb.dhow(["rm", "-f", "live"]).ok();
    sb.dhow(["system", "prune", "-a", "-f", "--volumes"]).ok();
    for folder in ["layers", "layers/by-diff", "images", "blobs/sha256", "cache/steps", "volumes"] {
        let left = count(&sb, folder) - usize::from(folder == "images"); // holds the folder of names
        assert_eq!(left, 0, "{folder}");
    }
}

#[test]
fn any_prune_sweeps_what_killed_commands_left() {
    let sb = Sandbox::with_base();
    let store = sb.store();
    let make = |name: &str| {
        fs::create_dir_all(store.join(name)).unwrap();
        fs::write(store.join(name).join("f"), [0; 1000]).unwrap();
    };
    make("staging/0123456789abcdef/0/fs");
    make("layers/0123456789abcdef/fs");
    make(&format!("containers/{}/upper", "ab".repeat(32)));
    make("volumes/.0123456789abcdef/_data");
    fs::write(store.join("layers/by-diff").join("cd".repeat(32)), "0123456789abcdef").unwrap();
    fs::write(store.join("blobs/sha256").join("ef".repeat(32)), "x").unwrap();
    fs::write(store.join("cache/steps/00.json"), "{").unwrap();
    let temporary = store.join("images/.x.json.123456789abc.tmp");
    fs::File::create(&temporary).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    sb.dhow(["system", "df"]).ok().has("Leftovers of killed commands: 4, 4kB");
    sb.dhow(["container", "prune", "-f"]).ok();
    let left = ["staging", "layers/0123456789abcdef", "volumes", "cache/steps/00.json"].map(|name| {
        let path = store.join(name);
        if path.is_dir() { fs::read_dir(&path).unwrap().count() } else { usize::from(path.exists()) }
    });
    assert_eq!(left, [0; 4]);
    assert!(!temporary.exists() && count(&sb, "containers") == 1 && count(&sb, "layers/by-diff") == 1);
    sb.dhow(["run", "--rm", "--network=none", "base", "true"]).ok();
}

#[test]
fn the_cache_is_trimmed_to_its_budget_least_recently_used_first() {
    let sb = Sandbox::with_base();
    let build = |name: &str, budget: &str| {
        sb.write(format!("{name}/Dockerfile"), format!("FROM base\nRUN head -c 1000000 /dev/urandom > /{name}\n"));
        sb.dhow(["build", "--network=none", "-t", name, name]).env("DHOW_CACHE_BUDGET", budget).ok()
    };
    for name in ["one", "two"] {
        build(name, "unlimited");
        sb.dhow(["rmi", name]).ok();
    }
    assert_eq!(usage(&sb, "Build Cache", "Size"), "2MB");
    // In use, and so no part of what counts.
    build("three", "1.5MB");
    assert_eq!(usage(&sb, "Build Cache", "Size"), "1MB");
    assert!(build("two", "1.5MB").stdout.contains("Using cache"), "the later one should have stayed");
    assert!(!build("one", "0").stdout.contains("Using cache"));
    assert_eq!(usage(&sb, "Build Cache", "Size"), "0B");
    sb.dhow(["run", "--rm", "--network=none", "three", "test", "-e", "/three"]).ok();
    assert_ne!(build("four", "much").stderr, "", "a budget that is no size is told");
}

#[test]
fn rmi_by_force_takes_the_containers_with_the_image() {
    let sb = Sandbox::with_base();
    sb.dhow(["run", "-d", "--network=none", "--name=live", "base", "sleep", "1000"]).ok();
    sb.dhow(["run", "--network=none", "--name=dead", "base", "true"]).ok();
    sb.dhow(["tag", "base", "other"]).ok();
    sb.dhow(["rmi", "other"]).ok();
    let out = sb.dhow(["rmi", "nothing", "base", "none"]).fails(2);
    assert!(out.stderr.contains("in use") && out.stderr.matches("no such image").count() == 2, "{out}");
    sb.dhow(["rmi", "-f", "base"]).ok().has("Untagged: localhost/base:latest");
    assert_eq!(sb.dhow(["ps", "-aq"]).ok().text(), "");
    sb.dhow(["rmi", "-i", "base"]).ok();
    sb.dhow(["rmi", "base"]).fails(1);
}

#[test]
fn prunes_beside_builds_disturb_nobody() {
    let sb = Sandbox::with_base();
    let text = |n: u32| format!("FROM base\nRUN echo {n} > /a\nRUN cat /a > /b\nCOPY Dockerfile /d\nRUN cat /d > /e\n");
    for n in 0..2 {
        sb.write(format!("ctx{n}/Dockerfile"), text(n));
    }
    for round in 0..3 {
        let start = |n: u32| sb.dhow(["build", "--network=none", "-t", &format!("i{n}"), &format!("ctx{n}")]).spawn();
        let builds = [start(0), start(1)];
        for _ in 0..4 {
            sb.dhow(["builder", "prune", "-a", "-f"]).ok();
            sb.dhow(["system", "prune", "-f"]).ok();
        }
        builds.into_iter().for_each(|running| drop(running.wait().success()));
        for n in 0..2 {
            let image = format!("i{n}");
            let out = sb.dhow(["run", "--rm", "--network=none", &image, "cat", "/b"]).ok();
            assert_eq!(out.text(), n.to_string(), "round {round}");
        }
    }
    sb.assert_clean();
}

/// Runs `script` in a user namespace whose root is the caller, with an empty file system in memory on `disk`.
fn on_small_disk(sb: &Sandbox, script: &str) -> Output {
    // In there the caller is root, whose sub-ids are those that the namespace has.
    sb.write("etc/subuid", "root:1:65535\n");
    sb.write("etc/subgid", "root:1:65535\n");
    fs::create_dir(sb.path("disk")).unwrap();
    sb.write("script", format!("set -eu\nmount -t tmpfs -o size=24m,nr_inodes=2000,mode=700 none disk\n{script}\n"));
    sb.program("unshare", ["--user", "--mount", "--map-root-user", "--map-auto", "sh", "script"])
        .env("DHOW_TEST_ETC", sb.path("etc"))
        .env("DHOW_ROOT", sb.path("disk/store"))
        .env("dhow", sb.binary())
        .run()
}

#[test]
fn removal_works_on_a_disk_with_neither_room_nor_inodes() {
    if lacks("unshare") {
        return;
    }
    let sb = Sandbox::with_base();
    sb.dhow(["save", "-o", "base.tar", "base"]).ok();
    let fill = "head -c 100m /dev/zero > disk/full 2>/dev/null || true; i=0
        while true > disk/i$i; do i=$((i + 1)); done 2>/dev/null; ! true 2>/dev/null > disk/one-more";
    for (name, inodes) in [("room", false), ("inodes", true)] {
        let fill = if inodes { fill } else { &fill[..fill.find(';').unwrap()] };
        let script = format!(
            "$dhow load -q -i base.tar >/dev/null
            printf 'FROM base\\nRUN echo x > /x\\n' > Dockerfile
            $dhow build -q --network=none -t app - < Dockerfile >/dev/null
            $dhow run --network=none --name a app true; $dhow run --network=none --name b app true
            {fill}
            $dhow rm a; $dhow container prune -f; $dhow rmi app; $dhow system df; $dhow system prune -a -f
            echo layers: $(ls disk/store/layers | grep -vc by-diff); ls disk/store/staging
            rm -f disk/i* disk/full; $dhow load -q -i base.tar; $dhow run --rm --network=none base echo runs"
        );
        let out = on_small_disk(&sb, &script);
        if out.stderr.contains("unshare:") || out.stderr.contains("mount:") {
            return skip(&format!("no file system can be mounted in a user namespace here: {}", out.stderr));
        }
        let out = out.success().has("Untagged: localhost/app:latest").has("layers: 0").has("runs");
        assert_eq!(out.stderr, "", "{name}\n{out}");
        fs::remove_dir_all(sb.path("disk")).unwrap();
    }
}

#[test]
fn a_damaged_record_keeps_every_layer_and_the_prune_says_so() {
    let sb = Sandbox::with_base();
    layered(&sb, "app", 1000);
    let record = image_records(&sb.store()).pop().unwrap();
    let good = fs::read(&record).unwrap();
    fs::write(&record, "{").unwrap();
    sb.dhow(["system", "prune", "-a", "-f"]).ok().says("damaged");
    assert_eq!(count(&sb, "layers"), 2);
    fs::write(&record, good).unwrap();
    sb.dhow(["images"]).ok();
    sb.dhow(["system", "prune", "-a", "-f"]).ok();
    assert_eq!(count(&sb, "layers"), 0);
}

fn image_records(store: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(store.join("images")).unwrap().map(|e| e.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|e| e == "json")).collect()
}
