//! The large form of a sorted set: members with scores, in order, with ranks.
//!
//! Why it exists: ranks, ranges and counts in O(log n), scores by member in O(1), at some 17 bytes
//! per element over score and member where a skiplist with a dictionary takes 80. Two parts:
//!
//! ```text
//! member index                          tree
//! [hash bits | leaf] ... ----------.            [inner: separators, children, counts]
//! the member is not here            \                /          |          \
//!                                    `---> [leaf] <-> [leaf] <-> [leaf] <-> [leaf]
//!                                          scores | tags | offsets | members
//! ```
//!
//! A leaf is one packed block of at most 2 KiB (`block`). Elements are found by member through the
//! index (`index`), which names the leaf; within it, by eight bits of the hash and then by the
//! bytes. They are found by score, rank or member range through the tree (`tree`). When a leaf
//! splits or merges, the index entries of the elements that moved are changed.
//!
//! Not for small sets (those are listpacks), and not synchronised: `&self` reads, `&mut self`
//! edits. Dropping and cloning do not recurse: nodes lie in arenas (`arena`), whose clones share
//! blocks until one side edits them.
//!
//! Invariants
//! - R1: the index has exactly one entry per element, that names its leaf.
//! - R2: leaves are chained in order, and no leaf is empty unless the whole set is.
//! - R3: scores are never NaN. Equal scores (0 and -0 are equal) are ordered by member bytes.

mod arena;
mod block;
mod index;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod range;
mod search;
#[cfg(test)]
mod tests;
mod tree;

use index::Index;
pub use range::Range;
use smallvec::SmallVec;
use tree::{Path, Tree};

/// Members with scores, ordered by score and then member.
///
/// A clone shares all blocks until they are edited. Cost: O(n / 10,000), and four bytes for each
/// segment of the index.
///
/// # Examples
/// ```
/// use engine::structures::ranked::Ranked;
///
/// let mut board = Ranked::new(42);
/// assert_eq!(board.insert(b"bob", 7.0), None);
/// assert_eq!(board.insert(b"eve", 3.0), None);
/// assert_eq!(board.insert(b"bob", 2.0), Some(7.0));
/// assert_eq!(board.rank(b"eve"), Some((1, 3.0)));
/// assert_eq!(board.select(0), Some((&b"bob"[..], 2.0)));
/// let below_three = board.count_while(|score, _| score < 3.0);
/// assert_eq!(below_three, 1);
/// ```
#[derive(Clone, Debug)]
pub struct Ranked {
    tree: Tree,
    index: Index,
    len: u64,
    seed: u64,
}

/// The part of a member's hash that the index keeps.
#[inline]
fn fragment(member: &[u8], seed: u64) -> u32 {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(member, seed);
    u32::try_from(hash >> 32).expect("the high half")
}

/// The part of a fragment that the leaf keeps.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low byte")]
const fn tag(fragment: u32) -> u8 {
    fragment as u8
}

