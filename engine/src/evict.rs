//! Staying under `maxmemory`: which keys go.
//!
//! Why it exists: the policies of Redis, by sampling as Redis does it, and S3-FIFO (Yang et al.,
//! "FIFO Queues Are All You Need for Cache Eviction", SOSP 2023), which beats LRU's hit ratio
//! on skewed traces with scans. The access clock of a record (24 bits) means what the policy
//! needs: seconds for the LRU kind, minutes and a logarithmic counter for the LFU kind, a count
//! up to three for S3-FIFO.
//!
//! The S3-FIFO queues hold hashes, not pointers: a key that is gone by the time its turn comes
//! is skipped. Each session queues the keys it inserts, behind a lock of its own that only an
//! evicting session contends for; queues are kept only while the policy is S3-FIFO.

use std::collections::{HashSet, VecDeque};
use std::sync::PoisonError;

use zumic_error::CommandError;

use crate::context::Context;
use crate::events::Class;
use crate::host::Halt;
use crate::intent::resolve;
use crate::record::{Header, Record};

/// Tries to find something to evict before a write is refused.
const EVICTIONS_PER_WRITE_MAX: u32 = 64;
/// Random slots looked at for one candidate.
const PROBES_MAX: u32 = 256;
/// Buckets walked for a candidate that sampling did not meet: at 20 ns each below 100 us, and
/// the next write goes on from there.
const WALK_BUCKETS_MAX: u32 = 4_096;
const LRU_CLOCK_MASK: u64 = 0x00ff_ffff;
const LFU_INITIAL: u32 = 5;
const FREQUENCY_MAX: u32 = 3;

/// Redis's `maxmemory-policy` values, and S3-FIFO.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is the policy it is named after")]
pub enum EvictionPolicy {
    AllKeysLfu,
    AllKeysLru,
    AllKeysRandom,
    AllKeysS3Fifo,
    NoEviction,
    VolatileLfu,
    VolatileLru,
    VolatileRandom,
    VolatileTtl,
}

impl EvictionPolicy {
    /// Every policy, in the order of the enum.
    pub const ALL: [Self; 9] = [
        Self::AllKeysLfu,
        Self::AllKeysLru,
        Self::AllKeysRandom,
        Self::AllKeysS3Fifo,
        Self::NoEviction,
        Self::VolatileLfu,
        Self::VolatileLru,
        Self::VolatileRandom,
        Self::VolatileTtl,
    ];

    /// The name in `maxmemory-policy`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllKeysLfu => "allkeys-lfu",
            Self::AllKeysLru => "allkeys-lru",
            Self::AllKeysRandom => "allkeys-random",
            Self::AllKeysS3Fifo => "allkeys-s3fifo",
            Self::NoEviction => "noeviction",
            Self::VolatileLfu => "volatile-lfu",
            Self::VolatileLru => "volatile-lru",
            Self::VolatileRandom => "volatile-random",
            Self::VolatileTtl => "volatile-ttl",
        }
    }

    /// Whether the access clock counts frequencies as Redis's LFU does.
    #[must_use]
    pub const fn is_lfu(self) -> bool {
        matches!(self, Self::AllKeysLfu | Self::VolatileLfu)
    }

    const fn is_volatile(self) -> bool {
        matches!(
            self,
            Self::VolatileLfu | Self::VolatileLru | Self::VolatileRandom | Self::VolatileTtl
        )
    }
}

/// What a dump says of a key's use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Redis's logarithmic counter.
    Frequency(u8),
    /// Seconds since the last access.
    Idle(u64),
}

/// The S3-FIFO queues of one session.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    small: VecDeque<(u16, u64)>,
    main: VecDeque<(u16, u64)>,
    ghost: VecDeque<(u16, u64)>,
    ghosts: HashSet<(u16, u64)>,
}

impl Queues {
    /// A key was inserted: it starts in the small queue, unless it was evicted from there lately.
    fn insert(&mut self, key: (u16, u64)) {
        if self.ghosts.remove(&key) {
            self.main.push_back(key);
        } else {
            self.small.push_back(key);
        }
    }

    /// Remembers a key that left the small queue unread.
    fn bury(&mut self, key: (u16, u64)) {
        if self.ghosts.insert(key) {
            self.ghost.push_back(key);
        }
        while self.ghost.len() > self.main.len().max(1_024) {
            let oldest = self.ghost.pop_front().expect("longer than zero");
            self.ghosts.remove(&oldest);
        }
    }
}

