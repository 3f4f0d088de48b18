//! An image from a container: its changes as one more layer, its configuration as the image's.
//!
//! The container's upper folder is only read, and the container goes on meanwhile: without a freezer of our own a file
//! that is written during the copy may be caught half written, as by any copy of a live system. What Dockerfile lines do
//! to a configuration is known further up (`build`) and comes in as a function.

use super::{spec, time};
use crate::error::{Kind, Result, fail_with};
use crate::image::config::{Execution, History, ImageConfig};
use crate::image::manifest::Platform;
use crate::image::reference::Reference;
use crate::layer::{self, LayerInfo, diff};
use crate::store::Store;
use crate::store::container::{ContainerRecord, short};
use crate::store::image::ImageRecord;
use crate::store::layer::{LayerRecord, LayerRef};
use crate::store::staging::Staging;
use crate::sys::path::Root;
use crate::sys::userns;
use anyhow::Context;
use rustix::fs::FileType;
use std::path::{Path, PathBuf};

/// Where every container has files of ours (see `prepare::host_files`).
const MOUNT_POINTS: [&str; 3] = ["etc/hosts", "etc/hostname", "etc/resolv.conf"];

/// Options of `commit`.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What the image is to be called.
    pub name: Option<Reference>,
    /// A comment for its history.
    pub message: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// Stop the container's processes for the copy. Taken, and without effect until there is a freezer.
    pub pause: bool,
}

/// Makes an image of a container, running or not. `change` may alter the configuration before it is recorded; it is asked
/// first, so that a mistake in it costs nothing.
pub fn commit(
    store: &Store,
    container: &ContainerRecord,
    options: &Options,
    change: &dyn Fn(&mut ImageConfig) -> Result<()>,
) -> Result<ImageRecord> {
    let mut config = match store.image(&container.image_manifest)? {
        Some(base) => base.config,
        // The image went, its layers are the container's: what is known of them is enough.
        None => unknown_base(),
    };
    config.config = committed(&container.config, &config.config, container);
    change(&mut config)?;
    let layers = container.layers.iter().map(|id| present(store, container, id)).collect::<Result<Vec<_>>>()?;
    // Held until the image is recorded: the new layer is named by nobody else before.
    let staging = store.staging()?;
    let top = userns::run(|| layer_of(store, container, &staging));
    let image = top.and_then(|top| record(store, container, options, config, layers, top));
    staging.remove()?;
    image
}

fn record(
    store: &Store,
    container: &ContainerRecord,
    options: &Options,
    mut config: ImageConfig,
    mut layers: Vec<LayerRef>,
    top: Option<LayerRef>,
) -> Result<ImageRecord> {
    let now = time::now();
    config.created = Some(now.clone());
    if options.author.is_some() {
        config.author = options.author.clone();
    }
    config.history.push(History {
        created: Some(now),
        created_by: Some(container.argv.join(" ")),
        author: options.author.clone(),
        comment: options.message.clone(),
        empty_layer: top.is_none(),
    });
    layers.extend(top);
    let image = store.record_image(config, layers)?;
    if let Some(name) = &options.name {
        store.set_name(name, &image.manifest)?;
    }
    Ok(image)
}

fn unknown_base() -> ImageConfig {
    let host = Platform::host();
    ImageConfig { architecture: host.architecture, variant: host.variant, os: host.os, ..ImageConfig::default() }
}

fn present(store: &Store, container: &ContainerRecord, id: &str) -> Result<LayerRef> {
    store.usable_layer(id)?.ok_or_else(|| {
        fail_with(
            Kind::System,
            format!("layer {id} of container {} is missing from the store", container.name),
            "The container cannot be committed; `dhow cp` still gets single files out of it while it runs.",
        )
    })
}

/// The container's configuration without what every container gets from us, unless its image had it, too.
fn committed(effective: &Execution, base: &Execution, container: &ContainerRecord) -> Execution {
    let mut config = effective.clone();
    let given = spec::environment(&Execution::default(), &container.hostname, container.tty, &[]);
    let base_env = base.env.as_deref().unwrap_or_default();
    if let Some(env) = &mut config.env {
        env.retain(|entry| base_env.contains(entry) || !given.contains(entry));
        if env.is_empty() {
            config.env = None;
        }
    }
    // Triggers are for images made from the base by a build; that one has had its chance.
    config.on_build = None;
    config
}

