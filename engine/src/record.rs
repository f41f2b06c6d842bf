//! A key and its value in one allocation.
//!
//! Why it exists: a GET must cost two cache misses (bucket, record) and a small pair no more
//! than 30 bytes over its own, so key, value, deadline, TID and access clock share one block.
//! Not for what changes in place: whoever changes a value builds another record.
//!
//! ```text
//!   0        8        12       16
//!   | tid    | meta   | lens   | [long lengths 8] [deadline 8] key … value … |
//!              |         |
//!              |         key length 8 bits, value length 24 bits
//!              kind 3, encoding 2, deadline 1, long 1, made-raw 1; access clock 24
//! ```
//!
//! Invariants
//! - R1: once published, only the access clock (upper 24 bits of `meta`), the claim of a snapshot
//!   (version.rs), and the TID of a record with an object change; the latter its editor raises
//!   under the object's latch.
//! - R2: the TID is set before the record is published, by the thread that publishes it.
//! - R3: a `Large` value is the raw pointer of a `Box<LargeString>` that the record owns; an
//!   object's is a counted reference (object.rs). A packed collection is a block of bytes.
//! - R4: a tombstone uses the access clock as a count of WATCHes that rely on it (its pins);
//!   all ones means that it is being removed and takes no more pins.
//!
//! Ordering edges
//! - `tombstone-pin`: `Record::pin`, `Record::unpin`, `Record::doom`, one atomic word; no other
//!   memory hangs on it. Both ends in one place.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::{self, NonNull};

use crate::collection;
use crate::guard::Reclaim;
use crate::kind::Kind;
use crate::map::deadline::NEVER;
use crate::object::ObjectRef;
use crate::prefetch;
use crate::slab;
use crate::sync::{AtomicU32, Ordering};
use crate::tid::Tid;
use crate::version::{ClaimNumber, Version};
use crate::{LargeString, Text};

const KIND_MASK: u32 = 0b0000_0111;
const KIND_TOMBSTONE: u32 = 7;
const ENCODING_SHIFT: u32 = 3;
const ENCODING_MASK: u32 = 0b0001_1000;
const ENCODING_RAW: u32 = 0;
const ENCODING_INT: u32 = 1;
const ENCODING_LARGE: u32 = 2;
/// Of a collection: an object. The codes below it are packed blocks.
const ENCODING_OBJECT: u32 = 3;
const HAS_DEADLINE: u32 = 1 << 5;
const HAS_LONG_LENGTHS: u32 = 1 << 6;
const MADE_RAW: u32 = 1 << 7;
const ACCESS_SHIFT: u32 = 8;
/// The widest access clock.
pub(crate) const ACCESS_MAX: u32 = 0x00ff_ffff;

const KEY_SHORT_MAX: usize = 0xff;
const VALUE_SHORT_MAX: usize = 0x00ff_ffff;
/// Longest redis string as `OBJECT ENCODING` still calls `embstr`.
const EMBSTR_BYTES_MAX: usize = 44;

/// The fixed part of a record, and the thin pointer by which slots refer to one.
#[derive(Debug)]
#[repr(C, align(8))]
pub(crate) struct Header {
    version: Version,
    meta: AtomicU32,
    lens: u32,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Header>() == 16, "the memory target counts on it");
const HEADER_BYTES: usize = size_of::<Header>();

/// One key and its value. Readers hold it by the guard of their turn.
#[repr(C)]
pub struct Record {
    header: Header,
    tail: [u8],
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("key", &String::from_utf8_lossy(self.key()))
            .field("tid", &self.tid())
            .field("tombstone", &self.is_tombstone())
            .finish_non_exhaustive()
    }
}

/// What goes into a new record.
#[derive(Clone, Debug)]
pub(crate) enum Value<'v> {
    /// Bytes in the record; `made_raw` when a command changed them in place of a SET.
    Bytes { bytes: &'v [u8], made_raw: bool },
    /// A 64-bit integer.
    Int(i64),
    /// A chunked string.
    Large(LargeString),
    /// A collection that is edited in place.
    Object(ObjectRef),
    /// A small collection: its block, and which of its type's packed encodings that is.
    Packed {
        /// Its type.
        kind: Kind,
        /// Below 3.
        code: u8,
        /// The block.
        bytes: &'v [u8],
    },
    /// Nothing: the key is deleted.
    Tombstone,
}

