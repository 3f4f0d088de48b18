//! Capability names and sets: what a container's processes hold. Pure.

use super::profile::DEFAULT_CAPABILITIES;
use crate::error::{Kind, Result, fail};
use caps::{Capability, CapsHashSet};

/// A set of capabilities by number.
pub type Bits = u64;

/// The set as a bit mask.
pub fn bits(set: &CapsHashSet) -> Bits {
    set.iter().fold(0, |mask, cap| mask | (1 << cap.index()))
}

/// The set as `CAP_…` names, sorted.
pub fn names(set: &CapsHashSet) -> Vec<String> {
    let mut names: Vec<String> = set.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

/// The default set with what the user adds and drops; `ALL` means every capability.
pub fn effective(add: &[String], drop: &[String]) -> Result<CapsHashSet> {
    let all = |list: &[String]| list.iter().any(|name| name.eq_ignore_ascii_case("ALL"));
    let mut set = if all(add) {
        caps::all()
    } else if all(drop) {
        CapsHashSet::new()
    } else {
        DEFAULT_CAPABILITIES.iter().map(|name| parse(name)).collect::<Result<_>>()?
    };
    for name in add.iter().filter(|n| !n.eq_ignore_ascii_case("ALL")) {
        set.insert(parse(name)?);
    }
    for name in drop.iter().filter(|n| !n.eq_ignore_ascii_case("ALL")) {
        set.remove(&parse(name)?);
    }
    Ok(set)
}

fn parse(name: &str) -> Result<Capability> {
    let upper = name.to_ascii_uppercase();
    let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
    full.parse().map_err(|_| fail(Kind::User, format!("unknown capability {name:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_set_is_the_peers_mask() {
        assert_eq!(bits(&effective(&[], &[]).unwrap()), 0x8004_05fb);
    }

    #[test]
    fn words_add_and_drop() {
        let set = effective(&["net_raw".into()], &["ALL".into()]).unwrap();
        assert_eq!(names(&set), ["CAP_NET_RAW"]);
        assert!(effective(&["CAP_FLY".into()], &[]).unwrap_err().to_string().contains("CAP_FLY"));
    }
}
