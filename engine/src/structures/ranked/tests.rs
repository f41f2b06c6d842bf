//! The ranked set as a whole.

use super::Ranked;
use super::properties::agrees_with_model;
use crate::structures::cow::copied;

fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
}

#[test]
fn random_operations_agree_with_the_model() {
    let one = std::env::var("ZUMIC_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    for seed in one.map_or(1..=10, |seed| seed..=seed) {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let bytes: Vec<u8> = (0..3_000).map(|_| random(&mut state).to_le_bytes()[0]).collect();
        agrees_with_model(&bytes, &format!("SEED={seed}"));
    }
}

fn member(number: u64) -> Vec<u8> {
    format!("member:{number:09}").into_bytes()
}

/// The figure of the design: at most 20 bytes over score and member.
#[test]
fn elements_are_small_whatever_the_order_of_insertion() {
    const COUNT: u64 = 100_000;
    type Order = fn(u64) -> u64;
    let orders: [(&str, Order); 3] = [
        ("ascending", |number| number),
        ("descending", |number| COUNT - number),
        ("scattered", |number| number.wrapping_mul(0x9E37_79B9) % 1_000_003),
    ];
    for (name, order) in orders {
        let mut ranked = Ranked::new(1);
        let mut most = 0;
        for number in 0..COUNT {
            let score = f64::from(u32::try_from(order(number)).unwrap());
            assert_eq!(ranked.insert(&member(number), score), None);
            let over = ranked.memory() as u64 / (number + 1);
            if number > 10_000 {
                most = most.max(over);
            }
        }
        ranked.check();
        assert!(most <= 24 + 20, "{name}: {most} bytes per element");
    }
}

#[test]
fn memory_comes_back() {
    let mut ranked = Ranked::new(1);
    let empty = ranked.memory();
    for number in 0..50_000 {
        ranked.insert(&member(number), 1.0);
    }
    let full = ranked.memory();
    for number in (1..49_000).map(|number| number * 7 % 50_000) {
        assert_eq!(ranked.remove(&member(number)), Some(1.0));
    }
    ranked.check();
    assert!(ranked.memory() * 8 < full, "{} of {full}", ranked.memory());
    ranked.remove_range(0, u64::MAX, |_, _| ());
    assert!(ranked.is_empty() && ranked.pop_first().is_none() && ranked.pop_last().is_none());
    ranked.check();
    assert!(ranked.memory() <= empty * 2 + 4_096, "{} of {empty}", ranked.memory());
}

/// What Redis promises of SCAN: what stays is returned, whatever comes and goes in between.
#[test]
fn a_scan_returns_what_stays() {
    let mut ranked = Ranked::new(3);
    for number in 0..4_000 {
        ranked.insert(&member(number), 0.0);
    }
    let (mut cursor, mut seen, mut round) = (0, Vec::new(), 0);
    loop {
        cursor = ranked.scan(cursor, 10, |member, _| seen.push(member.to_vec()));
        if cursor == 0 {
            break;
        }
        for number in 0..30 {
            ranked.remove(&member(2_000 + (round * 30 + number) % 2_000));
            ranked.insert(&member(10_000 + round * 30 + number), 1.0);
        }
        round += 1;
    }
    seen.sort();
    let stays: Vec<_> = (0..2_000).map(member).collect();
    assert!(stays.iter().all(|member| seen.binary_search(member).is_ok()));
    let before = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), before, "no element comes twice");
}

#[test]
fn equal_scores_are_ordered_by_member() {
    let mut ranked = Ranked::new(3);
    for number in 0..3_000_u64 {
        ranked.insert(&member(number * 1_009 % 3_000), if number % 2 == 0 { 0.0 } else { -0.0 });
    }
    ranked.check();
    assert_eq!(ranked.rank(&member(1_234)), Some((1_234, 0.0)));
    assert_eq!(ranked.count_while(|_, one| one < &member(77)[..]), 77);
    assert_eq!(ranked.select(2_999).map(|(member, _)| member.to_vec()), Some(member(2_999)));
    assert_eq!(ranked.select(3_000), None);
}

