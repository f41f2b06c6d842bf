//! Files of Redis, files of ours, and files that are damaged.

use std::io::Read as _;

use super::*;
use crate::persist::rdb::value::Style;
use crate::persist::rdb::{checksum, seal};
use crate::{Engine, Kind, Scope};

/// Written by redis-server 7.0.15 (SAVE): every form of value it has, a function, two databases.
const REDIS_7_0: &[u8] = include_bytes!("golden/redis-7.0.rdb");
const NOW_MS: u64 = 1_800_000_000_000;

fn engine() -> Engine {
    Engine::builder().seed(5).build()
}

fn load_bytes(bytes: &[u8], engine: &Engine) -> Result<LoadReport, zumic_error::Error> {
    let mut reader = FileReader::open(bytes)?;
    let options = LoadOptions { now_ms: NOW_MS, threads: 2, replace: false };
    load(engine, &mut reader, options, None, &mut |_, _| ())
}

/// Database, key, deadline and payload.
type Content = (u16, Vec<u8>, Option<u64>, Vec<u8>);

/// Every key with its deadline and its value.
fn contents(engine: &Engine) -> Vec<Content> {
    let mut session = engine.session();
    let mut turn = session.enter(NOW_MS);
    let mut all = Vec::new();
    for db in 0..engine.databases() {
        let mut scope = Scope { db, ..Scope::default() };
        let mut sink = crate::reply::Discard;
        let done = turn.with(&mut scope, &mut sink, |context| {
            let mut cursor = 0;
            loop {
                let step = context.scan(cursor, 100);
                let keys: Vec<Vec<u8>> = step.records.iter().map(|r| r.key().to_vec()).collect();
                cursor = step.cursor;
                for key in keys {
                    let found = context.read_value(&key, |record, value| {
                        (record.expire_at_ms(), seal(value, Style::OWN))
                    })?;
                    let (deadline, payload) = found.expect("a key that was scanned");
                    all.push((db, key, deadline, payload));
                }
                if cursor == 0 {
                    return Ok(());
                }
            }
        });
        assert_eq!(done, Ok(()));
    }
    all.sort();
    all.dedup();
    all
}

/// A file with a version, whatever its parts are.
fn file(version: u16, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("REDIS{version:04}").into_bytes();
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes.push(opcode::END);
    if version >= CHECKSUM_SINCE {
        bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
    }
    bytes
}

#[test]
fn a_file_of_redis_is_loaded() {
    let engine = engine();
    let report = load_bytes(REDIS_7_0, &engine).expect("Redis wrote it");
    assert_eq!((report.version, report.keys, report.expired, report.empty), (10, 15, 0, 0));
    assert_eq!(report.functions.len(), 1);
    assert!(report.functions[0].starts_with(b"#!lua name=lib"));
    let version = report.notes.iter().find(|(name, _)| name == "redis-ver");
    assert_eq!(version.map(|(_, value)| value.as_str()), Some("7.0.15"));
    let mut session = engine.session();
    let mut turn = session.enter(NOW_MS);
    assert_eq!(turn.get(0, b"text"), Ok(Some(b"hello".to_vec())));
    assert_eq!(turn.get(0, b"int"), Ok(Some(b"12345".to_vec())));
    assert_eq!(turn.get(0, b"lzf"), Ok(Some(b"abcd".repeat(50))));
    assert_eq!(turn.get(3, b"elsewhere"), Ok(Some(b"1".to_vec())));
    for (key, kind) in [
        (&b"longlist"[..], Kind::List),
        (b"bigset", Kind::Set),
        (b"bigzset", Kind::SortedSet),
        (b"bighash", Kind::Hash),
        (b"stream", Kind::Stream),
    ] {
        assert_eq!(turn.kind(0, key), Some(kind));
    }
    drop(turn);
    let deadline = contents(&engine).into_iter().find(|(_, key, ..)| key == b"deadline");
    assert_eq!(deadline.and_then(|(_, _, deadline, _)| deadline), Some(4_102_444_800_000));
}

