//! `struct`: packed binary data as Roberto Ierusalimschy's struct library has it in Redis.
//!
//! Why it exists: scripts that share data with programs in C read and write records with it. Sizes
//! are those of C on 64-bit machines, little endian unless a format says otherwise.

use std::ffi::c_int;

use mlua::ffi::lua_CFunction;

use super::failure::{self, fail_with};
use super::raw::{Outcome, Raise, Stack, native};
use super::redis::set_functions;
use super::shared::Shared;

const FUNCTIONS: &[(&[u8], lua_CFunction)] =
    &[(b"pack", native!(pack)), (b"size", native!(size)), (b"unpack", native!(unpack))];

/// The most bytes of an integer.
const INTEGER_BYTES_MAX: usize = 32;
/// The largest alignment that `!` means without a number.
const NATIVE_ALIGNMENT: usize = 8;

/// Pushes the library; may raise.
pub(super) fn push(stack: Stack, shared: &Shared) {
    stack.push_table(0, FUNCTIONS.len());
    set_functions(stack, shared, FUNCTIONS);
}

/// A format that is being followed.
struct Format<'f> {
    stack: Stack,
    shared: &'f Shared,
    rest: &'f [u8],
    big_endian: bool,
    alignment: usize,
}

/// One letter of a format.
struct Item {
    letter: u8,
    size: usize,
    /// Bytes before it so that it is aligned.
    padding: usize,
}

impl<'f> Format<'f> {
    /// The first argument's; it ends at a NUL.
    fn new(stack: Stack, shared: &'f Shared) -> Self {
        let rest = failure::until_nul(stack.check_bytes(1));
        Self { stack, shared, rest, big_endian: false, alignment: 1 }
    }

    /// The next letter, for data at a place.
    fn next(&mut self, place: usize) -> Result<Option<Item>, Raise> {
        let Some((letter, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let size = self.size_of(*letter)?;
        let padding = if size == 0 || *letter == b'c' {
            0
        } else {
            let unit = size.min(self.alignment);
            unit.wrapping_sub(place & unit.wrapping_sub(1)) & unit.wrapping_sub(1)
        };
        Ok(Some(Item { letter: *letter, size, padding }))
    }

    fn size_of(&mut self, letter: u8) -> Result<usize, Raise> {
        Ok(match letter {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > INTEGER_BYTES_MAX {
                    return fail_with(self.stack, self.shared, |out| {
                        out.extend_from_slice(b"integral size ");
                        out.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
                        out.extend_from_slice(b" is larger than limit of 32");
                    });
                }
                size
            }
            _ => 0,
        })
    }

    /// Digits that follow a letter.
    fn number(&mut self, default: usize) -> Result<usize, Raise> {
        let mut value = None;
        while let Some((digit @ b'0'..=b'9', rest)) = self.rest.split_first() {
            let number = value.unwrap_or(0) * 10 + usize::from(digit - b'0');
            if c_int::try_from(number).is_err() {
                return self.stack.fail(b"integral size overflow");
            }
            value = Some(number);
            self.rest = rest;
        }
        Ok(value.unwrap_or(default))
    }

    /// Follows a letter that stands for no data.
    fn control(&mut self, letter: u8) -> Result<(), Raise> {
        match letter {
            b' ' => {}
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let alignment = self.number(NATIVE_ALIGNMENT)?;
                if alignment & alignment.wrapping_sub(1) != 0 || alignment == 0 {
                    return fail_with(self.stack, self.shared, |out| {
                        out.extend_from_slice(b"alignment ");
                        out.extend_from_slice(itoa::Buffer::new().format(alignment).as_bytes());
                        out.extend_from_slice(b" is not a power of 2");
                    });
                }
                self.alignment = alignment;
            }
            _ => {
                let mut text = *b"invalid format option '?'\0";
                text[23] = letter;
                let text = std::ffi::CStr::from_bytes_until_nul(&text);
                let text = text.unwrap_or(c"invalid format option");
                return self.stack.fail_argument(1, text);
            }
        }
        Ok(())
    }
}

