//! How one element lies in a segment's block.
//!
//! Why it exists: an element of 16 and 16 bytes costs two bytes on top of them, where pointers
//! and an allocation each would cost 40.
//!
//! ```text
//!   | head  | deadline    | field      | head  | value      |
//!     varint  8 B, if any   n bytes      varint  n bytes
//!
//!   field's head:  n << 2 | boxed << 1 | has_deadline
//!   value's head:  n << 1 | boxed
//! ```
//!
//! A varint takes one byte below 128, else two (low seven bits first). A part longer than
//! [`INLINE_MAX`] lives in a box of its own: then `n` is its number among the segment's boxes,
//! always in two bytes so that a move does not change the length, and nothing follows.

/// The longest field or value inside a block; a longer one gets a box.
pub(super) const INLINE_MAX: usize = 128;
/// The deadline of an element that has none.
pub(super) const NEVER: u64 = u64::MAX;

/// Where a field or value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// In the box of that number.
    Boxed(usize),
    /// In the block.
    Inline {
        /// First byte.
        start: usize,
        /// Bytes.
        len: usize,
    },
}

/// An element's parts, positions counted from the block's start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) field: Part,
    pub(super) value: Part,
    /// [`NEVER`] when there is none.
    pub(super) deadline: u64,
    /// The byte behind the element.
    pub(super) end: usize,
}

/// What is to be written for a field or value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece<'a> {
    /// The number of a box.
    Boxed(usize),
    /// The bytes themselves.
    Inline(&'a [u8]),
}

impl Piece<'_> {
    /// Bytes, when `flags` bits of the head mean something else than the length.
    fn len(self, flags: u32) -> usize {
        match self {
            Self::Boxed(_) => 2,
            Self::Inline(bytes) => 1 + usize::from(bytes.len() << flags >= 0x80) + bytes.len(),
        }
    }
}

/// Bytes that [`write`] needs.
pub(super) fn encoded_len(field: Piece<'_>, value: Piece<'_>, deadline: u64) -> usize {
    field.len(2) + if deadline == NEVER { 0 } else { 8 } + value.len(1)
}

/// Writes an element to the start of `target` and returns its length.
pub(super) fn write(target: &mut [u8], field: Piece<'_>, value: Piece<'_>, deadline: u64) -> usize {
    let timed = deadline != NEVER;
    let (head, bytes) = match field {
        Piece::Boxed(number) => (number << 2 | 2, None),
        Piece::Inline(bytes) => (bytes.len() << 2, Some(bytes)),
    };
    let mut at = write_varint(target, 0, head | usize::from(timed), bytes.is_none());
    if timed {
        at = write_bytes(target, at, &deadline.to_le_bytes());
    }
    at = write_bytes(target, at, bytes.unwrap_or_default());
    let (head, bytes) = match value {
        Piece::Boxed(number) => (number << 1 | 1, None),
        Piece::Inline(bytes) => (bytes.len() << 1, Some(bytes)),
    };
    at = write_varint(target, at, head, bytes.is_none());
    write_bytes(target, at, bytes.unwrap_or_default())
}

/// The parts of the element at `start`.
#[inline]
pub(super) fn parse(block: &[u8], start: usize) -> Shape {
    let (head, mut at) = read_varint(block, start);
    let deadline = if head & 1 == 0 {
        NEVER
    } else {
        let bytes = block[at..at + 8].try_into().expect("eight bytes");
        at += 8;
        u64::from_le_bytes(bytes)
    };
    let (field, at) = part(head >> 1, at);
    let (head, at) = read_varint(block, at);
    let (value, end) = part(head, at);
    Shape { field, value, deadline, end }
}

/// Where the field of the element at `start` is: the first half of [`parse`].
#[inline]
pub(super) fn parse_field(block: &[u8], start: usize) -> Part {
    let (head, at) = read_varint(block, start);
    let skip = if head & 1 == 0 { 0 } else { 8 };
    part(head >> 1, at + skip).0
}

#[inline]
fn part(head: usize, at: usize) -> (Part, usize) {
    let number = head >> 1;
    if head & 1 == 0 {
        (Part::Inline { start: at, len: number }, at + number)
    } else {
        (Part::Boxed(number), at)
    }
}

#[inline]
fn read_varint(block: &[u8], at: usize) -> (usize, usize) {
    let low = usize::from(block[at]);
    if low < 0x80 {
        return (low, at + 1);
    }
    (low & 0x7f | usize::from(block[at + 1]) << 7, at + 2)
}

fn write_varint(target: &mut [u8], at: usize, number: usize, long: bool) -> usize {
    let byte = |number: usize| u8::try_from(number).expect("at most 14 bits, seven at a time");
    if number < 0x80 && !long {
        target[at] = byte(number);
        return at + 1;
    }
    target[at] = byte(number & 0x7f | 0x80);
    target[at + 1] = byte(number >> 7);
    at + 2
}

fn write_bytes(target: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    target[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_on_both_sides_of_every_limit() {
        let long = [7_u8; INLINE_MAX];
        for field in [0, 1, 31, 32, INLINE_MAX - 1, INLINE_MAX] {
            for value in [0, 63, 64, INLINE_MAX] {
                for deadline in [0, 1, NEVER - 1, NEVER] {
                    let (f, v) = (Piece::Inline(&long[..field]), Piece::Inline(&long[..value]));
                    let mut block = vec![0; 400];
                    let len = write(&mut block[3..], f, v, deadline);
                    assert_eq!(len, encoded_len(f, v, deadline));
                    let shape = parse(&block, 3);
                    assert_eq!(shape.deadline, deadline);
                    assert_eq!(shape.end, 3 + len);
                    assert_eq!(shape.field, parse_field(&block, 3));
                    let Part::Inline { len, .. } = shape.field else { panic!("{shape:?}") };
                    assert_eq!(len, field);
                    let Part::Inline { len, .. } = shape.value else { panic!("{shape:?}") };
                    assert_eq!(len, value);
                }
            }
        }
    }

    #[test]
    fn boxes_are_named_by_number() {
        for number in [0, 31, 32, 127] {
            let mut block = [0; 16];
            let len = write(&mut block, Piece::Boxed(number), Piece::Boxed(number), 9);
            let shape = parse(&block, 0);
            assert_eq!((shape.field, shape.value), (Part::Boxed(number), Part::Boxed(number)));
            assert_eq!((shape.deadline, shape.end, len), (9, 12, 12));
        }
    }
}
