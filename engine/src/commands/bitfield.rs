//! Handlers: integers of any width at any bit of a string (BITFIELD).
//!
//! A field of 1 to 64 bits lies within nine bytes, so it is read and written through a window of
//! 128 bits, the highest bit first.

use zumic_error::{BitmapError, CommandError};

use super::bitmaps::{byte_of, check_offset};
use super::number::{integer, parse_integer};
use super::strings::{put, text_of};
use crate::pieces::{Draft, Pieces};
use crate::{Change, Class, Context, Halt, Record};

type Args<'a> = [&'a [u8]];

/// What happens to a number that does not fit its field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Overflow {
    Fail,
    Saturate,
    Wrap,
}

/// Where a number lies, and how it is read.
#[derive(Clone, Copy, Debug)]
struct Field {
    signed: bool,
    bits: u32,
    /// Position of its highest bit.
    offset: u64,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Get,
    Increment(i64, Overflow),
    Set(i64, Overflow),
}

type Operation = (Field, Action);

impl Field {
    /// Type such as `i16` or `u8`; the width is what a C string of it says.
    fn parse_kind(text: &[u8]) -> Result<(bool, u32), CommandError> {
        let (signed, bits_max) = match text.first() {
            Some(b'i') => (true, 64),
            Some(b'u') => (false, 63),
            _ => return Err(BitmapError::FieldTypeInvalid.into()),
        };
        let digits = text[1..].split(|byte| *byte == 0).next().unwrap_or_default();
        let bits = integer(digits).and_then(|bits| u32::try_from(bits).ok());
        let bits = bits.filter(|bits| (1..=bits_max).contains(bits));
        Ok((signed, bits.ok_or(BitmapError::FieldTypeInvalid)?))
    }

    /// `offset` in bits, or `#offset` in fields.
    fn parse(context: &Context<'_>, kind: &[u8], offset: &[u8]) -> Result<Self, CommandError> {
        let (signed, bits) = Self::parse_kind(kind)?;
        let offset = match offset.strip_prefix(b"#") {
            Some(count) => integer(count).and_then(|count| count.checked_mul(i64::from(bits))),
            None => integer(offset),
        };
        Ok(Self { signed, bits, offset: check_offset(context, offset)? })
    }

    /// Bytes of the string that hold a part of it.
    fn bytes(self) -> usize {
        byte_of(self.offset % 8 + u64::from(self.bits) + 7)
    }

    /// Length of the shortest string that holds all of it.
    fn end(self) -> usize {
        byte_of(self.offset) + self.bytes()
    }

    /// Distance of its lowest bit from the window's.
    fn shift(self) -> u32 {
        128 - self.bits - u32::try_from(self.offset % 8).expect("below eight")
    }

    fn mask(self) -> u128 {
        (1 << self.bits) - 1
    }

    fn window(self, pieces: Pieces<'_>) -> u128 {
        let first = byte_of(self.offset);
        let mut window = [0; 16];
        for (at, byte) in window.iter_mut().take(self.bytes()).enumerate() {
            *byte = pieces.byte(first + at);
        }
        u128::from_be_bytes(window)
    }

    /// The number; bits behind the end of the string are zero.
    fn read(self, pieces: Pieces<'_>) -> i128 {
        self.wrapped((self.window(pieces) >> self.shift()).cast_signed())
    }

    fn write(self, draft: &mut Draft, number: i128) {
        let old = self.window(draft.pieces()) & !(self.mask() << self.shift());
        let new = old | (number.cast_unsigned() & self.mask()) << self.shift();
        draft.write(byte_of(self.offset), &new.to_be_bytes()[..self.bytes()]);
    }

    /// The number that the lowest bits make.
    fn wrapped(self, number: i128) -> i128 {
        let low = (number.cast_unsigned() & self.mask()).cast_signed();
        let negative = self.signed && low >> (self.bits - 1) == 1;
        if negative { low - (1 << self.bits) } else { low }
    }

