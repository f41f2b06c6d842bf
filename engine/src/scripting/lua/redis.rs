//! The `redis` table: commands, replies, the log, the user's rights.
//!
//! Why it exists: it is what scripts are written against, so each function answers, and each
//! misuse of one is refused, as Redis 7.2 does.

use mlua::ffi::lua_CFunction;
use sha1::{Digest, Sha1};

use super::failure;
use super::host::{LogLevel, Permission};
use super::numbers;
use super::raw::{Kind, Outcome, Raise, Stack, native};
use super::shared::Shared;

/// The version of Redis that scripts are told: the one whose behaviour is meant.
const VERSION: &[u8] = b"7.2.4";
/// The same as a number: a byte for each of its parts.
const VERSION_NUMBER: f64 = 0x0007_0204 as f64;
/// Bytes that a number takes as an argument, at most.
const NUMBER_BYTES_MAX: usize = 40;

const FUNCTIONS: &[(&[u8], lua_CFunction)] = &[
    (b"acl_check_cmd", native!(acl_check_cmd)),
    (b"breakpoint", native!(breakpoint)),
    (b"call", native!(call)),
    (b"debug", native!(debug)),
    (b"error_reply", native!(error_reply)),
    (b"pcall", native!(pcall)),
    (b"replicate_commands", native!(replicate_commands)),
    (b"set_repl", native!(set_repl)),
    (b"setresp", native!(setresp)),
    (b"sha1hex", native!(sha1hex)),
    (b"status_reply", native!(status_reply)),
];

const NUMBERS: &[(&[u8], f64)] = &[
    (b"REPL_ALL", 3.0),
    (b"REPL_AOF", 1.0),
    (b"REPL_NONE", 0.0),
    (b"REPL_REPLICA", 2.0),
    (b"REPL_SLAVE", 2.0),
];

const LOG_NUMBERS: &[(&[u8], f64)] =
    &[(b"LOG_DEBUG", 0.0), (b"LOG_NOTICE", 2.0), (b"LOG_VERBOSE", 1.0), (b"LOG_WARNING", 3.0)];

/// Pushes the table; may raise.
pub(super) fn push(stack: Stack, shared: &Shared) {
    stack.push_table(0, 24);
    set_functions(stack, shared, FUNCTIONS);
    set_numbers(stack, NUMBERS);
    set_common(stack, shared);
}

/// Sets what the table has while a library is loaded, too; may raise.
pub(super) fn set_common(stack: Stack, shared: &Shared) {
    set_functions(stack, shared, &[(b"log", native!(log))]);
    set_numbers(stack, LOG_NUMBERS);
    set_text(stack, b"REDIS_VERSION", VERSION);
    stack.push_number(VERSION_NUMBER);
    stack.raw_set_field(-1, b"REDIS_VERSION_NUM");
}

/// Sets functions in the table on the top; may raise.
pub(super) fn set_functions(stack: Stack, shared: &Shared, functions: &[(&[u8], lua_CFunction)]) {
    for (name, function) in functions {
        stack.push_function(*function, shared, 0);
        stack.raw_set_field(-1, name);
    }
}

/// Sets a field of the table on the top; may raise.
pub(super) fn set_text(stack: Stack, name: &[u8], text: &[u8]) {
    stack.push_bytes(text);
    stack.raw_set_field(-1, name);
}

fn set_numbers(stack: Stack, numbers: &[(&[u8], f64)]) {
    for (name, number) in numbers {
        stack.push_number(*number);
        stack.raw_set_field(-1, name);
    }
}

fn call(stack: Stack, shared: &Shared) -> Outcome {
    run(stack, shared, true)
}

fn pcall(stack: Stack, shared: &Shared) -> Outcome {
    run(stack, shared, false)
}

/// Runs a command; its error is raised, or returned as a table.
fn run(stack: Stack, shared: &Shared, raises: bool) -> Outcome {
    let Some(host) = shared.host() else {
        return failure::raise(
            stack,
            b"redis.call/pcall can only be called inside a script invocation",
        );
    };
    super::vm::check_verdict(stack, shared)?;
    let start = shared.buffer.len();
    if let Err(text) = collect_words(stack, shared) {
        shared.buffer.truncate(start);
        failure::push_plain(stack, text);
        return if raises { Err(Raise) } else { Ok(1) };
    }
    let reply = shared.run_command(host);
    shared.buffer.truncate(start);
    // The words are used up, and the reply may need their room.
    stack.set_top(0);
    reply.push(stack)?;
    if raises && reply.is_error() { Err(Raise) } else { Ok(1) }
}

/// Puts the arguments into the words; the text of what is wrong with them otherwise.
fn collect_words(stack: Stack, shared: &Shared) -> Result<(), &'static [u8]> {
    let count = stack.top();
    if count == 0 {
        return Err(b"Please specify at least one argument for this redis lib call");
    }
    let words = &shared.words;
    words.clear();
    for index in 1..=count {
        match stack.kind(index) {
            Kind::String => words.push(stack.text(index).unwrap_or_default()),
            Kind::Number => {
                // Room for all that may come, so that none of them moves.
                let left = usize::try_from(count - index + 1).unwrap_or_default();
                shared.buffer.reserve(left * NUMBER_BYTES_MAX);
                let start = shared.buffer.len();
                let number = stack.number(index);
                shared.buffer.append(|out| numbers::write_argument(out, number));
                words.push(shared.buffer.from(start));
            }
            _ => return Err(b"Lua redis lib command arguments must be strings or integers"),
        }
    }
    Ok(())
}

