//! What scripts find in their globals, and that they cannot change it.
//!
//! Why it exists: all scripts of a reactor share one VM. What one of them could change, the next
//! one would run with: a library's function replaced is another user's script taken over. And
//! nothing here may reach files, processes or the interpreter's insides.
//!
//! Redis patches Lua so that a table can be read-only. Here a read-only table is an empty one (a
//! *shade*) whose metatable finds fields in the real table and refuses new ones; as it is empty,
//! each assignment is a new field. The real table never reaches a script: what would go past a
//! metatable (`rawset`, `next`, `table.insert` ...) is ours and knows shades. `getmetatable` shows
//! `false`.
//!
//! Invariants
//! - B1: each table of the libraries that a script can reach is behind a shade; the metatable of
//!   strings, which Lua needs as it is, is hidden by its field `__metatable`.
//! - B2: a shade's metatable has the address of [`Shared`] as item 1, which no script has.
//! - B3: an error that jumps out of a function of ours may leave bytes in the shared buffer; where
//!   scripts catch errors, the buffer is cut back to what it was.
//! - B4: code is compiled from source text only, because the interpreter trusts precompiled code;
//!   a chunk's name is on the stack while it is compiled.

use std::ffi::c_int;

use mlua::ffi::{self, lua_CFunction};

use super::failure;
use super::raw::{GLOBALS, Kind, Outcome, Raise, Stack, native, upvalue};
use super::redis;
use super::shared::Shared;
use super::vm::pace;

pub(super) const READ_ONLY: &[u8] = b"Attempt to modify a readonly table";

/// What of Lua's own globals stays as it is.
const KEPT: &[&[u8]] = &[
    b"_VERSION",
    b"assert",
    b"coroutine",
    b"error",
    b"gcinfo",
    b"getmetatable",
    b"ipairs",
    b"rawequal",
    b"select",
    b"tonumber",
    b"tostring",
    b"type",
];

/// What replaces a global of Lua's, which becomes the function's second own value.
const WRAPPED: &[(&[u8], lua_CFunction)] = &[
    (b"next", native!(next)),
    (b"rawget", native!(raw_get)),
    (b"rawset", native!(raw_set)),
    (b"setmetatable", native!(set_metatable)),
    (b"unpack", native!(unpack)),
];

const REPLACED: &[(&[u8], lua_CFunction)] = &[
    (b"collectgarbage", native!(collect_garbage)),
    (b"load", native!(load)),
    (b"loadstring", native!(load_string)),
    (b"pcall", native!(pcall)),
    (b"xpcall", native!(xpcall)),
];

/// Functions of `table` that write to their first argument.
const TABLE_WRAPPED: &[(&[u8], lua_CFunction)] = &[
    (b"insert", native!(table_insert)),
    (b"remove", native!(table_write)),
    (b"setn", native!(table_write)),
    (b"sort", native!(table_write)),
];

/// Where errors end, besides `pcall` and `xpcall`.
const COROUTINE_WRAPPED: &[(&[u8], lua_CFunction)] = &[(b"resume", native!(resume))];

const MATH_REPLACED: &[(&[u8], lua_CFunction)] =
    &[(b"random", native!(math_random)), (b"randomseed", native!(math_random_seed))];

/// Makes the globals of a new state, and pushes the real table behind them and their shade; may
/// raise.
pub(super) fn build(stack: Stack, shared: &Shared) -> Result<(), Raise> {
    stack.reserve(40)?;
    for (name, opener) in [
        (&b""[..], ffi::luaopen_base as lua_CFunction),
        (b"table", ffi::luaopen_table),
        (b"string", ffi::luaopen_string),
        (b"math", ffi::luaopen_math),
        (b"os", ffi::luaopen_os),
    ] {
        stack.open(opener, name);
    }
    stack.push_table(0, 48);
    let real = stack.top();
    for name in KEPT {
        stack.raw_field(GLOBALS, name);
        stack.raw_set_field(real, name);
    }
    wrap(stack, shared, GLOBALS, real, WRAPPED);
    redis::set_functions(stack, shared, REPLACED);
    stack.raw_field(GLOBALS, b"next");
    stack.push_function(native!(pairs), shared, 1);
    stack.raw_set_field(real, b"pairs");
    build_libraries(stack, shared, real);
    set_missing(stack, shared);
    push_shade(stack, shared, real);
    stack.push_value(-1);
    stack.raw_set_field(real, b"_G");
    stack.push_value(-1);
    stack.replace(GLOBALS);
    Ok(())
}

