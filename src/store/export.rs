//! Gives back the tar of a layer: for everything that takes layers out of the store.
//!
//! Not here: what the tar is put into (`archive`), and compression.

use super::Store;
use super::layer::LayerRef;
use crate::error::{Kind, Result, fail_with};
use crate::image::digest::Sha256Writer;
use crate::layer::{diff, recipe};
use crate::sys::path::Root;
use anyhow::Context;
use std::fs::File;
use std::io::{self, Write};

impl Store {
    /// Writes the exact tar that the layer's diff id names, and checks that it is that tar.
    ///
    /// Only for a worker: files of all ids must be readable. No more than `tar_size` bytes are written, so a caller may
    /// announce that size before; a difference is an error at the end.
    pub fn write_layer_tar(&self, layer: &LayerRef, out: &mut dyn Write) -> Result<()> {
        let damaged = |why: &str| {
            fail_with(
                Kind::System,
                format!("the layer {} is damaged in the store: {why}", layer.diff_id),
                "Remove the images that have it (`dhow rmi`), then build or load them again.",
            )
        };
        let record = self.layer(&layer.id)?.ok_or_else(|| damaged("it is gone"))?;
        let mut checked = Sha256Writer::new(AtMost { out, left: layer.tar_size });
        self.write_unchecked_tar(&layer.id, record.recipe, &mut checked)?;
        let (_, digest, size) = checked.finish();
        if digest.to_string() != layer.diff_id {
            return Err(damaged(&format!("its content is now {digest}")));
        }
        if size != layer.tar_size {
            return Err(damaged(&format!("its tar has {size} bytes, recorded are {}", layer.tar_size)));
        }
        Ok(())
    }

    /// Writes the tar that the layer's files give now, with its recipe or in our own form, whatever it should be.
    pub(super) fn write_unchecked_tar(&self, id: &str, recipe: bool, out: &mut dyn Write) -> Result<()> {
        let tree = Root::open(&self.layer_tree(id)).context("opening a layer")?;
        if !recipe {
            return diff::write_tar(&tree, &[], out).map(drop);
        }
        let dir = self.layer_dir(id);
        let stored = File::open(dir.join("tar.zst")).context("opening the recipe of a layer's tar")?;
        let aside = dir.join("aside");
        let aside = if aside.exists() { Some(Root::open(&aside).context("opening a layer")?) } else { None };
        let stored = zstd::stream::read::Decoder::new(stored).context("starting zstd")?;
        recipe::replay(stored, &tree, aside.as_ref(), out)
    }
}

/// Passes on so many bytes and refuses more: what follows in an archive must not be overrun.
struct AtMost<'a> {
    out: &'a mut dyn Write,
    left: u64,
}

impl Write for AtMost<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::other("the layer is damaged in the store: its tar became longer"));
        }
        let count = self.out.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::Digest;
    use crate::store::layer::LayerRecord;

    fn layer(store: &Store, tar_size: u64, diff_id: Digest) -> LayerRef {
        let staging = store.staging().unwrap();
        let made = staging.path().join("x");
        std::fs::create_dir_all(made.join("fs")).unwrap();
        let mut file = File::create(made.join("fs/f")).unwrap();
        file.write_all(b"content").unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap(); // its time is in the tar
        let diff_id = diff_id.to_string();
        let found =
            LayerRecord { diff_id, tar_size, content_size: 7, files: 1, recipe: false, unsynced_boot: String::new() };
        store.publish_layer(&staging, &made, found).unwrap()
    }

    #[test]
    fn a_layer_that_is_not_what_it_was_is_found_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let other = layer(&store, 2048, Digest::of(b"another tar"));
        let good = diff::digest(&Root::open(&store.layer_tree(&other.id)).unwrap(), &[]).unwrap();
        let error = store.write_layer_tar(&LayerRef { tar_size: good.tar_size, ..other.clone() }, &mut io::sink());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("is damaged in the store: its content is now"), "{error}");
        let short = LayerRef { tar_size: 1024, ..other };
        assert!(format!("{:#}", store.write_layer_tar(&short, &mut io::sink()).unwrap_err()).contains("longer"));
        let right = layer(&store, good.tar_size, good.diff_id.0);
        let mut tar = Vec::new();
        store.write_layer_tar(&right, &mut tar).unwrap();
        assert_eq!(Digest::of(&tar), good.diff_id.0);
    }
}