fn acl_check_cmd(stack: Stack, shared: &Shared) -> Outcome {
    let Some(host) = shared.host() else {
        let text = b"redis.acl_check_cmd can only be called inside a script invocation";
        return failure::raise(stack, text);
    };
    let start = shared.buffer.len();
    if let Err(text) = collect_words(stack, shared) {
        shared.buffer.truncate(start);
        return failure::raise(stack, text);
    }
    let permission = host.permission(shared.words.all());
    shared.buffer.truncate(start);
    match permission {
        Permission::Allowed => stack.push_boolean(true),
        Permission::Denied => stack.push_boolean(false),
        Permission::Unknown => {
            return failure::raise(stack, b"Invalid command passed to redis.acl_check_cmd()");
        }
    }
    Ok(1)
}

/// There is no debugger to stop in.
fn breakpoint(stack: Stack, _: &Shared) -> Outcome {
    stack.push_boolean(false);
    Ok(1)
}

/// There is no debugger to print to.
fn debug(_: Stack, _: &Shared) -> Outcome {
    Ok(0)
}

/// Whether the only argument is a string.
fn is_one_string(stack: Stack) -> bool {
    stack.top() == 1 && stack.kind(1) == Kind::String
}

fn error_reply(stack: Stack, _: &Shared) -> Outcome {
    if is_one_string(stack) {
        let text = failure::until_nul(stack.bytes(1).unwrap_or_default());
        let text = text.strip_prefix(b"-").unwrap_or(text);
        failure::push_coded(stack, trim_line_ends(text));
    } else {
        failure::push_plain(stack, b"wrong number or type of arguments");
    }
    Ok(1)
}

/// The text without line ends around it.
fn trim_line_ends(mut text: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] | [rest @ .., b'\r' | b'\n'] = text {
        text = rest;
    }
    text
}

fn status_reply(stack: Stack, _: &Shared) -> Outcome {
    if is_one_string(stack) {
        stack.push_table(0, 1);
        stack.push_value(1);
        stack.raw_set_field(-1, b"ok");
    } else {
        failure::push_plain(stack, b"wrong number or type of arguments");
    }
    Ok(1)
}

fn log(stack: Stack, shared: &Shared) -> Outcome {
    let count = stack.top();
    if count < 2 {
        return failure::raise(stack, b"redis.log() requires two arguments or more.");
    }
    if !stack.is_number(1) {
        return failure::raise(stack, b"First argument must be a number (log level).");
    }
    let level = match cut(stack.number(1)) {
        0 => LogLevel::Debug,
        1 => LogLevel::Verbose,
        2 => LogLevel::Notice,
        3 => LogLevel::Warning,
        _ => return failure::raise(stack, b"Invalid debug level."),
    };
    let start = shared.buffer.len();
    for index in 2..=count {
        if let Some(text) = stack.text(index) {
            if index > 2 {
                shared.buffer.push(b' ');
            }
            shared.buffer.extend(text);
        }
    }
    if let Some(host) = shared.host() {
        host.log(level, shared.buffer.from(start));
    }
    shared.buffer.truncate(start);
    Ok(0)
}

/// A number cut to an integer as C cuts it.
#[expect(clippy::cast_possible_truncation, reason = "what is out of range is no level or version")]
fn cut(number: f64) -> i64 {
    number as i64
}

/// Effects are what is logged: there is no other way to be told to.
fn replicate_commands(stack: Stack, _: &Shared) -> Outcome {
    stack.push_boolean(true);
    Ok(1)
}

/// Accepted as Redis accepts it; effects are logged all the same.
fn set_repl(stack: Stack, shared: &Shared) -> Outcome {
    if shared.host().is_none() {
        let text = b"redis.set_repl can only be called inside a script invocation";
        return failure::raise(stack, text);
    }
    if stack.top() != 1 {
        return failure::raise(stack, b"redis.set_repl() requires two arguments.");
    }
    if !(0..=3).contains(&cut(stack.number(1))) {
        let text = b"Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return failure::raise(stack, text);
    }
    Ok(0)
}

fn setresp(stack: Stack, shared: &Shared) -> Outcome {
    if shared.host().is_none() {
        let text = b"redis.setresp can only be called inside a script invocation";
        return failure::raise(stack, text);
    }
    if stack.top() != 1 {
        return failure::raise(stack, b"redis.setresp() requires one argument.");
    }
    match cut(stack.number(1)) {
        2 => shared.version.set(2),
        3 => shared.version.set(3),
        _ => return failure::raise(stack, b"RESP version must be 2 or 3."),
    }
    Ok(0)
}

fn sha1hex(stack: Stack, _: &Shared) -> Outcome {
    if stack.top() != 1 {
        return failure::raise(stack, b"wrong number of arguments");
    }
    let text = stack.text(1).unwrap_or_default();
    stack.push_bytes(&sha1_hex(text));
    Ok(1)
}

/// The SHA1 of bytes in hexadecimal digits, by which scripts are known.
///
/// # Examples
/// ```
/// let digits = engine::scripting::lua::sha1_hex(b"return 1");
/// assert_eq!(&digits, b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
/// ```
#[must_use]
pub fn sha1_hex(bytes: &[u8]) -> [u8; 40] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 40];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(Sha1::digest(bytes)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}
