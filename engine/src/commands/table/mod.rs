//! The command table: every row, and finding one by its name.
//!
//! Legend. A row is a [`CommandSpec`]; what it does not name is [`CommandSpec::DEFAULT`]'s.
//! `flags` and `categories` are those of COMMAND INFO; categories that follow from flags are added
//! when the table is built, and so are ids and containers' subcommands. Rows are grouped by
//! file, and sorted by name.
//!
//! Invariants
//! - A1: `all()[row.id] == row`, subcommands included; ids are dense.
//! - A2: no name is longer than 16 bytes, so that lookup compares one integer.

mod command;
mod connection;
mod expire;
mod keys;
mod numbers;
mod server;
mod strings;
mod transactions;

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::spec::{CommandSpec, Group};

const GROUPS: [&[CommandSpec]; 8] = [
    command::ROWS,
    connection::ROWS,
    expire::ROWS,
    keys::ROWS,
    numbers::ROWS,
    server::ROWS,
    strings::ROWS,
    transactions::ROWS,
];

/// Slots of the name table: a power of two, several times the rows, so that probes are short.
const SLOTS: usize = 1_024;
/// Longest name of a command without its subcommand.
const NAME_BYTES_MAX: usize = 16;

struct Table {
    rows: Vec<&'static CommandSpec>,
    commands: Vec<&'static CommandSpec>,
    names: Box<[(u128, Option<&'static CommandSpec>)]>,
}

static TABLE: LazyLock<Table> = LazyLock::new(build);

/// Numbers the rows, and completes what follows from other fields.
fn build() -> Table {
    let mut rows: Vec<&'static CommandSpec> = Vec::new();
    let mut commands = Vec::new();
    let finish = |row: CommandSpec, rows: &mut Vec<&'static CommandSpec>| {
        let id = u16::try_from(rows.len()).expect("a few hundred rows");
        let categories = row.categories.implied_by(row.flags);
        let row: &'static CommandSpec = Box::leak(Box::new(CommandSpec { id, categories, ..row }));
        rows.push(row);
        row
    };
    for &row in GROUPS.into_iter().flatten() {
        let subcommands: Vec<CommandSpec> =
            row.subcommands.iter().map(|sub| *finish(*sub, &mut rows)).collect();
        let subcommands = Box::leak(subcommands.into_boxed_slice());
        commands.push(finish(CommandSpec { subcommands, ..row }, &mut rows));
    }
    commands.sort_unstable_by_key(|row| row.name);
    let mut names = vec![(0, None); SLOTS].into_boxed_slice();
    for &row in &commands {
        let packed = pack(row.name.as_bytes()).expect("names are short (A2)");
        let mut slot = slot_of(packed);
        while names[slot].1.is_some() {
            slot = (slot + 1) % SLOTS;
        }
        names[slot] = (packed, Some(row));
    }
    Table { rows, commands, names }
}

/// A name in upper case as one integer; `None` when it is longer than any.
#[inline]
fn pack(name: &[u8]) -> Option<u128> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let mut bytes = [0; NAME_BYTES_MAX];
    bytes[..name.len()].copy_from_slice(name);
    let packed = u128::from_le_bytes(bytes);
    // Clears bit 5 of every byte that has bit 6: letters become capitals. What is no letter may
    // become another byte of that kind, which no name has, except below: checked by the test.
    let letters = packed & 0x4040_4040_4040_4040_4040_4040_4040_4040;
    Some(packed & !(letters >> 1))
}

#[inline]
fn slot_of(packed: u128) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "folded on purpose")]
    let folded = (packed ^ packed >> 64) as u64;
    usize::try_from(folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54).expect("ten bits")
}

/// The row of a command, in any case. Subcommands: [`CommandSpec::subcommand`].
///
/// Cost: a few nanoseconds; no allocation.
///
/// # Examples
/// ```
/// let get = engine::commands::lookup(b"GeT").expect("in the table");
/// assert_eq!((get.name, get.arity), ("get", 2));
/// assert!(engine::commands::lookup(b"nosuch").is_none());
/// ```
#[inline]
#[must_use]
pub fn lookup(name: &[u8]) -> Option<&'static CommandSpec> {
    let packed = pack(name)?;
    let table = &*TABLE;
    let mut slot = slot_of(packed);
    loop {
        let (known, row) = table.names[slot];
        let row = row?;
        if known == packed {
            return Some(row);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// Every row by id, subcommands included.
#[must_use]
pub fn all() -> &'static [&'static CommandSpec] {
    &TABLE.rows
}

/// Every command by name, without subcommands.
pub(super) fn commands() -> &'static [&'static CommandSpec] {
    &TABLE.commands
}

/// The command page of the book, in Markdown.
#[must_use]
pub fn book() -> String {
    let mut page = String::from(
        "# Commands\n\nGenerated from the command table; `since` is the version of Redis (or of \
         Zumic) that first had it.\n",
    );
    let groups =
        [Group::String, Group::Generic, Group::Transactions, Group::Connection, Group::Server];
    for group in groups {
        let written = write!(page, "\n## {}\n\n", group.name());
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        for row in commands().iter().filter(|row| row.group == group) {
            let subs = row.subcommands.iter();
            for row in std::iter::once(*row).chain(subs).filter(|row| !row.is_bare_container()) {
                let name = row.name.to_uppercase().replace('|', " ");
                let arguments: String =
                    row.arguments.iter().map(|argument| format!(" {argument}")).collect();
                let written = write!(
                    page,
                    "- `{name}{arguments}`: {}. {} Since {}.\n",
                    row.summary,
                    complexity(row),
                    row.since
                );
                debug_assert!(written.is_ok(), "writing to a string does not fail");
            }
        }
    }
    page
}

fn complexity(row: &CommandSpec) -> String {
    let text = row.complexity.trim_end_matches('.');
    format!("{text}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_dense_and_lead_back() {
        for (id, row) in all().iter().enumerate() {
            assert_eq!(usize::from(row.id), id, "{}", row.name);
        }
    }

    #[test]
    fn every_command_is_found_in_any_case() {
        for row in commands() {
            for name in [row.name.to_uppercase(), row.name.to_lowercase()] {
                assert_eq!(lookup(name.as_bytes()).map(|row| row.name), Some(row.name));
            }
        }
        let near: [&[u8]; 6] = [b"", b"ge", b"gett", b"g\x05t", b"get ", b"a name that is long"];
        for name in near {
            assert!(lookup(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn rows_are_complete() {
        for row in all() {
            assert!(!row.summary.is_empty(), "{} has no summary", row.name);
            assert!(row.arity != 0, "{} has no arity", row.name);
        }
    }
}
