//! The commands that are disturbed, each with what it needs before and what undoes it.

use std::fs;

use crate::support::{Dhow, Sandbox};

/// What the volume `data` holds through everything.
pub const KEPT: &str = "what people keep in volumes";

/// A command to be disturbed.
pub struct Scenario {
    /// For messages.
    pub name: &'static str,
    /// Makes what the command needs.
    pub before: fn(&Sandbox),
    /// The command.
    pub act: fn(&Sandbox) -> Dhow,
    /// Undoes it, done or half done.
    pub undo: fn(&Sandbox),
}

fn nothing(_: &Sandbox) {}

/// Removes what may not be there.
fn away(sb: &Sandbox, words: &[&str]) {
    let _ = sb.dhow(words.iter().copied()).run();
}

fn no_box(sb: &Sandbox) {
    sb.dhow(["rm", "-f", "box"]).ok();
}

fn no_app(sb: &Sandbox) {
    away(sb, &["rmi", "-f", "app"]);
}

fn ended(sb: &Sandbox) {
    let change = "head -c 3000000 /dev/urandom > /changed";
    sb.dhow(["run", "--network=none", "--name=box", "base", "sh", "-c", change]).ok();
}

fn living(sb: &Sandbox) {
    sb.dhow(["run", "-d", "--network=none", "--name=box", "base", "sleep", "1000"]).ok();
}

fn no_volume(sb: &Sandbox) {
    away(sb, &["volume", "rm", "-f", "fresh"]);
}

fn volume(sb: &Sandbox) {
    sb.dhow(["volume", "create", "fresh"]).ok();
    sb.dhow(["run", "--rm", "--network=none", "-v", "fresh:/v", "base", "touch", "/v/file"]).ok();
}

fn load(sb: &Sandbox) {
    sb.dhow(["load", "-q", "-i", "app.tar"]).ok();
}

/// Something for every kind of prune.
fn all_kinds(sb: &Sandbox) {
    build(sb).ok();
    sb.dhow(["tag", "app", "copy"]).ok();
    ended(sb);
    volume(sb);
}

fn nothing_of_these(sb: &Sandbox) {
    no_box(sb);
    no_volume(sb);
    away(sb, &["rmi", "-f", "copy"]);
    no_app(sb);
}

fn build(sb: &Sandbox) -> Dhow {
    sb.dhow(["build", "-q", "--network=none", "-t", "app", "app"])
}

const PLAIN: Scenario = Scenario { name: "", before: nothing, act: |sb| sb.dhow(["ps"]), undo: nothing };

