//! A consumer group: how far it has read, and which entries its consumers have not acknowledged.
//!
//! Why it exists: an entry is given to one consumer of a group and stays *pending* until it is
//! acknowledged or claimed by another consumer, so each pending entry is found by its id, and a
//! consumer's own entries in their order. Two ordered sets hold that, which must agree. Clones
//! share them (`ordered`), but not the consumers.
//!
//! ```text
//! pending:   id -> { consumer, delivered at, times }        names: name -> consumer
//! consumers: [ { name, own: { id, id, ... }, seen, active }, ... ]   by number, with gaps
//! ```
//!
//! Invariants
//! - G1: `id` is in `consumers[n].own` exactly if `pending[id].consumer == n`.
//! - G2: `names[name] == n` exactly if `consumers[n]` is there and has that name.
//! - G3: `bytes` is what the names cost, `own_bytes` what the consumers' sets do.

use std::collections::BTreeMap;

use super::block::Entry;
use super::id::StreamId;
use super::log::Log;
use super::tree_entry_bytes;
use crate::structures::ordered::Ordered;

/// Names a consumer within its group, for as long as the consumer is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConsumerIndex(u32);

impl ConsumerIndex {
    fn position(self) -> usize {
        usize::try_from(self.0).expect("32 bits")
    }
}

/// A consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    own: Ordered<StreamId, ()>,
    seen_ms: i64,
    active_ms: Option<i64>,
}

impl Consumer {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Number of its pending entries.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.own.len()
    }

    /// The ids of its pending entries, in order.
    pub fn pending_ids(&self) -> impl Iterator<Item = StreamId> {
        self.own.iter().map(|(id, ())| id)
    }

    /// When it last asked for anything, in Unix milliseconds.
    #[must_use]
    pub const fn seen_ms(&self) -> i64 {
        self.seen_ms
    }

    /// When it last got an entry.
    #[must_use]
    pub const fn active_ms(&self) -> Option<i64> {
        self.active_ms
    }
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Pending<'a> {
    /// The entry's id; the entry may have been removed.
    pub id: StreamId,
    /// Whose it is.
    pub consumer: &'a Consumer,
    /// When it was delivered last, in Unix milliseconds.
    pub delivered_ms: i64,
    /// How often it was delivered.
    pub deliveries: i64,
}

#[derive(Clone, Copy, Debug)]
struct Delivery {
    delivered_ms: i64,
    deliveries: i64,
    consumer: ConsumerIndex,
}

/// How entries change hands: the options of XCLAIM.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Entries delivered less than this many milliseconds ago stay where they are; zero for none.
    pub idle_ms_min: i64,
    /// The delivery time that they get.
    pub delivered_ms: i64,
    /// The number of deliveries that they get; one more than before if absent.
    pub deliveries: Option<i64>,
    /// Entries that are not pending become so.
    pub force: bool,
    /// Only ids are wanted, which does not count as a delivery.
    pub only_ids: bool,
}

/// What became of an entry that was to be claimed.
#[derive(Clone, Copy, Debug)]
pub enum Claimed<'a> {
    /// It is the consumer's now.
    Entry(Entry<'a>),
    /// It had been removed from the stream, and is pending no more.
    Gone,
    /// It is not pending, or was delivered too recently.
    Refused,
}

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    last_id: StreamId,
    entries_read: Option<i64>,
    pending: Ordered<StreamId, Delivery>,
    /// Bytes of what the consumers own.
    own_bytes: usize,
    names: BTreeMap<Box<[u8]>, ConsumerIndex>,
    consumers: Vec<Option<Consumer>>,
    vacant: Vec<ConsumerIndex>,
    bytes: usize,
}

impl Group {
    /// A group without consumers that has read up to `last_id`, which was the entry number
    /// `entries_read` if that is known.
    #[must_use]
    pub fn new(last_id: StreamId, entries_read: Option<i64>) -> Self {
        Self {
            last_id,
            entries_read,
            pending: Ordered::default(),
            own_bytes: 0,
            names: BTreeMap::new(),
            consumers: Vec::new(),
            vacant: Vec::new(),
            bytes: 0,
        }
    }

