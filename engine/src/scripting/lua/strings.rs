//! `string`, where Lua's own would let a script stop the reactor or leave its memory.
//!
//! Why it exists: searching is done by [`Matcher`], which counts its steps; `rep` knows how much it
//! will take before it begins. The rest of the library is Lua's.

use std::ffi::c_int;

use mlua::ffi::lua_CFunction;

use super::pattern::Matcher;
use super::raw::{Kind, Outcome, Raise, Stack, native, upvalue};
use super::redis::set_functions;
use super::shared::Shared;
use super::vm::pace_by;

const FUNCTIONS: &[(&[u8], lua_CFunction)] = &[
    (b"dump", native!(dump)),
    (b"find", native!(find)),
    (b"gfind", native!(gmatch)),
    (b"gmatch", native!(gmatch)),
    (b"gsub", native!(gsub)),
    (b"match", native!(match_first)),
    (b"rep", native!(rep)),
];

/// What makes a text a pattern.
const SPECIALS: &[u8] = b"^$*+?.([%-";

/// Replaces functions of the table on the top; may raise.
pub(super) fn install(stack: Stack, shared: &Shared) {
    set_functions(stack, shared, FUNCTIONS);
}

/// Compiled code could not be loaded, so it is not given either.
fn dump(stack: Stack, _: &Shared) -> Outcome {
    if stack.kind(1) != Kind::Function {
        return stack.fail_argument(1, c"function expected");
    }
    stack.fail(b"unable to dump given function")
}

fn find(stack: Stack, shared: &Shared) -> Outcome {
    search(stack, shared, true)
}

fn match_first(stack: Stack, shared: &Shared) -> Outcome {
    search(stack, shared, false)
}

/// The first match from a place on: where it is, when `finds`, and its captures.
fn search(stack: Stack, shared: &Shared, finds: bool) -> Outcome {
    let source = stack.check_bytes(1);
    let pattern = stack.check_bytes(2);
    let len = i64::try_from(source.len()).unwrap_or(i64::MAX);
    let first = match stack.check_integer_or(3, 1) {
        from_end @ ..0 => from_end + len,
        from_start => from_start - 1,
    };
    let first = usize::try_from(first.clamp(0, len)).unwrap_or_default();
    let special = |byte: &u8| SPECIALS.contains(byte);
    if finds && (stack.boolean(4) || !super::failure::until_nul(pattern).iter().any(special)) {
        pace_by(stack, shared, (source.len() - first) / 64)?;
        let Some(place) = memchr::memmem::find(&source[first..], pattern) else {
            stack.push_nil();
            return Ok(1);
        };
        stack.push_index(first + place + 1);
        stack.push_index(first + place + pattern.len());
        return Ok(2);
    }
    let mut matcher = Matcher::new(stack, shared, source, pattern);
    let is_anchored = matcher.take_anchor();
    for start in first..=source.len() {
        if let Some(end) = matcher.at(start)? {
            if !finds {
                return matcher.push_captures(start, end, true);
            }
            stack.push_index(start + 1);
            stack.push_index(end);
            return Ok(matcher.push_captures(start, end, false)? + 2);
        }
        if is_anchored {
            break;
        }
    }
    stack.push_nil();
    Ok(1)
}

/// `string.gmatch`: a function with the source, the pattern and the place as own values.
fn gmatch(stack: Stack, shared: &Shared) -> Outcome {
    stack.check_bytes(1);
    stack.check_bytes(2);
    stack.set_top(2);
    stack.push_number(0.0);
    stack.push_function(native!(gmatch_next), shared, 3);
    Ok(1)
}

fn gmatch_next(stack: Stack, shared: &Shared) -> Outcome {
    let source = stack.bytes(upvalue(2)).unwrap_or_default();
    let pattern = stack.bytes(upvalue(3)).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "a place in the source")]
    #[expect(clippy::cast_sign_loss, reason = "a place in the source")]
    let first = stack.number(upvalue(4)) as usize;
    let mut matcher = Matcher::new(stack, shared, source, pattern);
    for start in first..=source.len() {
        if let Some(end) = matcher.at(start)? {
            stack.push_index(if end == start { end + 1 } else { end });
            stack.replace(upvalue(4));
            return matcher.push_captures(start, end, true);
        }
    }
    Ok(0)
}

