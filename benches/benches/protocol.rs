//! What does a request cost before a command sees it, and a reply after?
//!
//! Parsing: a pipeline of 64 requests in one buffer, every argument touched as a command would,
//! and a large argument that arrives in pieces. Encoding: the frames that most replies are made
//! of, 64 at a time into one reused buffer. Decoding: the same replies as a client reads them.
//! Times are per pipeline; throughput is given in requests or frames.
//!
//! Not for the sockets around it: that is `perf/compare`.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use protocol::{Decoder, Encoder, Limits, RequestParser, Step, Version, encode_request};

/// Requests in a pipeline: what `redis-benchmark -P 64` sends.
const PIPELINE: u64 = 64;
/// A piece as a socket delivers it.
const PIECE_BYTES: usize = 16 * 1024;
const LARGE_BYTES: usize = 1024 * 1024;

/// 64 requests, the key's number in their second argument.
fn pipeline(args: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    for number in 0..PIPELINE {
        let key = format!("key:{number:012}");
        let mut request = vec![args[0], key.as_bytes()];
        request.extend_from_slice(&args[1..]);
        encode_request(&mut wire, &request);
    }
    wire
}

/// Parses all of `wire`; the sum of the arguments' lengths and first bytes proves that they were
/// looked at.
fn parse_all(parser: &mut RequestParser, wire: &[u8]) -> usize {
    let (mut rest, mut sum) = (wire, 0);
    while let Ok(Step::Request(taken)) = parser.next(rest) {
        for arg in parser.args(rest) {
            sum += arg.len() + arg.first().map_or(0, |&byte| usize::from(byte));
        }
        rest = &rest[taken..];
    }
    sum
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    group.throughput(Throughput::Elements(PIPELINE));
    let mut inline = Vec::new();
    for number in 0..PIPELINE {
        inline.extend_from_slice(format!("GET key:{number:012}\r\n").as_bytes());
    }
    let cases = [
        ("get", pipeline(&[b"GET"])),
        ("set_64", pipeline(&[b"SET", &[b'v'; 64]])),
        ("set_512", pipeline(&[b"SET", &[b'v'; 512]])),
        ("set_64_ex", pipeline(&[b"SET", &[b'v'; 64], b"EX", b"3600"])),
        ("inline_get", inline),
    ];
    for (name, wire) in cases {
        let mut parser = RequestParser::new(Limits::default());
        let found = parse_all(&mut parser, &wire);
        assert!(found > 0, "{name} was not parsed");
        group.bench_function(name, |b| b.iter(|| parse_all(&mut parser, black_box(&wire))));
    }
    group.finish();
}

fn parse_large(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse_large");
    group.throughput(Throughput::Bytes(LARGE_BYTES as u64));
    let mut wire = Vec::new();
    encode_request(&mut wire, &[&b"SET"[..], b"key", &vec![b'v'; LARGE_BYTES]]);
    let mut parser = RequestParser::new(Limits::default());
    group.bench_function("1_mb_in_16_kb_pieces", |b| {
        b.iter(|| {
            let mut pieces = 0;
            let mut seen = 0;
            loop {
                match parser.next(black_box(&wire[..seen])) {
                    Ok(Step::NeedMore(_)) => seen = wire.len().min(seen + PIECE_BYTES),
                    done => break assert_eq!(done, Ok(Step::Request(wire.len()))),
                }
                pieces += 1;
            }
            pieces
        });
    });
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(PIPELINE));
    type Write = fn(&mut Encoder<'_>, u64);
    let cases: [(&str, Write); 7] = [
        ("ok", |e, _| e.simple("OK")),
        ("integer", |e, number| e.integer(i64::try_from(number).expect("small") * 1_000_003)),
        ("integer_small", |e, number| e.integer(i64::from(number % 2 == 0))),
        ("bulk_64", |e, _| e.bulk(&[b'v'; 64])),
        ("bulk_512", |e, _| e.bulk(&[b'v'; 512])),
        ("array_of_2", |e, _| {
            e.array(2);
            e.bulk(b"key");
            e.null();
        }),
        ("double", |e, number| {
            e.double(f64::from(u32::try_from(number).expect("small")) * 0.37);
        }),
    ];
    for (name, write) in cases {
        let mut out = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                let mut encoder = Encoder::new(&mut out, Version::Three);
                for number in 0..PIPELINE {
                    write(&mut encoder, black_box(number));
                }
                black_box(out.len())
            });
        });
    }
    group.finish();
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(PIPELINE));
    for (name, reply) in
        [("ok", &b"+OK\r\n"[..]), ("integer", b":12345\r\n"), ("bulk_5", b"$5\r\nvalue\r\n")]
    {
        let wire = reply.repeat(usize::try_from(PIPELINE).expect("small"));
        let mut decoder = Decoder::default();
        group.bench_function(name, |b| {
            b.iter(|| {
                let (mut rest, mut frames) = (black_box(&wire[..]), 0);
                while let Ok((taken, Some(frame))) = decoder.feed(rest) {
                    rest = &rest[taken..];
                    frames += 1;
                    black_box(frame);
                }
                frames
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse, parse_large, encode, decode);
criterion_main!(benches);
