//! `cmsgpack`: MessagePack as Salvatore Sanfilippo's lua-cmsgpack 0.4 reads and writes it.
//!
//! Why it exists: job queues pass lists of arguments to their scripts in this form. The crates for
//! MessagePack would do for the bytes; what counts here is what that library makes of Lua values (a
//! table is an array or a map by its keys, numbers shrink to the shortest form, tables within
//! sixteen others become nil), so the few bytes are written here as well.

use std::ffi::c_int;

use mlua::ffi::lua_CFunction;

use super::raw::{Kind, Outcome, Raise, Stack, native};
use super::redis::{set_functions, set_text};
use super::shared::{Buffer, Levels, Shared};
use super::vm::pace;

const FUNCTIONS: &[(&[u8], lua_CFunction)] = &[
    (b"pack", native!(pack)),
    (b"unpack", native!(unpack)),
    (b"unpack_limit", native!(unpack_limit)),
    (b"unpack_one", native!(unpack_one)),
];

/// Tables inside as many tables are packed as nil.
const DEPTH_MAX: c_int = 16;
/// Slots that a table takes on the Lua stack.
const LEVEL_SLOTS: c_int = 3;

const STACK_FULL: &[u8] = b"stack overflow (too many return values at once; use unpack_one or \
                            unpack_limit instead.)";

/// Pushes the library; may raise.
pub(super) fn push(stack: Stack, shared: &Shared) {
    stack.push_table(0, FUNCTIONS.len() + 4);
    set_functions(stack, shared, FUNCTIONS);
    set_text(stack, b"_NAME", b"cmsgpack");
    set_text(stack, b"_VERSION", b"lua-cmsgpack 0.4.0");
    set_text(stack, b"_COPYRIGHT", b"Copyright (C) 2012, Salvatore Sanfilippo");
    set_text(stack, b"_DESCRIPTION", b"MessagePack C implementation for Lua");
}

/// `cmsgpack.pack(value, ...)`.
fn pack(stack: Stack, shared: &Shared) -> Outcome {
    let count = stack.top();
    if count == 0 {
        return stack.fail_argument(0, c"MessagePack pack needs input.");
    }
    let start = shared.buffer.len();
    stack.reserve(2 * LEVEL_SLOTS)?;
    for argument in 1..=count {
        stack.push_value(argument);
        pack_value(stack, shared, 0)?;
    }
    stack.push_bytes(shared.buffer.from(start));
    shared.buffer.truncate(start);
    Ok(1)
}

/// Packs the value on the top, which is dropped. Nests as deep as [`DEPTH_MAX`].
fn pack_value(stack: Stack, shared: &Shared, depth: c_int) -> Result<(), Raise> {
    pace(stack, shared)?;
    let out = &shared.buffer;
    match stack.kind(-1) {
        Kind::String => pack_bytes(out, stack.bytes(-1).unwrap_or_default()),
        Kind::Boolean => out.push(if stack.boolean(-1) { 0xC3 } else { 0xC2 }),
        Kind::Number => pack_number(out, stack.number(-1)),
        Kind::Table if depth < DEPTH_MAX => return pack_table(stack, shared, depth),
        _ => out.push(0xC0),
    }
    stack.pop(1);
    Ok(())
}

fn pack_table(stack: Stack, shared: &Shared, depth: c_int) -> Result<(), Raise> {
    let out = &shared.buffer;
    stack.reserve(2 * LEVEL_SLOTS)?;
    let table = stack.top();
    if is_array(stack) {
        let len = stack.raw_len(table);
        pack_head(out, len, 15, [0x90, 0xDC, 0xDD]);
        for number in 1..=c_int::try_from(len).unwrap_or(c_int::MAX) {
            stack.push_integer(i64::from(number));
            stack.get(table);
            pack_value(stack, shared, depth + 1)?;
        }
    } else {
        let mut len = 0;
        stack.push_nil();
        while stack.next(table) {
            stack.pop(1);
            len += 1;
        }
        pack_head(out, len, 15, [0x80, 0xDE, 0xDF]);
        stack.push_nil();
        while stack.next(table) {
            stack.push_value(-2);
            pack_value(stack, shared, depth + 1)?;
            pack_value(stack, shared, depth + 1)?;
        }
    }
    stack.set_top(table - 1);
    Ok(())
}

