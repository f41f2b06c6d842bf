//! A command's reply on its way into a script.
//!
//! Why it exists: a handler may hold locks and owned values while it writes its reply, so nothing
//! that can jump out may run meanwhile; making Lua values can, for lack of memory. The reply is
//! therefore collected as flat bytes first and becomes Lua values when the handler is done.
//!
//! Layout: one byte of type, then, little endian, what belongs to it:
//!
//! ```text
//! _                       null            t / f                   true, false
//! : i64                   integer         , f64                   double
//! $ u64 bytes             string          + u64 bytes             status
//! - u64 bytes             error           ( u64 bytes             big number
//! = [u8; 3] u64 bytes     verbatim        * u64 items             array
//! % u64 pairs             map             ~ u64 items             set
//! | u64 pairs             attribute of the value behind it
//! ```

use zumic_error::CommandError;

use super::numbers;
use super::raw::{Raise, Stack};
use crate::{LargeString, ReplySink};

/// Slots that one level of a reply needs.
const LEVEL_SLOTS: i32 = 4;
/// What a buffer keeps between replies.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// Collects one reply for a script.
///
/// # Examples
/// ```
/// use engine::ReplySink;
/// use engine::scripting::lua::CallReply;
///
/// let mut reply = CallReply::default();
/// reply.array(1);
/// reply.bulk(b"member");
/// assert!(!reply.is_error());
/// ```
#[derive(Debug, Default)]
pub struct CallReply {
    bytes: Vec<u8>,
    three: bool,
}

impl CallReply {
    /// Empties it, for a reply in the form of a protocol version.
    pub(super) fn clear(&mut self, version: u8) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
        self.three = version >= 3;
    }

    /// Whether the reply, as a whole, is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.bytes.first() == Some(&b'-')
    }

    /// Takes back what was written, to write another reply.
    pub fn restart(&mut self) {
        self.bytes.clear();
    }

    /// Pushes the reply as Redis converts it; may raise.
    pub(super) fn push(&self, stack: Stack) -> Result<(), Raise> {
        let mut rest = &self.bytes[..];
        if self.bytes.first() == Some(&b'$') {
            // What most commands answer needs one slot, which there is (S2 of `raw`).
            let text = rest.split_off(9..).expect("a reply holds what its lengths say");
            stack.push_bytes(text);
            return Ok(());
        }
        push_value(stack, &mut rest)
    }

    fn tag(&mut self, tag: u8, number: u64) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, tag: u8, text: &[u8]) {
        self.tag(tag, text.len() as u64);
        self.bytes.extend_from_slice(text);
    }

    /// Text that a function writes, with its length before it.
    fn written(&mut self, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
        self.tag(tag, 0);
        let start = self.bytes.len();
        write(&mut self.bytes);
        let len = (self.bytes.len() - start) as u64;
        self.bytes[start - 8..start].copy_from_slice(&len.to_le_bytes());
    }
}

impl ReplySink for CallReply {
    fn version(&self) -> u8 {
        if self.three { 3 } else { 2 }
    }

    /// HELLO does not run in scripts.
    fn set_version(&mut self, _: u8) {}

    fn simple(&mut self, text: &str) {
        self.text(b'+', text.as_bytes());
    }

    fn status(&mut self, text: &[u8]) {
        self.text(b'+', text);
    }

    fn error(&mut self, error: &CommandError) {
        self.written(b'-', |out| error.write_wire(out));
    }

    fn integer(&mut self, number: i64) {
        self.tag(b':', number.cast_unsigned());
    }

    fn bulk(&mut self, bytes: &[u8]) {
        self.text(b'$', bytes);
    }

    fn bulk_large(&mut self, value: &LargeString) {
        self.tag(b'$', value.len() as u64);
        for chunk in value.chunks() {
            self.bytes.extend_from_slice(chunk);
        }
    }

    /// Version 2's nulls are `false` in Lua, so that a table can hold them.
    fn null(&mut self) {
        self.bytes.push(if self.three { b'_' } else { b'f' });
    }

    fn null_array(&mut self) {
        self.null();
    }

    fn array(&mut self, len: usize) {
        self.tag(b'*', len as u64);
    }

    fn map(&mut self, pairs: usize) {
        if self.three { self.tag(b'%', pairs as u64) } else { self.tag(b'*', 2 * pairs as u64) }
    }

    fn set(&mut self, len: usize) {
        self.tag(if self.three { b'~' } else { b'*' }, len as u64);
    }

    fn sorted_set(&mut self, len: usize) {
        self.tag(b'*', if self.three { len as u64 } else { 2 * len as u64 });
    }

    fn push(&mut self, len: usize) {
        self.tag(b'*', len as u64);
    }

    fn attribute(&mut self, pairs: usize) {
        self.tag(b'|', pairs as u64);
    }

