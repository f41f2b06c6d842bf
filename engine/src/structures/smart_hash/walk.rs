//! Ways through the elements: all of them, by cursor, at random.

use super::directory::DEPTH_MAX;
use super::tags::TAGS;
use super::{Element, SmartHash};

/// Draws before [`SmartHash::random`] counts elements instead. One in two to four succeeds, one
/// in twenty if the elements are long.
const DRAWS_MAX: usize = 64;

impl SmartHash {
    /// All elements, in hash order segment by segment.
    pub fn iter(&self) -> impl Iterator<Item = Element<'_>> + Clone {
        let segments = self.directory.segments();
        segments.flat_map(|segment| (0..segment.len()).map(move |index| segment.element(index)))
    }

    /// Visits elements from `cursor` on (0 is the start) until at least `count` were visited, and
    /// returns the cursor to go on with, 0 at the end.
    ///
    /// A cursor is a position in hash order, always between segments when it is given out: an
    /// element that is there from the first call to the last is visited, whatever was inserted,
    /// removed, split or merged in between; it may be visited again after a merge.
    pub fn scan<'a>(
        &'a self,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(Element<'a>),
    ) -> u64 {
        let mut at = cursor;
        let (mut visited, mut segments) = (0, 0);
        while at >> DEPTH_MAX == 0 {
            // Empty segments count too, or a call might walk through all of a sparse table.
            if visited >= count.max(1) || segments > count {
                return at;
            }
            let segment = self.directory.segment(at << (64 - u32::from(DEPTH_MAX)));
            (0..segment.len()).for_each(|index| visit(segment.element(index)));
            visited += segment.len();
            segments += 1;
            let span = DEPTH_MAX - segment.depth;
            at = ((at >> span) + 1) << span;
        }
        0
    }

    /// An element that every element had the same chance to be; `None` in an empty table.
    /// `source` is a random number.
    ///
    /// Cost: a few lookups. A point of the hash space leads to a segment, which is taken with a
    /// probability that makes up for the segments' sizes and for how full they are.
    #[must_use]
    pub fn random(&self, source: u64) -> Option<Element<'_>> {
        if self.is_empty() {
            return None;
        }
        let mut state = source;
        let bound = self.directory.depth_bound();
        for _ in 0..DRAWS_MAX {
            let segment = self.directory.segment(next_random(&mut state));
            // As if each of the smallest segments there might be had room for TAGS elements.
            let places = TAGS << (bound - segment.depth);
            let place = below(next_random(&mut state), places);
            if place < segment.len() {
                return Some(segment.element(place));
            }
        }
        let mut rank = below(next_random(&mut state), self.len());
        for segment in self.directory.segments() {
            if rank < segment.len() {
                return Some(segment.element(rank));
            }
            rank -= segment.len();
        }
        None
    }
}

/// The next of a sequence of random numbers (splitmix64: Steele, Lea and Flood, "Fast Splittable
/// Pseudorandom Number Generators", OOPSLA 2014).
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// A number below `limit`, made from a random one.
fn below(random: u64, limit: usize) -> usize {
    let wide = u128::from(random) * limit as u128;
    usize::try_from(wide >> 64).expect("below a usize")
}
