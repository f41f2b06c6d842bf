//! One key and its value in a block.
//!
//! ```text
//! flags 1 | [database, a length] | [deadline ms 8] | type 1 | key length, a length | key | value
//! ```
//!
//! Flags: 1, a deadline is there; 2, the database is there, else it is that of the entry before.
//! The first entry of a block has it. Lengths and values are written as RDB writes them, which
//! says where a value ends.

use crate::persist::rdb::value::{Loaded, Rules, Style, ValueRef, decode_from, encode, type_byte};
use crate::persist::rdb::{Damage, Flaw, Input, Sink, put_length};

const HAS_DEADLINE: u8 = 1;
const HAS_DATABASE: u8 = 2;

/// A key and its value, as read.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Its database.
    pub db: u16,
    /// The key.
    pub key: &'a [u8],
    /// Unix time in milliseconds from which it does not exist.
    pub expire_at_ms: Option<u64>,
    /// RDB's byte for the type and form of the value.
    pub type_byte: u8,
    /// The value.
    pub value: Loaded<'a>,
}

/// Writes an entry. `before` is the database of the entry before it in the block.
pub(super) fn put(
    (before, db): (Option<u16>, u16),
    key: &[u8],
    deadline_ms: Option<u64>,
    value: ValueRef<'_>,
    sink: &mut impl Sink,
) {
    let has_database = before != Some(db);
    let mut flags = 0;
    if deadline_ms.is_some() {
        flags |= HAS_DEADLINE;
    }
    if has_database {
        flags |= HAS_DATABASE;
    }
    sink.put(&[flags]);
    if has_database {
        put_length(u64::from(db), sink);
    }
    if let Some(deadline_ms) = deadline_ms {
        sink.put(&deadline_ms.to_le_bytes());
    }
    sink.put(&[type_byte(value, Style::OWN)]);
    put_length(key.len() as u64, sink);
    sink.put(key);
    encode(value, Style::OWN, sink);
}

/// Why an entry cannot be read.
pub(super) enum Wrong {
    Database(u64),
    Entry(Damage),
}

impl From<Damage> for Wrong {
    fn from(damage: Damage) -> Self {
        Self::Entry(damage)
    }
}

/// Reads an entry. `before` is as for [`put`].
pub(super) fn read<'a>(
    before: Option<u16>,
    input: &mut Input<'a>,
    rules: &Rules,
) -> Result<Entry<'a>, Wrong> {
    let flags = input.byte()?;
    if flags & !(HAS_DEADLINE | HAS_DATABASE) != 0 {
        return Err(input.damage(Flaw::Type(flags)).into());
    }
    let db = match before {
        _ if flags & HAS_DATABASE != 0 => {
            let db = input.length()?;
            u16::try_from(db).map_err(|_| Wrong::Database(db))?
        }
        Some(db) => db,
        None => return Err(input.damage(Flaw::Type(flags)).into()),
    };
    let expire_at_ms = if flags & HAS_DEADLINE != 0 { Some(input.u64_le()?) } else { None };
    let type_byte = input.byte()?;
    let key_len = usize::try_from(input.length()?).unwrap_or(usize::MAX);
    let key = input.take(key_len)?;
    let value = decode_from(type_byte, input, rules)?;
    Ok(Entry { db, key, expire_at_ms, type_byte, value })
}
