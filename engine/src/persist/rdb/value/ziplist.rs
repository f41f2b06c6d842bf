//! Ziplists and zipmaps: the small collections of Redis up to 6.2 and up to 2.4.
//!
//! Why it exists: old dump files have them. They are read into listpacks and never written.
//!
//! ```text
//! ziplist  bytes 4 | offset of the last 4 | count 2 | entry … | 255
//! entry    length of the one before: 1 byte below 254, else 254 and 4 bytes | encoding | data
//!          00llllll text | 01llllll l8 text | 10------ l32 (big-endian) text
//!          c0 i16 | d0 i32 | e0 i64 | f0 i24 | fe i8 | f1 .. fd the numbers 0 to 12
//!
//! zipmap   count 1 | length | field | length | free 1 | value | free bytes … | 255
//! length   1 byte below 254, else 254 and 4 bytes
//! ```

use super::super::damage::{Damage, Flaw};
use super::super::input::Input;
use crate::structures::listpack::{Entry, ListpackBuf};

const HEADER_BYTES: usize = 10;
const END: u8 = 0xff;
/// Four bytes of length follow.
const LONG: u8 = 0xfe;
/// The count of a ziplist that says: count them.
const COUNT_UNKNOWN: u16 = u16::MAX;

/// Reads a ziplist. `at` is where it begins, for the report.
pub(super) fn read(bytes: &[u8], at: usize) -> Result<ListpackBuf, Damage> {
    parse(bytes).ok_or(Damage { at, flaw: Flaw::Ziplist })
}

fn parse(bytes: &[u8]) -> Option<ListpackBuf> {
    let mut input = Input::new(bytes);
    let total = input.u32_le().ok()?;
    let tail = input.u32_le().ok()?;
    let count = u16::from_le_bytes(input.take(2).ok()?.try_into().expect("two bytes"));
    if usize::try_from(total) != Ok(bytes.len()) {
        return None;
    }
    let mut pack = ListpackBuf::new();
    let (mut last, mut before) = (HEADER_BYTES, 0);
    while input.left() > 1 {
        let start = input.position();
        if back_length(&mut input)? != before {
            return None;
        }
        pack.push_back_entry(entry(&mut input)?);
        (last, before) = (start, input.position() - start);
    }
    let ends = input.byte().ok()? == END && usize::try_from(tail) == Ok(last);
    let counted = count == COUNT_UNKNOWN || usize::from(count) == pack.len();
    (ends && counted).then_some(pack)
}

fn back_length(input: &mut Input<'_>) -> Option<usize> {
    match input.byte().ok()? {
        END => None,
        LONG => usize::try_from(input.u32_le().ok()?).ok(),
        short => Some(usize::from(short)),
    }
}

fn entry<'a>(input: &mut Input<'a>) -> Option<Entry<'a>> {
    let first = input.byte().ok()?;
    let low = usize::from(first & 0x3f);
    let len = match first >> 6 {
        0 => low,
        1 => low << 8 | usize::from(input.byte().ok()?),
        2 => {
            let len = input.take(4).ok()?.try_into().expect("four bytes");
            usize::try_from(u32::from_be_bytes(len)).ok()?
        }
        _ => return integer(first, input).map(Entry::Int),
    };
    input.take(len).ok().map(Entry::Bytes)
}

fn integer(encoding: u8, input: &mut Input<'_>) -> Option<i64> {
    let bytes = match encoding {
        0xc0 => 2,
        0xd0 => 4,
        0xe0 => 8,
        0xf0 => 3,
        0xfe => 1,
        0xf1..=0xfd => return Some(i64::from(encoding - 0xf1)),
        _ => return None,
    };
    let mut wide = [0; 8];
    // At the high end, so that the shift brings the sign with it.
    wide[8 - bytes..].copy_from_slice(input.take(bytes).ok()?);
    Some(i64::from_le_bytes(wide) >> (64 - 8 * bytes))
}

/// Reads a zipmap as pairs. `at` is where it begins, for the report.
pub(super) fn read_map(bytes: &[u8], at: usize) -> Result<ListpackBuf, Damage> {
    parse_map(bytes).ok_or(Damage { at, flaw: Flaw::Zipmap })
}

fn parse_map(bytes: &[u8]) -> Option<ListpackBuf> {
    let mut input = Input::new(bytes);
    let count = input.byte().ok()?;
    let mut pack = ListpackBuf::new();
    while input.left() > 1 {
        let len = back_length(&mut input)?;
        pack.push_back(input.take(len).ok()?);
        let len = back_length(&mut input)?;
        let free = usize::from(input.byte().ok()?);
        pack.push_back(input.take(len).ok()?);
        input.take(free).ok()?;
    }
    let counted = count >= LONG || usize::from(count) == pack.len() / 2;
    (input.byte().ok()? == END && counted).then_some(pack)
}
