//! Hashes: a listpack of pairs while small, of triples once a field has a deadline, and a table
//! beyond `hash-max-listpack-entries` or `hash-max-listpack-value`.
//!
//! Why it exists: when a hash changes its form is visible in OBJECT ENCODING and in the order of
//! HGETALL, so the rules are those of Redis: a hash becomes a table when a field or value is too
//! long or there are too many fields, and never changes back.
//!
//! ```text
//! Packed:  field | value | field | value | …                      in order of insertion
//! Timed:   field | value | deadline | field | value | …           deadline 0 for none
//! Table:   SmartHash
//! ```
//!
//! Invariants
//! - V1: a deadline is a time in Unix milliseconds; a field is there up to it and not after it.
//!   Readers skip what has expired; editors remove it, at least where they are about to look
//!   ([`Hash::remove_due`], [`Hash::remove_expired`]), and can then take fields as they are.

use crate::collection::Collection;
use crate::kind::Kind;
use crate::map::deadline::NEVER;
use crate::structures::listpack::{Entry, Listpack, ListpackBuf};
use crate::structures::smart_hash::{Element, SmartHash};

/// Entries of a field in either packed form.
const PAIR: usize = 2;
const TRIPLE: usize = 3;
/// The codes of the packed forms.
const CODE_PACKED: u8 = 0;
const CODE_TIMED: u8 = 1;

/// What an edit has to know about the engine's settings.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most fields of a packed hash.
    pub entries_max: usize,
    /// Longest field or value of a packed hash, in bytes.
    pub value_max: usize,
    /// Seed of a new table.
    pub seed: u64,
}

/// What becomes of a field's deadline when its value is set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deadline {
    /// It has none any more.
    Clear,
    /// It stays; a new field has none.
    Keep,
    /// It is this, in Unix milliseconds.
    Until(u64),
}

/// A hash of byte strings.
///
/// # Examples
/// ```
/// use engine::values::hash::{Deadline, Hash, Limits};
///
/// let limits = Limits { entries_max: 128, value_max: 64, seed: 1 };
/// let mut hash = Hash::default();
/// assert!(hash.set(b"field", b"value", Deadline::Clear, limits));
/// assert!(!hash.set(b"field", b"other", Deadline::Clear, limits), "it was there");
/// assert!(hash.find(b"field").is_some_and(|found| found.value.eq_bytes(b"other")));
/// ```
#[derive(Clone, Debug)]
pub enum Hash {
    /// Pairs.
    Packed(ListpackBuf),
    /// Any number of fields.
    Table(Box<SmartHash>),
    /// Triples.
    Timed(ListpackBuf),
}

/// A hash that is being read.
#[derive(Clone, Copy, Debug)]
pub enum HashRef<'a> {
    /// Pairs.
    Packed(Listpack<'a>),
    /// Any number of fields.
    Table(&'a SmartHash),
    /// Triples.
    Timed(Listpack<'a>),
}

/// A field with what belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Its name.
    pub field: Entry<'a>,
    /// Its value.
    pub value: Entry<'a>,
    /// When it expires, in Unix milliseconds.
    pub deadline_ms: Option<u64>,
}

impl Item<'_> {
    /// Whether the field has not expired at `now_ms` (V1).
    #[must_use]
    #[inline]
    pub fn is_live(&self, now_ms: u64) -> bool {
        self.deadline_ms.is_none_or(|deadline| now_ms <= deadline)
    }
}

impl<'a> From<Element<'a>> for Item<'a> {
    #[inline]
    fn from(element: Element<'a>) -> Self {
        Self {
            field: Entry::Bytes(element.field),
            value: Entry::Bytes(element.value),
            deadline_ms: element.expire_at_ms(),
        }
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::Packed(ListpackBuf::new())
    }
}

