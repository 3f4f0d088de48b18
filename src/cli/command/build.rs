//! `dhow build`: makes an image from a Dockerfile and a folder.

use super::Verb;
use super::context::{BuilderContext, find_dockerfile};
use crate::build::named::{Contexts, Named, Value};
use crate::build::obtain::{self, Obtained};
use crate::build::{Built, Jobs, Options};
use crate::cli::checks::{self, Call};
use crate::cli::flags::network::NetworkFlags;
use crate::cli::flags::result::ResultFlags;
use crate::cli::flags::step::StepFlags;
use crate::cli::flags::{labels, own_platform};
use crate::cli::output;
use crate::cli::progress::Console;
use crate::error::{Kind, Result, fail, fail_with};
use crate::image::manifest::OCI_MANIFEST;
use crate::image::reference::Reference;
use crate::store::Store;
use crate::store::archive::{Input, load_unnamed};
use crate::store::image::ImageRecord;
use anyhow::Context;
use clap::Args;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Arguments of `build`.
#[derive(Debug, Args)]
pub struct Build {
    /// Name of the image; may be given several times
    #[arg(short, long, value_name = "NAME[:TAG]")]
    tag: Vec<String>,
    /// The Dockerfile, or - for standard input [default: Containerfile or Dockerfile in the context]
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// Value of an ARG; without a value it is taken from the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// Another place to copy from: name=folder, name=URL, name=docker-image://image
    #[arg(long, value_name = "NAME=VALUE")]
    build_context: Vec<String>,
    /// The file that says what is left out of the context
    #[arg(long, value_name = "FILE")]
    ignorefile: Option<PathBuf>,
    /// Stage to build, by name or number
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// Do every step again
    #[arg(long)]
    no_cache: bool,
    /// Do every step of these stages again, by name or number
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    no_cache_filter: Vec<String>,
    /// How many RUN steps of different stages run at the same time; 0 for all [default: the processors, at least 4]
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// Check the Dockerfile for likely mistakes and build nothing; exit code 1 if there are any
    #[arg(long = "check")]
    only_check: bool,
    /// What to do: build, check, or check,format=json
    #[arg(long, value_name = "METHOD")]
    call: Option<String>,
    /// Open a shell where a RUN fails; needs a terminal
    #[arg(long)]
    shell_on_fail: bool,
    #[command(flatten)]
    network: NetworkFlags,
    #[command(flatten)]
    step: StepFlags,
    #[command(flatten)]
    result: ResultFlags,
    /// Print nothing but the image's id
    #[arg(short, long)]
    quiet: bool,
    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Attach a label to the image
    #[arg(long, value_name = "NAME[=VALUE]")]
    label: Vec<String>,
    /// Platform of the image; only this machine's own
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    /// Accepted and without effect: there is no registry to ask yet
    #[arg(long, value_name = "POLICY", num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    pull: Option<String>,
    /// Accepted and without effect: intermediate containers do not exist
    #[arg(long)]
    rm: bool,
    /// Accepted and without effect: intermediate containers do not exist
    #[arg(long)]
    force_rm: bool,
    /// Accepted and without effect: every step is cached
    #[arg(long)]
    layers: bool,
    /// Accepted and without effect: progress is always plain lines
    #[arg(long, value_name = "STYLE")]
    progress: Option<String>,
    /// Accepted and without effect: the image is always in the store
    #[arg(long)]
    load: bool,
    /// Accepted and without effect: an image has one form here; `save --format` chooses another
    #[arg(long, value_name = "oci|docker")]
    format: Option<String>,
    /// The folder that COPY and ADD read from, a URL of a git repository, an archive or a Dockerfile, or - for an archive
    /// or a Dockerfile on standard input
    #[arg(value_name = "CONTEXT", default_value = ".")]
    context: String,
    /// The folder to list, with `context` as the word before it
    #[arg(value_name = "CONTEXT", hide = true)]
    listed: Option<String>,
}