/// Whether the keys of the table on the top are 1 to their number.
fn is_array(stack: Stack) -> bool {
    let table = stack.top();
    let (mut max, mut count) = (0.0_f64, 0.0_f64);
    stack.push_nil();
    while stack.next(table) {
        stack.pop(1);
        let key = if stack.kind(-1) == Kind::Number { stack.number(-1) } else { 0.0 };
        if key <= 0.0 || key.fract() != 0.0 || key > f64::from(c_int::MAX) {
            stack.set_top(table);
            return false;
        }
        max = max.max(key);
        count += 1.0;
    }
    #[expect(clippy::float_cmp, reason = "both are counts")]
    let dense = max == count;
    dense
}

/// The head of what has a length: a short form, one with two bytes, one with four.
fn pack_head(out: &Buffer, len: usize, short_max: usize, tags: [u8; 3]) {
    // What has more parts than 32 bits count does not fit into a VM.
    let len32 = u32::try_from(len).unwrap_or(u32::MAX);
    match u16::try_from(len) {
        Ok(short) if usize::from(short) <= short_max => out.push(tags[0] | short.to_le_bytes()[0]),
        Ok(len) => out.append(|out| {
            out.push(tags[1]);
            out.extend_from_slice(&len.to_be_bytes());
        }),
        Err(_) => out.append(|out| {
            out.push(tags[2]);
            out.extend_from_slice(&len32.to_be_bytes());
        }),
    }
}

fn pack_bytes(out: &Buffer, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(len) if len > 31 => out.extend(&[0xD9, len]),
        _ => pack_head(out, bytes.len(), 31, [0xA0, 0xDA, 0xDB]),
    }
    out.extend(bytes);
}

/// A number in its shortest form: an integer, a float that is equal to it, or a double.
fn pack_number(out: &Buffer, number: f64) {
    /// 2^63: from here on there is no integer.
    const TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;
    if number.fract() == 0.0 && (-TOO_LARGE..TOO_LARGE).contains(&number) {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and in range")]
        pack_integer(out, number as i64);
        return;
    }
    #[expect(clippy::cast_possible_truncation, reason = "kept only if nothing is lost")]
    let float = number as f32;
    #[expect(clippy::float_cmp, reason = "the question is whether they are the same")]
    let is_float = f64::from(float) == number;
    out.append(|out| {
        if is_float {
            out.push(0xCA);
            out.extend_from_slice(&float.to_be_bytes());
        } else {
            out.push(0xCB);
            out.extend_from_slice(&number.to_be_bytes());
        }
    });
}

fn pack_integer(out: &Buffer, number: i64) {
    let bytes = number.to_be_bytes();
    let (tag, len) = match number {
        -32..=127 => {
            out.push(bytes[7]);
            return;
        }
        128..=0xFF => (0xCC, 1),
        0x100..=0xFFFF => (0xCD, 2),
        0x1_0000..=0xFFFF_FFFF => (0xCE, 4),
        0x1_0000_0000.. => (0xCF, 8),
        -0x80..=-33 => (0xD0, 1),
        -0x8000..=-0x81 => (0xD1, 2),
        -0x8000_0000..=-0x8001 => (0xD2, 4),
        _ => (0xD3, 8),
    };
    out.append(|out| {
        out.push(tag);
        out.extend_from_slice(&bytes[8 - len..]);
    });
}

/// `cmsgpack.unpack(text)`: all values.
fn unpack(stack: Stack, shared: &Shared) -> Outcome {
    unpack_from(stack, shared, 0, 0)
}