impl<'a> HashRef<'a> {
    /// A field, expired or not. Cost: O(fields) while packed, O(1) in a table.
    #[must_use]
    #[inline]
    pub fn find(self, field: &[u8]) -> Option<Item<'a>> {
        match self {
            Self::Packed(pack) => next_item(&mut pack.find_from(field, PAIR)?.1, PAIR),
            Self::Table(table) => table.find(field).map(Item::from),
            Self::Timed(pack) => next_item(&mut pack.find_from(field, TRIPLE)?.1, TRIPLE),
        }
    }

    /// A field that has not expired at `now_ms`.
    #[must_use]
    #[inline]
    pub fn find_live(self, field: &[u8], now_ms: u64) -> Option<Item<'a>> {
        self.find(field).filter(|item| item.is_live(now_ms))
    }

    /// Number of fields that have not expired at `now_ms`. O(1) unless fields have deadlines.
    #[must_use]
    pub fn live_len(self, now_ms: u64) -> usize {
        match self {
            Self::Packed(pack) => pack.len() / PAIR,
            Self::Table(table) => table.live_len(now_ms),
            Self::Timed(_) => self.iter().filter(|item| item.is_live(now_ms)).count(),
        }
    }

    /// All fields, expired or not; in order of insertion while packed.
    pub fn iter(self) -> impl Iterator<Item = Item<'a>> {
        let (pack, table) = match self {
            Self::Packed(pack) => (Some((pack.iter(), PAIR)), None),
            Self::Table(table) => (None, Some(table.iter())),
            Self::Timed(pack) => (Some((pack.iter(), TRIPLE)), None),
        };
        let mut pack = pack;
        let packed = std::iter::from_fn(move || {
            let (entries, stride) = pack.as_mut()?;
            next_item(entries, *stride)
        });
        packed.chain(table.into_iter().flatten().map(Item::from))
    }
}

/// The item that the next entries are.
#[inline]
fn next_item<'a>(entries: &mut impl Iterator<Item = Entry<'a>>, stride: usize) -> Option<Item<'a>> {
    const WHOLE: &str = "a listpack of whole items";
    let field = entries.next()?;
    let value = entries.next().expect(WHOLE);
    let deadline_ms = if stride == TRIPLE {
        let deadline = entries.next().expect(WHOLE).integer().expect("a deadline is a number");
        u64::try_from(deadline).ok().filter(|deadline| *deadline != 0)
    } else {
        None
    };
    Some(Item { field, value, deadline_ms })
}

/// A deadline as a listpack has it.
fn deadline_entry(deadline_ms: Option<u64>) -> Entry<'static> {
    Entry::Int(i64::try_from(deadline_ms.unwrap_or(0)).unwrap_or(i64::MAX))
}

