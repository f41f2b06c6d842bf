//! Lists: a listpack while small, a quicklist beyond `list-max-listpack-size`.
//!
//! Why it exists: when a list changes its form is visible in OBJECT ENCODING, so the rules are
//! those of Redis 7.2, in one place: a list grows into a quicklist before elements are added that
//! could exceed one block (judged by the arguments' lengths, not by their encodings), and shrinks
//! back when it is one block of at most half the limit.
//!
//! Invariants
//! - V1: a packed list fits one block by the limit that was in force when it last changed.

use crate::collection::Collection;
use crate::kind::Kind;
use crate::structures::listpack::{Entry, Listpack, ListpackBuf, Popped};
use crate::structures::quicklist::{BlockLimit, Quicklist, Range};

/// An end of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Where LPUSH and LPOP work.
    Left,
    /// Where RPUSH and RPOP work.
    Right,
}

/// A list of byte strings.
///
/// # Examples
/// ```
/// use engine::structures::quicklist::BlockLimit;
/// use engine::values::list::{End, List};
///
/// let limit = BlockLimit::from_setting(-2);
/// let mut list = List::default();
/// list.push(&[b"a", b"b"], End::Right, limit);
/// assert_eq!(list.pop(End::Right, limit).as_deref(), Some(&b"b"[..]));
/// assert_eq!(list.len(), 1);
/// ```
#[derive(Clone, Debug)]
pub enum List {
    /// One block.
    Packed(ListpackBuf),
    /// Blocks.
    Quick(Quicklist),
}

impl Default for List {
    fn default() -> Self {
        Self::Packed(ListpackBuf::new())
    }
}

impl List {
    /// A new list of these elements: packed if one block is enough.
    pub fn from_values<'v>(values: impl Iterator<Item = &'v [u8]>, limit: BlockLimit) -> Self {
        let mut list = Quicklist::new();
        values.for_each(|value| list.push_back(value, limit));
        match list.take_small(limit, false) {
            Some(block) => Self::Packed(block),
            None => Self::Quick(list),
        }
    }

    /// Number of elements.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Packed(block) => block.len(),
            Self::Quick(list) => list.len(),
        }
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds elements at an end, one after the other: the last comes to lie outermost.
    #[inline]
    pub fn push(&mut self, values: &[&[u8]], end: End, limit: BlockLimit) {
        self.grow(values.iter().map(|value| value.len()).sum(), values.len(), limit);
        for value in values {
            self.add(value, end, limit);
        }
    }

    #[inline]
    fn add(&mut self, value: &[u8], end: End, limit: BlockLimit) {
        match (self, end) {
            (Self::Packed(block), End::Left) => block.push_front(value),
            (Self::Packed(block), End::Right) => block.push_back(value),
            (Self::Quick(list), End::Left) => list.push_front(value, limit),
            (Self::Quick(list), End::Right) => list.push_back(value, limit),
        }
    }

    /// Removes the element at an end.
    #[inline]
    pub fn pop(&mut self, end: End, limit: BlockLimit) -> Option<Popped> {
        match (&mut *self, end) {
            (Self::Packed(block), End::Left) => block.pop_front(),
            (Self::Packed(block), End::Right) => block.pop_back(),
            (Self::Quick(list), _) => {
                let popped = match end {
                    End::Left => list.pop_front(),
                    End::Right => list.pop_back(),
                };
                self.shrink(limit);
                popped
            }
        }
    }

    /// Removes up to `count` elements at an end; the outermost comes first.
    pub fn pop_many(&mut self, count: usize, end: End, limit: BlockLimit) -> ListpackBuf {
        let len = self.len();
        let count = count.min(len);
        let start = if end == End::Left { 0 } else { len - count };
        let mut popped = ListpackBuf::new();
        let view = self.as_ref();
        match end {
            End::Left => view.each(0, count, |entry| popped.push_back_entry(entry)),
            End::Right => {
                view.range(start, len).rev().for_each(|entry| popped.push_back_entry(entry));
            }
        }
        self.remove(start, count, limit);
        popped
    }

    /// Adds an element before element `index`, or behind the last.
    ///
    /// # Panics
    /// If `index` is more than the number of elements.
    pub fn insert(&mut self, index: usize, value: &[u8], limit: BlockLimit) {
        self.grow(value.len(), 1, limit);
        match self {
            Self::Packed(block) => block.insert(index, value),
            Self::Quick(list) => list.insert(index, value, limit),
        }
    }

    /// Puts another value in place of element `index`.
    ///
    /// # Panics
    /// If there is no such element.
    pub fn replace(&mut self, index: usize, value: &[u8], limit: BlockLimit) {
        self.grow(value.len(), 1, limit);
        match self {
            Self::Packed(block) => block.replace(index, value),
            Self::Quick(list) => list.replace(index, value, limit),
        }
        self.shrink(limit);
    }

    /// Removes `count` elements from `index` on.
    ///
    /// # Panics
    /// If there are not so many elements.
    pub fn remove(&mut self, index: usize, count: usize, limit: BlockLimit) {
        match self {
            Self::Packed(block) => block.remove(index, count),
            Self::Quick(list) => list.remove(index, count),
        }
        self.shrink(limit);
    }

    /// Removes up to `max` elements equal to `value`, seen from an end; answers how many.
    pub fn remove_equal(&mut self, value: &[u8], max: usize, end: End, limit: BlockLimit) -> usize {
        let from_back = end == End::Right;
        let removed = match self {
            Self::Packed(block) => block.remove_equal(value, max, from_back),
            Self::Quick(list) => list.remove_equal(value, max, from_back),
        };
        if removed > 0 {
            self.shrink(limit);
        }
        removed
    }

    /// Becomes a quicklist if so many more bytes and elements may not fit one block.
    #[inline]
    fn grow(&mut self, bytes: usize, count: usize, limit: BlockLimit) {
        let Self::Packed(block) = self else { return };
        let bytes = BlockLimit::framed(block.as_ref()) + bytes;
        if limit.exceeded_by(bytes, block.len() + count) {
            *self = Self::Quick(Quicklist::from(std::mem::take(block)));
        }
    }

    /// Becomes a listpack again if it is small enough for one.
    #[inline]
    fn shrink(&mut self, limit: BlockLimit) {
        if let Self::Quick(list) = self
            && let Some(block) = list.take_small(limit, true)
        {
            *self = Self::Packed(block);
        }
    }
}

