//! What a script returns, as the client's reply.
//!
//! Why it exists: the rules are Redis's own and as old as scripts: numbers lose their fraction,
//! tables end at their first nil, `err` and `ok` make errors and statuses, and what version 3 has
//! beyond version 2 comes in tables of one field.
//!
//! Tables may nest as deep as the Lua stack has room; the walk keeps its own list instead of
//! recursing, because the stack it runs on may be a small one.

use std::ffi::c_int;

use zumic_error::{CommandError, ScriptError};

use super::failure;
use super::raw::{Kind, Stack};
use crate::ReplySink;

/// Slots that one level needs besides its own.
const LEVEL_SLOTS: c_int = 6;

/// A table on the Lua stack that is being answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    /// Items of a table at an index: the next one, and the last.
    Items { table: c_int, next: c_int, last: c_int },
    /// The key of the last pair is on the stack above the table.
    Pairs { table: c_int, value_is_next: bool },
    /// The same, for keys alone.
    Keys { table: c_int },
}

/// Answers with the value on the top of the stack; `levels` is empty memory to work in.
///
/// `version` is the one that the script chose with `redis.setresp`. Raises only for lack of memory.
pub(super) fn answer(stack: Stack, version: u8, levels: &mut Vec<Level>, sink: &mut dyn ReplySink) {
    levels.clear();
    write_value(stack, version, levels, sink);
    while let Some(level) = levels.last_mut() {
        if !push_following(stack, level) {
            levels.pop();
            // The table, and what was found in it.
            continue;
        }
        write_value(stack, version, levels, sink);
    }
}

/// Pushes the next value of a table; at its end drops the table.
fn push_following(stack: Stack, level: &mut Level) -> bool {
    match level {
        Level::Items { table, next, last } => {
            stack.set_top(*table);
            if next > last {
                stack.set_top(*table - 1);
                return false;
            }
            stack.raw_item(*table, *next);
            *next += 1;
        }
        Level::Pairs { table, value_is_next: value @ true } => {
            // Table, key, value, and the key's copy that was answered.
            stack.set_top(*table + 2);
            *value = false;
        }
        Level::Pairs { table, value_is_next } => {
            stack.set_top(*table + 1);
            if !stack.next(*table) {
                stack.set_top(*table - 1);
                return false;
            }
            stack.push_value(-2);
            *value_is_next = true;
        }
        Level::Keys { table } => {
            stack.set_top(*table + 1);
            if !stack.next(*table) {
                stack.set_top(*table - 1);
                return false;
            }
            stack.replace(*table + 2);
            stack.push_value(*table + 1);
        }
    }
    true
}

/// Writes the value on the top; a table with contents is opened and left for the levels.
fn write_value(stack: Stack, version: u8, levels: &mut Vec<Level>, sink: &mut dyn ReplySink) {
    match stack.kind(-1) {
        Kind::String => sink.bulk(stack.text(-1).unwrap_or_default()),
        Kind::Number => sink.integer(whole(stack.number(-1))),
        Kind::Boolean if version >= 3 => sink.boolean(stack.boolean(-1)),
        Kind::Boolean if stack.boolean(-1) => sink.integer(1),
        Kind::Table if !stack.has_room(LEVEL_SLOTS) => {
            sink.error(&CommandError::Script(ScriptError::StackLimit));
        }
        Kind::Table => write_table(stack, levels, sink),
        _ => sink.null(),
    }
}

/// A number without its fraction, as the cast of C on the machines Redis runs on.
fn whole(number: f64) -> i64 {
    /// 2^63: what does not fit is the smallest integer.
    const TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;
    if !(-TOO_LARGE..TOO_LARGE).contains(&number) {
        return i64::MIN;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is in range")]
    let whole = number as i64;
    whole
}

/// Line ends would break the frame.
fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

fn write_table(stack: Stack, levels: &mut Vec<Level>, sink: &mut dyn ReplySink) {
    let table = stack.top();
    if let Some((err, _)) = failure::read_table(stack, table) {
        sink.error(&CommandError::Script(ScriptError::Raised(err.to_vec())));
        return;
    }
    let field = |name: &[u8], wanted: Kind| {
        stack.set_top(table);
        stack.raw_field(table, name);
        stack.kind(-1) == wanted
    };
    if field(b"ok", Kind::String) {
        sink.status(&one_line(failure::until_nul(stack.bytes(-1).unwrap_or_default())));
    } else if field(b"double", Kind::Number) {
        sink.double(stack.number(-1));
    } else if field(b"big_number", Kind::String) {
        let digits = one_line(stack.bytes(-1).unwrap_or_default());
        sink.big_number(&String::from_utf8_lossy(&digits));
    } else if field(b"verbatim_string", Kind::Table) && write_verbatim(stack, sink) {
    } else if field(b"map", Kind::Table) {
        let pairs = count_pairs(stack);
        sink.map(pairs);
        stack.push_nil();
        levels.push(Level::Pairs { table: stack.top() - 1, value_is_next: false });
    } else if field(b"set", Kind::Table) {
        let members = count_pairs(stack);
        sink.set(members);
        stack.push_nil();
        levels.push(Level::Keys { table: stack.top() - 1 });
    } else {
        stack.set_top(table);
        let last = count_items(stack, table);
        sink.array(usize::try_from(last).unwrap_or_default());
        levels.push(Level::Items { table, next: 1, last });
    }
}

/// The string and the format in the table on the top.
fn write_verbatim(stack: Stack, sink: &mut dyn ReplySink) -> bool {
    let inner = stack.top();
    stack.raw_field(inner, b"format");
    stack.raw_field(inner, b"string");
    let (Some(format), Some(text)) = (stack.bytes(-2), stack.bytes(-1)) else {
        return false;
    };
    let mut letters = *b"   ";
    for (letter, byte) in letters.iter_mut().zip(failure::until_nul(format)) {
        *letter = *byte;
    }
    sink.verbatim(letters, text);
    true
}

/// The pairs of the table on the top.
fn count_pairs(stack: Stack) -> usize {
    let mut count = 0;
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        count += 1;
    }
    count
}

/// The items before the first nil.
fn count_items(stack: Stack, table: c_int) -> c_int {
    let mut count = 0;
    loop {
        stack.raw_item(table, count + 1);
        let ended = stack.kind(-1) == Kind::Nil;
        stack.pop(1);
        if ended {
            return count;
        }
        count += 1;
    }
}