impl Hash {
    /// Number of fields, expired ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Packed(pack) => pack.len() / PAIR,
            Self::Table(table) => table.len(),
            Self::Timed(pack) => pack.len() / TRIPLE,
        }
    }

    /// Whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A field, expired or not.
    #[must_use]
    pub fn find(&self, field: &[u8]) -> Option<Item<'_>> {
        self.as_ref().find(field)
    }

    /// Becomes a table at once if what is about to be set is too much for a listpack: so many
    /// fields, or any of `parts` too long.
    pub fn prepare(&mut self, fields: usize, parts: &[&[u8]], limits: Limits) {
        if matches!(self, Self::Table(_)) {
            return;
        }
        if fields > limits.entries_max || parts.iter().any(|part| part.len() > limits.value_max) {
            self.make_table(limits);
        }
    }

    /// Sets a field. Returns whether it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], deadline: Deadline, limits: Limits) -> bool {
        self.prepare(0, &[field, value], limits);
        if let (Self::Packed(_), Deadline::Until(_)) = (&*self, deadline) {
            self.make_timed();
        }
        let is_new = match self {
            Self::Table(table) => {
                return match deadline {
                    Deadline::Clear => table.insert(field, value),
                    Deadline::Keep => table.update(field, value),
                    Deadline::Until(deadline) => table.insert_until(field, value, deadline),
                };
            }
            Self::Packed(pack) => set_packed(pack, field, value, None, PAIR),
            Self::Timed(pack) => {
                let deadline = match deadline {
                    Deadline::Clear => Some(None),
                    Deadline::Keep => None,
                    Deadline::Until(deadline) => Some(Some(deadline)),
                };
                set_packed(pack, field, value, deadline, TRIPLE)
            }
        };
        if is_new && self.len() > limits.entries_max {
            self.make_table(limits);
        }
        is_new
    }

    /// Sets or takes away the deadline of a field that is there.
    pub fn set_deadline(&mut self, field: &[u8], deadline_ms: Option<u64>) {
        if let (Self::Packed(_), Some(_)) = (&*self, deadline_ms) {
            self.make_timed();
        }
        match self {
            Self::Packed(_) => {}
            Self::Table(table) => {
                table.set_deadline(field, deadline_ms);
            }
            Self::Timed(pack) => {
                if let Some(at) = pack.as_ref().find(field, TRIPLE) {
                    deadline_entry(deadline_ms).with_bytes(|text| pack.replace(at + 2, text));
                }
            }
        }
    }

    /// Removes a field. Returns whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let (pack, stride) = match self {
            Self::Packed(pack) => (pack, PAIR),
            Self::Table(table) => return table.remove(field),
            Self::Timed(pack) => (pack, TRIPLE),
        };
        let found = pack.as_ref().find(field, stride);
        if let Some(at) = found {
            pack.remove(at, stride);
        }
        found.is_some()
    }

    /// Removes fields that have expired at `now_ms`, at most `limit`; `gone` gets the name of each.
    /// Returns how many.
    ///
    /// Cost: O(1) where no field can have expired, O(fields) in the form with triples.
    pub fn remove_due(&mut self, now_ms: u64, limit: usize, mut gone: impl FnMut(&[u8])) -> usize {
        match self {
            Self::Packed(_) => 0,
            Self::Table(table) => table.remove_due(now_ms, limit, gone),
            Self::Timed(pack) => {
                let mut items = HashRef::Timed(pack.as_ref()).iter();
                let due = items.by_ref().take_while(|item| item.is_live(now_ms)).count();
                drop(items);
                // Mostly nothing is due, and then nothing is copied.
                if due == pack.len() / TRIPLE {
                    return 0;
                }
                let (mut kept, mut removed) = (ListpackBuf::new(), 0);
                for item in HashRef::Timed(pack.as_ref()).iter() {
                    if item.is_live(now_ms) || removed == limit {
                        push_triple(&mut kept, item);
                    } else {
                        item.field.with_bytes(&mut gone);
                        removed += 1;
                    }
                }
                *pack = kept;
                removed
            }
        }
    }

    /// Removes those of `fields` that have expired at `now_ms`; `gone` gets each. Returns how many.
    pub fn remove_expired(
        &mut self,
        fields: &[&[u8]],
        now_ms: u64,
        mut gone: impl FnMut(&[u8]),
    ) -> usize {
        let mut removed = 0;
        for field in fields {
            if self.find(field).is_some_and(|item| !item.is_live(now_ms)) && self.remove(field) {
                gone(field);
                removed += 1;
            }
        }
        removed
    }

    fn make_timed(&mut self) {
        let mut timed = ListpackBuf::new();
        self.as_ref().iter().for_each(|item| push_triple(&mut timed, item));
        *self = Self::Timed(timed);
    }

    fn make_table(&mut self, limits: Limits) {
        let mut table = SmartHash::new(limits.seed);
        for item in self.as_ref().iter() {
            let (field, value) = (item.field.to_bytes(), item.value.to_bytes());
            match item.deadline_ms {
                Some(deadline) => table.insert_until(&field, &value, deadline),
                None => table.insert(&field, &value),
            };
        }
        *self = Self::Table(Box::new(table));
    }
}

fn push_triple(pack: &mut ListpackBuf, item: Item<'_>) {
    pack.push_back_entry(item.field);
    pack.push_back_entry(item.value);
    pack.push_back_entry(deadline_entry(item.deadline_ms));
}

