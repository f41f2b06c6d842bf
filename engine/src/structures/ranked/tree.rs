//! The tree of blocks: descending, splitting and merging.
//!
//! Why it exists: a B+-tree whose inner nodes count what is below them (the order-statistics tree
//! of Cormen et al., "Introduction to Algorithms", chapter 14, on the B+-tree of Comer, "The
//! Ubiquitous B-Tree", 1979), so that ranks cost one descent. Separators are as short as they can
//! be (Bayer and Unterauer, "Prefix B-Trees", TODS 1977): between different scores the score
//! alone separates.
//!
//! Nothing here recurses: a descent notes its path, and what changed is carried up along it.

use smallvec::SmallVec;

use super::arena::Arena;
use super::block::{BYTES_MIN, Block, Inner, JOINED_MAX, Leaf, Long, NONE, Raw, SHORT_MAX};
use super::{Ranked, fragment, tag};

/// Inner nodes from the root down, and the position of the child that was taken in each.
pub(super) type Path = SmallVec<[(u32, usize); 8]>;

/// A node that was split in two: what its parent has to learn.
struct Split {
    left_count: u64,
    right: u32,
    right_count: u64,
    /// The separator between the two.
    score: f64,
    member: Vec<u8>,
}

/// Nodes of one tree.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) leaves: Arena<Leaf>,
    inners: Arena<Inner>,
    pub(super) long: Long,
    root: u32,
    /// Levels of inner nodes.
    height: usize,
    pub(super) last: u32,
}

impl Default for Tree {
    fn default() -> Self {
        let mut leaves = Arena::default();
        let root = leaves.add(Leaf::default());
        Self {
            leaves,
            inners: Arena::default(),
            long: Long::default(),
            root,
            height: 0,
            last: root,
        }
    }
}

/// A short member as it is, a long one's number in `id`.
fn packed<'a>(member: &'a [u8], long: &mut Long, id: &'a mut [u8; 4]) -> Raw<'a> {
    if member.len() <= SHORT_MAX {
        return Raw { bytes: member, is_long: false };
    }
    *id = long.add(member.into()).to_le_bytes();
    Raw { bytes: id, is_long: true }
}

/// Bytes that a member takes in a block.
fn packed_len(member: &[u8]) -> usize {
    if member.len() <= SHORT_MAX { member.len() } else { 4 }
}

/// The shortest separator above the left and not above the right element.
fn separator(left: (f64, &[u8]), right: (f64, &[u8])) -> (f64, Vec<u8>) {
    if left.0 < right.0 {
        return (right.0, Vec::new());
    }
    let common = left.1.iter().zip(right.1).take_while(|(a, b)| a == b).count();
    (right.0, right.1[..=common].to_vec())
}

fn remove_separated(inner: &mut Inner, at: usize, long: &mut Long) {
    if let Some(id) = inner.raw(at).long_id() {
        drop(long.take(id));
    }
    inner.remove(at..at + 1);
}

/// Gives the first entry the separator that all first entries have: what is below everything.
fn open_first(inner: &mut Inner, long: &mut Long) {
    let link = inner.extra(0);
    remove_separated(inner, 0, long);
    inner.insert(0, f64::NEG_INFINITY, link, Raw { bytes: &[], is_long: false });
}

fn total(inner: &Inner) -> u64 {
    inner.count_before(inner.len())
}