impl Ranked {
    /// An empty set. `seed` keys the hash of members: unknown to clients, it keeps them from
    /// choosing members that collide.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { tree: Tree::default(), index: Index::default(), len: 0, seed }
    }

    /// The elements as they are now, for reading in order while this set is edited: what a
    /// snapshot takes. It has no member index: its elements are not found by member.
    ///
    /// Cost: O(n / 10,000); what is edited later copies its block and the path to it once.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { tree: self.tree.clone(), index: Index::default(), ..*self }
    }

    /// Number of elements. Cost: O(1).
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap bytes it owns, rounded as the allocator does for blocks. Cost: O(1).
    #[must_use]
    pub fn memory(&self) -> usize {
        self.tree.memory() + self.index.memory()
    }

    /// Leaf and position of a member.
    #[inline]
    fn find(&self, fragment: u32, member: &[u8]) -> Option<(u32, usize)> {
        self.index.leaves(fragment).find_map(|leaf| {
            let block = self.tree.leaves.get(leaf);
            block.find(tag(fragment), member, &self.tree.long).map(|at| (leaf, at))
        })
    }

    /// Hints that these members will be asked for soon: a member alone costs some five cache
    /// misses, one after the other, many at once share them.
    pub fn prefetch(&self, members: &[&[u8]]) {
        let mut fragments = [0; 64];
        for group in members.chunks(fragments.len()) {
            for (fragment_of, member) in fragments.iter_mut().zip(group) {
                *fragment_of = fragment(member, self.seed);
                self.index.prefetch_segment(*fragment_of);
            }
            if group.len() == 1 {
                continue;
            }
            let fragments = &fragments[..group.len()];
            for &fragment in fragments {
                self.index.prefetch_slots(fragment);
            }
            for &fragment in fragments {
                self.index.leaves(fragment).for_each(|leaf| self.tree.leaves.prefetch(leaf));
            }
            for &fragment in fragments {
                let leaves = self.index.leaves(fragment);
                leaves.for_each(|leaf| self.tree.leaves.get(leaf).prefetch_tags());
            }
            for &fragment in fragments {
                let leaves = self.index.leaves(fragment);
                leaves.for_each(|leaf| self.tree.leaves.get(leaf).prefetch_tagged(tag(fragment)));
            }
        }
    }

    /// The score of a member. Cost: O(1), about two cache misses.
    #[must_use]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        let (leaf, at) = self.find(fragment(member, self.seed), member)?;
        Some(self.tree.leaves.get(leaf).score(at))
    }

    /// Rank and score of a member. Cost: O(log n).
    #[must_use]
    pub fn rank(&self, member: &[u8]) -> Option<(u64, f64)> {
        let (leaf, at) = self.find(fragment(member, self.seed), member)?;
        let score = self.tree.leaves.get(leaf).score(at);
        Some((self.tree.count_before_leaf_of(score, member) + at as u64, score))
    }

    /// The element of a rank. Cost: O(log n).
    #[must_use]
    pub fn select(&self, rank: u64) -> Option<(&[u8], f64)> {
        self.range(rank, rank.saturating_add(1)).next()
    }

    /// Number of elements from the front for which `holds` is true. It must be true up to some
    /// element and false from there on; so this finds the rank of any bound. Cost: O(log n).
    pub fn count_while(&self, holds: impl Fn(f64, &[u8]) -> bool) -> u64 {
        self.tree.partition(holds)
    }

    /// The elements of ranks `start..end`, cut to what there is.
    #[must_use]
    pub fn range(&self, start: u64, end: u64) -> Range<'_> {
        Range::new(self, start, end.min(self.len))
    }

    /// All elements in order.
    #[must_use]
    pub fn iter(&self) -> Range<'_> {
        self.range(0, self.len)
    }

    /// Sets the score of a member, adding it if need be; returns the score it had.
    ///
    /// Cost: O(log n); nothing but the search when the score is the same.
    ///
    /// # Panics
    /// If `score` is NaN.
    pub fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        assert!(!score.is_nan(), "scores are never NaN (R3)");
        let fragment = fragment(member, self.seed);
        self.index.prefetch_count(fragment);
        let Some((leaf, at)) = self.find(fragment, member) else {
            let leaf = self.place(tag(fragment), member, score);
            self.index.insert(fragment, leaf);
            self.len += 1;
            return None;
        };
        let old = self.tree.leaves.get(leaf).score(at);
        if old == score || self.set_in_place(leaf, at, member, score) {
            return Some(old);
        }
        let new = self.relocate((leaf, at), tag(fragment), member, old, score);
        if new != leaf {
            self.index.replace(fragment, leaf, new);
        }
        Some(old)
    }

    /// Moves an element to where another score belongs; returns the leaf that it is in then.
    ///
    /// Both leaves, some 2 KiB each that are far away in a large set, are asked for before either
    /// is edited, so that one is on its way while the other one changes.
    fn relocate(
        &mut self,
        (leaf, at): (u32, usize),
        tag: u8,
        member: &[u8],
        old: f64,
        score: f64,
    ) -> u32 {
        let tree = &self.tree;
        let (there, target) = tree.descend(score, member);
        tree.leaves.get(leaf).prefetch_whole();
        let (here, found) = tree.descend(old, member);
        debug_assert_eq!(found, leaf, "the index names the leaf (R1)");
        tree.leaves.get(target).prefetch_whole();
        if self.cut(&here, leaf, at..at + 1) {
            self.place_in(&there, target, tag, member, score)
        } else {
            self.place(tag, member, score)
        }
    }

    /// Changes the score where that leaves the element between its neighbours in the leaf.
    fn set_in_place(&mut self, leaf: u32, at: usize, member: &[u8], score: f64) -> bool {
        let (tree, long) = (&self.tree, &self.tree.long);
        let block = tree.leaves.get(leaf);
        if at == 0 || at + 1 >= block.len() {
            return false;
        }
        let key = (score, member);
        let stays = (block.score(at - 1), block.member(at - 1, long)) < key
            && key < (block.score(at + 1), block.member(at + 1, long));
        if stays {
            self.tree.leaves.get_mut(leaf).set_score(at, score);
        }
        stays
    }

    /// Removes a member; returns the score it had. Cost: O(log n).
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let fragment = fragment(member, self.seed);
        let (leaf, at) = self.find(fragment, member)?;
        let score = self.tree.leaves.get(leaf).score(at);
        self.index.remove(fragment, leaf);
        self.tree.leaves.get(leaf).prefetch_whole();
        let (path, found) = self.tree.descend(score, member);
        debug_assert_eq!(found, leaf, "the index names the leaf (R1)");
        self.forget(&path, leaf, at..at + 1);
        Some(score)
    }

    /// Removes elements of a leaf whose index entries are gone already.
    fn forget(&mut self, path: &Path, leaf: u32, range: std::ops::Range<usize>) {
        self.len -= range.len() as u64;
        if self.len == 0 {
            (self.tree, self.index) = (Tree::default(), Index::default());
            return;
        }
        self.cut(path, leaf, range);
    }

    /// Removes the elements of ranks `start..end` (cut to what there is), showing each to `each`
    /// first, in order; returns how many there were.
    ///
    /// Cost: O(log n) and O(1) per element.
    pub fn remove_range(&mut self, start: u64, end: u64, mut each: impl FnMut(&[u8], f64)) -> u64 {
        let mut left = end.min(self.len).saturating_sub(start);
        let removed = left;
        while left > 0 {
            let mut path = Path::new();
            let (leaf, from) = self.tree.locate(start, |node, at| path.push((node, at)));
            let block = self.tree.leaves.get(leaf);
            let here = usize::try_from(left).unwrap_or(usize::MAX).min(block.len() - from);
            for at in from..from + here {
                let member = block.member(at, &self.tree.long);
                each(member, block.score(at));
                self.index.remove(fragment(member, self.seed), leaf);
            }
            self.forget(&path, leaf, from..from + here);
            left -= here as u64;
        }
        removed
    }

    /// Removes and returns the element with the lowest score.
    pub fn pop_first(&mut self) -> Option<(Vec<u8>, f64)> {
        let mut popped = None;
        self.remove_range(0, 1, |member, score| popped = Some((member.to_vec(), score)));
        popped
    }

    /// Removes and returns the element with the highest score.
    pub fn pop_last(&mut self) -> Option<(Vec<u8>, f64)> {
        let mut popped = None;
        let last = self.len.saturating_sub(1);
        self.remove_range(last, self.len, |member, score| popped = Some((member.to_vec(), score)));
        popped
    }

    /// Visits about `count` elements (at least one) from `cursor` on, and returns the cursor to go
    /// on with; 0 begins, and means the end when returned.
    ///
    /// An element that is there from the first call to the last is visited exactly once, whatever
    /// else changes in between: the order is that of the members' hashes.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        let Ok(from) = u32::try_from(cursor) else { return 0 };
        let (mut seen, mut last, mut next) = (0, None, 0);
        // Leaves that hold elements of the last fragment.
        let mut leaves: SmallVec<[u32; 4]> = SmallVec::new();
        self.index.walk(from, |at, leaf| {
            if last != Some(at) {
                // Equal fragments stay together: a cursor cannot point between them.
                if seen >= count.max(1) {
                    next = u64::from(at);
                    return false;
                }
                last = Some(at);
                leaves.clear();
            }
            if !leaves.contains(&leaf) {
                leaves.push(leaf);
                seen += self.visit_hashed(at, leaf, &mut visit);
            }
            true
        });
        next
    }

    /// Visits the elements of a leaf whose hash has this fragment.
    fn visit_hashed(&self, at: u32, leaf: u32, visit: &mut impl FnMut(&[u8], f64)) -> usize {
        let (block, long) = (self.tree.leaves.get(leaf), &self.tree.long);
        let mut seen = 0;
        for place in block.tagged(tag(at)) {
            let member = block.member(place, long);
            if fragment(member, self.seed) == at {
                visit(member, block.score(place));
                seen += 1;
            }
        }
        seen
    }

    /// Checks every invariant. Cost: O(n).
    #[cfg(any(test, fuzzing))]
    pub(crate) fn check(&self) {
        self.check_tree();
        self.index.check(usize::try_from(self.len).expect("it is in memory"));
        for (rank, (member, score)) in self.iter().enumerate() {
            assert_eq!(self.rank(member), Some((rank as u64, score)), "R1: {member:?}");
        }
    }
}