    /// The number as the field can hold it; `None` for one that may not be stored.
    fn fitted(self, number: i128, overflow: Overflow) -> Option<i128> {
        let values = 1_i128 << self.bits;
        let (low, high) = if self.signed { (-values / 2, values / 2 - 1) } else { (0, values - 1) };
        match overflow {
            _ if (low..=high).contains(&number) => Some(number),
            Overflow::Fail => None,
            Overflow::Saturate => Some(number.clamp(low, high)),
            Overflow::Wrap => Some(self.wrapped(number)),
        }
    }

    /// A number to be stored as it is: in an unsigned field, a negative one is a large one.
    ///
    /// In a signed field, Redis takes a number so far below the field that 64 bits cannot hold
    /// the distance from its top for one above it; that shows where numbers saturate.
    fn given(self, number: i64) -> i128 {
        if !self.signed {
            return i128::from(number.cast_unsigned());
        }
        let top = i128::from(i64::MAX) >> (64 - self.bits);
        let beyond = self.bits < 64 && top - i128::from(number) > i128::from(i64::MAX);
        i128::from(number) + if beyond { 1 << 64 } else { 0 }
    }
}

/// The operations, and whether any writes.
fn parse(context: &Context<'_>, args: &Args<'_>) -> Result<(Vec<Operation>, bool), CommandError> {
    let (mut operations, mut writes) = (Vec::new(), false);
    let mut overflow = Overflow::Wrap;
    let mut rest = args;
    while let Some(word) = rest.first() {
        let name = word.to_ascii_uppercase();
        rest = match (name.as_slice(), &rest[1..]) {
            (b"GET", [kind, offset, rest @ ..]) => {
                operations.push((Field::parse(context, kind, offset)?, Action::Get));
                rest
            }
            (b"SET" | b"INCRBY", [kind, offset, number, rest @ ..]) => {
                let field = Field::parse(context, kind, offset)?;
                let number = parse_integer(number)?;
                let increments = name == b"INCRBY";
                let action = if increments { Action::Increment } else { Action::Set };
                operations.push((field, action(number, overflow)));
                writes = true;
                rest
            }
            (b"OVERFLOW", [kind, rest @ ..]) => {
                overflow = match kind.to_ascii_uppercase().as_slice() {
                    b"FAIL" => Overflow::Fail,
                    b"SAT" => Overflow::Saturate,
                    b"WRAP" => Overflow::Wrap,
                    _ => return Err(BitmapError::OverflowInvalid.into()),
                };
                rest
            }
            _ => return Err(CommandError::Syntax),
        };
    }
    Ok((operations, writes))
}

/// One operation on a string that has room for it; says in `changed` if it is another one then.
fn apply(draft: &mut Draft, (field, action): Operation, changed: &mut bool) -> Option<i128> {
    let old = field.read(draft.pieces());
    let (new, reply) = match action {
        Action::Get => return Some(old),
        Action::Increment(amount, overflow) => {
            let new = field.fitted(old + i128::from(amount), overflow)?;
            (new, new)
        }
        Action::Set(number, overflow) => (field.fitted(field.given(number), overflow)?, old),
    };
    *changed |= new != old;
    field.write(draft, new);
    Some(reply)
}

fn answer(context: &mut Context<'_>, replies: &[Option<i128>]) {
    let sink = context.sink();
    sink.array(replies.len());
    for reply in replies {
        match reply {
            Some(number) => {
                sink.integer(i64::try_from(*number).expect("fields have 64 bits at most"));
            }
            None => sink.null(),
        }
    }
}

/// The reads of [`bitfield`] when nothing is written: the key is not created.
fn read(context: &mut Context<'_>, key: &[u8], operations: &[Operation]) -> Result<(), Halt> {
    let mut digits = itoa::Buffer::new();
    let text = text_of(context.read(key)?)?;
    let pieces = text.map_or(Pieces::Flat(&[]), |text| Pieces::of(text, &mut digits));
    let replies: Vec<_> = operations.iter().map(|(field, _)| Some(field.read(pieces))).collect();
    answer(context, &replies);
    Ok(())
}

/// BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value | ...]
pub(super) fn bitfield(context: &mut Context<'_>, args: &Args<'_>) -> Result<(), Halt> {
    let (operations, writes) = parse(context, &args[2..])?;
    if !writes {
        return read(context, args[1], &operations);
    }
    let written = operations.iter().filter(|(_, action)| !matches!(action, Action::Get));
    let len = written.map(|(field, _)| field.end()).max().unwrap_or(0);
    let (replies, changed) = context.update(args[1], |live| {
        let text = text_of(live)?;
        let mut changed = text.is_none_or(|text| text.len() < len);
        let mut draft = Draft::of(text, len);
        let replies: Vec<_> = operations
            .iter()
            .map(|operation| apply(&mut draft, *operation, &mut changed))
            .collect();
        let put = || put(draft.into_text(), live.and_then(Record::expire_at_ms));
        Ok((if changed { put() } else { Change::Keep }, (replies, changed)))
    })?;
    let wrote = |(reply, (_, action)): (&Option<_>, &Operation)| {
        reply.is_some() && !matches!(action, Action::Get)
    };
    if changed && replies.iter().zip(&operations).any(wrote) {
        context.notify(Class::String, "setbit", args[1]);
    }
    answer(context, &replies);
    Ok(())
}

/// BITFIELD_RO key [GET type offset ...]
pub(super) fn bitfield_ro(context: &mut Context<'_>, args: &Args<'_>) -> Result<(), Halt> {
    let (operations, writes) = parse(context, &args[2..])?;
    if writes {
        return Err(CommandError::from(BitmapError::ReadOnly).into());
    }
    read(context, args[1], &operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: &str, offset: u64) -> Field {
        let (signed, bits) = Field::parse_kind(kind.as_bytes()).expect("a type");
        Field { signed, bits, offset }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_changes() {
        for bits in 1..=64 {
            for offset in 0..17 {
                for (signed, filler) in [(true, 0), (true, 0xff), (bits == 64, 0xa5)] {
                    let field = Field { signed, bits, offset };
                    let values = 1_i128 << bits;
                    let (low, high) =
                        if signed { (-values / 2, values / 2 - 1) } else { (0, values - 1) };
                    for number in [low, high, low + values / 3] {
                        let mut draft = Draft::Flat(vec![filler; 12]);
                        field.write(&mut draft, number);
                        assert_eq!(field.read(draft.pieces()), number, "{field:?}");
                        let before = Field { signed: false, bits: 8, offset: offset + 100 };
                        assert_eq!(before.end(), byte_of(offset + 107) + 1);
                        for at in
                            (0..96).filter(|at| !(offset..offset + u64::from(bits)).contains(at))
                        {
                            let bit = Field { signed: false, bits: 1, offset: at };
                            let want = i128::from(filler >> (7 - at % 8) & 1);
                            assert_eq!(bit.read(draft.pieces()), want, "{field:?} bit {at}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn overflow_at_the_limits() {
        use Overflow::{Fail, Saturate, Wrap};
        for (kind, number, overflow, want) in [
            ("u2", 3, Wrap, Some(3)),
            ("u2", 4, Wrap, Some(0)),
            ("u2", -1, Wrap, Some(3)),
            ("u2", 4, Saturate, Some(3)),
            ("u2", -1, Saturate, Some(0)),
            ("u2", 4, Fail, None),
            ("u2", 0, Fail, Some(0)),
            ("i8", 127, Fail, Some(127)),
            ("i8", 128, Fail, None),
            ("i8", 128, Wrap, Some(-128)),
            ("i8", -129, Wrap, Some(127)),
            ("i8", -129, Saturate, Some(-128)),
            ("i64", i128::from(i64::MAX) + 1, Wrap, Some(i128::from(i64::MIN))),
            ("i64", i128::from(i64::MAX) + 1, Saturate, Some(i128::from(i64::MAX))),
            ("u63", (1 << 63) - 1, Fail, Some((1 << 63) - 1)),
            ("u63", 1 << 63, Fail, None),
        ] {
            let got = field(kind, 0).fitted(number, overflow);
            assert_eq!(got, want, "{kind} {number} {overflow:?}");
        }
        let lowest = field("i5", 0).given(i64::MIN);
        assert_eq!(field("i5", 0).fitted(lowest, Saturate), Some(15), "as Redis does");
        for bad in ["", "i", "u0", "u64", "i65", "x8", "u08", "8", "I8", "u-1"] {
            assert!(Field::parse_kind(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
