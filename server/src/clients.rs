//! The connections of all reactors, for those who ask about them.
//!
//! Why it exists: CLIENT LIST and KILL look at connections of other reactors without stopping
//! them. Each connection has a record of its own that only its reactor writes, with plain
//! stores once per turn; the list of records changes only when connections come and go (I2).

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::sync::{AtomicU64, Counter, Ordering};

use crate::blocked::BlockedClient;
use crate::net::Peer;

/// What others may know of a connection.
#[derive(Debug)]
pub(crate) struct ClientRecord {
    /// Never reused.
    pub(crate) id: u64,
    /// The reactor it lives on.
    pub(crate) reactor: usize,
    /// Both ends.
    pub(crate) peer: Peer,
    /// The peer's address as CLIENT LIST shows it.
    pub(crate) address: String,
    /// Its descriptor.
    pub(crate) descriptor: RawFd,
    /// When it came, Unix milliseconds.
    pub(crate) created_ms: u64,
    /// When it last sent something, Unix milliseconds.
    pub(crate) active_ms: Counter,
    /// The selected database.
    pub(crate) db: Counter,
    /// Commands queued by MULTI plus one; 0 outside.
    pub(crate) multi: Counter,
    /// Keys watched.
    pub(crate) watch: Counter,
    /// Bytes of unfinished requests.
    pub(crate) query_bytes: Counter,
    /// Bytes of replies that wait in the first buffer and in the queue behind it.
    pub(crate) output_bytes: Counter,
    /// Segments of the queue.
    pub(crate) output_segments: Counter,
    /// Channels subscribed to.
    pub(crate) channels: Counter,
    /// Patterns subscribed to.
    pub(crate) patterns: Counter,
    /// Shard channels subscribed to.
    pub(crate) shard_channels: Counter,
    /// CLIENT TRACKING: 1 for on, 2 for a broken redirection, 4 for BCAST.
    pub(crate) tracking: Counter,
    /// The client that gets its invalidations, 0 for itself, -1 without tracking.
    pub(crate) redirect: Counter,
    /// Protocol version.
    pub(crate) version: Counter,
    /// Whether it gets the MONITOR stream, is exempt from eviction, and does not touch clocks.
    pub(crate) monitor: Counter,
    /// See `monitor`.
    pub(crate) no_evict: Counter,
    /// See `monitor`.
    pub(crate) no_touch: Counter,
    /// Id of the last command's row plus one.
    pub(crate) last_command: Counter,
    /// The blocking command it waits in.
    blocked: Mutex<Option<Arc<BlockedClient>>>,
    words: Mutex<Words>,
}

/// What a client says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    /// CLIENT SETNAME.
    pub(crate) name: String,
    /// CLIENT SETINFO LIB-NAME.
    pub(crate) library: String,
    /// CLIENT SETINFO LIB-VER.
    pub(crate) library_version: String,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whole values are stored; nothing is half-done behind a poisoned lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientRecord {
    /// What the client says of itself.
    #[must_use]
    pub(crate) fn words(&self) -> Words {
        lock(&self.words).clone()
    }

    /// The blocking command it waits in.
    #[must_use]
    pub(crate) fn blocked(&self) -> Option<Arc<BlockedClient>> {
        lock(&self.blocked).clone()
    }

    /// Says in which blocking command it waits.
    pub(crate) fn set_blocked(&self, blocked: Option<Arc<BlockedClient>>) {
        *lock(&self.blocked) = blocked;
    }

    /// Changes what the client says of itself.
    pub(crate) fn change_words(&self, change: impl FnOnce(&mut Words)) {
        change(&mut lock(&self.words));
    }

    /// Whether it has a subscription.
    #[must_use]
    pub(crate) fn is_subscriber(&self) -> bool {
        self.channels.get() + self.patterns.get() + self.shard_channels.get() > 0
    }

    /// The flags of CLIENT LIST.
    fn flags(&self) -> String {
        let mut flags = String::new();
        let known = [
            ('O', self.monitor.get() != 0),
            ('P', self.is_subscriber()),
            ('x', self.multi.get() != 0),
            ('b', self.blocked().is_some()),
            ('t', self.tracking.get() & 1 != 0),
            ('R', self.tracking.get() & 2 != 0),
            ('B', self.tracking.get() & 4 != 0),
            ('U', matches!(self.peer, Peer::Unix(_))),
            ('e', self.no_evict.get() != 0),
            ('T', self.no_touch.get() != 0),
        ];
        flags.extend(known.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag));
        if flags.is_empty() {
            flags.push('N');
        }
        flags
    }

    /// One line of CLIENT LIST, without its line end.
    #[must_use]
    pub(crate) fn line(&self, now_ms: u64) -> String {
        let words = self.words();
        let seconds = |since: u64| now_ms.saturating_sub(since) / 1_000;
        let command = match self.last_command.get() {
            0 => "NULL",
            id => engine::commands::all()
                .get(usize::try_from(id - 1).expect("a row"))
                .map_or("NULL", |row| row.name),
        };
        let multi = self.multi.get().cast_signed() - 1;
        let queue = self.query_bytes.get();
        let output = self.output_bytes.get();
        let mut line = String::with_capacity(320);
        let written = write!(
            line,
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} \
             ssub={} multi={} watch={} qbuf={} qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 \
             obl={} oll={} omem={} tot-mem={} events=r cmd={} user=default redir={} resp={} \
             lib-name={} lib-ver={}",
            self.id,
            self.address,
            self.peer.local_address(),
            self.descriptor,
            words.name,
            seconds(self.created_ms),
            seconds(self.active_ms.get()),
            self.flags(),
            self.db.get(),
            self.channels.get(),
            self.patterns.get(),
            self.shard_channels.get(),
            multi,
            self.watch.get(),
            queue,
            output,
            self.output_segments.get(),
            output,
            queue + output,
            command,
            self.redirect.get().cast_signed(),
            self.version.get(),
            words.library,
            words.library_version,
        );
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        line
    }
}

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// `maxclients` is reached.
    Clients,
    /// `maxclients-per-ip` is reached.
    PerAddress,
}

