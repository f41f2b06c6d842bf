//! Every type in every form: there and back, damaged and cut.

use super::super::damage::Flaw;
use super::super::input::Input;
use super::*;
use crate::structures::series::DuplicatePolicy;
use crate::structures::stream::{BlockLimits, Claim, Group, StreamId};
use crate::values::hash::Deadline;
use crate::values::list::End;
use crate::values::time_series::Settings;

fn rules() -> Rules {
    Rules { thresholds: Thresholds::default(), seed: 7 }
}

fn words(count: usize) -> Vec<Vec<u8>> {
    let odd: [&[u8]; 8] =
        [b"", b"0", b"-1", b"007", b"9223372036854775807", b"-0", b"1e5", b"\xff"];
    let mut words: Vec<Vec<u8>> = odd.iter().map(|word| word.to_vec()).collect();
    words.extend((0..count).map(|i| format!("word:{}", i * 7919).into_bytes()));
    words.extend((0..count).map(|i| (i * 70_001).to_string().into_bytes()).skip(1));
    words.truncate(count);
    words
}

fn list(values: &[Vec<u8>]) -> Loaded<'static> {
    let mut list = List::default();
    for value in values {
        list.push(&[value], End::Right, rules().list());
    }
    Loaded::Stored(Stored::new(list))
}

fn set(members: &[Vec<u8>]) -> Loaded<'static> {
    let mut set = Set::default();
    for member in members {
        set.insert(member, &rules().set());
    }
    Loaded::Stored(Stored::new(set))
}

fn sorted_set(members: &[Vec<u8>]) -> Loaded<'static> {
    let odd = [0.0, -0.0, 1.5, f64::INFINITY, f64::NEG_INFINITY, 1e300, 5e-324, 0.1, -3.0];
    let mut set = SortedSet::default();
    for (index, member) in members.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "any number does")]
        let score = odd.get(index).copied().unwrap_or(index as f64 / 3.0);
        set.insert(member, score, &rules().sorted_set());
    }
    Loaded::Stored(Stored::new(set))
}

fn hash(fields: &[Vec<u8>], timed: bool) -> Loaded<'static> {
    let mut hash = Hash::default();
    for (index, field) in fields.iter().enumerate() {
        let deadline = match index % 3 {
            0 if timed => Deadline::Until(1_700_000_000_000 - index as u64 * 1_000),
            _ => Deadline::Clear,
        };
        hash.set(field, &fields[fields.len() - 1 - index], deadline, rules().hash());
    }
    Loaded::Stored(Stored::new(hash))
}

fn stream(entries: u64, with_groups: bool) -> Loaded<'static> {
    let limits = BlockLimits { bytes_max: 4096, entries_max: 10 };
    let mut stream = Stream::default();
    for number in 1..=entries {
        let (ms, text) = (number / 3 + 5, number.to_string());
        let pairs: &[&[u8]] = match number % 4 {
            0 => &[b"other", b"x", b"field", text.as_bytes()],
            _ => &[b"field", text.as_bytes()],
        };
        stream.log_mut().append(StreamId::new(ms, number), pairs, limits);
    }
    let gone: Vec<StreamId> =
        (1..entries / 2).map(|n| StreamId::new(n * 2 / 3 + 5, n * 2)).collect();
    stream.log_mut().remove(&gone);
    if with_groups {
        for (name, read) in [(&b"first"[..], Some(2)), (b"second", None)] {
            let mut group = Group::new(StreamId::MIN, read);
            let log = stream.log();
            let (ann, _) = group.meet(b"ann", 1_000);
            let (bob, _) = group.meet(b"bob", 2_000);
            group.deliver(log, ann, 5, false, 3_000, |_| ());
            group.deliver(log, bob, 3, false, 4_000, |_| ());
            let claim = Claim {
                idle_ms_min: 0,
                delivered_ms: 5_000,
                deliveries: Some(9),
                force: false,
                only_ids: false,
            };
            if let Some((first, _)) = group.pending_ends() {
                group.claim(log, first, bob, &claim, 6_000);
            }
            group.meet(b"idle", 7_000);
            assert!(stream.create_group(name, group));
        }
    }
    Loaded::Stored(Stored::new(stream))
}

