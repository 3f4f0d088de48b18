//! From layers and a configuration to a recorded image: what a build, a commit and an import end with.
//!
//! Not here: making layers (`layer`, [`Store::publish_layer`]) and naming the image ([`Store::set_name`]).

use super::Store;
use super::image::ImageRecord;
use super::layer::LayerRef;
use crate::error::{Kind, Result, fail, fail_with};
use crate::image::config::ImageConfig;
use crate::image::digest::Digest;
use crate::image::manifest::{self, Descriptor};
use crate::sys::fault;
use std::collections::BTreeMap;

/// What Docker shows for an image that does not say when it was made: the zero value of Go's time.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// An image that is thought out and not recorded.
#[derive(Debug)]
pub struct Composed {
    /// What its record will be.
    pub record: ImageRecord,
    config: Vec<u8>,
    /// Its manifest.
    pub manifest: Vec<u8>,
}

impl Composed {
    /// An image of our own making: `layers` are lowest first, and the configuration's diff ids are set from them. The same
    /// input gives the same image.
    pub fn new(
        mut config: ImageConfig,
        layers: Vec<LayerRef>,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Composed> {
        config.rootfs.diff_ids = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        Composed::of_bytes(config.to_bytes(), layers, annotations)
    }

    fn of_bytes(
        config_bytes: Vec<u8>,
        layers: Vec<LayerRef>,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Composed> {
        let config = ImageConfig::parse(&config_bytes)?;
        if !config.rootfs.diff_ids.iter().eq(layers.iter().map(|layer| &layer.diff_id)) {
            return Err(fail(Kind::User, "the image's configuration names other layers than the image has"));
        }
        let id = Digest::of(&config_bytes);
        let config_descriptor = Descriptor::new(manifest::OCI_CONFIG, id, config_bytes.len() as u64);
        let descriptors = layers
            .iter()
            .map(|l| Ok(Descriptor::new(manifest::OCI_LAYER, Digest::parse(&l.diff_id)?, l.tar_size)))
            .collect::<Result<Vec<_>>>()?;
        let manifest = manifest::build_manifest(&config_descriptor, &descriptors, annotations);
        if manifest.len() as u64 > manifest::MAX_MANIFEST {
            return Err(fail(Kind::User, format!("the image has too many layers ({}) for a manifest", layers.len())));
        }
        let record = ImageRecord {
            manifest: Digest::of(&manifest).to_string(),
            id: id.to_string(),
            size: layers.iter().map(|l| l.content_size).sum(),
            created: config.created.clone().unwrap_or_else(|| NO_TIME.into()),
            config,
            layers,
        };
        Ok(Composed { record, config: config_bytes, manifest })
    }
}

impl Store {
    /// Records an image of our own making, see [`Composed::new`].
    pub fn record_image(&self, config: ImageConfig, layers: Vec<LayerRef>) -> Result<ImageRecord> {
        self.record(Composed::new(config, layers, &BTreeMap::new())?)
    }

    /// Records an image that came from elsewhere: its configuration is kept to the byte, so its id stays.
    ///
    /// The manifest is ours all the same: it names the layers as they are here, not compressed.
    pub fn record_image_as(&self, config_bytes: &[u8], layers: Vec<LayerRef>) -> Result<ImageRecord> {
        self.record(Composed::of_bytes(config_bytes.to_vec(), layers, &BTreeMap::new())?)
    }

    /// Records an image: config and manifest as blobs, the layers on disk, then the record.
    pub fn record(&self, image: Composed) -> Result<ImageRecord> {
        let Composed { record, config, manifest } = image;
        // From here on nobody takes away a layer that we have seen.
        let _adding = self.lock_shared()?;
        if let Some(gone) = record.layers.iter().find(|l| !matches!(self.usable_layer(&l.id), Ok(Some(_)))) {
            return Err(fail_with(
                Kind::System,
                format!("the layer {} was removed while the image was made", gone.diff_id),
                "Run the command again.",
            ));
        }
        self.put_blob(&config)?;
        self.put_blob(&manifest)?;
        self.sync_layers(&record.layers)?;
        fault::point("image.record")?;
        self.put_image(&record)?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::super::layer::LayerRecord;
    use super::*;

    fn layer(store: &Store) -> LayerRef {
        let staging = store.staging().unwrap();
        let made = staging.path().join("x");
        std::fs::create_dir_all(made.join("fs")).unwrap();
        let found = LayerRecord {
            diff_id: Digest::of(b"tar").to_string(),
            tar_size: 1024,
            content_size: 7,
            files: 1,
            recipe: false,
            unsynced_boot: String::new(),
        };
        store.publish_layer(&staging, &made, found).unwrap()
    }

    fn config() -> ImageConfig {
        ImageConfig { architecture: "amd64".into(), os: "linux".into(), ..ImageConfig::default() }
    }

    #[test]
    fn the_same_input_gives_the_same_image_and_its_blobs_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let layer = layer(&store);
        let image = store.record_image(config(), vec![layer.clone()]).unwrap();
        assert_eq!(image, store.record_image(config(), vec![layer.clone()]).unwrap());
        assert_eq!(store.image(&image.manifest).unwrap().unwrap(), image);
        let bytes = store.get_blob(&Digest::parse(&image.manifest).unwrap()).unwrap();
        let manifest = manifest::parse_manifest(&bytes).unwrap();
        assert_eq!(manifest.config.digest.to_string(), image.id);
        assert_eq!(manifest.layers[0].digest.to_string(), layer.diff_id);
        let config = ImageConfig::parse(&store.get_blob(&manifest.config.digest).unwrap()).unwrap();
        assert_eq!(config.rootfs.diff_ids, [layer.diff_id]);
        assert!(store.layer(&layer.id).unwrap().unwrap().unsynced_boot.is_empty(), "synced before it is recorded");
    }

    #[test]
    fn a_foreign_configuration_is_kept_to_the_byte() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let layer = layer(&store);
        let text = format!(
            r#"{{ "os":"linux", "architecture":"amd64","rootfs":{{"diff_ids":["{}"],"type":"layers"}}}}"#,
            layer.diff_id
        );
        let image = store.record_image_as(text.as_bytes(), vec![layer]).unwrap();
        assert_eq!(image.id, Digest::of(text.as_bytes()).to_string());
        assert!(store.record_image_as(text.as_bytes(), vec![]).is_err());
    }

    #[test]
    fn an_image_of_a_layer_that_is_gone_is_not_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let layer = layer(&store);
        std::fs::remove_dir_all(store.layer_dir(&layer.id)).unwrap();
        assert!(store.record_image(config(), vec![layer]).is_err());
        assert!(store.images().unwrap().is_empty());
    }
}
