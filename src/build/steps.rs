//! What RUN and WORKDIR do: each names the inputs of its key, asks the walk for the layer, and has it made where it is
//! missing. A RUN is done in two halves: its program is started, and when it has ended its layer is finished.
//!
//! Not here: COPY and ADD (`copy_step`), the order of steps and the look-up (`walk`), mounts and layers (`execute`).

use super::Network;
use super::StepOptions;
use super::execute::{Executor, Program, StageLayer, TreeInputs};
use super::instruction::{Step, run::Run, workdir::Workdir};
use super::key::Inputs;
use super::mounts::Wanted;
use super::outcome::{Again, Outcome, Pending};
use super::wait::{PAUSE, Wait};
use super::walk::{Walk, located};
use super::why;
use crate::error::{Kind, Result, fail, fail_with};
use crate::progress::{Event, Reporter};
use crate::run::{prepare, spec};
use anyhow::Context as _;
use oci_spec::runtime::Spec;
use std::path::Path;

impl Walk<'_> {
    pub(super) fn run_step(
        &mut self,
        index: usize,
        step: &Step,
        run: &Run,
        executor: Option<&mut Executor<'_>>,
        reporter: &dyn Reporter,
    ) -> Result<Outcome> {
        let network = self.network_of(run);
        let state = &self.work(index).state;
        let argv = run.argv(&state.shell());
        let user = state.config.config.user.clone().unwrap_or_default();
        let mut inputs = Inputs::default()
            .with("the command", serde_json::to_string(&argv)?)
            .with(why::ENVIRONMENT, serde_json::to_string(&state.run_env())?)
            .with("the user", user.clone())
            .with("the working directory", state.workdir())
            .with("the network", format!("{network:?}"));
        if let Some((name, content)) = run.script() {
            inputs = inputs.with("the script", format!("{name}\n{content}"));
        }
        let created_by = run.history(state);
        if run.insecure {
            self.check_insecure(step)?;
            inputs = inputs.with("the security", "insecure");
        }
        let given = &self.options.step;
        if !(given.cap_add.is_empty() && given.cap_drop.is_empty()) {
            let words = (&given.cap_add, &given.cap_drop);
            inputs = inputs.with("the capabilities", serde_json::to_string(&words)?);
        }
        let (wanted, inputs) = self.wanted(index, step, run, inputs)?;
        let trees: Vec<_> = wanted.iter().filter_map(Wanted::tree).collect();
        let also = (!trees.is_empty()).then(|| TreeInputs { definition: inputs.clone(), trees });
        if let Some(quick) = also.as_ref().and_then(|also| also.known(executor.as_deref()))
            && self.cached(index, &quick, None, executor.as_deref(), &created_by, reporter)?
        {
            return Ok(Outcome::Done);
        }
        let inputs = match (&also, executor.as_deref()) {
            (Some(_), None) => return Ok(Outcome::NeedsWorker),
            (Some(_), Some(executor)) => self.tree_inputs(step, &wanted, inputs, executor)?,
            (None, _) => inputs,
        };
        if self.cached(index, &inputs, also.as_ref(), executor.as_deref(), &created_by, reporter)? {
            return Ok(Outcome::Done);
        }
        let Some(executor) = executor else { return Ok(Outcome::NeedsWorker) };
        if let Some(instead) = self.instead(index, &inputs, also.as_ref(), executor, &created_by, reporter)? {
            return Ok(instead);
        }
        if !executor.room {
            executor.give_up_turn();
            return Ok(Outcome::Waits(Wait::Room));
        }
        let mut mounted = match self.mount(&wanted, executor).map_err(|e| located(step, e))? {
            Ok(mounted) => mounted,
            Err(wait) => {
                executor.give_up_turn();
                return Ok(Outcome::Waits(wait));
            }
        };
        self.say_why(index, &inputs, &[], step, reporter);
        let parents = self.work(index).layers.clone();
        let spec = self.run_spec(index, run, argv, user, network, executor)?;
        let with_mounts = with_variables(&spec, &mounted.env);
        let number = executor.begin(&parents)?;
        let no_seccomp = run.insecure || self.options.step.no_seccomp;
        let trees = std::mem::take(&mut mounted.trees);
        let program = Program { spec: with_mounts, parents: &parents, number, network, trees, no_seccomp };
        let running = executor.start(program).map_err(|e| located(step, e))?;
        let shown = run.shown(&self.work(index).state.shell());
        let step = step.clone();
        let again = Again { spec, network, no_seccomp, wanted };
        let pending = Pending { running, number, parents, inputs, also, created_by, mounted, shown, step, again };
        Ok(Outcome::Started(Box::new(pending)))
    }

    /// The second half of a RUN, when its program has ended with `code`.
    pub(super) fn run_ended(
        &mut self,
        index: usize,
        pending: Pending,
        code: i32,
        executor: &mut Executor<'_>,
        reporter: &dyn Reporter,
    ) -> Result<Outcome> {
        let Pending { number, parents, inputs, also, created_by, mounted, shown, step, again, .. } = pending;
        // Others may use the caches again.
        drop(mounted);
        if code == 0 {
            return self.executed(index, number, parents, inputs, also, Vec::new(), created_by, executor);
        }
        if self.options.shell_on_fail {
            self.show(index, number, &parents, again, code, executor, reporter).map_err(|e| located(&step, e))?;
        }
        let place = step.error(format!("the command {shown:?} did not complete successfully: exit code: {code}"));
        Err(fail(Kind::Exit(code), format!("{place:#}")))
    }

    /// Lets the person look at what a failed step has left, with its mounts.
    #[allow(clippy::too_many_arguments)]
    fn show(
        &mut self,
        index: usize,
        number: usize,
        parents: &[StageLayer],
        again: Again,
        code: i32,
        executor: &mut Executor<'_>,
        reporter: &dyn Reporter,
    ) -> Result<()> {
        let shell = self.work(index).state.shell().into_iter().take(1).collect::<Vec<_>>();
        reporter.report(Event::Warning(format!(
            "the command ended with exit code {code}; this shell is where it failed, and what it does is thrown away"
        )));
        let mut mounted = loop {
            match self.mount(&again.wanted, executor)? {
                Ok(mounted) => break mounted,
                Err(_) => executor.pause(PAUSE)?,
            }
        };
        let trees = std::mem::take(&mut mounted.trees);
        let mut spec = with_variables(&again.spec, &mounted.env);
        if let Some(process) = spec.process_mut() {
            process.set_args(Some(shell));
            process.set_terminal(Some(true));
        }
        let spec = with_variables(&spec, &["TERM=xterm".to_string()]);
        let (network, no_seccomp) = (again.network, again.no_seccomp);
        executor.interact(Program { spec, parents, number, network, trees, no_seccomp })
    }

    fn check_insecure(&self, step: &Step) -> Result<()> {
        if self.options.allow_insecure {
            return Ok(());
        }
        let place = step.error("RUN --security=insecure is not allowed");
        Err(fail_with(Kind::User, format!("{place:#}"), "Allow it with --allow security.insecure."))
    }

    fn network_of(&self, run: &Run) -> Network {
        use super::instruction::run::Network as Word;
        match run.network {
            Some(Word::None) => Network::None,
            Some(Word::Host) => Network::Host,
            Some(Word::Default) | None => self.options.network,
        }
    }

    /// What a RUN is started with; the same profile as a container's.
    fn run_spec(
        &mut self,
        index: usize,
        run: &Run,
        argv: Vec<String>,
        user: String,
        network: Network,
        executor: &mut Executor<'_>,
    ) -> Result<Spec> {
        // A fixed name, so that a build does not depend on the machine's.
        const HOSTNAME: &str = "dhow-build";
        let given = &self.options.step;
        let files = executor.scratch("files")?;
        let mut mounts = prepare::host_files(&files, network, HOSTNAME)?;
        host_words(&files, given, network)?;
        if let Some((name, content)) = run.script() {
            let dir = executor.scratch("script")?;
            let path = dir.join(name);
            std::fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
            mounts.push(spec::bind(&dir, super::instruction::run::SCRIPT_DIR, true)?);
        }
        let state = &self.stages[&index].state;
        let mut env = state.run_env();
        env.extend(state.proxy_env());
        let all = ["ALL".to_string()];
        let mut spec = spec::build(spec::Request {
            argv,
            env,
            cwd: state.workdir().to_string(),
            user,
            hostname: HOSTNAME,
            network,
            tty: false,
            read_only: false,
            cap_add: if run.insecure { &all } else { &given.cap_add },
            cap_drop: if run.insecure { &[] } else { &given.cap_drop },
            mounts,
        })?;
        spec::limit(&mut spec, &given.limits)?;
        if let Some(size) = given.shm_size {
            spec::set_shm_size(&mut spec, size);
        }
        if run.insecure {
            spec::unmask(&mut spec);
        } else if given.no_new_privileges
            && let Some(process) = spec.process_mut()
        {
            process.set_no_new_privileges(Some(true));
        }
        Ok(spec)
    }

    pub(super) fn workdir_step(
        &mut self,
        index: usize,
        step: &Step,
        workdir: &Workdir,
        executor: Option<&mut Executor<'_>>,
        reporter: &dyn Reporter,
    ) -> Result<Outcome> {
        let work = self.work(index);
        let path = workdir.resolve(work.state.workdir());
        let user = work.state.config.config.user.clone().unwrap_or_default();
        let inputs = Inputs::default().with("the folder", format!("WORKDIR {path}")).with("the user", user.clone());
        let mut after = work.state.clone();
        workdir.apply(&mut after);
        let created_by = workdir.history(&after);
        if path == "/" {
            let clock = work.clock.clone();
            work.state = after;
            work.state.add_history(created_by, true, clock.as_deref());
            return Ok(Outcome::Done);
        }
        if self.cached(index, &inputs, None, executor.as_deref(), &created_by, reporter)? {
            workdir.apply(&mut self.work(index).state);
            return Ok(Outcome::Done);
        }
        let Some(executor) = executor else { return Ok(Outcome::NeedsWorker) };
        if let Some(instead) = self.instead(index, &inputs, None, executor, &created_by, reporter)? {
            if let Outcome::Done = instead {
                workdir.apply(&mut self.work(index).state);
            }
            return Ok(instead);
        }
        self.say_why(index, &inputs, &[], step, reporter);
        let parents = self.work(index).layers.clone();
        let number = executor.begin(&parents)?;
        let root = executor.writable(&parents, number)?;
        let identity = crate::run::user::resolve(&user, &root).map_err(|e| located(step, e))?;
        root.create_dirs(Path::new(&path), 0o755, Some((identity.uid, identity.gid)))
            .map_err(|e| step.error(format!("making the working directory {path}: {e}")))?;
        drop(root);
        workdir.apply(&mut self.work(index).state);
        self.executed(index, number, parents, inputs, None, Vec::new(), created_by, executor)
    }
}

/// Adds what the command line says about names to the files that a step sees: `--add-host` and `--dns`.
fn host_words(files: &Path, given: &StepOptions, network: Network) -> Result<()> {
    if !given.hosts.is_empty() {
        let path = files.join("hosts");
        let mut text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        given.hosts.iter().for_each(|(name, address)| text.push_str(&format!("{address}\t{name}\n")));
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if !given.dns.is_empty() && network != Network::None {
        let path = files.join("resolv.conf");
        let text: String = given.dns.iter().map(|server| format!("nameserver {server}\n")).collect();
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// A Spec with more variables.
fn with_variables(spec: &Spec, new: &[String]) -> Spec {
    let mut spec = spec.clone();
    if let Some(process) = spec.process_mut() {
        let mut env = process.env().clone().unwrap_or_default();
        new.iter().for_each(|entry| spec::set_variable(&mut env, entry));
        process.set_env(Some(env));
    }
    spec
}