fn time_series(samples: i64) -> Loaded<'static> {
    let settings = Settings {
        chunk_bytes: 128,
        policy: Some(DuplicatePolicy::Max),
        retention_ms: 0,
        labels: vec![(b"area"[..].into(), b"42"[..].into())],
    };
    let mut series = TimeSeries::new(settings);
    for time in 0..samples {
        #[expect(clippy::cast_precision_loss, reason = "any number does")]
        let value = (time * 37 % 101) as f64 / 8.0;
        series.add(time * 1_000 + time % 7, value, None).expect("times ascend");
    }
    Loaded::Stored(Stored::new(series))
}

/// Every type, small and large.
fn samples() -> Vec<Loaded<'static>> {
    let long = vec![b'x'; 10_000];
    let mut all = vec![
        Loaded::Text(NewText::Int(i64::MIN)),
        Loaded::Text(NewText::Int(12)),
        Loaded::Text(NewText::Fresh(Vec::new())),
        Loaded::Text(NewText::Fresh(long.clone())),
        Loaded::Text(NewText::Large(crate::LargeString::from_slice(&long.repeat(40)))),
        set(&[b"3".to_vec(), b"-70000".to_vec(), b"5000000000".to_vec()]),
        set(&(0..2_000).map(|i: u32| i.to_string().into_bytes()).collect::<Vec<_>>()),
        list(&[long.clone(), b"short".to_vec(), long.clone()]),
        hash(&[b"field".to_vec(), long], true),
        stream(0, false),
        stream(0, true),
        time_series(0),
    ];
    for count in [1, 3, 17, 40, 300, 3_000] {
        let words = words(count);
        all.extend([list(&words), set(&words), sorted_set(&words)]);
        all.extend([hash(&words, false), hash(&words, true)]);
        all.extend([stream(count as u64, false), stream(count as u64, true)]);
        all.push(time_series(i64::try_from(count).expect("small")));
    }
    all
}

fn bytes_of(loaded: &Loaded<'_>, style: Style) -> (u8, Vec<u8>) {
    loaded.with_ref(|value| {
        let mut bytes = Vec::new();
        encode(value, style, &mut bytes);
        (type_byte(value, style), bytes)
    })
}

#[test]
fn every_value_comes_back_as_it_was() {
    for loaded in samples() {
        for style in [Style::OWN, Style::REDIS] {
            let (type_byte, bytes) = bytes_of(&loaded, style);
            let again = decode(type_byte, &bytes, &rules()).unwrap_or_else(|damage| {
                panic!("{damage}: type {type_byte}, {} bytes", bytes.len());
            });
            // The newest form tells everything, so equal bytes are equal values. What Redis 7.0
            // cannot read loses when a consumer was active.
            let (own_type, own) = bytes_of(&loaded, Style::OWN);
            let (again_type, again_own) = bytes_of(&again, Style::OWN);
            assert_eq!(own_type, again_type);
            if style == Style::OWN
                || !matches!(own_type, code::STREAM_3 | code::HASH_LISTPACK_TIMED)
            {
                assert!(own == again_own, "type {type_byte}, {} bytes", bytes.len());
            }
            assert!(bytes_of(&again, style) == (type_byte, bytes), "type {type_byte}");
        }
    }
}

#[test]
fn the_end_is_found_without_decoding() {
    for loaded in samples() {
        for style in [Style::OWN, Style::REDIS] {
            let (type_byte, mut bytes) = bytes_of(&loaded, style);
            let end = bytes.len();
            bytes.extend_from_slice(b"what follows");
            let mut input = Input::new(&bytes);
            assert_eq!(extent(type_byte, &mut input), Ok(()));
            assert_eq!(input.position(), end, "type {type_byte}");
            let cuts: Vec<usize> = (0..end).step_by((end / 60).max(1)).collect();
            for cut in cuts {
                let short = extent(type_byte, &mut Input::new(&bytes[..cut]));
                assert_eq!(short.map_err(|damage| damage.flaw), Err(Flaw::Truncated), "{cut}");
                assert!(decode(type_byte, &bytes[..cut], &rules()).is_err(), "{cut} of {end}");
            }
        }
    }
}