#[derive(Debug, Default)]
struct Table {
    records: BTreeMap<u64, Arc<ClientRecord>>,
    per_address: HashMap<IpAddr, u32>,
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    last_id: AtomicU64,
    table: Mutex<Table>,
}

impl Clients {
    /// Admits a connection, unless a limit is reached. A limit of 0 is none.
    ///
    /// # Errors
    /// [`Refused`] says which limit.
    pub(crate) fn admit(
        &self,
        peer: Peer,
        descriptor: RawFd,
        reactor: usize,
        now_ms: u64,
        (clients_max, per_ip_max): (u32, u32),
    ) -> Result<Arc<ClientRecord>, Refused> {
        let mut table = lock(&self.table);
        if clients_max > 0 && table.records.len() >= clients_max as usize {
            return Err(Refused::Clients);
        }
        if let Some(ip) = peer.ip() {
            let count = table.per_address.entry(ip).or_default();
            if per_ip_max > 0 && *count >= per_ip_max {
                return Err(Refused::PerAddress);
            }
            *count += 1;
        }
        // ORDER: Relaxed (unpaired); ids only have to differ.
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let counter = |value: u64| {
            let counter = Counter::default();
            counter.set(value);
            counter
        };
        let record = Arc::new(ClientRecord {
            id,
            reactor,
            address: peer.address(),
            peer,
            descriptor,
            created_ms: now_ms,
            active_ms: counter(now_ms),
            db: Counter::default(),
            multi: Counter::default(),
            watch: Counter::default(),
            query_bytes: Counter::default(),
            output_bytes: Counter::default(),
            output_segments: Counter::default(),
            channels: Counter::default(),
            patterns: Counter::default(),
            shard_channels: Counter::default(),
            tracking: Counter::default(),
            redirect: counter(u64::MAX),
            version: counter(2),
            monitor: Counter::default(),
            no_evict: Counter::default(),
            no_touch: Counter::default(),
            last_command: Counter::default(),
            blocked: Mutex::default(),
            words: Mutex::default(),
        });
        table.records.insert(id, Arc::clone(&record));
        Ok(record)
    }

    /// Forgets a connection that was closed, or is about to be.
    pub(crate) fn remove(&self, record: &ClientRecord) {
        let mut table = lock(&self.table);
        if table.records.remove(&record.id).is_none() {
            return;
        }
        if let Some(ip) = record.peer.ip()
            && let Some(count) = table.per_address.get_mut(&ip)
        {
            *count -= 1;
            if *count == 0 {
                table.per_address.remove(&ip);
            }
        }
    }

    /// Number of connections.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        lock(&self.table).records.len()
    }

    /// The connection with this id.
    #[must_use]
    pub(crate) fn find(&self, id: u64) -> Option<Arc<ClientRecord>> {
        lock(&self.table).records.get(&id).cloned()
    }

    /// All connections, oldest first.
    #[must_use]
    pub(crate) fn all(&self) -> Vec<Arc<ClientRecord>> {
        lock(&self.table).records.values().cloned().collect()
    }
}
