//! What must hold for any sequence of operations on a table. Unit tests call it with generated
//! input, the fuzz target with whatever the fuzzer finds.

use std::collections::HashMap;

use super::{NEVER, SmartHash, hash_with};

/// One step of the property.
#[derive(Clone, Copy, Debug)]
enum Op {
    Clear,
    /// Keeps a clone; says whether the original is edited from now on, or the clone.
    Clone(bool),
    Deadline(u16, Option<u64>),
    Insert(u16, u8),
    InsertUntil(u16, u8, u64),
    Random(u64),
    Remove(u16),
    RemoveMany(u16),
    RemoveDue(u64, usize),
    Scan(u64, usize),
    Update(u16, u8),
}

impl Op {
    /// Reads an operation from four bytes.
    fn decode(bytes: [u8; 4]) -> Self {
        let [code, low, high, value] = bytes;
        let key = u16::from_le_bytes([low, high]) % 2_500;
        let now = u64::from(value);
        match code {
            0..100 => Self::Insert(key, value),
            100..115 => Self::InsertUntil(key, value, u64::from(low) + now),
            115..125 => Self::Deadline(key, (high & 1 == 0).then_some(now)),
            125..135 => Self::Update(key, value),
            135..220 => Self::Remove(key),
            220..228 => Self::RemoveMany(key),
            228..236 => Self::RemoveDue(now, usize::from(low)),
            236..246 => Self::Scan(now << 40, usize::from(low)),
            246..252 => Self::Random(u64::from(key) << 8 | now),
            252..255 => Self::Clone(value & 1 == 0),
            255 if value < 16 => Self::Clear,
            255 => Self::Update(key, value),
        }
    }
}

/// Fields of every length around the limits, boxed ones included.
fn field(key: u16) -> Vec<u8> {
    let mut field = key.to_le_bytes().to_vec();
    match key % 64 {
        0 => field.resize(127 + usize::from(key / 64 % 4), 0),
        1 => field.resize(31 + usize::from(key / 64 % 2), 0),
        _ => field.resize(2 + usize::from(key % 14), 0),
    }
    field
}

/// Values of every length around the limits.
fn value(seed: u8) -> Vec<u8> {
    let len = match seed {
        0..200 => usize::from(seed % 20),
        200..230 => 60 + usize::from(seed % 8),
        230.. => 100 + usize::from(seed) % 40,
    };
    vec![seed; len]
}

type Model = HashMap<Vec<u8>, (Vec<u8>, u64)>;

/// Runs the operations that `bytes` say on a table and on a map, and compares.
///
/// # Panics
/// When the two differ, or an invariant of the table does not hold.
pub fn table_agrees_with_a_map(seed: u64, bytes: &[u8]) {
    let mut table = SmartHash::new(seed);
    let mut model = Model::new();
    let mut kept: Vec<(SmartHash, Model)> = Vec::new();
    for (step, bytes) in bytes.as_chunks::<4>().0.iter().enumerate() {
        let op = Op::decode(*bytes);
        let context = format!("SEED={seed} step={step} {op:?}");
        apply(&mut table, &mut model, op, &context);
        if let Op::Clone(stay) = op {
            let clone = table.clone();
            let other = if stay { clone } else { std::mem::replace(&mut table, clone) };
            if kept.len() == 4 {
                let (oldest, was) = kept.remove(0);
                check(&oldest, &was, &format!("{context}, the oldest clone"));
            }
            kept.push((other, model.clone()));
        }
        assert_eq!(table.len(), model.len(), "{context}");
        if step % 256 == 0 {
            check(&table, &model, &context);
        }
    }
    check(&table, &model, "at the end");
    for (clone, was) in kept {
        check(&clone, &was, "a clone at the end");
    }
    for field in model.keys() {
        assert!(table.remove(field), "SEED={seed} emptying");
    }
    check(&table, &Model::new(), "emptied");
    assert_eq!(table.memory(), SmartHash::new(seed).memory(), "an empty table is a small table");
}

