//! Streams from bytes; the form is drawn in `stream_out`.
//!
//! Why it exists: a stream is nested four deep and each part refers to others, so everything that
//! could contradict is compared: ids ascend, counts are those of what is there, and each pending
//! entry belongs to one consumer.

use std::collections::BTreeMap;

use super::super::damage::{Damage, Flaw};
use super::super::input::Input;
use super::listpack;
use super::stream_out::{DELETED, SAME_FIELDS};
use crate::structures::listpack::{Entry as Item, Iter};
use crate::structures::stream::{ENTRY_BYTES_MAX, Group, Log, Stream, StreamId};

/// The versions of RDB in which more became known of streams.
const WITH_COUNTERS: u16 = 10;
const WITH_ACTIVITY: u16 = 11;

/// Reads a stream of the type that came with an RDB version.
pub(super) fn read(version: u16, input: &mut Input<'_>) -> Result<Stream, Damage> {
    let mut stream = Stream::default();
    for _ in 0..input.count(2)? {
        node(stream.log_mut(), input)?;
    }
    counters(version, stream.log_mut(), input)?;
    for _ in 0..input.count(5)? {
        let at = input.position();
        let name = input.word()?.to_vec();
        let group = group(version, input)?;
        if !stream.create_group(&name, group) {
            return Err(Damage { at, flaw: Flaw::Duplicate });
        }
    }
    Ok(stream)
}

fn node(log: &mut Log, input: &mut Input<'_>) -> Result<(), Damage> {
    let at = input.position();
    let damage = Damage { at, flaw: Flaw::Stream };
    let key = input.word()?.to_vec();
    let master = Input::new(&key);
    let master = match key.len() {
        16 => raw_id(&mut master.clone())?,
        _ => return Err(damage),
    };
    let word = input.word()?;
    let pack = word.with_bytes(|bytes| listpack::read(bytes, at))?;
    let mut reader = Reader { items: pack.as_ref().iter(), scratch: Vec::new(), ends: Vec::new() };
    reader.node(log, master).ok_or(damage)
}

/// Walks over the listpack of a node.
struct Reader<'p> {
    items: Iter<'p>,
    /// Fields and values of one entry, and where each ends.
    scratch: Vec<u8>,
    ends: Vec<usize>,
}

impl Reader<'_> {
    fn number(&mut self) -> Option<i64> {
        match self.items.next()? {
            Item::Int(number) => Some(number),
            Item::Bytes(_) => None,
        }
    }

    /// A number of items that are to follow, `each` so many.
    fn count(&mut self, each: usize) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count.checked_mul(each)? <= self.items.len()).then_some(count)
    }

    fn push(&mut self, item: Item<'_>) {
        item.with_bytes(|bytes| self.scratch.extend_from_slice(bytes));
        self.ends.push(self.scratch.len());
    }

    /// Adds the entries of a node to the log.
    fn node(&mut self, log: &mut Log, master: StreamId) -> Option<()> {
        let (live, deleted) = (self.count(4)?, self.count(4)?);
        let fields: Vec<Item<'_>> = {
            let count = self.count(1)?;
            self.items.by_ref().take(count).collect()
        };
        if self.number()? != 0 {
            return None;
        }
        let mut opened = false;
        let mut seen = 0;
        for _ in 0..live.checked_add(deleted)? {
            let (id, flags, count) = self.entry(master, &fields)?;
            if flags & DELETED != 0 {
                continue;
            }
            seen += 1;
            if count == 0 || self.scratch.len() > ENTRY_BYTES_MAX {
                return None;
            }
            if !opened {
                let names: Vec<_> = fields.iter().map(|field| field.to_bytes()).collect();
                log.open_block(master, &names).then_some(())?;
                opened = true;
            }
            let mut start = 0;
            let strings: Vec<&[u8]> = self
                .ends
                .iter()
                .map(|&end| &self.scratch[std::mem::replace(&mut start, end)..end])
                .collect();
            log.append_to_block(id, &strings).then_some(())?;
        }
        (seen == live && self.items.len() == 0).then_some(())
    }

    /// Reads one entry into the scratch; answers its id, its flags and how many fields it has.
    fn entry(&mut self, master: StreamId, fields: &[Item<'_>]) -> Option<(StreamId, i64, usize)> {
        self.scratch.clear();
        self.ends.clear();
        let flags = self.number()?;
        let ms = master.ms.wrapping_add(self.number()?.cast_unsigned());
        let seq = master.seq.wrapping_add(self.number()?.cast_unsigned());
        let count;
        let items = if flags & SAME_FIELDS != 0 {
            count = fields.len();
            for field in fields {
                self.push(*field);
                let value = self.items.next()?;
                self.push(value);
            }
            3 + count
        } else {
            count = self.count(2)?;
            for _ in 0..2 * count {
                let item = self.items.next()?;
                self.push(item);
            }
            4 + 2 * count
        };
        let counted = usize::try_from(self.number()?) == Ok(items);
        counted.then_some((StreamId::new(ms, seq), flags, count))
    }
}

