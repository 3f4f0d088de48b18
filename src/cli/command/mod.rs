//! The table of commands and how a command line finds its way to one of them.
//!
//! Definitions of a command's flags are deferred: only the command that is called builds its own. Not here: what any
//! command does.

pub mod build;
pub mod check;
pub mod commit;
pub mod context;
pub mod df;
pub mod exec;
pub mod exists;
pub mod export;
pub mod generate;
pub mod history;
pub mod images;
pub mod import;
pub mod info;
pub mod inspect;
pub mod kill;
pub mod load;
pub mod logs;
pub mod prune;
pub mod ps;
pub mod remove_tree;
pub mod rm;
pub mod rmi;
pub mod run;
pub mod save;
pub mod stop;
pub mod tag;
pub mod tree;
pub mod untag;
pub mod version;
pub mod volume;

use crate::cli::problem;
use crate::error::Result;
use clap::error::ErrorKind;
use clap::{ArgAction, ArgMatches, Args, Command};
use std::ffi::OsString;

/// A command: its flags are the fields, its effect is [`Verb::run`].
pub trait Verb: Args {
    /// The word that calls it.
    const NAME: &'static str;
    /// One line for the list of commands.
    const ABOUT: &'static str;
    /// Does the work and gives the exit code.
    fn run(self) -> Result<i32>;
}

/// A row of the table of commands.
#[derive(Clone, Copy)]
pub struct Entry {
    name: &'static str,
    aliases: &'static [&'static str],
    about: &'static str,
    hidden: bool,
    plain: fn(Command) -> Command,
    lenient: fn(Command) -> Command,
    run: fn(&ArgMatches) -> Result<i32>,
}

const fn entry<V: Verb>() -> Entry {
    Entry {
        name: V::NAME,
        aliases: &[],
        about: V::ABOUT,
        hidden: false,
        plain: arguments::<V>,
        lenient: lenient_arguments::<V>,
        run: call::<V>,
    }
}

impl Entry {
    const fn named(self, name: &'static str, aliases: &'static [&'static str]) -> Entry {
        Entry { name, aliases, ..self }
    }

    const fn hidden(self) -> Entry {
        Entry { hidden: true, ..self }
    }

    fn is(&self, word: &str) -> bool {
        self.name == word || self.aliases.contains(&word)
    }
}

/// Words that open a second level of commands.
struct Group {
    name: &'static str,
    aliases: &'static [&'static str],
    about: &'static str,
    hidden: bool,
    entries: &'static [Entry],
    plain: fn(Command) -> Command,
    lenient: fn(Command) -> Command,
}

const COMMANDS: &[Entry] = &[
    entry::<build::Build>().named("build", &["bud"]),
    entry::<commit::Commit>(),
    entry::<exec::Exec>(),
    entry::<export::Export>(),
    entry::<history::History>(),
    entry::<images::Images>(),
    entry::<import::Import>(),
    entry::<info::Info>(),
    entry::<inspect::Inspect>(),
    entry::<kill::Kill>(),
    entry::<load::Load>(),
    entry::<logs::Logs>(),
    entry::<ps::Ps>(),
    entry::<rm::Rm>(),
    entry::<rmi::Rmi>(),
    entry::<run::Run>(),
    entry::<save::Save>(),
    entry::<stop::Stop>(),
    entry::<tag::Tag>(),
    entry::<untag::Untag>(),
    entry::<version::Version>(),
    entry::<remove_tree::RemoveTree>().hidden(),
];

const CONTAINER: &[Entry] = &[
    entry::<commit::Commit>(),
    entry::<exec::Exec>(),
    entry::<exists::ContainerExists>(),
    entry::<export::Export>(),
    entry::<inspect::ContainerInspect>(),
    entry::<kill::Kill>(),
    entry::<logs::Logs>(),
    entry::<ps::Ps>().named("ls", &["list", "ps"]),
    entry::<prune::ContainerPrune>(),
    entry::<rm::Rm>(),
    entry::<run::Run>(),
    entry::<stop::Stop>(),
];

const IMAGE: &[Entry] = &[
    entry::<build::Build>(),
    entry::<exists::ImageExists>(),
    entry::<history::History>(),
    entry::<import::Import>(),
    entry::<inspect::ImageInspect>(),
    entry::<images::Images>().named("ls", &["list"]),
    entry::<load::Load>(),
    entry::<prune::ImagePrune>(),
    entry::<rmi::Rmi>().named("rm", &["remove"]),
    entry::<save::Save>(),
    entry::<tag::Tag>(),
    entry::<tree::Tree>(),
    entry::<untag::Untag>(),
];