impl Build {
    fn check(&self) -> Result<()> {
        if let Some(platform) = &self.platform {
            own_platform(platform)?;
        }
        if let Some(format) = self.format.as_deref()
            && !["oci", "docker"].contains(&format)
        {
            return Err(fail(Kind::User, format!("--format {format:?}: write oci or docker")));
        }
        const POLICIES: [&str; 8] = ["always", "missing", "never", "newer", "ifmissing", "ifnewer", "true", "false"];
        if let Some(policy) = self.pull.as_deref().filter(|policy| !POLICIES.contains(policy)) {
            return Err(fail(Kind::User, format!("--pull {policy:?}: write always, missing, never or newer")));
        }
        if self.context == "-" && self.file.as_deref() == Some("-") {
            return Err(fail(Kind::User, "standard input cannot be both the context and the Dockerfile"));
        }
        if self.shell_on_fail && !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
            return Err(fail_with(
                Kind::User,
                "--shell-on-fail needs a terminal: standard input and output are to be one",
                "Leave it out where nobody can type, in a pipe or a script.",
            ));
        }
        Ok(())
    }

    /// `build context [FOLDER]` lists a context. A folder of that name is built as any other, and a name for the result
    /// shows that a build is meant.
    fn listing(&self) -> Result<Option<BuilderContext>> {
        let word = self.context == "context" && self.tag.is_empty();
        if let (Some(extra), false) = (&self.listed, word) {
            return Err(fail_with(
                Kind::User,
                format!("unexpected argument {extra:?}: a build has one context"),
                "`dhow builder context FOLDER` lists what is in one.",
            ));
        }
        if !word || (self.listed.is_none() && Path::new("context").exists()) {
            return Ok(None);
        }
        let context = self.listed.as_deref().unwrap_or(".").into();
        Ok(Some(BuilderContext { file: self.file.clone(), context }))
    }

    /// The options; `context` is where files come from.
    fn options(&self, context: &mut Obtained, contexts: Contexts) -> Result<Options> {
        let file = match self.file.as_deref() {
            Some("-") | None => None,
            Some(name) => Some(find_dockerfile(&context.folder, name, context.is_temporary())?),
        };
        let mut options = Options {
            context: context.folder.clone(),
            temporary: context.is_temporary(),
            ignore_file: self.ignorefile.as_ref().map(std::path::absolute).transpose()?,
            contexts,
            file,
            file_text: context.dockerfile.take(),
            tags: self.tag.iter().map(|t| Reference::for_new(t)).collect::<Result<_>>()?,
            args: build_args(&self.build_arg)?,
            target: self.target.clone(),
            no_cache: self.no_cache,
            no_cache_filter: self.no_cache_filter.clone(),
            jobs: Jobs(self.jobs.map(|jobs| if jobs == 0 { usize::MAX } else { jobs })),
            network: self.network.resolve()?,
            labels: labels::parse(&self.label)?,
            shell_on_fail: self.shell_on_fail,
            ..Options::default()
        };
        self.step.resolve(&mut options)?;
        self.result.resolve(&mut options)?;
        Ok(options)
    }
}

fn build_args(words: &[String]) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for word in words {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (word.as_str(), std::env::var(word).ok()),
        };
        if name.is_empty() {
            return Err(fail(Kind::User, format!("--build-arg {word:?}: the argument has no name")));
        }
        // One that is not set here leaves the Dockerfile's default alone.
        if let Some(value) = value {
            all.insert(name.to_string(), value);
        }
    }
    Ok(all)
}

/// What `--build-context` names; folders of our own go when the second part does.
fn contexts(store: &Store, words: &[String], console: &Console) -> Result<(Contexts, Vec<Obtained>)> {
    let (mut contexts, mut obtained) = (Contexts::default(), Vec::new());
    for word in words {
        let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(fail(Kind::User, format!("--build-context {word:?}: expected name=value")));
        };
        let named = match Value::parse(value)? {
            Value::Named(named) => named,
            Value::Layout { path, tag } => {
                let loaded = load_unnamed(store, Input::Folder(path), tag.as_deref(), console);
                Named::Image(loaded.with_context(|| format!("--build-context {word}"))?)
            }
            Value::Place(place) => {
                let found = obtain::context(store, &place, std::io::empty(), console)?;
                let path = found.folder.clone();
                obtained.push(found);
                Named::Folder { path }
            }
        };
        contexts.insert(name, named);
    }
    Ok((contexts, obtained))
}

impl Verb for Build {
    const NAME: &'static str = "build";
    const ABOUT: &'static str = "Build an image from a Dockerfile";

