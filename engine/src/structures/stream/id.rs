//! The ids of a stream's entries: a time in milliseconds and a number within it.
//!
//! Why it exists: ids order the stream, travel as text, and have arithmetic at their ends that
//! must not wrap. Not for the words that stand for ids in commands (`$`, `>`, `*`): those mean
//! something only where they stand.

use std::fmt;

/// Longest text of an id: two 64-bit numbers and a dash.
const TEXT_BYTES_MAX: usize = 41;
/// Longest text that is read as an id: Redis's limit.
const TEXT_BYTES_READ_MAX: usize = 127;

/// Position of an entry in its stream.
///
/// # Examples
/// ```
/// use engine::structures::stream::StreamId;
///
/// let id = StreamId::parse(b"5-7", 0).expect("an id");
/// assert_eq!((id.ms, id.seq), (5, 7));
/// assert_eq!(id.next().expect("not the last").to_string(), "5-8");
/// assert!(StreamId::parse(b"5-x", 0).is_none());
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId {
    /// Unix time in milliseconds, by convention.
    pub ms: u64,
    /// Number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// The greatest id.
    pub const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };
    /// The least id, which no entry has.
    pub const MIN: Self = Self { ms: 0, seq: 0 };

    /// The id of these parts.
    #[must_use]
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// The id after this one; `None` after the greatest.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match (self.ms.checked_add(1), self.seq.checked_add(1)) {
            (_, Some(seq)) => Some(Self { ms: self.ms, seq }),
            (Some(ms), None) => Some(Self { ms, seq: 0 }),
            (None, None) => None,
        }
    }

    /// The id before this one; `None` before the least.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        match (self.ms.checked_sub(1), self.seq.checked_sub(1)) {
            (_, Some(seq)) => Some(Self { ms: self.ms, seq }),
            (Some(ms), None) => Some(Self { ms, seq: u64::MAX }),
            (None, None) => None,
        }
    }

    /// Reads `ms-seq`, or `ms` alone with `seq_if_missing` in place of the number.
    #[must_use]
    pub fn parse(text: &[u8], seq_if_missing: u64) -> Option<Self> {
        if text.len() > TEXT_BYTES_READ_MAX {
            return None;
        }
        let mut parts = text.splitn(2, |byte| *byte == b'-');
        let ms = unsigned(parts.next()?)?;
        let seq = parts.next().map_or(Some(seq_if_missing), unsigned)?;
        Some(Self { ms, seq })
    }

    /// Hands the text of the id to `use_text`. Cost: no allocation.
    pub fn with_text<R>(self, use_text: impl FnOnce(&[u8]) -> R) -> R {
        let mut text = [0; TEXT_BYTES_MAX];
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (ms, seq) = (ms.format(self.ms).as_bytes(), seq.format(self.seq).as_bytes());
        text[..ms.len()].copy_from_slice(ms);
        text[ms.len()] = b'-';
        let len = ms.len() + 1 + seq.len();
        text[ms.len() + 1..len].copy_from_slice(seq);
        use_text(&text[..len])
    }
}

/// The canonical text, as clients get it.
impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// A part of an id, as Redis reads it: a canonical number must not be negative; what is not
/// canonical is read as C's `strtoull` does, with spaces and a sign in front and leading zeros.
fn unsigned(text: &[u8]) -> Option<u64> {
    if crate::commands::number::integer(text).is_some_and(i64::is_negative) {
        return None;
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte))?;
    let (negative, digits) = match &text[start..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })?;
    Some(if negative { number.wrapping_neg() } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_both_ways() {
        for id in [StreamId::MIN, StreamId::MAX, StreamId::new(1, 0), StreamId::new(0, u64::MAX)] {
            let text = id.to_string();
            assert_eq!(StreamId::parse(text.as_bytes(), 9), Some(id));
            id.with_text(|bytes| assert_eq!(bytes, text.as_bytes()));
        }
        assert_eq!(StreamId::parse(b"12", 9), Some(StreamId::new(12, 9)));
    }

    #[test]
    fn what_is_no_id() {
        let bad: [&[u8]; 9] =
            [b"", b"-", b"-1", b"1-", b"1-2-3", b"a", b"1-a", b"18446744073709551616", b"1 -2"];
        for text in bad.into_iter().chain([b"1--2".as_slice(), &[b'0'; 128]]) {
            assert_eq!(StreamId::parse(text, 0), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_read_as_c_does() {
        let odd: [(&[u8], u64, u64); 5] = [
            (b"007-003", 7, 3),
            (b" 8-1", 8, 1),
            (b"+8- 1", 8, 1),
            (b"8-+1", 8, 1),
            (b"8--01", 8, u64::MAX),
        ];
        for (text, ms, seq) in odd {
            assert_eq!(StreamId::parse(text, 0), Some(StreamId::new(ms, seq)), "{text:?}");
        }
        assert!(StreamId::parse(&[b'0'; 127], 0).is_some());
    }

    #[test]
    fn neighbours_stop_at_the_ends() {
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.previous(), None);
        assert_eq!(StreamId::new(3, u64::MAX).next(), Some(StreamId::new(4, 0)));
        assert_eq!(StreamId::new(4, 0).previous(), Some(StreamId::new(3, u64::MAX)));
        assert_eq!(StreamId::new(u64::MAX, 1).next(), Some(StreamId::new(u64::MAX, 2)));
        assert_eq!(StreamId::new(0, 1).previous(), Some(StreamId::MIN));
    }
}