/// Has the table on the top raise for fields that it lacks; may raise.
pub(super) fn set_missing(stack: Stack, shared: &Shared) {
    stack.push_table(0, 1);
    stack.push_function(native!(missing), shared, 0);
    stack.raw_set_field(-1, b"__index");
    stack.set_metatable(-2);
}

/// The tables among the globals; may raise.
fn build_libraries(stack: Stack, shared: &Shared, real: c_int) {
    let library = |name: &[u8], change: &dyn Fn(c_int)| {
        stack.raw_field(GLOBALS, name);
        change(stack.top());
        set_shaded(stack, shared, real, &[name]);
    };
    library(b"coroutine", &|table| wrap(stack, shared, table, table, COROUTINE_WRAPPED));
    library(b"math", &|_| redis::set_functions(stack, shared, MATH_REPLACED));
    library(b"table", &|table| wrap(stack, shared, table, table, TABLE_WRAPPED));
    library(b"string", &|table| {
        super::strings::install(stack, shared);
        hide_string_metatable(stack, shared, table);
    });
    library(b"os", &|table| {
        stack.raw_field(table, b"clock");
        stack.push_table(0, 1);
        stack.insert(-2);
        stack.raw_set_field(-1, b"clock");
        stack.replace(table);
    });
    super::bit::push(stack, shared);
    set_shaded(stack, shared, real, &[b"bit"]);
    super::json::push(stack, shared);
    set_shaded(stack, shared, real, &[b"cjson"]);
    super::msgpack::push(stack, shared);
    set_shaded(stack, shared, real, &[b"cmsgpack"]);
    super::structs::push(stack, shared);
    set_shaded(stack, shared, real, &[b"struct"]);
    redis::push(stack, shared);
    set_shaded(stack, shared, real, &[b"redis", b"server"]);
}

/// Sets the table on the top, which is dropped, behind a shade, under these names; may raise.
fn set_shaded(stack: Stack, shared: &Shared, real: c_int, names: &[&[u8]]) {
    push_shade(stack, shared, stack.top());
    for name in names {
        stack.push_value(-1);
        stack.raw_set_field(real, name);
    }
    stack.pop(2);
}

/// Pushes a read-only view of a table; may raise.
pub(super) fn push_shade(stack: Stack, shared: &Shared, table: c_int) {
    stack.push_table(0, 0);
    stack.push_table(1, 3);
    stack.push_address(std::ptr::from_ref(shared).cast_mut().cast());
    stack.raw_set_item(-2, 1);
    stack.push_value(table);
    stack.raw_set_field(-1, b"__index");
    stack.push_function(native!(refuse), shared, 0);
    stack.raw_set_field(-1, b"__newindex");
    stack.push_boolean(false);
    stack.raw_set_field(-1, b"__metatable");
    stack.set_metatable(-2);
}

/// Whether a value is a shade.
pub(super) fn is_read_only(stack: Stack, shared: &Shared, index: c_int) -> bool {
    if stack.kind(index) != Kind::Table || !stack.metatable(index) {
        return false;
    }
    stack.raw_item(-1, 1);
    let is_shade =
        stack.kind(-1) == Kind::LightUserdata && std::ptr::eq(stack.address(-1).cast(), shared);
    stack.pop(2);
    is_shade
}

/// Replaces a shade at `index` by the real table, for a function that only reads it; may raise.
fn unshade(stack: Stack, shared: &Shared, index: c_int) {
    if is_read_only(stack, shared, index) && stack.metatable(index) {
        stack.raw_field(stack.top(), b"__index");
        stack.replace(index);
        stack.pop(1);
    }
}