impl<'s> Context<'s> {
    /// Evicts until the store is below `maxmemory`.
    ///
    /// # Errors
    /// `OOM` when nothing can be evicted.
    pub(crate) fn make_room(&mut self) -> Result<(), Halt> {
        let max = self.shared.tunables.memory_max();
        if max == 0 {
            return Ok(());
        }
        for _ in 0..EVICTIONS_PER_WRITE_MAX {
            if self.memory_used() <= max {
                return Ok(());
            }
            let policy = self.shared.tunables.policy();
            let evicted = match policy {
                EvictionPolicy::NoEviction => false,
                EvictionPolicy::AllKeysS3Fifo => self.evict_fifo(),
                _ => self.evict_sampled(policy),
            };
            if !evicted {
                return Err(CommandError::OutOfMemory.into());
            }
        }
        // The write before this one was large; the ones after it go on evicting.
        Ok(())
    }

    /// Bytes used, by the books of all sessions. Cost: O(sessions * databases).
    fn memory_used(&mut self) -> u64 {
        if self.state.everyone.is_empty() || self.state.random().is_multiple_of(1_024) {
            self.state.everyone = self.shared.sessions();
        }
        let mut used = 0_u64;
        for session in &self.state.everyone {
            for books in &session.books {
                used = used.wrapping_add(books.record_bytes.get());
                used = used.wrapping_add(books.index_bytes.get());
            }
        }
        used
    }

    /// Looks at a few random keys and evicts the one that the policy values least.
    fn evict_sampled(&mut self, policy: EvictionPolicy) -> bool {
        let samples = self.shared.tunables.samples();
        let mut best: Option<(u64, u16, u64, *mut Header)> = None;
        let mut met = 0;
        for _ in 0..PROBES_MAX {
            let Some((db, hash, pointer, record)) = self.probe() else { continue };
            if policy.is_volatile() && record.expire_at_ms().is_none() {
                continue;
            }
            let worth = self.worth(policy, record);
            if best.is_none_or(|(least, ..)| worth < least) {
                best = Some((worth, db, hash, pointer));
            }
            met += 1;
            if met == samples {
                break;
            }
        }
        match best {
            Some((_, db, hash, pointer)) => self.evict(db, hash, pointer),
            None => self.evict_walking(policy),
        }
    }

