//! Handlers: strings as rows of bits. Fields of several bits are in `bitfield`.
//!
//! A large string is walked chunk by chunk and changed by copying one chunk; nothing here copies
//! a whole one, BITOP's result excepted.

use zumic_error::{BitmapError, CommandError};

use super::number::{integer, parse_integer};
use super::strings::{put, text_of};
use crate::large::LARGE_BYTES_MIN;
use crate::pieces::{Draft, Pieces};
use crate::structures::bitmap::{self, Operation};
use crate::{Change, Class, Context, Halt, LargeString, NewText, Record, Text};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// Position of a bit as commands name it, below eight times `proto-max-bulk-len`.
pub(super) fn parse_offset(context: &Context<'_>, text: &[u8]) -> Result<u64, CommandError> {
    check_offset(context, integer(text))
}

/// The check of [`parse_offset`] on a number that was computed.
pub(super) fn check_offset(
    context: &Context<'_>,
    offset: Option<i64>,
) -> Result<u64, CommandError> {
    let offset = offset.and_then(|offset| u64::try_from(offset).ok());
    let limit = context.string_bytes_max();
    let offset = offset.filter(|offset| offset / 8 < limit);
    Ok(offset.ok_or(BitmapError::OffsetInvalid)?)
}

/// Index of the byte that holds a bit.
pub(super) fn byte_of(bit: u64) -> usize {
    usize::try_from(bit / 8).expect("below the string limit")
}

fn bit_in(byte: u8, bit: u64) -> bool {
    byte >> (7 - bit % 8) & 1 == 1
}

fn reply(context: &mut Context<'_>, number: u64) {
    context.sink().integer(i64::try_from(number).expect("strings have fewer bits"));
}

/// SETBIT key offset value
pub(super) fn setbit(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let offset = parse_offset(context, args[2])?;
    let on = match integer(args[3]) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(CommandError::from(BitmapError::BitInvalid).into()),
    };
    let (at, mask) = (byte_of(offset), 0x80 >> (offset % 8));
    let (old, changed) = context.update(args[1], |live| {
        let text = text_of(live)?;
        let grows = text.is_none_or(|text| text.len() <= at);
        if !grows {
            let mut digits = itoa::Buffer::new();
            let byte = text.map_or(0, |text| Pieces::of(text, &mut digits).byte(at));
            if bit_in(byte, offset) == on {
                return Ok((Change::Keep, (on, false)));
            }
        }
        let mut draft = Draft::of(text, at + 1);
        let byte = draft.pieces().byte(at);
        let old = bit_in(byte, offset);
        draft.write(at, &[if on { byte | mask } else { byte & !mask }]);
        let change = put(draft.into_text(), live.and_then(Record::expire_at_ms));
        Ok((change, (old, true)))
    })?;
    if changed {
        context.notify(Class::String, "setbit", args[1]);
    }
    context.sink().integer(i64::from(old));
    Ok(())
}

/// GETBIT key offset
pub(super) fn getbit(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let offset = parse_offset(context, args[2])?;
    let mut digits = itoa::Buffer::new();
    let text = text_of(context.read(args[1])?)?;
    let byte = text.map_or(0, |text| Pieces::of(text, &mut digits).byte(byte_of(offset)));
    context.sink().integer(i64::from(bit_in(byte, offset)));
    Ok(())
}

/// What the positions of a range count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unit {
    Bit,
    Byte,
}

impl Unit {
    fn parse(word: &[u8]) -> Result<Self, CommandError> {
        match word.to_ascii_uppercase().as_slice() {
            b"BIT" => Ok(Self::Bit),
            b"BYTE" => Ok(Self::Byte),
            _ => Err(CommandError::Syntax),
        }
    }

    /// The bits `start..end` of an inclusive range whose negative positions count from the end
    /// of a string of `len` bytes; `None` when it is empty.
    fn bits(self, start: i64, end: i64, len: usize) -> Option<(u64, u64)> {
        let len = i64::try_from(len).expect("strings are below 2^60 bytes");
        let (total, scale) = if self == Self::Bit { (len * 8, 1) } else { (len, 8) };
        let from_end = |at: i64| if at < 0 { at.saturating_add(total).max(0) } else { at };
        let (start, end) = (from_end(start), from_end(end).min(total - 1));
        let scaled = |at: i64| u64::try_from(at * scale).ok();
        if start <= end { Some((scaled(start)?, scaled(end + 1)?)) } else { None }
    }
}

