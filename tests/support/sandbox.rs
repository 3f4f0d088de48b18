//! A place of its own for one test: store, run folder, home and work folder. Leaving it checks that nothing stayed.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::command::Dhow;
use super::{dhow_binary, fixtures, process};

/// How long processes of ended containers may take to be gone.
const SETTLE: Duration = Duration::from_secs(10);

/// A fresh store and what belongs to it:
///
/// ```text
/// bin/dhow   link to the program; its path marks every process of this sandbox
/// work/      where commands run and `write` writes
/// store/     DHOW_ROOT        run/   XDG_RUNTIME_DIR        home/   HOME        tmp/   TMPDIR
/// ```
///
/// When it is dropped, containers are removed, what is left running is a failure, and so is a mount or anything in the
/// store's staging folder; then the folder goes, whoever owns the files in it.
pub struct Sandbox {
    dir: PathBuf,
}

impl Default for Sandbox {
    fn default() -> Self {
        Sandbox::new()
    }
}

impl Sandbox {
    /// An empty sandbox.
    pub fn new() -> Sandbox {
        // Not /tmp: that is often a file system in memory, which is neither what people keep stores on nor large.
        let base = env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
        let dir = tempfile::Builder::new().prefix("sb-").tempdir_in(&base).expect("a folder for the sandbox").keep();
        for name in ["bin", "work", "run", "home", "tmp"] {
            fs::create_dir(dir.join(name)).unwrap();
        }
        fs::set_permissions(dir.join("run"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink(dhow_binary(), dir.join("bin/dhow")).unwrap();
        Sandbox { dir }
    }

    /// A sandbox whose store holds the image `base`: a static busybox with its commands, from scratch.
    #[track_caller]
    pub fn with_base() -> Sandbox {
        let sb = Sandbox::new();
        sb.dhow(["build", "-q", "-t", "base"]).arg(fixtures::busybox_context()).ok();
        sb
    }

    /// A dhow command in the work folder; see [`Dhow`].
    pub fn dhow<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Dhow {
        let mut dhow = Dhow::new(&self.dir.join("bin/dhow"), &self.work()).args(words);
        for (key, value) in self.environment() {
            dhow = dhow.env(key, value);
        }
        dhow
    }

    /// Another program in the same folder and environment (`skopeo`, `strace`, `sh`), judged in the same way.
    pub fn program<S: AsRef<OsStr>>(&self, program: &str, words: impl IntoIterator<Item = S>) -> Dhow {
        let mut other = Dhow::new(Path::new(program), &self.work()).args(words);
        for (key, value) in self.environment() {
            other = other.env(key, value);
        }
        other
    }

    /// The program's path inside the sandbox, to hand to another program.
    pub fn binary(&self) -> PathBuf {
        self.dir.join("bin/dhow")
    }

    fn environment(&self) -> Vec<(&'static str, std::ffi::OsString)> {
        let mut all = vec![
            ("PATH", env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into())),
            ("HOME", self.dir.join("home").into()),
            ("TMPDIR", self.dir.join("tmp").into()),
            ("XDG_RUNTIME_DIR", self.dir.join("run").into()),
            ("DHOW_ROOT", self.store().into()),
            ("LANG", "C.UTF-8".into()),
            ("TERM", "xterm".into()),
        ];
        if let Some(value) = env::var_os("RUST_BACKTRACE") {
            all.push(("RUST_BACKTRACE", value));
        }
        all
    }

    /// The work folder.
    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// The store, which exists once a command made it.
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// `name` in the work folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.work().join(name)
    }

    /// Writes a file in the work folder, with the folders above it.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes an executable file in the work folder.
    pub fn write_script(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.write(name, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The text of a file in the work folder.
    #[track_caller]
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Builds `dockerfile` with the work folder's `name` as context, tagged `name`.
    #[track_caller]
    pub fn build(&self, name: &str, dockerfile: &str) -> super::Output {
        self.write(format!("{name}/Dockerfile"), dockerfile);
        self.dhow(["build", "-t", name, name]).ok()
    }

    /// Waits until `done` holds; a failure that names `what` if it never does.
    #[track_caller]
    pub fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let give_up = Instant::now() + Duration::from_secs(60);
        while !done() {
            assert!(Instant::now() < give_up, "waited in vain for: {what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The processes of this sandbox that are alive.
    pub fn processes(&self) -> Vec<process::Process> {
        process::started_below(&self.dir)
    }

    /// Fails if a process of this sandbox runs, a mount lies in it, or something half made is left in the store.
    /// Processes get a moment: the end of a container and the end of its monitor are two things.
    #[track_caller]
    pub fn assert_clean(&self) {
        let give_up = Instant::now() + SETTLE;
        while !self.processes().is_empty() && Instant::now() < give_up {
            thread::sleep(Duration::from_millis(2));
        }
        let left = self.leftovers();
        assert!(left.is_empty(), "the sandbox is not clean:\n{}", left.join("\n"));
    }

    fn leftovers(&self) -> Vec<String> {
        let mut left: Vec<String> =
            self.processes().iter().map(|p| format!("process {} still runs: {}", p.pid, p.command)).collect();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let here = self.dir.display().to_string();
        left.extend(mounts.lines().filter(|l| l.contains(&here)).map(|l| format!("still mounted: {l}")));
        for entry in fs::read_dir(self.store().join("staging")).into_iter().flatten().flatten() {
            left.push(format!("left in staging: {}", entry.path().display()));
        }
        left
    }

    fn remove_containers(&self) {
        let mut all = fs::read_dir(self.store().join("containers")).into_iter().flatten().flatten();
        let has_some = all.any(|entry| entry.file_name() != "by-name");
        if has_some {
            let _ = self.dhow(["rm", "-a", "-f"]).run(); // what this misses shows in `leftovers`
        }
    }

    /// Removes the folder. Files of sub-ids need the user namespace that made them.
    fn remove(&self) -> Result<(), String> {
        if fs::remove_dir_all(&self.dir).is_ok() {
            return Ok(());
        }
        let quiet = |command: &mut Command| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
        };
        let own = quiet(Command::new(dhow_binary()).arg("__remove-tree").arg(&self.dir));
        if (own && !self.dir.exists())
            || quiet(Command::new("unshare").args(["--map-root-user", "--map-auto", "rm", "-rf"]).arg(&self.dir))
        {
            return Ok(());
        }
        Err(format!("cannot remove {}", self.dir.display()))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let failed = thread::panicking();
        if failed && env::var_os("DHOW_TEST_KEEP").is_some_and(|v| v == "1") {
            return;
        }
        if failed {
            process::kill(&self.processes());
            let _ = self.remove();
            return;
        }
        self.remove_containers();
        let give_up = Instant::now() + SETTLE;
        while !self.processes().is_empty() && Instant::now() < give_up {
            thread::sleep(Duration::from_millis(2));
        }
        let left = self.leftovers();
        process::kill(&self.processes());
        let removed = self.remove();
        assert!(left.is_empty(), "the test left something behind:\n{}", left.join("\n"));
        removed.expect("an empty place");
    }
}
