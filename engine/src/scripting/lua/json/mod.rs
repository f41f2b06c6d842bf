//! `cjson`: JSON as Mark Pulford's lua-cjson 2.1 reads and writes it.
//!
//! Why it exists: job queues keep their jobs as JSON that scripts take apart, and compare what
//! comes out byte by byte. The crates for JSON have other ideas of a number's digits, of slashes,
//! of empty tables, of depth and of errors, so this is a writer and a reader of its own.
//!
//! Tables are walked with a list in [`Shared`], not by recursion: what a script nests is bounded by
//! the settings and by the Lua stack, and must not be bounded by a reactor's.
//!
//! Settings of `cjson` itself begin anew with each script. In Redis they stay; here the next script
//! may run in another VM, and what it does must not depend on which.

mod decode;
mod encode;

use std::cell::Cell;
use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_CFunction};

use super::raw::{Kind, Outcome, Raise, Stack, native, upvalue};
use super::redis::set_text;
use super::shared::Shared;

const FUNCTIONS: &[(&[u8], lua_CFunction)] = &[
    (b"decode", native!(decode::decode)),
    (b"decode_invalid_numbers", native!(decode_invalid_numbers)),
    (b"decode_max_depth", native!(decode_max_depth)),
    (b"encode", native!(encode::encode)),
    (b"encode_invalid_numbers", native!(encode_invalid_numbers)),
    (b"encode_keep_buffer", native!(encode_keep_buffer)),
    (b"encode_max_depth", native!(encode_max_depth)),
    (b"encode_number_precision", native!(encode_number_precision)),
    (b"encode_sparse_array", native!(encode_sparse_array)),
    (b"new", native!(new)),
];

/// What a NaN or an infinity becomes when it is encoded; the values are places in `NUMBERS_NAMES`.
const NUMBERS_REFUSED: c_int = 0;
const NUMBERS_WRITTEN: c_int = 1;

/// Names of the ways to encode what is no number.
const NUMBERS_NAMES: &[&CStr] = &[c"off", c"on", c"null"];

/// The most digits of a number.
const PRECISION_MAX: c_int = 14;

/// How an instance of the library reads and writes.
#[derive(Debug)]
pub(super) struct Settings {
    sparse_convert: Cell<bool>,
    sparse_ratio: Cell<c_int>,
    sparse_safe: Cell<c_int>,
    encode_depth_max: Cell<c_int>,
    decode_depth_max: Cell<c_int>,
    encode_invalid: Cell<c_int>,
    decode_invalid: Cell<bool>,
    keep_buffer: Cell<bool>,
    precision: Cell<c_int>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sparse_convert: Cell::new(false),
            sparse_ratio: Cell::new(2),
            sparse_safe: Cell::new(10),
            encode_depth_max: Cell::new(1000),
            decode_depth_max: Cell::new(1000),
            encode_invalid: Cell::new(NUMBERS_REFUSED),
            decode_invalid: Cell::new(true),
            keep_buffer: Cell::new(true),
            precision: Cell::new(PRECISION_MAX),
        }
    }
}

impl Settings {
    /// Back to how an instance begins.
    pub(super) fn reset(&self) {
        let Self {
            sparse_convert,
            sparse_ratio,
            sparse_safe,
            encode_depth_max,
            decode_depth_max,
            encode_invalid,
            decode_invalid,
            keep_buffer,
            precision,
        } = Self::default();
        self.sparse_convert.swap(&sparse_convert);
        self.sparse_ratio.swap(&sparse_ratio);
        self.sparse_safe.swap(&sparse_safe);
        self.encode_depth_max.swap(&encode_depth_max);
        self.decode_depth_max.swap(&decode_depth_max);
        self.encode_invalid.swap(&encode_invalid);
        self.decode_invalid.swap(&decode_invalid);
        self.keep_buffer.swap(&keep_buffer);
        self.precision.swap(&precision);
    }
}

/// A table that is being read or written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    /// An array, and the number of the item that comes next; its length when it is encoded.
    Items { next: c_int, len: c_int },
    /// An object, and whether it has a member yet.
    Members { any: bool },
}

/// Pushes the library, with the settings of the VM; may raise.
pub(super) fn push(stack: Stack, shared: &Shared) {
    stack.push_address(std::ptr::from_ref(&shared.json).cast_mut().cast());
    push_instance(stack, shared);
}

/// Makes an instance with the settings on the top, which it replaces; may raise.
fn push_instance(stack: Stack, shared: &Shared) {
    stack.push_table(0, FUNCTIONS.len() + 3);
    for (name, function) in FUNCTIONS {
        stack.push_value(-2);
        stack.push_function(*function, shared, 1);
        stack.raw_set_field(-1, name);
    }
    stack.push_address(std::ptr::null_mut());
    stack.raw_set_field(-1, b"null");
    set_text(stack, b"_NAME", b"cjson");
    set_text(stack, b"_VERSION", b"2.1.0");
    stack.remove(-2);
}

/// The settings of the running function's instance.
fn settings<'s>(stack: Stack) -> &'s Settings {
    let settings = stack.address(upvalue(2)).cast::<Settings>();
    // SAFETY: `push_instance` gave each function the address of settings: those of the VM, which
    // outlive its functions, or a userdata, which the function keeps.
    unsafe { &*settings }
}

