//! Decompression by what the bytes are, never by a name, and always inside this process.
//!
//! (Running a container's or the host's `xz` has given attackers the host: CVE-2026-41567, CVE-2019-14271.) Compressing
//! is for push and save and is not here.

use super::BUFFER;
use super::header::{self, BLOCK};
use crate::error::Result;
use anyhow::Context;
use std::io::{BufReader, Cursor, Read};

/// The largest zstd window that is accepted, as a power of two: 128 MiB, what `zstd -d` itself allows.
const ZSTD_WINDOW_LOG: u32 = 27;
/// The most memory that xz may ask for, in KiB: the same window (`xz -9` needs half of it) and its other tables.
const XZ_MEMORY: u32 = (128 + 1) << 10;
/// How many leading bytes tell the form.
const MAGIC: usize = 6;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

fn form(first: &[u8]) -> Form {
    match first {
        [0x1f, 0x8b, 8, ..] => Form::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Form::Zstd,
        // A skippable frame, which may precede the data.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Form::Zstd,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Form::Xz,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Form::Bzip2,
        _ => Form::Plain,
    }
}

/// A reader of what `reader` holds, decompressed: gzip, bzip2 (all members), xz (all streams), zstd (all frames), or plain
/// bytes as they are.
pub fn decoder<'a>(mut reader: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut first = Vec::with_capacity(MAGIC);
    reader.by_ref().take(MAGIC as u64).read_to_end(&mut first).context("cannot read the archive")?;
    let form = form(&first);
    let whole = Cursor::new(first).chain(reader);
    match form {
        Form::Plain => Ok(Box::new(whole)),
        Form::Gzip => {
            let buffered = BufReader::with_capacity(BUFFER, whole);
            Ok(Box::new(flate2::bufread::MultiGzDecoder::new(buffered)))
        }
        Form::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(whole).context("cannot start zstd")?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).context("cannot limit zstd's window")?;
            Ok(Box::new(decoder))
        }
        Form::Xz => {
            let buffered = BufReader::with_capacity(BUFFER, whole);
            Ok(Box::new(lzma_rust2::XzReader::new_mem_limit(buffered, true, XZ_MEMORY)))
        }
        Form::Bzip2 => {
            let buffered = BufReader::with_capacity(BUFFER, whole);
            Ok(Box::new(bzip2::bufread::MultiBzDecoder::new(buffered)))
        }
    }
}

/// Whether these first bytes are those of a compressed form.
pub fn is_compressed(first: &[u8]) -> bool {
    form(first) != Form::Plain
}

/// So much of a file shows what it is, in bytes: bzip2's first block, at most 900 kB, comes as a whole or not at all.
pub const SNIFF: u64 = 1 << 20;

/// Whether a file that begins with `first` is a tar archive, compressed or not; give [`SNIFF`] bytes if there are so many.
pub fn is_tar_archive(first: &[u8]) -> bool {
    let mut block = [0; BLOCK];
    let first_block = decoder(first).map(|mut decoder| decoder.read_exact(&mut block));
    matches!(first_block, Ok(Ok(()))) && block.iter().any(|b| *b != 0) && header::checksum_fits(&block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// What `xz` and `bzip2` make of `x` and a line feed.
    const XZ: &[u8] = include_bytes!("testdata/x.xz");
    const BZIP2: &[u8] = include_bytes!("testdata/x.bz2");

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn read(data: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decoder(data).map_err(std::io::Error::other)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn every_form_is_known_by_its_bytes() {
        assert_eq!(read(b"plain").unwrap(), b"plain");
        assert_eq!(read(b"").unwrap(), b"");
        assert_eq!(read(&[gzip(b"two "), gzip(b"members")].concat()).unwrap(), b"two members");
        assert_eq!(read(&zstd::encode_all(&b"zstd"[..], 1).unwrap()).unwrap(), b"zstd");
        assert!(read(&gzip(b"cut off")[..15]).is_err());
        assert_eq!(read(&[XZ, XZ].concat()).unwrap(), b"x\nx\n");
        assert_eq!(read(&[BZIP2, BZIP2].concat()).unwrap(), b"x\nx\n");
        let frames = [zstd::encode_all(&b"two "[..], 1).unwrap(), zstd::encode_all(&b"frames"[..], 1).unwrap()];
        assert_eq!(read(&frames.concat()).unwrap(), b"two frames");
        for cut in [&XZ[..40], &BZIP2[..30], &[b"BZh9", &[7; 60][..]].concat(), &[&XZ[..8], &[7; 60]].concat()] {
            assert!(read(cut).is_err());
        }
    }

    #[test]
    fn a_huge_window_is_refused() {
        // A frame header (RFC 8878 3.1.1.1) with a window of 2^41 bytes.
        let zstd = [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8][..], &[0; 64]].concat();
        assert!(read(&zstd).is_err());
        // An xz block header (file format 3.1) whose dictionary has 4 GiB; the checksum is made to fit.
        let mut xz = XZ.to_vec();
        let size = (usize::from(xz[12]) + 1) * 4;
        assert_eq!(xz[14..16], [0x21, 1], "the filter is LZMA2");
        xz[16] = 40;
        let mut crc = flate2::Crc::new();
        crc.update(&xz[12..12 + size - 4]);
        xz[12 + size - 4..12 + size].copy_from_slice(&crc.sum().to_le_bytes());
        let error = read(&xz).unwrap_err().to_string();
        assert!(error.contains("memory"), "{error}");
    }

    #[test]
    fn a_tar_is_known_through_its_compression() {
        let mut block = [0; BLOCK];
        header::put_text(&mut block, header::NAME, b"f");
        header::seal(&mut block);
        assert!(is_tar_archive(&block));
        assert!(is_tar_archive(&gzip(&block)));
        assert!(is_tar_archive(&zstd::encode_all(&block[..], 1).unwrap()));
        assert!(is_tar_archive(include_bytes!("testdata/tar.xz")));
        assert!(is_tar_archive(include_bytes!("testdata/tar.bz2")));
        assert!(!is_tar_archive(&gzip(b"just text")) && !is_tar_archive(XZ) && !is_tar_archive(BZIP2));
        assert!(!is_tar_archive(&[0; 4096]));
        assert!(!is_tar_archive(b"#!/bin/sh"));
    }
}
