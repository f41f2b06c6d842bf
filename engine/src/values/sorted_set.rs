//! The sorted set: a listpack of members and scores while it is small, a ranked set when large.
//!
//! Why it exists: clients see one type, OBJECT ENCODING shows them the choices of Redis 7.2
//! (`t_zset.c`), and the commands should know neither form. A range of any kind is a range of
//! ranks here, because both forms find the rank of a bound and walk from a rank.
//!
//! ```text
//! listpack   member | score | member | score | ...     ascending by score, then member
//! skiplist   see structures/ranked
//! ```
//!
//! Invariants
//! - Z1: pairs ascend by score, then member bytes, and no member is there twice.
//! - Z2: a score in a listpack is text that reads back as the same double; never NaN.
//! - Z3: a set never goes back to a listpack by itself; commands that store new sets begin with
//!   one.

use crate::Kind;
use crate::collection::Collection;
use crate::structures::listpack::{Entry, Iter, Listpack, ListpackBuf};
use crate::structures::ranked::{Range, Ranked};
use crate::thresholds::Thresholds;

#[cfg(test)]
mod tests;

/// The only packed encoding.
const LISTPACK: u8 = 0;

/// What a sorted set needs to know to choose its form.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The most elements of a listpack.
    pub entries_max: u64,
    /// The longest member of a listpack, in bytes.
    pub value_max: usize,
    /// For the hashes of a ranked set, should one be made.
    pub seed: u64,
}

impl Rules {
    /// The rules of the configuration.
    #[must_use]
    pub fn new(thresholds: &Thresholds, seed: u64) -> Self {
        Self {
            entries_max: thresholds.zset_entries_max as u64,
            value_max: thresholds.zset_value_max,
            seed,
        }
    }
}

/// Members with scores, in order.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "small ones are stored packed, not as this")]
pub enum SortedSet {
    /// A few.
    Listpack(ListpackBuf),
    /// Any number.
    Ranked(Ranked),
}

impl Default for SortedSet {
    fn default() -> Self {
        Self::Listpack(ListpackBuf::new())
    }
}

/// The text of a score in a listpack: whole numbers as integers (-0 becomes 0, as in Redis), others
/// in their shortest form.
fn with_score_text<R>(score: f64, f: impl FnOnce(&[u8]) -> R) -> R {
    /// Doubles below this are exact as `i64`.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if score.abs() <= WHOLE_MAX && score.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and at most 2^53")]
        let whole = score as i64;
        return f(itoa::Buffer::new().format(whole).as_bytes());
    }
    if score.is_infinite() {
        return f(if score > 0.0 { b"inf" } else { b"-inf" });
    }
    f(ryu::Buffer::new().format_finite(score).as_bytes())
}

/// The score that such a text stands for.
#[inline]
fn score_of(entry: Entry<'_>) -> f64 {
    match entry {
        #[expect(clippy::cast_precision_loss, reason = "written from a double (Z2)")]
        Entry::Int(number) => number as f64,
        Entry::Bytes(text) => {
            let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            number.expect("a listpack's scores are numbers (Z2)")
        }
    }
}

impl SortedSet {
    /// An empty set that `elements` are about to be put into, the longest of `bytes` bytes.
    #[must_use]
    pub fn for_elements(elements: u64, bytes: usize, rules: &Rules) -> Self {
        if elements <= rules.entries_max && bytes <= rules.value_max {
            Self::default()
        } else {
            Self::Ranked(Ranked::new(rules.seed))
        }
    }

    /// The set of pairs that ascend by score and then member.
    #[must_use]
    pub fn from_sorted<M: AsRef<[u8]>>(pairs: &[(M, f64)], rules: &Rules) -> Self {
        let longest = pairs.iter().map(|(member, _)| member.as_ref().len()).max().unwrap_or(0);
        let mut set = Self::for_elements(pairs.len() as u64, longest, rules);
        for (member, score) in pairs {
            match &mut set {
                Self::Listpack(list) => {
                    list.push_back(member.as_ref());
                    with_score_text(*score, |text| list.push_back(text));
                }
                Self::Ranked(ranked) => drop(ranked.insert(member.as_ref(), *score)),
            }
        }
        set
    }

    /// Prepares for a command that names `elements`: as many may be too many for a listpack.
    pub fn expect(&mut self, elements: u64, rules: &Rules) {
        if elements > rules.entries_max {
            self.become_ranked(rules);
        }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.as_ref().len()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_ref().is_empty()
    }

