//! From values to bytes.
//!
//! Why it exists: `type_byte` and `encode` must agree on the form of a value, so both are
//! decided by the same matches, side by side in this file.

use super::super::sink::{Sink, put_count, put_integer, put_length, put_string};
use super::{NODE_PACKED, NODE_PLAIN, Style, ValueRef, code, series, stream_out};
use crate::structures::intset::Intset;
use crate::structures::listpack::{Entry, Listpack, ListpackBuf};
use crate::values::hash::{HashRef, Item};
use crate::values::list::ListRef;
use crate::values::set::SetRef;
use crate::values::sorted_set::SortedSetRef;
use crate::{LargeString, Text};

/// Header and end byte of a listpack.
const FRAME_BYTES: usize = 7;
/// The count of a listpack's header that says: count them.
const COUNT_UNKNOWN: u16 = u16::MAX;
const END: u8 = 0xff;
/// Longer strings are not compressed: that would take a second copy of them.
const LZF_BYTES_MAX: usize = 16 << 20;
/// A block of one entry of this size and more is written as that entry: a listpack's header cannot
/// count more bytes than 32 bits can.
const PLAIN_BYTES_MIN: usize = 1 << 30;

/// The type byte of a value, which every container keeps apart from the bytes.
#[must_use]
pub fn type_byte(value: ValueRef<'_>, style: Style) -> u8 {
    match value {
        ValueRef::Hash(HashRef::Packed(_)) => code::HASH_LISTPACK,
        ValueRef::Hash(HashRef::Table(_)) if earliest(value).is_some() => code::HASH_TIMED,
        ValueRef::Hash(HashRef::Table(_)) => code::HASH,
        ValueRef::Hash(HashRef::Timed(_)) if style.newest || earliest(value).is_some() => {
            code::HASH_LISTPACK_TIMED
        }
        ValueRef::Hash(HashRef::Timed(_)) => code::HASH_LISTPACK,
        ValueRef::List(_) => code::LIST_QUICKLIST_2,
        ValueRef::Set(SetRef::Intset(_)) => code::SET_INTSET,
        ValueRef::Set(SetRef::Listpack(_)) if style.newest => code::SET_LISTPACK,
        ValueRef::Set(_) => code::SET,
        ValueRef::SortedSet(SortedSetRef::Listpack(_)) => code::ZSET_LISTPACK,
        ValueRef::SortedSet(SortedSetRef::Ranked(_)) => code::ZSET_2,
        ValueRef::Stream(_) if style.newest => code::STREAM_3,
        ValueRef::Stream(_) => code::STREAM_2,
        ValueRef::Text(_) => code::STRING,
        ValueRef::TimeSeries(_) => code::TIME_SERIES,
    }
}

/// The earliest deadline of a hash's fields.
fn earliest(value: ValueRef<'_>) -> Option<u64> {
    let ValueRef::Hash(hash) = value else { return None };
    match hash {
        HashRef::Packed(_) => None,
        HashRef::Table(table) if table.earliest_deadline_ms().is_none() => None,
        // A table's own answer may be earlier than the truth.
        _ => hash.iter().filter_map(|item| item.deadline_ms).min(),
    }
}

/// Writes the bytes of a value; its type is [`type_byte`].
///
/// Cost: O(bytes), and no copy of the value: at most of one string or of one block of a list or
/// a stream.
pub fn encode(value: ValueRef<'_>, style: Style, sink: &mut impl Sink) {
    match value {
        ValueRef::Hash(hash) => put_hash(hash, style, sink),
        ValueRef::List(list) => put_list(list, style, sink),
        ValueRef::Set(set) => put_set(set, style, sink),
        ValueRef::SortedSet(set) => put_sorted_set(set, style, sink),
        ValueRef::Stream(stream) => stream_out::put(stream, style, sink),
        ValueRef::Text(text) => put_text(text, style, sink),
        ValueRef::TimeSeries(series) => series::put(series, sink),
    }
}

fn put_text(text: Text<'_>, style: Style, sink: &mut impl Sink) {
    match text {
        Text::Int(number) => put_integer(number, sink),
        Text::Large(large) => put_large(large, style, sink),
        Text::Slice(bytes) => put_string(bytes, style.lzf, sink),
    }
}

fn put_large(large: &LargeString, style: Style, sink: &mut impl Sink) {
    if style.lzf && large.len() <= LZF_BYTES_MAX {
        put_string(&large.to_vec(), true, sink);
        return;
    }
    put_count(large.len(), sink);
    large.chunks().for_each(|chunk| sink.put(chunk));
}

/// Writes an entry as a string.
#[inline]
fn put_entry(entry: Entry<'_>, style: Style, sink: &mut impl Sink) {
    match entry {
        Entry::Bytes(bytes) => put_string(bytes, style.lzf, sink),
        Entry::Int(number) => put_integer(number, sink),
    }
}

