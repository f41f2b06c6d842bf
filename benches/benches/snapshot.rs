//! What does a snapshot cost: in bytes beside Redis's RDB, in seconds, and in time per write while
//! it is taken?
//!
//! Fills a store with strings that look like JSON and hashes of five fields, then writes it as RDB
//! with LZF (what Redis writes) and as ZDB at several levels, loads each ZDB file, and times every
//! SET of one thread with and without snapshots going on. `ZUMIC_BENCH_RDB=path` keeps the RDB
//! file, for a look with redis-server. Prints Markdown tables.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use engine::commands::lookup;
use engine::persist::Meter;
use engine::persist::rdb::file::FileWriter;
use engine::persist::snapshot::{SnapshotOptions, write};
use engine::persist::zdb::{Compression, Reader, each_entry, load};
use engine::reply::Discard;
use engine::sync::{AtomicBool, Ordering};
use engine::{Engine, NoHost, Scope, Session};
use hdrhistogram::Histogram;
use zumic_benches::keys::Random;
use zumic_benches::{emit, is_smoke};

const FULL: u64 = 1_000_000;
const SMOKE: u64 = 2_000;
const NOW_MS: u64 = 1_700_000_000_000;

fn key(number: u64) -> Vec<u8> {
    format!("user:{number:09}:profile").into_bytes()
}

fn value(number: u64, random: &mut Random) -> Vec<u8> {
    let (age, score, token) = (random.below(90), random.below(1_000_000), random.below(u64::MAX));
    format!(
        "{{\"id\":{number},\"name\":\"user {number}\",\"age\":{age},\"score\":{score},\
         \"token\":\"{token:016x}\",\"active\":true,\"tags\":[\"new\",\"eu\"]}}"
    )
    .into_bytes()
}

fn fill(session: &mut Session, keys: u64) {
    let mut random = Random(1);
    let hset = lookup(b"hset").expect("a command");
    let mut scope = Scope::default();
    for number in 0..keys {
        let mut turn = session.enter(NOW_MS);
        if number % 4 != 0 {
            turn.set(0, &key(number), &value(number, &mut random)).expect("nobody else is here");
            continue;
        }
        let name = format!("session:{number:09}");
        let fields = [random.below(1_000), random.below(100_000), number, random.below(u64::MAX)];
        let fields = fields.map(|field| field.to_string());
        let mut args: Vec<&[u8]> = vec![b"HSET", name.as_bytes(), b"device", b"phone"];
        for (name, field) in ["visits", "amount", "owner", "secret"].iter().zip(&fields) {
            args.extend([name.as_bytes(), field.as_bytes()]);
        }
        turn.run(&mut scope, &mut NoHost, hset, &args, &mut Discard).expect("nobody else is here");
    }
}

fn snapshot(engine: &Engine, compression: Compression) -> (Vec<u8>, Duration, Duration) {
    let options = SnapshotOptions { compression, threads: 1, ..SnapshotOptions::default() };
    let start = Instant::now();
    let (bytes, done) =
        write(engine, Vec::new(), &options, &Vec::new, &Meter::default()).expect("memory");
    (bytes, start.elapsed(), done.pause)
}

/// Counts what is written.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The same data as Redis writes them; bytes.
fn rdb_bytes(engine: &Engine, zdb: &[u8]) -> u64 {
    let out: Box<dyn Write> = match std::env::var("ZUMIC_BENCH_RDB") {
        Ok(path) => Box::new(std::fs::File::create(path).expect("a file that can be written")),
        Err(_) => Box::new(Count(0)),
    };
    let mut writer = FileWriter::new(io::BufWriter::new(out), 10);
    let rules = engine.session().enter(NOW_MS).rules();
    let mut reader = Reader::new(zdb).expect("just written");
    each_entry(&mut reader, &rules, |entry| {
        let added = entry
            .value
            .with_ref(|value| writer.key(entry.db, entry.key, entry.expire_at_ms, value));
        assert!(added, "Redis has all these types");
        Ok(())
    })
    .expect("just written");
    writer.finish().expect("room on the disk").1
}

#[expect(clippy::cast_precision_loss, reason = "figures in a table")]
fn sizes_and_times(engine: &Engine) {
    emit("| file | bytes | of RDB | written in ms | loaded in ms | pause in us |");
    emit("| --- | ---: | ---: | ---: | ---: | ---: |");
    let (plain, ..) = snapshot(engine, Compression::None);
    let rdb = rdb_bytes(engine, &plain);
    emit(&format!("| RDB with LZF | {rdb} | 1.00 | | | |"));
    for level in [None, Some(1), Some(3), Some(9)] {
        let compression = level.map_or(Compression::None, Compression::Zstd);
        let (bytes, took, pause) = snapshot(engine, compression);
        let other = Engine::builder().build();
        let start = Instant::now();
        let mut reader = Reader::new(&bytes[..]).expect("just written");
        load(&other, &mut reader, 1, &Meter::default()).expect("just written");
        let loaded = start.elapsed();
        let name = level.map_or("none".into(), |level| format!("zstd {level}"));
        emit(&format!(
            "| ZDB, {name} | {} | {:.2} | {} | {} | {} |",
            bytes.len(),
            bytes.len() as f64 / rdb as f64,
            took.as_millis(),
            loaded.as_millis(),
            pause.as_micros(),
        ));
    }
}

/// Times each SET of one thread on random keys until told to stop.
fn write_until(engine: &Engine, keys: u64, stop: &AtomicBool) -> Histogram<u64> {
    let mut times = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("up to a minute");
    let mut session = engine.session();
    let mut random = Random(7);
    while !stop.load(Ordering::Relaxed) {
        let number = random.below(keys);
        let (key, value) = (key(number | 1), value(number, &mut random));
        let start = Instant::now();
        while session.enter(NOW_MS).set(0, &key, &value).is_err() {
            std::thread::yield_now();
        }
        let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        times.saturating_record(took);
    }
    times
}

fn writes(engine: &Engine, keys: u64) {
    emit("\n| SET of one thread, us | p50 | p99 | p99.9 | max | count |");
    emit("| --- | ---: | ---: | ---: | ---: | ---: |");
    for name in ["alone", "with snapshots", "alone again"] {
        let stop = AtomicBool::new(false);
        let times = std::thread::scope(|scope| {
            let writer = scope.spawn(|| write_until(engine, keys, &stop));
            if name == "with snapshots" {
                for _ in 0..3 {
                    snapshot(engine, Compression::Zstd(1));
                }
            } else {
                std::thread::sleep(Duration::from_millis(if is_smoke() { 20 } else { 3_000 }));
            }
            stop.store(true, Ordering::Relaxed);
            writer.join().expect("the writer does not panic")
        });
        #[expect(clippy::cast_precision_loss, reason = "a time in a table")]
        let us = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1_000.0;
        emit(&format!(
            "| {name} | {:.2} | {:.2} | {:.1} | {:.0} | {} |",
            us(0.5),
            us(0.99),
            us(0.999),
            us(1.0),
            times.len()
        ));
    }
}

fn main() {
    let keys = if is_smoke() { SMOKE } else { FULL };
    let engine = Engine::builder().build();
    fill(&mut engine.session(), keys);
    emit(&format!("{keys} keys: three strings of some 120 bytes to one hash of five fields\n"));
    sizes_and_times(&engine);
    writes(&engine, keys);
}
