//! Keys of build steps: a digest over the parent's chain, the instruction after expansion and the content of its inputs.
//! Never a time. The named inputs are kept with the record, so that a later miss can say what changed
//! (`why`).

use sha2::{Digest as _, Sha256};

/// Changed whenever the meaning of a step changes: old records then simply never match.
const VERSION: &str = "dhow step 1";

/// The inputs of one step, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inputs(pub Vec<(String, String)>);

impl Inputs {
    /// Adds an input.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Inputs {
        self.0.push((name.to_string(), value.into()));
        self
    }

    /// The key below a parent chain, as hex.
    pub fn key(&self, parent: &str) -> String {
        let parts = [VERSION, parent].into_iter().chain(self.0.iter().flat_map(|(n, v)| [n.as_str(), v.as_str()]));
        digest(parts)
    }
}

/// The chain after a layer: what a step on top of it depends on.
pub fn chain(parent: &str, diff_id: &str) -> String {
    digest(["chain", parent, diff_id])
}

fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize())
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_and_the_parent_count() {
        let a = Inputs::default().with("the instruction", "x").with("files", "1");
        let b = Inputs::default().with("the instruction", "x").with("files", "2");
        assert_ne!(a.key("p"), b.key("p"));
        assert_ne!(a.key("p"), a.key("q"));
        assert_eq!(a.key("p"), a.clone().key("p"));
    }
}
