//! Libraries of functions: running their code once, to see what they register.
//!
//! Why it exists: FUNCTION LOAD runs a library's code with globals of its own, in which there is no
//! data to reach and nothing to call but `redis.register_function`; what is registered is called
//! later, with the globals that scripts have.
//!
//! A chunk's globals are the shade of the real ones (see `sandbox`), and which table the shade
//! shows can be changed: while a library is loaded it shows the loading globals.

use std::ffi::c_int;

use super::failure;
use super::raw::{Kind, Outcome, Raise, Stack, native, upvalue};
use super::redis;
use super::sandbox;
use super::shared::Shared;

/// A function that a library registered; give it back with [`Vm::release`](super::Vm::release).
#[derive(Debug, Eq, PartialEq)]
pub struct FunctionRef(pub(super) c_int);

/// What a library says of a function.
#[derive(Debug, Eq, PartialEq)]
pub struct Registered {
    /// Letters, digits and underscores.
    pub name: Vec<u8>,
    /// For people.
    pub description: Option<Vec<u8>>,
    /// What it promises and asks for.
    pub flags: ScriptFlags,
    /// The function in the machine that loaded the library.
    pub function: FunctionRef,
}

/// What a script or a function promises and asks for: names after `flags=` in a script's first
/// line, or in the table `flags` of a function.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ScriptFlags {
    /// `no-writes`: it does not write.
    pub no_writes: bool,
    /// `allow-oom`: it may run when memory is short.
    pub allow_oom: bool,
    /// `allow-stale`: it may run on a replica that is behind.
    pub allow_stale: bool,
    /// `no-cluster`: it must not run in a cluster.
    pub no_cluster: bool,
    /// `allow-cross-slot-keys`: its keys may be of several slots.
    pub allow_cross_slot_keys: bool,
}

impl ScriptFlags {
    /// Sets the flag of a name, in any case of letters; false when there is none.
    ///
    /// # Examples
    /// ```
    /// use engine::scripting::lua::ScriptFlags;
    /// let mut flags = ScriptFlags::default();
    /// assert!(flags.set(b"no-writes"));
    /// assert!(flags.no_writes && !flags.set(b"no-reads"));
    /// ```
    #[must_use]
    pub fn set(&mut self, name: &[u8]) -> bool {
        let flag = match &name.to_ascii_lowercase()[..] {
            b"allow-cross-slot-keys" => &mut self.allow_cross_slot_keys,
            b"allow-oom" => &mut self.allow_oom,
            b"allow-stale" => &mut self.allow_stale,
            b"no-cluster" => &mut self.no_cluster,
            b"no-writes" => &mut self.no_writes,
            _ => return false,
        };
        *flag = true;
        true
    }

    /// Names of the flags that are set.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let flags = [
            ("no-writes", self.no_writes),
            ("allow-oom", self.allow_oom),
            ("allow-stale", self.allow_stale),
            ("no-cluster", self.no_cluster),
            ("allow-cross-slot-keys", self.allow_cross_slot_keys),
        ];
        flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| name)
    }
}

/// Code to load.
pub(super) struct Load<'l> {
    pub(super) code: &'l [u8],
    /// Set when the code was no Lua, and not when running it failed.
    pub(super) is_syntax: bool,
}

/// Makes the function that loads a library, which has the metatable of the globals' shade, the real
/// globals and the loading globals as own values, and leaves it on the top; may raise.
pub(super) fn push_loader(stack: Stack, shared: &Shared, real: c_int, shade: c_int) {
    let has_metatable = stack.metatable(shade);
    assert!(has_metatable, "a shade has a metatable");
    stack.push_value(real);
    stack.push_table(0, 1);
    stack.push_table(0, 12);
    redis::set_functions(stack, shared, &[(b"register_function", native!(register))]);
    redis::set_common(stack, shared);
    sandbox::set_missing(stack, shared);
    sandbox::push_shade(stack, shared, stack.top());
    stack.remove(-2);
    stack.push_value(-1);
    stack.raw_set_field(-2, b"server");
    stack.raw_set_field(-1, b"redis");
    sandbox::set_missing(stack, shared);
    stack.push_function(native!(load), shared, 3);
}

/// Loads a library: the argument is the address of a [`Load`].
fn load(stack: Stack, _: &Shared) -> Outcome {
    let load = stack.address(1).cast::<Load<'_>>();
    // SAFETY: `Vm::load_library` passes the address of one that outlives the call, and only there.
    let load = unsafe { &mut *load };
    if sandbox::is_precompiled(load.code) {
        stack.push_bytes(b"precompiled code cannot be loaded");
        return Err(Raise);
    }
    stack.push_bytes(b"@user_function");
    load.is_syntax = true;
    stack.load(load.code, c"@user_function")?;
    load.is_syntax = false;
    show(stack, 4);
    let result = stack.protected_call(0, 0, 0);
    show(stack, 3);
    result.map(|()| 0)
}

/// Has the globals' shade show the table that is an own value of the loader; may raise.
fn show(stack: Stack, own_value: c_int) {
    stack.push_value(upvalue(own_value));
    stack.raw_set_field(upvalue(2), b"__index");
}

