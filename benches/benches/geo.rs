//! What do places cost: their scores, their distances, finding the ranges of a search, and the
//! search for the nearest of a million?
//!
//! Not for the server around it: `perf/compare`.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use engine::commands::lookup;
use engine::reply::Discard;
use engine::structures::geo::{Area, Point, Shape, haversine, vincenty};
use engine::{Engine, NoHost, Scope, Turn};
use zumic_benches::is_smoke;
use zumic_benches::keys::Random;

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

fn run(turn: &mut Turn<'_>, words: &[&str]) {
    let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let row = lookup(args[0]).expect("a command of the engine");
    let done = turn.run(&mut Scope::default(), &mut NoHost, row, &args, &mut Discard);
    done.expect("the command is right, and nobody has its key");
}

/// Somewhere between the polar circles.
fn place(random: &mut Random) -> (String, String) {
    let longitude = random.fraction() * 360.0 - 180.0;
    (longitude.to_string(), (random.fraction() * 132.0 - 66.0).to_string())
}

/// Ten of many places that are spread evenly, near others that are.
fn nearest(c: &mut Criterion) {
    let places = if is_smoke() { 5_000 } else { 1_000_000 };
    let engine = Engine::builder().build();
    let mut session = engine.session();
    let mut random = Random(1);
    for name in 0..places {
        let (longitude, latitude) = place(&mut random);
        run(&mut session.enter(0), &["GEOADD", "g", &longitude, &latitude, &name.to_string()]);
    }
    let mut group = c.benchmark_group("geo/nearest");
    for shape in ["BYRADIUS 100", "BYRADIUS 1000", "BYRADIUS 20000", "BYBOX 20 20000"] {
        let shape: Vec<&str> = shape.split(' ').collect();
        group.bench_function(shape.join("-"), |bench| {
            bench.iter(|| {
                let (longitude, latitude) = place(&mut random);
                let from = ["GEOSEARCH", "g", "FROMLONLAT", &longitude, &latitude];
                let rest = ["km", "COUNT", "10", "ASC"];
                run(&mut session.enter(0), &[&from[..], &shape, &rest].concat());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, geo, nearest);
criterion_main!(benches);
