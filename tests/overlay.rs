//! Root file systems of many layers, and the way in which kernels before 6.8 are given them, taken here on demand.

use crate::support::{Dhow, Sandbox, skip};

/// A dhow command that mounts as on an older kernel.
fn old<const N: usize>(sb: &Sandbox, words: [&str; N]) -> Dhow {
    sb.dhow(words).env("DHOW_TEST_OVERLAY", "string")
}

/// Whether the program has the switch at all.
fn has_switch() -> bool {
    if !cfg!(debug_assertions) {
        skip("release builds have no switch for the way of older kernels");
    }
    cfg!(debug_assertions)
}

#[test]
fn layers_in_one_string_build_run_and_commit() {
    if !has_switch() {
        return;
    }
    let sb = Sandbox::with_base();
    let dockerfile = "FROM base AS first\nRUN mkdir -p /d/e && echo 1 >/d/a && echo 2 >/d/e/b && echo 3 >/f\n\
                      RUN rm -r /d/e /f && mkdir /d/e && echo new >/d/e/c\nFROM base\nCOPY --from=first /d /d\n\
                      RUN test ! -e /d/e/b && rm /d/a\n";
    sb.write("app/Dockerfile", dockerfile);
    old(&sb, ["build", "--network=none", "-t", "app", "app"]).ok();
    let script = "find /d | sort; grep ' / ' /proc/mounts; echo note >/note; sleep 100";
    old(&sb, ["run", "-d", "--network=none", "--name=box", "app", "sh", "-c", script]).ok();
    sb.until("the program has written", || sb.dhow(["exec", "box", "test", "-s", "/note"]).run().code == 0);
    let seen = sb.dhow(["logs", "box"]).ok();
    assert!(seen.stdout.starts_with("/d\n/d/e\n/d/e/c\noverlay / "), "{seen}");
    let lower = seen.stdout.split("lowerdir=").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
    let numbers = lower.split(':').all(|name| name.parse::<u32>().is_ok());
    assert!(numbers && lower.split(':').count() == 4, "not mounted by one string of numbers: {seen}");
    old(&sb, ["commit", "box", "copy"]).ok();
    sb.dhow(["rm", "-f", "box"]).ok();
    old(&sb, ["run", "--rm", "--network=none", "copy", "cat", "/note"]).ok().has("note\n");
}

#[test]
fn as_many_layers_as_the_kernel_takes() {
    let sb = Sandbox::with_base();
    // One layer of the base and one for each step; a start puts the stub below them.
    let steps: String = (0..499).map(|n| format!("COPY f /f{n}\n")).collect();
    sb.write("many/f", "x");
    sb.write("many/Dockerfile", format!("FROM base\n{}", steps.lines().take(498).collect::<Vec<_>>().join("\n")));
    sb.write("many/more", format!("FROM base\n{steps}"));
    let count = |dhow: Dhow| dhow.args(["sh", "-c", "ls -d /f[0-9]* | wc -l"]).ok().has("498\n");
    if cfg!(debug_assertions) {
        old(&sb, ["build", "-q", "-t", "many", "many"]).deadline(600).ok();
        count(old(&sb, ["run", "--rm", "--network=none", "many"]));
    }
    sb.dhow(["build", "-q", "-t", "many", "many"]).deadline(600).ok();
    count(sb.dhow(["run", "--rm", "--network=none", "many"]));
    sb.dhow(["build", "-q", "-t", "more", "-f", "many/more", "many"]).deadline(600).ok();
    sb.dhow(["run", "--rm", "--network=none", "more", "true"]).fails(125).says("501 layers, and the kernel takes 500");
}
