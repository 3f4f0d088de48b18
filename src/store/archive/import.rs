//! Makes an image of one layer from the tar of a root file system.

use super::super::Store;
use super::super::image::ImageRecord;
use super::in_worker;
use super::layers::Layers;
use crate::error::{Kind, Result, fail};
use crate::image::config::{History, ImageConfig};
use crate::image::manifest::Platform;
use crate::image::reference::Reference;
use crate::progress::{Event, Reporter};
use anyhow::Context;
use std::io::Read;

/// What the history says where the person says nothing; the peers' words.
const COMMENT: &str = "Imported from -";

/// Imports a tar, compressed or not. `apply` makes the changes that were asked for and runs before anything is read;
/// `message` goes into the history. `input` is read in another process, which inherits the descriptor.
pub fn import(
    store: &Store,
    input: Box<dyn Read>,
    name: Option<Reference>,
    apply: &dyn Fn(&mut ImageConfig) -> Result<()>,
    message: Option<String>,
    reporter: &dyn Reporter,
) -> Result<ImageRecord> {
    let mut config = draft(message);
    apply(&mut config)?;
    let (image, warnings) = in_worker(store, |staging| {
        let mut layers = Layers::new(store, staging);
        let (diff_id, size) = layers.unpack(input, None).context("cannot import the archive")?;
        if size == 0 {
            return Err(fail(Kind::User, "the archive to import is empty"));
        }
        let warnings = layers.warnings();
        layers.publish(|ready| {
            let image = store.record_image(config, vec![ready[&diff_id].clone()])?;
            if let Some(name) = &name {
                store.set_name(name, &image.manifest)?;
            }
            Ok((image, warnings))
        })
    })?;
    for warning in warnings {
        reporter.report(Event::Warning(warning));
    }
    Ok(image)
}

fn draft(message: Option<String>) -> ImageConfig {
    let Platform { os, architecture, variant } = Platform::host();
    let created = Some(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string());
    let history =
        vec![History { created: created.clone(), comment: message.or(Some(COMMENT.into())), ..History::default() }];
    ImageConfig { created, os, architecture, variant, history, ..ImageConfig::default() }
}
