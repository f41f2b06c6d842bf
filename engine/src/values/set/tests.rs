//! The set against a `BTreeSet`, and the rules by which it changes its form.

use std::collections::BTreeSet;

use super::*;

const RULES: Rules = Rules { intset_entries_max: 8, entries_max: 6, value_max: 10, seed: 7 };

fn encoding(set: &Set) -> &'static str {
    Set::encoding(set.as_ref())
}

fn of(members: &[&str]) -> Set {
    let mut set = Set::default();
    for member in members {
        assert!(set.insert(member.as_bytes(), &RULES), "{member}");
    }
    set
}

fn members(set: &Set) -> Vec<String> {
    let text = |entry: Entry<'_>| String::from_utf8_lossy(&entry.to_bytes()).into_owned();
    set.as_ref().iter().map(text).collect()
}

#[test]
fn integers_stay_an_intset_up_to_the_limit() {
    let mut set = of(&["8", "1", "3", "-2", "7", "6", "5", "4"]);
    assert_eq!(encoding(&set), "intset");
    assert_eq!(members(&set), ["-2", "1", "3", "4", "5", "6", "7", "8"]);
    assert!(!set.insert(b"8", &RULES));
    assert_eq!(encoding(&set), "intset");
    assert!(set.insert(b"9", &RULES));
    assert_eq!(encoding(&set), "hashtable");
    assert!(set.remove(b"9") && !set.remove(b"9"));
    assert_eq!(encoding(&set), "hashtable");
}

#[test]
fn a_text_makes_a_listpack_of_few_and_short_members() {
    let mut set = of(&["3", "1", "2"]);
    assert!(set.insert(b"text", &RULES));
    assert_eq!(encoding(&set), "listpack");
    assert_eq!(members(&set), ["1", "2", "3", "text"]);
    assert!(set.insert(b"0", &RULES) && !set.insert(b"2", &RULES));
    assert!(set.insert(b"0123456789", &RULES), "as long as allowed");
    assert_eq!(members(&set), ["1", "2", "3", "text", "0", "0123456789"]);
    assert_eq!(encoding(&set), "listpack");
    assert!(set.insert(b"4", &RULES), "one too many");
    assert_eq!(encoding(&set), "hashtable");
    for (before, member) in [
        (&["1"][..], "01234567890"),
        (&["12345678901"], "x"),
        (&["1", "2", "3", "4", "5", "6"], "x"),
        (&["x"], "01234567890"),
        (&[], "01234567890"),
    ] {
        let mut set = of(before);
        assert!(set.insert(member.as_bytes(), &RULES));
        assert_eq!(encoding(&set), "hashtable", "{before:?} and {member}");
        assert_eq!(set.as_ref().len(), before.len() + 1);
    }
}

#[test]
fn what_is_announced_decides_the_first_form() {
    let first =
        |member: &str, members| encoding(&Set::for_members(member.as_bytes(), members, &RULES));
    assert_eq!(first("1", 8), "intset");
    assert_eq!(first("1", 9), "hashtable");
    assert_eq!(first("x", 6), "listpack");
    assert_eq!(first("x", 7), "hashtable");
    assert_eq!(first("01", 1), "listpack");
    for (before, members, want) in [
        (&["1"][..], 8, "intset"),
        (&["1"], 9, "hashtable"),
        (&["x"], 6, "listpack"),
        (&["x"], 7, "hashtable"),
    ] {
        let mut set = of(before);
        set.expect(members, &RULES);
        assert_eq!(encoding(&set), want, "{before:?} and {members} more");
    }
}

#[test]
fn only_few_integers_become_an_intset_again() {
    for (before, want) in [
        (&["x", "3", "1"][..], "intset"),
        (&["x", "3", "y"], "listpack"),
        (&["x", "1", "2", "3", "4", "5", "6", "7", "8"], "intset"),
        (&["x", "1", "2", "3", "4", "5", "6", "7", "8", "9"], "hashtable"),
    ] {
        let mut set = of(before);
        assert!(set.remove(b"x"));
        set.narrow(&RULES);
        assert_eq!(encoding(&set), want, "{before:?}");
        assert_eq!(set.as_ref().len(), before.len() - 1);
    }
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    *state ^ *state >> 29
}

/// Few members, so that they meet; some are long, some nearly integers.
fn member(state: &mut u64) -> Vec<u8> {
    let number = random(state) % 12;
    match random(state) % 8 {
        0 => format!("member {number}").into_bytes(),
        1 => format!("0{number}").into_bytes(),
        2 => format!("-{}", number * 1_000_000_007).into_bytes(),
        3 if number == 0 => vec![0xff; 20],
        _ => number.to_string().into_bytes(),
    }
}

#[test]
fn random_operations_agree_with_a_tree() {
    for seed in 0..300 {
        let mut state = seed;
        let (mut set, mut model) = (Set::default(), BTreeSet::new());
        for step in 0..60 {
            let member = member(&mut state);
            match random(&mut state) % 8 {
                0..5 => {
                    let added = set.insert(&member, &RULES);
                    assert_eq!(added, model.insert(member), "SEED={seed} step={step}");
                }
                5 | 6 => {
                    let removed = set.remove(&member);
                    assert_eq!(removed, model.remove(&member), "SEED={seed} step={step}");
                }
                _ => {
                    let popped = set.pop(random(&mut state)).map(|member| member.to_vec());
                    assert_eq!(popped.is_some(), !model.is_empty(), "SEED={seed} step={step}");
                    assert!(popped.is_none_or(|member| model.remove(&member)), "SEED={seed}");
                }
            }
            // A packed block goes into the key's record and comes back.
            if let Some((code, bytes)) = set.packed() {
                assert_eq!(Set::view(code, bytes).len(), model.len(), "SEED={seed} step={step}");
                set = Set::unpack(code, bytes);
            }
            let view = set.as_ref();
            let got: BTreeSet<Vec<u8>> = view.iter().map(|e| e.to_bytes().into_owned()).collect();
            assert_eq!(got, model, "SEED={seed} step={step}");
            assert_eq!(view.len(), model.len(), "SEED={seed} step={step}");
            let probe = self::member(&mut state);
            assert_eq!(view.contains(&probe), model.contains(&probe), "SEED={seed} step={step}");
            let drawn = view.random(random(&mut state)).map(|entry| entry.to_bytes().into_owned());
            assert_eq!(drawn.is_some(), !model.is_empty(), "SEED={seed} step={step}");
            assert!(drawn.is_none_or(|drawn| model.contains(&drawn)), "SEED={seed} step={step}");
        }
    }
}