/// Makes functions that have the ones they stand for as own values; may raise.
fn wrap(
    stack: Stack,
    shared: &Shared,
    from: c_int,
    to: c_int,
    functions: &[(&[u8], lua_CFunction)],
) {
    for (name, function) in functions {
        stack.raw_field(from, name);
        stack.push_function(*function, shared, 1);
        stack.raw_set_field(to, name);
    }
}

/// Goes on in the function that the running one stands for, with the same arguments.
fn original(stack: Stack) -> Outcome {
    let function = stack.c_function(upvalue(2)).expect("it wraps a function of Lua's");
    // SAFETY: it is a function of Lua's, called in a frame that Lua made for one; S3 of `raw`.
    Ok(unsafe { function(stack.state()) })
}

/// `getmetatable("")` shows a shade of this: `{__index = string}`; may raise.
fn hide_string_metatable(stack: Stack, shared: &Shared, strings: c_int) {
    stack.push_bytes(b"");
    if stack.metatable(-1) {
        stack.push_table(0, 1);
        push_shade(stack, shared, strings);
        stack.raw_set_field(-1, b"__index");
        push_shade(stack, shared, stack.top());
        stack.remove(-2);
        stack.raw_set_field(-1, b"__metatable");
        stack.pop(1);
    }
    stack.pop(1);
}

/// `__newindex` of shades.
fn refuse(stack: Stack, _: &Shared) -> Outcome {
    stack.fail(READ_ONLY)
}

/// `__index` of the real globals: names that are not there.
fn missing(stack: Stack, shared: &Shared) -> Outcome {
    let Some(name) = stack.text(2) else {
        let text = b"Second argument to luaProtectedTableError must be a string or number";
        return stack.fail(text);
    };
    failure::fail_with(stack, shared, |out| {
        out.extend_from_slice(b"Script attempted to access nonexistent global variable '");
        out.extend_from_slice(failure::until_nul(name));
        out.push(b'\'');
    })
}

/// Refuses to write to a shade; without a position, as Redis does from native functions.
fn check_writable(stack: Stack, shared: &Shared) -> Result<(), Raise> {
    if is_read_only(stack, shared, 1) {
        stack.push_bytes(READ_ONLY);
        return Err(Raise);
    }
    Ok(())
}

fn next(stack: Stack, shared: &Shared) -> Outcome {
    unshade(stack, shared, 1);
    original(stack)
}

/// Gives Lua's own `next`, which is faster than ours, except for shades.
fn pairs(stack: Stack, shared: &Shared) -> Outcome {
    stack.check_table(1);
    if is_read_only(stack, shared, 1) {
        stack.push_bytes(b"next");
        stack.get(GLOBALS);
    } else {
        stack.push_value(upvalue(2));
    }
    stack.push_value(1);
    stack.push_nil();
    Ok(3)
}

fn raw_get(stack: Stack, shared: &Shared) -> Outcome {
    unshade(stack, shared, 1);
    original(stack)
}

fn raw_set(stack: Stack, shared: &Shared) -> Outcome {
    check_writable(stack, shared)?;
    original(stack)
}

fn set_metatable(stack: Stack, shared: &Shared) -> Outcome {
    check_writable(stack, shared)?;
    original(stack)
}

/// What an error in the coroutine leaves in the buffer goes.
fn resume(stack: Stack, shared: &Shared) -> Outcome {
    let buffered = shared.buffer.len();
    let results = original(stack);
    shared.buffer.truncate(buffered);
    results
}

fn table_write(stack: Stack, shared: &Shared) -> Outcome {
    check_writable(stack, shared)?;
    original(stack)
}

/// Places before the first item that `table.insert` goes through, at most: Lua would shift nothing
/// from there for as long as one let it.
const PLACES_BEFORE_MAX: c_int = 1_000_000;

fn table_insert(stack: Stack, shared: &Shared) -> Outcome {
    check_writable(stack, shared)?;
    #[expect(clippy::cast_possible_truncation, reason = "Lua takes the place for an int")]
    if stack.top() == 3 && (stack.check_integer(2) as c_int) < -PLACES_BEFORE_MAX {
        return stack.fail_argument(2, c"position out of bounds");
    }
    original(stack)
}

