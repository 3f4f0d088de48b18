//! What a container may do: `--cap-add`, `--cap-drop`, `--read-only`.

use crate::error::{Kind, Result, fail_with};
use clap::Args;

/// Security flags.
#[derive(Debug, Default, Args)]
pub struct Security {
    /// Make the container's root file system read-only
    #[arg(long)]
    pub read_only: bool,
    /// Add a capability (NET_ADMIN, or ALL)
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop a capability (CHOWN, or ALL)
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
}

/// Capability names in upper case without `CAP_`; each word may hold several, with commas.
pub fn capabilities(words: &[String]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for word in words.iter().flat_map(|w| w.split(',')).map(str::trim).filter(|w| !w.is_empty()) {
        let upper = word.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if name != "ALL" && format!("CAP_{name}").parse::<caps::Capability>().is_err() {
            return Err(fail_with(
                Kind::User,
                format!("unknown capability {word:?}"),
                "Names are those of capabilities(7), such as NET_ADMIN, or ALL.",
            ));
        }
        all.push(name.to_string());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_one_spelling() {
        let words = ["cap_net_admin,CHOWN".to_string(), "all".into()];
        assert_eq!(capabilities(&words).unwrap(), ["NET_ADMIN", "CHOWN", "ALL"]);
        assert!(capabilities(&["fly".into()]).is_err());
    }
}
