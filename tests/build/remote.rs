//! Sources behind a URL: ADD of files and of git repositories, from servers that the tests run on the loopback address.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::{again, build, hits, refused, shell};
use crate::support::fixtures::digest;
use crate::support::{Sandbox, lacks};

/// Path → bytes.
type Files = Mutex<BTreeMap<String, Vec<u8>>>;

/// A server that answers by path, and remembers what it was asked.
pub(super) struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    files: Arc<Files>,
}

impl Server {
    /// Serves nothing yet. The thread ends with the test program.
    pub(super) fn new() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Server { address, requests: Arc::default(), files: Arc::default() };
        let (requests, files) = (server.requests.clone(), server.files.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (requests, files) = (requests.clone(), files.clone());
                thread::spawn(move || answer(stream, &requests, &files));
            }
        });
        server
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Serves these bytes at `path`; a text that begins with a slash or `http` is a redirect.
    pub(super) fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.lock().unwrap().insert(path.to_string(), bytes.into());
    }

    /// What was asked since the last call: request lines with their conditions and credentials.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn answer(stream: TcpStream, requests: &Mutex<Vec<String>>, files: &Files) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut asked = lines.next()?.ok()?.trim_end_matches(" HTTP/1.1").to_string();
    let path = asked.split(' ').nth(1)?.to_string();
    let mut condition = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        match name.to_ascii_lowercase().as_str() {
            "if-none-match" => condition = Some(value.to_string()),
            "authorization" => asked.push_str(" signed"),
            _ => {}
        }
    }
    asked.push_str(if condition.is_some() { " again" } else { "" });
    requests.lock().unwrap().push(asked);
    let found = files.lock().unwrap().get(&path).cloned();
    let mut stream = stream;
    let head = |status: &str, more: &str, length: usize| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n")
    };
    let bytes = match found {
        None => head("404 Not Found", "", 0).into_bytes(),
        Some(bytes) if bytes.starts_with(b"/") || bytes.starts_with(b"http") || bytes.starts_with(b"file:") => {
            head("302 Found", &format!("Location: {}\r\n", String::from_utf8(bytes).unwrap()), 0).into_bytes()
        }
        Some(bytes) => {
            let etag = format!("\"{}\"", &digest(&bytes)[7..20]);
            let more = format!("ETag: {etag}\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
            match condition == Some(etag) {
                true => head("304 Not Modified", &more, 0).into_bytes(),
                false => [head("200 OK", &more, bytes.len()).as_bytes(), &bytes].concat(),
            }
        }
    };
    stream.write_all(&bytes).ok()
}

#[test]
fn rule_17_a_file_behind_a_url() {
    let sb = Sandbox::with_base();
    let server = Server::new();
    server.put("/a/tool%20x", "content");
    server.put("/moved", "/a/tool%20x");
    let (url, moved) = (server.url("/a/tool%20x"), server.url("/moved"));
    let text = format!(
        "FROM base\nADD {url} /into/\nADD --chown=user --chmod=755 {url} /named\nADD {moved} /elsewhere/\nADD {url} /tmp\n"
    );
    build(&sb, "ctx", &text);
    let look = "cd /into; stat -c '%n %a %u %Y' * /named; cat /elsewhere/moved '/tmp/tool x'";
    assert_eq!(shell(&sb, "ctx", look), "tool x 600 0 784111777\n/named 755 1000 784111777\ncontentcontent");
    refused(&sb, "ctx", &format!("FROM base\nADD {} /x/\n", server.url("/")), 125).says("no file name");
    refused(&sb, "ctx", &format!("FROM base\nADD {} /x\n", server.url("/none")), 125).says("not found on the server");
    refused(&sb, "ctx", &format!("FROM base\nADD --checksum=sha256:0 {url} Dockerfile /x/\n"), 125).says("exactly one");
}

#[test]
fn rule_17_an_archive_behind_a_url_is_unpacked_only_if_asked() {
    let sb = Sandbox::with_base();
    let server = Server::new();
    sb.write("tree/d/f", "packed");
    sb.program("tar", ["-C", "tree", "-czf", "a.tgz", "d"]).ok();
    server.put("/a.tgz", fs::read(sb.path("a.tgz")).unwrap());
    let url = server.url("/a.tgz");
    build(&sb, "ctx", &format!("FROM base\nADD {url} /kept/\nADD --unpack=true {url} /un/\n"));
    assert_eq!(shell(&sb, "ctx", "ls /kept; cat /un/d/f"), "a.tgz\npacked");
}

#[test]
fn a_known_file_is_asked_for_once_and_a_pinned_one_not_at_all() {
    let sb = Sandbox::with_base();
    let server = Server::new();
    server.put("/f", "one");
    let url = server.url("/f");
    build(&sb, "ctx", &format!("FROM base\nADD {url} /f\n"));
    assert_eq!(server.asked(), ["GET /f"]);
    assert_eq!(hits(&again(&sb, "ctx")), 1);
    assert_eq!(server.asked(), ["GET /f again"]);
    server.put("/f", "two");
    again(&sb, "ctx").has("the remote source changed");
    assert_eq!(shell(&sb, "ctx", "cat /f"), "two");
    server.asked();

    let pinned = |text: &str| format!("FROM base\nRUN : {text}\nADD --checksum={} {url} /f\n", digest(b"two"));
    build(&sb, "ctx", &pinned("1"));
    build(&sb, "ctx", &pinned("2"));
    assert_eq!(server.asked(), [""; 0], "the bytes were known");
    server.put("/f", "evil");
    build(&sb, "ctx", &pinned("3"));
    fs::remove_dir_all(sb.store().join("cache/remote")).unwrap();
    refused(&sb, "ctx", &pinned("4"), 125).says("Dockerfile:3").says("digest mismatch");
    // What was refused is not kept as what it was asked for either.
    server.put("/f", "two");
    build(&sb, "ctx", &pinned("4"));
    assert_eq!(shell(&sb, "ctx", "cat /f"), "two");
}