/// `cmsgpack.unpack_one(text [, offset])`: where to go on, and one value.
fn unpack_one(stack: Stack, shared: &Shared) -> Outcome {
    let offset = stack.check_integer_or(2, 0);
    unpack_from(stack, shared, 1, offset)
}

/// `cmsgpack.unpack_limit(text, limit [, offset])`: where to go on, and so many values.
fn unpack_limit(stack: Stack, shared: &Shared) -> Outcome {
    let limit = stack.check_integer(2);
    let offset = stack.check_integer_or(3, 0);
    unpack_from(stack, shared, limit, offset)
}

/// Values from an offset on; with neither limit nor offset all, and no offset given back.
fn unpack_from(stack: Stack, shared: &Shared, limit: i64, offset: i64) -> Outcome {
    stack.set_top(stack.top().min(1));
    let text = stack.check_bytes(1);
    let fail = |parts: [&str; 3], numbers: [i64; 2]| {
        super::failure::fail_with(stack, shared, |out| {
            for (part, number) in parts.iter().zip(numbers.map(Some).into_iter().chain([None])) {
                out.extend_from_slice(part.as_bytes());
                if let Some(number) = number {
                    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                }
            }
        })
    };
    let len = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let (Ok(start), 0..) = (usize::try_from(offset), limit) else {
        let parts = ["Invalid request to unpack with offset of ", " and limit of ", "."];
        return fail(parts, [offset, len]);
    };
    if start > text.len() {
        let parts = ["Start offset ", " greater than input length ", "."];
        return fail(parts, [offset, len]);
    }
    let all = limit == 0 && offset == 0;
    let mut input = &text[start..];
    let mut count = 0;
    while !input.is_empty() && (all || i64::from(count) < limit) {
        read_value(stack, shared, &mut input)?;
        count += 1;
    }
    if !all {
        if !stack.has_room(1) {
            return stack.fail(b"stack overflow (in function mp_unpack_full)");
        }
        let done = text.len() - input.len();
        stack.push_integer(if input.is_empty() { -1 } else { i64::try_from(done).unwrap_or(-1) });
        stack.insert(2);
        count += 1;
    }
    Ok(count)
}

/// A table that is being read, and what it still lacks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    Items {
        next: c_int,
        left: u32,
    },
    /// Keys, and values whose key is on the stack.
    Pairs {
        left: u32,
        has_key: bool,
    },
}

/// Why bytes are no value.
#[derive(Clone, Copy, Debug)]
enum Damage {
    BadFormat,
    Missing,
}

/// Pushes the value that the input begins with.
fn read_value(stack: Stack, shared: &Shared, input: &mut &[u8]) -> Result<(), Raise> {
    let levels = &shared.msgpack_levels;
    levels.clear();
    loop {
        pace(stack, shared)?;
        if !stack.has_room(LEVEL_SLOTS) {
            return stack.fail(STACK_FULL);
        }
        match read_one(stack, input) {
            Ok(Some(level)) => levels.push(level),
            Ok(None) if levels.last().is_none() => return Ok(()),
            Ok(None) => place(stack, levels),
            Err(Damage::Missing) => return stack.fail(b"Missing bytes in input."),
            Err(Damage::BadFormat) => return stack.fail(b"Bad data format in input."),
        }
        // Tables that are complete are values of the ones around them.
        while levels.last().is_some_and(Level::is_complete) {
            levels.pop();
            if levels.last().is_none() {
                return Ok(());
            }
            place(stack, levels);
        }
    }
}

impl Level {
    fn is_complete(self) -> bool {
        match self {
            Self::Items { left, .. } => left == 0,
            Self::Pairs { left, has_key } => left == 0 && !has_key,
        }
    }
}

