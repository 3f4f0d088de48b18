//! What a build is to give and where: `--output` and its kin, times, squashing, notes and last words on the configuration.

use super::comma_fields;
use crate::build::Options;
use crate::build::output::{Output, Target};
use crate::build::result::Squash;
use crate::error::{Kind, Result, fail, fail_with};
use crate::image::reference::Reference;
use crate::layer::diff::Times;
use crate::store::archive::Format;
use anyhow::Context;
use clap::{ArgAction, Args};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

/// The argument and variable that fix the time of a build (reproducible-builds.org/specs/source-date-epoch).
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Flags about the result of a build.
#[derive(Debug, Default, Args)]
pub struct ResultFlags {
    /// Where the result goes: a folder for its files, - for a tar of them, or type=local|tar|oci|docker|image|cacheonly
    #[arg(short, long, value_name = "DEST|type=TYPE,…")]
    pub output: Vec<String>,
    /// Write what was built to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,
    /// Add a note to the image's manifest
    #[arg(long, value_name = "[manifest:]NAME=VALUE")]
    pub annotation: Vec<String>,
    /// Make one layer of those that the build adds to its base image
    #[arg(long)]
    pub squash: bool,
    /// Make one layer of all
    #[arg(long, conflicts_with = "squash")]
    pub squash_all: bool,
    /// Time of the image and of every file in its new layers, in seconds since 1970
    #[arg(long, value_name = "SECONDS", conflicts_with = "source_date_epoch", allow_negative_numbers = true)]
    pub timestamp: Option<i64>,
    /// Time of the image, in seconds since 1970 [default: $SOURCE_DATE_EPOCH]
    #[arg(long, value_name = "SECONDS")]
    pub source_date_epoch: Option<String>,
    /// No file in the new layers is younger than the time of the image
    #[arg(long)]
    pub rewrite_timestamp: bool,
    /// Leave the history out of the image
    #[arg(long)]
    pub omit_history: bool,
    /// Set a variable in the image, not for its steps; without a value it is taken from the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Take a variable from the image
    #[arg(long, value_name = "NAME")]
    pub unsetenv: Vec<String>,
    /// Take a label from the image
    #[arg(long, value_name = "NAME")]
    pub unsetlabel: Vec<String>,
    /// Whether labels of base images are inherited
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_value = "true", default_missing_value = "true", value_parser = super::boolean)]
    pub inherit_labels: bool,
    /// The image of the first FROM, in place of what the file says
    #[arg(long, value_name = "IMAGE")]
    pub from: Option<String>,
    /// Refused: there is no registry to push to yet
    #[arg(long)]
    pub push: bool,
    /// Accepted and without effect: no attestation is made
    #[arg(long, value_name = "BOOL|mode=MODE", num_args = 0..=1, require_equals = true)]
    pub provenance: Option<Option<String>>,
    /// Accepted and without effect: no attestation is made
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    pub sbom: Option<Option<String>>,
    /// Accepted and without effect: no attestation is made
    #[arg(long, value_name = "type=TYPE,…")]
    pub attest: Vec<String>,
    /// Accepted and without effect: there is only one builder
    #[arg(long, value_name = "NAME")]
    pub builder: Option<String>,
}

impl ResultFlags {
    /// Fills the options of a build, whose `--build-arg`s are in them already.
    pub fn resolve(&self, options: &mut Options) -> Result<()> {
        if self.push {
            return Err(no_registry("--push"));
        }
        let mut rewrite = self.rewrite_timestamp;
        for word in &self.output {
            let output = output(word, &mut options.result.annotations, &mut rewrite);
            options.outputs.push(output.with_context(|| format!("--output {word:?}"))?);
        }
        for word in &self.annotation {
            let (name, value) = annotation(word)?;
            options.result.annotations.insert(name, value);
        }
        self.times(options, rewrite)?;
        let wanted = &mut options.result;
        wanted.squash = match (self.squash_all, self.squash) {
            (true, _) => Squash::All,
            (false, true) => Squash::New,
            (false, false) => Squash::No,
        };
        wanted.omit_history = self.omit_history;
        for word in &self.env {
            match word.split_once('=') {
                Some(("", _)) => return Err(fail(Kind::User, format!("--env {word:?}: the variable has no name"))),
                Some((name, value)) => wanted.env.push((name.to_string(), value.to_string())),
                None => wanted.env.extend(std::env::var(word).ok().map(|value| (word.clone(), value))),
            }
        }
        wanted.unset_env = self.unsetenv.clone();
        wanted.unset_labels = self.unsetlabel.clone();
        wanted.drop_base_labels = !self.inherit_labels;
        options.first_base = self.from.clone();
        Ok(())
    }

