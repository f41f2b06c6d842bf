//! Values to JSON.

use std::ffi::c_int;

use super::{Level, NUMBERS_REFUSED, NUMBERS_WRITTEN, Settings, settings};
use crate::scripting::lua::failure::fail_with;
use crate::scripting::lua::numbers;
use crate::scripting::lua::raw::{Kind, Outcome, Raise, Stack};
use crate::scripting::lua::shared::Shared;
use crate::scripting::lua::vm::pace;

/// Slots that a table takes on the Lua stack.
const LEVEL_SLOTS: c_int = 3;

/// `cjson.encode(value)`.
pub(super) fn encode(stack: Stack, shared: &Shared) -> Outcome {
    if stack.top() != 1 {
        return stack.fail_argument(1, c"expected 1 argument");
    }
    let start = shared.buffer.len();
    let written = write(stack, shared, settings(stack));
    if written.is_ok() {
        stack.push_bytes(shared.buffer.from(start));
    }
    shared.buffer.truncate(start);
    written.map(|()| 1)
}

/// Writes the value on the top, and what it contains.
fn write(stack: Stack, shared: &Shared, settings: &Settings) -> Result<(), Raise> {
    let levels = &shared.json_levels;
    levels.clear();
    write_value(stack, shared, settings)?;
    while let Some(level) = levels.last() {
        match level {
            Level::Items { next, len } if next > len => {
                shared.buffer.push(b']');
                close(stack, shared);
            }
            Level::Items { next, len } => {
                if next > 1 {
                    shared.buffer.push(b',');
                }
                levels.set_last(Level::Items { next: next + 1, len });
                stack.raw_item(-1, next);
                write_value(stack, shared, settings)?;
            }
            Level::Members { any } => {
                // The table, and the last key.
                if !stack.next(-2) {
                    shared.buffer.push(b'}');
                    close(stack, shared);
                    continue;
                }
                if any {
                    shared.buffer.push(b',');
                }
                levels.set_last(Level::Members { any: true });
                write_key(stack, shared, settings)?;
                write_value(stack, shared, settings)?;
            }
        }
    }
    Ok(())
}

/// Leaves a table: it is on the top, its last key gone.
fn close(stack: Stack, shared: &Shared) {
    stack.pop(1);
    shared.json_levels.pop();
}

/// Writes the value on the top and drops it; a table is opened and left for the levels.
fn write_value(stack: Stack, shared: &Shared, settings: &Settings) -> Result<(), Raise> {
    pace(stack, shared)?;
    match stack.kind(-1) {
        Kind::String => write_string(shared, stack.bytes(-1).unwrap_or_default()),
        Kind::Number => write_number(stack, shared, settings, -1)?,
        Kind::Boolean if stack.boolean(-1) => shared.buffer.extend(b"true"),
        Kind::Boolean => shared.buffer.extend(b"false"),
        Kind::Nil => shared.buffer.extend(b"null"),
        Kind::LightUserdata if stack.address(-1).is_null() => shared.buffer.extend(b"null"),
        Kind::Table => return open(stack, shared, settings),
        _ => return refuse(stack, shared, -1, b"type not supported"),
    }
    stack.pop(1);
    Ok(())
}

/// Opens the table on the top.
fn open(stack: Stack, shared: &Shared, settings: &Settings) -> Result<(), Raise> {
    let depth = shared.json_levels.depth() + 1;
    if depth > settings.encode_depth_max.get() || !stack.has_room(LEVEL_SLOTS) {
        return fail_with(stack, shared, |out| {
            out.extend_from_slice(b"Cannot serialise, excessive nesting (");
            out.extend_from_slice(itoa::Buffer::new().format(depth).as_bytes());
            out.push(b')');
        });
    }
    match array_len(stack, shared, settings)? {
        Some(len) if len > 0 => {
            shared.buffer.push(b'[');
            shared.json_levels.push(Level::Items { next: 1, len });
        }
        _ => {
            shared.buffer.push(b'{');
            shared.json_levels.push(Level::Members { any: false });
            stack.push_nil();
        }
    }
    Ok(())
}

