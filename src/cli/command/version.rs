//! `dhow version`: what this is. There is no server; clients of docker that ask for one get the same answer.

use super::Verb;
use crate::cli::format;
use crate::cli::output::Personality;
use crate::error::Result;
use crate::image::manifest::Platform;
use clap::Args;
use serde_json::{Value, json};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The version of docker's API that clients expect of an engine with these commands.
const API: &str = "1.44";

/// Arguments of `version`.
#[derive(Debug, Args)]
pub struct Version {
    /// Print json, or what a Go template says
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// The line of `--version`.
pub fn one_line(personality: Personality) -> String {
    match personality {
        Personality::Docker => format!("Docker version {VERSION}, build dhow"),
        Personality::Podman => format!("dhow version {VERSION}"),
    }
}

fn value() -> Value {
    let host = Platform::host();
    let side = json!({
        "Name": "dhow",
        "Version": VERSION,
        "APIVersion": API,
        "ApiVersion": API,
        "Os": host.os,
        "Arch": host.architecture,
        "OsArch": format!("{}/{}", host.os, host.architecture),
    });
    json!({ "Client": side, "Server": side })
}

impl Verb for Version {
    const NAME: &'static str = "version";
    const ABOUT: &'static str = "Print the version";

    fn run(self) -> Result<i32> {
        let value = value();
        format::object(self.format.as_deref(), &value, || {
            let client = &value["Client"];
            let text = |key: &str| client[key].as_str().unwrap_or_default().to_string();
            Ok(format!(
                "Client:       dhow\nVersion:      {}\nAPI Version:  {}\nOS/Arch:      {}\n",
                text("Version"),
                text("APIVersion"),
                text("OsArch")
            ))
        })?;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_a_version() {
        let template = format::Template::parse("{{.Server.Version}} {{.Client.APIVersion}}").unwrap();
        assert_eq!(template.render(&value()).unwrap(), format!("{VERSION} {API}"));
        assert!(one_line(Personality::Docker).starts_with("Docker version "));
    }
}
