//! Lists: a listpack while small, a quicklist beyond `list-max-listpack-size`.
//!
//! Why it exists: when a list changes its form is visible in OBJECT ENCODING, so the rules are
//! those of Redis 7.2, in one place: a list grows into a quicklist before elements are added that
//! could exceed one block (judged by the arguments' lengths, not by their encodings), and shrinks
//! back when it is one block of at most half the limit.
//!
//! Invariants
//! - V1: a packed list fits one block by the limit that was in force when it last changed.

use std::ops::ControlFlow;

use crate::collection::Collection;
use crate::kind::Kind;
use crate::structures::listpack::{Entry, Listpack, ListpackBuf};
use crate::structures::quicklist::{BlockLimit, Quicklist};

/// What the settings say of lists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rules {
    /// How many blocks at each end of a new list are never compressed; 0 for all of them.
    pub depth: u16,
    /// The largest block.
    pub limit: BlockLimit,
}

impl Rules {
    /// Reads `list-max-listpack-size` and `list-compress-depth`.
    #[must_use]
    #[inline]
    pub fn from_settings(list_size_max: i64, list_compress_depth: usize) -> Self {
        let depth = u16::try_from(list_compress_depth).unwrap_or(u16::MAX);
        Self { depth, limit: BlockLimit::from_setting(list_size_max) }
    }
}

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
/// use engine::values::list::{End, List, Rules};
///
/// let rules = Rules::from_settings(-2, 0);
/// let mut list = List::default();
/// list.push(&[b"a", b"b"], End::Right, rules);
/// assert_eq!(list.pop(End::Right, rules, |element| element.eq_bytes(b"b")), Some(true));
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
    pub fn from_values<'v>(values: impl Iterator<Item = &'v [u8]>, rules: Rules) -> Self {
        let mut list = Quicklist::with_depth(rules.depth);
        values.for_each(|value| list.push_back(value, rules.limit));
        match list.take_small(rules.limit, false) {
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
    pub fn push(&mut self, values: &[&[u8]], end: End, rules: Rules) {
        self.grow(values.iter().map(|value| value.len()).sum(), values.len(), rules);
        for value in values {
            self.add(value, end, rules);
        }
    }

    #[inline]
    fn add(&mut self, value: &[u8], end: End, rules: Rules) {
        match (self, end) {
            (Self::Packed(block), End::Left) => block.push_front(value),
            (Self::Packed(block), End::Right) => block.push_back(value),
            (Self::Quick(list), End::Left) => list.push_front(value, rules.limit),
            (Self::Quick(list), End::Right) => list.push_back(value, rules.limit),
        }
    }

    /// Removes the element at an end, and answers what `take` made of it.
    #[inline]
    pub fn pop<R>(
        &mut self,
        end: End,
        rules: Rules,
        take: impl FnOnce(Entry<'_>) -> R,
    ) -> Option<R> {
        match (&mut *self, end) {
            (Self::Packed(block), End::Left) => block.pop_front(take),
            (Self::Packed(block), End::Right) => block.pop_back(take),
            (Self::Quick(list), _) => {
                let taken = match end {
                    End::Left => list.pop_front(take),
                    End::Right => list.pop_back(take),
                };
                self.shrink(rules);
                taken
            }
        }
    }

    /// Removes up to `count` elements at an end; the outermost comes first.
    pub fn pop_many(&mut self, count: usize, end: End, rules: Rules) -> ListpackBuf {
        let len = self.len();
        let count = count.min(len);
        let start = if end == End::Left { 0 } else { len - count };
        let mut popped = ListpackBuf::new();
        let view = self.as_ref();
        match end {
            End::Left => view.each(0, count, |entry| popped.push_back_entry(entry)),
            End::Right => view.each_back_until(len, count, |entry| {
                popped.push_back_entry(entry);
                ControlFlow::Continue(())
            }),
        }
        self.remove(start, count, rules);
        popped
    }

    /// Adds an element before element `index`, or behind the last.
    ///
    /// # Panics
    /// If `index` is more than the number of elements.
    pub fn insert(&mut self, index: usize, value: &[u8], rules: Rules) {
        self.grow(value.len(), 1, rules);
        match self {
            Self::Packed(block) => block.insert(index, value),
            Self::Quick(list) => list.insert(index, value, rules.limit),
        }
    }

    /// Puts another value in place of element `index`.
    ///
    /// # Panics
    /// If there is no such element.
    pub fn replace(&mut self, index: usize, value: &[u8], rules: Rules) {
        self.grow(value.len(), 1, rules);
        match self {
            Self::Packed(block) => block.replace(index, value),
            Self::Quick(list) => list.replace(index, value, rules.limit),
        }
        self.shrink(rules);
    }

    /// Removes `count` elements from `index` on.
    ///
    /// # Panics
    /// If there are not so many elements.
    pub fn remove(&mut self, index: usize, count: usize, rules: Rules) {
        match self {
            Self::Packed(block) => block.remove(index, count),
            Self::Quick(list) => list.remove(index, count),
        }
        self.shrink(rules);
    }

    /// Removes up to `max` elements equal to `value`, seen from an end; answers how many.
    pub fn remove_equal(&mut self, value: &[u8], max: usize, end: End, rules: Rules) -> usize {
        let from_back = end == End::Right;
        let removed = match self {
            Self::Packed(block) => block.remove_equal(value, max, from_back),
            Self::Quick(list) => list.remove_equal(value, max, from_back),
        };
        if removed > 0 {
            self.shrink(rules);
        }
        removed
    }

    /// Becomes a quicklist if so many more bytes and elements may not fit one block.
    #[inline]
    fn grow(&mut self, bytes: usize, count: usize, rules: Rules) {
        let Self::Packed(block) = self else { return };
        let bytes = BlockLimit::framed(block.as_ref()) + bytes;
        if rules.limit.exceeded_by(bytes, block.len() + count) {
            *self = Self::Quick(Quicklist::from_block(std::mem::take(block), rules.depth));
        }
    }

    /// Becomes a listpack again if it is small enough for one.
    #[inline]
    fn shrink(&mut self, rules: Rules) {
        if let Self::Quick(list) = self
            && let Some(block) = list.take_small(rules.limit, true)
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

    /// What `look` makes of the element at `index`.
    pub fn get<R>(self, index: usize, look: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        match self {
            Self::Packed(block) => block.get(index).map(look),
            Self::Quick(list) => list.get(index, look),
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

    /// Visits `count` elements from `start` on.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline]
    pub fn each(self, start: usize, count: usize, visit: impl FnMut(Entry<'_>)) {
        match self {
            Self::Packed(block) => block.each(start, count, visit),
            Self::Quick(list) => list.each(start, count, visit),
        }
    }

    /// Visits up to `count` elements from `start` on, until `visit` breaks.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn each_until(
        self,
        start: usize,
        count: usize,
        mut visit: impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) {
        match self {
            Self::Packed(block) => {
                let _ = block.slice(start, start + count).iter().try_for_each(&mut visit);
            }
            Self::Quick(list) => list.each_until(start, count, visit),
        }
    }

    /// Visits up to `count` elements before element `end`, the last first, until `visit` breaks.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn each_back_until(
        self,
        end: usize,
        count: usize,
        mut visit: impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) {
        match self {
            Self::Packed(block) => {
                let _ = block.slice(end - count, end).iter().rev().try_for_each(&mut visit);
            }
            Self::Quick(list) => list.each_back_until(end, count, visit),
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
        let rules = Rules::from_settings(4, 0);
        let mut list = List::default();
        list.push(&[b"1", b"2", b"3", b"4"], End::Right, rules);
        assert_eq!(encoding(&list), "listpack");
        list.push(&[b"5"], End::Left, rules);
        assert_eq!(encoding(&list), "quicklist");
        list.pop(End::Left, rules, |_| ());
        list.pop(End::Right, rules, |_| ());
        assert_eq!((encoding(&list), list.len()), ("quicklist", 3));
        list.pop(End::Right, rules, |_| ());
        assert_eq!((encoding(&list), list.len()), ("listpack", 2));
    }

    #[test]
    fn what_is_about_to_come_counts_by_its_length() {
        let rules = Rules::from_settings(-1, 0);
        // 4096 bytes, of which a listpack's frame takes 7.
        for (len, want) in [(4_089, "listpack"), (4_090, "quicklist")] {
            let mut list = List::default();
            list.push(&[&vec![b'x'; len]], End::Right, rules);
            assert_eq!(encoding(&list), want, "{len}");
        }
        let mut list = List::default();
        list.push(&[&vec![b'x'; 4_080]], End::Right, rules);
        list.push(&[b"1234567890"], End::Right, rules);
        assert_eq!(encoding(&list), "quicklist");
    }

    #[test]
    fn a_replaced_element_may_shrink_the_list() {
        let rules = Rules::from_settings(-1, 0);
        let mut list = List::default();
        list.push(&[b"a", &[b'x'; 4_090]], End::Right, rules);
        assert_eq!(encoding(&list), "quicklist");
        list.remove(0, 1, rules);
        list.replace(0, b"small", rules);
        assert_eq!(encoding(&list), "listpack");
    }

    #[test]
    fn many_are_popped_from_the_outside_in() {
        let rules = Rules::from_settings(3, 0);
        let mut list = List::default();
        list.push(&[b"1", b"2", b"3", b"4", b"5", b"6"], End::Right, rules);
        let texts = |popped: &ListpackBuf| {
            popped.as_ref().iter().filter_map(Entry::integer).collect::<Vec<_>>()
        };
        assert_eq!(texts(&list.pop_many(2, End::Right, rules)), [6, 5]);
        assert_eq!(texts(&list.pop_many(2, End::Left, rules)), [1, 2]);
        assert_eq!(texts(&list.pop_many(0, End::Left, rules)), []);
        assert_eq!(texts(&list.pop_many(9, End::Left, rules)), [3, 4]);
        assert!(list.is_empty());
    }
}
