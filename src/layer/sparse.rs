//! Sparse files in a tar: which parts of a file the archive holds, in the four forms that GNU tar has written.
//!
//! (GNU tar manual, "Sparse Formats": the old header of type `S`, and PAX 0.0, 0.1 and 1.0.) This module only reads the
//! maps; `reader` finds their bytes, and the file is made with holes by whoever unpacks it. A map that does not fit what
//! the archive holds is refused.

use super::header::{self, BLOCK, Block, Field};
use crate::error::{Kind, Result, fail};

/// The most parts of one file. Each needs 16 bytes of memory; a database of gigabytes has some ten thousand.
const MAX_PIECES: usize = 1 << 20;
/// Parts in a header of the old form, from this offset on, and where it says that a block with more follows.
const OLD_MAP: (usize, usize, usize) = (386, 4, 482);
/// The same in the blocks that follow.
const OLD_MORE: (usize, usize, usize) = (0, 21, 504);
/// Where a header of the old form has the size of the whole file.
const OLD_SIZE: Field = Field(483, 12);

/// The parts of a file that the archive holds; the rest is holes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sparse {
    /// Size of the file with its holes, in bytes.
    pub size: u64,
    /// Offset and length of each part, in order, without overlap.
    pub pieces: Vec<(u64, u64)>,
}

impl Sparse {
    /// What a header of the old form says, and whether a block with more parts follows.
    pub fn old(block: &Block) -> Result<(Sparse, bool)> {
        let mut sparse = Sparse { size: number(header::field(block, OLD_SIZE))?, pieces: Vec::new() };
        let more = sparse.take_block(block, OLD_MAP)?;
        Ok((sparse, more))
    }

    /// Takes the parts in a block that follows an old header; says whether one more follows.
    pub fn old_more(&mut self, block: &Block) -> Result<bool> {
        self.take_block(block, OLD_MORE)
    }

    fn take_block(&mut self, block: &Block, (from, count, more): (usize, usize, usize)) -> Result<bool> {
        for at in (from..).step_by(24).take(count) {
            if block[at + 12] == 0 {
                break;
            }
            let piece = (number(&block[at..at + 12])?, number(&block[at + 12..at + 24])?);
            self.push(piece)?;
        }
        Ok(block[more] != 0)
    }

    fn push(&mut self, piece: (u64, u64)) -> Result<()> {
        if self.pieces.len() == MAX_PIECES {
            return Err(wrong(&format!("it has more than {MAX_PIECES} parts")));
        }
        self.pieces.push(piece);
        Ok(())
    }

    /// Refuses parts that overlap, lie outside the file, or do not add up to the `stored` bytes of the archive.
    pub fn check(&self, stored: u64) -> Result<()> {
        let (mut end, mut sum) = (0u64, 0u64);
        for (offset, length) in &self.pieces {
            if *offset < end {
                return Err(wrong("its parts overlap"));
            }
            end = offset.checked_add(*length).filter(|e| *e <= self.size).ok_or_else(|| wrong("a part is outside"))?;
            sum += length; // at most `end`
        }
        if sum != stored {
            return Err(wrong(&format!("its parts have {sum} bytes, the archive holds {stored}")));
        }
        Ok(())
    }
}

/// The `GNU.sparse.*` records of a PAX header.
#[derive(Debug, Default)]
pub struct Records {
    /// The file's true name; the plain header then has one for readers that do not know better.
    pub name: Option<Vec<u8>>,
    major: Option<u64>,
    minor: Option<u64>,
    size: Option<u64>,
    real_size: Option<u64>,
    count: Option<u64>,
    /// Offsets and lengths by turns.
    numbers: Vec<u64>,
    any: bool,
}

impl Records {
    /// Takes the record `GNU.sparse.<key>`.
    pub fn take(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.any = true;
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"major" => self.major = Some(decimal(value)?),
            b"minor" => self.minor = Some(decimal(value)?),
            b"size" => self.size = Some(decimal(value)?),
            b"realsize" => self.real_size = Some(decimal(value)?),
            b"numblocks" => self.count = Some(decimal(value)?),
            b"map" if self.numbers.is_empty() => {
                for text in value.split(|b| *b == b',').filter(|_| !value.is_empty()) {
                    self.number(text, self.numbers.len() % 2)?;
                }
            }
            b"offset" => self.number(value, 0)?,
            b"numbytes" => self.number(value, 1)?,
            _ => return Err(wrong(&format!("it has an unknown record {:?}", String::from_utf8_lossy(key)))),
        }
        Ok(())
    }

    fn number(&mut self, text: &[u8], turn: usize) -> Result<()> {
        if self.numbers.len() % 2 != turn {
            return Err(wrong("its records are out of order"));
        }
        if self.numbers.len() == 2 * MAX_PIECES {
            return Err(wrong(&format!("it has more than {MAX_PIECES} parts")));
        }
        self.numbers.push(decimal(text)?);
        Ok(())
    }

    /// What the records say of the file that follows.
    pub fn form(&self) -> Result<Form> {
        if !self.any {
            return Ok(Form::None);
        }
        match (self.major, self.minor) {
            (Some(1), Some(0)) if self.numbers.is_empty() && self.count.is_none() && self.size.is_none() => {
                Ok(Form::MapInContent { size: self.real_size.ok_or_else(|| wrong("its size is missing"))? })
            }
            (None, None) if self.real_size.is_none() => {
                let size = self.size.ok_or_else(|| wrong("its size is missing"))?;
                let pieces: Vec<_> = self.numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
                if !self.numbers.len().is_multiple_of(2) || self.count != Some(pieces.len() as u64) {
                    return Err(wrong("its map is incomplete"));
                }
                Ok(Form::Known(Sparse { size, pieces }))
            }
            _ => Err(wrong("its records are not of one format")),
        }
    }
}