fn id(input: &mut Input<'_>) -> Result<StreamId, Damage> {
    Ok(StreamId::new(input.length()?, input.length()?))
}

fn raw_id(input: &mut Input<'_>) -> Result<StreamId, Damage> {
    Ok(StreamId::new(input.u64_be()?, input.u64_be()?))
}

fn counters(version: u16, log: &mut Log, input: &mut Input<'_>) -> Result<(), Damage> {
    let at = input.position();
    let len = input.length()?;
    let last_id = id(input)?;
    let (mut deleted, mut added) = (StreamId::MIN, i64::try_from(len).unwrap_or(i64::MAX));
    if version >= WITH_COUNTERS {
        // The first id follows from the entries.
        id(input)?;
        deleted = id(input)?;
        added = input.length()?.cast_signed();
    }
    if len != log.len() || last_id < log.last_id() || added < 0 {
        return Err(Damage { at, flaw: Flaw::Stream });
    }
    log.set_ids(last_id, Some(added), Some(deleted));
    Ok(())
}

fn group(version: u16, input: &mut Input<'_>) -> Result<Group, Damage> {
    let last_id = id(input)?;
    let read = match version {
        WITH_COUNTERS.. => Some(input.length()?.cast_signed()).filter(|read| *read >= 0),
        _ => None,
    };
    let mut group = Group::new(last_id, read);
    let at = input.position();
    let mut pending = BTreeMap::new();
    for _ in 0..input.count(25)? {
        let at = input.position();
        let id = raw_id(input)?;
        let delivery = (input.u64_le()?.cast_signed(), input.length()?.cast_signed());
        if pending.insert(id, delivery).is_some() {
            return Err(Damage { at, flaw: Flaw::Duplicate });
        }
    }
    for _ in 0..input.count(10)? {
        consumer(version, &mut group, &mut pending, input)?;
    }
    // Whatever is pending was delivered to somebody.
    if pending.is_empty() { Ok(group) } else { Err(Damage { at, flaw: Flaw::Stream }) }
}

fn consumer(
    version: u16,
    group: &mut Group,
    pending: &mut BTreeMap<StreamId, (i64, i64)>,
    input: &mut Input<'_>,
) -> Result<(), Damage> {
    let at = input.position();
    let name = input.word()?.to_vec();
    let seen_ms = input.u64_le()?.cast_signed();
    let active_ms = if version >= WITH_ACTIVITY { input.u64_le()?.cast_signed() } else { seen_ms };
    let active_ms = Some(active_ms).filter(|active| *active >= 0);
    let Some(consumer) = group.restore_consumer(&name, seen_ms, active_ms) else {
        return Err(Damage { at, flaw: Flaw::Duplicate });
    };
    for _ in 0..input.count(16)? {
        let at = input.position();
        let id = raw_id(input)?;
        let Some((delivered_ms, deliveries)) = pending.remove(&id) else {
            return Err(Damage { at, flaw: Flaw::Stream });
        };
        group.restore_pending(id, consumer, delivered_ms, deliveries);
    }
    Ok(())
}