#[test]
fn what_is_written_is_what_is_read() {
    let engine_a = engine();
    load_bytes(REDIS_7_0, &engine_a).expect("Redis wrote it");
    let mut writer = FileWriter::new(Vec::new(), 12);
    writer.function(b"#!lua name=lib\n");
    for (db, key, deadline, payload) in contents(&engine_a) {
        let (type_byte, value) = crate::persist::rdb::open(&payload).expect("just sealed");
        assert!(writer.encoded(db, &key, deadline, type_byte, value));
    }
    let (bytes, written) = writer.finish().expect("a vector takes all");
    assert_eq!(bytes.len() as u64, written);
    let engine_b = engine();
    let report = load_bytes(&bytes, &engine_b).expect("we wrote it");
    assert_eq!((report.keys, report.functions.len()), (15, 1));
    assert!(contents(&engine_a) == contents(&engine_b));
}

#[test]
fn every_version_and_what_is_passed_over() {
    let note = b"\xfa\x01a\x01b";
    let resize = b"\xfe\x02\xfb\x01\x00";
    let seconds = b"\xfd\x00\x57\x86\xf4\x00\x01k\x01v";
    let idle = b"\xf8\x0a\x00\x01i\x01v\xf9\x05\x00\x01f\x01v";
    // A module's note and value: an id, then parts that say what they are.
    let id = b"\x81\x01\x02\x03\x04\x05\x06\x07\x08";
    let aux = [&b"\xf7"[..], id, b"\x02\x02\x05\x03abc\x00"].concat();
    let value = [&b"\x07\x01m"[..], id, b"\x02\x05\x03\0\0\0\0\x04\0\0\0\0\0\0\0\0\x00"].concat();
    for version in 1..=12 {
        let bytes = file(version, &[note, resize, seconds, idle, &aux, &value]);
        let engine = engine();
        let report = load_bytes(&bytes, &engine).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((report.version, report.keys), (version, 3));
        assert_eq!(report.modules.values().sum::<u64>(), 1);
        let all = contents(&engine);
        assert!(all.iter().all(|(db, ..)| *db == 2));
        assert_eq!(all[2].2, Some(u64::from(0xf486_5700_u32) * 1_000));
    }
    for version in [0, 13, 9999] {
        let error = load_bytes(&file(version, &[]), &engine()).expect_err("not known");
        assert!(error.to_string().contains("is not known"), "{error}");
    }
}

#[test]
fn what_has_expired_or_is_empty_is_left_out() {
    let bytes =
        file(9, &[b"\xfc\x01\0\0\0\0\0\0\0\x00\x01a\x01v", b"\x01\x01b\x00", b"\x00\x01c\x01v"]);
    let engine = engine();
    let report = load_bytes(&bytes, &engine).expect("a sound file");
    assert_eq!((report.keys, report.expired, report.empty), (1, 1, 1));
    assert_eq!(contents(&engine).len(), 1);
}

#[test]
fn files_that_say_too_much_are_refused() {
    let twice = file(9, &[b"\x00\x01a\x01v", b"\x00\x01a\x01w"]);
    let error = load_bytes(&twice, &engine()).expect_err("the same key");
    assert!(error.to_string().contains("key \"a\" at byte 14: the key is there twice"), "{error}");
    let far = file(9, &[b"\xfe\x40\x99\x00\x01a\x01v"]);
    assert!(load_bytes(&far, &engine()).expect_err("no such database").to_string().contains("153"));
    let mut bad = file(9, &[b"\x00\x01a\x01v"]);
    let last = bad.len() - 1;
    bad[last] ^= 1;
    let error = load_bytes(&bad, &engine()).expect_err("another checksum");
    assert!(error.to_string().starts_with("the checksum is"), "{error}");
    bad[last - 7..].fill(0);
    assert!(load_bytes(&bad, &engine()).is_ok(), "zero says that none was made");
    let error = FileReader::open(&b"*2\r\n$6\r\nSELECT"[..]).map(drop).expect_err("a log");
    assert_eq!(error.to_string(), "not an RDB file: it begins otherwise");
}