    fn boolean(&mut self, value: bool) {
        if self.three {
            self.bytes.push(if value { b't' } else { b'f' });
        } else {
            self.integer(i64::from(value));
        }
    }

    fn double(&mut self, value: f64) {
        if self.three { self.tag(b',', value.to_bits()) } else { self.bulk_double(value) }
    }

    fn bulk_double(&mut self, value: f64) {
        self.written(b'$', |out| numbers::write_shortest(out, value));
    }

    fn decimal(&mut self, digits: &str) {
        match digits.parse() {
            Ok(value) if self.three => self.tag(b',', f64::to_bits(value)),
            _ => self.bulk(digits.as_bytes()),
        }
    }

    fn big_number(&mut self, digits: &str) {
        self.text(if self.three { b'(' } else { b'$' }, digits.as_bytes());
    }

    fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        if !self.three {
            self.bulk(text);
            return;
        }
        self.bytes.push(b'=');
        self.bytes.extend_from_slice(&format);
        self.bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(text);
    }
}

/// Takes `count` bytes; a reply is as long as its parts say, because this module wrote it.
fn take<'b>(rest: &mut &'b [u8], count: usize) -> &'b [u8] {
    rest.split_off(..count).expect("a reply holds what its lengths say")
}

fn take_u64(rest: &mut &[u8]) -> u64 {
    u64::from_le_bytes(take(rest, 8).try_into().expect("eight bytes were taken"))
}

fn take_len(rest: &mut &[u8]) -> usize {
    usize::try_from(take_u64(rest)).expect("a length that was a usize")
}

fn take_text<'b>(rest: &mut &'b [u8]) -> &'b [u8] {
    let len = take_len(rest);
    take(rest, len)
}

/// Pushes one value and what it contains. Replies of commands nest a few levels.
fn push_value(stack: Stack, rest: &mut &[u8]) -> Result<(), Raise> {
    stack.reserve(LEVEL_SLOTS)?;
    let three = [b't', b'f', b',', b'(', b'=', b'%', b'~'];
    match take(rest, 1)[0] {
        b'$' => stack.push_bytes(take_text(rest)),
        b':' => stack.push_integer(take_u64(rest).cast_signed()),
        b'+' => push_field(stack, b"ok", |stack| stack.push_bytes(take_text(rest))),
        b'-' => {
            super::failure::push_coded(stack, take_text(rest));
            super::failure::mark_counted(stack);
        }
        b'*' => return push_items(stack, rest),
        b'_' => stack.push_nil(),
        tag if three.contains(&tag) => return push_typed(stack, tag, rest),
        _ => {
            for _ in 0..2 * take_len(rest) {
                push_value(stack, rest)?;
                stack.pop(1);
            }
            return push_value(stack, rest);
        }
    }
    Ok(())
}

/// A table of one field; `push` pushes its value.
fn push_field(stack: Stack, name: &[u8], push: impl FnOnce(Stack)) {
    stack.push_table(0, 1);
    stack.push_bytes(name);
    push(stack);
    stack.raw_set(-3);
}

/// Items of an array become those of a table, from 1.
fn push_items(stack: Stack, rest: &mut &[u8]) -> Result<(), Raise> {
    let len = take_len(rest);
    stack.push_table(len, 0);
    for number in 1..=len {
        push_value(stack, rest)?;
        stack.raw_set_item(-2, i32::try_from(number).unwrap_or(i32::MAX));
    }
    Ok(())
}

/// The types that version 3 has besides those of version 2.
fn push_typed(stack: Stack, tag: u8, rest: &mut &[u8]) -> Result<(), Raise> {
    match tag {
        b't' | b'f' => stack.push_boolean(tag == b't'),
        b',' => {
            let number = f64::from_bits(take_u64(rest));
            push_field(stack, b"double", |stack| stack.push_number(number));
        }
        b'(' => push_field(stack, b"big_number", |stack| stack.push_bytes(take_text(rest))),
        b'=' => push_field(stack, b"verbatim_string", |stack| {
            let format = take(rest, 3);
            stack.push_table(0, 2);
            stack.push_bytes(take_text(rest));
            stack.raw_set_field(-1, b"string");
            stack.push_bytes(format);
            stack.raw_set_field(-1, b"format");
        }),
        _ => {
            let len = take_len(rest);
            let map = tag == b'%';
            stack.push_table(0, 1);
            stack.push_bytes(if map { b"map" } else { b"set" });
            stack.push_table(0, len);
            for _ in 0..len {
                push_value(stack, rest)?;
                stack.reserve(LEVEL_SLOTS)?;
                if map {
                    push_value(stack, rest)?;
                } else {
                    stack.push_boolean(true);
                }
                stack.raw_set(-3);
            }
            stack.raw_set(-3);
        }
    }
    Ok(())
}
