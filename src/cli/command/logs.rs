//! `dhow logs`: what a container has written, each stream to its own.

use super::Verb;
use crate::cli::{output, time};
use crate::error::{Kind, Result, fail};
use crate::store::Store;
use crate::store::container::Status;
use crate::store::log::{LogLine, LogReader};
use clap::Args;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

/// How often a followed log is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// Go on until the container ends
    #[arg(short, long)]
    follow: bool,
    /// Show only the last lines
    #[arg(short = 'n', long, value_name = "COUNT|all", allow_hyphen_values = true)]
    tail: Option<String>,
    /// Show only what was written after this time (RFC 3339, seconds, or a span such as 10m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Show only what was written before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Show the time of each line
    #[arg(short, long)]
    timestamps: bool,
    /// The container, by name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// Which lines are shown, and how.
struct View {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    timestamps: bool,
    /// Whether the last piece of stdout and stderr left its line open.
    open: [bool; 2],
}

impl View {
    fn wants(&self, line: &LogLine) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let Ok(at) = line.time.parse::<Timestamp>() else { return true };
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at <= until)
    }

    /// The bytes to print for a record; a time stands only at the beginning of a line.
    fn bytes(&mut self, line: &LogLine) -> Vec<u8> {
        let open = &mut self.open[usize::from(line.stderr)];
        let mut out = Vec::with_capacity(line.bytes.len() + 40);
        if self.timestamps && !*open {
            out.extend_from_slice(line.time.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(&line.bytes);
        if !line.partial {
            out.push(b'\n');
        }
        *open = line.partial;
        out
    }

    fn print(&mut self, lines: impl Iterator<Item = LogLine>) -> Result<()> {
        // Gathered, so that a long log is few writes; flushed before the stream changes, so that the order stays.
        let mut gathered = Vec::new();
        for line in lines {
            if !self.wants(&line) {
                continue;
            }
            if line.stderr {
                output::bytes(&std::mem::take(&mut gathered))?;
                let _ = std::io::stderr().lock().write_all(&self.bytes(&line));
            } else {
                gathered.extend(self.bytes(&line));
                if gathered.len() > 1 << 16 {
                    output::bytes(&std::mem::take(&mut gathered))?;
                }
            }
        }
        output::bytes(&gathered)
    }
}

/// The last `count` whole lines, with the pieces that belong to them.
fn last(lines: impl Iterator<Item = LogLine>, count: usize) -> VecDeque<LogLine> {
    let mut kept: VecDeque<LogLine> = VecDeque::new();
    let mut whole = 0;
    for line in lines {
        whole += usize::from(!line.partial);
        kept.push_back(line);
        while whole > count || (count == 0 && !kept.is_empty()) {
            let Some(gone) = kept.pop_front() else { break };
            whole -= usize::from(!gone.partial);
        }
    }
    kept
}

impl Logs {
    fn count(&self) -> Result<Option<usize>> {
        match self.tail.as_deref() {
            None | Some("all" | "-1") => Ok(None),
            Some(text) => match text.parse() {
                Ok(count) => Ok(Some(count)),
                Err(_) => Err(fail(Kind::User, format!("--tail {text:?}: write a number of lines, or all"))),
            },
        }
    }
}

impl Verb for Logs {
    const NAME: &'static str = "logs";
    const ABOUT: &'static str = "Show what a container has written";

    fn run(self) -> Result<i32> {
        let limit = |text: &Option<String>| text.as_deref().map(time::limit).transpose();
        let mut view = View {
            since: limit(&self.since)?,
            until: limit(&self.until)?,
            timestamps: self.timestamps,
            open: [false; 2],
        };
        let mut tail = self.count()?;
        let store = Store::open()?;
        let container = store.find_container(&self.container)?;
        let dir = store.container_dir(&container.id);
        let mut reader = None;
        loop {
            // Asked before reading: what is written before the end is then sure to be seen.
            let going_on = self.follow
                && matches!(store.status(&container.id)?, Status::Running(_) | Status::Created)
                && view.until.is_none_or(|until| Timestamp::now() <= until);
            if reader.is_none() {
                reader = LogReader::open(&dir)?;
            }
            if let Some(reader) = &mut reader {
                match tail.take() {
                    Some(count) => {
                        let wanted: Vec<LogLine> = reader.filter(|l| view.wants(l)).collect();
                        view.print(last(wanted.into_iter(), count).into_iter())?;
                    }
                    None => view.print(reader)?,
                }
            }
            if !going_on {
                return Ok(0);
            }
            std::thread::sleep(POLL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str, partial: bool) -> LogLine {
        LogLine { time: "2026-01-01T00:00:00Z".into(), stderr: false, partial, bytes: text.into() }
    }

    #[test]
    fn the_tail_counts_whole_lines() {
        let lines = || ["a", "b", "c1", "c2"].into_iter().zip([false, false, true, false]).map(|(t, p)| piece(t, p));
        let texts = |count| {
            last(lines(), count).iter().map(|l| String::from_utf8_lossy(&l.bytes).into_owned()).collect::<String>()
        };
        assert_eq!(texts(1), "c1c2");
        assert_eq!(texts(2), "bc1c2");
        assert_eq!(texts(0), "");
        assert_eq!(texts(9), "abc1c2");
    }

    #[test]
    fn a_time_stands_at_the_beginning_of_a_line_only() {
        let mut view = View { since: None, until: None, timestamps: true, open: [false; 2] };
        let mut all = view.bytes(&piece("a", true));
        all.extend(view.bytes(&piece("b", false)));
        assert_eq!(String::from_utf8(all).unwrap(), "2026-01-01T00:00:00Z ab\n");
        view.since = Some("2026-01-02T00:00:00Z".parse().unwrap());
        assert!(!view.wants(&piece("a", false)));
    }
}