/// `redis.register_function(name, function)` and `redis.register_function{...}`.
fn register(stack: Stack, shared: &Shared) -> Outcome {
    if !shared.registered.is_loading() {
        let text = b"redis.register_function can only be called on FUNCTION LOAD command";
        return failure::raise(stack, text);
    }
    let (name, description, flags) = match stack.top() {
        1 => read_named(stack)?,
        2 => read_positional(stack)?,
        _ => {
            let text = b"wrong number of arguments to redis.register_function";
            return failure::raise(stack, text);
        }
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if name.is_empty() || !name.iter().all(is_name) {
        let text = b"Library names can only contain letters, numbers, or underscores(_) and must \
                     be at least one character long";
        return failure::raise(stack, text);
    }
    if shared.registered.has(name) {
        return failure::raise(stack, b"Function already exists in the library");
    }
    let function = FunctionRef(stack.keep());
    let description = description.map(<[u8]>::to_vec);
    shared.registered.add(Registered { name: name.to_vec(), description, flags, function });
    Ok(0)
}

type Described<'d> = (&'d [u8], Option<&'d [u8]>, ScriptFlags);

/// A name and a function, which is left on the top.
fn read_positional<'d>(stack: Stack) -> Result<Described<'d>, Raise> {
    let Some(name) = stack.text(1) else {
        let text = b"first argument to redis.register_function must be a string";
        return failure::raise(stack, text);
    };
    if stack.kind(2) != Kind::Function {
        let text = b"second argument to redis.register_function must be a function";
        return failure::raise(stack, text);
    }
    Ok((name, None, ScriptFlags::default()))
}

/// A table of named arguments; the function is left on the top.
fn read_named<'d>(stack: Stack) -> Result<Described<'d>, Raise> {
    if stack.kind(1) != Kind::Table {
        let text = b"calling redis.register_function with a single argument is only applicable to \
                     Lua table (representing named arguments).";
        return failure::raise(stack, text);
    }
    let (mut name, mut description, mut flags) = (None, None, ScriptFlags::default());
    // The name, the description and the function are kept at 2, 3 and 4.
    stack.set_top(4);
    stack.push_nil();
    while stack.next(1) {
        let key = stack.bytes(5).map(<[u8]>::to_ascii_lowercase);
        let known = match key.as_deref() {
            Some(b"function_name") => Named::Name,
            Some(b"description") => Named::Description,
            Some(b"callback") => Named::Callback,
            Some(b"flags") => Named::Flags,
            _ => Named::Unknown,
        };
        drop(key);
        match known {
            Named::Name => name = Some(read_text(stack, 2, NAME_NO_TEXT)?),
            Named::Description => description = Some(read_text(stack, 3, DESCRIPTION_NO_TEXT)?),
            Named::Callback if stack.kind(6) == Kind::Function => stack.replace(4),
            Named::Callback => return failure::raise(stack, CALLBACK_NO_FUNCTION),
            Named::Flags => flags = read_flags(stack)?,
            Named::Unknown if stack.is_text(5) => {
                let text = b"unknown argument given to redis.register_function";
                return failure::raise(stack, text);
            }
            Named::Unknown => {
                let text = b"named argument key given to redis.register_function is not a string";
                return failure::raise(stack, text);
            }
        }
        stack.set_top(5);
    }
    let Some(name) = name else {
        let text = b"redis.register_function must get a function name argument";
        return failure::raise(stack, text);
    };
    if stack.kind(4) != Kind::Function {
        let text = b"redis.register_function must get a callback argument";
        return failure::raise(stack, text);
    }
    stack.set_top(4);
    Ok((name, description, flags))
}

/// The named arguments of `redis.register_function`.
#[derive(Clone, Copy, Debug)]
enum Named {
    Callback,
    Description,
    Flags,
    Name,
    Unknown,
}

const NAME_NO_TEXT: &[u8] =
    b"function_name argument given to redis.register_function must be a string";
const DESCRIPTION_NO_TEXT: &[u8] =
    b"description argument given to redis.register_function must be a string";
const CALLBACK_NO_FUNCTION: &[u8] =
    b"callback argument given to redis.register_function must be a function";
const FLAGS_NO_TABLE: &[u8] =
    b"flags argument to redis.register_function must be a table representing function flags";

/// The text of the value at 6, which is kept at `place`.
fn read_text<'d>(stack: Stack, place: c_int, error: &[u8]) -> Result<&'d [u8], Raise> {
    let Some(text) = stack.text(6) else {
        return failure::raise(stack, error);
    };
    stack.replace(place);
    Ok(text)
}

/// The flags whose names the table at 6 lists.
fn read_flags(stack: Stack) -> Result<ScriptFlags, Raise> {
    if stack.kind(6) != Kind::Table {
        return failure::raise(stack, FLAGS_NO_TABLE);
    }
    let mut flags = ScriptFlags::default();
    for number in 1.. {
        stack.raw_item(6, number);
        match stack.kind(-1) {
            Kind::Nil => break,
            Kind::String if flags.set(stack.bytes(-1).unwrap_or_default()) => stack.pop(1),
            _ => return failure::raise(stack, b"unknown flag given"),
        }
    }
    Ok(flags)
}
