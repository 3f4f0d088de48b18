//! Looks whether everything in the store is what it should be, and mends what can be mended.
//!
//! Layers are compared with their digests, byte for byte, in a user namespace and side by side; records with what they
//! name ([`records`]). Nothing waits for a check and a check waits for nobody: what seems wrong is looked at twice, so
//! that a command at work meanwhile is not taken for damage. Not here: what killed commands left and the next command
//! sweeps, and what is merely unused (`prune`); a step or an index entry whose layer is gone is no damage but a miss.

mod records;
mod repair;
mod trees;

use super::Store;
use crate::error::Result;
use crate::progress::Reporter;
use serde::Serialize;

pub use repair::Remover;

/// How to check.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Look at the records only, not at the files in layers.
    pub quick: bool,
    /// Mend what can be mended, remove damaged things that nobody names.
    pub repair: bool,
    /// With `repair`: remove damaged images, too, and the containers that need them.
    pub force: bool,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The sort of thing: `layer`, `image`, `name`, `container`, `step`, `index`, `blob`, `folder`, `volume`.
    pub object: &'static str,
    /// Its id or name.
    pub id: String,
    /// What is wrong.
    pub problem: String,
    /// What a repair does about it.
    pub remedy: Remedy,
    /// A repair did so.
    pub repaired: bool,
}

/// What can be done about a [`Finding`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Remedy {
    /// Make the folder, and give it the mode that it should have.
    MendFolder,
    /// Make the lowest layer of all containers anew.
    MendStub,
    /// Write the image's record and blobs anew from what is left of them.
    RebuildImage {
        /// Digest of the manifest.
        manifest: String,
    },
    /// Write the layer's record anew from its tree.
    RebuildLayer {
        /// What the tree was checked against.
        diff_id: String,
    },
    /// Write the index entry of a layer.
    Index {
        /// The layer.
        layer: String,
    },
    /// Remove the file: nothing is lost with it but time.
    RemoveRecord {
        /// Below the store's folder.
        path: String,
    },
    /// Remove the layer, which neither an image nor a container names.
    RemoveLayer,
    /// Remove images, and the containers that need them. Only with `force`.
    RemoveImages {
        /// Their manifests.
        manifests: Vec<String>,
        /// Their names, or ids where they have none.
        names: Vec<String>,
        /// The ids of the containers that stand on them or on the layer itself.
        containers: Vec<String>,
    },
    /// Remove the container. Only with `force`: its files may be all that somebody has.
    RemoveContainer,
    /// Only a person can decide.
    Person {
        /// What the person may do.
        advice: String,
    },
}

impl Remedy {
    /// Whether it is done only when asked for with `force`.
    pub fn needs_force(&self) -> bool {
        matches!(self, Remedy::RemoveImages { .. } | Remedy::RemoveContainer)
    }
}

/// What a check found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Layers, images and containers that were looked at.
    pub layers: usize,
    /// See `layers`.
    pub images: usize,
    /// See `layers`.
    pub containers: usize,
    /// In the order in which repairs are done.
    pub findings: Vec<Finding>,
    /// Layers that could not be looked at, and why: neither good nor bad.
    pub unchecked: Vec<(String, String)>,
}

impl Report {
    /// Whether nothing wrong is left.
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.repaired)
    }
}

/// Checks the store. `remove` takes a container away, running or not; it is called only with [`Options::force`].
pub fn check(store: &Store, options: Options, remove: Remover<'_>, reporter: &dyn Reporter) -> Result<Report> {
    let view = records::View::of(store)?;
    let (damaged, unchecked) =
        if options.quick { Default::default() } else { trees::check(store, view.layer_ids(), reporter)? };
    let mut findings = view.findings(store, &damaged)?;
    if !findings.is_empty() {
        // What a command changed meanwhile looks right on a second look.
        let again = records::View::of(store)?.findings(store, &damaged)?;
        findings.retain(|finding| again.contains(finding));
    }
    if options.repair {
        repair::repair(store, &mut findings, options.force, remove)?;
    }
    let (images, containers) = view.counts();
    Ok(Report { layers: view.layer_ids().len(), images, containers, findings, unchecked })
}