/// `struct.pack(format, value, ...)`.
fn pack(stack: Stack, shared: &Shared) -> Outcome {
    let mut format = Format::new(stack, shared);
    let start = shared.buffer.len();
    // What an argument that is not there reads as.
    stack.push_nil();
    let mut argument = 2;
    let mut place = 0;
    while let Some(item) = format.next(place)? {
        shared.buffer.append(|out| out.resize(out.len() + item.padding, 0));
        let written = shared.buffer.len();
        pack_item(&mut format, &item, &mut argument)?;
        place += item.padding + shared.buffer.len() - written;
    }
    stack.push_bytes(shared.buffer.from(start));
    shared.buffer.truncate(start);
    Ok(1)
}

/// Appends one item.
fn pack_item(format: &mut Format<'_>, item: &Item, argument: &mut c_int) -> Result<(), Raise> {
    let (stack, out) = (format.stack, &format.shared.buffer);
    let big_endian = format.big_endian;
    let mut next = || {
        *argument += 1;
        *argument - 1
    };
    match item.letter {
        b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
            let bits = integer_bits(stack.check_number(next()));
            out.append(|out| write_integer(out, bits, item.size, big_endian));
        }
        b'x' => out.push(0),
        b'f' => {
            #[expect(clippy::cast_possible_truncation, reason = "a float is what is asked for")]
            let number = stack.check_number(next()) as f32;
            let bytes = number.to_be_bytes();
            out.append(|out| write_ordered(out, &bytes, big_endian));
        }
        b'd' => {
            let bytes = stack.check_number(next()).to_be_bytes();
            out.append(|out| write_ordered(out, &bytes, big_endian));
        }
        b'c' | b's' => {
            let text = stack.check_bytes(next());
            let len = if item.size == 0 { text.len() } else { item.size };
            if text.len() < len {
                return stack.fail_argument(next(), c"string too short");
            }
            out.extend(&text[..len]);
            if item.letter == b's' {
                out.push(0);
            }
        }
        letter => format.control(letter)?,
    }
    Ok(())
}

/// The 64 bits of a number as C's casts make them: of negative ones by way of a signed integer.
fn integer_bits(number: f64) -> u64 {
    /// 2^63 and 2^64.
    const SIGNED: f64 = 9_223_372_036_854_775_808.0;
    const UNSIGNED: f64 = 18_446_744_073_709_551_616.0;
    #[expect(clippy::cast_possible_truncation, reason = "in range")]
    #[expect(clippy::cast_sign_loss, reason = "not negative")]
    match number {
        _ if (-SIGNED..0.0).contains(&number) => (number as i64).cast_unsigned(),
        _ if (0.0..UNSIGNED).contains(&number) => number as u64,
        // Beyond 64 bits, and for what is no number, the processor answers with its one sign bit.
        _ if number >= UNSIGNED => 0,
        _ => 1 << 63,
    }
}

fn write_integer(out: &mut Vec<u8>, bits: u64, size: usize, big_endian: bool) {
    let mut bytes = [0; INTEGER_BYTES_MAX];
    bytes[..8].copy_from_slice(&bits.to_le_bytes());
    if big_endian {
        out.extend(bytes[..size].iter().rev());
    } else {
        out.extend_from_slice(&bytes[..size]);
    }
}

/// Bytes that are in big endian order, in the order asked for.
fn write_ordered(out: &mut Vec<u8>, bytes: &[u8], big_endian: bool) {
    if big_endian { out.extend_from_slice(bytes) } else { out.extend(bytes.iter().rev()) }
}

