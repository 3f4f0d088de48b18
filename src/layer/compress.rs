//! Decompression by what the bytes are, never by a name, and always inside this process.
//!
//! (Running a container's or the host's `xz` has given attackers the host: CVE-2026-41567, CVE-2019-14271.) Compressing
//! is for push and save and is not here.

use super::BUFFER;
use super::header::{self, BLOCK};
use crate::error::{Kind, Result, fail_with};
use anyhow::Context;
use std::io::{BufReader, Cursor, Read};

/// The largest zstd window that is accepted, as a power of two: 128 MiB, what `zstd -d` itself allows.
const ZSTD_WINDOW_LOG: u32 = 27;
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

/// A reader of what `reader` holds, decompressed: gzip (all members), zstd, or plain bytes as they are.
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
        Form::Xz | Form::Bzip2 => {
            let name = if form == Form::Xz { "xz" } else { "bzip2" };
            Err(fail_with(
                Kind::User,
                format!("the archive is compressed with {name}, which is not supported"),
                "Compress it with gzip or zstd, or use COPY to take the file as it is.",
            ))
        }
    }
}

/// Whether a file that begins with `first` is a tar archive, compressed or not; give some 64 KiB if there are so many.
///
/// For xz and bzip2, which cannot be looked into, the answer is yes: [`decoder`] then says what to do.
pub fn is_tar_archive(first: &[u8]) -> bool {
    let mut block = [0; BLOCK];
    match form(first) {
        Form::Xz | Form::Bzip2 => return true,
        Form::Plain | Form::Gzip | Form::Zstd => {
            let Ok(mut decoder) = decoder(first) else { return false };
            if decoder.read_exact(&mut block).is_err() {
                return false;
            }
        }
    }
    block.iter().any(|b| *b != 0) && header::checksum_fits(&block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

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
        assert!(decoder(&b"\xfd7zXZ\0\0"[..]).err().unwrap().to_string().contains("xz"));
        assert!(decoder(&b"BZh9"[..]).err().unwrap().to_string().contains("bzip2"));
    }

    #[test]
    fn a_tar_is_known_through_its_compression() {
        let mut block = [0; BLOCK];
        header::put_text(&mut block, header::NAME, b"f");
        header::seal(&mut block);
        assert!(is_tar_archive(&block));
        assert!(is_tar_archive(&gzip(&block)));
        assert!(is_tar_archive(&zstd::encode_all(&block[..], 1).unwrap()));
        assert!(!is_tar_archive(&gzip(b"just text")));
        assert!(!is_tar_archive(&[0; 4096]));
        assert!(!is_tar_archive(b"#!/bin/sh"));
    }
}
