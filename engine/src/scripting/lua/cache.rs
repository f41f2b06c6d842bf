//! The scripts that a VM has compiled, up to a number of them.
//!
//! Why it exists: programs that build a new script for each request would fill the VM. Redis 7.4
//! keeps the last 500 scripts that came by EVAL for the same reason; here it is the compiled form
//! of any script that can be forgotten, because the body can be compiled again.

use std::collections::HashMap;
use std::ffi::c_int;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

type Sha = [u8; 40];

/// Compiled scripts by SHA1, each with its place in the registry.
#[derive(Debug)]
pub(super) struct Compiled {
    entries: HashMap<Sha, Entry, BuildHasherDefault<ShaHasher>>,
    entries_max: usize,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    reference: c_int,
    used: u64,
}

/// Digits of a SHA1 need mixing, not more.
#[derive(Debug, Default)]
pub(in crate::scripting) struct ShaHasher(u64);

impl Hasher for ShaHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= xxh3_64(bytes);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Compiled {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { entries: HashMap::default(), entries_max: entries_max.max(1), clock: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A script's place, which counts as a use.
    pub(super) fn find(&mut self, sha: &Sha) -> Option<c_int> {
        self.clock += 1;
        let entry = self.entries.get_mut(sha)?;
        entry.used = self.clock;
        Some(entry.reference)
    }

    /// Adds a script; the place of the one that had to go for it. Cost when full: a look at each.
    pub(super) fn insert(&mut self, sha: Sha, reference: c_int) -> Option<c_int> {
        let mut gone = None;
        if self.entries.len() >= self.entries_max {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let oldest = oldest.map(|(sha, _)| *sha);
            gone = oldest.and_then(|sha| self.entries.remove(&sha)).map(|entry| entry.reference);
        }
        self.entries.insert(sha, Entry { reference, used: self.clock });
        gone
    }

    /// Forgets all, giving their places.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = c_int> {
        self.entries.drain().map(|(_, entry)| entry.reference)
    }
}
