//! What do places cost: their scores, their distances, and finding the ranges of a search?
//!
//! Not for the search itself, which is the sorted set's business, nor for the server around it:
//! `perf/compare`.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use engine::structures::geo::{Area, Point, Shape, haversine, vincenty};

fn geo(c: &mut Criterion) {
    let palermo = Point { longitude: 13.361_389, latitude: 38.115_556 };
    let catania = Point { longitude: 15.087_269, latitude: 37.502_669 };
    let antipode = Point { longitude: -166.7, latitude: -38.0 };
    let score = 3_479_099_956_230_698.0;
    let mut group = c.benchmark_group("geo");
    group.bench_function("score", |bench| bench.iter(|| black_box(palermo).score()));
    group.bench_function("of_score", |bench| bench.iter(|| Point::of_score(black_box(score))));
    group
        .bench_function("haversine", |bench| bench.iter(|| haversine(black_box(palermo), catania)));
    group.bench_function("vincenty", |bench| bench.iter(|| vincenty(black_box(palermo), catania)));
    group.bench_function("vincenty/antipode", |bench| {
        bench.iter(|| vincenty(black_box(palermo), antipode));
    });
    for (name, radius) in [("1km", 1e3), ("1000km", 1e6)] {
        let area = Area { center: palermo, shape: Shape::Circle { radius } };
        group.bench_function(format!("ranges/{name}"), |bench| {
            bench.iter(|| black_box(area).ranges());
        });
    }
    group.finish();
}

criterion_group!(benches, geo);
criterion_main!(benches);