/// Sets a field of a listpack and, where it has them and one is given, the deadline.
fn set_packed(
    pack: &mut ListpackBuf,
    field: &[u8],
    value: &[u8],
    deadline: Option<Option<u64>>,
    stride: usize,
) -> bool {
    let Some(at) = pack.as_ref().find(field, stride) else {
        pack.push_back(field);
        pack.push_back(value);
        if stride == TRIPLE {
            pack.push_back_entry(deadline_entry(deadline.flatten()));
        }
        return true;
    };
    pack.replace(at + 1, value);
    if let (TRIPLE, Some(deadline)) = (stride, deadline) {
        deadline_entry(deadline).with_bytes(|text| pack.replace(at + 2, text));
    }
    false
}

impl Collection for Hash {
    const KIND: Kind = Kind::Hash;

    type Ref<'a> = HashRef<'a>;

    #[inline]
    fn as_ref(&self) -> HashRef<'_> {
        match self {
            Self::Packed(pack) => HashRef::Packed(pack.as_ref()),
            Self::Table(table) => HashRef::Table(table),
            Self::Timed(pack) => HashRef::Timed(pack.as_ref()),
        }
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn memory(&self) -> usize {
        match self {
            Self::Packed(pack) | Self::Timed(pack) => pack.memory(),
            Self::Table(table) => size_of::<SmartHash>() + table.memory(),
        }
    }

    fn packed(&self) -> Option<(u8, &[u8])> {
        match self {
            Self::Packed(pack) => Some((CODE_PACKED, pack.as_packed())),
            Self::Table(_) => None,
            Self::Timed(pack) => Some((CODE_TIMED, pack.as_packed())),
        }
    }

    fn unpack(code: u8, bytes: &[u8]) -> Self {
        let pack = ListpackBuf::from_packed(bytes);
        if code == CODE_TIMED { Self::Timed(pack) } else { Self::Packed(pack) }
    }