/// The length of the table on the top when all its keys are positive integers, and not too few of
/// them.
fn array_len(stack: Stack, shared: &Shared, settings: &Settings) -> Result<Option<c_int>, Raise> {
    let (mut max, mut items) = (0.0_f64, 0.0_f64);
    stack.push_nil();
    while stack.next(-2) {
        let key = if stack.kind(-2) == Kind::Number { stack.number(-2) } else { 0.0 };
        if key < 1.0 || key.floor() != key {
            stack.pop(2);
            return Ok(None);
        }
        max = max.max(key);
        items += 1.0;
        stack.pop(1);
    }
    let ratio = f64::from(settings.sparse_ratio.get());
    if ratio > 0.0 && max > items * ratio && max > f64::from(settings.sparse_safe.get()) {
        if !settings.sparse_convert.get() {
            return refuse(stack, shared, -1, b"excessively sparse array");
        }
        return Ok(None);
    }
    #[expect(clippy::cast_possible_truncation, reason = "C counts in an int here, too")]
    let len = max as c_int;
    Ok(Some(len))
}

/// Writes the key below the top, and the colon.
fn write_key(stack: Stack, shared: &Shared, settings: &Settings) -> Result<(), Raise> {
    match stack.kind(-2) {
        Kind::Number => {
            shared.buffer.push(b'"');
            write_number(stack, shared, settings, -2)?;
            shared.buffer.extend(b"\":");
        }
        Kind::String => {
            write_string(shared, stack.bytes(-2).unwrap_or_default());
            shared.buffer.push(b':');
        }
        _ => return refuse(stack, shared, -2, b"table key must be a number or string"),
    }
    Ok(())
}

fn write_number(
    stack: Stack,
    shared: &Shared,
    settings: &Settings,
    index: c_int,
) -> Result<(), Raise> {
    let number = stack.number(index);
    if !number.is_finite() {
        match settings.encode_invalid.get() {
            NUMBERS_REFUSED => return refuse(stack, shared, index, b"must not be NaN or Inf"),
            NUMBERS_WRITTEN if number.is_nan() => {
                shared.buffer.extend(b"nan");
                return Ok(());
            }
            NUMBERS_WRITTEN => {}
            _ => {
                shared.buffer.extend(b"null");
                return Ok(());
            }
        }
    }
    let precision = usize::try_from(settings.precision.get()).expect("between 1 and 14");
    shared.buffer.append(|out| numbers::write_general(out, number, precision));
    Ok(())
}

/// A string in quotes; what is not ASCII stays as it is.
fn write_string(shared: &Shared, text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    shared.buffer.append(|out| {
        out.reserve(text.len() + 2);
        out.push(b'"');
        for byte in text {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'/' => out.extend_from_slice(b"\\/"),
                8 => out.extend_from_slice(b"\\b"),
                b'\t' => out.extend_from_slice(b"\\t"),
                b'\n' => out.extend_from_slice(b"\\n"),
                12 => out.extend_from_slice(b"\\f"),
                b'\r' => out.extend_from_slice(b"\\r"),
                0..=31 | 127 => {
                    out.extend_from_slice(b"\\u00");
                    out.push(DIGITS[usize::from(byte >> 4)]);
                    out.push(DIGITS[usize::from(byte & 15)]);
                }
                _ => out.push(*byte),
            }
        }
        out.push(b'"');
    });
}

/// "Cannot serialise <type>: <reason>".
fn refuse<T>(stack: Stack, shared: &Shared, index: c_int, reason: &[u8]) -> Result<T, Raise> {
    let kind = stack.kind_name(index);
    fail_with(stack, shared, |out| {
        for part in [b"Cannot serialise ", kind, b": ", reason] {
            out.extend_from_slice(part);
        }
    })
}