/// Number of bits set in `start..end`.
fn count(pieces: Pieces<'_>, start: u64, end: u64) -> u64 {
    let (first, last) = (byte_of(start), byte_of(end - 1));
    let whole: u64 = pieces.range(first, last + 1).map(bitmap::count).sum();
    // Whole bytes were counted; the bits beside the range come off again.
    let before = pieces.byte(first) & !(0xff >> (start % 8));
    let behind = pieces.byte(last) & (0x7f >> ((end - 1) % 8));
    whole - u64::from(before.count_ones()) - u64::from(behind.count_ones())
}

/// BITCOUNT key [start end [BYTE | BIT]]
pub(super) fn bitcount(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let mut digits = itoa::Buffer::new();
    let Some(text) = text_of(context.read(args[1])?)? else {
        context.sink().integer(0);
        return Ok(());
    };
    let pieces = Pieces::of(text, &mut digits);
    let range = match args[2..] {
        [] => Unit::Byte.bits(0, -1, pieces.len()),
        [start, end] | [start, end, _] => {
            let (start, end) = (parse_integer(start)?, parse_integer(end)?);
            let backwards = start < 0 && end < 0 && start > end;
            let unit = match args.get(4) {
                // An empty range is answered before its unit is looked at.
                Some(word) if !backwards => Unit::parse(word)?,
                _ => Unit::Byte,
            };
            if backwards { None } else { unit.bits(start, end, pieces.len()) }
        }
        _ => return Err(CommandError::Syntax.into()),
    };
    let found = range.map_or(0, |(start, end)| count(pieces, start, end));
    reply(context, found);
    Ok(())
}

/// Position of the first bit in `start..end` that is `bit`.
fn position(pieces: Pieces<'_>, start: u64, end: u64, bit: bool) -> Option<u64> {
    let mut at = start;
    while at < end {
        if !at.is_multiple_of(8) || end - at < 8 {
            if bit_in(pieces.byte(byte_of(at)), at) == bit {
                return Some(at);
            }
            at += 1;
            continue;
        }
        let piece = pieces.at(byte_of(at));
        let piece = &piece[..piece.len().min(byte_of(end - at))];
        if let Some(found) = bitmap::first(piece, bit) {
            return Some(at + found);
        }
        at += 8 * piece.len() as u64;
    }
    None
}

/// BITPOS key bit [start [end [BYTE | BIT]]]
pub(super) fn bitpos(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let bit = match parse_integer(args[2])? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::from(BitmapError::SoughtInvalid).into()),
    };
    let mut digits = itoa::Buffer::new();
    let Some(text) = text_of(context.read(args[1])?)? else {
        // An absent string is one of zeros without end.
        context.sink().integer(if bit { -1 } else { 0 });
        return Ok(());
    };
    let pieces = Pieces::of(text, &mut digits);
    let (unit, start, end) = match args[3..] {
        [] => (Unit::Byte, 0, None),
        [start] => (Unit::Byte, parse_integer(start)?, None),
        [start, end] => (Unit::Byte, parse_integer(start)?, Some(parse_integer(end)?)),
        [start, end, unit] => {
            let start = parse_integer(start)?;
            (Unit::parse(unit)?, start, Some(parse_integer(end)?))
        }
        _ => return Err(CommandError::Syntax.into()),
    };
    let range = unit.bits(start, end.unwrap_or(-1), pieces.len());
    let found = range.and_then(|(start, stop)| {
        // Without an end the string goes on, in zeros.
        let behind = if end.is_none() && !bit { Some(stop) } else { None };
        position(pieces, start, stop, bit).or(behind)
    });
    match found {
        Some(at) => reply(context, at),
        None => context.sink().integer(-1),
    }
    Ok(())
}

