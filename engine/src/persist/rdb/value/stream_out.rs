//! Streams to bytes: our blocks as the listpacks that Redis keeps them in.
//!
//! Why it exists: a block of ours says what such a listpack says, in fewer bytes; here it is
//! spelled out.
//!
//! ```text
//! stream   nodes | length | last id | first id | greatest deleted id | entries added | groups
//! node     id of the master entry, 16 bytes big-endian | listpack
//! listpack count | deleted | fields | field … | 0 | entry …
//! entry    flags | ms - master's | seq - master's | [fields | field | value …] or [value …] | n
//! group    name | last id | entries read | pending | consumers
//! pending  id, 16 bytes | delivered at | deliveries
//! consumer name | seen at | [active at] | ids of its pending entries
//! ```

use super::super::sink::{Sink, put_count, put_length, put_string};
use super::{Style, encode};
use crate::structures::listpack::{Entry as Item, ListpackBuf};
use crate::structures::stream::{Element, Entry, Group, Node, Stream, StreamId};

/// Flags of an entry: it has the master's fields.
pub(super) const SAME_FIELDS: i64 = 2;
/// Flags of an entry: it was deleted.
pub(super) const DELETED: i64 = 1;

pub(super) fn put(stream: &Stream, style: Style, sink: &mut impl Sink) {
    let log = stream.log();
    put_count(log.block_count(), sink);
    for node in log.nodes() {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&node.master().ms.to_be_bytes());
        id[8..].copy_from_slice(&node.master().seq.to_be_bytes());
        put_count(id.len(), sink);
        sink.put(&id);
        encode::put_listpack(spell_out(node).as_ref(), style, sink);
    }
    put_length(log.len(), sink);
    for id in [log.last_id(), log.first_id(), log.max_deleted_id()] {
        put_id(id, sink);
    }
    put_length(log.added().cast_unsigned(), sink);
    put_count(stream.group_count(), sink);
    for (name, group) in stream.groups() {
        put_string(name, style.lzf, sink);
        put_group(group, style, sink);
    }
}

fn put_id(id: StreamId, sink: &mut impl Sink) {
    put_length(id.ms, sink);
    put_length(id.seq, sink);
}

fn put_raw_id(id: StreamId, sink: &mut impl Sink) {
    sink.put(&id.ms.to_be_bytes());
    sink.put(&id.seq.to_be_bytes());
}

fn put_ms(ms: i64, sink: &mut impl Sink) {
    sink.put(&ms.to_le_bytes());
}

/// The listpack of a block. Entries that were deleted are left out.
fn spell_out(node: Node<'_>) -> ListpackBuf {
    let mut pack = ListpackBuf::new();
    let (live, fields) = (node.live(), node.field_count());
    for number in [live, 0, fields] {
        pack.push_back_entry(number_item(number));
    }
    node.fields().for_each(|field| pack.push_back_entry(item(field)));
    pack.push_back_entry(Item::Int(0));
    node.entries().for_each(|entry| spell_entry(node.master(), &entry, &mut pack));
    pack
}

fn spell_entry(master: StreamId, entry: &Entry<'_>, pack: &mut ListpackBuf) {
    let same = entry.has_master_fields();
    let id = entry.id();
    pack.push_back_entry(Item::Int(if same { SAME_FIELDS } else { 0 }));
    pack.push_back_entry(Item::Int(id.ms.wrapping_sub(master.ms).cast_signed()));
    pack.push_back_entry(Item::Int(id.seq.wrapping_sub(master.seq).cast_signed()));
    let fields = entry.field_count();
    if !same {
        pack.push_back_entry(number_item(fields));
    }
    for (field, value) in entry.pairs() {
        if !same {
            pack.push_back_entry(item(field));
        }
        pack.push_back_entry(item(value));
    }
    pack.push_back_entry(number_item(if same { 3 + fields } else { 4 + 2 * fields }));
}

fn item(element: Element<'_>) -> Item<'_> {
    match element {
        Element::Bytes(bytes) => Item::Bytes(bytes),
        Element::Int(number) => Item::Int(number),
    }
}

fn number_item(number: usize) -> Item<'static> {
    Item::Int(i64::try_from(number).expect("counts are below 2^63"))
}

fn put_group(group: &Group, style: Style, sink: &mut impl Sink) {
    put_id(group.last_id(), sink);
    put_length(group.entries_read().unwrap_or(-1).cast_unsigned(), sink);
    put_count(group.pending_count(), sink);
    for pending in group.pending(StreamId::MIN, StreamId::MAX) {
        put_raw_id(pending.id, sink);
        put_ms(pending.delivered_ms, sink);
        put_length(pending.deliveries.cast_unsigned(), sink);
    }
    put_count(group.consumer_count(), sink);
    for consumer in group.consumers() {
        put_string(consumer.name(), style.lzf, sink);
        put_ms(consumer.seen_ms(), sink);
        if style.newest {
            put_ms(consumer.active_ms().unwrap_or(-1), sink);
        }
        put_count(consumer.pending_count(), sink);
        consumer.pending_ids().for_each(|id| put_raw_id(id, sink));
    }
}
