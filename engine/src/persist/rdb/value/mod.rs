//! Values as bytes: every type, to be read by Redis or by ourselves.
//!
//! Why it exists: DUMP, dump files, our snapshots and the log's images of whole values need one
//! form. It is that of RDB: Redis reads it, and its small collections are our packed blocks with a
//! header around them.
//!
//! ```text
//! value    type byte (kept apart by every container) | bytes
//!
//! written  0 string | 2 set | 4 hash | 5 sorted set | 11 intset | 16 hash, listpack
//!          17 sorted set, listpack | 18 list | 19 stream | 24, 25 hash with deadlines
//! ours     20 set, listpack | 21 stream | 200 time series
//! read     also 1, 3, 9, 10, 12 to 15, 22, 23: what older versions wrote
//! ```
//!
//! Invariants
//! - D1: what is decoded is sound: packed blocks are canonical (listpack, L2), nothing is twice in
//!   a set, a hash or a sorted set, whatever the bytes were. No input panics.
//! - D2: memory while decoding is bounded by what the input can hold: counts are not believed.

mod decode;
mod encode;
mod extent;
mod listpack;
#[doc(hidden)]
pub mod properties;
mod series;
mod stream_in;
mod stream_out;
#[cfg(all(test, not(loom)))]
mod tests;
mod ziplist;

use crate::object::ObjectRef;
use crate::structures::stream::Stream;
use crate::values::hash::{Hash, HashRef};
use crate::values::list::{List, ListRef};
use crate::values::set::{Set, SetRef};
use crate::values::sorted_set::{SortedSet, SortedSetRef};
use crate::values::time_series::TimeSeries;
use crate::{Change, Collection, Kind, NewText, Put, Record, Stored, Text, Thresholds};

pub(crate) use decode::module_name;
pub use decode::{decode, decode_from};
pub use encode::{encode, type_byte};
pub use extent::extent;
pub(crate) use extent::skip_parts as skip_module;

/// The type bytes of RDB.
pub(crate) mod code {
    pub(crate) const STRING: u8 = 0;
    pub(crate) const LIST: u8 = 1;
    pub(crate) const SET: u8 = 2;
    pub(crate) const ZSET: u8 = 3;
    pub(crate) const HASH: u8 = 4;
    pub(crate) const ZSET_2: u8 = 5;
    pub(crate) const MODULE: u8 = 6;
    pub(crate) const MODULE_2: u8 = 7;
    pub(crate) const HASH_ZIPMAP: u8 = 9;
    pub(crate) const LIST_ZIPLIST: u8 = 10;
    pub(crate) const SET_INTSET: u8 = 11;
    pub(crate) const ZSET_ZIPLIST: u8 = 12;
    pub(crate) const HASH_ZIPLIST: u8 = 13;
    pub(crate) const LIST_QUICKLIST: u8 = 14;
    pub(crate) const STREAM: u8 = 15;
    pub(crate) const HASH_LISTPACK: u8 = 16;
    pub(crate) const ZSET_LISTPACK: u8 = 17;
    pub(crate) const LIST_QUICKLIST_2: u8 = 18;
    pub(crate) const STREAM_2: u8 = 19;
    pub(crate) const SET_LISTPACK: u8 = 20;
    pub(crate) const STREAM_3: u8 = 21;
    /// Deadlines as they are; written by release candidates of 7.4 only.
    pub(crate) const HASH_TIMED_RC: u8 = 22;
    /// The same in a listpack.
    pub(crate) const HASH_LISTPACK_TIMED_RC: u8 = 23;
    pub(crate) const HASH_TIMED: u8 = 24;
    pub(crate) const HASH_LISTPACK_TIMED: u8 = 25;
    /// Ours: far from the types of Redis, which count up, and from its opcodes, which count down.
    pub(crate) const TIME_SERIES: u8 = 200;
}

/// Containers of a list's node: one element, or a listpack.
pub(crate) const NODE_PLAIN: u64 = 1;
pub(crate) const NODE_PACKED: u64 = 2;

/// For whom a value is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Style {
    /// Whether the newest type of everything is used, which keeps all there is to know. If not,
    /// what Redis 7.0 reads is used wherever it can say the same.
    pub newest: bool,
    /// Whether strings are compressed.
    pub lzf: bool,
}

impl Style {
    /// For ourselves: everything is kept, and whoever stores it compresses.
    pub const OWN: Self = Self { newest: true, lzf: false };
    /// For Redis 7.0 and later.
    pub const REDIS: Self = Self { newest: false, lzf: true };
}

/// The lowest RDB version that has a type: what a dump for Redis says it is.
#[must_use]
pub const fn version_of(type_byte: u8) -> u16 {
    match type_byte {
        code::ZSET_2 | code::MODULE_2 => 8,
        code::STREAM => 9,
        code::HASH_LISTPACK..=code::STREAM_2 => 10,
        code::SET_LISTPACK | code::STREAM_3 => 11,
        code::HASH_TIMED_RC..=code::HASH_LISTPACK_TIMED => 12,
        // The first version with DUMP; it has all the others.
        _ => 6,
    }
}

/// The newest version of RDB that is read.
pub const VERSION_MAX: u16 = 12;