/// The combination of strings; empty when all are.
fn combined(operation: Operation, sources: &[Option<Text<'_>>]) -> NewText<'static> {
    let mut digits = vec![itoa::Buffer::new(); sources.len()];
    let sources: Vec<Pieces<'_>> = sources
        .iter()
        .zip(&mut digits)
        .map(|(text, digits)| text.map_or(Pieces::Flat(&[]), |text| Pieces::of(text, digits)))
        .collect();
    let len = sources.iter().map(|pieces| pieces.len()).max().unwrap_or(0);
    let mut parts = Vec::with_capacity(sources.len());
    let mut fill = |offset, target: &mut [u8]| {
        parts.clear();
        parts.extend(sources.iter().map(|pieces| pieces.at(offset)));
        bitmap::combine(operation, &parts, target);
    };
    if len < LARGE_BYTES_MIN {
        let mut bytes = vec![0; len];
        fill(0, &mut bytes);
        NewText::Owned(bytes)
    } else {
        NewText::Large(LargeString::generate(len, fill))
    }
}

/// BITOP operation destkey key [key ...]
pub(super) fn bitop(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let operation = Operation::named(args[1]).ok_or(CommandError::Syntax)?;
    let keys = &args[3..];
    match (operation, keys.len()) {
        (Operation::Not, 2..) => return Err(CommandError::from(BitmapError::OneSource).into()),
        (Operation::AndOr | Operation::Diff | Operation::Diff1, 1) => {
            return Err(CommandError::from(BitmapError::TwoSources(operation.name())).into());
        }
        _ => {}
    }
    let texts: Result<Vec<_>, Halt> =
        keys.iter().map(|key| Ok(text_of(context.read(key)?)?)).collect();
    let text = combined(operation, &texts?);
    let len = match &text {
        NewText::Owned(bytes) => bytes.len(),
        NewText::Large(large) => large.len(),
        other => unreachable!("{other:?} is no result"),
    };
    let existed = context.update(args[2], |live| {
        let change = if len == 0 { Change::Remove } else { put(text.clone(), None) };
        Ok((change, live.is_some()))
    })?;
    if len > 0 {
        context.notify(Class::String, "set", args[2]);
    } else if existed {
        context.notify(Class::Generic, "del", args[2]);
    }
    reply(context, len as u64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every range of a short string, in bits, against one bit at a time.
    #[test]
    fn ranges_of_bits_are_exact() {
        for bytes in [&b"\x00\xff\xf0\x0f\xaa"[..], b"\xff\xff", b"\x00\x00", b"\x01", b""] {
            let pieces = Pieces::Flat(bytes);
            let bits = bytes.len() as u64 * 8;
            for start in 0..bits {
                for end in start + 1..=bits {
                    let one = |at: &u64| bit_in(bytes[byte_of(*at)], *at);
                    let want = (start..end).filter(one).count() as u64;
                    assert_eq!(count(pieces, start, end), want, "{bytes:?} {start}..{end}");
                    for bit in [false, true] {
                        let want = (start..end).find(|at| one(at) == bit);
                        let found = position(pieces, start, end, bit);
                        assert_eq!(found, want, "{bytes:?} {start}..{end} {bit}");
                    }
                }
            }
        }
    }

    #[test]
    fn ranges_are_clamped() {
        for (unit, start, end, len, want) in [
            (Unit::Byte, 0, -1, 3, Some((0, 24))),
            (Unit::Byte, 1, 1, 3, Some((8, 16))),
            (Unit::Byte, -2, 100, 3, Some((8, 24))),
            (Unit::Byte, 0, -1, 0, None),
            (Unit::Byte, 3, 3, 3, None),
            (Unit::Byte, i64::MIN, i64::MAX, 3, Some((0, 24))),
            (Unit::Byte, -100, -99, 3, Some((0, 8))),
            (Unit::Bit, 5, -1, 1, Some((5, 8))),
            (Unit::Bit, 7, 7, 1, Some((7, 8))),
            (Unit::Bit, 8, 8, 1, None),
        ] {
            assert_eq!(unit.bits(start, end, len), want, "{unit:?} {start} {end} {len}");
        }
    }
}
