//! A real distribution: a Debian root file system brought in as an image, a program installed in it by its own package
//! manager, an application on top; and everything that only such a tree has: owners, set-uid programs, hard links, file
//! capabilities, FIFOs.

use crate::support::{Sandbox, fixtures, skip};

/// The image `debian` in a fresh store; nothing, and the test is skipped, where none can be made.
#[track_caller]
fn debian() -> Option<Sandbox> {
    let rootfs = fixtures::debian_rootfs()?;
    let sb = Sandbox::new();
    sb.dhow(["import", "-c", "CMD bash"]).arg(rootfs).arg("debian").deadline(300).ok();
    Some(sb)
}

#[test]
fn owners_links_and_capabilities_are_the_images_own() {
    let Some(sb) = debian() else { return };
    let run = |image: &str, text: &str| {
        sb.dhow(["run", "--rm", "--network=none", image, "bash", "-c", text]).ok().text().to_owned()
    };
    assert_eq!(run("debian", "id"), "uid=0(root) gid=0(root) groups=0(root)");
    let look = "cd /odd; stat -c '%n %u:%g %a %F' owned setuid sticky fifo empty; stat -c %h file hardlink deep/hardlink; \
        test file -ef deep/hardlink && echo same; readlink symlink; cat grün; echo; stat -c '%s' sparse; getcap capable; \
        ls -d 0*/0*/0* | wc -c; stat -c '%U:%G %a' /usr/bin/passwd /usr/bin/wall /var/mail; cat file deep/hardlink";
    let expected = "owned 12345:54321 640 regular file\nsetuid 0:0 6755 regular file\nsticky 0:0 3777 directory\n\
        fifo 0:0 644 fifo\nempty 0:0 644 regular empty file\n3\n3\n3\nsame\n../odd/file\numlaut\n3145729\n\
        capable cap_net_admin,cap_net_raw=ep\n363\n";
    let seen = run("debian", look);
    assert!(seen.starts_with(expected), "{seen}");
    assert!(seen.contains("root:root 4755") && seen.contains("root:mail 2775"), "{seen}");
    assert!(seen.ends_with("one\none"), "{seen}");

    // The same after a build has copied the whole tree, and after a step has removed one of the links.
    sb.write("ctx/Dockerfile", "FROM debian AS d\nFROM scratch\nCOPY --from=d / /\nENV PATH=/usr/sbin:/usr/bin\n");
    sb.dhow(["build", "-q", "--network=none", "-t", "copy", "ctx"]).deadline(300).ok();
    assert_eq!(run("copy", look), seen, "a copied tree differs");
    sb.write("ctx/Dockerfile", "FROM debian\nRUN rm /odd/file && chmod 700 /odd/deep\n");
    sb.dhow(["build", "-q", "--network=none", "-t", "changed", "ctx"]).ok();
    assert_eq!(run("changed", "cat /odd/deep/hardlink /odd/hardlink; ls /odd/file 2>&1 | wc -l"), "one\none\n1");
}

#[test]
fn users_of_the_image_are_real_and_rights_end_at_them() {
    let Some(sb) = debian() else { return };
    let run =
        |user: &str, text: &str| sb.dhow(["run", "--rm", "--network=none", "-u", user, "debian", "bash", "-c", text]);
    assert_eq!(run("daemon", "id -un; cat /etc/shadow 2>/dev/null || echo refused").ok().text(), "daemon\nrefused");
    assert_eq!(run("12345", "cat /odd/owned").ok().text(), "owned");
    run("1:1", "cat /odd/owned").fails(1).says("Permission denied");
    // No new rights by a set-uid program: the default profile forbids them.
    assert_eq!(
        run("1:1", "cp /odd/setuid /tmp/x && /odd/setuid; grep NoNewPrivs /proc/self/status").ok().text(),
        "NoNewPrivs:\t1"
    );
}

const DOCKERFILE: &str = r#"FROM debian
ENV DEBIAN_FRONTEND=noninteractive GREETING=hello
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-minimal \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home app
WORKDIR /srv/app
COPY --chown=app src/ .
USER app
ENTRYPOINT ["python3", "hello.py"]
"#;

const APPLICATION: &str = r#"import os, pwd, sys
print("user", pwd.getpwuid(os.getuid()).pw_name, "in", os.getcwd())
print(os.environ["GREETING"], sys.argv[1:], "from python", sys.version_info[0])
"#;

#[test]
fn an_application_is_installed_built_and_answers() {
    let Some(sb) = debian() else { return };
    sb.write("app/Dockerfile", DOCKERFILE);
    sb.write("app/src/hello.py", APPLICATION);
    let built = sb.dhow(["build", "--network=host", "-t", "app", "app"]).deadline(600).run();
    if built.code == 100 {
        return skip(&format!(
            "the package servers cannot be reached: {}",
            built.stderr.lines().next_back().unwrap_or("")
        ));
    }
    built.success();
    let out = sb.dhow(["run", "--rm", "--network=none", "app", "a", "b c"]).ok();
    assert_eq!(out.stdout, "user app in /srv/app\nhello ['a', 'b c'] from python 3\n");
    // A change of the application does not install anything again.
    sb.write("app/src/hello.py", format!("{APPLICATION}print('changed')\n"));
    let again = sb.dhow(["build", "--network=host", "-t", "app", "app"]).ok();
    assert_eq!(again.stdout.matches("Using cache").count(), 3, "{again}");
    sb.dhow(["run", "--rm", "--network=none", "app"]).ok().has("changed");
}