    /// Sets the score of a member, adding it if need be; returns the score it had.
    ///
    /// Cost: O(log n), O(n) in a listpack; one conversion at most.
    ///
    /// # Panics
    /// If `score` is NaN.
    pub fn insert(&mut self, member: &[u8], score: f64, rules: &Rules) -> Option<f64> {
        let list = match self {
            Self::Ranked(ranked) => return ranked.insert(member, score),
            Self::Listpack(list) => list,
        };
        assert!(!score.is_nan(), "scores are never NaN (Z2)");
        let found = find(list.as_ref(), member);
        if let Some((index, old)) = found {
            if old != score {
                list.remove(index, 2);
                insert_pair(list, member, score);
            }
            return Some(old);
        }
        let fits = list.len() as u64 / 2 < rules.entries_max && member.len() <= rules.value_max;
        if fits {
            insert_pair(list, member, score);
        } else {
            self.become_ranked(rules).insert(member, score);
        }
        None
    }

    /// Removes a member; returns the score it had. Cost: as [`SortedSet::insert`].
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Ranked(ranked) => ranked.remove(member),
            Self::Listpack(list) => {
                let (index, score) = find(list.as_ref(), member)?;
                list.remove(index, 2);
                Some(score)
            }
        }
    }

    /// Removes the elements of ranks `start..end` (cut to what there is), showing each to `each`
    /// first, in order; returns how many there were.
    pub fn remove_range(&mut self, start: u64, end: u64, mut each: impl FnMut(&[u8], f64)) -> u64 {
        match self {
            Self::Ranked(ranked) => ranked.remove_range(start, end, each),
            Self::Listpack(list) => {
                let end = end.min(list.len() as u64 / 2);
                if start >= end {
                    return 0;
                }
                for (member, score) in SortedSetRef::Listpack(list.as_ref()).range(start, end) {
                    member.with_bytes(|member| each(member, score));
                }
                let index = |rank: u64| usize::try_from(rank * 2).expect("within the listpack");
                list.remove(index(start), index(end - start));
                end - start
            }
        }
    }

    fn become_ranked(&mut self, rules: &Rules) -> &mut Ranked {
        if let Self::Listpack(list) = self {
            let mut ranked = Ranked::new(rules.seed);
            for (member, score) in pairs(list.as_ref()) {
                member.with_bytes(|member| ranked.insert(member, score));
            }
            *self = Self::Ranked(ranked);
        }
        let Self::Ranked(ranked) = self else { unreachable!("it was made one") };
        ranked
    }
}

fn pairs(list: Listpack<'_>) -> Elements<'_> {
    Elements(Walk::Listpack(list.iter()))
}

/// Index of a member's entry, and its score.
fn find(list: Listpack<'_>, member: &[u8]) -> Option<(usize, f64)> {
    let index = list.find(member, 2)?;
    let score = list.get(index + 1).expect("every member has a score");
    Some((index, score_of(score)))
}

/// Inserts a pair whose member is not there.
fn insert_pair(list: &mut ListpackBuf, member: &[u8], score: f64) {
    let before = SortedSetRef::Listpack(list.as_ref())
        .count_while(|one, other| (one, other) < (score, member));
    let index = usize::try_from(before * 2).expect("within the listpack");
    list.insert(index, member);
    with_score_text(score, |text| list.insert(index + 1, text));
}

/// A sorted set that is being read.
#[derive(Clone, Copy, Debug)]
pub enum SortedSetRef<'a> {
    /// A few.
    Listpack(Listpack<'a>),
    /// Any number.
    Ranked(&'a Ranked),
}

impl<'a> SortedSetRef<'a> {
    /// Number of elements. Cost: O(1).
    #[must_use]
    pub fn len(self) -> u64 {
        match self {
            Self::Listpack(list) => list.len() as u64 / 2,
            Self::Ranked(ranked) => ranked.len(),
        }
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The score of a member. Cost: O(1), O(n) in a listpack.
    #[must_use]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Listpack(list) => find(list, member).map(|(_, score)| score),
            Self::Ranked(ranked) => ranked.score(member),
        }
    }

    /// Rank and score of a member. Cost: O(log n), O(n) in a listpack.
    #[must_use]
    pub fn rank(self, member: &[u8]) -> Option<(u64, f64)> {
        match self {
            Self::Listpack(list) => {
                find(list, member).map(|(index, score)| (index as u64 / 2, score))
            }
            Self::Ranked(ranked) => ranked.rank(member),
        }
    }

    /// Number of elements from the front for which `holds` is true: the rank of a bound.
    ///
    /// `holds` must be true up to some element and false from there on. Cost: O(log n), O(n) in
    /// a listpack.
    pub fn count_while(self, holds: impl Fn(f64, &[u8]) -> bool) -> u64 {
        match self {
            Self::Listpack(list) => {
                let holds = |&(member, score): &(Entry<'_>, f64)| {
                    member.with_bytes(|member| holds(score, member))
                };
                pairs(list).take_while(holds).count() as u64
            }
            Self::Ranked(ranked) => ranked.count_while(holds),
        }
    }

    /// The elements of ranks `start..end`, cut to what there is, from either end.
    #[must_use]
    pub fn range(self, start: u64, end: u64) -> Elements<'a> {
        let end = end.min(self.len());
        Elements(match self {
            Self::Ranked(ranked) => Walk::Ranked(ranked.range(start, end)),
            Self::Listpack(list) => {
                let index = |rank: u64| usize::try_from(rank * 2).expect("within the listpack");
                Walk::Listpack(list.slice(index(start.min(end)), index(end)).iter())
            }
        })
    }

    /// All elements in order.
    #[must_use]
    pub fn iter(self) -> Elements<'a> {
        self.range(0, u64::MAX)
    }

    /// Visits elements from `cursor` on, as [`Ranked::scan`]; a listpack's all at once.
    pub fn scan(self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        match self {
            Self::Ranked(ranked) => ranked.scan(cursor, count, visit),
            Self::Listpack(list) => {
                for (member, score) in pairs(list) {
                    member.with_bytes(|member| visit(member, score));
                }
                0
            }
        }
    }
}

