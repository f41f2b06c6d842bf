//! What does one operation on a large sorted set cost, and does it grow like log n?
//!
//! Sets of 1,000 to 10 million members of 16 bytes with random scores; a time is that of one
//! operation on a random member. Printed beside it: bytes per element over score and member.
//!
//! Not for commands: `perf/compare` has ZADD and ZRANGE beside redis-server.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use engine::structures::ranked::Ranked;
use zumic_benches::keys::{KEY_BYTES, Random, key};
use zumic_benches::{is_smoke, pin};

const FULL: [u64; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
const SMOKE: [u64; 1] = [1_000];

fn filled(population: u64, random: &mut Random) -> Ranked {
    let mut ranked = Ranked::new(1);
    for number in 0..population {
        ranked.insert(&key(number), random.fraction());
    }
    ranked
}

#[expect(clippy::print_stdout, reason = "a report is what this program is for")]
fn report(population: u64, memory: usize) {
    let over = memory as u64 * 10 / population - 10 * (KEY_BYTES as u64 + 8);
    println!("ranked/{population}: {}.{} bytes per element over payload", over / 10, over % 10);
}

fn operations(c: &mut Criterion) {
    pin(0);
    for &population in if is_smoke() { &SMOKE[..] } else { &FULL[..] } {
        let mut random = Random(population);
        let mut ranked = filled(population, &mut random);
        report(population, ranked.memory());
        let mut group = c.benchmark_group("ranked");
        group.sample_size(10);
        let mut bench = |name: &str, operation: &mut dyn FnMut(u64, f64)| {
            let id = BenchmarkId::new(name, population);
            group.bench_function(id, |b| {
                b.iter(|| operation(random.below(population), random.fraction()));
            });
        };
        bench("score", &mut |number, _| {
            black_box(ranked.score(&key(number)));
        });
        bench("rank", &mut |number, _| {
            black_box(ranked.rank(&key(number)));
        });
        bench("select", &mut |number, _| {
            black_box(ranked.select(number));
        });
        bench("count", &mut |_, bound| {
            black_box(ranked.count_while(|score, _| score < bound));
        });
        bench("first ten", &mut |_, _| {
            black_box(ranked.range(0, 10).map(|(member, _)| member.len()).sum::<usize>());
        });
        bench("ten by score", &mut |_, bound| {
            let start = ranked.count_while(|score, _| score < bound);
            black_box(
                ranked.range(start, start + 10).map(|(member, _)| member.len()).sum::<usize>(),
            );
        });
        bench("update", &mut |number, score| {
            black_box(ranked.insert(&key(number), score));
        });
        bench("remove and insert", &mut |number, score| {
            black_box(ranked.remove(&key(number)));
            black_box(ranked.insert(&key(number), score));
        });
        group.finish();
    }
}

criterion_group!(benches, operations);
criterion_main!(benches);
