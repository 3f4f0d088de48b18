//! Draws what long work tells: build steps and their output, warnings, and bars for long transfers on a terminal.
//!
//! Build news goes to standard output as podman's does, so that scripts find it there; bars and warnings to standard error.

use crate::cli::escape::{Stream, one_line};
use crate::cli::output;
use crate::progress::{Event, Reporter};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

/// How much of a quiet step's output is kept, to show it if the build fails.
const KEPT: usize = 64 * 1024;

/// The reporter of the command line.
pub struct Console {
    quiet: bool,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    streams: [Option<Stream>; 2],
    /// The end of what each unfinished step of a quiet build wrote.
    kept: BTreeMap<usize, Vec<u8>>,
    /// Steps that have begun and are not done.
    steps: BTreeMap<usize, OpenStep>,
    bar: Option<(String, ProgressBar)>,
    terminals: [Option<bool>; 2],
    /// Lines about what the build checks found.
    checks: Vec<String>,
}

/// A step that goes on, perhaps beside others.
#[derive(Default)]
struct OpenStep {
    stage: Option<String>,
    /// Of each stream, what has come since the last whole line that was shown.
    lines: [Vec<u8>; 2],
}

/// A line of a step that goes on beside others is shown without its end when it gets longer than this.
const LONG: usize = 16 * 1024;

impl Console {
    /// A reporter; a quiet one shows warnings only.
    pub fn new(quiet: bool) -> Console {
        Console { quiet, state: RefCell::default() }
    }

    /// Ends bars and unfinished output.
    pub fn finish(&self) {
        let mut state = self.state.borrow_mut();
        state.clear_bar();
        let open: Vec<usize> = state.steps.keys().copied().collect();
        open.into_iter().for_each(|step| state.end_step(step));
        state.end_streams();
        let checks = std::mem::take(&mut state.checks);
        write(true, summary(&checks).as_bytes());
    }

    /// After a quiet build failed: shows what the steps that were not done had to say.
    pub fn show_kept(&self) {
        let kept = std::mem::take(&mut self.state.borrow_mut().kept);
        for (_, bytes) in kept.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
            self.state.borrow_mut().output(true, &bytes);
            self.finish();
        }
    }

    fn quiet_event(&self, step: usize, event: Event) {
        let mut state = self.state.borrow_mut();
        match event {
            Event::StepDone { number } => {
                state.kept.remove(&number);
            }
            Event::Output { bytes, .. } => {
                let kept = state.kept.entry(step).or_default();
                kept.extend_from_slice(&bytes);
                let over = kept.len().saturating_sub(KEPT);
                kept.drain(..over);
            }
            Event::Warning(message) => output::warn(&message),
            _ => {}
        }
    }

    /// Shows one event of a step; 0 for what belongs to none.
    fn show(&self, step: usize, event: Event) {
        let mut state = self.state.borrow_mut();
        match event {
            Event::Output { stderr, bytes } => match state.prefix(step) {
                Some(prefix) => state.lines(step, &prefix, stderr, &bytes),
                None => state.output(stderr, &bytes),
            },
            Event::Bytes { what, done, total } => state.transfer(what, done, total),
            Event::Check { rule, line, message } => state.checks.push(format!("{rule}: {message} (line {line})")),
            Event::StepDone { number } => state.end_step(number),
            other => {
                state.clear_bar();
                state.end_streams();
                if let Event::Step { number, stage, .. } = &other {
                    state.steps.insert(*number, OpenStep { stage: stage.clone(), ..OpenStep::default() });
                }
                let prefix = state.prefix(step).unwrap_or_default();
                match other {
                    Event::Warning(message) => output::warn(&format!("{prefix}{message}")),
                    Event::Waiting(why) => write(true, format!("{prefix}--> {}\n", one_line(&why)).as_bytes()),
                    other => write(false, format!("{prefix}{}", words(&other)).as_bytes()),
                }
            }
        }
    }
}

impl Reporter for Console {
    fn report(&self, event: Event) {
        let (step, event) = match event {
            Event::Of(step, event) => (step, *event),
            event => (0, event),
        };
        if self.quiet { self.quiet_event(step, event) } else { self.show(step, event) }
    }
}

/// The line for an event, as podman writes it.
fn words(event: &Event) -> String {
    match event {
        Event::Step { number, total, stage, text } => {
            let stage = stage.as_ref().map(|s| format!("[{}] ", one_line(s))).unwrap_or_default();
            format!("{stage}STEP {number}/{total}: {}\n", one_line(text))
        }
        Event::CacheHit { layer: Some(layer) } => format!("--> Using cache {}\n", one_line(layer)),
        Event::CacheHit { layer: None } => "--> Using cache\n".into(),
        Event::CacheMiss { why } => format!("--> miss: {}\n", one_line(why)),
        _ => String::new(),
    }
}