#[test]
fn redirects_are_few_stay_on_http_and_get_no_credentials() {
    let sb = Sandbox::with_base();
    let (server, other) = (Server::new(), Server::new());
    for n in 0..8 {
        server.put(&format!("/{n}"), format!("/{}", n + 1));
    }
    server.put("/8", "end");
    build(&sb, "ctx", &format!("FROM base\nADD {} /f\n", server.url("/3")));
    refused(&sb, "ctx", &format!("FROM base\nADD {} /f\n", server.url("/2")), 125).says("redirects");
    server.put("/file", "file:///etc/passwd");
    refused(&sb, "ctx", &format!("FROM base\nADD {} /f\n", server.url("/file")), 125).says("not HTTP");
    server.put("/away", other.url("/f"));
    other.put("/f", "content");
    server.asked();
    let url = server.url("/away").replace("http://", "http://user:secret@");
    let out = build(&sb, "ctx", &format!("FROM base\nADD {url} /f\n"));
    assert_eq!((server.asked(), other.asked()), (vec!["GET /away signed".into()], vec!["GET /f".into()]));
    assert!(!out.stderr.contains("secret"));
    // Neither the image nor a record of the store tells it.
    assert!(!sb.program("grep", ["-r", "user:secret", "."]).cwd(sb.store()).run().stdout.contains("secret"));
}

/// A repository with a branch, an annotated tag and a folder, served by `git daemon`; gives its URL and commits.
pub(super) struct Repository {
    daemon: Child,
    pub(super) url: String,
    first: String,
    second: String,
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Repository {
    pub(super) fn new(sb: &Sandbox) -> Repository {
        let git = |words: &[&str]| {
            let set = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"];
            sb.program("git", set).args(words).cwd("served/r.git").ok().text().to_string()
        };
        sb.write("served/r.git/top", "1");
        sb.write_script("served/r.git/dir/tool", "tool");
        git(&["init", "-q"]);
        git(&["add", "."]);
        git(&["commit", "-qm", "1"]);
        let first = git(&["rev-parse", "HEAD"]);
        git(&["tag", "-a", "-m", "t", "v1"]);
        sb.write("served/r.git/top", "2");
        git(&["commit", "-qam", "2"]);
        let second = git(&["rev-parse", "HEAD"]);
        // By its own name: `git daemon` would leave it behind when it is killed.
        let program = sb.program("git", ["--exec-path"]).ok().text().to_string() + "/git-daemon";
        // The port is chosen here, so another program could take it meanwhile; then the next one is tried.
        for _ in 0..20 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let base = sb.path("served");
            let mut daemon = Command::new(program.trim())
                .args(["--listen=127.0.0.1", &format!("--port={port}"), "--export-all", "--reuseaddr"])
                .arg(format!("--base-path={}", base.display()))
                .arg(base)
                .env("HOME", sb.work())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            for _ in 0..500 {
                if daemon.try_wait().unwrap().is_some() {
                    break;
                }
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Repository { daemon, url: format!("git://127.0.0.1:{port}/r.git"), first, second };
                }
                thread::sleep(std::time::Duration::from_millis(10));
            }
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        panic!("git daemon does not start");
    }
}

#[test]
fn rule_17_git_repositories() {
    if lacks("git") {
        return;
    }
    let sb = Sandbox::with_base();
    let Repository { url, first, second, .. } = &Repository::new(&sb);
    let text = format!(
        "FROM base\nADD {url} /head\nADD {url}#v1:dir /sub/\nADD --keep-git-dir=true {url}#main /git\nADD {url}#{first} /commit\n\
         ADD --checksum={first} --chown=user {url}?tag=v1 /tag\n"
    );
    build(&sb, "ctx", &text);
    let look = "cat /head/top /commit/top /tag/top; cd /; find head sub ! -type d | sort | tr '\\n' ' '; \
        stat -c '%n %a %u' /head/top /sub/tool /tag/top; cat /git/.git/HEAD";
    let wanted =
        format!("211head/dir/tool head/top sub/tool /head/top 644 0\n/sub/tool 755 0\n/tag/top 644 1000\n{second}");
    assert_eq!(shell(&sb, "ctx", look), wanted);
    assert_eq!(hits(&again(&sb, "ctx")), 5);
    refused(&sb, "ctx", &format!("FROM base\nADD {url}#none /x\n"), 125).says("Dockerfile:2").says("none");
    refused(&sb, "ctx", &format!("FROM base\nADD --checksum={second} {url}#v1 /x\n"), 125).says("expected commit");
    refused(&sb, "ctx", &format!("FROM base\nADD {url}#--upload-pack=id /x\n"), 125).says("name of a revision");
}
