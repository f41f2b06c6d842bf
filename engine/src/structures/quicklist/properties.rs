//! What must hold for any sequence of edits. A unit test calls this with bytes from seeds, a fuzz
//! target with whatever the fuzzer finds.
//!
//! The function panics when the property does not hold; that is its only result.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::block::Block;
use super::{BlockLimit, Quicklist};

/// Limits of every kind, small ones first: their corners are met sooner.
const SETTINGS: [i64; 6] = [1, 3, 0, 128, -1, -2];

/// How many blocks at each end are not compressed; half of the lists have no others.
const DEPTHS: [u16; 6] = [0, 1, 0, 2, 0, 3];

#[derive(Clone, Debug)]
enum Op {
    /// Keeps a clone; says whether the original is edited from now on, or the clone.
    Clone(bool),
    Insert(usize, Vec<u8>),
    Limit(i64),
    PopBack,
    PopFront,
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    Remove(usize, usize),
    RemoveEqual(Vec<u8>, usize, bool),
    Replace(usize, Vec<u8>),
    Trim(usize, usize),
}

/// Choices from bytes, one or two each.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn below(&mut self, bound: usize) -> Option<usize> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        if bound <= 256 {
            return Some(usize::from(*first) % bound);
        }
        let (second, rest) = self.0.split_first()?;
        self.0 = rest;
        Some((usize::from(*first) << 8 | usize::from(*second)) % bound)
    }

    /// Few values, so that equal ones meet; some around the limits of blocks.
    fn value(&mut self) -> Option<Vec<u8>> {
        Some(match self.below(16)? {
            0..=4 => self.below(5)?.to_string().into_bytes(),
            5..=10 => format!("value:{}", self.below(5)?).into_bytes(),
            11..=13 => vec![b'm'; 100 + self.below(400)?],
            14 => vec![b'l'; 4_070 + self.below(40)?],
            _ => vec![b'h'; 8_170 + self.below(40)?],
        })
    }

    fn op(&mut self, len: usize) -> Option<Op> {
        Some(match self.below(32)? {
            0 if self.below(2)? == 0 => Op::Clone(self.below(2)? == 0),
            0 => Op::Limit(SETTINGS[self.below(SETTINGS.len())?]),
            1..=3 => Op::PopBack,
            4..=6 => Op::PopFront,
            7..=12 => Op::PushBack(self.value()?),
            13..=18 => Op::PushFront(self.value()?),
            19..=23 => Op::Insert(self.below(len + 1)?, self.value()?),
            24 => Op::RemoveEqual(self.value()?, self.below(4)?, self.below(2)? == 0),
            25 | 26 => {
                let index = self.below(len + 1)?;
                Op::Remove(index, self.below((len - index).min(20) + 1)?)
            }
            27 if self.below(4)? == 0 => {
                let start = self.below(len + 1)?;
                Op::Trim(start, start + self.below(len - start + 1)?)
            }
            _ if len > 0 => Op::Replace(self.below(len)?, self.value()?),
            _ => Op::PushBack(self.value()?),
        })
    }
}

/// A quicklist is edited as the bytes say and stays equal to a deque of values; `label` names the
/// input in the message of a failure.
///
/// # Panics
/// If the property does not hold.
pub fn edits_agree_with_a_deque(bytes: &[u8], label: &str) {
    let mut choices = Choices(bytes);
    let depth = DEPTHS[choices.below(DEPTHS.len()).unwrap_or(0)];
    let (mut list, mut model) = (Quicklist::with_depth(depth), VecDeque::new());
    let mut limit = BlockLimit::from_setting(3);
    let mut kept = VecDeque::new();
    let mut step = 0;
    while let Some(op) = choices.op(model.len()) {
        let context = format!("{label} step={step} depth={depth} {limit:?} {op:?}");
        if let Op::Clone(stay) = op {
            let clone = list.clone();
            let other = if stay { clone } else { std::mem::replace(&mut list, clone) };
            kept.push_back((other, model.clone()));
        }
        apply(&mut list, &mut model, &mut limit, op, &context);
        check(&list, &model, step, &context);
        if kept.len() > 4 {
            let (clone, was) = kept.pop_front().expect("five are there");
            check(&clone, &was, step, &format!("{context}, the oldest clone"));
        }
        step += 1;
    }
    for (clone, was) in kept {
        check(&clone, &was, step, &format!("{label}, a clone at the end"));
    }
}

