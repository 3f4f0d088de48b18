//! The 512-byte block of the tar format: fields, numbers and checksum, in both directions.
//!
//! POSIX.1-2024 `pax`, "ustar Interchange Format", with GNU's base-256 numbers. It deliberately does not know what the
//! fields mean together; `reader` and `writer` do.

/// The unit of the format.
pub const BLOCK: usize = 512;
/// One header.
pub type Block = [u8; BLOCK];

/// A field by offset and length.
#[derive(Clone, Copy)]
pub struct Field(pub usize, pub usize);

pub const NAME: Field = Field(0, 100);
pub const MODE: Field = Field(100, 8);
pub const UID: Field = Field(108, 8);
pub const GID: Field = Field(116, 8);
pub const SIZE: Field = Field(124, 12);
pub const MTIME: Field = Field(136, 12);
pub const CHECKSUM: Field = Field(148, 8);
pub const KIND: usize = 156;
pub const LINK: Field = Field(157, 100);
pub const MAGIC: Field = Field(257, 8);
pub const MAJOR: Field = Field(329, 8);
pub const MINOR: Field = Field(337, 8);
pub const PREFIX: Field = Field(345, 155);

/// Magic and version of a POSIX header.
pub const USTAR: &[u8; 8] = b"ustar\x0000";

/// The bytes of a field.
pub fn field(block: &Block, at: Field) -> &[u8] {
    &block[at.0..at.0 + at.1]
}

/// The bytes of a text field up to its first NUL.
pub fn text(block: &Block, at: Field) -> &[u8] {
    let bytes = field(block, at);
    &bytes[..bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len())]
}

/// A number: octal digits between blanks, or base-256 if the highest bit is set. `None` if it is neither or too large.
pub fn number(bytes: &[u8]) -> Option<i64> {
    let first = *bytes.first()?;
    if first & 0x80 != 0 {
        return base256(bytes, first);
    }
    let blank = |b: &u8| *b == b' ' || *b == 0;
    let start = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    let end = digits.iter().position(blank).unwrap_or(digits.len());
    if !digits[end..].iter().all(blank) {
        return None;
    }
    digits[..end].iter().try_fold(0i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Two's complement, big-endian; the first byte's highest bit is only the mark of the form, the next one is the sign.
fn base256(bytes: &[u8], first: u8) -> Option<i64> {
    let negative = first & 0x40 != 0;
    let mut value: i128 = if negative { -1 } else { 0 };
    for (at, byte) in bytes.iter().enumerate() {
        let byte = if at == 0 && !negative { byte & 0x7f } else { *byte };
        value = value.checked_mul(256)? | i128::from(byte);
        if i64::try_from(value).is_err() {
            return None;
        }
    }
    i64::try_from(value).ok()
}

/// Whether the checksum is right. Old programs summed signed bytes; both sums are accepted, as everywhere.
pub fn checksum_fits(block: &Block) -> bool {
    let Some(stored) = number(field(block, CHECKSUM)) else { return false };
    let outside = |at: usize| !(CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1).contains(&at);
    let blanks = i64::from(b' ') * CHECKSUM.1 as i64;
    let bytes = || block.iter().enumerate().filter(|(at, _)| outside(*at)).map(|(_, b)| *b);
    let unsigned: i64 = bytes().map(i64::from).sum::<i64>() + blanks;
    stored == unsigned || stored == bytes().map(|b| i64::from(b as i8)).sum::<i64>() + blanks
}

/// Writes text into a field; what does not fit is cut off (the full text is then in an extension).
pub fn put_text(block: &mut Block, at: Field, text: &[u8]) {
    let fits = text.len().min(at.1);
    block[at.0..at.0 + fits].copy_from_slice(&text[..fits]);
}

/// Writes zero-filled octal digits with a final NUL. False (and zeros written) if the number does not fit.
pub fn put_number(block: &mut Block, at: Field, value: u64) -> bool {
    let digits = at.1 - 1;
    let fits = value < 1 << (3 * digits);
    let mut rest = if fits { value } else { 0 };
    for place in (at.0..at.0 + digits).rev() {
        block[place] = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
    fits
}

/// Computes the checksum and writes it in its usual form: six digits, NUL, blank.
pub fn seal(block: &mut Block) {
    block[CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1].fill(b' ');
    let sum: u64 = block.iter().map(|b| u64::from(*b)).sum();
    put_number(block, Field(CHECKSUM.0, 7), sum);
}

/// How many bytes fill the last block of `size` bytes.
pub fn padding(size: u64) -> usize {
    ((BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_form() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"77777777777 "), Some(0o77777777777));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\0\0\0\x01\0"), Some(256));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"), Some(-2));
        for bad in [&b"08"[..], b"1x", b"1 1", b"-1", b"\x80\xff\0\0\0\0\0\0\0\0\0\0"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_sealed_block_checks() {
        let mut block = [0; BLOCK];
        put_text(&mut block, NAME, "é".as_bytes());
        assert!(put_number(&mut block, SIZE, 0o77777777777));
        assert!(!put_number(&mut block, SIZE, 1 << 33));
        seal(&mut block);
        assert!(checksum_fits(&block));
        block[0] ^= 1;
        assert!(!checksum_fits(&block));
    }
}