/// A file of a few keys of every kind.
fn small_file() -> Vec<u8> {
    let engine = engine();
    load_bytes(REDIS_7_0, &engine).expect("Redis wrote it");
    let mut writer = FileWriter::new(Vec::new(), 12);
    writer.note("redis-ver", "7.2.4");
    for (db, key, deadline, payload) in contents(&engine) {
        let (type_byte, value) = crate::persist::rdb::open(&payload).expect("just sealed");
        if value.len() < 300 {
            assert!(writer.encoded(db, &key, deadline, type_byte, value));
        }
    }
    writer.finish().expect("a vector takes all").0
}

#[test]
fn every_cut_and_every_changed_byte_is_noticed() {
    let bytes = small_file();
    for cut in 0..bytes.len() {
        let error = load_bytes(&bytes[..cut], &engine()).expect_err("a part is missing");
        assert_eq!(error.kind(), zumic_error::ErrorKind::Damaged, "{cut}: {error}");
    }
    for at in 0..bytes.len() {
        for change in [1, 0x80] {
            let mut bad = bytes.clone();
            bad[at] ^= change;
            properties::loads_or_is_refused(&bad);
            let loaded = load_bytes(&bad, &engine());
            // The first version has no checksum: only its number says that there is one.
            let has_none = bad[5..9] != *b"0012" && loaded.is_ok();
            assert!(loaded.is_err() || has_none, "byte {at} was changed by {change:x}");
        }
    }
}

#[test]
fn the_stream_goes_on_behind_the_file() {
    let mut bytes = file(10, &[b"\x00\x01a\x01v"]);
    bytes.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    let mut reader = FileReader::open(&bytes[..]).expect("a file");
    while reader.next_part().expect("sound").is_some() {}
    let mut rest = String::new();
    reader.into_rest().read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "*1\r\n$4\r\nPING\r\n");
}

/// A second file on top of the first: its keys take the place of those that are there.
#[test]
fn keys_that_are_there_are_replaced_when_that_is_wanted() {
    let engine = engine();
    load_bytes(&file(9, &[b"\x00\x01a\x01v", b"\x00\x01b\x01v"]), &engine).expect("sound");
    let second = file(9, &[b"\x00\x01a\x01w", b"\x01\x01c\x01\x01x"]);
    let mut reader = FileReader::open(&second[..]).expect("a header");
    let options = LoadOptions { now_ms: NOW_MS, threads: 1, replace: true };
    let report = load(&engine, &mut reader, options, None, &mut |_, _| ()).expect("sound");
    assert_eq!(report.keys, 2);
    let mut session = engine.session();
    let mut turn = session.enter(NOW_MS);
    assert_eq!(turn.get(0, b"a"), Ok(Some(b"w".to_vec())));
    assert_eq!(turn.get(0, b"b"), Ok(Some(b"v".to_vec())));
    assert_eq!(turn.kind(0, b"c"), Some(Kind::List));
}

/// Streams that give a byte at a time are read as well.
#[test]
fn a_slow_stream_makes_no_difference() {
    struct Slow<'a>(&'a [u8]);
    impl std::io::Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(buffer.len()).min(7);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }
    let engine = engine();
    let mut reader = FileReader::open(Slow(REDIS_7_0)).expect("a header");
    let options = LoadOptions { now_ms: NOW_MS, threads: 1, replace: false };
    let report = load(&engine, &mut reader, options, None, &mut |_, _| ()).expect("Redis wrote it");
    assert_eq!(report.keys, 15);
}

#[test]
fn values_that_redis_does_not_have_are_left_to_the_caller() {
    use crate::persist::rdb::value::ValueRef;
    use crate::values::time_series::{Settings, TimeSeries};
    let series = TimeSeries::new(Settings::default());
    let mut writer = FileWriter::new(Vec::new(), 12);
    assert!(!writer.key(0, b"series", None, ValueRef::TimeSeries(&series)));
    assert!(!FileWriter::new(Vec::new(), 10).encoded(0, b"hash", None, 24, b""));
    assert_eq!(writer.finish().expect("a vector").0, file(12, &[]));
}
