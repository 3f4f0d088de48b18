//! Stopping, signalling and removing containers, and sweeping up what a killed command left behind.
//!
//! A process is only ever meant by a descriptor that was checked against its start time, never by its number alone.

use super::{network, profile, signal};
use crate::error::{Kind, Result, fail, fail_with};
use crate::store::container::{ContainerLock, ContainerRecord, StateRecord, Status, no_container, short};
use crate::store::{Store, boot_id};
use crate::sys::{fault, process, userns};
use anyhow::Context;
use rustix::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a container that is just being made may take until its process is known.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Asks a container to end: its stop signal, then after `seconds` (none: the container's own time) SIGKILL. Returns when
/// its end is recorded. One that does not run is fine.
pub fn stop(store: &Store, container: &ContainerRecord, seconds: Option<u64>) -> Result<()> {
    let Some(first) = first_process(store, container)? else {
        return settle(store, container);
    };
    let number = signal::parse(&container.stop_signal).unwrap_or(signal::parse(profile::STOP_SIGNAL)?);
    send(&first, number, container)?;
    let seconds = seconds.unwrap_or(container.stop_timeout);
    if !ends_within(&first, Some(Duration::from_secs(seconds)))? {
        send(&first, libc::SIGKILL, container)?;
        ends_within(&first, None)?;
    }
    settle(store, container)
}

/// Sends a signal to a container's first process.
pub fn kill(store: &Store, container: &ContainerRecord, number: i32) -> Result<()> {
    match first_process(store, container)? {
        Some(first) => send(&first, number, container),
        None => Err(fail(
            Kind::User,
            format!(
                "can only kill running containers: container {} is not running: container state improper",
                container.name
            ),
        )),
    }
}

/// Removes a container and everything in it. A running one only by `force`: it is killed at once, or stopped first where
/// `seconds` are given.
pub fn remove(store: &Store, container: &ContainerRecord, force: bool, seconds: Option<u64>) -> Result<()> {
    if force {
        stop_by_force(store, container, seconds)?;
    }
    // Held until the folder is out of the store: nobody else starts or removes it meanwhile.
    let Some(_lock) = store.lock_ended(&container.id, force)? else {
        return if store.is_alive(&container.id)? { Err(running(container)) } else { gone(container, force) };
    };
    await_first_process(store, &container.id)?;
    fault::point("remove.forget")?;
    if !store.forget_container(&container.id)? {
        return gone(container, force);
    }
    // Nothing here may need room on the disk: removing is what people do when there is none.
    let mut rubbish = store.container_rubbish(&container.id);
    let left = collect(store)?;
    rubbish.extend(left.paths);
    userns::remove_trees(&rubbish)
}

fn running(container: &ContainerRecord) -> anyhow::Error {
    let name = &container.name;
    fail_with(
        Kind::InUse,
        format!(
            "cannot remove container {name} as it is running - running or paused containers cannot be removed without \
             force: container state improper"
        ),
        format!("Stop it first (`dhow stop {name}`), or remove it by force (`dhow rm -f {name}`)."),
    )
}

/// Removes a container whose record is damaged, so that nobody can tell what it is; a living one is killed by `force`.
pub fn remove_damaged(store: &Store, id: &str, force: bool) -> Result<()> {
    if force
        && store.is_alive(id)?
        && let Some(state) = store.state(id).unwrap_or(None)
        && let Some(first) = open(&state)?
    {
        process::signal(&first, libc::SIGKILL).context("ending the container")?;
        ends_within(&first, None)?;
    }
    let Some(_lock) = store.lock_ended(id, force)? else {
        return Err(fail_with(
            Kind::InUse,
            format!("container {} is running, and its record is damaged: container state improper", short(id)),
            format!("Remove it by force: `dhow rm -f {}`.", short(id)),
        ));
    };
    await_first_process(store, id)?;
    store.forget_container(id)?;
    store.drop_dead_names()?;
    userns::remove_trees(&store.container_rubbish(id))
}

/// Removes what commands that were killed have left: half made containers, containers that were to be removed at their
/// end, and staging folders. Does nothing, quickly, when there is nothing.
pub fn sweep(store: &Store) -> Result<()> {
    store.sweep_temporary()?;
    let left = collect(store)?;
    userns::remove_trees(&left.paths)
}

/// What killed commands have left, to be removed.
struct Leftovers {
    paths: Vec<PathBuf>,
    /// The containers among them are ours until their files are gone.
    _locks: Vec<ContainerLock>,
}

/// Finds everything abandoned and takes it off the lists. Two commands that sweep at once may remove the same files.
fn collect(store: &Store) -> Result<Leftovers> {
    let (mut paths, mut locks) = (Vec::new(), Vec::new());
    let dead = store.abandoned_containers()?;
    for id in &dead {
        locks.extend(store.lock_ended(id, false)?);
        await_first_process(store, id)?;
        store.forget_container(id)?;
        // Without a record nobody knows the name; the lock is ours now, so this is the moment to say that it is free.
        store.release_names_of(id)?;
        paths.extend(store.container_rubbish(id));
    }
    if !dead.is_empty() {
        store.drop_dead_names()?;
    }
    store.sweep_flights()?;
    for path in store.abandoned_staging()? {
        network::end_stray(&path);
        paths.push(path);
    }
    Ok(Leftovers { paths, _locks: locks })
}

/// The container vanished while we were at it: what `force` asks for, and a failure otherwise.
fn gone(container: &ContainerRecord, force: bool) -> Result<()> {
    if force { Ok(()) } else { Err(no_container(&container.name)) }
}

fn stop_by_force(store: &Store, container: &ContainerRecord, seconds: Option<u64>) -> Result<()> {
    if seconds.is_some() {
        return stop(store, container, seconds);
    }
    if let Some(first) = first_process(store, container)? {
        send(&first, libc::SIGKILL, container)?;
        ends_within(&first, None)?;
    }
    settle(store, container)
}

/// The first process of a container whose monitor lives; none when it has ended. Waits for one that is just being made.
fn first_process(store: &Store, container: &ContainerRecord) -> Result<Option<OwnedFd>> {
    let give_up = Instant::now() + START_LIMIT;
    while store.is_alive(&container.id)? {
        match store.status(&container.id)? {
            Status::Running(state) => return open(&state),
            Status::Created if Instant::now() < give_up => std::thread::sleep(Duration::from_millis(5)),
            Status::Created => return Err(fail(Kind::InUse, format!("container {} is being made", container.name))),
            Status::Exited(_) => break,
        }
    }
    Ok(None)
}

/// None also where the record is of an earlier boot: its number is somebody else's by now.
fn open(state: &StateRecord) -> Result<Option<OwnedFd>> {
    if state.boot != boot_id() {
        return Ok(None);
    }
    process::open_verified(state.pid, state.start_time).context("finding the container's first process")
}

fn send(first: &OwnedFd, number: i32, container: &ContainerRecord) -> Result<()> {
    match process::signal(first, number) {
        // It has ended meanwhile, which is what most signals are sent for.
        Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other.with_context(|| format!("sending signal {number} to container {}", container.name)),
    }
}

/// Waits for the end of a process, for ever without a limit; false when the limit came first.
fn ends_within(first: &OwnedFd, limit: Option<Duration>) -> Result<bool> {
    let give_up = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        let left = give_up.map(|at| at.saturating_duration_since(Instant::now()));
        // Rounded up: the last wait must not end just before the limit and then be repeated.
        let wait = left.map_or(-1, |left| left.as_millis().saturating_add(1).min(i32::MAX as u128) as i32);
        let ready = process::poll(&[(Some(first.as_fd()), libc::POLLIN)], wait).context("waiting for the container")?;
        if ready[0] != 0 {
            return Ok(true);
        }
        if give_up.is_some_and(|at| Instant::now() >= at) {
            return Ok(false);
        }
    }
}

/// Waits until the monitor has recorded the end and let go of the lock.
fn settle(store: &Store, container: &ContainerRecord) -> Result<()> {
    drop(store.lock_ended(&container.id, true)?);
    Ok(())
}

/// Makes sure that nothing writes into a container any more whose lock is free. Its first process may outlive a killed
/// monitor for a moment; or for long, because a program that changes its user loses the order to die with its parent.
fn await_first_process(store: &Store, id: &str) -> Result<()> {
    if store.exit(id).unwrap_or(None).is_some() {
        return Ok(());
    }
    network::end_stray(&store.container_dir(id));
    let Some(state) = store.state(id).unwrap_or(None) else { return Ok(()) };
    if let Some(first) = open(&state)? {
        match process::signal(&first, libc::SIGKILL) {
            // Not ours to signal: the machine was started again, and the number is somebody else's.
            Err(e) if matches!(e.raw_os_error(), Some(libc::ESRCH | libc::EPERM)) => return Ok(()),
            other => other.context("ending what a killed monitor left running")?,
        }
        ends_within(&first, None)?;
    }
    Ok(())
}
