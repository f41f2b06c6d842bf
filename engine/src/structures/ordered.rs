//! An ordered map of small plain entries whose clones share it.
//!
//! Why it exists: a consumer group may have a million pending entries, and a snapshot takes them
//! at one instant. The standard library's tree would have to be copied; this one keeps sorted
//! blocks of up to [`BLOCK`] entries in a spine, which share (`cow`). Not for entries that own
//! memory, nor for random insertion into hundreds of millions: an insertion moves half a block.
//!
//! Invariants
//! - O1: keys ascend, within blocks and from block to block; no block is empty.
//! - O2: `len` is the number of entries, `heap` the sum of the blocks' allocations.

use super::cow::CowVec;
use super::spine::{Iter, Spine, Spot};

/// Most entries of a block.
const BLOCK: usize = 64;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Ordered<K, V> {
    blocks: Spine<CowVec<(K, V)>>,
    len: usize,
    heap: usize,
}

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self { blocks: Spine::default(), len: 0, heap: 0 }
    }
}

impl<K: Copy + Ord, V: Copy> Ordered<K, V> {
    /// Number of entries.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Bytes on the heap. Cost: O(1).
    pub(super) fn memory(&self) -> usize {
        self.heap + self.blocks.memory()
    }

    /// The block in which the first key is that is not below `key`; and its place there.
    #[inline]
    fn seek(&self, key: K) -> Option<(Spot, usize)> {
        let holds = |block: &CowVec<(K, V)>| block.last().is_some_and(|(last, _)| *last < key);
        if self.blocks.back().is_none_or(holds) {
            return None;
        }
        let spot = self.blocks.partition_point(holds)?;
        Some((spot, self.blocks.at(spot).partition_point(|(one, _)| *one < key)))
    }

    fn find(&self, key: K) -> Option<(Spot, usize)> {
        self.seek(key).filter(|&(spot, at)| self.blocks.at(spot)[at].0 == key)
    }

    /// The value of a key.
    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.find(key).map(|(spot, at)| &self.blocks.at(spot)[at].1)
    }

    /// The same for editing.
    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let (spot, at) = self.find(key)?;
        Some(&mut self.blocks.at_mut(spot).unshare()[at].1)
    }

    /// The entry with the least key.
    pub(super) fn first(&self) -> Option<(K, V)> {
        self.blocks.front().and_then(|block| block.first()).copied()
    }

    /// The entry with the greatest key.
    pub(super) fn last(&self) -> Option<(K, V)> {
        self.blocks.back().and_then(|block| block.last()).copied()
    }

    /// Changes a block and keeps O2.
    fn change<R>(&mut self, spot: Spot, change: impl FnOnce(&mut CowVec<(K, V)>) -> R) -> R {
        let block = self.blocks.at_mut(spot);
        let (len, heap) = (block.len(), block.heap_bytes());
        let result = change(block);
        self.len = self.len - len + block.len();
        self.heap = self.heap - heap + block.heap_bytes();
        result
    }

    /// Sets the value of a key; returns the one it had. Cost: O(log n), and half a block.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Some((spot, at)) = self.seek(key) else {
            self.append(key, value);
            return None;
        };
        let block = self.blocks.at(spot);
        if block[at].0 == key {
            let old = &mut self.blocks.at_mut(spot).unshare()[at].1;
            return Some(std::mem::replace(old, value));
        }
        if block.len() == BLOCK {
            self.split(spot);
            return self.insert(key, value);
        }
        self.change(spot, |block| block.unshare().insert(at, (key, value)));
        None
    }

    /// Adds a key above all others. Full blocks stay full.
    fn append(&mut self, key: K, value: V) {
        if self.blocks.back().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push_back(CowVec::new());
        }
        let block = self.blocks.back_mut().expect("pushed above when there was none");
        let heap = block.heap_bytes();
        block.unshare().push((key, value));
        self.heap = self.heap - heap + block.heap_bytes();
        self.len += 1;
    }

    fn split(&mut self, spot: Spot) {
        let tail = self.change(spot, |block| block.unshare().split_off(BLOCK / 2));
        self.len += tail.len();
        self.heap += tail.heap_bytes();
        self.blocks.insert_behind(spot, tail);
    }

    /// Removes a key; returns its value. Cost: as [`Ordered::insert`].
    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let (spot, at) = self.find(key)?;
        let (_, value) = if self.blocks.at(spot).len() == 1 {
            self.take(spot)[0]
        } else {
            let removed = self.change(spot, |block| block.unshare().remove(at));
            self.merge(spot);
            removed
        };
        Some(value)
    }

    /// Takes a block out.
    fn take(&mut self, spot: Spot) -> CowVec<(K, V)> {
        let block = self.blocks.remove(spot);
        self.len -= block.len();
        self.heap -= block.heap_bytes();
        block
    }

    /// Joins a sparse block and the next, if that is sparse too.
    fn merge(&mut self, spot: Spot) {
        let here = self.blocks.at(spot).len();
        let Some(next) = self.blocks.behind(spot) else { return };
        if here + self.blocks.at(next).len() <= BLOCK / 2 {
            let mut tail = self.take(next);
            // Removing the next block may have joined chunks, not moved what is before it.
            self.change(spot, |block| block.unshare().append(tail.unshare()));
        }
    }

    /// The entries from a key on, in order.
    pub(super) fn from(&self, start: K) -> Entries<'_, K, V> {
        match self.seek(start) {
            None => Entries { front: [].iter(), blocks: Iter::default() },
            Some((spot, at)) => Entries {
                front: self.blocks.at(spot)[at..].iter(),
                blocks: match self.blocks.behind(spot) {
                    None => Iter::default(),
                    next => self.blocks.between(next, None),
                },
            },
        }
    }

    /// All entries, in order.
    pub(super) fn iter(&self) -> Entries<'_, K, V> {
        Entries { front: [].iter(), blocks: self.blocks.between(None, None) }
    }

    /// Checks the invariants.
    #[cfg(test)]
    pub(super) fn check(&self) {
        self.blocks.check();
        assert!(self.iter().is_sorted_by(|(a, _), (b, _)| a < b), "O1");
        assert!(self.blocks.iter().all(|block| (1..=BLOCK).contains(&block.len())), "O1");
        assert_eq!(self.len, self.iter().count(), "O2");
        assert_eq!(self.heap, self.blocks.iter().map(CowVec::heap_bytes).sum::<usize>(), "O2");
    }
}