    /// Whether the result goes to standard output, which then is no place for words.
    pub fn takes_standard_output(&self) -> bool {
        self.output.iter().any(|word| match comma_fields(word) {
            Ok(fields) if word.contains('=') => {
                let has = |wanted: &str| fields.iter().any(|field| field == wanted);
                let streams = ["type=tar", "type=oci", "type=docker"].iter().any(|word| has(word));
                has("dest=-") || has("type=tar") && streams && !fields.iter().any(|f| f.starts_with("dest="))
            }
            _ => word == "-",
        })
    }

    /// `--timestamp`, or the epoch by flag, build argument or environment, in this order.
    fn times(&self, options: &mut Options, rewrite: bool) -> Result<()> {
        if let Some(seconds) = self.timestamp {
            options.result.created = Some(seconds);
            options.result.times = Times::All(seconds);
            return Ok(());
        }
        let given = self.source_date_epoch.clone().or_else(|| options.args.get(EPOCH).cloned());
        let given = given.or_else(|| std::env::var(EPOCH).ok()).filter(|text| !text.is_empty());
        let Some(text) = given else {
            if rewrite {
                let hint = "Give one: --source-date-epoch SECONDS, or SOURCE_DATE_EPOCH in the environment.";
                return Err(fail_with(Kind::User, "rewriting times needs a time", hint));
            }
            return Ok(());
        };
        let seconds = text
            .parse()
            .map_err(|_| fail(Kind::User, format!("{EPOCH} {text:?} is no number of seconds since 1970")))?;
        options.args.insert(EPOCH.into(), text);
        options.result.created = Some(seconds);
        if rewrite {
            options.result.times = Times::Until(seconds);
        }
        Ok(())
    }
}

fn no_registry(what: &str) -> anyhow::Error {
    let hint = "Build, then `dhow save` an archive that another tool can push.";
    fail_with(Kind::User, format!("{what}: dhow cannot push to a registry yet"), hint)
}

fn annotation(word: &str) -> Result<(String, String)> {
    let bad = |why: &str| fail(Kind::User, format!("--annotation {word:?}: {why}"));
    let (name, value) = word.split_once('=').ok_or_else(|| bad("expected NAME=VALUE"))?;
    let name = match name.split_once(':') {
        Some(("manifest", name)) => name,
        Some(("index" | "index-descriptor" | "manifest-descriptor", _)) => {
            return Err(bad("only manifests can have notes: no index is made"));
        }
        _ => name,
    };
    if name.is_empty() {
        return Err(bad("the note has no name"));
    }
    Ok((name.to_string(), value.to_string()))
}

