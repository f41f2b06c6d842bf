//! A large collection behind a record: counted, latched, and typed by its kind.
//!
//! Why it exists: strings and small collections live in their record and are replaced whole. A
//! large collection is edited in place, so it lives behind a pointer that records of several
//! versions of a key share (EXPIRE and RENAME make a new record, not a new hash).
//! Not for deciding who may touch it: that is latch.rs and collection.rs.
//!
//! ```text
//!   record ──► | refs 4 | latch 1 | flags 2 | bytes 8 | earliest 8 | vtable 8 | the collection … |
//! ```
//!
//! Invariants
//! - B1: the vtable is the one of the collection's type; `kind` tells the type for good.
//! - B2: the body is reached as `&T` by readers that announced themselves, as `&mut T` by the
//!   latch's holder when no reader is left, and by the last owner.
//! - B3: `hollow` is set once, by the latch's holder, when the collection has lost its last
//!   element: from then on its records count as tombstones, and nobody edits it again.
//!
//! Ordering edges
//! - `object-refs`: decrement (Release) -> the last one's fence (Acquire). Carries every use.
//! - `object-hollow`: store (Release) -> load (Acquire). Nothing else hangs on it: who edits looks
//!   at it under the latch.

use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::collection::Collection;
use crate::kind::Kind;
use crate::latch::Latch;
use crate::map::deadline::NEVER;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

/// Objects with at least this many bytes are freed on a thread of their own (I5).
#[cfg(not(loom))]
const FREE_ELSEWHERE_BYTES_MIN: usize = 64 * 1024;

/// What is known about an object without its type.
#[repr(C)]
pub(crate) struct Head {
    refs: AtomicU32,
    latch: Latch,
    hollow: AtomicBool,
    /// Its bytes are in the books: set by who publishes its first record.
    booked: AtomicBool,
    /// Heap bytes of the collection; written under the latch.
    bytes: AtomicU64,
    /// When the first of its parts expires; written under the latch.
    earliest: AtomicU64,
    vtable: &'static VTable,
}

#[repr(C)]
struct Whole<T> {
    head: Head,
    body: UnsafeCell<T>,
}

/// What the engine does to a collection of any type.
///
/// # Safety
/// Each function is called with the head of an object of the table's type (B1), and as the section
/// `Safety` of the function behind it asks.
pub(crate) struct VTable {
    kind: Kind,
    free: unsafe fn(NonNull<Head>),
    duplicate: unsafe fn(NonNull<Head>) -> ObjectRef,
    share: unsafe fn(NonNull<Head>) -> ObjectRef,
    encoding: unsafe fn(NonNull<Head>) -> &'static str,
    prefetch: unsafe fn(NonNull<Head>, &[&[u8]]),
    /// The encoding of a packed block.
    pub(crate) packed_encoding: fn(u8, &[u8]) -> &'static str,
    /// When the first part of a packed block expires.
    pub(crate) packed_earliest: fn(u8, &[u8]) -> u64,
}

impl VTable {
    /// The table of a type.
    pub(crate) const fn of<T: Collection>() -> Self {
        Self {
            kind: T::KIND,
            free: free::<T>,
            duplicate: duplicate::<T>,
            share: share::<T>,
            encoding: encoding::<T>,
            prefetch: prefetch::<T>,
            packed_encoding: |code, bytes| T::encoding(T::view(code, bytes)),
            packed_earliest: |code, bytes| T::earliest_ms(T::view(code, bytes)),
        }
    }
}

/// Gives a type's table an address.
struct TableOf<T>(std::marker::PhantomData<T>);

impl<T: Collection> TableOf<T> {
    const TABLE: &'static VTable = &VTable::of::<T>();
}

/// Frees the allocation.
///
/// # Safety
/// `head` is a `Whole<T>` that nobody else refers to.
unsafe fn free<T: Collection>(head: NonNull<Head>) {
    // SAFETY: guaranteed by the caller; boxed in `ObjectRef::new`.
    drop(unsafe { Box::from_raw(head.cast::<Whole<T>>().as_ptr()) });
}

/// Copies the collection.
///
/// # Safety
/// `head` is a `Whole<T>` whose body may be read (B2).
unsafe fn duplicate<T: Collection>(head: NonNull<Head>) -> ObjectRef {
    // SAFETY: guaranteed by the caller.
    let body = unsafe { body_of::<T>(head) };
    // SAFETY: guaranteed by the caller.
    ObjectRef::new(unsafe { &*body }.clone())
}

/// As it is now, for a snapshot.
///
/// # Safety
/// As for [`duplicate`].
unsafe fn share<T: Collection>(head: NonNull<Head>) -> ObjectRef {
    // SAFETY: guaranteed by the caller.
    let body = unsafe { body_of::<T>(head) };
    // SAFETY: guaranteed by the caller.
    ObjectRef::new(unsafe { &*body }.share())
}

