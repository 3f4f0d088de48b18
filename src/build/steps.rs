//! What RUN and WORKDIR do: each names the inputs of its key, asks the walk for the layer, and has it made where it is
//! missing.
//!
//! Not here: COPY and ADD (`copy_step`), the order of steps and the look-up (`walk`), mounts and layers (`execute`).

use super::Network;
use super::execute::{Executor, StageLayer};
use super::instruction::{Step, run::Run, workdir::Workdir};
use super::key::Inputs;
use super::walk::{Walk, located};
use crate::error::{Kind, Result, fail};
use crate::progress::Reporter;
use crate::run::{prepare, spec};
use anyhow::Context as _;
use std::path::Path;

impl Walk<'_> {
    pub(super) fn run_step(
        &mut self,
        index: usize,
        step: &Step,
        run: &Run,
        executor: Option<&mut Executor<'_>>,
        reporter: &dyn Reporter,
    ) -> Result<bool> {
        let network = self.network_of(run);
        let state = &self.work(index).state;
        let argv = run.argv(&state.shell());
        let user = state.config.config.user.clone().unwrap_or_default();
        let mut inputs = Inputs::default()
            .with("the command", serde_json::to_string(&argv)?)
            .with("the environment or a build argument", serde_json::to_string(&state.run_env())?)
            .with("the user", user.clone())
            .with("the working directory", state.workdir())
            .with("the network", format!("{network:?}"));
        if let Some((name, content)) = run.script() {
            inputs = inputs.with("the script", format!("{name}\n{content}"));
        }
        let created_by = run.history(state);
        if self.cached(index, &inputs, None, executor.as_deref(), &created_by, reporter)? {
            return Ok(true);
        }
        let Some(executor) = executor else { return Ok(false) };
        if self.made_meanwhile(index, &inputs, None, executor, &created_by, reporter)? {
            return Ok(true);
        }
        self.say_why(index, &inputs, step, reporter);
        let (parents, request) = self.run_request(index, run, argv, user, network, executor)?;
        let number = executor.begin(&parents)?;
        let code = executor.run(request, &parents, number, network).map_err(|e| located(step, e))?;
        if code != 0 {
            let shown = run.shown(&self.work(index).state.shell());
            let place = step.error(format!("the command {shown:?} did not complete successfully: exit code: {code}"));
            return Err(fail(Kind::Exit(code), format!("{place:#}")));
        }
        self.executed(index, number, parents, inputs, None, created_by, executor)
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
    fn run_request(
        &mut self,
        index: usize,
        run: &Run,
        argv: Vec<String>,
        user: String,
        network: Network,
        executor: &Executor<'_>,
    ) -> Result<(Vec<StageLayer>, oci_spec::runtime::Spec)> {
        // A fixed name, so that a build does not depend on the machine's.
        const HOSTNAME: &str = "dhow-build";
        let work = self.work(index);
        let files = executor.folder("files")?;
        let mut mounts = prepare::host_files(&files, network, HOSTNAME)?;
        if let Some((name, content)) = run.script() {
            let dir = executor.folder("script")?;
            let path = dir.join(name);
            std::fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
            mounts.push(spec::bind(&dir, super::instruction::run::SCRIPT_DIR, true)?);
        }
        let mut env = work.state.run_env();
        env.extend(work.state.proxy_env());
        let spec = spec::build(spec::Request {
            argv,
            env,
            cwd: work.state.workdir().to_string(),
            user,
            hostname: HOSTNAME,
            network,
            tty: false,
            read_only: false,
            cap_add: &[],
            cap_drop: &[],
            mounts,
        })?;
        Ok((work.layers.clone(), spec))
    }

    pub(super) fn workdir_step(
        &mut self,
        index: usize,
        step: &Step,
        workdir: &Workdir,
        executor: Option<&mut Executor<'_>>,
        reporter: &dyn Reporter,
    ) -> Result<bool> {
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
            return Ok(true);
        }
        if self.cached(index, &inputs, None, executor.as_deref(), &created_by, reporter)? {
            workdir.apply(&mut self.work(index).state);
            return Ok(true);
        }
        let Some(executor) = executor else { return Ok(false) };
        self.say_why(index, &inputs, step, reporter);
        let parents = self.work(index).layers.clone();
        let number = executor.begin(&parents)?;
        let root = executor.writable(&parents, number, false)?;
        let identity = crate::run::user::resolve(&user, &root).map_err(|e| located(step, e))?;
        root.create_dirs(Path::new(&path), 0o755, Some((identity.uid, identity.gid)))
            .map_err(|e| step.error(format!("making the working directory {path}: {e}")))?;
        drop(root);
        workdir.apply(&mut self.work(index).state);
        self.executed(index, number, parents, inputs, None, created_by, executor)
    }
}