fn apply(table: &mut SmartHash, model: &mut Model, op: Op, context: &str) {
    match op {
        Op::Clear => {
            table.clear();
            model.clear();
        }
        Op::Clone(_) => {}
        Op::Deadline(key, deadline) => {
            let field = field(key);
            let entry = model.get_mut(&field);
            assert_eq!(table.set_deadline(&field, deadline), entry.is_some(), "{context}");
            if let Some((_, old)) = entry {
                *old = deadline.unwrap_or(NEVER);
            }
        }
        Op::Insert(key, seed) => {
            let is_new = model.insert(field(key), (value(seed), NEVER)).is_none();
            assert_eq!(table.insert(&field(key), &value(seed)), is_new, "{context}");
        }
        Op::InsertUntil(key, seed, until) => {
            let is_new = model.insert(field(key), (value(seed), until)).is_none();
            assert_eq!(table.insert_until(&field(key), &value(seed), until), is_new, "{context}");
        }
        Op::Random(source) => {
            let found = table.random(source);
            assert_eq!(found.is_some(), !model.is_empty(), "{context}");
            assert!(found.is_none_or(|found| model.contains_key(found.field)), "{context}");
        }
        Op::Remove(key) => {
            let was = model.remove(&field(key)).is_some();
            assert_eq!(table.remove(&field(key)), was, "{context}");
        }
        Op::RemoveMany(first) => {
            for key in first..first + 200 {
                let was = model.remove(&field(key)).is_some();
                assert_eq!(table.remove(&field(key)), was, "{context}");
            }
        }
        Op::RemoveDue(now, limit) => remove_due(table, model, now, limit, context),
        Op::Scan(cursor, count) => {
            let mut seen = 0;
            let next = table.scan(cursor, count, |_| seen += 1);
            assert!(next == 0 || next > cursor, "{context}");
            assert!(next == 0 || seen < count + 64, "{context}");
        }
        Op::Update(key, seed) => {
            let entry = model.entry(field(key));
            let is_new = matches!(entry, std::collections::hash_map::Entry::Vacant(_));
            entry.or_insert((Vec::new(), NEVER)).0 = value(seed);
            assert_eq!(table.update(&field(key), &value(seed)), is_new, "{context}");
        }
    }
}

fn remove_due(table: &mut SmartHash, model: &mut Model, now: u64, limit: usize, context: &str) {
    let due = model.values().filter(|(_, deadline)| *deadline < now).count();
    assert_eq!(table.live_len(now), model.len() - due, "{context}");
    let mut gone = 0;
    let removed = table.remove_due(now, limit, |field| {
        let (_, deadline) = model.remove(field).expect("removed what the map does not have");
        assert!(deadline < now, "{context}: removed too early");
        gone += 1;
    });
    assert_eq!((removed, gone), (due.min(limit), due.min(limit)), "{context}");
}

/// The table holds what the map holds, every way of looking at it, and its invariants hold.
fn check(table: &SmartHash, model: &Model, context: &str) {
    for (field, (value, deadline)) in model {
        let found = table.find(field).unwrap_or_else(|| panic!("{context}: lost {field:?}"));
        assert_eq!((found.value, found.deadline), (&value[..], *deadline), "{context}");
        assert!(table.contains(field), "{context}");
        assert_eq!(table.find_live(field, 100).is_some(), *deadline >= 100, "{context}");
    }
    assert_eq!(table.iter().count(), model.len(), "{context}");
    assert!(table.iter().all(|element| model.contains_key(element.field)), "{context}");
    let (mut cursor, mut scanned) = (0, 0);
    loop {
        cursor = table.scan(cursor, 10, |_| scanned += 1);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(scanned, model.len(), "{context}");
    let timed = model.values().filter(|(_, deadline)| *deadline != NEVER);
    assert_eq!(table.timed_len(), timed.clone().count(), "{context}");
    if let Some(first) = timed.map(|(_, deadline)| *deadline).min() {
        assert!(table.earliest_deadline_ms().is_some_and(|at| at <= first), "{context}");
    }
    check_segments(table, context);
}

/// T2 and T3.
fn check_segments(table: &SmartHash, context: &str) {
    let bytes: usize = table.directory.segments().map(super::segment::Segment::memory).sum();
    assert_eq!(bytes, table.bytes, "{context}: memory");
    assert_eq!(table.directory.count_bytes(), table.directory.memory(), "{context}: memory");
    let mut prefix = 0_u128;
    for segment in table.directory.segments() {
        let span = 1_u128 << (64 - segment.depth);
        for index in 0..segment.len() {
            let hash = u128::from(hash_with(table.seed, segment.element(index).field));
            assert!((prefix..prefix + span).contains(&hash), "{context}: in the wrong segment");
        }
        prefix += span;
    }
    assert_eq!(prefix, 1 << 64, "{context}: the segments do not cover the hash space");
}
