//! Walking elements in order, from both ends.

use super::Ranked;
use super::block::{Leaf, NONE};

/// A place between elements: a leaf and a position in it.
type Place<'a> = (&'a Leaf, usize);

/// Elements of a range of ranks, ascending; from the back with `rev`.
///
/// Cost: O(log n) for the first element of either end, O(1) for each other.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    ranked: &'a Ranked,
    /// Ranks that are left.
    start: u64,
    end: u64,
    front: Option<Place<'a>>,
    /// Behind the last element that is left.
    back: Option<Place<'a>>,
}

impl<'a> Range<'a> {
    pub(super) fn new(ranked: &'a Ranked, start: u64, end: u64) -> Self {
        Self { ranked, start, end, front: None, back: None }
    }

    fn locate(&self, rank: u64) -> Place<'a> {
        let tree = &self.ranked.tree;
        let (leaf, at) = tree.locate(rank, |_, _| ());
        (tree.leaves.get(leaf), at)
    }

    #[inline]
    fn item(&self, (leaf, at): Place<'a>) -> (&'a [u8], f64) {
        (leaf.member(at, &self.ranked.tree.long), leaf.score(at))
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.start >= self.end {
            return None;
        }
        let mut place = self.front.unwrap_or_else(|| self.locate(self.start));
        if place.1 == place.0.len() {
            debug_assert_ne!(place.0.next, NONE, "the range ends within the tree");
            place = (self.ranked.tree.leaves.get(place.0.next), 0);
        }
        self.front = Some((place.0, place.1 + 1));
        self.start += 1;
        Some(self.item(place))
    }

    /// Leaf by leaf, without asking for every element where it is.
    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, init: B, mut f: F) -> B {
        let Some(first) = self.next() else { return init };
        let mut sum = f(init, first);
        let (mut leaf, mut at) = self.front.expect("placed by its first element");
        let tree = &self.ranked.tree;
        let mut left = usize::try_from(self.end - self.start).expect("they are in memory");
        while left > 0 {
            if at == leaf.len() {
                (leaf, at) = (tree.leaves.get(leaf.next), 0);
            }
            let end = leaf.len().min(at + left);
            left -= end - at;
            sum = leaf.elements(at..end, &tree.long).fold(sum, &mut f);
            at = end;
        }
        sum
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.end.saturating_sub(self.start)).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Range<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.start >= self.end {
            return None;
        }
        self.end -= 1;
        let mut place = self.back.unwrap_or_else(|| {
            let (leaf, at) = self.locate(self.end);
            (leaf, at + 1)
        });
        if place.1 == 0 {
            debug_assert_ne!(place.0.previous, NONE, "the range begins within the tree");
            let leaf = self.ranked.tree.leaves.get(place.0.previous);
            place = (leaf, leaf.len());
        }
        place.1 -= 1;
        self.back = Some(place);
        Some(self.item(place))
    }
}

impl ExactSizeIterator for Range<'_> {}