impl Value<'_> {
    fn bits(&self) -> u32 {
        match self {
            Self::Bytes { made_raw: false, .. } => ENCODING_RAW << ENCODING_SHIFT,
            Self::Bytes { made_raw: true, .. } => ENCODING_RAW << ENCODING_SHIFT | MADE_RAW,
            Self::Int(_) => ENCODING_INT << ENCODING_SHIFT,
            Self::Large(_) => ENCODING_LARGE << ENCODING_SHIFT,
            Self::Object(object) => object.kind() as u32 | ENCODING_OBJECT << ENCODING_SHIFT,
            Self::Packed { kind, code, .. } => {
                debug_assert!(u32::from(*code) < ENCODING_OBJECT, "three packed codes");
                *kind as u32 | u32::from(*code) << ENCODING_SHIFT
            }
            Self::Tombstone => KIND_TOMBSTONE,
        }
    }

    fn stored_bytes(&self) -> usize {
        match self {
            Self::Bytes { bytes, .. } | Self::Packed { bytes, .. } => bytes.len(),
            Self::Int(_) | Self::Large(_) | Self::Object(_) => 8,
            Self::Tombstone => 0,
        }
    }
}

/// Bytes of a record's allocation.
#[inline]
fn block_bytes(tail_bytes: usize) -> usize {
    (HEADER_BYTES + tail_bytes).next_multiple_of(align_of::<Header>())
}

#[inline]
fn layout(tail_bytes: usize) -> Layout {
    let bytes = block_bytes(tail_bytes);
    Layout::from_size_align(bytes, align_of::<Header>()).expect("far below isize::MAX")
}

/// A record that nobody else has seen: freed when dropped, unless published.
#[derive(Debug)]
pub(crate) struct NewRecord(NonNull<Header>);

impl NewRecord {
    /// Allocates and fills a record. Its TID is zero until [`NewRecord::set_tid`].
    ///
    /// Cost: one allocation, one copy of key and value.
    pub(crate) fn new(key: &[u8], value: Value<'_>, deadline_ms: Option<u64>) -> Self {
        let value_bytes = value.stored_bytes();
        let long = key.len() >= KEY_SHORT_MAX || value_bytes > VALUE_SHORT_MAX;
        let mut meta = value.bits();
        let mut prefix = 0;
        if long {
            meta |= HAS_LONG_LENGTHS;
            prefix += 8;
        }
        if deadline_ms.is_some() {
            meta |= HAS_DEADLINE;
            prefix += 8;
        }
        let tail_bytes = prefix + key.len() + value_bytes;
        let layout = layout(tail_bytes);
        // SAFETY: the layout is never empty: it holds at least a header.
        let raw = unsafe { slab::allocate(layout) };
        let Some(pointer) = NonNull::new(raw.cast::<Header>()) else { handle_alloc_error(layout) };
        let key_len = u32::try_from(key.len()).expect("keys are at most 512 MiB");
        let value_len = u32::try_from(value_bytes).expect("embedded values are small");
        let lens = if long { 0 } else { key_len | value_len << 8 };
        let header = Header { version: Version::default(), meta: AtomicU32::new(meta), lens };
        // SAFETY: freshly allocated for a header and `tail_bytes` more.
        unsafe { pointer.as_ptr().write(header) };
        // SAFETY: the tail lies behind the header inside the allocation.
        let tail_pointer = unsafe { raw.add(HEADER_BYTES) };
        let mut at = tail_pointer;
        let mut put = |bytes: &[u8]| {
            // SAFETY: the calls below write `tail_bytes` bytes in all, in order.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len()) };
            // SAFETY: stays inside the allocation or at its end.
            at = unsafe { at.add(bytes.len()) };
        };
        if long {
            put(&key_len.to_ne_bytes());
            put(&value_len.to_ne_bytes());
        }
        if let Some(deadline) = deadline_ms {
            put(&deadline.to_ne_bytes());
        }
        put(key);
        match value {
            Value::Bytes { bytes, .. } | Value::Packed { bytes, .. } => put(bytes),
            Value::Object(object) => put(&object.into_address().to_ne_bytes()),
            Value::Int(number) => put(&number.to_ne_bytes()),
            Value::Large(large) => {
                let owned = Box::into_raw(Box::new(large));
                put(&owned.expose_provenance().to_ne_bytes());
            }
            Value::Tombstone => {}
        }
        Self(pointer)
    }

