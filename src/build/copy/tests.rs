//! The numbered rules of COPY and ADD, each by what ends up in the destination.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::build::index::ContentDigest;
use crate::error::Result;

/// A context `c` and a destination `d` in a temporary folder.
struct Case {
    dir: tempfile::TempDir,
}

/// Changes one field of a request.
type Tweak = fn(&mut Request);

impl Case {
    fn new(files: &[&str]) -> Case {
        let case = Case { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(case.dest("")).unwrap();
        fs::create_dir(case.source("")).unwrap();
        for file in files {
            case.write(file, file);
        }
        case
    }

    fn source(&self, path: &str) -> PathBuf {
        self.dir.path().join("c").join(path)
    }

    fn dest(&self, path: &str) -> PathBuf {
        self.dir.path().join("d").join(path)
    }

    /// Writes a file of the context; a name that ends in `/` makes a folder.
    fn write(&self, path: &str, text: &str) {
        let full = self.source(path);
        if path.ends_with('/') {
            return fs::create_dir_all(full).unwrap();
        }
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
    }

    fn context(&self) -> Context {
        Context::open(&self.source(""), &self.dir.path().join("Dockerfile"), &self.dir.path().join("cache")).unwrap()
    }

    fn run<T>(
        &self,
        sources: &[&str],
        dest: &str,
        tweak: Tweak,
        work: impl FnOnce(&Source, &[Selected], &Request) -> Result<T>,
    ) -> Result<T> {
        let context = self.context();
        let sources: Vec<String> = sources.iter().map(|s| s.to_string()).collect();
        let me = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let mut request = Request { sources: &sources, dest, workdir: "/w", owner: Some(me), ..Request::default() };
        tweak(&mut request);
        let source = Source::Context(&context);
        let selected = select(&source, &request)?;
        let done = work(&source, &selected, &request);
        context.save_index().unwrap();
        done
    }

    fn copy_with(&self, sources: &[&str], dest: &str, tweak: Tweak) -> Result<Outcome> {
        let root = Root::open(&self.dest("")).unwrap();
        self.run(sources, dest, tweak, |source, selected, request| execute(source, selected, request, &root))
    }

    fn copy(&self, sources: &[&str], dest: &str) -> Result<()> {
        self.copy_with(sources, dest, |_| ()).map(|outcome| assert_eq!(outcome.changed, None))
    }

    fn digest_with(&self, sources: &[&str], tweak: Tweak) -> ContentDigest {
        self.run(sources, "/x", tweak, digest).unwrap()
    }

    fn digest(&self, sources: &[&str]) -> ContentDigest {
        self.digest_with(sources, |_| ())
    }

    /// All paths in the destination, sorted; folders end in `/`.
    fn written(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut todo = vec![self.dest("")];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap()) {
                let path = entry.path();
                let name = path.strip_prefix(self.dest("")).unwrap().display().to_string();
                let is_dir = entry.file_type().unwrap().is_dir();
                found.push(if is_dir { name + "/" } else { name });
                if is_dir {
                    todo.push(path);
                }
            }
        }
        found.sort();
        found
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.dest(path)).unwrap()
    }

    fn mode(&self, path: &str) -> u32 {
        fs::symlink_metadata(self.dest(path)).unwrap().mode() & 0o7777
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn message<T>(result: Result<T>) -> String {
    result.err().expect("it had to fail").to_string()
}

/// Set in a second run of the test program, to as many files as it is to copy.
const CALLS: &str = "DHOW_TEST_COPIED_FILES";

/// Selects, reads and copies; only to be watched, see below.
#[test]
fn calls_of_a_copy() {
    let Ok(files) = std::env::var(CALLS) else { return };
    let names: Vec<String> = (0..files.parse::<usize>().unwrap()).map(|n| format!("t/f{n}")).collect();
    let case = Case::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    fs::write(case.dir.path().join("start"), "").unwrap();
    let root = Root::open(&case.dest("")).unwrap();
    let work = |source: &Source, selected: &[Selected], request: &Request| {
        digest(source, selected, request)?;
        execute(source, selected, request, &root)
    };
    assert!(case.run(&["t"], "/t", |_| {}, work).unwrap().changed.is_none());
    fs::write(case.dir.path().join("end"), "").unwrap();
}

#[test]
#[allow(clippy::print_stderr)] // A skipped test says why.
fn a_copied_file_costs_few_calls() {
    /// One look, six calls to know its digest (open, look, read, attributes, look, close), eleven to copy it.
    const MOST: usize = 18;
    let calls = |files: usize| -> Option<usize> {
        let dir = tempfile::tempdir().unwrap();
        let trace = dir.path().join("trace");
        let mut program = std::process::Command::new("strace");
        program.args(["-f", "-o"]).arg(&trace).arg(std::env::current_exe().unwrap());
        program.args(["--exact", "build::copy::tests::calls_of_a_copy"]).env(CALLS, files.to_string());
        let done = program.output().ok()?;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let trace = fs::read_to_string(trace).unwrap();
        let from = trace.find("/start\"").expect("the copy began");
        let to = trace.find("/end\"").expect("the copy ended");
        // In a debug build the standard library asks before it closes anything.
        Some(trace[from..to].lines().filter(|line| !line.contains(" fcntl(")).count())
    };
    let (Some(few), Some(many)) = (calls(50), calls(250)) else {
        assert!(std::env::var_os("DHOW_TEST_NO_SKIP").is_none_or(|v| v.is_empty()), "there is no strace");
        return eprintln!("skipped: there is no strace");
    };
    let each = (many - few) as f64 / 200.0;
    assert!(each > 5.0 && each < MOST as f64 + 0.5, "{each} calls for a file");
}

#[test]
fn rule_1_folder_means_its_contents() {
    for source in ["dir", "dir/", "dir/.", "/dir", "./dir"] {
        let case = Case::new(&["dir/a", "dir/sub/b", "dir/.dot", "other"]);
        case.copy(&[source], "/x").unwrap();
        assert_eq!(case.written(), ["x/", "x/.dot", "x/a", "x/sub/", "x/sub/b"], "{source}");
        assert_eq!(case.text("x/sub/b"), "dir/sub/b");
    }
}

#[test]
fn rule_2_file_goes_into_a_folder_or_takes_the_name() {
    let case = Case::new(&["f"]);
    fs::create_dir(case.dest("have")).unwrap();
    for dest in ["/new/", "/have", "/name", "rel", ".", "deep/rel/"] {
        case.copy(&["f"], dest).unwrap();
    }
    let expected =
        ["have/", "have/f", "name", "new/", "new/f", "w/", "w/deep/", "w/deep/rel/", "w/deep/rel/f", "w/f", "w/rel"];
    assert_eq!(case.written(), expected);
    symlink("/have", case.dest("link")).unwrap();
    fs::remove_file(case.dest("have/f")).unwrap();
    case.copy(&["f"], "/link").unwrap();
    assert_eq!(case.text("have/f"), "f");
}

#[test]
fn rule_2_the_root_is_a_folder_too() {
    let case = Case::new(&["f", "d/sub/g"]);
    for source in ["f", "d"] {
        case.copy(&[source], "/").unwrap();
    }
    assert_eq!(case.written(), ["f", "sub/", "sub/g"]);
    fs::write(case.dest("file"), "").unwrap();
    assert!(message(case.copy(&["f"], "/file/")).contains("not a directory"));
    assert!(message(case.copy(&["f"], "/file/x")).contains("not a directory"));
}

#[test]
fn rule_4_sources_are_clamped_to_the_root() {
    let case = Case::new(&["f", "d/g"]);
    fs::write(case.dir.path().join("secret"), "secret").unwrap();
    case.copy(&["../../f", "/d/../../d/g"], "/x/").unwrap();
    assert_eq!(case.written(), ["x/", "x/f", "x/g"]);
    assert!(message(case.copy(&["../secret"], "/y")).contains("not found"));
}

#[test]
fn rule_5_wildcards_by_component() {
    let case = Case::new(&["sub/a/1", "sub/b/2", "sub/c", "sub/.d", "x[1]", "x1"]);
    case.copy(&["sub/*"], "/d/").unwrap();
    assert_eq!(case.written(), ["d/", "d/.d", "d/1", "d/2", "d/c"]);
    case.copy(&["x[[]1]", "su?/[a-b]/*"], "/e/").unwrap();
    assert_eq!(case.written()[5..], ["e/", "e/1", "e/2", "e/x[1]"]);
    assert!(message(case.copy(&["x["], "/e/")).contains("malformed"));
}

#[test]
fn rule_6_a_wildcard_may_match_nothing_a_name_may_not() {
    let case = Case::new(&["a"]);
    case.copy(&["*.none", "no/*"], "/x/").unwrap();
    assert!(case.written().is_empty());
    assert!(message(case.copy(&["none"], "/x/")).starts_with("COPY none: not found in the build context /"));
    assert!(message(case.copy(&["a/b"], "/x/")).contains("not found"));
}

#[test]
fn rule_6_error_names_the_ignore_line() {
    let case = Case::new(&["a.log", "dir/x"]);
    case.write(".dockerignore", "# c\n*.log\ndir\n");
    assert!(message(case.copy(&["a.log"], "/x")).ends_with("line 2 of .dockerignore (*.log) leaves it out"));
    assert!(message(case.copy(&["dir"], "/x")).ends_with("line 3 of .dockerignore (dir) leaves it out"));
    case.copy(&["*.log"], "/x").unwrap();
}

#[test]
fn rule_7_links_in_the_source_path_are_followed_inside() {
    let case = Case::new(&["real/f"]);
    fs::write(case.dir.path().join("secret"), "secret").unwrap();
    symlink("real/f", case.source("link")).unwrap();
    symlink("/real", case.source("dirlink")).unwrap();
    symlink(case.dir.path().join("secret"), case.source("out")).unwrap();
    symlink("../secret", case.source("up")).unwrap();
    case.copy(&["link", "li*"], "/x/").unwrap();
    assert_eq!(case.text("x/link"), "real/f");
    case.copy(&["dirlink"], "/y").unwrap();
    case.copy(&["dirlink/f"], "/z").unwrap();
    assert_eq!((case.text("y/f"), case.text("z")), ("real/f".into(), "real/f".into()));
    for source in ["out", "up"] {
        assert!(message(case.copy(&[source], "/s")).contains("not found"), "{source}");
    }
}

#[test]
fn rule_7_links_inside_a_tree_stay_links() {
    let case = Case::new(&["d/f"]);
    for (target, name) in [("f", "rel"), ("/etc/passwd", "abs"), ("nowhere", "dangling"), ("..", "up")] {
        symlink(target, case.source("d").join(name)).unwrap();
    }
    case.copy(&["d"], "/x").unwrap();
    assert_eq!(fs::read_link(case.dest("x/abs")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(case.written(), ["x/", "x/abs", "x/dangling", "x/f", "x/rel", "x/up"]);
}

#[test]
fn rule_8_links_in_the_destination_are_followed_inside() {
    let case = Case::new(&["f", "d/g"]);
    fs::create_dir(case.dest("real")).unwrap();
    fs::write(case.dest("file"), "old").unwrap();
    symlink("/real", case.dest("link")).unwrap();
    symlink("/file", case.dest("filelink")).unwrap();
    symlink("/made/deep", case.dest("dangling")).unwrap();
    symlink("../../../../../../made2", case.dest("up")).unwrap();
    case.copy(&["f"], "/link/").unwrap();
    case.copy(&["d"], "/link/sub").unwrap();
    case.copy(&["f"], "/filelink").unwrap();
    case.copy(&["f"], "/dangling/").unwrap();
    case.copy(&["f"], "/up").unwrap();
    assert_eq!(case.text("file"), "f");
    assert_eq!(fs::read_link(case.dest("filelink")).unwrap(), Path::new("/file"));
    for path in ["real/f", "real/sub/g", "made/deep/f", "made2"] {
        assert!(case.dest(path).is_file(), "{path}");
    }
}

#[test]
fn rule_9_type_conflicts() {
    let case = Case::new(&["f", "tree/a/x", "tree2/b"]);
    fs::create_dir_all(case.dest("t")).unwrap();
    fs::write(case.dest("t/a"), "").unwrap();
    assert!(message(case.copy(&["tree"], "/t")).contains("cannot copy to non-directory"));
    assert!(message(case.copy(&["tree"], "/t/a")).contains("cannot copy to non-directory"));
    fs::remove_file(case.dest("t/a")).unwrap();
    symlink("/elsewhere", case.dest("t/a")).unwrap();
    fs::create_dir(case.dest("elsewhere")).unwrap();
    assert!(message(case.copy(&["tree"], "/t")).contains("cannot copy to non-directory"));
    fs::create_dir_all(case.dest("t/b")).unwrap();
    assert!(message(case.copy(&["tree2"], "/t")).contains("cannot replace to directory"));
    fs::remove_dir(case.dest("t/b")).unwrap();
    fs::write(case.dest("kept"), "kept").unwrap();
    symlink("/kept", case.dest("t/b")).unwrap();
    case.copy(&["tree2"], "/t").unwrap();
    assert_eq!((case.text("t/b"), case.text("kept")), ("tree2/b".into(), "kept".into()));
}

#[test]
fn rule_10_top_folder_keeps_its_metadata_those_below_take_the_source_s() {
    let case = Case::new(&["d/sub/f", "d/new/g"]);
    for (path, mode) in [("d", 0o711), ("d/sub", 0o1750), ("d/new", 0o700)] {
        chmod(&case.source(path), mode);
    }
    fs::create_dir_all(case.dest("old/sub")).unwrap();
    chmod(&case.dest("old"), 0o703);
    case.copy(&["d"], "/old").unwrap();
    case.copy(&["d"], "/fresh/x").unwrap();
    let modes = ["old", "old/sub", "old/new", "fresh", "fresh/x", "fresh/x/sub"].map(|path| case.mode(path));
    assert_eq!(modes, [0o703, 0o1750, 0o700, 0o755, 0o755, 0o1750]);
}

#[test]
fn rule_11_files_of_the_context_belong_to_root() {
    let case = Case::new(&["f"]);
    let context = case.context();
    let request = Request::default();
    assert_eq!(request.owner_from(&Source::Context(&context)), Some((0, 0)));
    assert_eq!(request.owner_from(&Source::Tree(context.root())), None);
    if !rustix::process::geteuid().is_root() {
        return;
    }
    if std::os::unix::fs::chown(case.source("f"), Some(5), Some(6)).is_err() {
        return; // a user namespace with one id
    }
    case.copy_with(&["f"], "/a/f", |r| r.owner = None).unwrap();
    case.copy_with(&["f"], "/b/f", |r| r.owner = Some((7, 8))).unwrap();
    let owner = |path| fs::metadata(case.dest(path)).map(|m| (m.uid(), m.gid())).unwrap();
    assert_eq!([owner("a/f"), owner("b"), owner("b/f")], [(0, 0), (7, 8), (7, 8)]);
    let sources = ["f".to_string()];
    let request = Request { sources: &sources, dest: "/c/f", workdir: "/", ..Request::default() };
    let source = Source::Tree(context.root());
    let selected = select(&source, &request).unwrap();
    execute(&source, &selected, &request, &Root::open(&case.dest("")).unwrap()).unwrap();
    assert_eq!([owner("c"), owner("c/f")], [(0, 0), (5, 6)]);
}

#[test]
fn rule_12_modes_are_kept_or_changed() {
    let case = Case::new(&["d/suid", "d/ro", "d/sub/f"]);
    chmod(&case.source("d/suid"), 0o4755);
    chmod(&case.source("d/ro"), 0o400);
    symlink("ro", case.source("d/link")).unwrap();
    case.copy(&["d"], "/x").unwrap();
    assert_eq!((case.mode("x/suid"), case.mode("x/ro")), (0o4755, 0o400));
    case.copy_with(&["d"], "/y/z", |r| r.chmod = Some(Chmod::Octal(0o705))).unwrap();
    for path in ["y", "y/z", "y/z/ro", "y/z/sub", "y/z/sub/f"] {
        assert_eq!(case.mode(path), 0o705, "{path}");
    }
    case.copy_with(&["d"], "/s", |r| r.chmod = Some(Chmod::parse("go=rX").unwrap())).unwrap();
    assert_eq!((case.mode("s/ro"), case.mode("s/sub"), case.mode("s")), (0o444, 0o755, 0o755));
}

#[test]
fn rule_13_times_hard_links_fifos_and_sockets() {
    let case = Case::new(&["d/f", "d/sub/x", "big"]);
    fs::hard_link(case.source("d/f"), case.source("d/sub/twin")).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, case.source("d/pipe"), fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(case.source("d/socket")).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
    for path in ["d/sub/x", "d/sub"] {
        fs::File::open(case.source(path)).unwrap().set_modified(old).unwrap();
    }
    case.copy(&["d"], "/x").unwrap();
    assert_eq!(case.written(), ["x/", "x/f", "x/pipe", "x/sub/", "x/sub/twin", "x/sub/x"]);
    for path in ["x/sub", "x/sub/x"] {
        assert_eq!(fs::metadata(case.dest(path)).unwrap().modified().unwrap(), old, "{path}");
    }
    let inode = |path| fs::metadata(case.dest(path)).unwrap().ino();
    assert_eq!(inode("x/f"), inode("x/sub/twin"));
    assert!(fs::metadata(case.dest("x/pipe")).unwrap().file_type().is_fifo());
    case.copy(&["d", "d/f", "d/sub/twin"], "/x/").unwrap();
    assert_eq!(case.text("x/f"), "d/f");
    let big: String = "0123456789".repeat(100_000);
    case.write("big", &big);
    case.copy(&["big"], "/big").unwrap();
    assert!(case.text("big") == big);
}

#[test]
fn rule_14_dot_takes_all_but_what_is_ignored_or_excluded() {
    let case = Case::new(&["Dockerfile", ".env", "a.md", "sub/b.md", "skip/x", "skip/keep/y", "skip/z/w", "empty/"]);
    case.write(".dockerignore", "skip\n!skip/keep\n");
    case.copy(&["."], "/x").unwrap();
    let expected = [
        ".dockerignore",
        ".env",
        "Dockerfile",
        "a.md",
        "empty/",
        "skip/",
        "skip/keep/",
        "skip/keep/y",
        "sub/",
        "sub/b.md",
    ];
    assert_eq!(case.written()[1..], expected.map(|path| format!("x/{path}")));
    case.copy_with(&["sub", "*.md"], "/y/", |r| r.exclude = exclude()).unwrap();
    assert!(!case.dest("y").exists() || fs::read_dir(case.dest("y")).unwrap().next().is_none());
    case.copy_with(&["."], "/z", |r| r.exclude = exclude()).unwrap();
    assert!(case.dest("z/sub/b.md").exists() && !case.dest("z/a.md").exists());
}

fn exclude() -> &'static [String] {
    Box::leak(Box::new(["*.md".to_string()]))
}

#[test]
fn rule_15_parents() {
    let case = Case::new(&["x/a.txt", "y/a.txt", "y/b/c/d.txt", "top", "y/b/c/n"]);
    chmod(&case.source("y/b"), 0o750);
    let copy = |sources: &[&str], dest| case.copy_with(sources, dest, |r| r.parents = true).unwrap();
    copy(&["./x/a.txt", "y/a.txt", "top"], "/p");
    assert_eq!(case.written(), ["p/", "p/top", "p/x/", "p/x/a.txt", "p/y/", "p/y/a.txt"]);
    copy(&["y/./b/c", "x/./*.txt"], "/q");
    assert_eq!(case.written()[6..], ["q/", "q/a.txt", "q/b/", "q/b/c/", "q/b/c/d.txt", "q/b/c/n"]);
    assert_eq!(case.mode("q/b"), 0o750);
    copy(&["**/*.txt"], "/r/");
    let deep = ["r/", "r/x/", "r/x/a.txt", "r/y/", "r/y/a.txt", "r/y/b/", "r/y/b/c/", "r/y/b/c/d.txt"];
    assert_eq!(case.written()[12..], deep);
    copy(&["*/./**/d.txt", "none*/x"], "/s/");
    assert_eq!(case.written()[20..], ["s/", "s/b/", "s/b/c/", "s/b/c/d.txt"]);
    assert!(case.copy_with(&["none/x"], "/t", |r| r.parents = true).is_err());
    symlink("/p", case.dest("s/x")).unwrap();
    assert!(case.copy_with(&["x/a.txt"], "/s", |r| r.parents = true).is_err());
    let digest = |source| case.digest_with(&[source], |r| r.parents = true);
    assert_ne!(digest("y/b/c"), digest("y/./b/c"));
}

#[test]
fn rule_16_add_unpacks_an_archive_by_its_content() {
    let case = Case::new(&["empty", "plain.tar"]);
    case.write("empty", "");
    let mut tar = tar::Builder::new(fs::File::create(case.source("archive.txt")).unwrap());
    let mut header = tar::Header::new_gnu();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    header.set_size(2);
    header.set_mode(0o640);
    header.set_uid(uid.into());
    header.set_gid(gid.into());
    tar.append_data(&mut header, "dir/f", &b"hi"[..]).unwrap();
    tar.into_inner().unwrap();
    let add = |sources, dest| case.copy_with(sources, dest, |r| (r.add, r.unpack) = (true, true));
    fs::create_dir(case.dest("real")).unwrap();
    symlink("/real", case.dest("link")).unwrap();
    for dest in ["/x", "/y/", "/link"] {
        add(&["archive.txt"], dest).unwrap();
    }
    for file in ["x/dir/f", "y/dir/f", "real/dir/f"] {
        assert_eq!((case.text(file), case.mode(file)), ("hi".to_string(), 0o640), "{file}");
    }
    add(&["empty", "plain.tar"], "/z/").unwrap();
    case.copy(&["archive.txt"], "/z/").unwrap();
    assert!(case.written().ends_with(&["z/archive.txt", "z/empty", "z/plain.tar"].map(String::from)));
    fs::write(case.dest("file"), "").unwrap();
    assert!(format!("{:#}", add(&["archive.txt"], "/file").unwrap_err()).starts_with("ADD archive.txt"));
}

#[test]
fn rule_32_digest_counts_what_is_written() {
    let case = Case::new(&["d/f", "d/sub/g", "other"]);
    let first = case.digest(&["d"]);
    case.write("other", "changed");
    let old = std::time::UNIX_EPOCH;
    fs::File::open(case.source("d/f")).unwrap().set_modified(old).unwrap();
    chmod(&case.source("d"), 0o700);
    assert_eq!(case.digest(&["d"]), first, "times, the top folder and unselected files do not count");
    let mut seen = vec![first];
    let mut differs = |digest, what: &str| {
        assert!(!seen.contains(&digest), "{what}");
        seen.push(digest);
    };
    differs(case.digest_with(&["d"], |r| r.owner = Some((9, 9))), "owner");
    differs(case.digest_with(&["d"], |r| r.chmod = Some(Chmod::Octal(0o600))), "chmod");
    differs(case.digest(&["d/f"]), "selection");
    differs(case.digest(&["d/*"]), "names");
    case.write("d/f", "D/f");
    differs(case.digest(&["d"]), "bytes of the same length");
    chmod(&case.source("d/f"), 0o755);
    differs(case.digest(&["d"]), "mode");
    fs::rename(case.source("d/f"), case.source("d/h")).unwrap();
    differs(case.digest(&["d"]), "name");
    symlink("a", case.source("d/l")).unwrap();
    differs(case.digest(&["d"]), "link");
    fs::remove_file(case.source("d/l")).unwrap();
    symlink("b", case.source("d/l")).unwrap();
    differs(case.digest(&["d"]), "target of a link");
    case.write("d/e/", "");
    differs(case.digest(&["d"]), "empty folder");
    case.write(".dockerignore", "d/e");
    assert_eq!(case.digest(&["d"]), *seen.iter().rev().nth(1).unwrap(), "ignored files do not count");
}

#[test]
fn rule_32_digest_is_the_same_elsewhere_and_from_a_tree() {
    let (a, b) = (Case::new(&["d/f", "d/sub/g"]), Case::new(&["d/f", "d/sub/g"]));
    assert_eq!(a.digest(&["d"]), b.digest(&["d"]));
    let root = Root::open(&a.source("")).unwrap();
    let sources = ["d".to_string()];
    let me = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let request = Request { sources: &sources, dest: "/x", workdir: "/", owner: Some(me), ..Request::default() };
    let selected = select(&Source::Tree(&root), &request).unwrap();
    assert_eq!(digest(&Source::Tree(&root), &selected, &request).unwrap(), a.digest(&["d"]));
}

#[test]
fn rule_32_many_files_in_threads_give_the_same_digest_as_the_index() {
    let case = Case::new(&[]);
    for i in 0..600 {
        case.write(&format!("d/{}/{i}", i % 7), &format!("text {i}"));
    }
    let cold = case.digest(&["d"]);
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(case.digest(&["d"]), cold);
    assert_eq!(case.digest(&["d"]), cold);
}

#[test]
fn file_that_changes_meanwhile_is_reported() {
    let case = Case::new(&["d/a", "d/b"]);
    let root = Root::open(&case.dest("")).unwrap();
    let outcome = case.run(
        &["d"],
        "/x",
        |_| (),
        |source, selected, request| {
            case.write("d/b", "other");
            execute(source, selected, request, &root)
        },
    );
    assert_eq!(outcome.unwrap().changed, Some(PathBuf::from("d/b")));
    assert_eq!(case.text("x/b"), "other");
}

#[test]
fn names_may_be_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let case = Case::new(&["d/"]);
    let odd = std::ffi::OsStr::from_bytes(b"\xff\n\xfe");
    fs::write(case.source("d").join(odd), "odd").unwrap();
    case.copy(&["d"], "/x").unwrap();
    assert_eq!(fs::read(case.dest("x").join(odd)).unwrap(), b"odd");
    case.digest(&["d"]);
}
