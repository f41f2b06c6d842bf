//! LZF: the compression of strings in RDB files, and of the inner blocks of lists.
//!
//! Why it exists: Redis writes long strings in it, so every reader needs it, and a writer for
//! Redis should not make its files larger. The format and the choices of the compressor are those
//! of liblzf 3.6 (M. A. Lehmann), so the output is the same byte by byte. Not for our own
//! snapshots: zstd is better at everything.
//!
//! ```text
//! 000lllll bytes            l + 1 literal bytes
//! lllooooo o8               l + 2 bytes (l of 1 to 6) from o + 1 bytes back
//! 111ooooo l8 o8            l + 9 bytes from o + 1 bytes back
//! ```

use std::cell::RefCell;

const HASH_BITS: u32 = 16;
const HASH_ENTRIES: usize = 1 << HASH_BITS;
/// Longest run of literals, greatest distance and longest match that have a code.
const LITERALS_MAX: usize = 1 << 5;
const DISTANCE_MAX: usize = 1 << 13;
const MATCH_MAX: usize = (1 << 8) + (1 << 3);
/// Bytes that one byte of input makes at most: three bytes say 264.
const RATIO_MAX: usize = MATCH_MAX / 3;

/// Where triples of bytes were seen last.
///
/// Positions count from `base`, which moves on with each input, so that the table need not be
/// cleared for each short string.
struct Table {
    seen: Vec<u32>,
    base: u32,
}

thread_local! {
    static TABLE: RefCell<Table> = const { RefCell::new(Table { seen: Vec::new(), base: 0 }) };
}

impl Table {
    /// Makes room for the positions of an input; false if it is too long.
    fn begin(&mut self, len: usize) -> bool {
        let Ok(len) = u32::try_from(len) else { return false };
        if self.seen.is_empty() || self.base.checked_add(len).is_none_or(|end| end == u32::MAX) {
            self.seen.clear();
            self.seen.resize(HASH_ENTRIES, 0);
            // Zero stands for nothing seen.
            self.base = 1;
        }
        self.base.checked_add(len).is_some()
    }

    /// Notes a position; answers where the same hash was seen before in this input.
    #[inline]
    fn note(&mut self, triple: u32, at: usize) -> Option<usize> {
        let hash = (triple >> (24 - HASH_BITS)).wrapping_sub(triple.wrapping_mul(5));
        let slot = usize::try_from(hash).expect("32 bits") & (HASH_ENTRIES - 1);
        let now = self.base + u32::try_from(at).expect("checked by `begin`");
        let before = std::mem::replace(&mut self.seen[slot], now);
        let before = before.checked_sub(self.base)?;
        Some(usize::try_from(before).expect("32 bits"))
    }
}

/// Three bytes as the hash sees them.
#[inline]
fn triple(input: &[u8], at: usize) -> u32 {
    u32::from(input[at]) << 16 | u32::from(input[at + 1]) << 8 | u32::from(input[at + 2])
}

/// Output under construction: runs of literals begin with their length, known at their end.
struct Output {
    bytes: Vec<u8>,
    literals: usize,
}

impl Output {
    fn open_run(&mut self) {
        self.bytes.push(0);
        self.literals = 0;
    }

    fn close_run(&mut self) {
        if self.literals == 0 {
            self.bytes.pop();
            return;
        }
        let at = self.bytes.len() - self.literals - 1;
        self.bytes[at] = u8::try_from(self.literals - 1).expect("below 32");
    }

    fn literal(&mut self, byte: u8) {
        self.bytes.push(byte);
        self.literals += 1;
        if self.literals == LITERALS_MAX {
            self.close_run();
            self.open_run();
        }
    }

    /// A match of `len` bytes from `offset + 1` back.
    fn reference(&mut self, offset: usize, len: usize) {
        let high = u8::try_from(offset >> 8).expect("13 bits");
        match u8::try_from(len - 2) {
            Ok(short @ 0..7) => self.bytes.push(high | short << 5),
            _ => {
                let more = u8::try_from(len - 9).expect("at most 264 bytes");
                self.bytes.extend([high | 7 << 5, more]);
            }
        }
        self.bytes.push(offset.to_le_bytes()[0]);
        self.open_run();
    }
}

/// Compresses `input` into at most `bytes_max` bytes; `None` when that is not enough.
///
/// Cost: O(bytes), and a table of 256 KiB per thread.
///
/// # Examples
/// ```
/// use engine::persist::rdb::{compress, decompress};
///
/// let text = b"to be or not to be, to be or not to be";
/// let packed = compress(text, text.len()).expect("it repeats itself");
/// assert!(packed.len() < text.len());
/// assert_eq!(decompress(&packed, text.len()).as_deref(), Some(&text[..]));
/// ```
#[must_use]
pub fn compress(input: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    if input.is_empty() || bytes_max == 0 {
        return None;
    }
    TABLE.with_borrow_mut(|table| {
        if !table.begin(input.len()) {
            return None;
        }
        let packed = compress_with(table, input, bytes_max);
        table.base += u32::try_from(input.len()).expect("checked by `begin`");
        packed
    })
}

