//! The command table: every row, and finding one by its name.
//!
//! Legend. A row is a [`CommandSpec`]; what it does not name is [`CommandSpec::DEFAULT`]'s.
//! `flags` and `categories` are those of COMMAND INFO; categories that follow from flags are added
//! when the table is built, and so are ids and containers' subcommands. Rows are grouped by
//! file, and sorted by name.
//!
//! Invariants
//! - A1: `all()[row.id] == row`, subcommands included; ids are dense.
//! - A2: no name is longer than 24 bytes. Lookup compares two words; what these do not tell
//!   apart (bytes that are no letters, names above 16 bytes) is compared in full.

mod bitmaps;
mod command;
mod connection;
mod dump;
mod expire;
#[cfg(feature = "scripting")]
mod functions;
mod geo;
mod hash_fields;
mod hashes;
mod hyperloglogs;
mod keys;
mod lists;
mod numbers;
mod pubsub;
mod replication;
#[cfg(feature = "scripting")]
mod scripts;
mod server;
mod sets;
mod sort;
mod sorted_set_algebra;
mod sorted_set_ranges;
mod sorted_sets;
mod streams;
mod strings;
mod time_series;
mod transactions;

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::spec::{CommandSpec, Group};

const GROUPS: &[&[CommandSpec]] = &[
    bitmaps::ROWS,
    command::ROWS,
    connection::ROWS,
    dump::ROWS,
    expire::ROWS,
    #[cfg(feature = "scripting")]
    functions::ROWS,
    geo::ROWS,
    hash_fields::ROWS,
    hashes::ROWS,
    hyperloglogs::ROWS,
    keys::ROWS,
    lists::ROWS,
    numbers::ROWS,
    pubsub::ROWS,
    replication::ROWS,
    #[cfg(feature = "scripting")]
    scripts::ROWS,
    server::ROWS,
    sets::ROWS,
    sorted_set_algebra::ROWS,
    sorted_set_ranges::ROWS,
    sorted_sets::ROWS,
    streams::ROWS,
    sort::ROWS,
    strings::ROWS,
    time_series::ROWS,
    transactions::ROWS,
];

/// Slots of the name table: a power of two, several times the rows, so that probes are short.
const SLOTS: usize = 1_024;

struct Table {
    rows: Vec<&'static CommandSpec>,
    commands: Vec<&'static CommandSpec>,
    names: Box<[Option<Slot>]>,
}

#[derive(Clone, Copy)]
struct Slot {
    name: Packed,
    /// Whether the packed name tells all there is to know.
    exact: bool,
    row: &'static CommandSpec,
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
    for &row in GROUPS.iter().copied().flatten() {
        let subcommands: Vec<CommandSpec> =
            row.subcommands.iter().map(|sub| *finish(*sub, &mut rows)).collect();
        let subcommands = Box::leak(subcommands.into_boxed_slice());
        commands.push(finish(CommandSpec { subcommands, ..row }, &mut rows));
    }
    commands.sort_unstable_by_key(|row| row.name);
    let mut names = vec![None; SLOTS].into_boxed_slice();
    for &row in &commands {
        let name = Packed::of(row.name.as_bytes()).expect("names are short (A2)");
        let mut slot = name.slot();
        while names[slot].is_some() {
            slot = (slot + 1) % SLOTS;
        }
        let only_letters = row.name.bytes().all(|byte| byte.is_ascii_lowercase());
        names[slot] = Some(Slot { name, exact: only_letters && row.name.len() <= 16, row });
    }
    Table { rows, commands, names }
}

/// A name in two words, its letters in lower case; of a name above 16 bytes, a digest.
///
/// Setting bit 5 folds the case of letters; it also folds a few other bytes together, so names
/// with other bytes than letters are compared once more.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Packed {
    low: u64,
    high: u64,
    len: usize,
}

impl Packed {
    /// `None` for a name that is empty or longer than any.
    #[inline]
    fn of(name: &[u8]) -> Option<Self> {
        const FOLD: u64 = 0x2020_2020_2020_2020;
        let eight =
            |at: usize| u64::from_le_bytes(name[at..at + 8].try_into().expect("eight bytes"));
        let four = |at: usize| {
            u64::from(u32::from_le_bytes(name[at..at + 4].try_into().expect("four bytes")))
        };
        let len = name.len();
        // Overlapping loads: the bytes in the middle are taken twice, which harms nothing.
        let (low, high) = match len {
            8..=16 => (eight(0), eight(len - 8)),
            4..=7 => (four(0) | four(len - 4) << 32, 0),
            1..=3 => {
                let middle = u64::from(name[len / 2]) << 8;
                (u64::from(name[0]) | middle | u64::from(name[len - 1]) << 16, 0)
            }
            17..=24 => (eight(0), (eight(8) | FOLD).rotate_left(17) ^ (eight(len - 8) | FOLD)),
            _ => return None,
        };
        Some(Self { low: low | FOLD, high: high | FOLD, len })
    }

    #[inline]
    fn slot(self) -> usize {
        let mixed = (self.low ^ self.high.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        usize::try_from(mixed >> 54).expect("ten bits")
    }
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
    let packed = Packed::of(name)?;
    let table = &*TABLE;
    let mut at = packed.slot();
    loop {
        let slot = table.names[at].as_ref()?;
        let same = || name.eq_ignore_ascii_case(slot.row.name.as_bytes());
        if slot.name == packed && (slot.exact || same()) {
            return Some(slot.row);
        }
        at = (at + 1) % SLOTS;
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
    for &group in Group::ALL {
        let written = write!(page, "\n## {}\n\n", group.name());
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        for row in commands().iter().filter(|row| row.group == group) {
            let subs = row.subcommands.iter();
            for row in std::iter::once(*row).chain(subs).filter(|row| !row.is_bare_container()) {
                let name = row.name.to_uppercase().replace('|', " ");
                let arguments: String =
                    row.arguments.iter().map(|argument| format!(" {argument}")).collect();
                let written = writeln!(
                    page,
                    "- `{name}{arguments}`: {}. {} Since {}.",
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
        let near: [&[u8]; 7] =
            [b"", b"ge", b"gett", b"get\0", b"g\x05t", b"get ", b"a name that is long"];
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