/// `cjson.new()`: an instance with settings of its own.
fn new(stack: Stack, shared: &Shared) -> Outcome {
    // SAFETY: S1, S3 of `raw`; a userdata is aligned for any type of C.
    let place = unsafe { ffi::lua_newuserdata(stack.state(), size_of::<Settings>()) };
    let place = place.cast::<Settings>();
    // SAFETY: the userdata has room for the settings, which need no drop.
    unsafe { place.write(Settings::default()) };
    push_instance(stack, shared);
    Ok(1)
}

/// Fills up with nil to `count` arguments, of which there may not be more.
fn expect_arguments(stack: Stack, count: c_int) -> Result<(), Raise> {
    if stack.top() > count {
        return stack.fail_argument(count + 1, c"found too many arguments");
    }
    stack.set_top(count);
    Ok(())
}

/// Sets and gives an integer between bounds.
fn integer(
    stack: Stack,
    argument: c_int,
    setting: &Cell<c_int>,
    min: c_int,
    max: c_int,
) -> Result<(), Raise> {
    if stack.kind(argument) != Kind::Nil {
        match c_int::try_from(stack.check_integer(argument)) {
            Ok(value) if (min..=max).contains(&value) => setting.set(value),
            _ => {
                let text = match max {
                    PRECISION_MAX => c"expected integer between 1 and 14",
                    _ if min == 0 => c"expected integer between 0 and 2147483647",
                    _ => c"expected integer between 1 and 2147483647",
                };
                return stack.fail_argument(argument, text);
            }
        }
    }
    stack.push_integer(i64::from(setting.get()));
    Ok(())
}

/// Sets and gives what is on or off.
fn switch(stack: Stack, argument: c_int, setting: &Cell<bool>) -> Result<(), Raise> {
    match stack.kind(argument) {
        Kind::Nil => {}
        Kind::Boolean => setting.set(stack.boolean(argument)),
        _ => match stack.check_bytes(argument) {
            b"off" => setting.set(false),
            b"on" => setting.set(true),
            _ => return invalid_option(stack, argument),
        },
    }
    stack.push_boolean(setting.get());
    Ok(())
}

/// "invalid option 'x'", as `luaL_checkoption` says it.
fn invalid_option(stack: Stack, argument: c_int) -> Result<(), Raise> {
    let options = [NUMBERS_NAMES[0].as_ptr(), std::ptr::null()];
    // SAFETY: S1, S3 of `raw`; the list ends with null. It raises, as the option is not in it.
    unsafe {
        ffi::luaL_checkoption(stack.state(), argument, std::ptr::null(), options.as_ptr());
    }
    Err(Raise)
}

fn encode_sparse_array(stack: Stack, _: &Shared) -> Outcome {
    let settings = settings(stack);
    expect_arguments(stack, 3)?;
    switch(stack, 1, &settings.sparse_convert)?;
    integer(stack, 2, &settings.sparse_ratio, 0, c_int::MAX)?;
    integer(stack, 3, &settings.sparse_safe, 0, c_int::MAX)?;
    Ok(3)
}

fn encode_max_depth(stack: Stack, _: &Shared) -> Outcome {
    expect_arguments(stack, 1)?;
    integer(stack, 1, &settings(stack).encode_depth_max, 1, c_int::MAX)?;
    Ok(1)
}

fn decode_max_depth(stack: Stack, _: &Shared) -> Outcome {
    expect_arguments(stack, 1)?;
    integer(stack, 1, &settings(stack).decode_depth_max, 1, c_int::MAX)?;
    Ok(1)
}

fn encode_number_precision(stack: Stack, _: &Shared) -> Outcome {
    expect_arguments(stack, 1)?;
    integer(stack, 1, &settings(stack).precision, 1, PRECISION_MAX)?;
    Ok(1)
}

/// The buffer is the VM's and always kept.
fn encode_keep_buffer(stack: Stack, _: &Shared) -> Outcome {
    expect_arguments(stack, 1)?;
    switch(stack, 1, &settings(stack).keep_buffer)?;
    Ok(1)
}

fn encode_invalid_numbers(stack: Stack, _: &Shared) -> Outcome {
    let setting = &settings(stack).encode_invalid;
    expect_arguments(stack, 1)?;
    match stack.kind(1) {
        Kind::Nil => {}
        Kind::Boolean => setting.set(c_int::from(stack.boolean(1))),
        _ => {
            let name = stack.check_bytes(1);
            match (0..).zip(NUMBERS_NAMES).find(|(_, known)| known.to_bytes() == name) {
                Some((place, _)) => setting.set(place),
                None => invalid_option(stack, 1)?,
            }
        }
    }
    match setting.get() {
        NUMBERS_REFUSED => stack.push_boolean(false),
        NUMBERS_WRITTEN => stack.push_boolean(true),
        _ => stack.push_bytes(b"null"),
    }
    Ok(1)
}

fn decode_invalid_numbers(stack: Stack, _: &Shared) -> Outcome {
    expect_arguments(stack, 1)?;
    switch(stack, 1, &settings(stack).decode_invalid)?;
    Ok(1)
}
