//! Bytes that are being read: fixed numbers, lengths and strings as RDB has them.
//!
//! Why it exists: every read is checked here, so that the decoders above can neither run past the
//! end nor believe a count that the input cannot hold.
//!
//! ```text
//! 00nnnnnn                     length of 6 bits
//! 01nnnnnn n8                  length of 14 bits, big-endian
//! 10000000 n32                 length of 32 bits, big-endian
//! 10000001 n64                 length of 64 bits, big-endian
//! 11000000 i8, ..01 i16, ..10 i32    a string that is this integer, little-endian
//! 11000011 length length bytes       a string in LZF: its bytes here, its bytes unpacked
//! ```

use super::damage::{Damage, Flaw};
use crate::structures::listpack::Entry;
use crate::structures::lzf;

/// Reads from the front of a slice.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A string as it was written down.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Word<'a> {
    /// Bytes of the input.
    Bytes(&'a [u8]),
    /// An integer; the string is its decimal form.
    Int(i64),
    /// Bytes that were compressed.
    Unpacked(Vec<u8>),
}

impl Word<'_> {
    /// The string as an entry: without copying or allocating.
    #[must_use]
    #[inline]
    pub fn entry(&self) -> Entry<'_> {
        match self {
            Self::Bytes(bytes) => Entry::Bytes(bytes),
            Self::Int(number) => Entry::Int(*number),
            Self::Unpacked(bytes) => Entry::Bytes(bytes),
        }
    }

    /// Calls `f` with the bytes.
    #[inline]
    pub fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        self.entry().with_bytes(f)
    }

    /// The bytes; copies.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }
}

/// What a length's first byte says.
enum Length {
    Encoding(u8),
    Plain(u64),
}