/// All of them.
pub const ALL: &[Scenario] = &[
    Scenario { name: "build", act: build, undo: no_app, ..PLAIN },
    Scenario { name: "load", act: |sb| sb.dhow(["load", "-q", "-i", "app.tar"]), undo: no_app, ..PLAIN },
    Scenario {
        name: "run --rm",
        act: |sb| sb.dhow(["run", "--rm", "--network=none", "-v", "data:/data", "base", "cat", "/data/kept"]),
        ..PLAIN
    },
    Scenario {
        name: "run",
        act: |sb| sb.dhow(["run", "--network=none", "--name=box", "-v", "data:/data", "base", "touch", "/x"]),
        undo: no_box,
        ..PLAIN
    },
    Scenario {
        name: "run -d",
        act: |sb| sb.dhow(["run", "-d", "--network=none", "--name=box", "base", "sleep", "1000"]),
        undo: no_box,
        ..PLAIN
    },
    Scenario {
        name: "run with a new volume",
        act: |sb| sb.dhow(["run", "--rm", "--network=none", "-v", "fresh:/v", "base", "true"]),
        undo: no_volume,
        ..PLAIN
    },
    Scenario {
        name: "commit",
        before: ended,
        act: |sb| sb.dhow(["commit", "box", "copy"]),
        undo: |sb| {
            no_box(sb);
            away(sb, &["rmi", "-f", "copy"]);
        },
    },
    Scenario { name: "rm", before: ended, act: |sb| sb.dhow(["rm", "box"]), undo: no_box },
    Scenario { name: "rm -f", before: living, act: |sb| sb.dhow(["rm", "-f", "box"]), undo: no_box },
    Scenario { name: "stop", before: living, act: |sb| sb.dhow(["stop", "-t", "0", "box"]), undo: no_box },
    Scenario { name: "rmi", before: load, act: |sb| sb.dhow(["rmi", "app"]), undo: no_app },
    Scenario {
        name: "tag",
        act: |sb| sb.dhow(["tag", "base", "extra"]),
        undo: |sb| away(sb, &["rmi", "extra"]),
        ..PLAIN
    },
    Scenario {
        name: "save",
        act: |sb| sb.dhow(["save", "-o", "out.tar", "base"]),
        // What a killed one has left beside the target, the next one takes away.
        undo: |sb| drop(fs::remove_file(sb.path("out.tar"))),
        ..PLAIN
    },
    Scenario {
        name: "the first command of all",
        act: |sb| sb.dhow(["images"]).env("DHOW_ROOT", sb.path("new")),
        undo: |sb| drop(fs::remove_dir_all(sb.path("new"))),
        ..PLAIN
    },
    Scenario {
        name: "container prune after a killed command",
        before: |sb| {
            fs::create_dir_all(sb.store().join("staging/0123456789abcdef")).unwrap();
            fs::create_dir_all(sb.store().join("staging/.fedcba9876543210")).unwrap();
        },
        act: |sb| sb.dhow(["container", "prune", "-f", KEEP]),
        ..PLAIN
    },
    Scenario {
        name: "build --squash",
        act: |sb| sb.dhow(["build", "-q", "--network=none", "--squash", "-t", "app", "app"]),
        undo: no_app,
        ..PLAIN
    },
    Scenario {
        name: "build over its budget",
        before: |sb| {
            build(sb).ok();
            no_app(sb);
        },
        act: |sb| {
            let words = ["build", "-q", "--network=none", "--build-arg=OTHER=1", "-t", "app", "app"];
            sb.dhow(words).env("DHOW_CACHE_BUDGET", "0")
        },
        undo: no_app,
    },
    Scenario { name: "image prune", before: load, act: |sb| sb.dhow(["image", "prune", "-a", "-f"]), undo: no_app },
    Scenario {
        name: "builder prune",
        before: |sb| drop(build(sb).ok()),
        act: |sb| sb.dhow(["builder", "prune", "-a", "-f"]),
        undo: no_app,
    },
    Scenario {
        name: "system prune",
        before: all_kinds,
        act: |sb| sb.dhow(["system", "prune", "-a", "-f", "--volumes", KEEP]),
        undo: nothing_of_these,
    },
    Scenario { name: "volume rm", before: volume, act: |sb| sb.dhow(["volume", "rm", "fresh"]), undo: no_volume },
    Scenario {
        name: "export",
        act: |sb| sb.dhow(["export", "-o", "out.tar", "keeper"]),
        undo: |sb| drop(fs::remove_file(sb.path("out.tar"))),
        ..PLAIN
    },
    Scenario { name: "import", act: |sb| sb.dhow(["import", "-q", "root.tar", "app"]), undo: no_app, ..PLAIN },
    Scenario {
        name: "check --repair",
        before: |sb| drop(fs::remove_dir_all(sb.store().join("layers/by-diff"))),
        act: |sb| sb.dhow(["system", "check", "--quick", "--repair"]),
        ..PLAIN
    },
];

/// Spares the container `keeper`, and so the image `base` and the volume `data`.
pub const KEEP: &str = "--filter=label!=keep";

/// A sandbox in which every scenario can run: the image `base`, an archive of the image `app`, a volume with data, and the
/// container `keeper`, which holds image and volume through every prune.
pub fn sandbox() -> Sandbox {
    let sb = Sandbox::with_base();
    sb.write(
        "app/Dockerfile",
        "FROM base\nARG OTHER\nCOPY Dockerfile /copied\n\
         RUN --mount=type=cache,target=/cache echo text | tee /cache/text > /written && rm /bin/yes\n\
         RUN head -c 3000000 /dev/urandom > /large\n",
    );
    build(&sb).ok();
    sb.dhow(["save", "-q", "-o", "app.tar", "app"]).ok();
    sb.dhow(["rmi", "app"]).ok();
    let write = format!("echo -n '{KEPT}' > /data/kept");
    let keeper = ["run", "--network=none", "--name=keeper", "--label=keep", "-v", "data:/data", "base"];
    sb.dhow(keeper.into_iter().chain(["sh", "-c", &write])).ok();
    sb.dhow(["export", "-o", "root.tar", "keeper"]).ok();
    sb
}
