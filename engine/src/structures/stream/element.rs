//! One string of an entry in a block: a field, a value or a number.
//!
//! Why it exists: most values in streams are short or numbers, and a general length prefix would
//! cost them more than they are. The forms are those of Redis's listpack, without the length
//! behind each element: entries are walked backwards as wholes, so one length per entry does.
//!
//! ```text
//! 0xxxxxxx                     integer 0..=127
//! 10xxxxxx bytes               string of up to 63 bytes
//! 110xxxxx x8                  integer of 13 bits, signed
//! 1110xxxx x8 bytes            string of up to 4095 bytes
//! 11110000 len32 bytes         longer string
//! 11110001 x16 .. 11110100 x64 integers of 16, 24, 32 and 64 bits, signed, little-endian
//! ```

use std::borrow::Cow;

use crate::ReplySink;
use crate::commands::number::integer;
use crate::structures::cow::Unshared;

/// A field or a value, borrowed from its block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Element<'a> {
    /// Bytes that are no canonical integer.
    Bytes(&'a [u8]),
    /// A canonical decimal.
    Int(i64),
}

impl<'a> Element<'a> {
    /// The element that stands for these bytes.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        integer(bytes).map_or(Self::Bytes(bytes), Self::Int)
    }

    /// The bytes. Copies integers.
    #[must_use]
    pub fn to_bytes(self) -> Cow<'a, [u8]> {
        match self {
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
            Self::Int(number) => Cow::Owned(itoa::Buffer::new().format(number).into()),
        }
    }

    /// Writes the element as one bulk reply.
    pub fn write(self, sink: &mut dyn ReplySink) {
        match self {
            Self::Bytes(bytes) => sink.bulk(bytes),
            Self::Int(number) => sink.bulk(itoa::Buffer::new().format(number).as_bytes()),
        }
    }

    /// Appends the encoded form.
    pub(super) fn encode(self, out: &mut Unshared<u8>) {
        match self {
            Self::Bytes(bytes) => {
                match bytes.len() {
                    len @ 0..=0x3f => out.push(0x80 | low_byte(len)),
                    len @ 0x40..=0xfff => {
                        out.extend_from_slice(&[0xe0 | low_byte(len >> 8), low_byte(len)])
                    }
                    len => {
                        let len = u32::try_from(len).expect("entries are below 2^30 bytes");
                        out.push(0xf0);
                        out.extend_from_slice(&len.to_le_bytes());
                    }
                }
                out.extend_from_slice(bytes);
            }
            Self::Int(number) => encode_integer(number, out),
        }
    }

    /// Reads the element at `at`, and says where the next one is.
    ///
    /// # Panics
    /// If there is no element at `at`: blocks are made here alone.
    #[inline]
    pub(super) fn decode(block: &'a [u8], at: usize) -> (Self, usize) {
        let tag = block[at];
        let string =
            |start: usize, len: usize| (Self::Bytes(&block[start..start + len]), start + len);
        match tag {
            0..=0x7f => (Self::Int(i64::from(tag)), at + 1),
            0x80..=0xbf => string(at + 1, usize::from(tag & 0x3f)),
            0xc0..=0xdf => {
                let number = i64::from(tag & 0x1f) << 8 | i64::from(block[at + 1]);
                // Sign-extends 13 bits.
                (Self::Int((number ^ 0x1000) - 0x1000), at + 2)
            }
            0xe0..=0xef => {
                string(at + 2, usize::from(tag & 0x0f) << 8 | usize::from(block[at + 1]))
            }
            0xf0 => {
                let len: [u8; 4] = block[at + 1..at + 5].try_into().expect("four bytes");
                let len = usize::try_from(u32::from_le_bytes(len)).expect("below 2^30");
                string(at + 5, len)
            }
            _ => {
                let width = integer_width(tag);
                let mut bytes = [0; 8];
                bytes[..width].copy_from_slice(&block[at + 1..at + 1 + width]);
                let unused = 64 - 8 * u32::try_from(width).expect("at most 8");
                (Self::Int(i64::from_le_bytes(bytes) << unused >> unused), at + 1 + width)
            }
        }
    }

    /// Where the element after the one at `at` begins.
    #[inline]
    pub(super) fn skip(block: &'a [u8], at: usize) -> usize {
        Self::decode(block, at).1
    }

    /// Bytes that the element takes in a listpack of Redis, its length behind it included.
    pub(super) fn listpack_bytes(self) -> usize {
        let encoded = match self {
            Self::Bytes(bytes) => bytes.len() + string_header(bytes.len()),
            Self::Int(number) => match number {
                0..=127 => 1,
                -4096..=4095 => 2,
                -0x8000..=0x7fff => 3,
                -0x80_0000..=0x7f_ffff => 4,
                -0x8000_0000..=0x7fff_ffff => 5,
                _ => 9,
            },
        };
        let behind = match encoded {
            0..=127 => 1,
            128..=16_382 => 2,
            16_383..=2_097_150 => 3,
            2_097_151..=268_435_454 => 4,
            _ => 5,
        };
        encoded + behind
    }
}

const fn string_header(len: usize) -> usize {
    match len {
        0..=0x3f => 1,
        0x40..=0xfff => 2,
        _ => 5,
    }
}

fn encode_integer(number: i64, out: &mut Unshared<u8>) {
    let bytes = number.to_le_bytes();
    match number {
        0..=127 => out.push(bytes[0]),
        -4096..=4095 => out.extend_from_slice(&[0xc0 | bytes[1] & 0x1f, bytes[0]]),
        _ => {
            let tag = match number {
                -0x8000..=0x7fff => 0xf1,
                -0x80_0000..=0x7f_ffff => 0xf2,
                -0x8000_0000..=0x7fff_ffff => 0xf3,
                _ => 0xf4,
            };
            out.push(tag);
            out.extend_from_slice(&bytes[..integer_width(tag)]);
        }
    }
}

/// Bytes of the integers behind the tags from 0xf1 on.
fn integer_width(tag: u8) -> usize {
    match tag {
        0xf1 => 2,
        0xf2 => 3,
        0xf3 => 4,
        0xf4 => 8,
        other => panic!("{other:#x} begins no element"),
    }
}

fn low_byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survives(element: Element<'_>) {
        let mut bytes = crate::structures::cow::CowVec::filled(7, 1);
        let block = bytes.unshare();
        element.encode(block);
        let end = block.len();
        block.push(9);
        assert_eq!(Element::decode(block, 1), (element, end));
    }

    #[test]
    fn integers_around_every_width() {
        for power in [0, 7, 12, 15, 23, 31, 63] {
            let limit = 1_i128 << power;
            for number in [-limit - 1, -limit, -limit + 1, limit - 1, limit, limit + 1, 0] {
                if let Ok(number) = i64::try_from(number) {
                    survives(Element::Int(number));
                }
            }
        }
    }

    #[test]
    fn strings_around_every_length() {
        for len in [0, 1, 63, 64, 4095, 4096, 70_000] {
            let bytes = vec![b'x'; len];
            survives(Element::Bytes(&bytes));
        }
    }

    #[test]
    fn only_canonical_decimals_become_integers() {
        assert_eq!(Element::of(b"-12"), Element::Int(-12));
        for text in ["-0", "01", "", "9223372036854775808", "+1"] {
            assert_eq!(Element::of(text.as_bytes()), Element::Bytes(text.as_bytes()));
        }
    }
}