impl Tree {
    /// Bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        self.leaves.memory() + self.inners.memory() + self.long.memory()
    }

    /// The leaf that `(score, member)` belongs to, and the way there. The leaf's header is asked
    /// for, and not looked at.
    #[inline]
    pub(super) fn descend(&self, score: f64, member: &[u8]) -> (Path, u32) {
        let (mut path, mut node) = (Path::new(), self.root);
        for level in 0..self.height {
            let inner = self.inners.get(node);
            let at = inner.child_for(score, member, &self.long);
            path.push((node, at));
            node = inner.child(at);
            if level + 1 == self.height {
                self.leaves.prefetch(node);
            } else {
                self.inners.get(node).prefetch_scores();
            }
        }
        (path, node)
    }

    /// Asks for what the search in a node of a level will look at.
    #[inline]
    fn prefetch(&self, node: u32, level: usize) {
        if level == self.height {
            self.leaves.get(node).prefetch_scores();
        } else {
            self.inners.get(node).prefetch_scores();
        }
    }

    /// How many elements satisfy `holds`, which is true up to some element and false from there.
    pub(super) fn partition(&self, holds: impl Fn(f64, &[u8]) -> bool) -> u64 {
        let (mut node, mut before) = (self.root, 0);
        for level in 0..self.height {
            let inner = self.inners.get(node);
            let at = inner.partition(&self.long, &holds).saturating_sub(1);
            node = inner.child(at);
            self.prefetch(node, level + 1);
            before += inner.count_before(at);
        }
        before + self.leaves.get(node).partition(&self.long, holds) as u64
    }

    /// How many elements are in leaves before that of `(score, member)`.
    pub(super) fn count_before_leaf_of(&self, score: f64, member: &[u8]) -> u64 {
        let (mut node, mut before) = (self.root, 0);
        for level in 0..self.height {
            let inner = self.inners.get(node);
            let at = inner.child_for(score, member, &self.long);
            node = inner.child(at);
            // The leaf itself is not looked at.
            if level + 1 < self.height {
                self.prefetch(node, level + 1);
            }
            before += inner.count_before(at);
        }
        before
    }

    /// Leaf and position of the element of a rank, which must exist.
    pub(super) fn locate(&self, mut rank: u64, mut note: impl FnMut(u32, usize)) -> (u32, usize) {
        let mut node = self.root;
        for _ in 0..self.height {
            let inner = self.inners.get(node);
            let mut at = 0;
            while rank >= inner.count(at) {
                rank -= inner.count(at);
                at += 1;
            }
            note(node, at);
            node = inner.child(at);
        }
        (node, usize::try_from(rank).expect("within a leaf"))
    }

    /// Adds `count` to every node of a path.
    fn count_path(&mut self, path: &[(u32, usize)], count: impl Fn(u64) -> u64) {
        for &(node, at) in path {
            let inner = self.inners.get_mut(node);
            inner.set_count(at, count(inner.count(at)));
        }
    }

    /// Removes an entry of an inner node, with its separator.
    fn remove_entry(&mut self, node: u32, at: usize) {
        let Self { inners, long, .. } = self;
        inners.edit(node, |inner| {
            remove_separated(inner, at, long);
            if at == 0 && inner.len() > 0 {
                open_first(inner, long);
            }
        });
    }

    fn unlink(&mut self, leaf: u32) {
        let &Block { previous, next, .. } = self.leaves.get(leaf);
        if previous != NONE {
            self.leaves.get_mut(previous).next = next;
        }
        if next == NONE {
            self.last = previous;
        } else {
            self.leaves.get_mut(next).previous = previous;
        }
    }

    /// Carries splits from the leaf up.
    fn grow(&mut self, path: &[(u32, usize)], mut pending: Option<Split>) {
        let mut left = None;
        for &(node, at) in path.iter().rev() {
            pending = match pending.take() {
                None => {
                    let inner = self.inners.get_mut(node);
                    inner.set_count(at, inner.count(at) + 1);
                    None
                }
                Some(split) => self.adopt(node, at, split),
            };
            left = Some(node);
        }
        let Some(split) = pending else { return };
        debug_assert!(left.is_none_or(|left| left == self.root), "the root was split");
        let mut root = Inner::default();
        let none = Raw { bytes: &[], is_long: false };
        root.insert(0, f64::NEG_INFINITY, Inner::link(self.root, split.left_count), none);
        let mut id = [0; 4];
        let member = packed(&split.member, &mut self.long, &mut id);
        root.insert(1, split.score, Inner::link(split.right, split.right_count), member);
        self.root = self.inners.add(root);
        self.height += 1;
    }

    /// Enters the right half of a split child; splits the node itself when it is full.
    fn adopt(&mut self, node: u32, at: usize, split: Split) -> Option<Split> {
        let mut id = [0; 4];
        let member = packed(&split.member, &mut self.long, &mut id);
        let link = Inner::link(split.right, split.right_count);
        self.inners.get_mut(node).set_count(at, split.left_count);
        if self.inners.get(node).has_room(member.bytes.len()) {
            self.inners.edit(node, |inner| inner.insert(at + 1, split.score, link, member));
            return None;
        }
        let mut right = self.inners.edit(node, |inner| {
            let middle = inner.middle();
            inner.split_off(middle)
        });
        let left_len = self.inners.get(node).len();
        if at < left_len {
            self.inners.edit(node, |inner| inner.insert(at + 1, split.score, link, member));
        } else {
            right.insert(at + 1 - left_len, split.score, link, member);
        }
        let (score, member) = (right.score(0), right.member(0, &self.long).to_vec());
        open_first(&mut right, &mut self.long);
        let right_count = total(&right);
        let left_count = total(self.inners.get(node));
        Some(Split { left_count, right: self.inners.add(right), right_count, score, member })
    }

    /// Merges an inner node with a neighbour if it is small; says whether the parent lost an
    /// entry.
    fn mend_inner(&mut self, parent: u32, at: usize) -> bool {
        let child = self.inners.get(parent).child(at);
        if self.inners.get(child).len() == 0 {
            self.remove_entry(parent, at);
            drop(self.inners.take(child));
            return true;
        }
        if self.inners.get(child).size() >= BYTES_MIN {
            return false;
        }
        for right in [at, at + 1] {
            if right > 0 && right < self.inners.get(parent).len() && self.merge_inner(parent, right)
            {
                return true;
            }
        }
        false
    }

    /// Merges the child at `right` into the one before it, if they fit.
    fn merge_inner(&mut self, parent: u32, right: usize) -> bool {
        let inner = self.inners.get(parent);
        let (into, from) = (inner.child(right - 1), inner.child(right));
        let between = inner.raw(right);
        let size = self.inners.get(into).size() + self.inners.get(from).size();
        if size + between.bytes.len() > JOINED_MAX {
            return false;
        }
        let score = inner.score(right);
        let between: SmallVec<[u8; 64]> = between.bytes.into();
        let is_long = inner.raw(right).is_long;
        let count = inner.count(right - 1) + inner.count(right);
        // The first entry's separator becomes what the parent knew.
        let mut moved = self.inners.take(from);
        let link = moved.extra(0);
        moved.remove(0..1);
        moved.insert(0, score, link, Raw { bytes: &between, is_long });
        self.inners.edit(into, |into| *into = into.joined(&moved));
        self.inners.edit(parent, |parent| {
            // Not `remove_entry`: the separator lives on in the merged node.
            parent.remove(right..right + 1);
            parent.set_count(right - 1, count);
        });
        true
    }

    /// While the root has a single child, that is the root.
    fn lower_root(&mut self) {
        while self.height > 0 && self.inners.get(self.root).len() == 1 {
            let child = self.inners.get(self.root).child(0);
            self.remove_entry(self.root, 0);
            drop(self.inners.take(self.root));
            self.root = child;
            self.height -= 1;
        }
    }
}

