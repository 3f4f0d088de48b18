//! Which checks are wanted: `skip=A,B;error=true;experimental=C`, in `# check=…` at the top of a file, above an
//! instruction, or in the build argument `BUILDKIT_DOCKERFILE_CHECK`.

use super::Rule;
use crate::build::words;

/// A list of rules by name. Unknown names are kept: a file may be meant for a newer builder, too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    all: bool,
    some: Vec<String>,
}

impl Names {
    fn parse(list: &str) -> Names {
        let some: Vec<String> = list.split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect();
        Names { all: some.iter().any(|n| n == "all"), some }
    }

    fn hold(&self, rule: Rule) -> bool {
        self.all || self.some.iter().any(|name| *name == rule.to_string())
    }
}

/// What was asked for; the default is every check that is not experimental, as a warning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    skip: Names,
    experimental: Names,
    /// A finding fails the build.
    pub error: bool,
}

impl Options {
    /// Parses; the error is a sentence without the place.
    pub fn parse(text: &str) -> Result<Options, String> {
        let mut options = Options::default();
        for part in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match (key.trim(), value.trim()) {
                ("skip", list) if !list.is_empty() => options.skip = Names::parse(list),
                ("experimental", list) if !list.is_empty() => options.experimental = Names::parse(list),
                ("error", "1" | "t" | "T" | "true" | "TRUE" | "True") => options.error = true,
                ("error", "0" | "f" | "F" | "false" | "FALSE" | "False") => options.error = false,
                ("error", other) => return Err(format!("invalid check option: error is true or false, not `{other}`")),
                _ => {
                    return Err(format!("invalid check option `{part}`: write skip=RULE,…;error=true or skip=all"));
                }
            }
        }
        Ok(options)
    }

    /// Whether a finding of this rule counts.
    pub fn wants(&self, rule: Rule) -> bool {
        !self.skip.hold(rule) && (!rule.is_experimental() || self.experimental.hold(rule))
    }

    /// Names of rules that do not exist, each with the nearest that does.
    pub fn unknown(&self) -> Vec<(String, Option<String>)> {
        let known: Vec<String> = Rule::ALL.iter().map(Rule::to_string).collect();
        let names = self.skip.some.iter().chain(&self.experimental.some);
        let wrong = names.filter(|name| *name != "all" && !known.contains(name));
        wrong
            .map(|name| (name.clone(), words::nearest(name, known.iter().map(String::as_str)).map(Into::into)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = Options::parse(" skip = JSONArgsRecommended , StageNameCasing; error=true").unwrap();
        assert!(options.error && options.wants(Rule::UndefinedVar));
        assert!(!options.wants(Rule::JSONArgsRecommended) && !options.wants(Rule::StageNameCasing));
        assert!(!options.wants(Rule::InvalidDefinitionDescription));
        assert!(Options::parse("experimental=all").unwrap().wants(Rule::InvalidDefinitionDescription));
        assert!(!Rule::ALL.iter().any(|rule| Options::parse("skip=all").unwrap().wants(*rule)));
        assert_eq!(Options::parse("error=0"), Ok(Options::default()));
        for wrong in ["skip", "error=maybe", "skipp=all", "x"] {
            assert!(Options::parse(wrong).unwrap_err().starts_with("invalid check option"), "{wrong}");
        }
    }

    #[test]
    fn misspelt_rules_are_told() {
        let options = Options::parse("skip=JsonArgsRecommended,all,UndefinedVar,X").unwrap();
        let unknown = options.unknown();
        assert_eq!(unknown.len(), 2);
        assert_eq!(unknown[0].1.as_deref(), Some("JSONArgsRecommended"));
    }
}