fn apply(
    list: &mut Quicklist,
    model: &mut VecDeque<Vec<u8>>,
    limit: &mut BlockLimit,
    op: Op,
    context: &str,
) {
    match op {
        Op::Clone(_) => {}
        Op::Insert(index, value) => {
            list.insert(index, &value, *limit);
            model.insert(index, value);
        }
        Op::Limit(setting) => *limit = BlockLimit::from_setting(setting),
        Op::PopBack => {
            assert_eq!(list.pop_back(|e| e.to_bytes().into_owned()), model.pop_back(), "{context}");
        }
        Op::PopFront => {
            assert_eq!(
                list.pop_front(|e| e.to_bytes().into_owned()),
                model.pop_front(),
                "{context}"
            );
        }
        Op::PushBack(value) => {
            list.push_back(&value, *limit);
            model.push_back(value);
        }
        Op::PushFront(value) => {
            list.push_front(&value, *limit);
            model.push_front(value);
        }
        Op::Remove(index, count) => {
            list.remove(index, count);
            model.drain(index..index + count);
        }
        Op::RemoveEqual(value, max, from_back) => {
            let removed = list.remove_equal(&value, max, from_back);
            assert_eq!(removed, remove_equal(model, &value, max, from_back), "{context}");
        }
        Op::Replace(index, value) => {
            list.replace(index, &value, *limit);
            model[index] = value;
        }
        Op::Trim(start, end) => {
            list.trim(start, end);
            model.truncate(end);
            model.drain(..start);
        }
    }
}

fn remove_equal(model: &mut VecDeque<Vec<u8>>, value: &[u8], max: usize, from_back: bool) -> usize {
    for removed in 0..max {
        let found = if from_back {
            model.iter().rposition(|element| element == value)
        } else {
            model.iter().position(|element| element == value)
        };
        let Some(index) = found else { return removed };
        model.remove(index);
    }
    max
}

fn check(list: &Quicklist, model: &VecDeque<Vec<u8>>, step: usize, context: &str) {
    assert_eq!(list.len(), model.len(), "{context}");
    assert!(list.blocks().all(|block| !block.as_ref().is_empty()), "an empty block: {context}");
    let memory: usize = list.blocks.iter().map(Block::memory).sum();
    assert_eq!(list.blocks_memory, memory, "{context}");
    #[cfg(any(test, fuzzing))]
    list.blocks.check();
    check_depth(list, context);
    let agree = |start: usize, end: usize| {
        let mut forwards = model.range(start..end);
        list.each(start, end - start, |e| {
            assert!(forwards.next().is_some_and(|want| e.eq_bytes(want)), "{context}");
        });
        assert_eq!(forwards.len(), 0, "{context}");
        // The last is not shown.
        let mut forwards = model.range(start..end.saturating_sub(1).max(start));
        list.each_until(start, end - start, |e| match forwards.next() {
            Some(want) if e.eq_bytes(want) => ControlFlow::Continue(()),
            Some(want) => panic!("{e:?} instead of {want:?}: {context}"),
            None => ControlFlow::Break(()),
        });
        assert_eq!(forwards.len(), 0, "{context}");
        let mut backwards = model.range(start..end).rev();
        list.each_back_until(end, end - start, |e| {
            assert!(backwards.next().is_some_and(|want| e.eq_bytes(want)), "{context}");
            if backwards.len() == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(backwards.len(), 0, "{context}");
    };
    agree(0, model.len());
    let start = step.wrapping_mul(31) % (model.len() + 1);
    agree(start, start + step.wrapping_mul(17) % (model.len() - start + 1));
    let got = list.get(start, |entry| entry.to_bytes().into_owned());
    assert_eq!(got.as_ref(), model.get(start), "{context}");
    if let Some(element) = got {
        let first = model.iter().position(|other| *other == element);
        assert_eq!(list.find(&element), first, "{context}");
    }
}

/// Q4, and Q5 in its strict form: no inner block stays plain that compressing would make smaller.
fn check_depth(list: &Quicklist, context: &str) {
    let (depth, len) = (usize::from(list.depth), list.blocks.len());
    for (at, block) in list.blocks.iter().enumerate() {
        let inner = depth > 0 && at >= depth && at + depth < len;
        if inner {
            let mut again = block.clone();
            again.compress();
            let was = block.is_compressed();
            assert_eq!(again.is_compressed(), was, "block {at} of {len}, depth {depth}: {context}");
        } else {
            assert!(!block.is_compressed(), "block {at} of {len}, depth {depth}: {context}");
        }
    }
}