    /// Evicts the worst key of the next bucket that has a candidate. Sampling fails when few of
    /// many keys have a TTL and the policy is volatile, or when the table is nearly empty.
    fn evict_walking(&mut self, policy: EvictionPolicy) -> bool {
        if policy.is_volatile() && !self.any_expires() {
            return false;
        }
        for _ in 0..WALK_BUCKETS_MAX {
            let (db, position) = self.state.eviction_walk;
            let mut met: Vec<(*mut Header, &'s Record)> = Vec::new();
            let next = match self.books_keys(db) {
                0 => None,
                _ => self.map(db).scan_bucket(position, &self.shared.residents, |word| {
                    // SAFETY: loaded under this turn's guard.
                    let (pointer, record) = unsafe { resolve::<'s>(word) };
                    let spared = policy.is_volatile() && record.expire_at_ms().is_none();
                    if !record.is_gone() && !spared {
                        met.push((pointer, record));
                    }
                }),
            };
            self.state.eviction_walk = match next {
                Some(next) => (db, next),
                None => ((db + 1) % self.databases(), 0),
            };
            let least = met.into_iter().min_by_key(|(_, record)| self.worth(policy, record));
            if let Some((pointer, record)) = least
                && self.evict(db, self.hash(record.key()), pointer)
            {
                return true;
            }
        }
        false
    }

    /// A random key of a random database that has any.
    fn probe(&mut self) -> Option<(u16, u64, *mut Header, &'s Record)> {
        let random = self.state.random();
        let databases = u64::from(self.databases());
        let start = u16::try_from(random % databases).expect("below a u16");
        let all = (0..self.databases()).map(|i| (start + i) % self.databases());
        let mut filled = all.filter(|&db| self.books_keys(db) > 0);
        let db = filled.next()?;
        let word = self.map(db).sample(self.state.random())?;
        // SAFETY: loaded under this turn's guard.
        let (pointer, record) = unsafe { resolve(word) };
        (!record.is_gone()).then(|| (db, self.hash(record.key()), pointer, record))
    }

    /// Keys of a database, by the sessions this one knows of.
    fn books_keys(&self, db: u16) -> u64 {
        let books = self.state.everyone.iter().map(|session| &session.books[usize::from(db)]);
        books.fold(0, |sum: u64, books| sum.wrapping_add(books.keys.get()))
    }

    /// Whether any key has a TTL, by the sessions this one knows of.
    fn any_expires(&self) -> bool {
        let books = self.state.everyone.iter().flat_map(|session| session.books.iter());
        books.fold(0, |sum: u64, books| sum.wrapping_add(books.expires.get())) > 0
    }

    /// What the policy thinks of a key; the least goes first.
    fn worth(&mut self, policy: EvictionPolicy, record: &Record) -> u64 {
        match policy {
            EvictionPolicy::AllKeysLfu | EvictionPolicy::VolatileLfu => {
                u64::from(self.lfu_counter(record))
            }
            EvictionPolicy::AllKeysLru | EvictionPolicy::VolatileLru => {
                u64::MAX - lru_idle_seconds(self.now_ms, record)
            }
            EvictionPolicy::VolatileTtl => record.expire_at_ms().unwrap_or(u64::MAX),
            _ => self.state.random(),
        }
    }

    /// Evicts one key if it still holds that record.
    fn evict(&mut self, db: u16, hash: u64, pointer: *mut Header) -> bool {
        // SAFETY: found under this turn's guard.
        let record: &'s Record = unsafe { Record::from_raw(pointer) };
        let done = self.remove_exactly(db, hash, pointer, record);
        if done {
            self.own.evicted.add(1);
            self.notify_in(db, Class::Evicted, "evicted", record.key());
        }
        done
    }

    /// Evicts one key by S3-FIFO from the session with the most queued keys.
    fn evict_fifo(&mut self) -> bool {
        let sessions = self.state.everyone.clone();
        let longest = sessions.iter().max_by_key(|session| {
            let queues = session.queues.lock().unwrap_or_else(PoisonError::into_inner);
            queues.small.len() + queues.main.len()
        });
        let Some(session) = longest else { return false };
        loop {
            let mut queues = session.queues.lock().unwrap_or_else(PoisonError::into_inner);
            let from_small = queues.small.len() * 10 > queues.main.len() || queues.main.is_empty();
            let next = if from_small { queues.small.pop_front() } else { queues.main.pop_front() };
            drop(queues);
            // Keys from before the policy was chosen are in no queue: sample those.
            let Some((db, hash)) = next else {
                return self.evict_sampled(EvictionPolicy::AllKeysLru);
            };
            let Some((pointer, record)) = self.by_hash(db, hash) else { continue };
            let frequency = record.access() & FREQUENCY_MAX;
            let mut queues = session.queues.lock().unwrap_or_else(PoisonError::into_inner);
            if frequency > 0 {
                let left = if from_small { 0 } else { frequency - 1 };
                record.set_access(left);
                queues.main.push_back((db, hash));
                continue;
            }
            if from_small {
                queues.bury((db, hash));
            }
            drop(queues);
            if self.evict(db, hash, pointer) {
                return true;
            }
        }
    }

    /// The live entry with this hash.
    fn by_hash(&self, db: u16, hash: u64) -> Option<(*mut Header, &'s Record)> {
        let same = |word| {
            // SAFETY: loaded under this turn's guard.
            let record = unsafe { crate::intent::key_record(word) };
            self.hash(record.key()) == hash
        };
        let word = self.map(db).find(hash, same, self.pinned(db))?;
        // SAFETY: loaded under this turn's guard.
        let (pointer, record) = unsafe { resolve(word) };
        (!record.is_gone()).then_some((pointer, record))
    }

    /// A key was inserted; S3-FIFO wants to know.
    pub(crate) fn queue_for_eviction(&mut self, db: u16, hash: u64) {
        if self.shared.tunables.policy() == EvictionPolicy::AllKeysS3Fifo {
            let queues = self.own.queues.lock();
            queues.unwrap_or_else(PoisonError::into_inner).insert((db, hash));
        }
    }

    // --- Access clocks -------------------------------------------------------------------

    /// The clock of a record that replaces `old`.
    pub(crate) fn first_access(&mut self, old: Option<&Record>) -> u32 {
        let policy = self.shared.tunables.policy();
        match (policy, old) {
            (EvictionPolicy::AllKeysS3Fifo, Some(old)) => old.access(),
            (EvictionPolicy::AllKeysS3Fifo, None) => 0,
            (policy, old) if policy.is_lfu() => match old {
                Some(old) => self.lfu_touched(old),
                None => lfu_minutes(self.now_ms) << 8 | LFU_INITIAL,
            },
            _ => lru_clock(self.now_ms),
        }
    }

    /// The clock that says this of a key, if the policy's clock says such things.
    pub(crate) fn clock_of(&self, access: Access) -> Option<u32> {
        let policy = self.shared.tunables.policy();
        match access {
            _ if policy == EvictionPolicy::AllKeysS3Fifo => None,
            Access::Frequency(count) => {
                policy.is_lfu().then(|| lfu_minutes(self.now_ms) << 8 | u32::from(count))
            }
            Access::Idle(_) if policy.is_lfu() => None,
            Access::Idle(seconds) => {
                let seconds = u32::try_from(seconds & LRU_CLOCK_MASK).expect("24 bits");
                let clock = u64::from(lru_clock(self.now_ms).wrapping_sub(seconds));
                Some(u32::try_from(clock & LRU_CLOCK_MASK).expect("24 bits"))
            }
        }
    }

    /// Notes an access. Writes the record only when its clock changes: at most once a second for
    /// LRU, ever more rarely for LFU, at most three times for S3-FIFO (I2).
    #[inline]
    pub(crate) fn touch(&mut self, record: &Record) {
        let policy = self.shared.tunables.policy();
        let before = record.access();
        let after = if policy.is_lfu() {
            self.lfu_touched(record)
        } else if policy == EvictionPolicy::AllKeysS3Fifo {
            if before & FREQUENCY_MAX == FREQUENCY_MAX { before } else { before + 1 }
        } else {
            lru_clock(self.now_ms)
        };
        if after != before {
            record.set_access(after);
        }
    }

    /// The logarithmic counter after the decay that is due.
    fn lfu_counter(&self, record: &Record) -> u32 {
        let (_, decay_minutes) = self.shared.tunables.lfu();
        let (then, counter) = (record.access() >> 8, record.access() & 0xff);
        if decay_minutes == 0 {
            return counter;
        }
        let elapsed = lfu_minutes(self.now_ms).wrapping_sub(then) & 0xffff;
        counter.saturating_sub(elapsed / decay_minutes)
    }

    /// The LFU clock after an access: Redis's probabilistic logarithmic counter.
    fn lfu_touched(&mut self, record: &Record) -> u32 {
        let (log_factor, _) = self.shared.tunables.lfu();
        let counter = self.lfu_counter(record);
        let base = u64::from(counter.saturating_sub(LFU_INITIAL));
        let odds = base * u64::from(log_factor) + 1;
        let grows = counter < 255 && self.state.random().is_multiple_of(odds);
        lfu_minutes(self.now_ms) << 8 | (counter + u32::from(grows))
    }

    /// Seconds since the last access (`OBJECT IDLETIME`); `None` while the policy counts
    /// frequencies instead.
    #[must_use]
    pub fn idle_seconds(&self, record: &Record) -> Option<u64> {
        let policy = self.shared.tunables.policy();
        if policy.is_lfu() || policy == EvictionPolicy::AllKeysS3Fifo {
            return None;
        }
        Some(lru_idle_seconds(self.now_ms, record))
    }

    /// The logarithmic access counter (`OBJECT FREQ`); `None` unless the policy is LFU.
    #[must_use]
    pub fn frequency(&self, record: &Record) -> Option<u8> {
        let lfu = self.shared.tunables.policy().is_lfu();
        lfu.then(|| u8::try_from(self.lfu_counter(record)).expect("at most 255"))
    }
}

fn lru_clock(now_ms: u64) -> u32 {
    u32::try_from((now_ms / 1_000) & LRU_CLOCK_MASK).expect("24 bits")
}

fn lru_idle_seconds(now_ms: u64, record: &Record) -> u64 {
    u64::from(lru_clock(now_ms).wrapping_sub(record.access())) & LRU_CLOCK_MASK
}

fn lfu_minutes(now_ms: u64) -> u32 {
    u32::try_from((now_ms / 60_000) & 0xffff).expect("16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_listed_in_the_order_of_the_enum() {
        for (i, policy) in EvictionPolicy::ALL.into_iter().enumerate() {
            assert_eq!(policy as usize, i, "{}", policy.name());
        }
    }

    #[test]
    fn a_key_evicted_unread_comes_back_into_the_main_queue() {
        let mut queues = Queues::default();
        queues.insert((0, 1));
        assert_eq!(queues.small.pop_front(), Some((0, 1)));
        queues.bury((0, 1));
        queues.insert((0, 1));
        assert_eq!((queues.small.len(), queues.main.len()), (0, 1));
    }

    #[test]
    fn the_ghosts_are_bounded() {
        let mut queues = Queues::default();
        for hash in 0..10_000 {
            queues.bury((0, hash));
        }
        assert_eq!(queues.ghost.len(), 1_024);
        assert_eq!(queues.ghosts.len(), 1_024);
    }
}