impl Ranked {
    /// Inserts an element that is not there; returns its leaf. Its index entry is the caller's.
    pub(super) fn place(&mut self, tag: u8, member: &[u8], score: f64) -> u32 {
        let (path, leaf) = self.tree.descend(score, member);
        self.tree.leaves.get(leaf).prefetch_whole();
        self.place_in(&path, leaf, tag, member, score)
    }

    /// The same where the leaf that it belongs to is known already.
    pub(super) fn place_in(
        &mut self,
        path: &Path,
        leaf: u32,
        tag: u8,
        member: &[u8],
        score: f64,
    ) -> u32 {
        let tree = &mut self.tree;
        let at = tree.leaves.get(leaf).search(score, member, false, &tree.long);
        if tree.leaves.get(leaf).has_room(packed_len(member)) {
            let mut id = [0; 4];
            let member = packed(member, &mut tree.long, &mut id);
            tree.leaves.edit(leaf, |leaf| leaf.insert(at, score, [tag], member));
            tree.count_path(path, |count| count + 1);
            return leaf;
        }
        let right = self.split_leaf(leaf, at);
        let tree = &mut self.tree;
        let mut id = [0; 4];
        let raw = packed(member, &mut tree.long, &mut id);
        let left_len = tree.leaves.get(leaf).len();
        let goes_right = at > left_len || tree.leaves.get(right).len() == 0;
        let (target, at) = if goes_right { (right, at - left_len) } else { (leaf, at) };
        tree.leaves.edit(target, |leaf| leaf.insert(at, score, [tag], raw));
        let (a, b) = (tree.leaves.get(leaf), tree.leaves.get(right));
        let last = a.len() - 1;
        let (score, member) = separator(
            (a.score(last), a.member(last, &tree.long)),
            (b.score(0), b.member(0, &tree.long)),
        );
        let (left_count, right_count) = (a.len() as u64, b.len() as u64);
        tree.grow(path, Some(Split { left_count, right, right_count, score, member }));
        target
    }

