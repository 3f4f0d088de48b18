//! Seccomp profiles in the JSON form that OCI tools share, and what they mean for a set of capabilities.
//!
//! For each call the first rule of the profile that matches decides; rules may ask for capabilities and architectures.
//! Names that no table knows are skipped: they belong to other machines or to newer kernels.
//!
//! Pure code over `serde_json`; included by `build.rs` as well, hence errors as plain text and no use of the crate.

use super::bpf::{Action, Arch, Compare, Condition, Rule, SockFilter, compile};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// One calling convention of a kernel: its call numbers, and the architecture that a filter sees.
#[derive(Debug, Clone, Copy)]
pub struct Abi {
    /// The name that profiles use: `amd64`, `x32`, `x86`, `arm64`, `arm`.
    pub name: &'static str,
    /// `AUDIT_ARCH_*`; x32 shares it with amd64.
    pub audit: u32,
    /// `name number` pairs, one a line.
    pub table: &'static str,
}

/// A parsed profile.
#[derive(Debug, Clone)]
pub struct Profile {
    default: Action,
    rules: Vec<ProfileRule>,
}

#[derive(Debug, Clone)]
struct ProfileRule {
    names: Vec<String>,
    rule: Rule,
    includes: Filter,
    excludes: Filter,
}

#[derive(Debug, Clone, Default)]
struct Filter {
    caps: Vec<String>,
    arches: Vec<String>,
}

impl ProfileRule {
    /// Whether the rule is there at all for these capabilities and this convention. All included capabilities are
    /// needed and one excluded is enough, as other tools read these fields.
    fn applies(&self, caps: &[&str], abi: &str) -> bool {
        let has = |cap: &String| caps.contains(&cap.as_str());
        self.includes.caps.iter().all(has)
            && !self.excludes.caps.iter().any(has)
            && (self.includes.arches.is_empty() || self.includes.arches.iter().any(|name| name == abi))
            && !self.excludes.arches.iter().any(|name| name == abi)
    }
}

impl Profile {
    /// Reads a profile; the error says which rule is wrong, counted from 1.
    pub fn parse(json: &str) -> Result<Profile, String> {
        let root: Value = serde_json::from_str(json).map_err(|e| e.to_string())?;
        let default = action(root.get("defaultAction"), root.get("defaultErrnoRet"))?;
        let rules = match root.get("syscalls") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(rules)) => rules
                .iter()
                .enumerate()
                .map(|(at, value)| rule(value).map_err(|e| format!("rule {}: {e}", at + 1)))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err("syscalls is not a list".into()),
        };
        Ok(Profile { default, rules })
    }

    /// The filter for a process with these capabilities (`CAP_…` names) on a machine with these conventions.
    pub fn compile(&self, caps: &[&str], abis: &[Abi]) -> Vec<SockFilter> {
        let mut arches: Vec<Arch> = Vec::new();
        for abi in abis {
            let calls = self.calls(caps, abi);
            match arches.iter_mut().find(|arch| arch.audit == abi.audit) {
                Some(arch) => arch.calls.extend(calls),
                None => arches.push(Arch { audit: abi.audit, calls }),
            }
        }
        compile(&arches, self.default, Action::KillProcess)
    }

    /// The rules by call number, in the profile's order.
    fn calls(&self, caps: &[&str], abi: &Abi) -> BTreeMap<u32, Vec<Rule>> {
        let numbers: HashMap<&str, u32> = entries(abi.table).collect();
        let mut calls: BTreeMap<u32, Vec<Rule>> = BTreeMap::new();
        for rule in self.rules.iter().filter(|rule| rule.applies(caps, abi.name)) {
            for number in rule.names.iter().filter_map(|name| numbers.get(name.as_str())) {
                calls.entry(*number).or_default().push(rule.rule.clone());
            }
        }
        calls
    }

    /// The capabilities that any rule asks about: sets that agree on these get the same filter.
    #[allow(dead_code, reason = "build.rs calls it")]
    pub fn mentioned_caps(&self) -> Vec<&str> {
        let all = self.rules.iter().flat_map(|rule| rule.includes.caps.iter().chain(&rule.excludes.caps));
        let mut caps: Vec<&str> = all.map(String::as_str).collect();
        caps.sort_unstable();
        caps.dedup();
        caps
    }
}

