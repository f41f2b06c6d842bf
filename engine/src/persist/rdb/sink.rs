//! Where encoded values go, and how lengths and strings are written.
//!
//! Why it exists: a value of gigabytes is written piece by piece into a block, a checksum or a
//! socket, not into a copy of itself.

use crate::commands::number;
use crate::structures::lzf;

/// Longest string that is looked at as an integer: the digits of 32 bits and a sign.
const INT_TEXT_BYTES_MAX: usize = 11;
/// Shorter strings are not worth compressing; Redis's limit.
const LZF_BYTES_MIN: usize = 21;

/// Takes bytes. It does not fail: what writes to the world remembers its error.
pub trait Sink {
    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Writes a number in the form of a length; see `input`.
#[inline]
pub fn put_length(length: u64, sink: &mut impl Sink) {
    let [.., b3, b2, b1, b0] = length.to_be_bytes();
    match length {
        0..0x40 => sink.put(&[b0]),
        0x40..0x4000 => sink.put(&[0x40 | b1, b0]),
        0x4000..=0xffff_ffff => sink.put(&[0x80, b3, b2, b1, b0]),
        _ => {
            sink.put(&[0x81]);
            sink.put(&length.to_be_bytes());
        }
    }
}

/// The same for a size in memory.
#[inline]
pub(crate) fn put_count(count: usize, sink: &mut impl Sink) {
    put_length(count as u64, sink);
}

/// Writes a string: as an integer where it is one of up to 32 bits, in LZF if that is wanted and
/// saves something, else as it is. The choices are those of Redis.
#[inline]
pub fn put_string(bytes: &[u8], lzf: bool, sink: &mut impl Sink) {
    if bytes.len() <= INT_TEXT_BYTES_MAX
        && let Some(number) = number::integer(bytes)
        && put_small_integer(number, sink)
    {
        return;
    }
    if lzf && bytes.len() >= LZF_BYTES_MIN && put_compressed(bytes, sink) {
        return;
    }
    put_count(bytes.len(), sink);
    sink.put(bytes);
}

/// Writes the string that is an integer's decimal form.
pub(crate) fn put_integer(number: i64, sink: &mut impl Sink) {
    if !put_small_integer(number, sink) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        put_count(digits.len(), sink);
        sink.put(digits);
    }
}

fn put_small_integer(number: i64, sink: &mut impl Sink) -> bool {
    if let Ok(number) = i8::try_from(number) {
        sink.put(&[0xc0]);
        sink.put(&number.to_le_bytes());
    } else if let Ok(number) = i16::try_from(number) {
        sink.put(&[0xc1]);
        sink.put(&number.to_le_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        sink.put(&[0xc2]);
        sink.put(&number.to_le_bytes());
    } else {
        return false;
    }
    true
}

fn put_compressed(bytes: &[u8], sink: &mut impl Sink) -> bool {
    // Redis gives its compressor four bytes less than there are.
    let Some(packed) = lzf::compress(bytes, bytes.len() - 4) else { return false };
    sink.put(&[0xc3]);
    put_count(packed.len(), sink);
    put_count(bytes.len(), sink);
    sink.put(&packed);
    true
}
