//! The checks by name. Names and meanings are those of BuildKit's build checks, so that `# check=skip=…` in existing files
//! keeps its effect; the sentences are ours.

use std::fmt;

/// One check. Its name in files and messages is the variant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // `summary` says what each is about.
pub enum Rule {
    StageNameCasing,
    FromAsCasing,
    NoEmptyContinuation,
    ConsistentInstructionCasing,
    DuplicateStageName,
    ReservedStageName,
    JSONArgsRecommended,
    MaintainerDeprecated,
    UndefinedArgInFrom,
    WorkdirRelativePath,
    UndefinedVar,
    MultipleInstructionsDisallowed,
    LegacyKeyValueFormat,
    InvalidBaseImagePlatform,
    RedundantTargetPlatform,
    SecretsUsedInArgOrEnv,
    InvalidDefaultArgInFrom,
    FromPlatformFlagConstDisallowed,
    CopyIgnoredFile,
    ExposeProtoCasing,
    ExposeInvalidFormat,
    InvalidDefinitionDescription,
}

impl Rule {
    /// Every check, in the order of the reference.
    pub const ALL: &[Rule] = &[
        Rule::StageNameCasing,
        Rule::FromAsCasing,
        Rule::NoEmptyContinuation,
        Rule::ConsistentInstructionCasing,
        Rule::DuplicateStageName,
        Rule::ReservedStageName,
        Rule::JSONArgsRecommended,
        Rule::MaintainerDeprecated,
        Rule::UndefinedArgInFrom,
        Rule::WorkdirRelativePath,
        Rule::UndefinedVar,
        Rule::MultipleInstructionsDisallowed,
        Rule::LegacyKeyValueFormat,
        Rule::InvalidBaseImagePlatform,
        Rule::RedundantTargetPlatform,
        Rule::SecretsUsedInArgOrEnv,
        Rule::InvalidDefaultArgInFrom,
        Rule::FromPlatformFlagConstDisallowed,
        Rule::CopyIgnoredFile,
        Rule::ExposeProtoCasing,
        Rule::ExposeInvalidFormat,
        Rule::InvalidDefinitionDescription,
    ];

    /// What the check wants, as a sentence without a full stop.
    pub fn summary(self) -> &'static str {
        match self {
            Rule::StageNameCasing => "names of stages are written in small letters",
            Rule::FromAsCasing => "AS is written in the same case as its FROM",
            Rule::NoEmptyContinuation => "no empty line stands inside a continued instruction",
            Rule::ConsistentInstructionCasing => "all instructions of a file are written in the same case",
            Rule::DuplicateStageName => "every stage has a name of its own",
            Rule::ReservedStageName => "no stage is called by a word that means something else",
            Rule::JSONArgsRecommended => "CMD and ENTRYPOINT are written as JSON, so that signals reach the program",
            Rule::MaintainerDeprecated => "the author is named by a label",
            Rule::UndefinedArgInFrom => "FROM uses only ARGs that stand before the first FROM",
            Rule::WorkdirRelativePath => "the first WORKDIR is absolute, whatever the base image says",
            Rule::UndefinedVar => "a variable has a value where it is used",
            Rule::MultipleInstructionsDisallowed => {
                "instructions of which only the last one counts stand once in a stage"
            }
            Rule::LegacyKeyValueFormat => "names and values are joined by `=`",
            Rule::InvalidBaseImagePlatform => "the base image is for the platform that is built for",
            Rule::RedundantTargetPlatform => "the platform that is built for is not named, being the default",
            Rule::SecretsUsedInArgOrEnv => "secrets come by RUN --mount=type=secret, not by ARG or ENV",
            Rule::InvalidDefaultArgInFrom => "FROM makes sense with the defaults of its ARGs",
            Rule::FromPlatformFlagConstDisallowed => "the platform of FROM is left to whoever builds",
            Rule::CopyIgnoredFile => "what COPY and ADD name is not left out by the ignore file",
            Rule::ExposeProtoCasing => "protocols of EXPOSE are written in small letters",
            Rule::ExposeInvalidFormat => "EXPOSE names ports of the container only",
            Rule::InvalidDefinitionDescription => "a comment right above ARG or FROM begins with the name it describes",
        }
    }

    /// Checks that have to be asked for (`# check=experimental=…`).
    pub fn is_experimental(self) -> bool {
        self == Rule::InvalidDefinitionDescription
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