/// Lua takes the bounds for ints, and counts the results in one, which overflows (CVE-2025-46817).
fn unpack(stack: Stack, _: &Shared) -> Outcome {
    stack.check_table(1);
    let first = stack.check_integer_or(2, 1);
    let border = i64::try_from(stack.raw_len(1)).unwrap_or(i64::MAX);
    let last = stack.check_integer_or(3, border);
    let bounds = [first, last, last.saturating_sub(first).saturating_add(1)];
    if bounds.iter().any(|bound| c_int::try_from(*bound).is_err()) {
        return stack.fail(b"too many results to unpack");
    }
    original(stack)
}

/// Collecting is allowed; the collector's settings are not a script's to change.
fn collect_garbage(stack: Stack, _: &Shared) -> Outcome {
    let option = match stack.kind(1) {
        Kind::Nil | Kind::None => &b"collect"[..],
        _ => stack.check_bytes(1),
    };
    match option {
        b"collect" => {
            stack.collect();
            stack.push_number(0.0);
        }
        b"count" => {
            let kib = kib_used(stack);
            // SAFETY: S1 of `raw`; it only counts.
            let rest = unsafe { ffi::lua_gc(stack.state(), ffi::LUA_GCCOUNTB, 0) };
            stack.push_number(f64::from(kib) + f64::from(rest) / 1024.0);
        }
        b"step" => {
            stack.collect_step(0);
            stack.push_boolean(true);
        }
        b"restart" | b"stop" => stack.push_number(0.0),
        b"setpause" | b"setstepmul" => stack.push_number(200.0),
        _ => return stack.fail_argument(1, c"invalid option"),
    }
    Ok(1)
}

/// `loadstring(text [, name])`.
fn load_string(stack: Stack, shared: &Shared) -> Outcome {
    let body = stack.check_bytes(1);
    if stack.kind(2) == Kind::Nil || stack.kind(2) == Kind::None {
        stack.set_top(1);
        stack.push_value(1);
    }
    stack.check_bytes(2);
    load_chunk(stack, shared, body)
}

/// `load(function [, name])`: the pieces are joined first, so that all of them can be looked at.
fn load(stack: Stack, shared: &Shared) -> Outcome {
    if stack.kind(1) != Kind::Function {
        return stack.fail_argument(1, c"function expected");
    }
    if stack.kind(2) == Kind::Nil || stack.kind(2) == Kind::None {
        stack.set_top(1);
        stack.push_bytes(b"=(load)");
    }
    stack.check_bytes(2);
    stack.set_top(2);
    let begin = shared.buffer.len();
    loop {
        pace(stack, shared)?;
        stack.push_value(1);
        stack.call(0, 1);
        let piece = match stack.kind(3) {
            Kind::Nil => break,
            Kind::String | Kind::Number => stack.text(3).unwrap_or_default(),
            _ => return stack.fail(b"reader function must return a string"),
        };
        shared.buffer.extend(piece);
        stack.set_top(2);
        if piece.is_empty() || is_precompiled(shared.buffer.from(begin)) {
            break;
        }
    }
    stack.set_top(2);
    stack.push_bytes(shared.buffer.from(begin));
    shared.buffer.truncate(begin);
    load_chunk(stack, shared, stack.bytes(3).unwrap_or_default())
}

/// Compiles a chunk whose name is at 2 (B4).
fn load_chunk(stack: Stack, shared: &Shared, body: &[u8]) -> Outcome {
    if is_precompiled(body) {
        stack.push_nil();
        stack.push_bytes(b"precompiled code cannot be loaded");
        return Ok(2);
    }
    let start = shared.buffer.len();
    shared.buffer.extend(failure::until_nul(stack.bytes(2).unwrap_or_default()));
    shared.buffer.push(0);
    let name = std::ffi::CStr::from_bytes_until_nul(shared.buffer.from(start))
        .expect("the NUL was put there");
    // The name's copy stays in the buffer until Lua has made a string of it, at once.
    let loaded = stack.load(body, name);
    shared.buffer.truncate(start);
    match loaded {
        Ok(()) => Ok(1),
        Err(Raise) => {
            stack.push_nil();
            stack.insert(-2);
            Ok(2)
        }
    }
}