    fn run(self) -> Result<i32> {
        if let Some(listing) = self.listing()? {
            return listing.run();
        }
        self.check()?;
        let call = Call::parse(self.only_check, self.call.as_deref())?;
        let store = Store::open()?;
        let silent = self.result.takes_standard_output();
        let console = Console::new(self.quiet || silent);
        let mut context = obtain::context(&store, &self.context, std::io::stdin().lock(), &console)?;
        if self.file.as_deref() == Some("-") {
            context.dockerfile = Some(obtain::dockerfile(std::io::stdin().lock(), "standard input")?);
        }
        let (contexts, others) = contexts(&store, &self.build_context, &console)?;
        let built = self.options(&mut context, contexts).and_then(|options| {
            if let Call::Check { json } = call {
                let report = crate::build::check(&store, &options, &console)?;
                return Ok(Made::Checked(checks::print(&report, json)?));
            }
            let image = crate::build::build(&store, &options, &console);
            console.finish();
            Ok(Made::Image(Box::new(image?), options.tags))
        });
        drop((context, others));
        if built.is_err() {
            console.show_kept();
        }
        let (built, tags) = match built? {
            Made::Image(built, tags) => (built, tags),
            Made::Checked(code) => return Ok(code),
        };
        if let Some(path) = &self.iidfile {
            std::fs::write(path, &built.image.id).with_context(|| format!("writing {}", path.display()))?;
        }
        if let Some(path) = &self.result.metadata_file {
            let text = serde_json::to_vec_pretty(&metadata(&built, &tags))?;
            std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        // What is not in the store has no id that anyone could use.
        if built.recorded && !silent {
            output::text(&ending(&built.image, &tags, self.quiet))?;
        }
        Ok(0)
    }
}

/// What a call came to.
enum Made {
    Image(Box<Built>, Vec<Reference>),
    /// The exit code of a check.
    Checked(i32),
}

/// What `--metadata-file` holds, by the keys of buildx.
fn metadata(built: &Built, tags: &[Reference]) -> serde_json::Value {
    let image = &built.image;
    let mut all = serde_json::json!({
        "containerimage.config.digest": image.id,
        "containerimage.digest": image.manifest,
        "containerimage.descriptor": {
            "mediaType": OCI_MANIFEST,
            "digest": image.manifest,
            "size": built.manifest_size,
            "platform": { "architecture": image.config.architecture, "os": image.config.os },
        },
    });
    if !tags.is_empty() {
        let names: Vec<String> = tags.iter().map(ToString::to_string).collect();
        all["image.name"] = names.join(",").into();
    }
    all
}

/// What follows the steps; the id is the last line, which scripts read.
fn ending(image: &ImageRecord, tags: &[Reference], quiet: bool) -> String {
    let mut out = String::new();
    if !quiet {
        match tags.first() {
            Some(first) => out.push_str(&format!("COMMIT {first}\n")),
            None => out.push_str("COMMIT\n"),
        }
        out.push_str(&format!("--> {}\n", output::id(&image.id, false)));
        for tag in tags {
            out.push_str(&format!("Successfully tagged {tag}\n"));
        }
    }
    out.push_str(output::id(&image.id, true));
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches};

    fn parse(line: &str) -> Build {
        let matches = Build::augment_args(Command::new("build")).try_get_matches_from(line.split(' ')).unwrap();
        Build::from_arg_matches(&matches).unwrap()
    }

    fn folder(path: &Path) -> Obtained {
        let store = Store::at(&path.join("store")).unwrap();
        obtain::context(&store, path.to_str().unwrap(), std::io::empty(), &crate::progress::Silent).unwrap()
    }

    #[test]
    fn flags_become_options() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("My.Dockerfile"), "").unwrap();
        let build = parse(
            "build -t app -t reg.example/x:1 -f My.Dockerfile --build-arg A=1 --build-arg NOT_SET_ANYWHERE_42 \
             --target t --no-cache --network none --label k=v --pull --rm --load .",
        );
        build.check().unwrap();
        let o = build.options(&mut folder(dir.path()), Contexts::default()).unwrap();
        assert_eq!(
            o.tags.iter().map(|t| t.to_string()).collect::<Vec<_>>(),
            ["localhost/app:latest", "reg.example/x:1"]
        );
        assert_eq!(o.file.unwrap(), dir.path().join("My.Dockerfile"));
        assert_eq!(o.args, BTreeMap::from([("A".to_string(), "1".to_string())]));
        assert!(o.no_cache && o.labels["k"] == "v" && o.target.as_deref() == Some("t"));
        assert_eq!(parse("build --pull dir").context, "dir");
    }

    #[test]
    fn impossible_requests_say_so() {
        for bad in ["--format x .", "--platform linux/s390x .", "-f - -"] {
            assert!(parse(&format!("build {bad}")).check().is_err(), "{bad}");
        }
        let dir = tempfile::tempdir().unwrap();
        assert!(parse("build -f nope .").options(&mut folder(dir.path()), Contexts::default()).is_err());
    }

    #[test]
    fn the_id_is_the_last_line() {
        let image = ImageRecord {
            manifest: String::new(),
            id: format!("sha256:{}", "ab".repeat(32)),
            config: Default::default(),
            layers: vec![],
            size: 0,
            created: String::new(),
        };
        let tags = [Reference::for_new("x").unwrap()];
        let id = "ab".repeat(32);
        let wanted =
            format!("COMMIT localhost/x:latest\n--> abababababab\nSuccessfully tagged localhost/x:latest\n{id}\n");
        assert_eq!(ending(&image, &tags, false), wanted);
        assert_eq!(ending(&image, &tags, true), format!("{id}\n"));
    }
}
