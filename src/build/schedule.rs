//! The order in which a worker does the steps of a build: stages that do not need each other go on at the same time.
//!
//! One process does all of it. Programs of RUN steps are its children, as many at once as the options allow; everything
//! else (looking up, copying) is done here between them, one step of each stage in turn. A step waits for the stages that
//! it takes files from, not for those that its stage needs later. Nothing here waits in the kernel for one thing only: what
//! another process holds (a flight, a cache mount) is tried again, and holds up its own stage alone. So a stage that waits
//! holds nothing that another one could wait for.
//!
//! Not here: what a step does (`steps`, `copy_step`), its files (`execute`).

use super::execute::Executor;
use super::outcome::{Outcome, Pending};
use super::stage::Base;
use super::wait::{PAUSE, Wait};
use super::walk::Walk;
use crate::error::{Kind, Result, fail};
use crate::progress::{Event, Reporter, Within};
use crate::sys::process;
use rustix::fd::{AsFd, BorrowedFd};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a wait for another build goes unmentioned.
const SILENCE: Duration = Duration::from_secs(1);

/// A stage that waits, and since when.
struct Waiting {
    what: Wait,
    since: Instant,
    told: bool,
}

/// What goes on at one moment.
#[derive(Default)]
struct Now {
    /// Stages and their running programs.
    running: Vec<(usize, Pending)>,
    waiting: BTreeMap<usize, Waiting>,
}

impl Walk<'_> {
    /// Does what is left of the build. When a step fails, those that run beside it are ended.
    pub fn run(&mut self, executor: &mut Executor<'_>, reporter: &dyn Reporter) -> Result<()> {
        let mut now = Now::default();
        while !self.todo.is_empty() {
            let mut moved = false;
            for index in self.todo.clone() {
                let busy = now.running.iter().any(|(stage, _)| *stage == index);
                if !busy && !self.needs_another(index)? && self.may_go_on(index, &mut now, executor, reporter)? {
                    moved |= self.go_on(index, &mut now, executor, reporter)?;
                }
            }
            if !moved && now.running.is_empty() && now.waiting.is_empty() && !self.todo.is_empty() {
                return Err(fail(Kind::System, "the stages of the build wait for each other"));
            }
            if !self.todo.is_empty() {
                self.listen(moved, &mut now, executor, reporter)?;
            }
        }
        Ok(())
    }

    /// Whether the next step of a stage needs a stage that is not done.
    fn needs_another(&self, index: usize) -> Result<bool> {
        let Some(work) = self.stages.get(&index) else {
            let base = self.plan.base_of(index, &self.globals)?;
            return Ok(matches!(base, Base::Stage(below) if self.todo.contains(&below)));
        };
        let Some(step) = work.steps.front() else { return Ok(false) };
        for from in step.instruction.sources() {
            if self.plan.source(from, step, index)?.is_some_and(|stage| self.todo.contains(&stage)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether what a stage has waited for may have come.
    fn may_go_on(&self, index: usize, now: &mut Now, executor: &Executor<'_>, reporter: &dyn Reporter) -> Result<bool> {
        let Some(waiting) = now.waiting.get_mut(&index) else { return Ok(true) };
        let free = match &waiting.what {
            Wait::Step(key) => executor.may_take_turn(key)?,
            Wait::Cache { id, mode, .. } => executor.store().try_cache_mount(id, *mode)?.is_some(),
            Wait::Digest => self.chain(index, Some(executor)).is_some(),
            Wait::Room => now.running.len() < self.options.jobs.most(),
        };
        if !free && !waiting.told {
            let text = match &waiting.what {
                Wait::Cache { name, .. } => Some(format!("waiting for the cache mount {name}: another step uses it")),
                Wait::Step(key) if waiting.since.elapsed() > SILENCE => {
                    let maker = executor.maker(key);
                    Some(format!("waiting for another build that runs this step: {maker}"))
                }
                _ => None,
            };
            if let Some(text) = text {
                waiting.told = true;
                self.within(index, reporter).report(Event::Waiting(text));
            }
        }
        Ok(free)
    }

    /// Does the next step of a stage as far as it can be done at once; says whether anything came of it.
    fn go_on(
        &mut self,
        index: usize,
        now: &mut Now,
        executor: &mut Executor<'_>,
        reporter: &dyn Reporter,
    ) -> Result<bool> {
        executor.room = now.running.len() < self.options.jobs.most();
        match self.next(index, Some(executor), reporter)? {
            Outcome::Started(pending) => now.running.push((index, *pending)),
            Outcome::Waits(what) => {
                let known = now.waiting.get(&index).is_some_and(|waiting| waiting.what == what);
                if !known {
                    now.waiting.insert(index, Waiting { what, since: Instant::now(), told: false });
                }
                return Ok(false);
            }
            Outcome::Done | Outcome::NeedsWorker => {}
        }
        now.waiting.remove(&index);
        Ok(true)
    }

    /// Waits until something happens, or with `moved` only looks; then takes output, ends and digests.
    fn listen(
        &mut self,
        moved: bool,
        now: &mut Now,
        executor: &mut Executor<'_>,
        reporter: &dyn Reporter,
    ) -> Result<()> {
        let others = now.waiting.values().any(|w| matches!(w.what, Wait::Step(_) | Wait::Cache { .. }));
        let timeout = match (moved, others) {
            (true, _) => 0,
            (false, true) => PAUSE.as_millis() as i32,
            (false, false) => -1,
        };
        let awaited = now.running.iter().flat_map(|(_, pending)| pending.running.awaited());
        let fds: Vec<Option<BorrowedFd<'_>>> =
            [Some(executor.front().as_fd()), executor.answers()].into_iter().chain(awaited).collect();
        let fds: Vec<_> = fds.into_iter().map(|fd| (fd, libc::POLLIN)).collect();
        let ready: Vec<bool> = process::poll(&fds, timeout)?.iter().map(|events| *events != 0).collect();
        if ready[0] {
            return Err(executor.stopped());
        }
        if ready[1] {
            executor.collect(false)?;
        }
        let mut buffer = vec![0u8; 32 << 10];
        for ((index, pending), ready) in now.running.iter_mut().zip(ready[2..].chunks(3)) {
            let teller = self.within(*index, reporter);
            for stderr in [false, true].into_iter().filter(|stderr| ready[usize::from(*stderr)]) {
                let bytes = pending.running.read(stderr, &mut buffer);
                if !bytes.is_empty() {
                    teller.report(Event::Output { stderr, bytes: bytes.to_vec() });
                }
            }
        }
        // Backwards, so that what is taken out does not move what is still to be looked at.
        for at in (0..now.running.len()).rev().filter(|at| ready[2 + at * 3 + 2]) {
            let (index, mut pending) = now.running.remove(at);
            let code = pending.running.wait()?;
            if code != 0 {
                // Nobody needs them any more, and a person may be about to look at this one.
                now.running.clear();
            }
            let reporter = self.within(index, reporter);
            self.run_ended(index, pending, code, executor, &reporter)?;
            self.step_done(index, &reporter);
        }
        Ok(())
    }

    /// A reporter for the step at which a stage is.
    pub(super) fn within<'r>(&self, index: usize, reporter: &'r dyn Reporter) -> Within<'r> {
        Within::new(self.announced.get(&index).copied().unwrap_or_default(), reporter)
    }
}