/// `struct.unpack(format, text [, position])`.
fn unpack(stack: Stack, shared: &Shared) -> Outcome {
    let mut format = Format::new(stack, shared);
    let data = stack.check_bytes(2);
    let position = stack.check_integer_or(3, 1);
    let Ok(position @ 1..) = usize::try_from(position) else {
        // C compares without a sign: what is below zero is a long way behind the end.
        let (number, text) =
            if position == 0 { (3, c"offset must be 1 or greater") } else { (2, TOO_SHORT) };
        return stack.fail_argument(number, text);
    };
    let mut place = position - 1;
    let mut count = 0;
    while let Some(item) = format.next(place)? {
        place += item.padding;
        let Some(rest) = data.get(place..).filter(|rest| rest.len() >= item.size) else {
            return stack.fail_argument(2, TOO_SHORT);
        };
        if !stack.has_room(3) {
            return stack.fail(b"stack overflow (too many results)");
        }
        place += unpack_item(&mut format, &item, rest, &mut count)?;
    }
    stack.push_integer(i64::try_from(place + 1).unwrap_or(i64::MAX));
    Ok(count + 1)
}

const TOO_SHORT: &std::ffi::CStr = c"data string too short";

/// Pushes one item from the data at its place; its bytes.
fn unpack_item(
    format: &mut Format<'_>,
    item: &Item,
    data: &[u8],
    count: &mut c_int,
) -> Result<usize, Raise> {
    let stack = format.stack;
    let mut size = item.size;
    match item.letter {
        b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
            let signed = item.letter.is_ascii_lowercase();
            stack.push_number(read_integer(&data[..size], format.big_endian, signed));
        }
        b'x' => return Ok(size),
        b'f' => {
            let bytes = ordered(&data[..4], format.big_endian);
            stack.push_number(f64::from(f32::from_be_bytes(bytes)));
        }
        b'd' => {
            let bytes = ordered(&data[..8], format.big_endian);
            stack.push_number(f64::from_be_bytes(bytes));
        }
        b'c' => {
            if size == 0 {
                if *count == 0 || !stack.is_number(-1) {
                    return stack.fail(b"format 'c0' needs a previous size");
                }
                let number = stack.number(-1);
                stack.pop(1);
                *count -= 1;
                size = usize::try_from(integer_bits(number)).unwrap_or(usize::MAX);
                if data.len() < size {
                    return stack.fail_argument(2, TOO_SHORT);
                }
            }
            stack.push_bytes(&data[..size]);
        }
        b's' => {
            let Some(len) = data.iter().position(|byte| *byte == 0) else {
                return stack.fail(b"unfinished string in data");
            };
            stack.push_bytes(&data[..len]);
            size = len + 1;
        }
        letter => {
            format.control(letter)?;
            return Ok(size);
        }
    }
    *count += 1;
    Ok(size)
}

/// Bytes in big endian order, from the order they are in.
fn ordered<const LEN: usize>(bytes: &[u8], big_endian: bool) -> [u8; LEN] {
    let mut ordered = [0; LEN];
    ordered.copy_from_slice(bytes);
    if !big_endian {
        ordered.reverse();
    }
    ordered
}

/// The lowest 64 bits of an integer of some bytes, with its sign, as the number closest to it.
#[expect(clippy::cast_precision_loss, reason = "Lua 5.1 has no other numbers")]
fn read_integer(bytes: &[u8], big_endian: bool, signed: bool) -> f64 {
    let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    let bits = match big_endian {
        true => bytes.iter().fold(0, add),
        false => bytes.iter().rev().fold(0, add),
    };
    let unused = 64_usize.saturating_sub(8 * bytes.len());
    match signed {
        false => bits as f64,
        true if unused == 64 => 0.0,
        true => ((bits << unused).cast_signed() >> unused) as f64,
    }
}

/// `struct.size(format)`.
fn size(stack: Stack, shared: &Shared) -> Outcome {
    let mut format = Format::new(stack, shared);
    let mut place = 0_usize;
    while let Some(item) = format.next(place)? {
        place += item.padding;
        if item.letter == b's' {
            return stack.fail_argument(1, c"option 's' has no fixed size");
        }
        if item.letter == b'c' && item.size == 0 {
            return stack.fail_argument(1, c"option 'c0' has no fixed size");
        }
        if !item.letter.is_ascii_alphanumeric() {
            format.control(item.letter)?;
        }
        place += item.size;
    }
    stack.push_integer(i64::try_from(place).unwrap_or(i64::MAX));
    Ok(1)
}