/// `string.gsub(text, pattern, replacement [, times])`.
fn gsub(stack: Stack, shared: &Shared) -> Outcome {
    let source = stack.check_bytes(1);
    let pattern = stack.check_bytes(2);
    let kind = stack.kind(3);
    let most = i64::try_from(source.len()).unwrap_or(i64::MAX).saturating_add(1);
    let most = stack.check_integer_or(4, most);
    match kind {
        Kind::Function | Kind::Number | Kind::String | Kind::Table => {}
        _ => return stack.fail_argument(3, c"string/function/table expected"),
    }
    // A number becomes a string where it lies.
    let replacement = if kind == Kind::Number { stack.text(3) } else { stack.bytes(3) };
    let buffer = &shared.buffer;
    let begin = buffer.len();
    let mut matcher = Matcher::new(stack, shared, source, pattern);
    let is_anchored = matcher.take_anchor();
    let (mut place, mut count) = (0, 0);
    while i64::from(count) < most {
        let end = matcher.at(place)?;
        if let Some(end) = end {
            count += 1;
            match replacement {
                Some(text) => add_text(shared, &matcher, text, place, end)?,
                None => add_value(stack, shared, &matcher, kind, place, end)?,
            }
        }
        match end {
            Some(end) if end > place => place = end,
            _ if place < source.len() => {
                buffer.push(source[place]);
                place += 1;
            }
            _ => break,
        }
        if is_anchored {
            break;
        }
    }
    buffer.extend(&source[place..]);
    stack.push_bytes(buffer.from(begin));
    buffer.truncate(begin);
    stack.push_integer(i64::from(count));
    Ok(2)
}

/// Appends a replacement in which `%1` stands for a capture.
fn add_text(
    shared: &Shared,
    matcher: &Matcher<'_>,
    text: &[u8],
    start: usize,
    end: usize,
) -> Result<(), Raise> {
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            shared.buffer.push(*byte);
            continue;
        }
        // At the end of the text C finds its NUL.
        match bytes.next().copied().unwrap_or(0) {
            b'0' => shared.buffer.extend(&matcher.source[start..end]),
            digit @ b'1'..=b'9' => {
                matcher.push_capture(usize::from(digit - b'1'), start, end)?;
                append_top(matcher.stack(), shared);
            }
            other => shared.buffer.push(other),
        }
    }
    Ok(())
}

/// Appends the string or number on the top, and drops it; may raise.
fn append_top(stack: Stack, shared: &Shared) {
    if let Some(text) = stack.text(-1) {
        shared.buffer.extend(text);
    }
    stack.pop(1);
}

/// Appends what a function or a table makes of a match, or the match if that is false or nil.
fn add_value(
    stack: Stack,
    shared: &Shared,
    matcher: &Matcher<'_>,
    kind: Kind,
    start: usize,
    end: usize,
) -> Result<(), Raise> {
    stack.reserve(3)?;
    if kind == Kind::Function {
        stack.push_value(3);
        let captures: c_int = matcher.push_captures(start, end, true)?;
        stack.call(captures, 1);
    } else {
        matcher.push_capture(0, start, end)?;
        stack.get(3);
    }
    if !stack.boolean(-1) {
        stack.pop(1);
        shared.buffer.extend(&matcher.source[start..end]);
        return Ok(());
    }
    if !stack.is_text(-1) {
        let kind = stack.kind_name(-1);
        return super::failure::fail_with(stack, shared, |out| {
            for part in [b"invalid replacement value (a ", kind, b")"] {
                out.extend_from_slice(part);
            }
        });
    }
    append_top(stack, shared);
    Ok(())
}

/// `string.rep(text, times)`.
fn rep(stack: Stack, shared: &Shared) -> Outcome {
    let text = stack.check_bytes(1);
    let times = usize::try_from(stack.check_integer(2)).unwrap_or_default();
    match text.len().checked_mul(times) {
        Some(len) if len <= shared.buffer_bytes_max.get() => {
            let begin = shared.buffer.len();
            if len > 0 {
                shared.buffer.append(|out| {
                    out.reserve(len);
                    for _ in 0..times {
                        out.extend_from_slice(text);
                    }
                });
            }
            stack.push_bytes(shared.buffer.from(begin));
            shared.buffer.truncate(begin);
            Ok(1)
        }
        _ => {
            stack.push_bytes(b"not enough memory");
            Err(Raise)
        }
    }
}