/// What the build checks found, as BuildKit's clients end a build with it.
fn summary(checks: &[String]) -> String {
    let mut out = match checks.len() {
        0 => return String::new(),
        1 => "1 warning found (`dhow build --check` shows the place):\n".to_string(),
        n => format!("{n} warnings found (`dhow build --check` shows the places):\n"),
    };
    for check in checks {
        out.push_str(&format!(" - {}\n", one_line(check)));
    }
    out
}

/// A reader that went away must not stop a build; the result is told by the exit code.
fn write(stderr: bool, bytes: &[u8]) {
    let _ = if stderr {
        io::stderr().lock().write_all(bytes)
    } else {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush())
    };
}

impl State {
    fn is_terminal(&mut self, stderr: bool) -> bool {
        *self.terminals[usize::from(stderr)]
            .get_or_insert_with(|| if stderr { io::stderr().is_terminal() } else { io::stdout().is_terminal() })
    }

    fn output(&mut self, stderr: bool, bytes: &[u8]) {
        self.clear_bar();
        if !self.is_terminal(stderr) {
            return write(stderr, bytes);
        }
        let text = self.streams[usize::from(stderr)].get_or_insert_default().push(bytes);
        write(stderr, text.as_bytes());
    }

    /// What stands before the lines of a step while others go on beside it.
    fn prefix(&self, step: usize) -> Option<String> {
        let stage = self.steps.get(&step).filter(|_| self.steps.len() > 1)?.stage.as_ref()?;
        Some(format!("[{}] ", one_line(stage)))
    }

    /// Shows the whole lines of a step that goes on beside others, and keeps the rest until it is whole.
    fn lines(&mut self, step: usize, prefix: &str, stderr: bool, bytes: &[u8]) {
        let Some(open) = self.steps.get_mut(&step) else { return };
        let pending = &mut open.lines[usize::from(stderr)];
        pending.extend_from_slice(bytes);
        let whole = match pending.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => pending.drain(..=at).collect::<Vec<_>>(),
            None if pending.len() > LONG => std::mem::take(pending),
            None => return,
        };
        self.end_streams();
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            let mut line = [prefix.as_bytes(), line].concat();
            if !line.ends_with(b"\n") {
                line.push(b'\n');
            }
            self.output(stderr, &line);
        }
    }

    fn end_step(&mut self, number: usize) {
        let prefix = self.prefix(number);
        if let Some(open) = self.steps.get_mut(&number) {
            let rest = std::mem::take(&mut open.lines);
            for (at, line) in rest.into_iter().enumerate().filter(|(_, line)| !line.is_empty()) {
                match &prefix {
                    Some(prefix) => self.output(at == 1, &[prefix.as_bytes(), &line, b"\n"].concat()),
                    None => self.output(at == 1, &line),
                }
            }
        }
        self.steps.remove(&number);
    }

    fn end_streams(&mut self) {
        for (at, stream) in self.streams.iter_mut().enumerate() {
            if let Some(mut stream) = stream.take() {
                write(at == 1, stream.finish().as_bytes());
            }
        }
    }

    fn clear_bar(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn transfer(&mut self, what: String, done: u64, total: Option<u64>) {
        if !self.is_terminal(true) {
            return;
        }
        if self.bar.as_ref().is_none_or(|(current, _)| *current != what) {
            self.clear_bar();
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            let shape = if total.is_some() {
                "{msg} {bar:30} {decimal_bytes}/{decimal_total_bytes}"
            } else {
                "{msg} {decimal_bytes}"
            };
            if let Ok(style) = ProgressStyle::with_template(shape) {
                bar.set_style(style);
            }
            bar.set_message(one_line(&what).into_owned());
            self.bar = Some((what, bar));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_position(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_read_as_podmans_do() {
        let step = Event::Step { number: 1, total: 5, stage: None, text: "FROM scratch".into() };
        assert_eq!(words(&step), "STEP 1/5: FROM scratch\n");
        let step = Event::Step { number: 2, total: 5, stage: Some("a\x1b".into()), text: "RUN x".into() };
        assert_eq!(words(&step), "[a\\x1b] STEP 2/5: RUN x\n");
        assert_eq!(words(&Event::CacheHit { layer: Some("1a2b3c".into()) }), "--> Using cache 1a2b3c\n");
        assert_eq!(words(&Event::CacheMiss { why: "a.txt changed".into() }), "--> miss: a.txt changed\n");
    }

    #[test]
    fn a_quiet_build_keeps_the_end_of_the_last_step() {
        let console = Console::new(true);
        console.report(Event::Output { stderr: false, bytes: vec![b'x'; KEPT] });
        console.report(Event::Output { stderr: false, bytes: b"end".to_vec() });
        assert_eq!(console.state.borrow().kept[&0].len(), KEPT);
        assert!(console.state.borrow().kept[&0].ends_with(b"end"));
    }
}