/// A list as readers see it.
#[derive(Clone, Copy, Debug)]
pub enum ListRef<'a> {
    /// One block.
    Packed(Listpack<'a>),
    /// Blocks.
    Quick(&'a Quicklist),
}

impl<'a> ListRef<'a> {
    /// Number of elements.
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            Self::Packed(block) => block.len(),
            Self::Quick(list) => list.len(),
        }
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The element at `index`.
    #[must_use]
    pub fn get(self, index: usize) -> Option<Entry<'a>> {
        match self {
            Self::Packed(block) => block.get(index),
            Self::Quick(list) => list.get(index),
        }
    }

    /// The index of the first element equal to `needle`.
    #[must_use]
    pub fn find(self, needle: &[u8]) -> Option<usize> {
        match self {
            Self::Packed(block) => block.find(needle, 1),
            Self::Quick(list) => list.find(needle),
        }
    }

    /// All elements, from either end.
    #[must_use]
    pub fn iter(self) -> Range<'a> {
        match self {
            Self::Packed(block) => Range::from(block),
            Self::Quick(list) => list.iter(),
        }
    }

    /// Visits `count` elements from `start` on, faster than [`ListRef::range`].
    ///
    /// # Panics
    /// If there are not so many.
    #[inline]
    pub fn each(self, start: usize, count: usize, visit: impl FnMut(Entry<'a>)) {
        match self {
            Self::Packed(block) => block.each(start, count, visit),
            Self::Quick(list) => list.each(start, count, visit),
        }
    }

    /// The elements from `start` up to `end`, from either end.
    ///
    /// # Panics
    /// If the range is not within the list.
    #[must_use]
    pub fn range(self, start: usize, end: usize) -> Range<'a> {
        match self {
            Self::Packed(block) => Range::from(block.slice(start, end)),
            Self::Quick(list) => list.range(start, end),
        }
    }
}

