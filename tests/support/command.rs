//! One run of dhow: built word by word, ended by a deadline at the latest, judged by exit code and streams.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// How long one command may take before the test gives up on it: a guard against hanging, not a measurement.
const DEADLINE: Duration = Duration::from_secs(120);

/// A dhow command being put together. Ends with [`ok`](Dhow::ok), [`fails`](Dhow::fails), [`run`](Dhow::run) or
/// [`spawn`](Dhow::spawn).
pub struct Dhow {
    program: PathBuf,
    command: Command,
    stdin: Option<Vec<u8>>,
    deadline: Duration,
}

impl Dhow {
    /// `program` in folder `cwd`; the environment is the caller's to set up.
    pub(super) fn new(program: &Path, cwd: &Path) -> Dhow {
        let mut command = Command::new(program);
        command.current_dir(cwd).env_clear();
        Dhow { program: program.to_owned(), command, stdin: None, deadline: DEADLINE }
    }

    /// Adds one word.
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Dhow {
        self.command.arg(word);
        self
    }

    /// Adds words.
    pub fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Dhow {
        self.command.args(words);
        self
    }

    /// Runs in `dir`; a relative one is taken from the sandbox's work folder.
    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Dhow {
        let base = self.command.get_current_dir().unwrap_or(Path::new("/")).to_owned();
        self.command.current_dir(base.join(dir));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Dhow {
        self.command.env(key, value);
        self
    }

    /// Removes an environment variable of the sandbox.
    pub fn without_env(mut self, key: &str) -> Dhow {
        self.command.env_remove(key);
        self
    }

    /// Runs it in a process group of its own, which a test can then kill as a whole.
    pub fn own_group(mut self) -> Dhow {
        self.command.process_group(0);
        self
    }

    /// Feeds these bytes to standard input; without it, that is /dev/null.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Dhow {
        self.stdin = Some(bytes.into());
        self
    }

    /// Gives slow work more time than two minutes.
    pub fn deadline(mut self, seconds: u64) -> Dhow {
        self.deadline = Duration::from_secs(seconds);
        self
    }

    /// Runs and asks for exit code 0.
    #[track_caller]
    pub fn ok(self) -> Output {
        self.run().success()
    }

    /// Runs and asks for exit code `code`.
    #[track_caller]
    pub fn fails(self, code: i32) -> Output {
        self.run().fails(code)
    }

    /// Runs to the end, whatever the exit code.
    #[track_caller]
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Starts it and goes on: for signals, `kill -9`, and several at once.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        let line = self.line();
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = self.command.spawn().unwrap_or_else(|e| panic!("cannot start {line}: {e}"));
        let writer = child.stdin.take().zip(self.stdin.take());
        if let Some((mut pipe, bytes)) = writer {
            // A command that does not read all of it ends the write with EPIPE: its own business.
            thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        let (stdout, stderr) = (drain(child.stdout.take().unwrap()), drain(child.stderr.take().unwrap()));
        Running { line, child, stdout, stderr: Some(stderr), give_up: Instant::now() + self.deadline }
    }

    /// Starts it on a new terminal as its controlling one, typing `typed` at once. What the terminal shows, both
    /// streams and the echo, comes back as `stdout`.
    #[track_caller]
    pub fn tty(mut self, typed: &str) -> Running {
        let line = self.line();
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("the terminal's other end");
        let name = ptsname(&master, Vec::new()).expect("the terminal's name");
        let end =
            File::options().read(true).write(true).open(name.to_str().unwrap()).expect("the terminal's other end");

        // setsid makes the terminal the controlling one, which takes a call between fork and exec.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(&self.program).args(self.command.get_args()).env_clear();
        command.envs(self.command.get_envs().filter_map(|(k, v)| Some((k, v?))));
        command.current_dir(self.command.get_current_dir().unwrap());
        command.stdin(end.try_clone().unwrap()).stdout(end.try_clone().unwrap()).stderr(end);
        self.command = command;
        let child = self.command.spawn().unwrap_or_else(|e| panic!("cannot start {line}: {e}"));
        drop(self.command); // holds the terminal's other end open

        let mut master = File::from(master);
        master.write_all(typed.as_bytes()).unwrap();
        Running { line, child, stdout: drain(master), stderr: None, give_up: Instant::now() + self.deadline }
    }

    fn line(&self) -> String {
        let words = self.command.get_args().map(|w| w.to_string_lossy().into_owned());
        std::iter::once("dhow".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    }
}

/// A dhow command on its way.
pub struct Running {
    line: String,
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Option<Receiver<Vec<u8>>>,
    give_up: Instant,
}

impl Running {
    /// The front's process id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Sends a signal to the front.
    #[track_caller]
    pub fn signal(&self, signal: Signal) -> &Running {
        kill_process(Pid::from_child(&self.child), signal).unwrap_or_else(|e| panic!("signal to {}: {e}", self.line));
        self
    }

    /// Waits for its end and for both streams to close: something that stays behind and holds them open is a fault.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let status = self.wait_for_exit();
        let line = self.line.clone();
        let collect = |what: &str, from: &Receiver<Vec<u8>>| {
            from.recv_timeout(self.give_up.saturating_duration_since(Instant::now()).max(Duration::from_secs(2)))
                .unwrap_or_else(|_| panic!("`{line}` ended, but something still holds its {what} open"))
        };
        let stdout = collect("stdout", &self.stdout);
        let stderr = self.stderr.as_ref().map(|from| collect("stderr", from)).unwrap_or_default();
        Output {
            line: self.line,
            // As a shell counts: 128 and the signal's number.
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            raw: stdout,
        }
    }

    #[track_caller]
    fn wait_for_exit(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > self.give_up {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("`{}` did not end in time and was killed", self.line);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Reads a stream to its end beside the test. A terminal ends with an error instead of an end: the same here.
fn drain(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        let _ = send.send(bytes);
    });
    receive
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for messages.
    pub line: String,
    /// Exit code; 128 and the signal's number where a signal ended it.
    pub code: i32,
    /// Standard output, with what is not UTF-8 replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// Standard output as it came.
    pub raw: Vec<u8>,
}

impl Output {
    /// Asks for exit code 0.
    #[track_caller]
    pub fn success(self) -> Output {
        self.fails(0)
    }

    /// Asks for exit code `code`.
    #[track_caller]
    pub fn fails(self, code: i32) -> Output {
        assert_eq!(self.code, code, "unexpected exit code\n{self}");
        self
    }

    /// The lines of standard output.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// Standard output without white space around it: an id, a name, a digest.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }

    /// Asks for `part` in standard output.
    #[track_caller]
    pub fn has(self, part: &str) -> Output {
        assert!(self.stdout.contains(part), "stdout lacks {part:?}\n{self}");
        self
    }

    /// Asks for `part` in standard error.
    #[track_caller]
    pub fn says(self, part: &str) -> Output {
        assert!(self.stderr.contains(part), "stderr lacks {part:?}\n{self}");
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$ {}\nexit code {}\n--- stdout\n{}--- stderr\n{}---", self.line, self.code, self.stdout, self.stderr)
    }
}