const BUILDER: &[Entry] =
    &[entry::<build::Build>(), entry::<context::BuilderContext>(), entry::<prune::BuilderPrune>()];
const SYSTEM: &[Entry] =
    &[entry::<check::Check>(), entry::<df::Df>(), entry::<info::Info>(), entry::<prune::SystemPrune>()];
const VOLUME: &[Entry] = &[
    entry::<volume::VolumeCreate>(),
    entry::<volume::VolumeExists>(),
    entry::<volume::VolumeInspect>(),
    entry::<volume::VolumeList>().named("ls", &["list"]),
    entry::<prune::VolumePrune>(),
    entry::<volume::VolumeRemove>().named("rm", &["remove"]),
];
const GENERATE: &[Entry] = &[entry::<generate::Man>(), entry::<generate::Completions>()];

macro_rules! group {
    ($name:literal, $aliases:expr, $about:literal, $hidden:literal, $entries:ident) => {
        Group {
            name: $name,
            aliases: $aliases,
            about: $about,
            hidden: $hidden,
            entries: $entries,
            plain: |c| second_level(c, $entries, false),
            lenient: |c| second_level(c, $entries, true),
        }
    };
}

const GROUPS: &[Group] = &[
    group!("container", &[], "Commands for containers", false, CONTAINER),
    group!("image", &[], "Commands for images", false, IMAGE),
    group!("builder", &["buildx"], "Commands for builds", false, BUILDER),
    group!("system", &[], "Commands for this machine's dhow", false, SYSTEM),
    group!("volume", &[], "Commands for volumes", false, VOLUME),
    group!("generate", &[], "Write man pages and shell completions", true, GENERATE),
];

fn arguments<V: Verb>(command: Command) -> Command {
    // The doc comments of flattened structs would otherwise become the command's description.
    V::augment_args(command).about(V::ABOUT).long_about(None)
}

/// Like [`arguments`], but every switch also takes `=true` and `=false`, as the peers' do.
fn lenient_arguments<V: Verb>(command: Command) -> Command {
    arguments::<V>(command).mut_args(|arg| {
        if !matches!(arg.get_action(), ArgAction::SetTrue) {
            return arg;
        }
        arg.action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .default_value("false")
            .value_parser(crate::cli::flags::boolean)
    })
}

fn call<V: Verb>(matches: &ArgMatches) -> Result<i32> {
    V::from_arg_matches(matches).map_err(|e| problem::usage(&e, V::NAME))?.run()
}

fn second_level(command: Command, entries: &[Entry], lenient: bool) -> Command {
    command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(entries.iter().map(|e| define(e, lenient)))
}

fn define(entry: &Entry, lenient: bool) -> Command {
    Command::new(entry.name)
        .about(entry.about)
        .visible_aliases(entry.aliases.iter().copied())
        .hide(entry.hidden)
        .defer(if lenient { entry.lenient } else { entry.plain })
}

fn bare() -> Command {
    Command::new("dhow")
        .about("Build and run OCI containers without a daemon and without root")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .infer_long_args(false)
        .arg(clap::Arg::new("version").long("version").short('v').action(ArgAction::SetTrue).help("Print the version"))
}

/// The whole tree, for help, man pages and completions.
pub fn tree() -> Command {
    whole(false)
}

fn whole(lenient: bool) -> Command {
    bare().subcommands(COMMANDS.iter().map(|e| define(e, lenient))).subcommands(GROUPS.iter().map(|g| {
        Command::new(g.name)
            .about(g.about)
            .visible_aliases(g.aliases.iter().copied())
            .hide(g.hidden)
            .defer(if lenient { g.lenient } else { g.plain })
    }))
}

/// Only the command that the first word names, else all of them: what is not called need not be built.
fn narrow(args: &[OsString], lenient: bool) -> Command {
    let word = args.get(1).and_then(|w| w.to_str()).unwrap_or("");
    match COMMANDS.iter().find(|e| e.is(word)) {
        Some(entry) => bare().subcommand(define(entry, lenient)),
        None => whole(lenient),
    }
}