impl Collection for List {
    const KIND: Kind = Kind::List;
    type Ref<'a> = ListRef<'a>;

    fn as_ref(&self) -> ListRef<'_> {
        match self {
            Self::Packed(block) => ListRef::Packed(block.as_ref()),
            Self::Quick(list) => ListRef::Quick(list),
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn memory(&self) -> usize {
        match self {
            Self::Packed(block) => block.memory(),
            Self::Quick(list) => list.memory(),
        }
    }

    fn packed(&self) -> Option<(u8, &[u8])> {
        match self {
            Self::Packed(block) => Some((0, block.as_packed())),
            Self::Quick(_) => None,
        }
    }

    fn unpack(_: u8, bytes: &[u8]) -> Self {
        Self::Packed(ListpackBuf::from_packed(bytes))
    }

    fn view(_: u8, bytes: &[u8]) -> ListRef<'_> {
        ListRef::Packed(Listpack::from_packed(bytes))
    }

    fn encoding(view: ListRef<'_>) -> &'static str {
        match view {
            ListRef::Packed(_) => "listpack",
            ListRef::Quick(_) => "quicklist",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(list: &List) -> &'static str {
        List::encoding(list.as_ref())
    }

    /// The rules of Redis 7.2's `listTypeTryConversion`, for a limit by count.
    #[test]
    fn a_list_grows_past_the_limit_and_shrinks_at_half() {
        let limit = BlockLimit::from_setting(4);
        let mut list = List::default();
        list.push(&[b"1", b"2", b"3", b"4"], End::Right, limit);
        assert_eq!(encoding(&list), "listpack");
        list.push(&[b"5"], End::Left, limit);
        assert_eq!(encoding(&list), "quicklist");
        list.pop(End::Left, limit);
        list.pop(End::Right, limit);
        assert_eq!((encoding(&list), list.len()), ("quicklist", 3));
        list.pop(End::Right, limit);
        assert_eq!((encoding(&list), list.len()), ("listpack", 2));
    }

    #[test]
    fn what_is_about_to_come_counts_by_its_length() {
        let limit = BlockLimit::from_setting(-1);
        // 4096 bytes, of which a listpack's frame takes 7.
        for (len, want) in [(4_089, "listpack"), (4_090, "quicklist")] {
            let mut list = List::default();
            list.push(&[&vec![b'x'; len]], End::Right, limit);
            assert_eq!(encoding(&list), want, "{len}");
        }
        let mut list = List::default();
        list.push(&[&vec![b'x'; 4_080]], End::Right, limit);
        list.push(&[b"1234567890"], End::Right, limit);
        assert_eq!(encoding(&list), "quicklist");
    }

    #[test]
    fn a_replaced_element_may_shrink_the_list() {
        let limit = BlockLimit::from_setting(-1);
        let mut list = List::default();
        list.push(&[b"a", &[b'x'; 4_090]], End::Right, limit);
        assert_eq!(encoding(&list), "quicklist");
        list.remove(0, 1, limit);
        list.replace(0, b"small", limit);
        assert_eq!(encoding(&list), "listpack");
    }

    #[test]
    fn many_are_popped_from_the_outside_in() {
        let limit = BlockLimit::from_setting(3);
        let mut list = List::default();
        list.push(&[b"1", b"2", b"3", b"4", b"5", b"6"], End::Right, limit);
        let texts = |popped: &ListpackBuf| {
            popped.as_ref().iter().filter_map(Entry::integer).collect::<Vec<_>>()
        };
        assert_eq!(texts(&list.pop_many(2, End::Right, limit)), [6, 5]);
        assert_eq!(texts(&list.pop_many(2, End::Left, limit)), [1, 2]);
        assert_eq!(texts(&list.pop_many(0, End::Left, limit)), []);
        assert_eq!(texts(&list.pop_many(9, End::Left, limit)), [3, 4]);
        assert!(list.is_empty());
    }
}
