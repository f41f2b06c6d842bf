//! What must hold of a ranked set whatever is done to it: unit tests and fuzzers call this.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use super::Ranked;

/// A score and a member in the order of the set.
#[derive(Clone, Debug, PartialEq)]
struct Key(f64, Vec<u8>);

impl Eq for Key {}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let scores = self.0.partial_cmp(&other.0).expect("no NaN");
        scores.then_with(|| self.1.cmp(&other.1))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One step.
#[derive(Clone, Debug)]
enum Op {
    /// Keeps a clone; the second word says whether it or the original is edited from now on.
    Clone(bool),
    CountBelow(f64),
    Insert(Vec<u8>, f64),
    /// So many members in ascending order of score, from a number on.
    InsertRun(u32, u16),
    PopFirst,
    PopLast,
    Range(u16, u16),
    Rank(Vec<u8>),
    Remove(Vec<u8>),
    RemoveRange(u16, u16),
    /// Every member of a run, in another order.
    RemoveRun(u32, u16),
    Scan(u8),
    /// Keeps what a snapshot takes.
    Share,
}

/// Choices from bytes; zeros when there are no more.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Few scores, so that many are equal; the edges among them.
    fn score(&mut self) -> f64 {
        match self.byte() {
            0 => f64::INFINITY,
            1 => f64::NEG_INFINITY,
            2 => -0.0,
            3 => 0.0,
            4 => 0.1,
            other => f64::from(other % 32) - 16.0,
        }
    }

    /// Few members: short ones, and ones on both sides of what fits into a block.
    fn member(&mut self) -> Vec<u8> {
        match self.byte() {
            0 => Vec::new(),
            byte @ 1..=20 => vec![byte; 254 + usize::from(byte % 3)],
            21 => vec![b'x'; 5_000],
            byte => format!("member:{}", u16::from(byte) << 2 | u16::from(self.byte() & 3)).into(),
        }
    }

    fn op(&mut self) -> Op {
        match self.byte() % 32 {
            0 => match self.byte() % 4 {
                0 => Op::Share,
                other => Op::Clone(other == 1),
            },
            1 => Op::CountBelow(self.score()),
            2 => Op::InsertRun(u32::from(self.byte() % 4) * 500, self.word() % 2_000),
            3 => Op::RemoveRun(u32::from(self.byte() % 4) * 500, self.word() % 2_000),
            4 => Op::PopFirst,
            5 => Op::PopLast,
            6 | 7 => Op::Range(self.word() % 3_000, self.word() % 3_000),
            8..=10 => Op::Rank(self.member()),
            11..=17 => Op::Remove(self.member()),
            18 => {
                let start = self.word() % 3_000;
                Op::RemoveRange(start, start.saturating_add(self.word() % 1_000))
            }
            19 => Op::Scan(self.byte()),
            _ => Op::Insert(self.member(), self.score()),
        }
    }
}

/// The set as the standard library would do it.
#[derive(Clone, Debug, Default)]
struct Model {
    scores: HashMap<Vec<u8>, f64>,
    order: BTreeSet<Key>,
}

impl Model {
    fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let old = self.scores.get(member).copied();
        if old != Some(score) {
            self.remove(member);
            self.scores.insert(member.to_vec(), score);
            self.order.insert(Key(score, member.to_vec()));
        }
        old
    }

    fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let old = self.scores.remove(member)?;
        assert!(self.order.remove(&Key(old, member.to_vec())));
        Some(old)
    }

    fn forget<'a>(&mut self, keys: impl Iterator<Item = &'a Key>) {
        for Key(score, member) in keys {
            assert_eq!(self.remove(member), Some(*score));
        }
    }

    fn range(&self, start: u16, end: u16) -> Vec<Key> {
        let count = usize::from(end.saturating_sub(start));
        self.order.iter().skip(usize::from(start)).take(count).cloned().collect()
    }
}

fn keys<'a>(elements: impl Iterator<Item = (&'a [u8], f64)>) -> Vec<Key> {
    elements.map(|(member, score)| Key(score, member.to_vec())).collect()
}

fn run_member(number: u32) -> Vec<u8> {
    format!("run:{number:012}").into_bytes()
}