    /// Sets the TID before publication (R2).
    #[inline]
    pub(crate) fn set_tid(&self, tid: Tid) {
        self.as_record().set_tid(tid);
    }

    /// Sets the access clock of the new record.
    #[inline]
    pub(crate) fn set_access(&self, access: u32) {
        self.as_record().set_access(access);
    }

    #[inline]
    pub(crate) fn as_record(&self) -> &Record {
        // SAFETY: this owns a live, initialised record.
        unsafe { Record::from_raw(self.0.as_ptr()) }
    }

    /// The pointer a slot stores.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut Header {
        self.0.as_ptr()
    }

    /// Gives the record up: the keyspace owns it now.
    #[inline]
    pub(crate) fn publish(self) -> *mut Header {
        let pointer = self.0.as_ptr();
        std::mem::forget(self);
        pointer
    }
}

impl Drop for NewRecord {
    fn drop(&mut self) {
        // SAFETY: never published, so this is the only owner.
        unsafe { Header::reclaim(self.0.as_ptr()) };
    }
}

impl Reclaim for Header {
    unsafe fn reclaim(pointer: *mut Self) {
        // SAFETY: the caller owns the record, which is live until the end of this function.
        let record = unsafe { Record::from_raw(pointer) };
        let layout = layout(record.tail.len());
        if record.is_large() {
            let owned = record.large_pointer();
            // SAFETY: R3; nobody reads this record any more.
            drop(unsafe { Box::from_raw(owned) });
        } else if let Some(object) = record.object() {
            drop(std::mem::ManuallyDrop::into_inner(object));
        }
        // SAFETY: allocated in `NewRecord::new` with this layout.
        unsafe { slab::free(pointer.cast::<u8>(), layout) };
    }
}

impl Record {
    /// Bytes from the start of a record to the last that comparing its key with `key` may load.
    pub(crate) fn key_end_of(key: &[u8]) -> usize {
        HEADER_BYTES + size_of::<u64>() + prefetch::compared(key.len()) - 1
    }

    /// The record behind a thin pointer.
    ///
    /// # Safety
    /// `pointer` came from [`NewRecord`] and the record outlives `'g`: owned, or reached under
    /// a guard that lives as long.
    #[inline]
    pub(crate) unsafe fn from_raw<'g>(pointer: *const Header) -> &'g Self {
        // SAFETY: guaranteed by the caller.
        let header = unsafe { &*pointer };
        let bits = header.bits();
        let prefix = if bits & HAS_DEADLINE != 0 { 8 } else { 0 };
        let tail_bytes = if bits & HAS_LONG_LENGTHS == 0 {
            prefix + (header.lens & 0xff) as usize + (header.lens >> 8) as usize
        } else {
            // SAFETY: long lengths follow the header directly.
            let behind = unsafe { pointer.add(1) };
            // SAFETY: eight initialised bytes at an eight-byte boundary.
            let lengths = unsafe { behind.cast::<[u32; 2]>().read() };
            8 + prefix + lengths[0] as usize + lengths[1] as usize
        };
        let fat = ptr::slice_from_raw_parts(pointer.cast::<u8>(), tail_bytes) as *const Self;
        // SAFETY: header and tail lie in one allocation of exactly this length.
        unsafe { &*fat }
    }

    #[inline]
    fn bits(&self) -> u32 {
        self.header.bits()
    }

    #[inline]
    fn encoding_bits(&self) -> u32 {
        (self.bits() & ENCODING_MASK) >> ENCODING_SHIFT
    }

    /// Offsets of key and value in the tail.
    #[inline]
    fn split(&self) -> (usize, usize) {
        let bits = self.bits();
        let mut start = if bits & HAS_DEADLINE != 0 { 8 } else { 0 };
        if bits & HAS_LONG_LENGTHS == 0 {
            return (start, start + (self.header.lens & 0xff) as usize);
        }
        start += 8;
        (start, start + self.word_u32(0) as usize)
    }