/// Puts the value on the top into the table that is being read; a key waits for its value.
fn place(stack: Stack, levels: &Levels<Level>) {
    let placed = match levels.last() {
        Some(Level::Items { next, left }) => {
            stack.raw_set_item(-2, next);
            Level::Items { next: next.saturating_add(1), left: left - 1 }
        }
        Some(Level::Pairs { left, has_key: false }) => Level::Pairs { left, has_key: true },
        Some(Level::Pairs { left, has_key: true }) => {
            stack.raw_set(-3);
            Level::Pairs { left: left - 1, has_key: false }
        }
        None => return,
    };
    levels.set_last(placed);
}

/// Pushes what the input begins with: a value, or a table whose parts follow.
fn read_one(stack: Stack, input: &mut &[u8]) -> Result<Option<Level>, Damage> {
    let [tag] = take(input)?;
    match tag {
        0x00..=0x7F => stack.push_integer(i64::from(tag)),
        0x80..=0x8F => return Ok(open_pairs(stack, u32::from(tag & 15))),
        0x90..=0x9F => return Ok(open_items(stack, u32::from(tag & 15))),
        0xA0..=0xBF => stack.push_bytes(take_slice(input, u32::from(tag & 31))?),
        0xC0 => stack.push_nil(),
        0xC2 | 0xC3 => stack.push_boolean(tag == 0xC3),
        0xCA => stack.push_number(f64::from(f32::from_be_bytes(take(input)?))),
        0xCB => stack.push_number(f64::from_be_bytes(take(input)?)),
        0xCC..=0xD3 => stack.push_integer(read_integer(tag, input)?),
        0xD9 => {
            let len = u32::from(u8::from_be_bytes(take(input)?));
            stack.push_bytes(take_slice(input, len)?);
        }
        0xDA..=0xDF => {
            let len = if tag % 2 == 0 {
                u32::from(u16::from_be_bytes(take(input)?))
            } else {
                u32::from_be_bytes(take(input)?)
            };
            match tag {
                0xDA | 0xDB => stack.push_bytes(take_slice(input, len)?),
                0xDC | 0xDD => return Ok(open_items(stack, len)),
                _ => return Ok(open_pairs(stack, len)),
            }
        }
        0xE0.. => stack.push_integer(i64::from(tag.cast_signed())),
        _ => return Err(Damage::BadFormat),
    }
    Ok(None)
}

/// Integers of 1, 2, 4 and 8 bytes, without and with a sign. Those of 64 bits without one wrap, as
/// they do in the original on Lua 5.1.
fn read_integer(tag: u8, input: &mut &[u8]) -> Result<i64, Damage> {
    Ok(match tag {
        0xCC => i64::from(u8::from_be_bytes(take(input)?)),
        0xCD => i64::from(u16::from_be_bytes(take(input)?)),
        0xCE => i64::from(u32::from_be_bytes(take(input)?)),
        0xD0 => i64::from(i8::from_be_bytes(take(input)?)),
        0xD1 => i64::from(i16::from_be_bytes(take(input)?)),
        0xD2 => i64::from(i32::from_be_bytes(take(input)?)),
        _ => i64::from_be_bytes(take(input)?),
    })
}

fn open_items(stack: Stack, left: u32) -> Option<Level> {
    stack.push_table(0, 0);
    Some(Level::Items { next: 1, left })
}

fn open_pairs(stack: Stack, left: u32) -> Option<Level> {
    stack.push_table(0, 0);
    Some(Level::Pairs { left, has_key: false })
}

fn take<const LEN: usize>(input: &mut &[u8]) -> Result<[u8; LEN], Damage> {
    let (taken, rest) = input.split_first_chunk().ok_or(Damage::Missing)?;
    *input = rest;
    Ok(*taken)
}

fn take_slice<'i>(input: &mut &'i [u8], len: u32) -> Result<&'i [u8], Damage> {
    let len = usize::try_from(len).map_err(|_| Damage::Missing)?;
    input.split_off(..len).ok_or(Damage::Missing)
}