/// Reads one `--output`; notes and the wish to rewrite times, which concern the whole image, are added to what is known.
fn output(word: &str, annotations: &mut BTreeMap<String, String>, rewrite: &mut bool) -> Result<Output> {
    if word == "-" {
        return Ok(Output::Tar(standard_output()?));
    }
    let fields = comma_fields(word)?;
    if let [only] = fields.as_slice()
        && !only.contains('=')
    {
        return Ok(Output::Local(std::path::absolute(only)?));
    }
    let (mut kind, mut dest, mut names, mut tar) = (None, None, Vec::new(), true);
    for field in &fields {
        let (key, value) = field.split_once('=').unwrap_or((field, "true"));
        let yes = || super::boolean(value).map_err(|e| fail(Kind::User, format!("{key}: {e}")));
        match key {
            "type" => kind = Some(value),
            "dest" => dest = Some(value),
            "name" => names.extend(value.split(',').map(Reference::for_new).collect::<Result<Vec<_>>>()?),
            "tar" => tar = yes()?,
            "rewrite-timestamp" => *rewrite |= yes()?,
            "push" | "push-by-digest" if yes()? => return Err(no_registry(key)),
            "compression" if !["uncompressed", ""].contains(&value) => {
                let hint = "Layers are compressed when they are pushed; leave it out, or write uncompressed.";
                return Err(fail_with(Kind::User, format!("compression={value} is not supported"), hint));
            }
            // They choose among what other builders can do: here there is one form, and no index.
            "push"
            | "push-by-digest"
            | "compression"
            | "compression-level"
            | "force-compression"
            | "oci-mediatypes"
            | "unpack"
            | "store"
            | "platform-split"
            | "compatibility-version"
            | "dangling-name-prefix"
            | "name-canonical" => {}
            key => match key.strip_prefix("annotation.") {
                Some(name) if !name.is_empty() => drop(annotations.insert(name.to_string(), value.to_string())),
                _ => return Err(fail(Kind::User, format!("there is no option {key:?}"))),
            },
        }
    }
    let target = |dest: Option<&str>| match dest {
        None | Some("-") => standard_output(),
        Some(path) => Ok(Target::File(std::path::absolute(path)?)),
    };
    let archive = |format, names| {
        let target = match dest {
            Some(path) if !tar && path != "-" => Target::Folder(std::path::absolute(path)?),
            _ if !tar => return Err(fail(Kind::User, "a folder needs a name: dest=FOLDER")),
            dest => target(dest)?,
        };
        Ok(Output::Archive { format, names, target })
    };
    match kind {
        Some("local") => match dest {
            None | Some("-" | "") => Err(fail(Kind::User, "type=local needs a folder: dest=FOLDER")),
            Some(path) => Ok(Output::Local(std::path::absolute(path)?)),
        },
        Some("tar") => Ok(Output::Tar(target(dest)?)),
        Some("oci") if dest.is_none() => Err(fail(Kind::User, "type=oci needs a file or -: dest=FILE")),
        Some("oci") => archive(Format::Oci, names),
        Some("docker") if dest.is_none() => Ok(Output::Image(names)),
        Some("docker") if !tar => Err(fail(Kind::User, "an archive in Docker's form is a tar")),
        Some("docker") => archive(Format::Docker, names),
        Some("image") => Ok(Output::Image(names)),
        Some("cacheonly") => Ok(Output::CacheOnly),
        Some("registry" | "push") => Err(no_registry("type=registry")),
        Some(other) => Err(fail(Kind::User, format!("there is no type {other:?}"))),
        None => Err(fail(Kind::User, "the type is missing: type=local, tar, oci, docker, image or cacheonly")),
    }
}

fn standard_output() -> Result<Target> {
    crate::cli::output::refuse_terminal()?;
    let file = std::io::stdout().as_fd().try_clone_to_owned().context("opening standard output")?;
    Ok(Target::Open(Arc::new(File::from(file))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(word: &str) -> Result<(Output, BTreeMap<String, String>, bool)> {
        let (mut notes, mut rewrite) = (BTreeMap::new(), false);
        output(word, &mut notes, &mut rewrite).map(|output| (output, notes, rewrite))
    }

    #[test]
    fn outputs_are_read() {
        assert!(matches!(read("out").unwrap().0, Output::Local(path) if path.ends_with("out") && path.is_absolute()));
        assert!(matches!(read("type=local,dest=o").unwrap().0, Output::Local(_)));
        assert!(matches!(read("type=tar,dest=o").unwrap().0, Output::Tar(Target::File(_))));
        assert!(matches!(read("type=docker").unwrap().0, Output::Image(_)));
        assert!(matches!(read("type=cacheonly").unwrap().0, Output::CacheOnly));
        let (oci, notes, rewrite) =
            read("type=oci,dest=d,tar=false,\"name=a,b:2\",rewrite-timestamp=true,annotation.k=v").unwrap();
        assert!(
            matches!(oci, Output::Archive { format: Format::Oci, names, target: Target::Folder(_) } if names.len() == 2)
        );
        assert!(rewrite && notes["k"] == "v");
        for bad in
            ["type=registry", "type=image,push=true", "type=local", "dest=x", "type=x", "type=oci", "type=tar,x=1"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_time_comes_from_the_flag_before_the_argument() {
        let mut options = Options::default();
        options.args.insert(EPOCH.into(), "7".into());
        let mut flags = ResultFlags { rewrite_timestamp: true, inherit_labels: true, ..ResultFlags::default() };
        flags.resolve(&mut options).unwrap();
        assert_eq!((options.result.created, options.result.times), (Some(7), Times::Until(7)));
        flags.source_date_epoch = Some("9".into());
        flags.resolve(&mut options).unwrap();
        assert_eq!((options.result.created, options.args[EPOCH].as_str()), (Some(9), "9"));
        flags.source_date_epoch = Some("x".into());
        assert!(flags.resolve(&mut options).is_err());
    }
}
