//! How fast do values become bytes, and bytes values?
//!
//! What DUMP and RESTORE, an import and a recovery spend on a value, for a small hash (its block is
//! copied and looked through), a large sorted set (each member is inserted) and a long list (blocks
//! are copied); beside finding where the value ends, which is all that the reading thread does.
//!
//! Not for files: `server/tests/transfer.rs` moves some.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::Thresholds;
use engine::persist::rdb::Input;
use engine::persist::rdb::value::{Rules, Style, decode, encode, extent};
use zumic_benches::is_smoke;

/// A string as RDB has it.
fn word(text: &str, out: &mut Vec<u8>) {
    out.push(u8::try_from(text.len()).expect("below 64 bytes"));
    out.extend_from_slice(text.as_bytes());
}

/// A count of 32 bits.
fn count(count: u32, out: &mut Vec<u8>) {
    out.push(0x80);
    out.extend_from_slice(&count.to_be_bytes());
}

/// Values in the forms that need no header: a hash, a sorted set, a list.
fn values(elements: u32) -> [(&'static str, u8, Vec<u8>); 3] {
    let (mut hash, mut zset, mut list) = (Vec::new(), Vec::new(), Vec::new());
    count(20, &mut hash);
    for field in 0..20 {
        word(&format!("field:{field}"), &mut hash);
        word(&format!("value:{}", field * 7_919), &mut hash);
    }
    count(elements, &mut zset);
    count(elements, &mut list);
    for element in 0..elements {
        word(&format!("member:{element}"), &mut zset);
        zset.extend_from_slice(&f64::from(element.wrapping_mul(2_654_435_761)).to_le_bytes());
        word(&format!("element:{element}"), &mut list);
    }
    [("hash of 20", 4, hash), ("sorted set", 5, zset), ("list", 1, list)]
}

fn rdb(c: &mut Criterion) {
    let rules = Rules { thresholds: Thresholds::default(), seed: 1 };
    for (name, kind, bytes) in values(if is_smoke() { 200 } else { 100_000 }) {
        // In the form that we write.
        let loaded = decode(kind, &bytes, &rules).expect("made above");
        let (kind, bytes) = loaded.with_ref(|value| {
            let mut bytes = Vec::new();
            encode(value, Style::OWN, &mut bytes);
            (engine::persist::rdb::value::type_byte(value, Style::OWN), bytes)
        });
        let mut group = c.benchmark_group(name);
        group.sample_size(20);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("encode", |bench| {
            let mut out = Vec::with_capacity(bytes.len());
            bench.iter(|| {
                out.clear();
                loaded.with_ref(|value| encode(value, Style::OWN, &mut out));
                black_box(&out);
            });
        });
        group.bench_function("decode", |bench| {
            bench.iter(|| decode(kind, black_box(&bytes), &rules).expect("sound"));
        });
        group.bench_function("extent", |bench| {
            bench.iter(|| extent(kind, &mut Input::new(black_box(&bytes))).expect("sound"));
        });
        group.finish();
    }
}

criterion_group!(benches, rdb);
criterion_main!(benches);