fn step(ranked: &mut Ranked, model: &mut Model, op: &Op, context: &str) {
    match op {
        Op::Clone(_) | Op::Share => {}
        Op::CountBelow(score) => {
            let want = model.order.iter().filter(|key| key.0 < *score).count() as u64;
            assert_eq!(ranked.count_while(|one, _| one < *score), want, "{context} {op:?}");
        }
        Op::Insert(member, score) => {
            let old = model.insert(member, *score);
            assert_eq!(ranked.insert(member, *score), old, "{context} {op:?}");
            assert_eq!(ranked.score(member), model.scores.get(member).copied(), "{context}");
        }
        Op::InsertRun(from, count) => {
            for number in *from..*from + u32::from(*count) {
                let (member, score) = (run_member(number), f64::from(number / 7));
                assert_eq!(ranked.insert(&member, score), model.insert(&member, score));
            }
        }
        Op::PopFirst => {
            let want = model.order.first().cloned();
            model.forget(want.iter());
            let got = ranked.pop_first().map(|(member, score)| Key(score, member));
            assert_eq!(got, want, "{context} {op:?}");
        }
        Op::PopLast => {
            let want = model.order.last().cloned();
            model.forget(want.iter());
            let got = ranked.pop_last().map(|(member, score)| Key(score, member));
            assert_eq!(got, want, "{context} {op:?}");
        }
        Op::Range(start, end) => {
            let mut want = model.range(*start, *end);
            let range = ranked.range((*start).into(), (*end).into());
            assert_eq!(keys(range.clone()), want, "{context} {op:?}");
            let mut folded = Vec::new();
            range.clone().for_each(|(member, score)| folded.push(Key(score, member.to_vec())));
            assert_eq!(folded, want, "{context} {op:?}");
            want.reverse();
            assert_eq!(keys(range.rev()), want, "{context} {op:?}");
        }
        Op::Rank(member) => {
            let want = model.scores.get(member).map(|&score| {
                let key = Key(score, member.clone());
                (model.order.range(..key).count() as u64, score)
            });
            assert_eq!(ranked.rank(member), want, "{context} {op:?}");
        }
        Op::Remove(member) => {
            assert_eq!(ranked.remove(member), model.remove(member), "{context} {op:?}");
        }
        Op::RemoveRange(start, end) => {
            let want = model.range(*start, *end);
            model.forget(want.iter());
            let mut got = Vec::new();
            let each = |member: &[u8], score| got.push(Key(score, member.to_vec()));
            let count = ranked.remove_range((*start).into(), (*end).into(), each);
            assert_eq!((count, &got), (want.len() as u64, &want), "{context} {op:?}");
        }
        Op::RemoveRun(from, count) => {
            for number in 0..u32::from(*count) {
                let member = run_member(*from + (number * 7_919) % u32::from(*count));
                assert_eq!(ranked.remove(&member), model.remove(&member), "{context} {op:?}");
            }
        }
        Op::Scan(count) => scan_is_whole(ranked, model, (*count).into()),
    }
}

/// A scan of a quiet set visits every element once.
fn scan_is_whole(ranked: &Ranked, model: &Model, count: usize) {
    let (mut cursor, mut seen) = (0, BTreeSet::new());
    loop {
        let before = seen.len();
        cursor = ranked.scan(cursor, count, |member, score| {
            assert!(seen.insert(Key(score, member.to_vec())), "{member:?} came twice");
        });
        assert!(cursor == 0 || seen.len() >= before + count.max(1), "a step visits enough");
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, model.order);
}

/// Clones that were taken on the way, with what they must go on holding.
#[derive(Default)]
struct Kept(Vec<(Ranked, Vec<Key>, bool)>);

impl Kept {
    /// Clones to keep at a time.
    const MOST: usize = 4;

    fn keep(&mut self, ranked: Ranked, model: &Model, is_whole: bool) {
        if self.0.len() == Self::MOST {
            self.0.remove(0);
        }
        self.0.push((ranked, model.order.iter().cloned().collect(), is_whole));
    }

    fn check(&self, context: &str) {
        for (ranked, want, is_whole) in &self.0 {
            assert_eq!(keys(ranked.iter()), *want, "{context}: a clone changed");
            if *is_whole {
                ranked.check();
            } else {
                ranked.check_tree();
            }
        }
    }
}

/// Operations drawn from `bytes` leave a ranked set and a model of it equal, every invariant
/// holds in the end, and clones taken on the way never change.
///
/// # Panics
/// If they differ; the message names the step and `context`.
pub fn agrees_with_model(bytes: &[u8], context: &str) {
    let (mut ranked, mut model) = (Ranked::new(7), Model::default());
    let mut kept = Kept::default();
    let mut choices = Choices(bytes);
    let mut steps = 0;
    while !choices.0.is_empty() {
        let op = choices.op();
        match op {
            Op::Share => kept.keep(ranked.share(), &model, false),
            Op::Clone(stay) => {
                let clone = ranked.clone();
                let other = if stay { clone } else { std::mem::replace(&mut ranked, clone) };
                kept.keep(other, &model, true);
            }
            _ => {}
        }
        step(&mut ranked, &mut model, &op, &format!("{context} step={steps}"));
        assert_eq!(ranked.len(), model.scores.len() as u64, "{context} step={steps} {op:?}");
        steps += 1;
    }
    kept.check(context);
    ranked.check();
    assert_eq!(keys(ranked.iter()), model.order.into_iter().collect::<Vec<_>>(), "{context}");
}