/// Elements in order, from either end.
#[derive(Clone, Debug)]
pub struct Elements<'a>(Walk<'a>);

#[derive(Clone, Debug)]
enum Walk<'a> {
    Listpack(Iter<'a>),
    Ranked(Range<'a>),
}

impl<'a> Iterator for Elements<'a> {
    type Item = (Entry<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Ranked(range) => {
                range.next().map(|(member, score)| (Entry::Bytes(member), score))
            }
            Walk::Listpack(entries) => {
                let member = entries.next()?;
                Some((member, score_of(entries.next().expect("every member has a score"))))
            }
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, mut f: F) -> B {
        if let Walk::Ranked(range) = self.0 {
            return range.fold(init, |sum, (member, score)| f(sum, (Entry::Bytes(member), score)));
        }
        let mut sum = init;
        for element in self {
            sum = f(sum, element);
        }
        sum
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Walk::Listpack(entries) => entries.len() / 2,
            Walk::Ranked(range) => range.len(),
        };
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Elements<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Ranked(range) => {
                range.next_back().map(|(member, score)| (Entry::Bytes(member), score))
            }
            Walk::Listpack(entries) => {
                let score = score_of(entries.next_back()?);
                Some((entries.next_back().expect("every score has a member"), score))
            }
        }
    }
}

impl ExactSizeIterator for Elements<'_> {}

impl Collection for SortedSet {
    const KIND: Kind = Kind::SortedSet;
    type Ref<'a> = SortedSetRef<'a>;

    #[inline]
    fn as_ref(&self) -> SortedSetRef<'_> {
        match self {
            Self::Listpack(list) => SortedSetRef::Listpack(list.as_ref()),
            Self::Ranked(ranked) => SortedSetRef::Ranked(ranked),
        }
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn memory(&self) -> usize {
        match self {
            Self::Listpack(list) => list.memory(),
            Self::Ranked(ranked) => ranked.memory(),
        }
    }

    fn share(&self) -> Self {
        match self {
            Self::Listpack(list) => Self::Listpack(list.clone()),
            Self::Ranked(ranked) => Self::Ranked(ranked.share()),
        }
    }

    #[inline]
    fn prefetch(&self, members: &[&[u8]]) {
        if let Self::Ranked(ranked) = self {
            ranked.prefetch(members);
        }
    }

    fn packed(&self) -> Option<(u8, &[u8])> {
        match self {
            Self::Listpack(list) => Some((LISTPACK, list.as_packed())),
            Self::Ranked(_) => None,
        }
    }

    fn unpack(_: u8, bytes: &[u8]) -> Self {
        Self::Listpack(ListpackBuf::from_packed(bytes))
    }

    fn view(_: u8, bytes: &[u8]) -> SortedSetRef<'_> {
        SortedSetRef::Listpack(Listpack::from_packed(bytes))
    }

    fn encoding(view: SortedSetRef<'_>) -> &'static str {
        match view {
            SortedSetRef::Listpack(_) => "listpack",
            SortedSetRef::Ranked(_) => "skiplist",
        }
    }
}