/// OBJECT ENCODING's answer.
///
/// # Safety
/// As for [`duplicate`].
unsafe fn encoding<T: Collection>(head: NonNull<Head>) -> &'static str {
    // SAFETY: guaranteed by the caller.
    let body = unsafe { body_of::<T>(head) };
    // SAFETY: guaranteed by the caller.
    T::encoding(unsafe { &*body }.as_ref())
}

/// Hints that elements will be looked for.
///
/// # Safety
/// As for [`duplicate`].
unsafe fn prefetch<T: Collection>(head: NonNull<Head>, elements: &[&[u8]]) {
    // SAFETY: guaranteed by the caller.
    let body = unsafe { body_of::<T>(head) };
    // SAFETY: guaranteed by the caller.
    unsafe { &*body }.prefetch(elements);
}

/// The body behind a head.
///
/// # Safety
/// `head` is a live `Whole<T>`.
#[inline]
unsafe fn body_of<T>(head: NonNull<Head>) -> *mut T {
    // SAFETY: guaranteed by the caller.
    let whole = unsafe { head.cast::<Whole<T>>().as_ref() };
    whole.body.get()
}

/// A counted reference to an object.
pub(crate) struct ObjectRef(NonNull<Head>);

// SAFETY: collections are `Send + Sync`, the head is made of atomics, and B2 says who reaches the
// body from which thread.
unsafe impl Send for ObjectRef {}
// SAFETY: as above; a shared `ObjectRef` gives no more than another reference or the head.
unsafe impl Sync for ObjectRef {}

impl std::fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ObjectRef").field(&self.kind()).finish()
    }
}

impl ObjectRef {
    /// Puts a collection behind a reference.
    pub(crate) fn new<T: Collection>(body: T) -> Self {
        let head = Head {
            refs: AtomicU32::new(1),
            latch: Latch::default(),
            hollow: AtomicBool::new(false),
            booked: AtomicBool::new(false),
            bytes: AtomicU64::new(body.memory() as u64 + size_of::<Whole<T>>() as u64),
            earliest: AtomicU64::new(T::earliest_ms(body.as_ref())),
            vtable: TableOf::<T>::TABLE,
        };
        let whole = Box::into_raw(Box::new(Whole { head, body: UnsafeCell::new(body) }));
        Self(NonNull::new(whole).expect("a box is not null").cast())
    }

    /// Gives the reference up as an address for a record.
    pub(crate) fn into_address(self) -> usize {
        ManuallyDrop::new(self).0.as_ptr().expose_provenance()
    }

    /// The reference that an address stands for, which keeps owning it.
    ///
    /// # Safety
    /// `address` came from [`ObjectRef::into_address`], and its owner outlives the result.
    #[inline]
    pub(crate) unsafe fn borrow(address: usize) -> ManuallyDrop<Self> {
        let pointer = std::ptr::with_exposed_provenance_mut(address);
        ManuallyDrop::new(Self(NonNull::new(pointer).expect("came from a reference")))
    }

    #[inline]
    fn head(&self) -> &Head {
        // SAFETY: counted, so live as long as `self`.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        self.head().vtable.kind
    }

    #[inline]
    pub(crate) fn latch(&self) -> &Latch {
        &self.head().latch
    }

