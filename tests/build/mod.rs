//! `dhow build` on real Dockerfiles: what the language means (`language`), what happens to files (`files`, and rule by
//! rule `rules_copy`), where they come from (`contexts`, `remote`), what steps are given besides (`mounts`), what goes on at
//! the same time (`parallel`), what is cached and why not (`cache`), what is likely a mistake
//! (`checks`), where the result goes and what is asked of it (`output`), and how builds fail and end (`failures`).

mod cache;
mod checks;
mod contexts;
mod failures;
mod files;
mod language;
mod mounts;
mod output;
mod parallel;
mod remote;
mod rules;
mod rules_cache;
mod rules_config;
mod rules_copy;
mod rules_run;

use crate::support::{Output, Sandbox};

/// Tars of one empty file `f`, as xz and bzip2 compress them.
const XZ: &[u8] = include_bytes!("../../src/layer/testdata/tar.xz");
const BZIP2: &[u8] = include_bytes!("../../src/layer/testdata/tar.bz2");

/// Builds `dockerfile` in the folder `name`, tagged `name`, without a network: nothing here needs one, and a connected
/// one needs a helper that may be missing.
#[track_caller]
fn build(sb: &Sandbox, name: &str, dockerfile: &str) -> Output {
    sb.write(format!("{name}/Dockerfile"), dockerfile);
    again(sb, name)
}

/// Builds the folder `name` once more, as it is now.
#[track_caller]
fn again(sb: &Sandbox, name: &str) -> Output {
    sb.dhow(["build", "--network", "none", "-t", name, name]).ok()
}

/// Builds `dockerfile` in the folder `name` and asks for exit code `code`, and that nothing half made stays.
#[track_caller]
fn refused(sb: &Sandbox, name: &str, dockerfile: &str, code: i32) -> Output {
    sb.write(format!("{name}/Dockerfile"), dockerfile);
    let out = sb.dhow(["build", "--network", "none", "-t", name, name]).fails(code);
    sb.assert_clean();
    out
}

/// What `script` prints in a container of `image`.
#[track_caller]
fn shell(sb: &Sandbox, image: &str, script: &str) -> String {
    sb.dhow(["run", "--rm", "--network", "none", image, "sh", "-c", script]).ok().text().to_owned()
}

/// A field of an image, by a template.
#[track_caller]
fn field(sb: &Sandbox, image: &str, template: &str) -> String {
    sb.dhow(["inspect", "-f", template, image]).ok().text().to_owned()
}

/// The image's id: the last line of a build.
fn id(out: &Output) -> String {
    out.lines().last().copied().unwrap_or_default().to_owned()
}

/// How often steps were found in the cache.
fn hits(out: &Output) -> usize {
    out.stdout.matches("Using cache").count()
}