/// Writes a listpack with its header and end as a string.
pub(super) fn put_listpack(pack: Listpack<'_>, style: Style, sink: &mut impl Sink) {
    let bytes = pack.bytes_len() + FRAME_BYTES;
    let header_bytes = u32::try_from(bytes).expect("larger blocks are written as one element");
    let count = u16::try_from(pack.len()).unwrap_or(COUNT_UNKNOWN);
    let mut frame = [0; FRAME_BYTES - 1];
    frame[..4].copy_from_slice(&header_bytes.to_le_bytes());
    frame[4..].copy_from_slice(&count.to_le_bytes());
    if style.lzf && bytes <= LZF_BYTES_MAX {
        let mut whole = Vec::with_capacity(bytes);
        whole.extend_from_slice(&frame);
        whole.extend_from_slice(pack.entries());
        whole.push(END);
        put_string(&whole, true, sink);
        return;
    }
    put_count(bytes, sink);
    sink.put(&frame);
    sink.put(pack.entries());
    sink.put(&[END]);
}

fn put_list(list: ListRef<'_>, style: Style, sink: &mut impl Sink) {
    match list {
        ListRef::Packed(block) => {
            put_length(1, sink);
            put_node(block, style, sink);
        }
        ListRef::Quick(list) => {
            let blocks = list.blocks();
            put_count(blocks.len(), sink);
            blocks.for_each(|block| put_node(block.as_ref(), style, sink));
        }
    }
}

fn put_node(block: Listpack<'_>, style: Style, sink: &mut impl Sink) {
    match block.front() {
        Some(only) if block.len() == 1 && only.len() >= PLAIN_BYTES_MIN => {
            put_length(NODE_PLAIN, sink);
            only.with_bytes(|bytes| {
                put_count(bytes.len(), sink);
                sink.put(bytes);
            });
        }
        _ => {
            put_length(NODE_PACKED, sink);
            put_listpack(block, style, sink);
        }
    }
}

fn put_set(set: SetRef<'_>, style: Style, sink: &mut impl Sink) {
    match set {
        SetRef::Intset(integers) => put_intset(integers, style, sink),
        SetRef::Listpack(pack) if style.newest => put_listpack(pack, style, sink),
        SetRef::Listpack(_) | SetRef::Table(_) => {
            put_count(set.len(), sink);
            set.iter().for_each(|member| put_entry(member, style, sink));
        }
    }
}

fn put_intset(integers: Intset<'_>, style: Style, sink: &mut impl Sink) {
    let width = u32::try_from(integers.width().bytes()).expect("at most eight");
    let count = u32::try_from(integers.len()).expect("at most 2^30 members");
    let mut whole = Vec::with_capacity(8 + integers.as_bytes().len());
    whole.extend_from_slice(&width.to_le_bytes());
    whole.extend_from_slice(&count.to_le_bytes());
    whole.extend_from_slice(integers.as_bytes());
    put_string(&whole, style.lzf, sink);
}

fn put_sorted_set(set: SortedSetRef<'_>, style: Style, sink: &mut impl Sink) {
    match set {
        SortedSetRef::Listpack(pack) => put_listpack(pack, style, sink),
        SortedSetRef::Ranked(ranked) => {
            put_length(ranked.len(), sink);
            // Redis writes the last one first, so that it can insert at the head of its list.
            for (member, score) in set.iter().rev() {
                put_entry(member, style, sink);
                sink.put(&score.to_bits().to_le_bytes());
            }
        }
    }
}

fn put_hash(hash: HashRef<'_>, style: Style, sink: &mut impl Sink) {
    let first = earliest(ValueRef::Hash(hash));
    match (hash, first) {
        (HashRef::Packed(pack), _) => put_listpack(pack, style, sink),
        (HashRef::Timed(pack), _) if style.newest => {
            sink.put(&first.unwrap_or(0).to_le_bytes());
            put_listpack(pack, style, sink);
        }
        (HashRef::Timed(_), None) => {
            let mut pairs = ListpackBuf::new();
            for item in hash.iter() {
                pairs.push_back_entry(item.field);
                pairs.push_back_entry(item.value);
            }
            put_listpack(pairs.as_ref(), style, sink);
        }
        (HashRef::Timed(_), Some(first)) => {
            sink.put(&first.to_le_bytes());
            put_listpack(by_deadline(hash).as_ref(), style, sink);
        }
        (HashRef::Table(table), None) => {
            put_count(table.len(), sink);
            for item in hash.iter() {
                put_entry(item.field, style, sink);
                put_entry(item.value, style, sink);
            }
        }
        (HashRef::Table(table), Some(first)) => {
            sink.put(&first.to_le_bytes());
            put_count(table.len(), sink);
            for item in hash.iter() {
                put_length(item.deadline_ms.map_or(0, |at| at - first + 1), sink);
                put_entry(item.field, style, sink);
                put_entry(item.value, style, sink);
            }
        }
    }
}

/// Triples in the order that Redis wants: what expires first comes first, what never does last.
fn by_deadline(hash: HashRef<'_>) -> ListpackBuf {
    let mut items: Vec<Item<'_>> = hash.iter().collect();
    items.sort_by_key(|item| item.deadline_ms.unwrap_or(u64::MAX));
    let mut pack = ListpackBuf::new();
    for item in items {
        pack.push_back_entry(item.field);
        pack.push_back_entry(item.value);
        let deadline = i64::try_from(item.deadline_ms.unwrap_or(0)).unwrap_or(i64::MAX);
        pack.push_back_entry(Entry::Int(deadline));
    }
    pack
}
