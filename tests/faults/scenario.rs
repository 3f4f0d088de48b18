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
    /// Makes another layer or configuration each time (they hold times): those of a killed run stay for a prune.
    pub grows_cache: bool,
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
    sb.dhow(["run", "--network=none", "--name=box", "base", "sh", "-c", "echo changed > /changed"]).ok();
}

fn living(sb: &Sandbox) {
    sb.dhow(["run", "-d", "--network=none", "--name=box", "base", "sleep", "1000"]).ok();
}

fn build(sb: &Sandbox) -> Dhow {
    sb.dhow(["build", "-q", "--network=none", "-t", "app", "app"])
}

const PLAIN: Scenario =
    Scenario { name: "", before: nothing, act: |sb| sb.dhow(["ps"]), undo: nothing, grows_cache: false };

/// All of them.
pub const ALL: &[Scenario] = &[
    Scenario { name: "build", act: build, undo: no_app, grows_cache: true, ..PLAIN },
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
        undo: |sb| drop(fs::remove_dir_all(sb.store().join("volumes/fresh"))),
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
        grows_cache: true,
    },
    Scenario { name: "rm", before: ended, act: |sb| sb.dhow(["rm", "box"]), undo: no_box, ..PLAIN },
    Scenario { name: "rm -f", before: living, act: |sb| sb.dhow(["rm", "-f", "box"]), undo: no_box, ..PLAIN },
    Scenario { name: "stop", before: living, act: |sb| sb.dhow(["stop", "-t", "0", "box"]), undo: no_box, ..PLAIN },
    Scenario {
        name: "rmi",
        before: |sb| drop(sb.dhow(["load", "-q", "-i", "app.tar"]).ok()),
        act: |sb| sb.dhow(["rmi", "app"]),
        undo: no_app,
        ..PLAIN
    },
    Scenario {
        name: "tag",
        act: |sb| sb.dhow(["tag", "base", "extra"]),
        undo: |sb| away(sb, &["rmi", "extra"]),
        ..PLAIN
    },
    Scenario {
        name: "save",
        act: |sb| sb.dhow(["save", "-o", "out.tar", "base"]),
        undo: |sb| {
            let _ = fs::remove_file(sb.path("out.tar"));
            // Beside a file of the user's own, where no later command looks for it.
            let parts = fs::read_dir(sb.work()).unwrap().map(|e| e.unwrap().path());
            parts.filter(|p| p.extension().is_some_and(|e| e == "part")).for_each(|p| fs::remove_file(p).unwrap());
        },
        ..PLAIN
    },
    Scenario {
        name: "the first command of all",
        act: |sb| sb.dhow(["images"]).env("DHOW_ROOT", sb.path("new")),
        undo: |sb| drop(fs::remove_dir_all(sb.path("new"))),
        ..PLAIN
    },
    Scenario {
        name: "rm -a after a killed command",
        before: |sb| {
            fs::create_dir_all(sb.store().join("staging/0123456789abcdef")).unwrap();
            fs::create_dir_all(sb.store().join("staging/.fedcba9876543210")).unwrap();
        },
        act: |sb| sb.dhow(["rm", "-a"]),
        ..PLAIN
    },
];

/// A sandbox in which every scenario can run: the image `base`, an archive of the image `app`, a volume with data.
pub fn sandbox() -> Sandbox {
    let sb = Sandbox::with_base();
    sb.write("app/Dockerfile", "FROM base\nCOPY Dockerfile /copied\nRUN echo text > /written && rm /bin/yes\n");
    build(&sb).ok();
    sb.dhow(["save", "-q", "-o", "app.tar", "app"]).ok();
    sb.dhow(["rmi", "app"]).ok();
    let write = format!("echo -n '{KEPT}' > /data/kept");
    sb.dhow(["run", "--rm", "--network=none", "-v", "data:/data", "base", "sh", "-c", &write]).ok();
    sb
}