/// The container's changes as a layer in the store; none when there are none. In a worker: all ids are needed.
fn layer_of(store: &Store, container: &ContainerRecord, staging: &Staging) -> Result<Option<LayerRef>> {
    let copied = copy_upper(store, container, staging.path());
    let result = copied.and_then(|(made, info)| {
        if info.files == 0 {
            return Ok(None);
        }
        store.publish_layer(staging, &made, LayerRecord::of(&info)).map(Some)
    });
    staging.empty_here()?;
    result
}

/// Copies the container's changes below `into`, as they were at some time of its life.
fn copy_upper(store: &Store, container: &ContainerRecord, into: &Path) -> Result<(PathBuf, LayerInfo)> {
    let upper = Root::open(&store.container_dir(&container.id).join("upper"))
        .with_context(|| format!("opening the files of container {}", short(&container.id)));
    let copied = upper.and_then(|upper| copy_twice(&upper, &mount_points(&upper)?, into));
    // Before the copy is believed, and before its failure is told: a removal is reason enough.
    store.check_still_there(container)?;
    copied
}

/// The files that are only there for something to be mounted on them.
fn mount_points(upper: &Root) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in MOUNT_POINTS.map(Path::new) {
        match upper.lstat(path) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_size == 0 => {
                found.push(path.to_path_buf());
            }
            Ok(_) => {}
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => {}
            Err(e) => return Err(e).context("looking for mount points"),
        }
    }
    Ok(found)
}

/// Copies the tree below `into`; once more if it changed while it was read. Gives the layer's folder.
fn copy_twice(upper: &Root, skip: &[PathBuf], into: &Path) -> Result<(PathBuf, LayerInfo)> {
    let first = into.join("first");
    if let Ok(info) = copy(upper, skip, &first) {
        return Ok((first, info));
    }
    let second = into.join("second");
    let info = copy(upper, skip, &second)
        .context("copying the container's files failed twice; if they change all the time, stop the container first")?;
    Ok((second, info))
}

/// Copies a tree in overlay form by its canonical tar, which gives the digest on the way: the data is read once.
fn copy(upper: &Root, skip: &[PathBuf], made: &Path) -> Result<LayerInfo> {
    layer::take_in(|out| diff::write_tar(upper, skip, out), made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn a_copy_is_faithful_and_knows_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let upper = dir.path().join("upper");
        fs::create_dir_all(upper.join("etc/sub")).unwrap();
        fs::write(upper.join("etc/hosts"), "").unwrap();
        fs::write(upper.join("etc/hostname"), "mine").unwrap();
        fs::write(upper.join("a"), "data").unwrap();
        fs::hard_link(upper.join("a"), upper.join("b")).unwrap();
        symlink("a", upper.join("l")).unwrap();
        fs::set_permissions(upper.join("etc/sub"), fs::Permissions::from_mode(0o1700)).unwrap();
        let root = Root::open(&upper).unwrap();
        let skip = mount_points(&root).unwrap();
        assert_eq!(skip, [Path::new("etc/hosts")]);
        let made = dir.path().join("made");
        let info = copy(&root, &skip, &made).unwrap();
        let at = |name: &str| fs::symlink_metadata(made.join("fs").join(name)).unwrap();
        assert_eq!(at("a").ino(), at("b").ino());
        assert_eq!(at("etc/sub").mode() & 0o7777, 0o1700);
        assert!(!made.join("fs/etc/hosts").exists() && made.join("fs/etc/hostname").exists());
        assert!(at("l").is_symlink());
        assert_eq!(info, diff::digest(&Root::open(&made.join("fs")).unwrap(), &[]).unwrap());
        assert_eq!(info, diff::digest(&root, &skip).unwrap());
    }

    #[test]
    fn what_every_container_gets_stays_out_of_the_image() {
        let env = |all: &[&str]| Execution {
            env: Some(all.iter().map(ToString::to_string).collect()),
            on_build: Some(vec!["RUN x".into()]),
            ..Execution::default()
        };
        let container: ContainerRecord = serde_json::from_value(serde_json::json!({
            "id": "1", "name": "n", "created": "", "image": "", "image_manifest": "", "image_id": "", "layers": [],
            "argv": ["sh"], "config": {}, "hostname": "h", "network": "none", "tty": true, "stdin": false,
            "remove": false, "stop_signal": "", "stop_timeout": 10, "spec": {"ociVersion": "1.2.0"}
        }))
        .unwrap();
        let effective = env(&["PATH=/x", "container=dhow", "TERM=xterm", "HOSTNAME=h", "A=1"]);
        let kept = committed(&effective, &env(&["TERM=xterm"]), &container);
        assert_eq!(kept.env.unwrap(), ["PATH=/x", "TERM=xterm", "A=1"]);
        assert_eq!(kept.on_build, None);
    }
}
