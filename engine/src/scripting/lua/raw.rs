//! The Lua stack as a type: each operation of the C interface that this module uses, once.
//!
//! Why it exists: the hot paths of a script (calling a command, converting replies, the libraries)
//! need values on the Lua stack without a handle per value, and errors that a script sees as the
//! strings and tables that Redis raises. `mlua` owns the state, its memory and its closing; what is
//! here stands on `mlua::ffi`.
//! Not for code outside `scripting::lua`.
//!
//! Invariants
//! - S1: a `Stack` is made from the state that Lua passes to a function or hook of ours, or from a
//!   [`Vm`](super::Vm)'s main state while the VM is borrowed; it does not outlive that.
//! - S2: who pushes has room: Lua gives a function 20 slots above its arguments; who may need more
//!   asks with [`Stack::reserve`] first. Indices given are those of slots in use.
//! - S3: operations that *may raise* leave by `longjmp` to the closest protected call, for lack of
//!   memory if for nothing else. They are called below a protected call only, and no frame of ours
//!   between the two owns a value with a destructor: bytes are borrowed from the Lua stack or are
//!   in the buffers of [`Shared`](super::shared::Shared), which outlive the call.
//! - S4: bytes borrowed from the stack are used while their value is on it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::slice;

use mlua::ffi;

use super::shared::Shared;

/// What a function of ours tells Lua: how many results are on the top, or that an error value is.
pub(super) type Outcome = Result<c_int, Raise>;

/// A function of ours.
pub(super) type Function = fn(Stack, &Shared) -> Outcome;

/// The error value is on the top of the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raise;

/// The type of a Lua value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Boolean,
    Function,
    LightUserdata,
    Nil,
    /// No value at this index.
    None,
    Number,
    String,
    Table,
    Thread,
    Userdata,
}

/// The table in which what must not be collected is kept.
pub(super) const REGISTRY: c_int = ffi::LUA_REGISTRYINDEX;
/// The globals of the running state.
pub(super) const GLOBALS: c_int = ffi::LUA_GLOBALSINDEX;

/// The index of a closure's own value, from 1; the first is always [`Shared`].
pub(super) const fn upvalue(number: c_int) -> c_int {
    ffi::LUA_GLOBALSINDEX - number
}

/// A Lua stack that the caller may work on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stack(*mut ffi::lua_State);

/// Runs one of our functions for Lua: with its stack and the VM's shared part.
///
/// # Safety
/// `state` is the state that Lua passed to the calling `lua_CFunction`, whose first own value is
/// the address of the VM's [`Shared`] (every closure made by [`Stack::push_function`]).
pub(super) unsafe fn enter(state: *mut ffi::lua_State, function: Function) -> c_int {
    // SAFETY: reading an own value of the running closure; the caller promises that it is there.
    let shared = unsafe { ffi::lua_touserdata(state, upvalue(1)) }.cast::<Shared>();
    // SAFETY: the VM keeps its shared part at one address, alive until its state is closed.
    let shared = unsafe { &*shared };
    match function(Stack(state), shared) {
        Ok(results) => results,
        // SAFETY: the error value is on the top; nothing is owned by this frame (S3).
        Err(Raise) => unsafe { ffi::lua_error(state) },
    }
}

/// Makes a `lua_CFunction` of a [`Function`].
macro_rules! native {
    ($function:path) => {{
        unsafe extern "C-unwind" fn native(state: *mut mlua::ffi::lua_State) -> std::ffi::c_int {
            // SAFETY: Lua calls this closure with the state it runs in, and `push_function` gave
            // it the shared part as its first own value.
            unsafe { $crate::scripting::lua::raw::enter(state, $function) }
        }
        native as mlua::ffi::lua_CFunction
    }};
}
pub(super) use native;

impl Stack {
    /// A stack of a state, under S1.
    pub(super) fn new(state: *mut ffi::lua_State) -> Self {
        Self(state)
    }

    /// The state, for the few calls that are not here.
    pub(super) fn state(self) -> *mut ffi::lua_State {
        self.0
    }