impl<'a> Input<'a> {
    /// Reads from the front of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// What was read from an earlier position on.
    ///
    /// # Panics
    /// If that is not an earlier position.
    #[must_use]
    pub fn since(&self, position: usize) -> &'a [u8] {
        &self.bytes[position..self.at]
    }

    /// A flaw at the current place.
    #[must_use]
    pub fn damage(&self, flaw: Flaw) -> Damage {
        Damage { at: self.at, flaw }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`Flaw::Truncated`].
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or_else(|| self.damage(Flaw::Truncated))?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        Ok(self.take(N)?.try_into().expect("exactly so many were taken"))
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Flaw::Truncated`].
    #[inline]
    pub fn byte(&mut self) -> Result<u8, Damage> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// Eight bytes, little-endian: times and scores.
    ///
    /// # Errors
    /// [`Flaw::Truncated`].
    pub fn u64_le(&mut self) -> Result<u64, Damage> {
        self.array().map(u64::from_le_bytes)
    }

    /// Four bytes, little-endian.
    ///
    /// # Errors
    /// [`Flaw::Truncated`].
    pub fn u32_le(&mut self) -> Result<u32, Damage> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, big-endian: the ids of streams.
    ///
    /// # Errors
    /// [`Flaw::Truncated`].
    pub fn u64_be(&mut self) -> Result<u64, Damage> {
        self.array().map(u64::from_be_bytes)
    }

    #[inline]
    fn any_length(&mut self) -> Result<Length, Damage> {
        let first = self.byte()?;
        let low = u64::from(first & 0x3f);
        Ok(match (first >> 6, first) {
            (0, _) => Length::Plain(low),
            (1, _) => Length::Plain(low << 8 | u64::from(self.byte()?)),
            (_, 0x80) => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            (_, 0x81) => Length::Plain(self.u64_be()?),
            (3, _) => Length::Encoding(first & 0x3f),
            _ => return Err(Damage { at: self.at - 1, flaw: Flaw::Length }),
        })
    }

    /// A number in the form of a length.
    ///
    /// # Errors
    /// [`Flaw::Truncated`], [`Flaw::Length`].
    #[inline]
    pub fn length(&mut self) -> Result<u64, Damage> {
        let at = self.at;
        match self.any_length()? {
            Length::Plain(length) => Ok(length),
            Length::Encoding(_) => Err(Damage { at, flaw: Flaw::Length }),
        }
    }

    /// A number of things that take at least `bytes_min` bytes each in what follows.
    ///
    /// # Errors
    /// As [`Input::length`]; [`Flaw::Count`] when the rest cannot hold them.
    pub fn count(&mut self, bytes_min: usize) -> Result<usize, Damage> {
        let at = self.at;
        let count = usize::try_from(self.length()?).unwrap_or(usize::MAX);
        match count.checked_mul(bytes_min) {
            Some(bytes) if bytes <= self.left() => Ok(count),
            _ => Err(Damage { at, flaw: Flaw::Count }),
        }
    }

    /// A string.
    ///
    /// # Errors
    /// [`Flaw::Truncated`], [`Flaw::Length`], [`Flaw::Count`], [`Flaw::Compressed`].
    #[inline]
    pub fn word(&mut self) -> Result<Word<'a>, Damage> {
        let at = self.at;
        let encoding = match self.any_length()? {
            Length::Plain(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                return self.take(length).map(Word::Bytes);
            }
            Length::Encoding(encoding) => encoding,
        };
        Ok(match encoding {
            0 => Word::Int(i64::from(i8::from_le_bytes(self.array()?))),
            1 => Word::Int(i64::from(i16::from_le_bytes(self.array()?))),
            2 => Word::Int(i64::from(i32::from_le_bytes(self.array()?))),
            3 => {
                let packed = self.count(1)?;
                let unpacked = usize::try_from(self.length()?).unwrap_or(usize::MAX);
                let packed = self.take(packed)?;
                let unpacked = lzf::decompress(packed, unpacked);
                Word::Unpacked(unpacked.ok_or(Damage { at, flaw: Flaw::Compressed })?)
            }
            _ => return Err(Damage { at, flaw: Flaw::Length }),
        })
    }

    /// Passes over a string; answers nothing.
    ///
    /// # Errors
    /// As [`Input::word`], without a look into what is compressed.
    pub fn skip_word(&mut self) -> Result<(), Damage> {
        let at = self.at;
        let bytes = match self.any_length()? {
            Length::Plain(length) => length,
            Length::Encoding(0) => 1,
            Length::Encoding(1) => 2,
            Length::Encoding(2) => 4,
            Length::Encoding(3) => {
                let packed = self.length()?;
                self.length()?;
                packed
            }
            Length::Encoding(_) => return Err(Damage { at, flaw: Flaw::Length }),
        };
        self.take(usize::try_from(bytes).unwrap_or(usize::MAX)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::rdb::sink::{put_length, put_string};

    #[test]
    fn lengths_around_every_width_come_back() {
        for power in [0, 5, 6, 13, 14, 31, 32, 63] {
            for length in [(1_u64 << power) - 1, 1 << power, (1 << power) + 1, u64::MAX] {
                let mut bytes = Vec::new();
                put_length(length, &mut bytes);
                let mut input = Input::new(&bytes);
                assert_eq!(input.length(), Ok(length));
                assert_eq!(input.left(), 0);
                for cut in 0..bytes.len() {
                    let short = Input::new(&bytes[..cut]).length();
                    assert_eq!(short.map_err(|damage| damage.flaw), Err(Flaw::Truncated));
                }
            }
        }
    }

    #[test]
    fn strings_of_every_form_come_back() {
        let long: Vec<u8> = b"abc".repeat(5_000);
        let texts: [&[u8]; 12] = [
            b"",
            b"a",
            b"0",
            b"-128",
            b"127",
            b"128",
            b"-32768",
            b"2147483647",
            b"2147483648",
            b"-2147483648",
            b"007",
            &long,
        ];
        for text in texts {
            for lzf in [false, true] {
                let mut bytes = Vec::new();
                put_string(text, lzf, &mut bytes);
                let mut input = Input::new(&bytes);
                assert_eq!(input.word().unwrap().to_vec(), text);
                assert_eq!(input.left(), 0);
                let mut input = Input::new(&bytes);
                input.skip_word().unwrap();
                assert_eq!(input.left(), 0);
                for cut in 0..bytes.len().min(200) {
                    assert!(Input::new(&bytes[..cut]).word().is_err());
                }
            }
        }
    }

    #[test]
    fn counts_beyond_the_input_are_refused() {
        let bytes = [10, 1, 2, 3, 4, 5];
        assert_eq!(Input::new(&bytes).count(1).map_err(|damage| damage.flaw), Err(Flaw::Count));
        let bytes = [2, 1, 2, 3, 4, 5];
        assert_eq!(Input::new(&bytes).count(2), Ok(2));
        assert!(Input::new(&bytes).count(3).is_err());
        assert!(Input::new(&[0x82, 0, 0, 0, 0]).length().is_err(), "no such length");
    }
}