/// A move asks for both leaves first; taking the element out may merge the one it goes to.
#[test]
fn elements_move_between_leaves_that_merge() {
    let mut seed = 3;
    let mut ranked = Ranked::new(1);
    for number in 0..6_000_u32 {
        ranked.insert(&member(u64::from(number)), f64::from(number));
    }
    let full = ranked.memory();
    for step in 0..24_000 {
        let number = random(&mut seed) % 6_000;
        let Some(old) = ranked.score(&member(number)) else { continue };
        if step % 2 == 0 {
            assert_eq!(ranked.remove(&member(number)), Some(old), "step={step}");
            continue;
        }
        let by = f64::from(u32::try_from(random(&mut seed) % 400).unwrap()) - 200.5;
        assert_eq!(ranked.insert(&member(number), old + by), Some(old), "step={step}");
        assert_eq!(ranked.score(&member(number)), Some(old + by), "step={step}");
        if step % 999 == 0 {
            ranked.check();
        }
    }
    ranked.check();
    assert!(ranked.memory() * 2 < full, "leaves have merged: {} of {full}", ranked.memory());
}

#[test]
#[should_panic(expected = "never NaN")]
fn nan_is_refused() {
    Ranked::new(1).insert(b"m", f64::NAN);
}

/// What the first edits after a snapshot copy: a leaf, the path to it, and runs of 128 headers.
#[test]
fn an_edit_of_a_shared_set_copies_its_path_only() {
    const COUNT: u64 = 200_000;
    let mut ranked = Ranked::new(1);
    for number in 0..COUNT {
        ranked.insert(&member(number), f64::from(u32::try_from(number * 7 % COUNT).unwrap()));
    }
    let mut seed = 3;
    let mut edit = |ranked: &mut Ranked| {
        let number = random(&mut seed) % COUNT;
        match random(&mut seed) % 3 {
            0 => drop(ranked.insert(&member(number), 0.5)),
            1 => drop(ranked.insert(&member(COUNT + number), 0.5)),
            _ => drop(ranked.remove(&member(number))),
        }
    };
    copied::take();
    (0..1_000).for_each(|_| edit(&mut ranked));
    assert_eq!(copied::take(), 0, "nothing is shared");
    let shared = ranked.share();
    let mut most = 0;
    let total: usize = (0..2_000)
        .map(|_| {
            edit(&mut ranked);
            let now = copied::take();
            most = most.max(now);
            now
        })
        .sum();
    // Two leaves (an element moves), their paths and neighbours, and the chunks of all these.
    assert!(most <= 40 * 1024, "{most} bytes for one edit");
    assert!(total <= ranked.memory(), "{total} bytes: more than everything once");
    drop(shared);
    edit(&mut ranked);
    assert_eq!(copied::take(), 0, "nobody shares any more");
}

#[test]
fn what_is_shared_is_freed_with_the_last() {
    let mut ranked = Ranked::new(1);
    for number in 0..5_000 {
        ranked.insert(&member(number), 1.0);
    }
    let (shared, clone) = (ranked.share(), ranked.clone());
    assert!(shared.memory() < ranked.memory(), "it has no index");
    let least = ranked.memory() * 99 / 100;
    assert!(clone.memory() >= least, "what is shared counts on both sides");
    drop(ranked);
    assert_eq!(shared.iter().count(), 5_000);
    drop(shared);
    clone.check();
}

/// A hint has no result; this is for the bounds of what it looks at.
#[test]
fn hints_look_at_nothing_outside_a_block() {
    let members: Vec<_> = (0..4_000).map(|number| format!("member:{number}")).collect();
    let members: Vec<&[u8]> = members.iter().map(String::as_bytes).collect();
    for count in [0, 1, 63, 3_000] {
        let mut set = Ranked::new(1);
        for (score, member) in (0_u32..).zip(&members[..count]) {
            set.insert(member, f64::from(score));
        }
        set.prefetch(&members);
        set.prefetch(&members[..1]);
        set.prefetch(&[]);
    }
}