#[test]
fn no_changed_byte_makes_a_panic_or_an_unsound_value() {
    for loaded in samples() {
        for style in [Style::OWN, Style::REDIS] {
            let (type_byte, bytes) = bytes_of(&loaded, style);
            // Every byte of the small ones, a few of the large.
            let step = if bytes.len() < 500 { 1 } else { bytes.len() / 25 };
            for at in (0..bytes.len()).step_by(step) {
                for change in [1, 0x40, 0x80, 0xff] {
                    let mut bad = bytes.clone();
                    bad[at] ^= change;
                    super::properties::decodes_or_is_refused(type_byte, &bad);
                }
            }
        }
    }
}

fn decoded(type_byte: u8, bytes: &[u8]) -> Vec<String> {
    let loaded = decode(type_byte, bytes, &rules()).unwrap_or_else(|damage| panic!("{damage}"));
    let text = |entry: crate::structures::listpack::Entry<'_>| {
        String::from_utf8_lossy(&entry.to_bytes()).into_owned()
    };
    loaded.with_ref(|value| match value {
        ValueRef::Hash(hash) => {
            hash.iter().flat_map(|item| [text(item.field), text(item.value)]).collect()
        }
        ValueRef::List(list) => {
            let mut elements = Vec::new();
            list.each(0, list.len(), |element| elements.push(text(element)));
            elements
        }
        ValueRef::Set(set) => set.iter().map(text).collect(),
        ValueRef::SortedSet(set) => {
            set.iter().flat_map(|(member, score)| [text(member), score.to_string()]).collect()
        }
        other => panic!("not expected: {other:?}"),
    })
}

/// A string that holds `block`.
fn wrapped(block: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    super::super::sink::put_string(block, false, &mut bytes);
    bytes
}

fn wide(number: usize) -> u32 {
    u32::try_from(number).expect("small")
}

fn ziplist(entries: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    let (mut before, mut tail) = (0_usize, 10);
    for entry in entries {
        tail = 10 + body.len();
        let start = body.len();
        match u8::try_from(before) {
            Ok(short) if short < 254 => body.push(short),
            _ => {
                body.push(254);
                body.extend_from_slice(&wide(before).to_le_bytes());
            }
        }
        body.extend_from_slice(entry);
        before = body.len() - start;
    }
    let total = wide(body.len() + 11);
    let mut list = total.to_le_bytes().to_vec();
    list.extend_from_slice(&wide(tail).to_le_bytes());
    list.extend_from_slice(&wide(entries.len()).to_le_bytes()[..2]);
    list.extend_from_slice(&body);
    list.push(0xff);
    list
}

#[test]
fn every_entry_of_a_ziplist_is_read() {
    let mut middle = vec![0x41, 0x00];
    middle.extend_from_slice(&[b'm'; 256]);
    let mut long = vec![0x80, 0, 0, 0x50, 0];
    long.extend_from_slice(&[b'l'; 0x5000]);
    let entries: [&[u8]; 13] = [
        b"\x05hello",
        &middle,
        &long,
        b"\x00",
        b"\xc0\x00\x80",
        b"\xd0\xff\xff\xff\x7f",
        b"\xe0\x00\x00\x00\x00\x00\x00\x00\x80",
        b"\xf0\xff\xff\xff",
        b"\xfe\x80",
        b"\xf1",
        b"\xfd",
        b"\x0212",
        b"\x03007",
    ];
    let list = ziplist(&entries);
    let want = [
        "hello",
        &"m".repeat(256),
        &"l".repeat(0x5000),
        "",
        "-32768",
        "2147483647",
        "-9223372036854775808",
        "-1",
        "-128",
        "0",
        "12",
        "12",
        "007",
    ];
    assert_eq!(decoded(code::LIST_ZIPLIST, &wrapped(&list)), want);
    let mut quick = vec![2];
    quick.extend(wrapped(&ziplist(&[b"\xf2", b"\xf3"])));
    quick.extend(wrapped(&ziplist(&[b"\xf4"])));
    assert_eq!(decoded(code::LIST_QUICKLIST, &quick), ["1", "2", "3"]);
}

