//! The network of a container or build: `--network`, `--hostname`.

use crate::error::{Kind, Result, fail_with};
use crate::run::options::Network;
use clap::Args;

/// Network flags.
#[derive(Debug, Default, Args)]
pub struct NetworkFlags {
    /// The network: private (own addresses, connected to the outside), host, or none
    #[arg(long, alias = "net", value_name = "MODE")]
    pub network: Option<String>,
}

impl NetworkFlags {
    /// The network asked for, private if none was.
    pub fn resolve(&self) -> Result<Network> {
        self.network.as_deref().map_or(Ok(Network::default()), parse)
    }
}

/// Reads a `--network` word; the peers' names for a connected network of one's own are taken too.
pub fn parse(text: &str) -> Result<Network> {
    match text {
        "private" | "pasta" | "bridge" | "slirp4netns" | "default" | "" => Ok(Network::Private),
        "host" => Ok(Network::Host),
        "none" => Ok(Network::None),
        other => Err(fail_with(
            Kind::User,
            format!("the network {other:?} is not available"),
            "dhow knows private, host and none so far; it has no user-defined networks yet.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_default_networks_are_our_private_one() {
        assert_eq!(parse("bridge").unwrap(), Network::Private);
        assert_eq!(parse("none").unwrap(), Network::None);
        assert!(parse("container:x").is_err());
        assert_eq!(NetworkFlags::default().resolve().unwrap(), Network::Private);
    }
}