    /// Makes room in a full leaf. At the end of the last one nothing moves: elements that come in
    /// order leave full leaves behind.
    fn split_leaf(&mut self, leaf: u32, at: usize) -> u32 {
        let tree = &mut self.tree;
        let block = tree.leaves.get(leaf);
        let next = block.next;
        let cut = if next == NONE && at == block.len() { at } else { block.middle() };
        let mut right = tree.leaves.edit(leaf, |leaf| leaf.split_off(cut));
        right.previous = leaf;
        right.next = next;
        let id = tree.leaves.add(right);
        tree.leaves.get_mut(leaf).next = id;
        if next == NONE {
            tree.last = id;
        } else {
            tree.leaves.get_mut(next).previous = id;
        }
        self.reindex(leaf, id, id);
        id
    }

    /// All elements of the block at `block` have moved from one leaf to another.
    fn reindex(&mut self, from: u32, to: u32, block: u32) {
        let block = self.tree.leaves.get(block);
        for at in 0..block.len() {
            let fragment = fragment(block.member(at, &self.tree.long), self.seed);
            debug_assert_eq!(tag(fragment), block.extra(at)[0], "the tag is the hash's");
            self.index.replace(fragment, from, to);
        }
    }

    /// Removes elements of one leaf. Their index entries are the caller's. Returns whether all
    /// nodes are where they were: the ways down that are known still hold.
    pub(super) fn cut(&mut self, path: &Path, leaf: u32, range: std::ops::Range<usize>) -> bool {
        let tree = &mut self.tree;
        let count = range.len() as u64;
        for at in range.clone() {
            if let Some(id) = tree.leaves.get(leaf).raw(at).long_id() {
                drop(tree.long.take(id));
            }
        }
        tree.leaves.edit(leaf, |leaf| leaf.remove(range));
        tree.count_path(path, |before| before - count);
        let mut same = true;
        for (level, &(node, at)) in path.iter().enumerate().rev() {
            let is_leaf = level + 1 == path.len();
            let lost =
                if is_leaf { self.mend_leaf(node, at) } else { self.tree.mend_inner(node, at) };
            if !lost {
                break;
            }
            same = false;
        }
        if !same {
            self.tree.lower_root();
        }
        same
    }