/// How a PAX header describes a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Form {
    /// Not as a sparse one.
    None,
    /// The whole map is known (0.0 and 0.1).
    Known(Sparse),
    /// The content begins with the map (1.0), read by a [`MapReader`].
    MapInContent {
        /// Size of the file with its holes, in bytes.
        size: u64,
    },
}

/// Reads the map before the content of format 1.0: decimal numbers, each on a line, the first says how many pairs follow.
#[derive(Debug, Default)]
pub struct MapReader {
    numbers: Vec<u64>,
    digits: Vec<u8>,
}

impl MapReader {
    /// Takes the next block and gives the parts once they are complete; the rest of that block is padding.
    pub fn take(&mut self, block: &Block) -> Result<Option<Vec<(u64, u64)>>> {
        for byte in block {
            if *byte != b'\n' {
                self.digits.push(*byte);
                if self.digits.len() > 20 {
                    return Err(wrong("its map is damaged"));
                }
                continue;
            }
            self.numbers.push(decimal(&self.digits)?);
            self.digits.clear();
            let count = usize::try_from(self.numbers[0]).ok().filter(|count| *count <= MAX_PIECES);
            let count = count.ok_or_else(|| wrong(&format!("it has more than {MAX_PIECES} parts")))?;
            if self.numbers.len() == 1 + 2 * count {
                return Ok(Some(self.numbers[1..].chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()));
            }
        }
        Ok(None)
    }
}

/// How many bytes the blocks of a map of format 1.0 have; they are a part of the content.
pub const MAP_BLOCK: u64 = BLOCK as u64;

fn decimal(text: &[u8]) -> Result<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| digits).and_then(|t| t.parse().ok());
    number.ok_or_else(|| wrong("its map has something that is no number"))
}

fn number(field: &[u8]) -> Result<u64> {
    let number = header::number(field).and_then(|n| u64::try_from(n).ok());
    number.ok_or_else(|| wrong("its map has something that is no number"))
}

/// An error about a sparse file's description.
pub fn wrong(why: &str) -> anyhow::Error {
    fail(Kind::User, format!("a sparse file is described wrongly: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(all: &[(&str, &str)]) -> Result<Form> {
        let mut records = Records::default();
        for (key, value) in all {
            records.take(key.as_bytes(), value.as_bytes())?;
        }
        records.form()
    }

    #[test]
    fn the_three_pax_forms() {
        let known = Form::Known(Sparse { size: 99, pieces: vec![(1, 2), (9, 0)] });
        let old = [("size", "99"), ("numblocks", "2"), ("offset", "1"), ("numbytes", "2"), ("offset", "9")];
        assert_eq!(records(&[&old[..], &[("numbytes", "0")]].concat()).unwrap(), known);
        assert!(records(&old).is_err());
        assert_eq!(records(&[("size", "99"), ("numblocks", "2"), ("map", "1,2,9,0")]).unwrap(), known);
        let form = records(&[("major", "1"), ("minor", "0"), ("realsize", "7"), ("name", "n")]).unwrap();
        assert_eq!(form, Form::MapInContent { size: 7 });
        assert_eq!(records(&[]).unwrap(), Form::None);
        for bad in [
            &[("major", "1"), ("minor", "1"), ("realsize", "7")][..],
            &[("major", "1"), ("minor", "0")],
            &[("map", "1,2")],
            &[("size", "9"), ("numblocks", "1"), ("map", "1,2,3")],
            &[("size", "9"), ("map", "1,2")],
            &[("size", "9"), ("map", "1,x")],
            &[("size", "9"), ("map", "1,2"), ("map", "3,4")],
            &[("size", "9"), ("numbytes", "1")],
            &[("size", "9"), ("other", "1")],
        ] {
            assert!(records(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_map_before_the_content_may_span_blocks() {
        let mut text = b"90\n".to_vec();
        (0..90u64).for_each(|n| text.extend(format!("{}\n{n}\n", n * 1000).bytes()));
        text.resize(text.len().next_multiple_of(BLOCK), 0);
        let mut reader = MapReader::default();
        let mut blocks = text.chunks_exact(BLOCK).map(|b| reader.take(b.try_into().unwrap()).unwrap());
        let pieces = blocks.find_map(|pieces| pieces).unwrap();
        assert_eq!((pieces.len(), pieces[89], blocks.next()), (90, (89_000, 89), None));
        for bad in [&b"99999999\n"[..], b"x\n", b"\n", &[b'1'; 30]] {
            let mut block = [0; BLOCK];
            block[..bad.len()].copy_from_slice(bad);
            assert!(MapReader::default().take(&block).is_err());
        }
    }

    #[test]
    fn parts_must_fit() {
        let check = |pieces: &[(u64, u64)]| Sparse { size: 10, pieces: pieces.to_vec() }.check(4);
        check(&[(0, 2), (5, 2), (10, 0)]).unwrap();
        for bad in [&[(0, 3)][..], &[(0, 3), (2, 1)], &[(5, 2), (0, 2)], &[(7, 4)], &[(u64::MAX, 4)], &[]] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
