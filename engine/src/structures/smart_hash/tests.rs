//! Tests of the table as a whole; those of its parts are beside them.

use super::properties::table_agrees_with_a_map;
use super::*;
use crate::structures::cow::copied;

/// Choices from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

#[test]
fn random_operations_agree_with_a_map() {
    let one = std::env::var("ZUMIC_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = one.map_or(1..=24, |seed| seed..=seed);
    for seed in seeds {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let bytes: Vec<u8> = (0..1_500).flat_map(|_| random.next().to_le_bytes()).collect();
        table_agrees_with_a_map(seed, &bytes);
    }
}

fn numbered(number: u32) -> [u8; 16] {
    let mut field = *b"field:0000000000";
    let digits = format!("{number:010}");
    field[6..].copy_from_slice(digits.as_bytes());
    field
}

fn filled(count: u32) -> SmartHash {
    let mut table = SmartHash::new(7);
    for number in 0..count {
        assert!(table.insert(&numbered(number), &number.to_le_bytes()));
    }
    table
}

#[test]
fn it_grows_through_chunks_and_shrinks_back() {
    let mut table = filled(120_000);
    for number in 0..120_000 {
        assert_eq!(table.get(&numbered(number)), Some(&number.to_le_bytes()[..]), "{number}");
    }
    assert!(!table.contains(&numbered(120_000)));
    for number in 0..120_000 {
        assert!(table.remove(&numbered(number)), "{number}");
    }
    assert_eq!(table.memory(), SmartHash::new(7).memory());
}

#[test]
fn a_scan_returns_what_stays_while_the_table_grows_and_shrinks() {
    for grow in [true, false] {
        let mut table = filled(if grow { 2_000 } else { 60_000 });
        let mut seen = std::collections::HashSet::new();
        let (mut cursor, mut calls) = (0, 0_u32);
        loop {
            cursor = table.scan(cursor, 100, |element| {
                seen.insert(element.field.to_vec());
            });
            if cursor == 0 {
                break;
            }
            for number in (0..2_500).map(|at| 2_000 + calls * 2_500 + at) {
                if grow && calls < 20 {
                    table.insert(&numbered(number), b"");
                } else if !grow {
                    table.remove(&numbered(number));
                }
            }
            calls += 1;
        }
        assert!(calls > 5, "{calls}");
        for number in 0..2_000 {
            assert!(seen.contains(&numbered(number)[..]), "grow={grow} missed {number}");
        }
    }
}

/// Chi-squared over 300 elements in segments that are unevenly full: 299 degrees of freedom,
/// so above 400 with a probability of 1 in 10,000, and the seed is fixed.
#[test]
fn every_element_is_as_likely_as_any_other() {
    const DRAWS: u32 = 60_000;
    let table = filled(300);
    let mut hits = std::collections::HashMap::new();
    let mut random = Random(99);
    for _ in 0..DRAWS {
        let element = table.random(random.next()).unwrap();
        *hits.entry(element.field).or_insert(0_u32) += 1;
    }
    let expected = f64::from(DRAWS) / 300.0;
    let chi: f64 = (0..300)
        .map(|number| {
            let hits = hits.get(&numbered(number)[..]).copied().unwrap_or(0);
            (f64::from(hits) - expected).powi(2) / expected
        })
        .sum();
    assert!(chi < 400.0, "{chi}");
}

/// A hint has no result; this is for the bounds of what it looks at.
#[test]
fn hints_look_at_nothing_outside_a_block() {
    for count in [0, 1, 63, 3_000] {
        let table = filled(count);
        let fields: Vec<_> = (0..4_000).map(numbered).collect();
        let fields: Vec<&[u8]> = fields.iter().map(|field| &field[..]).collect();
        table.prefetch(&fields);
        table.prefetch(&fields[..1]);
        table.prefetch(&[]);
    }
}

#[test]
fn a_value_of_the_same_length_is_written_where_the_old_one_was() {
    let mut table = SmartHash::new(1);
    for len in [0, 5, 128, 129, 5_000] {
        table.insert(b"field", &vec![1; len]);
        let before = table.get(b"field").unwrap().as_ptr();
        let memory = table.memory();
        table.insert(b"field", &vec![2; len]);
        assert_eq!(table.get(b"field"), Some(&vec![2; len][..]));
        assert_eq!(table.get(b"field").unwrap().as_ptr(), before, "{len}");
        assert_eq!(table.memory(), memory);
    }
}

#[test]
fn an_element_is_visible_up_to_its_deadline() {
    let mut table = SmartHash::new(1);
    table.insert_until(b"field", b"value", 1_000);
    assert_eq!(table.earliest_deadline_ms(), Some(1_000));
    assert!(table.find_live(b"field", 1_000).is_some());
    assert!(table.find_live(b"field", 1_001).is_none());
    assert_eq!((table.live_len(1_000), table.live_len(1_001)), (1, 0));
    assert_eq!(table.remove_due(1_000, 10, |_| ()), 0);
    assert!(table.set_deadline(b"field", Some(2_000)));
    assert_eq!(table.remove_due(1_001, 10, |_| ()), 0);
    assert!(table.update(b"field", b"longer value").eq(&false));
    assert_eq!(table.find(b"field").unwrap().expire_at_ms(), Some(2_000), "update keeps it");
    assert!(!table.insert(b"field", b"value"), "insert clears it");
    assert_eq!(table.earliest_deadline_ms(), None);
    assert!(!table.set_deadline(b"other", Some(1)));
}

/// The figures of the module's header: bytes over payload, allocator rounding included.
#[test]
fn elements_cost_what_the_header_says() {
    // An eighth of a million: as full as the million is, in an eighth of the time.
    let count = 125_000;
    let mut hash = SmartHash::new(3);
    let mut set = SmartHash::new(3);
    for number in 0..count {
        hash.insert(&numbered(number), &numbered(number));
        set.insert(&numbered(number), b"");
    }
    let per_element = |table: &SmartHash| table.memory() / 125_000;
    assert!(per_element(&hash) < 32 + 14, "{}", per_element(&hash));
    assert!(per_element(&set) < 16 + 12, "{}", per_element(&set));
}

/// What an edit after a snapshot copies: a segment and 512 headers; of long values, theirs alone.
#[test]
fn an_edit_of_a_shared_table_copies_its_segment_only() {
    const COUNT: u32 = 60_000;
    let field = |number: u32| format!("field:{number}").into_bytes();
    let long = vec![b'x'; 100_000];
    let mut table = SmartHash::new(7);
    for number in 0..COUNT {
        table.insert(&field(number), b"value");
    }
    for number in (0..COUNT).step_by(2_000) {
        table.insert(&field(number), &long);
    }
    copied::take();
    (0..1_000).for_each(|number| assert!(!table.insert(&field(number * 59), b"other")));
    assert_eq!(copied::take(), 0, "nothing is shared");
    let shared = table.clone();
    let (mut most, mut total) = (0, 0);
    let mut note = || {
        let now = copied::take();
        (most, total) = (now.max(most), total + now);
    };
    for number in 0..3_000 {
        table.insert(&field(number * 19), b"third");
        note();
        table.remove(&field(number * 17 + 5));
        note();
        table.insert(&field(COUNT + number), b"new");
        note();
    }
    for number in (0..COUNT).step_by(2_000) {
        table.insert(&field(number), &long);
        note();
    }
    // A removal may merge two segments; a split may divide a chunk.
    assert!(most <= 40 * 1024, "{most} bytes for one edit");
    assert!(total <= table.memory(), "{total} bytes: more than everything once");
    assert!(!table.remove(b"absent") && copied::take() == 0, "nothing was to be edited");
    assert_eq!(shared.len(), COUNT as usize);
    drop(shared);
    table.insert(&field(1), b"fourth");
    assert_eq!(copied::take(), 0, "nobody shares any more");
}
