//! Both forms of the sorted set must answer alike.

use super::{Rules, SortedSet, SortedSetRef, score_of, with_score_text};
use crate::collection::Collection as _;
use crate::structures::listpack::{Entry, ListpackBuf};

const SMALL: Rules = Rules { entries_max: 20, value_max: 10, seed: 7 };
const LARGE: Rules = Rules { entries_max: 0, value_max: 0, seed: 7 };

fn all(set: SortedSetRef<'_>) -> Vec<(Vec<u8>, f64)> {
    set.iter().map(|(member, score)| (member.to_bytes().into_owned(), score)).collect()
}

#[test]
fn scores_read_back_the_same() {
    let scores = [0.0, 1.0, -5.0, 0.1, 1e20, -1e300, 5e-324, 9_007_199_254_740_993.0];
    for score in scores.into_iter().chain([f64::INFINITY, f64::NEG_INFINITY, 123_456.789]) {
        let mut list = ListpackBuf::new();
        with_score_text(score, |text| list.push_back(text));
        let read = score_of(list.as_ref().front().unwrap());
        assert_eq!(read.to_bits(), score.to_bits(), "{score}");
    }
    let mut list = ListpackBuf::new();
    with_score_text(-12.0, |text| list.push_back(text));
    assert!(matches!(list.as_ref().front(), Some(Entry::Int(-12))));
}

#[test]
fn small_and_large_agree() {
    let (mut small, mut large) = (SortedSet::default(), SortedSet::for_elements(1, 1, &LARGE));
    let mut seed = 3_u64;
    for step in 0..6_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        let member = format!("{}", seed >> 60);
        let score = f64::from(u32::try_from(seed >> 56 & 7).unwrap()) / 2.0;
        let member = member.as_bytes();
        match seed >> 50 & 7 {
            0 | 1 => assert_eq!(small.remove(member), large.remove(member), "step={step}"),
            2 => {
                let mut seen = [Vec::new(), Vec::new()];
                let [a, b] = &mut seen;
                small.remove_range(2, 4, |member, score| a.push((member.to_vec(), score)));
                large.remove_range(2, 4, |member, score| b.push((member.to_vec(), score)));
                assert_eq!(seen[0], seen[1], "step={step}");
            }
            _ => {
                let old = small.insert(member, score, &SMALL);
                assert_eq!(old, large.insert(member, score, &LARGE), "step={step}");
            }
        }
        let (a, b) = (small.as_ref(), large.as_ref());
        assert!(matches!((a, b), (SortedSetRef::Listpack(_), SortedSetRef::Ranked(_))));
        assert_eq!(all(a), all(b), "step={step}");
        assert_eq!((a.rank(member), a.score(member)), (b.rank(member), b.score(member)));
        let below = |set: SortedSetRef<'_>| set.count_while(|one, _| one < score);
        assert_eq!(below(a), below(b), "step={step}");
        let back = |set: SortedSetRef<'_>| {
            let range = set.range(1, 5).rev();
            range.map(|(member, score)| (member.to_bytes().into_owned(), score)).collect::<Vec<_>>()
        };
        assert_eq!(back(a), back(b), "step={step}");
    }
}

#[test]
fn it_changes_its_form_at_the_thresholds() {
    let mut set = SortedSet::default();
    for number in 0..20 {
        assert_eq!(set.insert(format!("{number}").as_bytes(), 1.0, &SMALL), None);
    }
    assert!(set.packed().is_some());
    assert_eq!(set.insert(b"19", 2.0, &SMALL), Some(1.0));
    assert!(set.packed().is_some());
    let mut more = set.clone();
    assert_eq!(more.insert(b"20", 2.0, &SMALL), None);
    assert_eq!((more.len(), SortedSet::encoding(more.as_ref())), (21, "skiplist"));
    set.remove(b"0");
    set.insert(b"ten bytes.", 0.0, &SMALL);
    assert_eq!(SortedSet::encoding(set.as_ref()), "listpack");
    set.insert(b"eleven byte", 0.0, &SMALL);
    assert_eq!(SortedSet::encoding(set.as_ref()), "skiplist");
    let pairs = [("a", 1.0), ("b", 1.0)];
    let mut stored = SortedSet::from_sorted(&pairs, &SMALL);
    assert_eq!(SortedSet::encoding(stored.as_ref()), "listpack");
    stored.expect(21, &SMALL);
    assert_eq!(SortedSet::encoding(stored.as_ref()), "skiplist");
    let (_, bytes) = SortedSet::from_sorted(&pairs, &SMALL)
        .packed()
        .map(|(code, bytes)| (code, bytes.to_vec()))
        .unwrap();
    assert_eq!(all(SortedSet::view(0, &bytes)), all(SortedSet::unpack(0, &bytes).as_ref()));
    assert_eq!(all(stored.as_ref()), all(SortedSet::view(0, &bytes)));
}