#[test]
fn old_collections_are_read() {
    let pairs = ziplist(&[b"\x01a", b"\x031.5", b"\x01b", b"\xf1"]);
    assert_eq!(decoded(code::ZSET_ZIPLIST, &wrapped(&pairs)), ["b", "0", "a", "1.5"]);
    assert_eq!(decoded(code::HASH_ZIPLIST, &wrapped(&pairs)), ["a", "1.5", "b", "0"]);
    let zipmap = b"\x02\x03foo\x03\x00bar\x05hello\x05\x02world!!\xff";
    assert_eq!(decoded(code::HASH_ZIPMAP, &wrapped(zipmap)), ["foo", "bar", "hello", "world"]);
    assert_eq!(decoded(code::LIST, b"\x03\x01a\xc0\x07\xc1\xe8\x03"), ["a", "7", "1000"]);
    let scores = b"\x03\x01a\x031.5\x01b\xfe\x01c\xff";
    assert_eq!(decoded(code::ZSET, scores), ["c", "-inf", "a", "1.5", "b", "inf"]);
    assert_eq!(decoded(code::HASH_TIMED_RC, b"\x01\x0a\x01f\x01v"), ["f", "v"]);
    let intset = b"\x04\0\0\0\x02\0\0\0\xff\xff\xff\xff\x01\0\0\0";
    assert_eq!(decoded(code::SET_INTSET, &wrapped(intset)), ["-1", "1"]);
}

#[test]
fn what_contradicts_itself_is_refused() {
    let flaw = |type_byte: u8, bytes: &[u8]| {
        decode(type_byte, bytes, &rules()).expect_err("it is damaged").flaw
    };
    assert_eq!(flaw(code::SET, b"\x02\x01a\x01a"), Flaw::Duplicate);
    assert_eq!(flaw(code::HASH, b"\x02\x01a\x01b\x01a\x01c"), Flaw::Duplicate);
    assert_eq!(flaw(code::SET, b"\x00"), Flaw::Empty);
    assert_eq!(flaw(code::LIST, b"\x00"), Flaw::Empty);
    assert_eq!(flaw(code::LIST, b"\x3f\x01a"), Flaw::Count);
    assert_eq!(flaw(code::STRING, b"\x01ab"), Flaw::Surplus);
    assert_eq!(flaw(code::ZSET, b"\x01\x01a\xfd"), Flaw::Score);
    let nan = [&b"\x01\x01a"[..], &f64::NAN.to_bits().to_le_bytes()].concat();
    assert_eq!(flaw(code::ZSET_2, &nan), Flaw::Score);
    let pairs = wrapped(&ziplist(&[b"\x01a", b"\xf1", b"\x01a", b"\xf2"]));
    assert_eq!(flaw(code::ZSET_ZIPLIST, &pairs), Flaw::Duplicate);
    assert_eq!(flaw(code::HASH_ZIPLIST, &pairs), Flaw::Duplicate);
    let odd = wrapped(&ziplist(&[b"\x01a"]));
    assert_eq!(flaw(code::HASH_ZIPLIST, &odd), Flaw::Listpack);
    let descending = wrapped(b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0");
    assert_eq!(flaw(code::SET_INTSET, &descending), Flaw::NotAnIntset);
    assert_eq!(flaw(26, b""), Flaw::Type(26));
    // "hyperlog1" is no module we know of.
    let module = b"\x81\x86\xac\xa7\xab\xb2\xda\x28\x01\x00";
    assert!(matches!(flaw(code::MODULE_2, module), Flaw::Module(_)));
}

#[test]
fn numbers_that_others_kept_as_text_become_numbers() {
    // A listpack with the strings "12" and "12x": sound, but not as we write them.
    let pack = wrapped(b"\x10\0\0\0\x02\0\x8212\x03\x8312x\x04\xff");
    let loaded = decode(code::SET_LISTPACK, &pack, &rules()).expect("sound");
    let (_, bytes) = bytes_of(&loaded, Style::OWN);
    assert_eq!(bytes, wrapped(b"\x0e\0\0\0\x02\0\x0c\x01\x8312x\x04\xff"));
}
