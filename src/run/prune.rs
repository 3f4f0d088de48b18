//! Pruning in its order: containers first, each under its lock; then what they and nothing else kept.

use super::control;
use crate::error::{Kind, Result, kind_of};
use crate::store::Store;
use crate::store::container::ContainerRecord;
use crate::store::gc::{Pruned, Victims};

/// Removes the victims that are still what they were when they were chosen, and what killed commands have left. Gives the
/// containers that are gone, and the rest.
pub fn prune(store: &Store, victims: &Victims) -> Result<(Vec<ContainerRecord>, Pruned)> {
    let mut containers = Vec::new();
    for container in &victims.containers {
        match control::remove(store, container, false, None) {
            Ok(()) => containers.push(container.clone()),
            // Another command has started or removed it.
            Err(error) if matches!(kind_of(&error), Some(Kind::InUse | Kind::NotFound)) => {}
            Err(error) => return Err(error),
        }
    }
    control::sweep(store)?;
    store.drop_dead_names()?;
    Ok((containers, store.prune(victims)?))
}
