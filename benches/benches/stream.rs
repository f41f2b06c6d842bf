//! What do the operations of a stream cost, and how many bytes does an entry take?
//!
//! Appending (three fields that repeat, a counter, a word and a short text), with and without
//! trimming; reading ten entries from a random place of a million; and a consumer group's round:
//! deliver ten entries, acknowledge each. Times are per entry. Before it, one line tells the
//! bytes of memory per entry over the bytes of its values.
//!
//! Not for the server around it: `perf/compare`.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::structures::stream::{BlockLimits, Group, Keep, NewId, Precision, Stream, StreamId};
use zumic_benches::is_smoke;
use zumic_benches::keys::Random;

const LIMITS: BlockLimits = BlockLimits { bytes_max: 4_096, entries_max: 100 };
/// Entries read, or delivered, at once.
const PAGE: usize = 10;
const GROUP: &[u8] = b"workers";

/// Appends entry `number`; answers the bytes of its values.
fn append(stream: &mut Stream, number: u64) -> usize {
    let count = number.to_string();
    let pairs: [&[u8]; 6] =
        [b"number", count.as_bytes(), b"state", b"pending", b"note", b"some text of 24 bytes!!!"];
    let id = stream.log().new_id(NewId::Auto, 1_700_000_000_000 + number / 4);
    stream.log_mut().append(id.expect("time goes on"), &pairs, LIMITS);
    pairs.iter().skip(1).step_by(2).map(|value| value.len()).sum()
}

fn filled(entries: u64) -> Stream {
    let mut stream = Stream::default();
    (0..entries).for_each(|number| {
        append(&mut stream, number);
    });
    stream
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn memory(entries: u64) {
    let mut stream = Stream::default();
    let payload: usize = (0..entries).map(|number| append(&mut stream, number)).sum();
    let over =
        (stream.memory() - payload.min(stream.memory())) / usize::try_from(entries).unwrap_or(1);
    println!("stream: {} bytes for {payload} of values, {over} over per entry", stream.memory());
}

fn stream(c: &mut Criterion) {
    let entries = if is_smoke() { 1_000 } else { 1_000_000 };
    memory(entries);
    let mut group = c.benchmark_group("stream");
    group.sample_size(20);
    group.throughput(Throughput::Elements(1));
    let mut growing = Stream::default();
    let mut number = 0;
    group.bench_function("xadd", |b| {
        b.iter(|| {
            number += 1;
            append(&mut growing, number)
        });
    });
    drop(growing);
    let mut capped = Stream::default();
    group.bench_function("xadd_maxlen_1000", |b| {
        b.iter(|| {
            number += 1;
            append(&mut capped, number);
            capped.log_mut().trim(Keep::Newest(1_000), Precision::Blocks(10_000))
        });
    });
    let full = filled(entries);
    let mut random = Random(1);
    group.throughput(Throughput::Elements(PAGE as u64));
    group.bench_function("xrange_10", |b| {
        b.iter(|| {
            let start = StreamId::new(1_700_000_000_000 + random.below(entries / 4), 0);
            let range = full.log().range(start, StreamId::MAX).take(PAGE);
            let values = range.flat_map(|entry| entry.pairs());
            values
                .map(|(_, value)| usize::from(black_box(value).to_bytes().is_empty()))
                .sum::<usize>()
        });
    });
    group.bench_function("xreadgroup_10_xack", |b| {
        let mut shared = full.clone();
        shared.create_group(GROUP, Group::new(StreamId::MIN, Some(0)));
        let mut ids = Vec::with_capacity(PAGE);
        b.iter(|| round(&mut shared, &mut ids));
    });
    group.finish();
}

/// Delivers a page to a consumer and acknowledges it; begins anew at the end.
fn round(stream: &mut Stream, ids: &mut Vec<StreamId>) {
    stream.change_group(GROUP, |log, group| {
        let (consumer, _) = group.meet(b"one", 1);
        ids.clear();
        group.deliver(log, consumer, PAGE, false, 2, |entry| ids.push(entry.id()));
        if ids.is_empty() {
            group.set_last(StreamId::MIN, Some(0));
        }
        assert!(ids.iter().all(|id| group.acknowledge(*id)), "delivered entries are pending");
    });
}

criterion_group!(benches, stream);
criterion_main!(benches);