/// A value that is being read.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each variant is the type it is named after")]
pub enum ValueRef<'a> {
    Hash(HashRef<'a>),
    List(ListRef<'a>),
    Set(SetRef<'a>),
    SortedSet(SortedSetRef<'a>),
    Stream(&'a Stream),
    Text(Text<'a>),
    TimeSeries(&'a TimeSeries),
}

impl<'a> ValueRef<'a> {
    /// The value of a record that holds a string or a packed block; `None` for objects.
    pub(crate) fn of_record(record: &'a Record) -> Option<Self> {
        match (record.text(), record.packed()) {
            (Some(text), _) => Some(Self::Text(text)),
            (None, Some((code, bytes))) => Some(Self::of_packed(record.kind(), code, bytes)),
            (None, None) => None,
        }
    }

    /// The value of a packed block.
    pub(crate) fn of_packed(kind: Kind, code: u8, bytes: &'a [u8]) -> Self {
        match kind {
            Kind::Hash => Self::Hash(Hash::view(code, bytes)),
            Kind::List => Self::List(List::view(code, bytes)),
            Kind::Set => Self::Set(Set::view(code, bytes)),
            Kind::SortedSet => Self::SortedSet(SortedSet::view(code, bytes)),
            Kind::Stream => Self::Stream(Stream::view(code, bytes)),
            Kind::TimeSeries => Self::TimeSeries(TimeSeries::view(code, bytes)),
            Kind::String => unreachable!("a string is no packed collection"),
        }
    }

    /// The value of an object.
    ///
    /// # Safety
    /// The body may be read for `'a`: the caller is an announced reader, holds the latch, or is
    /// the object's only owner (object.rs, B2).
    pub(crate) unsafe fn of_object(object: &'a ObjectRef) -> Self {
        /// The body as readers see it.
        ///
        /// # Safety
        /// As for [`ValueRef::of_object`].
        unsafe fn view<T: Collection>(object: &ObjectRef) -> T::Ref<'_> {
            // SAFETY: guaranteed by the caller.
            unsafe { &*object.body::<T>() }.as_ref()
        }
        match object.kind() {
            // SAFETY: guaranteed by the caller.
            Kind::Hash => Self::Hash(unsafe { view::<Hash>(object) }),
            // SAFETY: guaranteed by the caller.
            Kind::List => Self::List(unsafe { view::<List>(object) }),
            // SAFETY: guaranteed by the caller.
            Kind::Set => Self::Set(unsafe { view::<Set>(object) }),
            // SAFETY: guaranteed by the caller.
            Kind::SortedSet => Self::SortedSet(unsafe { view::<SortedSet>(object) }),
            // SAFETY: guaranteed by the caller.
            Kind::Stream => Self::Stream(unsafe { view::<Stream>(object) }),
            // SAFETY: guaranteed by the caller.
            Kind::TimeSeries => Self::TimeSeries(unsafe { view::<TimeSeries>(object) }),
            Kind::String => unreachable!("a string is no object"),
        }
    }

    /// Its type.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Hash(_) => Kind::Hash,
            Self::List(_) => Kind::List,
            Self::Set(_) => Kind::Set,
            Self::SortedSet(_) => Kind::SortedSet,
            Self::Stream(_) => Kind::Stream,
            Self::Text(_) => Kind::String,
            Self::TimeSeries(_) => Kind::TimeSeries,
        }
    }
}

/// What decoding has to know about the engine.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// When collections change their form.
    pub thresholds: Thresholds,
    /// The secret seed for tables ([`crate::Context::table_seed`]).
    pub seed: u64,
}

impl Rules {
    fn list(&self) -> crate::values::list::Rules {
        let Thresholds { list_size_max, list_compress_depth, .. } = self.thresholds;
        crate::values::list::Rules::from_settings(list_size_max, list_compress_depth)
    }

    fn hash(&self) -> crate::values::hash::Limits {
        crate::values::hash::Limits {
            entries_max: self.thresholds.hash_entries_max,
            value_max: self.thresholds.hash_value_max,
            seed: self.seed,
        }
    }

    fn set(&self) -> crate::values::set::Rules {
        crate::values::set::Rules::new(&self.thresholds, self.seed)
    }

    fn sorted_set(&self) -> crate::values::sorted_set::Rules {
        crate::values::sorted_set::Rules::new(&self.thresholds, self.seed)
    }
}

/// A value on its way into the keyspace.
#[derive(Clone, Debug)]
pub enum Loaded<'v> {
    /// A collection.
    Stored(Stored),
    /// A string.
    Text(NewText<'v>),
}

impl<'v> Loaded<'v> {
    /// The change that stores it under a deadline.
    #[must_use]
    pub fn into_change(self, expire_at_ms: Option<u64>) -> Change<'v> {
        match self {
            Self::Stored(stored) => Change::Store(stored, expire_at_ms),
            Self::Text(text) => Change::Put(Put { text, expire_at_ms }),
        }
    }

    /// Calls `read` with the value, for those who encode it again.
    pub fn with_ref<R>(&self, read: impl FnOnce(ValueRef<'_>) -> R) -> R {
        use crate::collection::Shape;
        match self {
            Self::Text(text) => read(ValueRef::Text(text.as_text())),
            Self::Stored(Stored(Shape::Packed { kind, code, bytes })) => {
                read(ValueRef::of_packed(*kind, *code, bytes))
            }
            Self::Stored(Stored(Shape::Object(object))) => {
                // SAFETY: not in the keyspace yet, so nobody edits it.
                read(unsafe { ValueRef::of_object(object) })
            }
        }
    }
}
