//! What does an element of a large hash or set cost, in time and in memory?
//!
//! A table of a million elements, 16-byte fields with 16-byte values or members alone: filled,
//! asked for fields that are there and fields that are not, overwritten, scanned, emptied. Beside
//! it std's `HashMap` (hashbrown) with keys and values in boxes, hashing as std does and with
//! foldhash. Every key is read and compared; all allocate through jemalloc.
//!
//! Prints a Markdown table: nanoseconds per operation, and bytes per element that the allocator
//! has given out, less the element's own. The slowest single insertion is in it, too.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::time::Instant;

use engine::structures::smart_hash::SmartHash;
use tikv_jemalloc_ctl::{epoch, stats};
use zumic_benches::keys::{KEY_BYTES, Key, Random, key};
use zumic_benches::{emit, is_smoke, pin};

const FULL: u64 = 1_000_000;
const SMOKE: u64 = 2_000;

/// A table under test.
trait Table {
    fn insert(&mut self, field: &[u8], value: &[u8]);
    /// Sum of the value's bytes, or of nothing.
    fn read(&self, field: &[u8]) -> usize;
    fn remove(&mut self, field: &[u8]);
    fn sum(&self) -> usize;
}

fn touch(value: &[u8]) -> usize {
    value.iter().map(|&byte| usize::from(byte)).sum()
}

impl Table for SmartHash {
    fn insert(&mut self, field: &[u8], value: &[u8]) {
        SmartHash::insert(self, field, value);
    }

    fn read(&self, field: &[u8]) -> usize {
        self.get(field).map_or(0, touch)
    }

    fn remove(&mut self, field: &[u8]) {
        SmartHash::remove(self, field);
    }

    fn sum(&self) -> usize {
        self.iter().map(|element| touch(element.field) + touch(element.value)).sum()
    }
}

impl<S: BuildHasher> Table for HashMap<Box<[u8]>, Box<[u8]>, S> {
    fn insert(&mut self, field: &[u8], value: &[u8]) {
        match self.get_mut(field) {
            Some(old) if old.len() == value.len() => old.copy_from_slice(value),
            _ => drop(HashMap::insert(self, field.into(), value.into())),
        }
    }

    fn read(&self, field: &[u8]) -> usize {
        self.get(field).map_or(0, |value| touch(value))
    }

    fn remove(&mut self, field: &[u8]) {
        HashMap::remove(self, field);
    }

    fn sum(&self) -> usize {
        self.iter().map(|(field, value)| touch(field) + touch(value)).sum()
    }
}

fn allocated() -> usize {
    epoch::advance().expect("jemalloc has statistics");
    stats::allocated::read().expect("jemalloc has statistics")
}

/// Nanoseconds per key that `work` takes over all of them.
#[expect(clippy::cast_precision_loss, reason = "a time in a table")]
fn timed(keys: &[Key], mut work: impl FnMut(&Key)) -> f64 {
    let start = Instant::now();
    keys.iter().for_each(&mut work);
    start.elapsed().as_nanos() as f64 / keys.len() as f64
}

fn run(name: &str, count: u64, value: &[u8], mut table: impl Table, empty: usize) {
    let (mut fill, mut random) = (Vec::new(), Random(1));
    let mut slowest = 0;
    fill.extend((0..count).map(key));
    let mixed: Vec<Key> = (0..count).map(|_| key(random.below(count))).collect();
    let absent: Vec<Key> = (0..count).map(|_| key(count + random.below(count))).collect();
    let lists = fill.capacity() + mixed.capacity() + absent.capacity();
    let insert = timed(&fill, |key| {
        let start = Instant::now();
        table.insert(key, value);
        slowest = slowest.max(start.elapsed().as_micros());
    });
    let owned = allocated() - empty - lists * KEY_BYTES;
    let each = usize::try_from(count).expect("a million");
    let over = owned / each - KEY_BYTES - value.len();
    let hit = timed(&mixed, |key| _ = black_box(table.read(key)));
    let miss = timed(&absent, |key| _ = black_box(table.read(key)));
    let overwrite = timed(&mixed, |key| table.insert(key, value));
    let scan = timed(&fill[..1], |_| _ = black_box(table.sum()))
        / f64::from(u32::try_from(count).expect("a million"));
    let remove = timed(&mixed, |key| table.remove(key));
    emit(&format!(
        "| {name} | {over} | {insert:.0} | {slowest} | {hit:.0} | {miss:.0} | {overwrite:.0} | \
         {scan:.1} | {remove:.0} |"
    ));
}

fn main() {
    pin(0);
    let count = if is_smoke() { SMOKE } else { FULL };
    emit(&format!("{count} elements; ns per operation, the slowest insertion in us\n"));
    emit(
        "| table | bytes over payload | insert | slowest | get | absent | overwrite | walk | \
         remove |",
    );
    emit("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (what, value) in [("hash", &[b'v'; 16][..]), ("set", &[])] {
        let empty = allocated();
        run(&format!("SmartHash, {what}"), count, value, SmartHash::new(1), empty);
        let empty = allocated();
        run(&format!("HashMap, {what}"), count, value, HashMap::new(), empty);
        let empty = allocated();
        let fold = HashMap::with_hasher(foldhash::fast::RandomState::default());
        run(&format!("HashMap with foldhash, {what}"), count, value, fold, empty);
    }
}
