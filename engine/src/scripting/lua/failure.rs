//! Errors of scripts: the tables that Redis raises, and the line that the client gets.
//!
//! Why it exists: frameworks tell errors apart by the line's first word and by its text, and
//! scripts look at `err` in what `pcall` gives them.
//!
//! An error that leaves a script passes the message handler, which makes a table of it:
//! `{err = "CODE text", source = "@user_script", line = 1}`, with `ignore_error_stats_update` when
//! the statistics know of it already.

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;

use mlua::ffi;

use super::raw::{Kind, Outcome, Raise, Stack};
use super::shared::Shared;

const COUNTED: &[u8] = b"ignore_error_stats_update";
/// What is left of the text of an error that the handler did not see.
const BARE_BYTES_MAX: usize = 100;

/// How a script failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// The line for the client, with its code, without the leading `-`.
    pub line: Vec<u8>,
    /// Whether it is a command's error, which was counted when the command failed.
    pub counted: bool,
}

/// Pushes the table of an error whose text begins with its code; one without gets `ERR`. May raise.
pub(super) fn push_coded(stack: Stack, text: &[u8]) {
    stack.push_table(0, 2);
    if text.contains(&b' ') {
        stack.push_bytes(text);
    } else {
        stack.push_bytes(b"ERR ");
        stack.push_bytes(text);
        stack.concat(2);
    }
    stack.raw_set_field(-1, b"err");
}

/// Pushes the table of an error of ours, `ERR` and the text; may raise.
pub(super) fn push_plain(stack: Stack, text: &[u8]) {
    stack.push_table(0, 2);
    stack.push_bytes(b"ERR ");
    stack.push_bytes(text);
    stack.concat(2);
    stack.raw_set_field(-1, b"err");
}

/// Raises the table of an error of ours.
pub(super) fn raise<T>(stack: Stack, text: &[u8]) -> Result<T, Raise> {
    push_plain(stack, text);
    Err(Raise)
}

/// Raises a text that is written into the buffer, behind the position of the Lua code that called.
pub(super) fn fail_with<T>(
    stack: Stack,
    shared: &Shared,
    write: impl FnOnce(&mut Vec<u8>),
) -> Result<T, Raise> {
    let start = shared.buffer.len();
    shared.buffer.append(write);
    stack.push_position(1);
    stack.push_bytes(shared.buffer.from(start));
    stack.concat(2);
    shared.buffer.truncate(start);
    Err(Raise)
}

/// Says in the error table on the top that the error was counted; may raise.
pub(super) fn mark_counted(stack: Stack) {
    stack.push_boolean(true);
    stack.raw_set_field(-1, COUNTED);
}

/// The message handler of a script: a table with the place where the error came up.
pub(super) fn handle(stack: Stack, shared: &Shared) -> Outcome {
    stack.set_top(1);
    if stack.kind(1) != Kind::Table {
        stack.push_bytes(b"ERR ");
        push_shown(stack, 1);
        stack.concat(2);
        stack.push_table(0, 3);
        stack.insert(-2);
        stack.raw_set_field(-1, b"err");
        stack.replace(1);
    }
    stack.set_top(1);
    if super::sandbox::is_read_only(stack, shared, 1) {
        return Ok(1);
    }
    if let Some(place) = place(stack) {
        stack.push_bytes(place.source());
        stack.raw_set_field(1, b"source");
        stack.push_integer(i64::from(place.currentline));
        stack.raw_set_field(1, b"line");
    }
    Ok(1)
}

/// Pushes what `tostring` would show of a value that raised, without running code of the script.
fn push_shown(stack: Stack, index: c_int) {
    match stack.kind(index) {
        Kind::String | Kind::Number => stack.push_value(index),
        Kind::Boolean => stack.push_bytes(if stack.boolean(index) { b"true" } else { b"false" }),
        _ => stack.push_bytes(stack.kind_name(index)),
    }
}

/// Where code stands.
struct Place(ffi::lua_Debug);

impl std::ops::Deref for Place {
    type Target = ffi::lua_Debug;

    fn deref(&self) -> &ffi::lua_Debug {
        &self.0
    }
}

impl Place {
    fn source<'s>(&self) -> &'s [u8] {
        // SAFETY: `lua_getinfo` filled it with a string that the running function keeps.
        unsafe { CStr::from_ptr(self.0.source) }.to_bytes()
    }

    fn is_native(&self) -> bool {
        // SAFETY: `lua_getinfo` filled it with a constant of Lua's.
        unsafe { CStr::from_ptr(self.0.what) }.to_bytes() == b"C"
    }
}

/// The Lua code closest to the error: what called the handler, or what called that when it is
/// native.
fn place(stack: Stack) -> Option<Place> {
    let first = place_at(stack, 1)?;
    if first.is_native() { place_at(stack, 2) } else { Some(first) }
}

fn place_at(stack: Stack, level: c_int) -> Option<Place> {
    let mut record = MaybeUninit::<ffi::lua_Debug>::zeroed();
    // SAFETY: S1 of `raw`; the record is written only.
    if unsafe { ffi::lua_getstack(stack.state(), level, record.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: the record is of an active function, from `lua_getstack` just now.
    unsafe { ffi::lua_getinfo(stack.state(), c"Sl".as_ptr(), record.as_mut_ptr()) };
    // SAFETY: zeroes are a value of each field, and the two calls above overwrote some.
    Some(Place(unsafe { record.assume_init() }))
}

/// The part of a text before its first NUL, where C ends it.
pub(super) fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or(text)
}

/// The line of an error table at `index`, and whether it was counted; `None` when it has no `err`.
pub(super) fn read_table(stack: Stack, index: c_int) -> Option<(&'static [u8], bool)> {
    stack.raw_field(index, b"err");
    let err = stack.bytes(-1).map(until_nul);
    stack.pop(1);
    stack.raw_field(index, COUNTED);
    let counted = stack.boolean(-1);
    stack.pop(1);
    err.map(|err| (err, counted))
}

/// The line for the error on the top of the stack, which passed no handler.
pub(super) fn text_of_error(stack: Stack) -> Vec<u8> {
    let index = stack.top();
    if stack.kind(index) == Kind::Table
        && let Some((err, _)) = read_table(stack, index)
    {
        return err.to_vec();
    }
    [&b"ERR "[..], stack.bytes(index).map_or(&b"unknown error"[..], until_nul)].concat()
}

/// The line for the error on the top of the stack, of the script or function `name`.
pub(super) fn of_error(stack: Stack, name: &[u8]) -> Failure {
    let index = stack.top();
    if stack.kind(index) != Kind::Table {
        let text = stack.bytes(index).map_or(&b"execution failure"[..], until_nul);
        let text = &text[..text.len().min(BARE_BYTES_MAX)];
        let line = [b"ERR Error running script ", name, b", ", text].concat();
        return Failure { line, counted: false };
    }
    let (err, counted) = read_table(stack, index).unwrap_or((b"ERR unknown error", false));
    let mut line = err.to_vec();
    stack.raw_field(index, b"source");
    stack.raw_field(index, b"line");
    if let (Some(source), Kind::Number | Kind::String) = (stack.bytes(-2), stack.kind(-1))
        && let Some(number) = stack.text(-1)
    {
        for part in [&b" script: "[..], name, b", on ", source, b":", number, b"."] {
            line.extend_from_slice(part);
        }
    }
    stack.pop(2);
    Failure { line, counted }
}