    /// As [`Tree::mend_inner`].
    fn mend_leaf(&mut self, parent: u32, at: usize) -> bool {
        let tree = &mut self.tree;
        let inner = tree.inners.get(parent);
        let child = inner.child(at);
        let block = tree.leaves.get(child);
        if block.len() == 0 {
            tree.unlink(child);
            drop(tree.leaves.take(child));
            tree.remove_entry(parent, at);
            return true;
        }
        if block.size() >= BYTES_MIN {
            return false;
        }
        for right in [at, at + 1] {
            if right == 0 || right >= inner.len() {
                continue;
            }
            let (a, b) = (inner.child(right - 1), inner.child(right));
            if tree.leaves.get(a).size() + tree.leaves.get(b).size() <= JOINED_MAX {
                self.merge_leaves(parent, right);
                return true;
            }
        }
        false
    }

    /// Merges the leaf at `right` and the one before it; the smaller one's elements move.
    fn merge_leaves(&mut self, parent: u32, right: usize) {
        let tree = &mut self.tree;
        let inner = tree.inners.get(parent);
        let (a, b) = (inner.child(right - 1), inner.child(right));
        let joined = tree.leaves.get(a).joined(tree.leaves.get(b));
        let count = joined.len() as u64;
        let (stays, goes) =
            if tree.leaves.get(a).size() < tree.leaves.get(b).size() { (b, a) } else { (a, b) };
        self.reindex(goes, stays, goes);
        let tree = &mut self.tree;
        tree.unlink(goes);
        drop(tree.leaves.take(goes));
        tree.leaves.edit(stays, |leaf| {
            let links = (leaf.previous, leaf.next);
            *leaf = joined;
            (leaf.previous, leaf.next) = links;
        });
        tree.remove_entry(parent, right);
        tree.inners.get_mut(parent).set_link(right - 1, stays, count);
    }
}

#[cfg(any(test, fuzzing))]
impl Ranked {
    /// Checks order, counts, separators and links of the whole tree.
    pub(super) fn check_tree(&self) {
        let tree = &self.tree;
        let mut leaves = Vec::new();
        let low: (f64, Vec<u8>) = (f64::NEG_INFINITY, Vec::new());
        let mut todo = vec![(tree.root, tree.height, low, None::<(f64, Vec<u8>)>, None)];
        while let Some((node, height, low, high, count)) = todo.pop() {
            if height == 0 {
                let leaf = tree.leaves.get(node);
                assert!(count.is_none_or(|count| count == leaf.len() as u64), "leaf count");
                let mut before = None;
                for at in 0..leaf.len() {
                    let key = (leaf.score(at), leaf.member(at, &tree.long).to_vec());
                    assert!(before.is_none_or(|before| before < key), "B1: order");
                    assert!(low <= key && high.as_ref().is_none_or(|high| key < *high), "bounds");
                    before = Some(key);
                }
                assert_eq!(leaf.previous, leaves.last().copied().unwrap_or(NONE), "previous");
                leaves.push(node);
                continue;
            }
            let inner = tree.inners.get(node);
            assert!(inner.len() > 0, "no empty inner node");
            assert!(count.is_none_or(|count| count == total(inner)), "inner count");
            let key = |at: usize| (inner.score(at), inner.member(at, &tree.long).to_vec());
            assert_eq!(key(0), (f64::NEG_INFINITY, Vec::new()), "B4");
            for at in (0..inner.len()).rev() {
                let low = if at == 0 { low.clone() } else { key(at) };
                let high = if at + 1 < inner.len() { Some(key(at + 1)) } else { high.clone() };
                todo.push((inner.child(at), height - 1, low, high, Some(inner.count(at))));
            }
        }
        for pair in leaves.windows(2) {
            assert_eq!(tree.leaves.get(pair[0]).next, pair[1], "next");
        }
        assert_eq!(leaves.last(), Some(&tree.last));
        assert_eq!(leaves.len(), tree.leaves.len(), "no leaf is lost");
    }
}