/// Reads the command line and runs what it asks for.
pub fn run(args: &[OsString]) -> Result<i32> {
    if args.get(1).is_some_and(|word| word == "help") {
        // `help run` is `run --help`.
        let asked = args[..1].iter().chain(&args[2..]).cloned().chain([OsString::from("--help")]);
        return run(&asked.collect::<Vec<_>>());
    }
    if args.len() < 2 {
        crate::cli::output::text(&whole(false).render_help().to_string())?;
        return Ok(0);
    }
    let matches = match narrow(args, false).try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(bare) if bare.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return help(&bare),
        // Switches with a value are rare: only a command line that does not parse pays for them.
        Err(first) if first.use_stderr() => match narrow(args, true).try_get_matches_from(args) {
            Ok(matches) => matches,
            Err(second) if second.use_stderr() => return Err(problem::usage(&first, &called(args))),
            Err(second) => return help(&second),
        },
        Err(wanted) => return help(&wanted),
    };
    let Some((word, inner)) = matches.subcommand() else {
        if matches.get_flag("version") {
            crate::cli::output::line(&version::one_line(crate::cli::output::personality(args)))?;
        }
        return Ok(0);
    };
    if let Some(found) = COMMANDS.iter().find(|e| e.is(word)) {
        return (found.run)(inner);
    }
    let group = GROUPS.iter().find(|g| g.name == word || g.aliases.contains(&word));
    let second = inner.subcommand();
    match (group, second) {
        (Some(group), Some((word, inner))) => {
            let found = group.entries.iter().find(|e| e.is(word));
            found.map_or_else(|| Err(problem::unknown_command(word)), |e| (e.run)(inner))
        }
        _ => Err(problem::unknown_command(word)),
    }
}

fn help(wanted: &clap::Error) -> Result<i32> {
    let styled = wanted.render();
    if crate::cli::output::stdout_is_terminal() {
        crate::cli::output::text(&styled.ansi().to_string())?;
    } else {
        crate::cli::output::text(&styled.to_string())?;
    }
    Ok(0)
}

/// The command's words, as far as they name something: for `See … --help`.
fn called(args: &[OsString]) -> String {
    let mut words = args.iter().skip(1).filter_map(|w| w.to_str());
    let Some(first) = words.next() else { return String::new() };
    if COMMANDS.iter().any(|e| e.is(first)) {
        return first.to_string();
    }
    match GROUPS.iter().find(|g| g.name == first || g.aliases.contains(&first)) {
        Some(group) => match words.next() {
            Some(second) if group.entries.iter().any(|e| e.is(second)) => format!("{first} {second}"),
            _ => first.to_string(),
        },
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(command: &Command, path: &str, visit: &mut impl FnMut(&str, &Command)) {
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name());
            visit(&path, sub);
            each(sub, &path, visit);
        }
    }

    #[test]
    fn the_definitions_are_sound_in_both_forms() {
        whole(false).debug_assert();
        whole(true).debug_assert();
    }

    #[test]
    fn every_flag_and_command_has_help() {
        let mut tree = tree();
        tree.build();
        let mut flags = 0;
        each(&tree, "dhow", &mut |path, command| {
            assert!(command.get_about().is_some(), "{path} has no description");
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{path}: {} has no help", arg.get_id());
                flags += 1;
            }
        });
        assert!(flags > 100, "the deferred definitions were not built: {flags}");
    }

    #[test]
    fn switches_take_values_and_still_cluster() {
        let parse = |line: &str| {
            let args: Vec<OsString> = line.split(' ').map(Into::into).collect();
            narrow(&args, true).try_get_matches_from(&args).map(|m| m.subcommand().unwrap().1.clone())
        };
        let m = parse("dhow run -it --rm=true --detach=False image -x").unwrap();
        assert!(m.get_flag("interactive") && m.get_flag("tty") && m.get_flag("rm") && !m.get_flag("detach"));
        assert!(parse("dhow run --rm=maybe image").is_err());
    }

    #[test]
    fn words_after_the_image_belong_to_the_command() {
        let args: Vec<OsString> = "dhow run --rm image --rm -e x".split(' ').map(Into::into).collect();
        let matches = narrow(&args, false).try_get_matches_from(&args).unwrap();
        let words: Vec<&String> = matches.subcommand().unwrap().1.get_many("argv").unwrap().collect();
        assert_eq!(words, ["image", "--rm", "-e", "x"]);
    }

    #[test]
    fn a_usage_error_names_the_command() {
        assert_eq!(called(&["dhow".into(), "image".into(), "ls".into(), "--x".into()]), "image ls");
        assert_eq!(called(&["dhow".into(), "run".into()]), "run");
    }
}