    /// The index of the top, which is the number of values.
    pub(super) fn top(self) -> c_int {
        // SAFETY: S1.
        unsafe { ffi::lua_gettop(self.0) }
    }

    /// Drops values, or fills with nil, so that `top` are left.
    pub(super) fn set_top(self, top: c_int) {
        // SAFETY: S1; S2 for `top` above the present one.
        unsafe { ffi::lua_settop(self.0, top) }
    }

    /// Drops `count` values from the top.
    pub(super) fn pop(self, count: c_int) {
        self.set_top(-count - 1);
    }

    /// Room for `count` more values; may raise.
    pub(super) fn reserve(self, count: c_int) -> Result<(), Raise> {
        // SAFETY: S1, S3.
        if unsafe { ffi::lua_checkstack(self.0, count) } == 0 {
            return self.fail(b"stack overflow");
        }
        Ok(())
    }

    /// Whether there is room for `count` more values; may raise only for lack of memory.
    pub(super) fn has_room(self, count: c_int) -> bool {
        // SAFETY: S1, S3.
        unsafe { ffi::lua_checkstack(self.0, count) != 0 }
    }

    /// Pushes a copy of a value.
    pub(super) fn push_value(self, index: c_int) {
        // SAFETY: S1, S2.
        unsafe { ffi::lua_pushvalue(self.0, index) }
    }

    /// Moves the top to `index`, shifting up.
    pub(super) fn insert(self, index: c_int) {
        // SAFETY: S1, S2.
        unsafe { ffi::lua_insert(self.0, index) }
    }

    /// Takes a value out, shifting down.
    pub(super) fn remove(self, index: c_int) {
        // SAFETY: S1, S2.
        unsafe { ffi::lua_remove(self.0, index) }
    }

    /// Moves the top over the value at `index`.
    pub(super) fn replace(self, index: c_int) {
        // SAFETY: S1, S2.
        unsafe { ffi::lua_replace(self.0, index) }
    }

    /// The type of a value.
    pub(super) fn kind(self, index: c_int) -> Kind {
        // SAFETY: S1.
        match unsafe { ffi::lua_type(self.0, index) } {
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TFUNCTION => Kind::Function,
            ffi::LUA_TLIGHTUSERDATA => Kind::LightUserdata,
            ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TTHREAD => Kind::Thread,
            ffi::LUA_TUSERDATA => Kind::Userdata,
            _ => Kind::None,
        }
    }