    #[inline]
    fn word_u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.tail[at..at + 4].try_into().expect("four bytes"))
    }

    #[inline]
    fn word_u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.tail[at..at + 8].try_into().expect("eight bytes"))
    }

    /// The key.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &[u8] {
        let (key, value) = self.split();
        &self.tail[key..value]
    }

    /// The type of the value.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::from_bits(self.bits())
    }

    /// The string, or `None` when the value has another type (answer `WRONGTYPE`).
    #[inline]
    #[must_use]
    pub fn text(&self) -> Option<Text<'_>> {
        if self.bits() & KIND_MASK != 0 {
            return None;
        }
        let (_, at) = self.split();
        match self.encoding_bits() {
            ENCODING_INT => Some(Text::Int(self.word_u64(at).cast_signed())),
            ENCODING_LARGE => Some(Text::Large(self.large())),
            _ => Some(Text::Slice(&self.tail[at..])),
        }
    }

    #[inline]
    fn large_pointer(&self) -> *mut LargeString {
        let (_, at) = self.split();
        let address = usize::try_from(self.word_u64(at)).expect("stored from a usize");
        ptr::with_exposed_provenance_mut(address)
    }

    #[inline]
    fn large(&self) -> &LargeString {
        // SAFETY: R3; the box lives as long as the record.
        unsafe { &*self.large_pointer() }
    }

    #[inline]
    pub(crate) fn is_large(&self) -> bool {
        self.bits() & (KIND_MASK | ENCODING_MASK) == ENCODING_LARGE << ENCODING_SHIFT
    }

    /// The collection behind the record, or `None` when the value is in it.
    #[inline]
    pub(crate) fn object(&self) -> Option<std::mem::ManuallyDrop<ObjectRef>> {
        let kind = self.bits() & KIND_MASK;
        if kind == 0 || self.encoding_bits() != ENCODING_OBJECT || kind == KIND_TOMBSTONE {
            return None;
        }
        let (_, at) = self.split();
        let address = usize::try_from(self.word_u64(at)).expect("stored from a usize");
        // SAFETY: R3; the record owns the reference and outlives this borrow of it.
        Some(unsafe { ObjectRef::borrow(address) })
    }

    /// The latch of the object behind the record.
    #[inline]
    pub(crate) fn latch(&self) -> Option<&crate::latch::Latch> {
        let object = self.object()?;
        let latch = std::ptr::from_ref(object.latch());
        // SAFETY: R3; the record owns a reference to the object and lives as long as the result.
        Some(unsafe { &*latch })
    }

    /// The packed collection in the record: which encoding, and its block.
    #[inline]
    pub(crate) fn packed(&self) -> Option<(u8, &[u8])> {
        let kind = self.bits() & KIND_MASK;
        let code = self.encoding_bits();
        if code == ENCODING_OBJECT || kind == 0 || kind == KIND_TOMBSTONE {
            return None;
        }
        let (_, at) = self.split();
        Some((u8::try_from(code).expect("two bits"), &self.tail[at..]))
    }

    /// What the value would be in another record: bytes are borrowed, chunks and objects are
    /// shared.
    pub(crate) fn value(&self) -> Value<'_> {
        match self.text() {
            None if self.is_gone() => Value::Tombstone,
            None => match (self.object(), self.packed()) {
                (Some(object), _) => Value::Object(ObjectRef::clone(&object)),
                (None, Some((code, bytes))) => Value::Packed { kind: self.kind(), code, bytes },
                (None, None) => unreachable!("a collection is an object or a block"),
            },
            Some(Text::Int(number)) => Value::Int(number),
            Some(Text::Large(large)) => Value::Large(large.clone()),
            Some(Text::Slice(bytes)) => {
                Value::Bytes { bytes, made_raw: self.bits() & MADE_RAW != 0 }
            }
        }
    }

    /// Unix time in milliseconds from which the key does not exist; `None` for never.
    #[inline]
    #[must_use]
    pub fn expire_at_ms(&self) -> Option<u64> {
        let bits = self.bits();
        if bits & HAS_DEADLINE == 0 {
            return None;
        }
        Some(self.word_u64(if bits & HAS_LONG_LENGTHS == 0 { 0 } else { 8 }))
    }

    /// When the sweep has something to do here: the key's deadline, or that of the first part of
    /// the value which has one of its own. [`NEVER`] for neither.
    #[inline]
    pub(crate) fn wake_at_ms(&self) -> u64 {
        let own = self.expire_at_ms().unwrap_or(NEVER);
        own.min(self.parts_wake_at_ms())
    }

    /// When the first part of the value expires.
    #[inline]
    pub(crate) fn parts_wake_at_ms(&self) -> u64 {
        // Asked at every write, and most are of strings.
        if self.bits() & KIND_MASK == 0 { NEVER } else { self.collection_wake_at_ms() }
    }

    fn collection_wake_at_ms(&self) -> u64 {
        match (self.object(), self.packed()) {
            (Some(object), _) => object.earliest_ms(),
            (None, Some((code, bytes))) => {
                (collection::vtable(self.kind()).packed_earliest)(code, bytes)
            }
            (None, None) => NEVER,
        }
    }

    /// Whether the deadline has come. Redis's keys live through their deadline's millisecond.
    #[inline]
    #[must_use]
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expire_at_ms().is_some_and(|deadline| now_ms > deadline)
    }

    /// Bytes of memory that belong to this record, allocator rounding left out.
    #[inline]
    #[must_use]
    pub fn memory(&self) -> usize {
        let own = block_bytes(self.tail.len());
        if self.bits() & KIND_MASK != 0 {
            return own + self.object().map_or(0, |object| object.memory());
        }
        if self.is_large() { own + self.large().memory() } else { own }
    }

    /// What `OBJECT ENCODING` answers for a value that is in the record itself; objects answer
    /// through [`crate::Context::encoding`].
    pub(crate) fn encoding(&self) -> &'static str {
        match self.text() {
            None => match self.packed() {
                Some((code, bytes)) => {
                    (collection::vtable(self.kind()).packed_encoding)(code, bytes)
                }
                None => unreachable!("asked of the object"),
            },
            Some(Text::Int(_)) => "int",
            Some(Text::Slice(bytes))
                if bytes.len() <= EMBSTR_BYTES_MAX && self.bits() & MADE_RAW == 0 =>
            {
                "embstr"
            }
            _ => "raw",
        }
    }

    /// The version of the key that this record is.
    #[inline]
    #[must_use]
    pub fn tid(&self) -> Tid {
        self.header.version.tid()
    }

    #[inline]
    pub(crate) fn set_tid(&self, tid: Tid) {
        self.header.version.set(tid);
    }

    /// Claims the record for a snapshot (version.rs).
    pub(crate) fn claim(&self, epoch: u64, number: ClaimNumber) -> bool {
        self.header.version.claim(epoch, number)
    }

    /// Whether this record says that its key is deleted.
    #[inline]
    #[must_use]
    pub(crate) fn is_tombstone(&self) -> bool {
        self.bits() & KIND_MASK == KIND_TOMBSTONE
    }

    /// Whether the key is absent as far as this record goes: deleted, or a collection that has
    /// lost its last element.
    #[inline]
    pub(crate) fn is_gone(&self) -> bool {
        let bits = self.bits();
        if bits & KIND_MASK == 0 {
            return false;
        }
        bits & KIND_MASK == KIND_TOMBSTONE || self.object().is_some_and(|object| object.is_hollow())
    }

    /// Whether a command sees this record: its key is not absent, and not expired.
    #[inline]
    pub(crate) fn is_live(&self, now_ms: u64) -> bool {
        !self.is_gone() && !self.is_expired(now_ms)
    }

    /// The access clock, 24 bits; the eviction policy knows what they mean.
    #[inline]
    pub(crate) fn access(&self) -> u32 {
        // ORDER: Relaxed (unpaired); the clock orders nothing.
        self.header.meta.load(Ordering::Relaxed) >> ACCESS_SHIFT
    }

    /// Sets the access clock. A lost race loses one reading of a clock, nothing else.
    #[inline]
    pub(crate) fn set_access(&self, access: u32) {
        let meta = self.bits() | access << ACCESS_SHIFT;
        // ORDER: Relaxed (unpaired); the clock orders nothing.
        self.header.meta.store(meta, Ordering::Relaxed);
    }

    /// Adds a WATCH to a tombstone; false when it is being removed (R4).
    pub(crate) fn pin(&self) -> bool {
        self.change_pins(|pins| (pins < ACCESS_MAX - 1).then(|| pins + 1))
    }

    /// Takes a WATCH off a tombstone.
    pub(crate) fn unpin(&self) {
        let had = self.change_pins(|pins| (pins != ACCESS_MAX).then(|| pins.saturating_sub(1)));
        debug_assert!(had, "a pinned tombstone is never doomed");
    }

    /// Claims an unpinned tombstone for removal; false while a WATCH relies on it (R4).
    pub(crate) fn doom(&self) -> bool {
        self.change_pins(|pins| (pins == 0 || pins == ACCESS_MAX).then_some(ACCESS_MAX))
    }

    fn change_pins(&self, change: impl Fn(u32) -> Option<u32>) -> bool {
        debug_assert!(self.is_tombstone());
        let flip =
            |meta: u32| change(meta >> ACCESS_SHIFT).map(|pins| meta & 0xff | pins << ACCESS_SHIFT);
        // ORDER(tombstone-pin): AcqRel and Acquire; one word decides between a pin and removal.
        self.header.meta.fetch_update(Ordering::AcqRel, Ordering::Acquire, flip).is_ok()
    }
}

