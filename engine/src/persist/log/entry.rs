//! The bytes of a log entry: the same in a session's buffer and on disk.
//!
//! Why it exists: the log thread moves entries without looking into them, so their form is
//! decided where they are staged. Not for blocks, which are many entries: see `block`.
//!
//! ```text
//! bytes     now_ms    tid       effects
//! u48       u48       u64       (db: varint, words: varint, (length: varint, bytes)*)*
//! ```
//!
//! All numbers little-endian; `bytes` counts the whole entry, itself included; `now_ms` is Unix
//! time in milliseconds; a varint is LEB128 of at most ten bytes.
//!
//! Invariants
//! - N1: an entry that [`Entry::parse`] returns has whole effects: walking them cannot fail.

use crate::Tid;

/// Bytes before the effects.
pub(crate) const HEADER_BYTES: usize = 20;
/// The longest varint.
pub(crate) const VARINT_BYTES_MAX: usize = 10;
const U48_MAX: u64 = (1 << 48) - 1;

/// An entry's header, as it is written in front of the effects.
pub(crate) fn header(bytes: usize, tid: Tid, now_ms: u64) -> [u8; HEADER_BYTES] {
    assert!(bytes as u64 <= U48_MAX, "memory ends before an entry of 2^48 bytes");
    let mut header = [0; HEADER_BYTES];
    // Written over each other from the left: the upper two bytes of the first two are zero.
    header[0..8].copy_from_slice(&(bytes as u64).to_le_bytes());
    header[6..14].copy_from_slice(&now_ms.min(U48_MAX).to_le_bytes());
    header[12..20].copy_from_slice(&tid.to_bits().to_le_bytes());
    header
}

/// Writes `value` as a varint to the front of `into`; returns its length.
#[inline]
pub(crate) fn put_varint(mut value: u64, into: &mut [u8; VARINT_BYTES_MAX]) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        into[at] = value.to_le_bytes()[0] | 0x80;
        value >>= 7;
        at += 1;
    }
    into[at] = value.to_le_bytes()[0];
    at + 1
}

/// Takes a varint off the front of `bytes`; `None` when it is cut or does not fit.
#[inline]
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for (at, &byte) in bytes.iter().enumerate().take(VARINT_BYTES_MAX) {
        let bits = u64::from(byte & 0x7f);
        value |= bits.checked_shl(u32::try_from(at * 7).ok()?)?;
        if byte & 0x80 == 0 {
            // The tenth byte has room for one bit.
            if at == VARINT_BYTES_MAX - 1 && byte > 1 {
                return None;
            }
            *bytes = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}

/// One atomic write, as the log has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry<'b> {
    /// Its place in the order.
    pub tid: Tid,
    /// The time of its turn, Unix time in milliseconds.
    pub now_ms: u64,
    effects: &'b [u8],
}

/// One effect of an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LoggedEffect<'b> {
    /// The database.
    pub db: u16,
    words: u64,
    bytes: &'b [u8],
}

impl<'b> Entry<'b> {
    /// Takes an entry off the front of `bytes`; `None` when there is no whole and sound one.
    /// Cost: O(words).
    pub(crate) fn parse(bytes: &mut &'b [u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let number = |at: usize| {
            let word: [u8; 8] = header[at..at + 8].try_into().expect("eight bytes");
            u64::from_le_bytes(word)
        };
        let length = usize::try_from(number(0) & U48_MAX).ok()?;
        let (now_ms, tid) = (number(6) & U48_MAX, Tid::from_bits(number(12)));
        let effects = bytes.get(HEADER_BYTES..length)?;
        let mut rest = effects;
        while !rest.is_empty() {
            LoggedEffect::take(&mut rest)?;
        }
        *bytes = &bytes[length..];
        Some(Self { tid, now_ms, effects })
    }

    /// Appends the entry's bytes; returns how many.
    pub(crate) fn append_to(self, into: &mut Vec<u8>) -> usize {
        let bytes = HEADER_BYTES + self.effects.len();
        into.extend_from_slice(&header(bytes, self.tid, self.now_ms));
        into.extend_from_slice(self.effects);
        bytes
    }

    /// Its effects, in the order they were staged in.
    pub fn effects(self) -> impl Iterator<Item = LoggedEffect<'b>> {
        let mut rest = self.effects;
        std::iter::from_fn(move || LoggedEffect::take(&mut rest))
    }
}