/// Entries in order.
#[derive(Clone, Debug)]
pub(super) struct Entries<'a, K, V> {
    front: std::slice::Iter<'a, (K, V)>,
    blocks: Iter<'a, CowVec<(K, V)>>,
}

impl<K: Copy, V: Copy> Iterator for Entries<'_, K, V> {
    type Item = (K, V);

    #[inline]
    fn next(&mut self) -> Option<(K, V)> {
        loop {
            if let Some(entry) = self.front.next() {
                return Some(*entry);
            }
            self.front = self.blocks.next()?.iter();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn random(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        *seed >> 33
    }

    fn agree(map: &Ordered<u64, u64>, model: &BTreeMap<u64, u64>, context: &str) {
        map.check();
        assert!(map.iter().eq(model.iter().map(|(&key, &value)| (key, value))), "{context}");
        assert_eq!(map.first(), model.first_key_value().map(|(&k, &v)| (k, v)), "{context}");
        assert_eq!(map.last(), model.last_key_value().map(|(&k, &v)| (k, v)), "{context}");
        for start in (0..2_100).step_by(131) {
            let want = model.range(start..).map(|(&key, &value)| (key, value));
            assert!(map.from(start).eq(want), "{context} from {start}");
        }
    }

    #[test]
    fn it_agrees_with_a_tree_and_so_do_its_clones() {
        for seed in 1..=12 {
            let mut state = seed;
            let (mut map, mut model) = (Ordered::default(), BTreeMap::new());
            let mut kept = Vec::new();
            for step in 0..8_000_u64 {
                let key = random(&mut state) % 2_000;
                // Phases of growth and of decay, and runs at the ends.
                let context = format!("SEED={seed} step={step} key={key}");
                match random(&mut state) % 10 + if step / 2_000 % 2 == 0 { 0 } else { 3 } {
                    0..=3 => assert_eq!(map.insert(key, step), model.insert(key, step)),
                    4 => assert_eq!(map.insert(2_000 + step, 1), model.insert(2_000 + step, 1)),
                    5 => assert_eq!(map.get(key), model.get(&key), "{context}"),
                    6 => {
                        let (value, want) = (map.get_mut(key), model.get_mut(&key));
                        assert_eq!(value.as_deref(), want.as_deref(), "{context}");
                        if let (Some(value), Some(want)) = (value, want) {
                            (*value, *want) = (step, step);
                        }
                    }
                    7 => {
                        let first = map.first().map_or(0, |(first, _)| first);
                        assert_eq!(map.remove(first), model.remove(&first), "{context}");
                    }
                    _ => assert_eq!(map.remove(key), model.remove(&key), "{context}"),
                }
                assert_eq!(map.len(), model.len(), "{context}");
                if step % 700 == 0 {
                    kept.push((map.clone(), model.clone()));
                }
            }
            kept.push((map, model));
            for (map, model) in &kept {
                agree(map, model, &format!("SEED={seed}"));
            }
        }
    }
}