fn compress_with(table: &mut Table, input: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let mut out = Output { bytes: Vec::with_capacity(bytes_max.min(1 << 16)), literals: 0 };
    out.open_run();
    let end = input.len();
    let mut at = 0;
    while at + 2 < end {
        let seen = table.note(triple(input, at), at);
        // Position zero is never referred to: liblzf compares pointers with `>`.
        let found = seen.filter(|&from| {
            from > 0 && at - from <= DISTANCE_MAX && input[from..from + 3] == input[at..at + 3]
        });
        let Some(from) = found else {
            if out.bytes.len() >= bytes_max {
                return None;
            }
            out.literal(input[at]);
            at += 1;
            continue;
        };
        if out.bytes.len() - usize::from(out.literals == 0) + 4 >= bytes_max {
            return None;
        }
        out.close_run();
        let len_max = (end - at - 2).min(MATCH_MAX);
        let mut len = 3;
        while len < len_max && input[from + len] == input[at + len] {
            len += 1;
        }
        out.reference(at - from - 1, len);
        at += len;
        if at + 2 >= end {
            break;
        }
        // The last two positions of the match are noted, the others are not.
        table.note(triple(input, at - 2), at - 2);
        table.note(triple(input, at - 1), at - 1);
    }
    if out.bytes.len() + 3 > bytes_max {
        return None;
    }
    input[at..].iter().for_each(|byte| out.literal(*byte));
    out.close_run();
    Some(out.bytes)
}

/// Expands `packed` to exactly `len` bytes; `None` if it does not make so many.
///
/// Never allocates much more than `packed` can make: `len` is not believed.
#[must_use]
pub fn decompress(packed: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > packed.len().saturating_mul(RATIO_MAX) {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    let mut rest = packed;
    while let [control, tail @ ..] = rest {
        let control = usize::from(*control);
        if control < LITERALS_MAX {
            let (run, tail) = tail.split_at_checked(control + 1)?;
            out.extend_from_slice(run);
            rest = tail;
        } else {
            let (more, tail) = match (control >> 5, tail) {
                (7, [more, tail @ ..]) => (usize::from(*more), tail),
                (7, []) => return None,
                _ => (0, tail),
            };
            let [low, tail @ ..] = tail else { return None };
            let from = out.len().checked_sub(((control & 0x1f) << 8 | usize::from(*low)) + 1)?;
            copy_within(&mut out, from, (control >> 5) + more + 2);
            rest = tail;
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

/// Appends `count` bytes from `from` on, which may overlap what is appended.
fn copy_within(out: &mut Vec<u8>, from: usize, count: usize) {
    let mut left = count;
    while left > 0 {
        let here = left.min(out.len() - from);
        out.extend_from_within(from..from + here);
        left -= here;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(input: &[u8]) -> Option<usize> {
        let packed = compress(input, input.len().saturating_sub(4))?;
        assert!(packed.len() <= input.len() - 4);
        assert_eq!(decompress(&packed, input.len()).as_deref(), Some(input));
        for wrong in [input.len() - 1, input.len() + 1, usize::MAX] {
            assert_eq!(decompress(&packed, wrong), None);
        }
        Some(packed.len())
    }

    #[test]
    fn what_repeats_shrinks_and_comes_back() {
        for len in [21, 22, 63, 64, 300, 5_000, 70_000] {
            let same = vec![b'x'; len];
            assert!(round(&same).is_some_and(|packed| packed < len / 2), "{len}");
            let words: Vec<u8> = b"field:value;".iter().copied().cycle().take(len).collect();
            assert!(len < 40 || round(&words).is_some(), "{len}");
            let mut state = 1_u32;
            let noise = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            });
            let noise: Vec<u8> = noise.take(len).collect();
            assert_eq!(round(&noise), None, "noise does not shrink");
        }
    }

    #[test]
    fn matches_at_the_limits_of_distance_and_length_come_back() {
        for distance in [DISTANCE_MAX - 1, DISTANCE_MAX, DISTANCE_MAX + 1] {
            for len in [3, 8, 9, 262, 263, 264, 265, 266, 600] {
                let mut input = vec![b'-'];
                input.extend((0..len).map(|i: u32| (i % 251).to_le_bytes()[0]));
                let gap = distance.saturating_sub(input.len() - 1);
                input.extend(std::iter::repeat_n(b'z', gap));
                input.extend((0..len).map(|i: u32| (i % 251).to_le_bytes()[0]));
                round(&input);
            }
        }
    }

    #[test]
    fn damaged_input_is_refused_without_a_panic() {
        let text: Vec<u8> = b"all work and no play ".repeat(20);
        let packed = compress(&text, text.len()).unwrap();
        for at in 0..packed.len() {
            assert_eq!(decompress(&packed[..at], text.len()), None);
            for bit in 0..8 {
                let mut bad = packed.clone();
                bad[at] ^= 1 << bit;
                let _ = decompress(&bad, text.len());
            }
        }
        assert_eq!(decompress(&[0x20], 3), None);
        assert_eq!(decompress(&[0xe0, 0], 9), None);
        assert_eq!(decompress(&[0x00, b'a', 0x20, 5], 4), None, "before the beginning");
    }
}
