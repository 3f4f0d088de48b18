//! Build arguments before any stage begins: what the caller gave, the platform's, and the file's global `ARG`s.

use super::expand::Scope;
use crate::error::{Kind, Result, fail};
use std::collections::BTreeMap;

/// Arguments that reach every RUN without an `ARG`, in either case, and that no history tells.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// True for a predefined proxy argument.
pub fn is_proxy(name: &str) -> bool {
    PROXIES.iter().any(|p| name == *p || (name.eq_ignore_ascii_case(p) && !name.contains(char::is_uppercase)))
}

/// An operating system, an architecture and perhaps its variant, in Go's words (`linux/arm/v7`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`.
    pub architecture: String,
    /// `v7`.
    pub variant: Option<String>,
}

impl Platform {
    /// The platform of this machine.
    pub fn host() -> Platform {
        let architecture = normal_architecture(std::env::consts::ARCH).to_owned();
        Platform { os: "linux".into(), architecture, variant: None }
    }

    /// Reads `os/architecture[/variant]` or an architecture alone, with the usual other names (`x86_64`, `aarch64`).
    pub fn parse(text: &str) -> Result<Platform> {
        let lower = text.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('/').collect();
        let good =
            |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let (os, architecture, variant) = match parts.as_slice() {
            [one] if *one == "linux" => return Ok(Platform::host()),
            [one] => ("linux", *one, None),
            [os, architecture] => (*os, *architecture, None),
            [os, architecture, variant] => (*os, *architecture, Some(*variant)),
            _ => ("", "", None),
        };
        if ![os, architecture].iter().all(good) || !variant.iter().all(good) {
            return Err(fail(Kind::User, format!("invalid platform `{text}`: write it like linux/amd64")));
        }
        let architecture = normal_architecture(architecture);
        // v8 is what arm64 is without saying so.
        let variant = variant.filter(|v| !(architecture == "arm64" && *v == "v8"));
        Ok(Platform { os: os.into(), architecture: architecture.into(), variant: variant.map(Into::into) })
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |v| write!(f, "/{v}"))
    }
}

fn normal_architecture(name: &str) -> &str {
    match name {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "x86" | "i386" | "i686" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

/// The arguments of one build.
#[derive(Debug, Clone)]
pub struct Globals {
    /// What the caller gave (`--build-arg`).
    pub build_args: BTreeMap<String, String>,
    /// What is built for.
    pub platform: Platform,
    /// What FROM lines see, and what a bare `ARG` in a stage imports.
    scope: Scope,
}

impl Globals {
    /// The caller's arguments and the platform's; `stage` names the target.
    pub fn new(build_args: &BTreeMap<String, String>, platform: &Platform, stage: &str) -> Globals {
        let mut scope = Scope::default();
        for (prefix, platform) in [("BUILD", &Platform::host()), ("TARGET", platform)] {
            let mut set = |suffix: &str, value: &str| scope.set(format!("{prefix}{suffix}"), value);
            set("PLATFORM", &platform.to_string());
            set("OS", &platform.os);
            set("OSVERSION", "");
            set("ARCH", &platform.architecture);
            set("VARIANT", platform.variant.as_deref().unwrap_or_default());
        }
        scope.set("TARGETSTAGE", stage);
        let mut globals = Globals { build_args: build_args.clone(), platform: platform.clone(), scope };
        let overridden = build_args.iter().filter(|(name, _)| globals.scope.get(name).is_some());
        for (name, value) in overridden.collect::<Vec<_>>() {
            globals.scope.set(name, value);
        }
        globals
    }

    /// The variables of the global scope.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Declares a global `ARG`: the caller's value beats the default, even an empty one.
    pub fn declare(&mut self, name: &str, default: Option<&str>) {
        let value = self.build_args.get(name).map(String::as_str).or(default).map(str::to_owned);
        if let Some(value) = value {
            self.scope.set(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_normalised() {
        assert_eq!(Platform::parse("Linux/x86_64").unwrap().to_string(), "linux/amd64");
        assert_eq!(Platform::parse("aarch64").unwrap().to_string(), "linux/arm64");
        assert_eq!(Platform::parse("linux/arm64/v8").unwrap().to_string(), "linux/arm64");
        assert_eq!(Platform::parse("linux/arm/v7").unwrap().to_string(), "linux/arm/v7");
        assert!(Platform::parse("a/b/c/d").is_err());
        assert!(Platform::parse("linux/").is_err());
    }

    #[test]
    fn proxies_count_in_both_cases() {
        assert!(is_proxy("HTTP_PROXY") && is_proxy("no_proxy") && !is_proxy("Http_Proxy") && !is_proxy("PROXY"));
    }

    #[test]
    fn given_values_beat_defaults_even_empty_ones() {
        let given = [("A".to_owned(), String::new()), ("TARGETARCH".to_owned(), "x".to_owned())].into();
        let mut globals = Globals::new(&given, &Platform::parse("linux/arm/v7").unwrap(), "app");
        globals.declare("A", Some("default"));
        globals.declare("B", Some("b"));
        globals.declare("C", None);
        let get = |name| globals.scope().get(name);
        assert_eq!((get("A"), get("B"), get("C")), (Some(""), Some("b"), None));
        assert_eq!((get("TARGETARCH"), get("TARGETVARIANT"), get("TARGETSTAGE")), (Some("x"), Some("v7"), Some("app")));
    }
}