/// The pairs of an [`Abi::table`].
pub fn entries(table: &str) -> impl Iterator<Item = (&str, u32)> {
    table.lines().filter_map(|line| {
        let (name, number) = line.split_once(' ')?;
        Some((name, number.parse().ok()?))
    })
}

fn rule(value: &Value) -> Result<ProfileRule, String> {
    // Docker's old form has one `name` instead of `names`.
    let names = match value.get("name") {
        Some(Value::String(name)) if !name.is_empty() => vec![name.clone()],
        _ => strings(value.get("names"), "names")?,
    };
    let conditions = match value.get("args") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(args)) => args.iter().map(condition).collect::<Result<_, _>>()?,
        Some(_) => return Err("args is not a list".into()),
    };
    let action = action(value.get("action"), value.get("errnoRet"))?;
    Ok(ProfileRule {
        names,
        rule: Rule { conditions, action },
        includes: filter(value.get("includes"))?,
        excludes: filter(value.get("excludes"))?,
    })
}

fn action(action: Option<&Value>, errno: Option<&Value>) -> Result<Action, String> {
    /// What the runtime specification sets where a profile names no error number.
    const EPERM: u64 = 1;
    /// The kernel's MAX_ERRNO.
    const MAX_ERRNO: u64 = 4095;
    let name = action.and_then(Value::as_str).ok_or("the action is missing")?;
    match name {
        "SCMP_ACT_ALLOW" => Ok(Action::Allow),
        "SCMP_ACT_LOG" => Ok(Action::Log),
        "SCMP_ACT_TRAP" => Ok(Action::Trap),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Ok(Action::KillThread),
        "SCMP_ACT_KILL_PROCESS" => Ok(Action::KillProcess),
        "SCMP_ACT_ERRNO" => {
            let number = match errno {
                None | Some(Value::Null) => EPERM,
                Some(value) => value.as_u64().filter(|n| *n <= MAX_ERRNO).ok_or(format!("bad error number {value}"))?,
            };
            Ok(Action::Errno(number as u16))
        }
        other => Err(format!("action {other} is not supported")),
    }
}

fn condition(value: &Value) -> Result<Condition, String> {
    let number = |key: &str| match value.get(key) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => value.as_u64().ok_or(format!("{key} is not a number from 0 to 2^64-1")),
    };
    let arg = number("index")?;
    if arg > 5 {
        return Err(format!("argument {arg} does not exist; they are 0 to 5"));
    }
    let (first, second) = (number("value")?, number("valueTwo")?);
    let compare = match value.get("op").and_then(Value::as_str).unwrap_or_default() {
        "SCMP_CMP_EQ" => Compare::Eq,
        "SCMP_CMP_NE" => Compare::Ne,
        "SCMP_CMP_LT" => Compare::Lt,
        "SCMP_CMP_LE" => Compare::Le,
        "SCMP_CMP_GT" => Compare::Gt,
        "SCMP_CMP_GE" => Compare::Ge,
        "SCMP_CMP_MASKED_EQ" => Compare::Masked(first),
        other => return Err(format!("comparison {other:?} is not known")),
    };
    let value = if matches!(compare, Compare::Masked(_)) { second } else { first };
    Ok(Condition { arg: arg as u8, compare, value })
}

fn filter(value: Option<&Value>) -> Result<Filter, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(Filter::default());
    };
    // Every kernel that dhow runs on has what profiles ask of 4.8; anything newer is not guessed at.
    if let Some(version) = value.get("minKernel").and_then(Value::as_str).filter(|v| !v.is_empty())
        && kernel(version).is_none_or(|version| version > (5, 13))
    {
        return Err(format!("minKernel {version} is not supported"));
    }
    Ok(Filter { caps: strings(value.get("caps"), "caps")?, arches: strings(value.get("arches"), "arches")? })
}

fn kernel(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn strings(value: Option<&Value>, what: &str) -> Result<Vec<String>, String> {
    let bad = || format!("{what} is not a list of names");
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(bad)).collect(),
        Some(_) => Err(bad()),
    }
}