impl Header {
    #[inline]
    fn bits(&self) -> u32 {
        // ORDER: Relaxed (unpaired); the low bits never change (R1).
        self.meta.load(Ordering::Relaxed) & 0xff
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn round_trip(key: &[u8], value: Value<'_>, deadline: Option<u64>) -> NewRecord {
        let new = NewRecord::new(key, value, deadline);
        assert_eq!(new.as_record().key(), key);
        assert_eq!(new.as_record().expire_at_ms(), deadline);
        new
    }

    #[test]
    fn both_sides_of_every_length_limit_read_back() {
        for key_len in [0, 1, 16, KEY_SHORT_MAX - 1, KEY_SHORT_MAX, 70_000] {
            for value_len in [0, 1, 32, 65_536] {
                for deadline in [None, Some(0), Some(u64::MAX)] {
                    let key = vec![b'k'; key_len];
                    let bytes = vec![b'v'; value_len];
                    let value = Value::Bytes { bytes: &bytes, made_raw: false };
                    let new = round_trip(&key, value, deadline);
                    let text = new.as_record().text().unwrap();
                    assert_eq!(&*text.to_bytes(), &bytes[..], "{key_len} {value_len}");
                }
            }
        }
    }

    #[test]
    fn a_pair_of_16_and_32_bytes_takes_64() {
        let value = Value::Bytes { bytes: &[b'v'; 32], made_raw: false };
        assert_eq!(round_trip(&[b'k'; 16], value.clone(), None).as_record().memory(), 64);
        assert_eq!(round_trip(&[b'k'; 16], value, Some(1)).as_record().memory(), 72);
    }

    #[test]
    fn integers_and_encodings() {
        let new = round_trip(b"n", Value::Int(-7), Some(5));
        assert!(matches!(new.as_record().text(), Some(Text::Int(-7))));
        assert_eq!(new.as_record().encoding(), "int");
        let raw = round_trip(b"r", Value::Bytes { bytes: b"x", made_raw: true }, None);
        assert_eq!(raw.as_record().encoding(), "raw");
        let embedded = round_trip(b"e", Value::Bytes { bytes: &[0; 44], made_raw: false }, None);
        assert_eq!(embedded.as_record().encoding(), "embstr");
        let longer = round_trip(b"l", Value::Bytes { bytes: &[0; 45], made_raw: false }, None);
        assert_eq!(longer.as_record().encoding(), "raw");
    }

    #[test]
    fn the_deadline_millisecond_itself_is_still_alive() {
        let new = round_trip(b"k", Value::Int(1), Some(100));
        assert!(!new.as_record().is_expired(100));
        assert!(new.as_record().is_expired(101));
    }

    #[test]
    fn pins_and_doom_exclude_each_other() {
        let new = round_trip(b"k", Value::Tombstone, None);
        let tombstone = new.as_record();
        assert!(tombstone.pin());
        assert!(!tombstone.doom());
        tombstone.unpin();
        assert!(tombstone.doom());
        assert!(!tombstone.pin());
    }
}
