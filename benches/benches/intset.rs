//! What does a small set of integers cost, beside a sorted `Vec` and a `BTreeSet`?
//!
//! At 16 and 512 elements (the default of `set-max-intset-entries`), in each width: membership
//! of a random element, and taking one out and putting it back. Times are per operation.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use engine::structures::intset::IntsetBuf;
use zumic_benches::keys::Random;

/// Distances between the elements: one for each width.
const STEPS: [(&str, i64); 3] = [("16", 7), ("32", 70_007), ("64", 70_000_000_007)];

fn elements(len: i64, step: i64) -> Vec<i64> {
    (0..len).map(|index| (index - len / 2) * step).collect()
}

fn pick(random: &mut Random, elements: &[i64]) -> i64 {
    let index = random.below(elements.len() as u64);
    elements[usize::try_from(index).expect("below a length")]
}

fn membership(c: &mut Criterion) {
    let mut group = c.benchmark_group("intset_contains");
    for (len, (bits, step)) in [16, 512].into_iter().flat_map(|len| STEPS.map(|s| (len, s))) {
        let all = elements(len, step);
        let set: IntsetBuf = all.iter().copied().collect();
        let tree: BTreeSet<i64> = all.iter().copied().collect();
        let mut random = Random(1);
        group.bench_function(format!("zumic_{bits}/{len}"), |b| {
            b.iter(|| black_box(set.as_ref().contains(pick(&mut random, &all))));
        });
        group.bench_function(format!("sorted_vec_{bits}/{len}"), |b| {
            b.iter(|| black_box(all.binary_search(&pick(&mut random, &all)).is_ok()));
        });
        group.bench_function(format!("btree_{bits}/{len}"), |b| {
            b.iter(|| black_box(tree.contains(&pick(&mut random, &all))));
        });
    }
    group.finish();
}

fn edits(c: &mut Criterion) {
    let mut group = c.benchmark_group("intset_remove_insert");
    for (len, (bits, step)) in [16, 512].into_iter().flat_map(|len| STEPS.map(|s| (len, s))) {
        let all = elements(len, step);
        let mut set: IntsetBuf = all.iter().copied().collect();
        let mut random = Random(1);
        group.bench_function(format!("zumic_{bits}/{len}"), |b| {
            b.iter(|| {
                let value = pick(&mut random, &all);
                assert!(set.remove(value) && set.insert(value), "it was there");
            });
        });
        let mut tree: BTreeSet<i64> = all.iter().copied().collect();
        group.bench_function(format!("btree_{bits}/{len}"), |b| {
            b.iter(|| {
                let value = pick(&mut random, &all);
                assert!(tree.remove(&value) && tree.insert(value), "it was there");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, membership, edits);
criterion_main!(benches);