    /// The greatest id that was delivered.
    #[must_use]
    pub const fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// How many entries of the stream's life it has read, if that is known.
    #[must_use]
    pub const fn entries_read(&self) -> Option<i64> {
        self.entries_read
    }

    /// Sets how far it has read.
    pub const fn set_last(&mut self, last_id: StreamId, entries_read: Option<i64>) {
        self.last_id = last_id;
        self.entries_read = entries_read;
    }

    /// Moves it forward, without a delivery. XCLAIM's LASTID.
    pub fn skip_to(&mut self, last_id: StreamId) {
        self.last_id = self.last_id.max(last_id);
    }

    /// How many entries it has yet to read, if that can be known.
    #[must_use]
    pub fn lag(&self, log: &Log) -> Option<i64> {
        if log.added() == 0 {
            return Some(0);
        }
        let read = match self.entries_read {
            Some(read) if !log.has_hole_from(self.last_id) => Some(read),
            _ => log.number_of(self.last_id),
        };
        read.map(|read| log.added().wrapping_sub(read))
    }

    /// Bytes of memory, without the group itself. Cost: O(1).
    ///
    /// The names' share is an estimate: the standard library does not tell.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes
            + self.pending.memory()
            + self.own_bytes
            + self.consumers.capacity() * size_of::<Option<Consumer>>()
            + self.vacant.capacity() * size_of::<ConsumerIndex>()
    }

    // --- Consumers --------------------------------------------------------------------------

    /// Number of consumers.
    #[must_use]
    pub fn consumer_count(&self) -> usize {
        self.names.len()
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> {
        self.names.values().map(|index| self.consumer(*index))
    }

    /// The consumer with this name.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<ConsumerIndex> {
        self.names.get(name).copied()
    }

    /// The consumer behind an index.
    ///
    /// # Panics
    /// If the consumer has been removed.
    #[must_use]
    pub fn consumer(&self, index: ConsumerIndex) -> &Consumer {
        self.consumers[index.position()].as_ref().expect("the consumer is there")
    }

    fn consumer_mut(&mut self, index: ConsumerIndex) -> &mut Consumer {
        self.consumers[index.position()].as_mut().expect("the consumer is there")
    }

    /// Makes a consumer; `None` if there is one with this name.
    pub fn create(&mut self, name: &[u8], now_ms: i64) -> Option<ConsumerIndex> {
        if self.names.contains_key(name) {
            return None;
        }
        let consumer = Consumer {
            name: name.into(),
            own: Ordered::default(),
            seen_ms: now_ms,
            active_ms: None,
        };
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.consumers.push(None);
            let last = u32::try_from(self.consumers.len() - 1).expect("fewer than 2^32 consumers");
            ConsumerIndex(last)
        });
        self.consumers[index.position()] = Some(consumer);
        self.names.insert(name.into(), index);
        self.bytes += Self::name_bytes(name);
        Some(index)
    }

    /// The consumer with this name, made if absent, who has just been seen; and whether it was
    /// made.
    pub fn meet(&mut self, name: &[u8], now_ms: i64) -> (ConsumerIndex, bool) {
        if let Some(index) = self.find(name) {
            self.consumer_mut(index).seen_ms = now_ms;
            return (index, false);
        }
        (self.create(name, now_ms).expect("it was looked for"), true)
    }

    /// Removes a consumer and what is pending for it; answers how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let index = self.names.remove(name)?;
        let consumer = self.consumers[index.position()].take().expect("named (G2)");
        for (id, ()) in consumer.own.iter() {
            self.pending.remove(id);
        }
        self.own_bytes -= consumer.own.memory();
        self.vacant.push(index);
        self.bytes -= Self::name_bytes(name);
        Some(consumer.own.len())
    }

    fn name_bytes(name: &[u8]) -> usize {
        2 * name.len() + tree_entry_bytes::<Box<[u8]>, ConsumerIndex>()
    }

    // --- Pending entries --------------------------------------------------------------------

    /// Number of pending entries.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// The first and the last id that is pending.
    #[must_use]
    pub fn pending_ends(&self) -> Option<(StreamId, StreamId)> {
        let (first, _) = self.pending.first()?;
        let (last, _) = self.pending.last()?;
        Some((first, last))
    }

    /// Pending entries with ids from `start` to `end`, in order.
    pub fn pending(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Pending<'_>> {
        let range = self.pending.from(start).take_while(move |(id, _)| *id <= end);
        range.map(|(id, delivery)| self.describe(id, delivery))
    }

    /// The same of one consumer.
    pub fn pending_of(
        &self,
        index: ConsumerIndex,
        start: StreamId,
        end: StreamId,
    ) -> impl Iterator<Item = Pending<'_>> {
        let own = &self.consumer(index).own;
        own.from(start).take_while(move |(id, ())| *id <= end).map(|(id, ())| {
            let delivery = self.pending.get(id).expect("its own is pending (G1)");
            self.describe(id, *delivery)
        })
    }

    fn describe(&self, id: StreamId, delivery: Delivery) -> Pending<'_> {
        let Delivery { delivered_ms, deliveries, consumer } = delivery;
        Pending { id, consumer: self.consumer(consumer), delivered_ms, deliveries }
    }

    /// Whether the group has yet to read something.
    #[must_use]
    pub fn has_news(&self, log: &Log) -> bool {
        log.last_id() > self.last_id && log.greatest_id().is_some_and(|id| id > self.last_id)
    }

    /// Gives a consumer up to `count` entries that the group has not read (zero for all), which
    /// become pending unless `forget`; `take` gets each.
    ///
    /// Cost: O(log n) for each.
    pub fn deliver<'l>(
        &mut self,
        log: &'l Log,
        consumer: ConsumerIndex,
        count: usize,
        forget: bool,
        now_ms: i64,
        mut take: impl FnMut(Entry<'l>),
    ) {
        let Some(start) = self.last_id.next() else { return };
        let limit = if count == 0 { usize::MAX } else { count };
        for entry in log.range(start, StreamId::MAX).take(limit) {
            let id = entry.id();
            self.entries_read = match self.entries_read {
                Some(read) if !log.has_hole_from(id) => Some(read.saturating_add(1)),
                _ => log.number_of(id),
            };
            self.last_id = id;
            take(entry);
            if !forget {
                let delivery = Delivery { delivered_ms: now_ms, deliveries: 1, consumer };
                self.assign(id, delivery);
                self.consumer_mut(consumer).active_ms = Some(now_ms);
            }
        }
    }

    /// Sets when a consumer last got an entry.
    pub(super) fn set_active(&mut self, consumer: ConsumerIndex, active_ms: Option<i64>) {
        self.consumer_mut(consumer).active_ms = active_ms;
    }

    /// Makes an entry pending as it was, whether it is in the stream or not.
    pub(crate) fn restore_pending(
        &mut self,
        id: StreamId,
        consumer: ConsumerIndex,
        delivered_ms: i64,
        deliveries: i64,
    ) {
        self.assign(id, Delivery { delivered_ms, deliveries, consumer });
    }

    /// Makes an entry pending, or another's.
    fn assign(&mut self, id: StreamId, delivery: Delivery) {
        let old = self.pending.insert(id, delivery);
        if let Some(old) = old
            && old.consumer != delivery.consumer
        {
            self.change_own(old.consumer, |own| own.remove(id));
        }
        self.change_own(delivery.consumer, |own| own.insert(id, ()));
    }

    /// Changes what a consumer owns, and keeps the sum of its bytes.
    fn change_own(
        &mut self,
        index: ConsumerIndex,
        change: impl FnOnce(&mut Ordered<StreamId, ()>) -> Option<()>,
    ) {
        let own = &mut self.consumer_mut(index).own;
        let before = own.memory();
        change(own);
        let after = own.memory();
        self.own_bytes = self.own_bytes - before + after;
    }

    /// Gives a consumer once more up to `count` of its pending entries (zero for all) with ids
    /// above `after`; `take` gets each, or nothing for one that was removed from the stream.
    pub fn repeat<'l>(
        &mut self,
        log: &'l Log,
        consumer: ConsumerIndex,
        after: StreamId,
        count: usize,
        now_ms: i64,
        mut take: impl FnMut(StreamId, Option<Entry<'l>>),
    ) {
        let Some(start) = after.next() else { return };
        let limit = if count == 0 { usize::MAX } else { count };
        let own = self.consumers[consumer.position()].as_ref().expect("the consumer is there");
        for (id, ()) in own.own.from(start).take(limit) {
            let entry = log.get(id);
            if entry.is_some() {
                let delivery = self.pending.get_mut(id).expect("its own is pending (G1)");
                delivery.delivered_ms = now_ms;
                delivery.deliveries = delivery.deliveries.saturating_add(1);
            }
            take(id, entry);
        }
    }

    /// Forgets a pending entry; false if it was not pending. Cost: O(log n).
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(delivery) = self.pending.remove(id) else { return false };
        self.change_own(delivery.consumer, |own| own.remove(id));
        true
    }

    /// Gives a pending entry to a consumer.
    pub fn claim<'l>(
        &mut self,
        log: &'l Log,
        id: StreamId,
        consumer: ConsumerIndex,
        claim: &Claim,
        now_ms: i64,
    ) -> Claimed<'l> {
        let Some(entry) = log.get(id) else {
            return if self.acknowledge(id) { Claimed::Gone } else { Claimed::Refused };
        };
        let old = self.pending.get(id).copied();
        let deliveries = match old {
            // A new one counts as delivered once before it is claimed.
            None if claim.force => 1,
            None => return Claimed::Refused,
            Some(old) => {
                let idle_ms = now_ms.saturating_sub(old.delivered_ms);
                if claim.idle_ms_min > 0 && idle_ms < claim.idle_ms_min {
                    return Claimed::Refused;
                }
                old.deliveries
            }
        };
        let more = i64::from(!claim.only_ids);
        let deliveries = claim.deliveries.unwrap_or(deliveries.saturating_add(more));
        self.assign(id, Delivery { delivered_ms: claim.delivered_ms, deliveries, consumer });
        self.consumer_mut(consumer).active_ms = Some(now_ms);
        Claimed::Entry(entry)
    }

    /// The first id from `start` on that is pending.
    #[must_use]
    pub fn pending_from(&self, start: StreamId) -> Option<StreamId> {
        self.pending.from(start).next().map(|(id, _)| id)
    }

    /// Checks the invariants; for tests.
    ///
    /// # Panics
    /// If one does not hold.
    pub(super) fn check(&self) {
        let (mut own, mut own_bytes) = (0, 0);
        for (name, index) in &self.names {
            let consumer = self.consumer(*index);
            assert_eq!(consumer.name, *name, "G2");
            own += consumer.own.len();
            for (id, ()) in consumer.own.iter() {
                assert_eq!(self.pending.get(id).map(|one| one.consumer), Some(*index), "G1");
            }
            own_bytes += consumer.own.memory();
        }
        assert_eq!(own_bytes, self.own_bytes, "G3");
        assert_eq!(own, self.pending.len(), "G1");
        assert_eq!(self.consumers.len(), self.names.len() + self.vacant.len(), "G2");
    }
}

/// Where groups stand in the log. The rules are Redis's, whose answers clients compare.
impl Log {
    /// Whether an entry from `start` on was removed by XDEL, as far as is recorded.
    fn has_hole_from(&self, start: StreamId) -> bool {
        let deleted = self.max_deleted_id();
        !self.is_empty()
            && deleted != StreamId::MIN
            && self.first_id() <= deleted
            && start <= deleted
    }

    /// How many entries were added up to and with this id, where that follows from what is
    /// recorded: for the last id, and for the first and those before it if XDEL left no hole.
    #[must_use]
    pub fn number_of(&self, id: StreamId) -> Option<i64> {
        let len = i64::try_from(self.len()).expect("entries take memory");
        if self.added() == 0 {
            return Some(0);
        }
        if id == self.last_id() || self.is_empty() && id < self.last_id() {
            return Some(self.added());
        }
        if id > self.last_id() {
            return None;
        }
        let deleted = self.max_deleted_id();
        if deleted != StreamId::MIN && deleted >= self.first_id() {
            return None;
        }
        match id.cmp(&self.first_id()) {
            std::cmp::Ordering::Less => Some(self.added().wrapping_sub(len)),
            std::cmp::Ordering::Equal => Some(self.added().wrapping_sub(len).wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }
}