    /// Bytes of memory, the head included.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        // ORDER: Relaxed (unpaired); a statistic.
        usize::try_from(self.head().bytes.load(Ordering::Relaxed)).expect("bytes of memory")
    }

    /// Whether the last element is gone (B3).
    #[inline]
    pub(crate) fn is_hollow(&self) -> bool {
        // ORDER(object-hollow): Acquire; see the header.
        self.head().hollow.load(Ordering::Acquire)
    }

    /// Says that the last element is gone. Under the latch.
    pub(crate) fn hollow_out(&self) {
        // ORDER(object-hollow): Release; see the header.
        self.head().hollow.store(true, Ordering::Release);
    }

    /// Heap bytes of the collection, with its head.
    pub(crate) fn bytes(&self) -> u64 {
        // ORDER: Relaxed (unpaired); a statistic.
        self.head().bytes.load(Ordering::Relaxed)
    }

    /// Whether its bytes are in the books, so that a change of them has to be booked.
    pub(crate) fn is_booked(&self) -> bool {
        // ORDER: Relaxed (unpaired); asked by whoever may edit, which orders it.
        self.head().booked.load(Ordering::Relaxed)
    }

    /// Notes that its bytes are in the books.
    pub(crate) fn set_booked(&self) {
        // ORDER: Relaxed (unpaired); as above.
        self.head().booked.store(true, Ordering::Relaxed);
    }

    /// The collection, for its type.
    ///
    /// # Panics
    /// If it is of another type.
    #[inline]
    pub(crate) fn body<T: Collection>(&self) -> *mut T {
        assert!(self.kind() == T::KIND, "a record's kind is its object's");
        // SAFETY: the kind tells the type (B1).
        unsafe { body_of(self.0) }
    }

    /// Notes the collection's bytes after an edit; returns by how much they changed, wrapping.
    ///
    /// Under the latch.
    pub(crate) fn weigh<T: Collection>(&self, body: &T) -> u64 {
        let now = body.memory() as u64 + size_of::<Whole<T>>() as u64;
        // ORDER: Relaxed (unpaired); a statistic, written under the latch.
        let before = self.head().bytes.load(Ordering::Relaxed);
        if before != now {
            // ORDER: Relaxed (unpaired); as above, so nobody else writes in between.
            self.head().bytes.store(now, Ordering::Relaxed);
        }
        now.wrapping_sub(before)
    }

    /// When the first of its parts expires, in Unix milliseconds.
    #[inline]
    pub(crate) fn earliest_ms(&self) -> u64 {
        // ORDER(deadline-sweep): Relaxed; who copies a segment has frozen its slots before.
        self.head().earliest.load(Ordering::Relaxed)
    }

    /// Notes when the first part expires, after an edit; whether that has changed and there is
    /// such a part. Under the latch.
    pub(crate) fn note_earliest<T: Collection>(&self, body: &T) -> bool {
        let now = T::earliest_ms(body.as_ref());
        if now == self.earliest_ms() {
            return false;
        }
        // ORDER(deadline-sweep): Relaxed; the caller fences before it looks at the segment.
        self.head().earliest.store(now, Ordering::Relaxed);
        now != NEVER
    }

    /// A copy with a life of its own.
    ///
    /// # Safety
    /// The body may be read: the caller is an announced reader or holds the latch (B2).
    pub(crate) unsafe fn duplicate(&self) -> Self {
        // SAFETY: B1, and guaranteed by the caller.
        unsafe { (self.head().vtable.duplicate)(self.0) }
    }

    /// What a snapshot takes of it: the collection as it is now, whatever becomes of this one. To
    /// be read in order ([`Collection::share`]).
    ///
    /// # Safety
    /// As for [`ObjectRef::duplicate`].
    pub(crate) unsafe fn share(&self) -> Self {
        // SAFETY: B1, and guaranteed by the caller.
        unsafe { (self.head().vtable.share)(self.0) }
    }

    /// What OBJECT ENCODING answers.
    ///
    /// # Safety
    /// As for [`ObjectRef::duplicate`].
    pub(crate) unsafe fn encoding(&self) -> &'static str {
        // SAFETY: B1, and guaranteed by the caller.
        unsafe { (self.head().vtable.encoding)(self.0) }
    }

    /// Hints that elements will be looked for soon.
    ///
    /// # Safety
    /// As for [`ObjectRef::duplicate`].
    #[inline]
    pub(crate) unsafe fn prefetch(&self, elements: &[&[u8]]) {
        // SAFETY: B1, and guaranteed by the caller.
        unsafe { (self.head().vtable.prefetch)(self.0, elements) };
    }

    fn free_now(&self) {
        // SAFETY: B1; the count is zero, so nobody else refers to it.
        unsafe { (self.head().vtable.free)(self.0) };
    }
}

impl Clone for ObjectRef {
    fn clone(&self) -> Self {
        // ORDER(object-refs): Relaxed; a new reference comes from one that is held.
        let before = self.head().refs.fetch_add(1, Ordering::Relaxed);
        assert!(before < u32::MAX / 2, "fewer references than records");
        Self(self.0)
    }
}

impl Drop for ObjectRef {
    fn drop(&mut self) {
        // ORDER(object-refs): Release; what was done through this reference is done.
        if self.head().refs.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // ORDER(object-refs): Acquire; everything done through the others is visible.
        fence(Ordering::Acquire);
        #[cfg(not(loom))]
        if self.memory() >= FREE_ELSEWHERE_BYTES_MIN {
            elsewhere::free(Doomed(self.0));
            return;
        }
        self.free_now();
    }
}

/// An object that nobody refers to any more: dropping it frees it.
#[cfg(not(loom))]
struct Doomed(NonNull<Head>);

#[cfg(not(loom))]
// SAFETY: collections are `Send`, and this is the last that knows of the object.
unsafe impl Send for Doomed {}

#[cfg(not(loom))]
impl Drop for Doomed {
    fn drop(&mut self) {
        ManuallyDrop::new(ObjectRef(self.0)).free_now();
    }
}

/// The thread that frees large objects, started when the first one is.
#[cfg(not(loom))]
mod elsewhere {
    use std::sync::OnceLock;
    use std::sync::mpsc::{Sender, channel};

    use super::Doomed;

    static FREER: OnceLock<Option<Sender<Doomed>>> = OnceLock::new();

    fn start() -> Option<Sender<Doomed>> {
        let (send, receive) = channel::<Doomed>();
        let thread = std::thread::Builder::new().name("zumic-free".into());
        let started = thread.spawn(move || receive.into_iter().for_each(drop));
        started.is_ok().then_some(send)
    }

    /// Frees it there; here, if the system has no thread to spare.
    pub(super) fn free(doomed: Doomed) {
        if let Some(send) = FREER.get_or_init(start) {
            // A failed send gives the object back in its error, which frees it.
            drop(send.send(doomed));
        }
    }
}