    /// The name of a value's type as Lua writes it.
    pub(super) fn kind_name(self, index: c_int) -> &'static [u8] {
        // SAFETY: S1.
        let kind = unsafe { ffi::lua_type(self.0, index) };
        // SAFETY: a type's number, as Lua gave it.
        let name = unsafe { ffi::lua_typename(self.0, kind) };
        // SAFETY: Lua's names are constants.
        unsafe { CStr::from_ptr(name) }.to_bytes()
    }

    /// The number that a number or a string is; 0 for others.
    pub(super) fn number(self, index: c_int) -> f64 {
        // SAFETY: S1.
        unsafe { ffi::lua_tonumber(self.0, index) }
    }

    /// Whether a value is a number or a string that reads as one.
    pub(super) fn is_number(self, index: c_int) -> bool {
        // SAFETY: S1.
        unsafe { ffi::lua_isnumber(self.0, index) != 0 }
    }

    /// Whether a value is a string, or a number, which counts as one.
    pub(super) fn is_text(self, index: c_int) -> bool {
        matches!(self.kind(index), Kind::String | Kind::Number)
    }

    /// Whether a value counts as true.
    pub(super) fn boolean(self, index: c_int) -> bool {
        // SAFETY: S1.
        unsafe { ffi::lua_toboolean(self.0, index) != 0 }
    }

    /// The bytes of a string (S4); `None` for other values, numbers too.
    pub(super) fn bytes<'s>(self, index: c_int) -> Option<&'s [u8]> {
        match self.kind(index) {
            Kind::String => self.text(index),
            _ => None,
        }
    }

    /// The bytes of a string or of a number, which becomes a string where it lies; may raise.
    pub(super) fn text<'s>(self, index: c_int) -> Option<&'s [u8]> {
        let mut len = 0;
        // SAFETY: S1, S3.
        let start = unsafe { ffi::lua_tolstring(self.0, index, &raw mut len) };
        if start.is_null() {
            return None;
        }
        // SAFETY: a string's bytes stay where they are while it is on the stack (S4).
        Some(unsafe { slice::from_raw_parts(start.cast(), len) })
    }

    /// The length of a string, a border of a table, or the size of a userdata.
    pub(super) fn raw_len(self, index: c_int) -> usize {
        // SAFETY: S1.
        unsafe { ffi::lua_objlen(self.0, index) }
    }

    /// The address of a light userdata, or of a userdata's bytes.
    pub(super) fn address(self, index: c_int) -> *mut c_void {
        // SAFETY: S1.
        unsafe { ffi::lua_touserdata(self.0, index) }
    }

    pub(super) fn push_nil(self) {
        // SAFETY: S1, S2.
        unsafe { ffi::lua_pushnil(self.0) }
    }

    pub(super) fn push_boolean(self, value: bool) {
        // SAFETY: S1, S2.
        unsafe { ffi::lua_pushboolean(self.0, c_int::from(value)) }
    }

    pub(super) fn push_number(self, number: f64) {
        // SAFETY: S1, S2.
        unsafe { ffi::lua_pushnumber(self.0, number) }
    }

    /// Pushes an integer as the closest number.
    #[expect(clippy::cast_precision_loss, reason = "Lua 5.1 has no other numbers")]
    pub(super) fn push_integer(self, number: i64) {
        self.push_number(number as f64);
    }

    /// Pushes a place or a length, which no string is too long for.
    #[expect(clippy::cast_precision_loss, reason = "no string has 2^53 bytes")]
    pub(super) fn push_index(self, index: usize) {
        self.push_number(index as f64);
    }

    /// Pushes an address; null is what `cjson.null` is.
    pub(super) fn push_address(self, address: *mut c_void) {
        // SAFETY: S1, S2.
        unsafe { ffi::lua_pushlightuserdata(self.0, address) }
    }

    /// Pushes a string; may raise.
    pub(super) fn push_bytes(self, bytes: &[u8]) {
        // SAFETY: S1, S2, S3; Lua copies the bytes.
        unsafe { ffi::lua_pushlstring_(self.0, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes a function of ours that has `values` own values, now on the top, besides the shared
    /// part; may raise.
    pub(super) fn push_function(self, native: ffi::lua_CFunction, shared: &Shared, values: c_int) {
        self.push_address(std::ptr::from_ref(shared).cast_mut().cast());
        self.insert(-values - 1);
        // SAFETY: S1, S3; the values are on the top.
        unsafe { ffi::lua_pushcclosure(self.0, native, values + 1) }
    }

    /// Pushes a table with room for `items` and `fields`; may raise.
    pub(super) fn push_table(self, items: usize, fields: usize) {
        // Only a hint: tables grow.
        let items = c_int::try_from(items).unwrap_or(0);
        let fields = c_int::try_from(fields).unwrap_or(0);
        // SAFETY: S1, S2, S3.
        unsafe { ffi::lua_createtable(self.0, items, fields) }
    }

    /// Replaces the key on the top by the table's value, past any metatable.
    pub(super) fn raw_get(self, table: c_int) {
        // SAFETY: S1.
        unsafe { ffi::lua_rawget_(self.0, table) }
    }

    /// Pushes the table's item `number`, past any metatable.
    pub(super) fn raw_item(self, table: c_int, number: c_int) {
        // SAFETY: S1, S2.
        unsafe { ffi::lua_rawgeti_(self.0, table, number) }
    }

    /// Pushes the table's field, past any metatable; `table` is no index from the top. May raise.
    pub(super) fn raw_field(self, table: c_int, name: &[u8]) {
        self.push_bytes(name);
        self.raw_get(table);
    }

    /// Sets the key below the top to the value on the top, and drops both; may raise.
    pub(super) fn raw_set(self, table: c_int) {
        // SAFETY: S1, S3.
        unsafe { ffi::lua_rawset(self.0, table) }
    }

    /// Sets item `number` to the value on the top, and drops that; may raise.
    pub(super) fn raw_set_item(self, table: c_int, number: c_int) {
        // SAFETY: S1, S3.
        unsafe { ffi::lua_rawseti_(self.0, table, number) }
    }

    /// Sets a field to the value on the top, and drops that; `table` counts without the value
    /// when it is an index from the top. May raise.
    pub(super) fn raw_set_field(self, table: c_int, name: &[u8]) {
        self.push_bytes(name);
        self.insert(-2);
        let table = if table < 0 && table > REGISTRY { table - 2 } else { table };
        self.raw_set(table);
    }

    /// Replaces the key on the top by the table's value, through metatables; may raise.
    pub(super) fn get(self, table: c_int) {
        // SAFETY: S1, S3.
        unsafe { ffi::lua_gettable_(self.0, table) }
    }

    /// Replaces the key on the top by the next key and its value; nothing at the end. May raise
    /// when the key is not in the table.
    pub(super) fn next(self, table: c_int) -> bool {
        // SAFETY: S1, S2, S3.
        unsafe { ffi::lua_next(self.0, table) != 0 }
    }

    /// Pushes a value's metatable; nothing when it has none.
    pub(super) fn metatable(self, index: c_int) -> bool {
        // SAFETY: S1, S2.
        unsafe { ffi::lua_getmetatable(self.0, index) != 0 }
    }

    /// Makes the table on the top, which is dropped, a value's metatable.
    pub(super) fn set_metatable(self, index: c_int) {
        // SAFETY: S1.
        unsafe { ffi::lua_setmetatable(self.0, index) };
    }

    /// The C function that a value is.
    pub(super) fn c_function(self, index: c_int) -> Option<ffi::lua_CFunction> {
        // SAFETY: S1.
        unsafe { ffi::lua_tocfunction(self.0, index) }
    }

    /// Calls what lies below `arguments` values; may raise.
    pub(super) fn call(self, arguments: c_int, results: c_int) {
        // SAFETY: S1, S3.
        unsafe { ffi::lua_call(self.0, arguments, results) }
    }

    /// Calls what lies below `arguments` values, protected: an error is left on the top.
    pub(super) fn protected_call(
        self,
        arguments: c_int,
        results: c_int,
        handler: c_int,
    ) -> Result<(), Raise> {
        // SAFETY: S1; errors end here.
        match unsafe { ffi::lua_pcall(self.0, arguments, results, handler) } {
            ffi::LUA_OK => Ok(()),
            _ => Err(Raise),
        }
    }

    /// Joins the `count` strings and numbers on the top; may raise.
    pub(super) fn concat(self, count: c_int) {
        // SAFETY: S1, S3.
        unsafe { ffi::lua_concat(self.0, count) }
    }

    /// Compiles source text, pushing the function or the error's text; may raise for lack of
    /// memory. Precompiled code is the caller's to refuse.
    pub(super) fn load(self, body: &[u8], name: &CStr) -> Result<(), Raise> {
        let start: *const c_char = body.as_ptr().cast();
        // SAFETY: S1, S3; Lua reads the bytes during the call.
        match unsafe { ffi::luaL_loadbuffer(self.0, start, body.len(), name.as_ptr()) } {
            ffi::LUA_OK => Ok(()),
            _ => Err(Raise),
        }
    }

    /// Keeps the value on the top, which is dropped, in the registry; may raise.
    pub(super) fn keep(self) -> c_int {
        // SAFETY: S1, S3.
        unsafe { ffi::luaL_ref(self.0, REGISTRY) }
    }

    /// Forgets a kept value; may raise.
    pub(super) fn forget(self, reference: c_int) {
        // SAFETY: S1, S3.
        unsafe { ffi::luaL_unref(self.0, REGISTRY, reference) }
    }

    /// Collects garbage, all of it; may raise for lack of memory, but runs nothing of a script's:
    /// there are no finalizers without `newproxy`.
    pub(super) fn collect(self) {
        // SAFETY: S1, S3.
        unsafe { ffi::lua_gc(self.0, ffi::LUA_GCCOLLECT, 0) };
    }

    /// Collects garbage, some of it; may raise as `collect`.
    pub(super) fn collect_step(self, kib: c_int) {
        // SAFETY: S1, S3.
        unsafe { ffi::lua_gc(self.0, ffi::LUA_GCSTEP, kib) };
    }

    /// Has `hook` called every `count` instructions; never with `None`.
    pub(super) fn set_hook(self, hook: Option<ffi::lua_Hook>, mask: c_int, count: c_int) {
        // SAFETY: S1.
        unsafe { ffi::lua_sethook(self.0, hook, mask, count) };
    }

    /// Pushes where the code at `level` stands, as in `user_script:1: `; may raise.
    pub(super) fn push_position(self, level: c_int) {
        // SAFETY: S1, S2, S3.
        unsafe { ffi::luaL_where(self.0, level) }
    }

    /// An error with a text of ours behind the position of the Lua code that called.
    pub(super) fn fail<T>(self, text: &[u8]) -> Result<T, Raise> {
        self.push_position(1);
        self.push_bytes(text);
        self.concat(2);
        Err(Raise)
    }

    /// "bad argument #number to 'function' (text)"; does not come back.
    pub(super) fn fail_argument<T>(self, number: c_int, text: &CStr) -> Result<T, Raise> {
        // SAFETY: S1, S3; it always raises.
        unsafe { ffi::luaL_argerror(self.0, number, text.as_ptr()) };
        Err(Raise)
    }

    /// The number that an argument must be; may raise.
    pub(super) fn check_number(self, argument: c_int) -> f64 {
        // SAFETY: S1, S3.
        unsafe { ffi::luaL_checknumber(self.0, argument) }
    }

    /// The integer that an argument must be, cut as C cuts; may raise.
    pub(super) fn check_integer(self, argument: c_int) -> i64 {
        // SAFETY: S1, S3.
        #[allow(clippy::useless_conversion, reason = "an i32 on machines of 32 bits")]
        i64::from(unsafe { ffi::luaL_checkinteger(self.0, argument) })
    }

    /// The same for an argument that may be absent; may raise.
    pub(super) fn check_integer_or(self, argument: c_int, default: i64) -> i64 {
        match self.kind(argument) {
            Kind::Nil | Kind::None => default,
            _ => self.check_integer(argument),
        }
    }

    /// The bytes that an argument must be, a number's digits too (S4); may raise.
    pub(super) fn check_bytes<'s>(self, argument: c_int) -> &'s [u8] {
        let mut len = 0;
        // SAFETY: S1, S3.
        let start = unsafe { ffi::luaL_checklstring(self.0, argument, &raw mut len) };
        // SAFETY: a string's bytes stay where they are while it is on the stack (S4).
        unsafe { slice::from_raw_parts(start.cast(), len) }
    }

    /// Raises unless the argument is a table.
    pub(super) fn check_table(self, argument: c_int) {
        // SAFETY: S1, S3.
        unsafe { ffi::luaL_checktype(self.0, argument, ffi::LUA_TTABLE) }
    }

    /// Raises unless there is an argument, be it nil.
    pub(super) fn check_any(self, argument: c_int) {
        // SAFETY: S1, S3.
        unsafe { ffi::luaL_checkany(self.0, argument) }
    }

    /// Opens a library of Lua's own; may raise.
    pub(super) fn open(self, opener: ffi::lua_CFunction, name: &[u8]) {
        // SAFETY: S1, S3; no upvalues.
        unsafe { ffi::lua_pushcclosure(self.0, opener, 0) };
        self.push_bytes(name);
        self.call(1, 0);
    }
}