/// Whether bytes are what `string.dump` gives, or pretend to be.
pub(super) fn is_precompiled(body: &[u8]) -> bool {
    body.first() == Some(&ffi::LUA_SIGNATURE[0])
}

/// Lua 5.1 does not collect when memory is short. A script that catches that error would meet it
/// again at once; so what it has dropped is collected first.
fn make_room(stack: Stack, shared: &Shared) {
    let used = usize::try_from(kib_used(stack)).unwrap_or_default() * 1024;
    if used > shared.buffer_bytes_max.get() / 4 * 3 {
        stack.collect();
    }
}

fn kib_used(stack: Stack) -> c_int {
    // SAFETY: S1 of `raw`; it only counts.
    unsafe { ffi::lua_gc(stack.state(), ffi::LUA_GCCOUNT, 0) }
}

/// `pcall`, with the text of an error table in the table's place, as before Redis 7.
fn pcall(stack: Stack, shared: &Shared) -> Outcome {
    let buffered = shared.buffer.len();
    stack.check_any(1);
    stack.push_boolean(true);
    stack.insert(1);
    let arguments = stack.top() - 2;
    if stack.protected_call(arguments, ffi::LUA_MULTRET, 0).is_err() {
        shared.buffer.truncate(buffered);
        make_room(stack, shared);
        stack.remove(1);
        if stack.kind(-1) == Kind::Table {
            stack.push_bytes(b"err");
            stack.get(-2);
            if matches!(stack.kind(-1), Kind::String | Kind::Number) {
                stack.replace(-2);
            } else {
                stack.pop(1);
            }
        }
        stack.push_boolean(false);
        stack.insert(1);
    }
    Ok(stack.top())
}

/// `xpcall`, whose handler runs when the error has come to it. Lua would run it where the error is
/// raised; that may be inside the hook, where no other hook stops a handler that does not end.
/// Scripts have no `debug` to tell the difference with.
fn xpcall(stack: Stack, shared: &Shared) -> Outcome {
    let buffered = shared.buffer.len();
    stack.check_any(2);
    stack.set_top(2);
    stack.insert(1);
    if stack.protected_call(0, ffi::LUA_MULTRET, 0).is_ok() {
        stack.push_boolean(true);
        stack.replace(1);
        return Ok(stack.top());
    }
    shared.buffer.truncate(buffered);
    make_room(stack, shared);
    if stack.protected_call(1, 1, 0).is_err() {
        shared.buffer.truncate(buffered);
        stack.set_top(0);
        stack.push_bytes(b"error in error handling");
    }
    stack.push_boolean(false);
    stack.insert(1);
    Ok(2)
}

#[expect(clippy::cast_precision_loss, reason = "intervals of integers that C takes for int")]
fn math_random(stack: Stack, shared: &Shared) -> Outcome {
    let drawn = shared.random.draw();
    match stack.top() {
        0 => stack.push_number(drawn),
        1 => {
            let high = stack.check_integer(1);
            if high < 1 {
                return stack.fail_argument(1, c"interval is empty");
            }
            stack.push_number((drawn * high as f64).floor() + 1.0);
        }
        2 => {
            let low = stack.check_integer(1);
            let high = stack.check_integer(2);
            if low > high {
                return stack.fail_argument(2, c"interval is empty");
            }
            let width = high.wrapping_sub(low).wrapping_add(1);
            stack.push_number((drawn * width as f64).floor() + low as f64);
        }
        _ => return stack.fail(b"wrong number of arguments"),
    }
    Ok(1)
}

fn math_random_seed(stack: Stack, shared: &Shared) -> Outcome {
    #[expect(clippy::cast_possible_truncation, reason = "C takes the seed for an int")]
    #[expect(clippy::cast_sign_loss, reason = "and the int's bits")]
    shared.random.seed(stack.check_integer(1) as u32);
    Ok(0)
}
