//! KEYS and ARGV: two tables that are used again for one script after the other.
//!
//! Why it exists: most scripts have one key and an argument or two. To make two tables for them,
//! and to collect those of the script before, costs as much as two commands.
//!
//! A script must not find what another one left, nor be able to tell. So a table is used again only
//! when it is as a new one would be but for its strings: without a metatable or a hash part, and
//! with the room that it was made with. Lua's interface does not tell, and looking at all fields
//! would take as long as the script before wanted, so the table itself is looked at.
//!
//! Invariants
//! - K1: `Table` and `Value` are laid out as in Lua 5.1.5 (`lobject.h`), the last of its line,
//!   which is vendored; `Blank::learn` looks at tables that it knows before anything relies on it.
//! - K2: nothing is changed but through Lua's interface.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;

use mlua::ffi;

use super::raw::{Stack, upvalue};
use super::shared::Shared;

/// Strings in a table that is used again.
const ITEMS_MAX: c_int = 4;
/// The same as a count of Rust's.
const ROOM: usize = ITEMS_MAX.unsigned_abs() as usize;
/// Their places.
const PLACES: [usize; ROOM] = [0, 1, 2, 3];

/// A table of Lua's.
#[repr(C)]
struct Table {
    next: *const c_void,
    kind: u8,
    marked: u8,
    flags: u8,
    log_node_count: u8,
    metatable: *const c_void,
    items: *const Value,
    nodes: *const c_void,
    last_free: *const c_void,
    gray: *const c_void,
    item_count: c_int,
}

/// An item of its array part.
#[repr(C)]
struct Value {
    value: ffi::lua_Number,
    kind: c_int,
}

/// How a new table looks.
#[derive(Debug)]
pub(super) struct Blank {
    /// Where the hash part of each table is that has none.
    nodes: Cell<*const c_void>,
}

impl Default for Blank {
    fn default() -> Self {
        Self { nodes: Cell::new(ptr::null()) }
    }
}

impl Blank {
    /// Looks at tables that are known (K1); may raise.
    pub(super) fn learn(&self, stack: Stack) {
        stack.push_table(0, 2);
        stack.push_table(ROOM, 0);
        stack.push_value(-1);
        stack.set_metatable(-3);
        stack.push_boolean(true);
        stack.raw_set_item(-2, 2);
        let (hash, array) = (table(stack, -2), table(stack, -1));
        let (hash, array) = (hash.expect("pushed above"), array.expect("pushed above"));
        assert!(ptr::eq(hash.metatable, ptr::from_ref(array).cast()), "K1: the metatable");
        assert!(array.metatable.is_null(), "K1: no metatable");
        assert!((hash.log_node_count, array.log_node_count) == (1, 0), "K1: hash parts");
        assert!(hash.nodes != array.nodes, "K1: where hash parts are");
        assert!((hash.item_count, array.item_count) == (0, ITEMS_MAX), "K1: array parts");
        let kinds = PLACES.map(|at| item_kind(array, at));
        let (nil, boolean) = (ffi::LUA_TNIL, ffi::LUA_TBOOLEAN);
        assert!(kinds == [nil, boolean, nil, nil], "K1: items");
        self.nodes.set(array.nodes);
        stack.pop(2);
    }

    /// Which items a table has, if it has the shape of one that was made for so many strings.
    fn items_of(&self, table: &Table) -> Option<[bool; ROOM]> {
        let is_like = table.metatable.is_null()
            && table.nodes == self.nodes.get()
            && table.item_count == ITEMS_MAX;
        is_like.then(|| PLACES.map(|at| item_kind(table, at) != ffi::LUA_TNIL))
    }
}

/// The table at an index.
fn table<'t>(stack: Stack, index: c_int) -> Option<&'t Table> {
    if stack.kind(index) != super::raw::Kind::Table {
        return None;
    }
    // SAFETY: S1 of `raw`.
    let table = unsafe { ffi::lua_topointer(stack.state(), index) };
    // SAFETY: K1; it is kept by the stack or by its function, and callers drop the reference
    // before Lua runs.
    Some(unsafe { &*table.cast::<Table>() })
}

/// The kind of an item of the array part, counted from 0.
fn item_kind(table: &Table, at: usize) -> c_int {
    assert!(at < usize::try_from(table.item_count).unwrap_or(0), "within the array part");
    // SAFETY: K1; within the array part.
    let item = unsafe { table.items.add(at) };
    // SAFETY: as above; each item has a kind.
    unsafe { (*item).kind }
}

/// One of the two tables: an own value of the function that runs scripts, and a global.
pub(super) struct Kept {
    own_value: c_int,
    name: &'static [u8],
}

impl Kept {
    pub(super) const KEYS: Self = Self { own_value: upvalue(3), name: b"KEYS" };
    pub(super) const ARGV: Self = Self { own_value: upvalue(4), name: b"ARGV" };

    /// Fills the table with a script's strings, in the function whose second own value is the real
    /// globals; may raise.
    pub(super) fn fill(&self, stack: Stack, shared: &Shared, strings: &[&[u8]]) {
        let items = table(stack, self.own_value).and_then(|table| shared.blank.items_of(table));
        let Some(items) = items.filter(|_| strings.len() <= ROOM) else {
            push_strings(stack, strings, ROOM);
            stack.push_value(-1);
            stack.replace(self.own_value);
            stack.raw_set_field(upvalue(2), self.name);
            return;
        };
        for (at, number) in PLACES.into_iter().zip(1..) {
            match strings.get(at) {
                Some(string) => stack.push_bytes(string),
                None if items[at] => stack.push_nil(),
                None => continue,
            }
            stack.raw_set_item(self.own_value, number);
        }
    }

    /// Takes the table away from a function, which has its strings as arguments; may raise.
    pub(super) fn hide(&self, stack: Stack) {
        if stack.kind(self.own_value) == super::raw::Kind::Nil {
            return;
        }
        stack.push_nil();
        stack.replace(self.own_value);
        stack.push_nil();
        stack.raw_set_field(upvalue(2), self.name);
    }
}

/// A table of strings, with room for some; may raise.
pub(super) fn push_strings(stack: Stack, strings: &[&[u8]], room: usize) {
    stack.push_table(strings.len().max(room), 0);
    for (string, number) in strings.iter().zip(1..) {
        stack.push_bytes(string);
        stack.raw_set_item(-2, number);
    }
}