impl<'b> LoggedEffect<'b> {
    /// Takes an effect off the front of `bytes`; `None` when there is no whole and sound one.
    pub(crate) fn take(bytes: &mut &'b [u8]) -> Option<Self> {
        let db = u16::try_from(take_varint(bytes)?).ok()?;
        let words = take_varint(bytes)?;
        let body = *bytes;
        for _ in 0..words {
            let length = usize::try_from(take_varint(bytes)?).ok()?;
            *bytes = bytes.get(length..)?;
        }
        let body = &body[..body.len() - bytes.len()];
        (words > 0).then_some(Self { db, words, bytes: body })
    }

    /// Appends the effect's bytes to `into`; returns where word `marked` is there.
    pub(crate) fn append_to(self, marked: usize, into: &mut Vec<u8>) -> (usize, usize) {
        for number in [u64::from(self.db), self.words] {
            let mut varint = [0; VARINT_BYTES_MAX];
            let length = put_varint(number, &mut varint);
            into.extend_from_slice(&varint[..length]);
        }
        let body = into.len();
        into.extend_from_slice(self.bytes);
        let word = self.words().nth(marked).expect("a word of this effect");
        let start = body + (word.as_ptr().addr() - self.bytes.as_ptr().addr());
        (start, start + word.len())
    }

    /// Its words, the command's name first.
    pub fn words(self) -> impl Iterator<Item = &'b [u8]> {
        let mut rest = self.bytes;
        (0..self.words).map_while(move |_| {
            let length = usize::try_from(take_varint(&mut rest)?).ok()?;
            let (word, behind) = rest.split_at_checked(length)?;
            rest = behind;
            Some(word)
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn entry(tid: u64, effects: &[u8]) -> Vec<u8> {
        let tid = Tid::from_bits(tid);
        let mut bytes = header(HEADER_BYTES + effects.len(), tid, 1_700_000_000_000).to_vec();
        bytes.extend_from_slice(effects);
        bytes
    }

    #[test]
    fn varints_come_back_at_every_length() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut buffer = [0; VARINT_BYTES_MAX];
                let length = put_varint(value, &mut buffer);
                let mut bytes = &buffer[..length];
                assert_eq!((take_varint(&mut bytes), bytes.len()), (Some(value), 0), "{value}");
                let mut cut = &buffer[..length - 1];
                assert_eq!(take_varint(&mut cut), None, "{value} cut");
            }
        }
        assert_eq!(take_varint(&mut &[0xff; 11][..]), None, "eleven bytes");
        let mut large = [0xff; 10];
        large[9] = 2;
        assert_eq!(take_varint(&mut &large[..]), None, "65 bits");
    }

    #[test]
    fn an_entry_comes_back() {
        let bytes = entry(77, b"\x03\x02\x03DEL\x01k\x00\x01\x07FLUSHDB");
        let mut rest = &bytes[..];
        let entry = Entry::parse(&mut rest).unwrap();
        assert!(rest.is_empty());
        let mut again = Vec::new();
        assert_eq!(entry.append_to(&mut again), bytes.len());
        assert_eq!(again, bytes);
        assert_eq!((entry.tid.to_bits(), entry.now_ms), (77, 1_700_000_000_000));
        let effects: Vec<(u16, Vec<&[u8]>)> =
            entry.effects().map(|effect| (effect.db, effect.words().collect())).collect();
        assert_eq!(effects, [(3, vec![&b"DEL"[..], b"k"]), (0, vec![&b"FLUSHDB"[..]])]);
    }

    #[test]
    fn a_cut_or_lying_entry_is_none() {
        let whole = entry(1, b"\x00\x02\x03DEL\x01k");
        for length in 0..whole.len() {
            assert_eq!(Entry::parse(&mut &whole[..length]), None, "cut at {length}");
        }
        for effects in
            [&b"\x00\x00"[..], b"\x00\x02\x03DEL", b"\x00\x01\x7fDEL", b"\xff\xff\xff\x01\x01\x01x"]
        {
            assert_eq!(Entry::parse(&mut &entry(1, effects)[..]), None, "{effects:?}");
        }
        let mut short = whole;
        short[0] = 19;
        assert_eq!(Entry::parse(&mut &short[..]), None, "shorter than its header");
    }
}