    #[inline]
    fn view(code: u8, bytes: &[u8]) -> HashRef<'_> {
        let pack = Listpack::from_packed(bytes);
        if code == CODE_TIMED { HashRef::Timed(pack) } else { HashRef::Packed(pack) }
    }

    fn earliest_ms(view: HashRef<'_>) -> u64 {
        match view {
            HashRef::Packed(_) => NEVER,
            HashRef::Table(table) => table.earliest_deadline_ms().unwrap_or(NEVER),
            HashRef::Timed(_) => {
                view.iter().filter_map(|item| item.deadline_ms).min().unwrap_or(NEVER)
            }
        }
    }

    fn remove_due(&mut self, now_ms: u64, limit: usize, gone: impl FnMut(&[u8])) -> usize {
        Self::remove_due(self, now_ms, limit, gone)
    }

    fn encoding(view: HashRef<'_>) -> &'static str {
        match view {
            HashRef::Packed(_) => "listpack",
            HashRef::Table(_) => "hashtable",
            HashRef::Timed(_) => "listpackex",
        }
    }

    #[inline]
    fn prefetch(&self, fields: &[&[u8]]) {
        if let HashRef::Table(table) = self.as_ref() {
            table.prefetch(fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const LIMITS: Limits = Limits { entries_max: 8, value_max: 12, seed: 1 };

    fn encoding(hash: &Hash) -> &'static str {
        Hash::encoding(hash.as_ref())
    }

    fn filled(count: u32) -> Hash {
        let mut hash = Hash::default();
        for number in 0..count {
            let text = format!("field{number}");
            assert!(hash.set(text.as_bytes(), b"v", Deadline::Clear, LIMITS));
        }
        hash
    }

    #[test]
    fn it_becomes_a_table_at_either_limit() {
        assert_eq!(encoding(&filled(8)), "listpack");
        assert_eq!(encoding(&filled(9)), "hashtable");
        for (part, want) in [(&[b'x'; 12][..], "listpack"), (&[b'x'; 13], "hashtable")] {
            let mut hash = filled(1);
            hash.set(part, b"v", Deadline::Clear, LIMITS);
            assert_eq!(encoding(&hash), want);
            let mut hash = filled(1);
            hash.set(b"f", part, Deadline::Clear, LIMITS);
            assert_eq!(encoding(&hash), want);
        }
        let mut hash = filled(1);
        hash.prepare(9, &[], LIMITS);
        assert_eq!((encoding(&hash), hash.len()), ("hashtable", 1));
    }

    #[test]
    fn a_packed_hash_keeps_the_order_of_insertion_and_its_deadlines() {
        let mut hash = filled(3);
        hash.set_deadline(b"field1", Some(50));
        assert_eq!(encoding(&hash), "listpackex");
        hash.set(b"field0", b"new", Deadline::Keep, LIMITS);
        let items: Vec<_> = hash.as_ref().iter().collect();
        let fields: Vec<_> = items.iter().map(|item| item.field.to_bytes()).collect();
        assert_eq!(fields, [&b"field0"[..], b"field1", b"field2"]);
        let deadlines: Vec<_> = items.iter().map(|item| item.deadline_ms).collect();
        assert_eq!(deadlines, [None, Some(50), None]);
        assert_eq!(hash.as_ref().live_len(50), 3);
        assert_eq!(hash.as_ref().live_len(51), 2);
        assert_eq!((hash.remove_due(50, 9, |_| ()), hash.remove_due(51, 9, |_| ())), (0, 1));
        assert!(hash.find(b"field1").is_none());
        assert_eq!(hash.len(), 2);
    }

    /// All three forms against a map, with a packed block in between as the core makes it.
    #[test]
    fn random_edits_agree_with_a_map() {
        for seed in 1..200_u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut next = |bound: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) % bound
            };
            let (mut hash, mut model) = (Hash::default(), BTreeMap::new());
            for step in 0..120 {
                let field = next(12).to_string().into_bytes();
                let value = vec![b'v'; usize::try_from(next(14)).unwrap()];
                let context = format!("SEED={seed} step={step}");
                match next(10) {
                    0..4 => {
                        let is_new = model.insert(field.clone(), (value.clone(), None)).is_none();
                        let got = hash.set(&field, &value, Deadline::Clear, LIMITS);
                        assert_eq!(got, is_new, "{context}");
                    }
                    4 => {
                        let until = next(50);
                        let deadline = Deadline::Until(until + 1);
                        let old = model.insert(field.clone(), (value.clone(), Some(until + 1)));
                        let got = hash.set(&field, &value, deadline, LIMITS);
                        assert_eq!(got, old.is_none(), "{context}");
                    }
                    5 => {
                        let kept = model.get(&field).and_then(|(_, deadline)| *deadline);
                        let old = model.insert(field.clone(), (value.clone(), kept));
                        let got = hash.set(&field, &value, Deadline::Keep, LIMITS);
                        assert_eq!(got, old.is_none(), "{context}");
                    }
                    6 => {
                        let deadline = (next(2) == 0).then(|| next(50) + 1);
                        if let Some((_, old)) = model.get_mut(&field) {
                            *old = deadline;
                            hash.set_deadline(&field, deadline);
                        }
                    }
                    7 => {
                        let now = next(30);
                        let before = model.len();
                        model.retain(|_, (_, deadline)| deadline.is_none_or(|at| now <= at));
                        let gone = hash.remove_due(now, usize::MAX, |_| ());
                        assert_eq!(gone, before - model.len(), "{context}");
                    }
                    _ => {
                        let was = model.remove(&field).is_some();
                        assert_eq!(hash.remove(&field), was, "{context}");
                    }
                }
                if let Some((code, bytes)) = hash.packed() {
                    hash = Hash::unpack(code, bytes);
                }
                assert_eq!(hash.len(), model.len(), "{context}");
                for item in hash.as_ref().iter() {
                    let want = &model[&*item.field.to_bytes()];
                    let got = (item.value.to_bytes().into_owned(), item.deadline_ms);
                    assert_eq!(got, *want, "{context}");
                }
            }
        }
    }
}
