//! The set: an intset, a listpack or a table, as its members demand.
//!
//! Why it exists: the rules by which a set changes from one to the next are Redis 7.2's
//! (`setTypeAddAux` and its kin), because OBJECT ENCODING shows them and the order of SMEMBERS
//! follows from them: ascending in an intset, as inserted in a listpack.
//!
//! ```text
//!            a member that is no integer
//! intset  ------------------------------>  listpack
//!    |  too many, or what comes is long       |  too many, or too long
//!    +----------------->  table  <------------+
//! ```
//!
//! Invariants
//! - S1: nothing is in a set twice, whatever form an integer has: a canonical decimal in the
//!   table, a number in the others.
//! - S2: a set never goes back by itself; commands that make new sets begin with an intset.

use std::cmp::Ordering;

use crate::Kind;
use crate::collection::Collection;
use crate::commands::number;
use crate::structures::intset::{Intset, IntsetBuf};
use crate::structures::listpack::{Entry, Listpack, ListpackBuf, Popped};
use crate::structures::smart_hash::SmartHash;
use crate::thresholds::Thresholds;

/// Packed encodings.
const LISTPACK: u8 = 0;
const INTSET: u8 = 1;

/// No intset has more members, whatever the configuration says; Redis's limit.
const INTSET_ENTRIES_MAX: usize = 1 << 30;

/// What a set needs to know to choose its form.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The most members of an intset.
    pub intset_entries_max: usize,
    /// The most members of a listpack.
    pub entries_max: usize,
    /// The longest member of a listpack.
    pub value_max: usize,
    /// For the hashes of a table, should one be made.
    pub seed: u64,
}

impl Rules {
    /// The rules of the configuration.
    #[must_use]
    pub fn new(thresholds: &Thresholds, seed: u64) -> Self {
        Self {
            intset_entries_max: thresholds.set_intset_entries_max.min(INTSET_ENTRIES_MAX),
            entries_max: thresholds.set_entries_max,
            value_max: thresholds.set_value_max,
            seed,
        }
    }
}

/// A set of byte strings.
#[derive(Clone, Debug)]
pub enum Set {
    /// Integers only, ascending.
    Intset(IntsetBuf),
    /// A few, as inserted.
    Listpack(ListpackBuf),
    /// Any number, in the order of their hashes.
    Table(SmartHash),
}

impl Default for Set {
    fn default() -> Self {
        Self::Intset(IntsetBuf::new())
    }
}

impl Set {
    /// An empty set that `members` are about to be put into.
    #[must_use]
    pub fn for_members(first: &[u8], members: usize, rules: &Rules) -> Self {
        if number::integer(first).is_some() && members <= rules.intset_entries_max {
            Self::default()
        } else if members <= rules.entries_max {
            Self::Listpack(ListpackBuf::new())
        } else {
            Self::Table(SmartHash::new(rules.seed))
        }
    }

    /// Prepares for `members` more: as many may be too many for the present form.
    pub fn expect(&mut self, members: usize, rules: &Rules) {
        let is_too_small = match self {
            Self::Intset(_) => members > rules.intset_entries_max,
            Self::Listpack(_) => members > rules.entries_max,
            Self::Table(_) => false,
        };
        if is_too_small {
            self.become_table(rules);
        }
    }

    /// Adds a member; false when it was there.
    ///
    /// Cost: O(1) in a table, O(n) in the small forms; one conversion at most.
    #[inline]
    pub fn insert(&mut self, member: &[u8], rules: &Rules) -> bool {
        match self {
            Self::Table(table) => table.insert(member, b""),
            Self::Listpack(list) => {
                if list.as_ref().find(member, 1).is_some() {
                    return false;
                }
                if list.len() < rules.entries_max && member.len() <= rules.value_max {
                    list.push_back(member);
                    return true;
                }
                self.become_table(rules).insert(member, b"")
            }
            Self::Intset(_) => match number::integer(member) {
                Some(number) => self.insert_integer(number, rules),
                None => self.insert_text(member, rules),
            },
        }
    }

    /// The same for a member of another set.
    pub fn insert_entry(&mut self, entry: Entry<'_>, rules: &Rules) -> bool {
        match (&*self, entry) {
            (Self::Intset(_), Entry::Int(number)) => self.insert_integer(number, rules),
            _ => entry.with_bytes(|member| self.insert(member, rules)),
        }
    }

    /// Adds an integer to an intset.
    fn insert_integer(&mut self, number: i64, rules: &Rules) -> bool {
        let Self::Intset(integers) = self else { unreachable!("the caller looked") };
        let is_new = integers.insert(number);
        if is_new && integers.len() > rules.intset_entries_max {
            self.become_table(rules);
        }
        is_new
    }

    /// Adds something else than an integer to an intset, which therefore becomes something else.
    fn insert_text(&mut self, member: &[u8], rules: &Rules) -> bool {
        let Self::Intset(integers) = &*self else { unreachable!("the caller looked") };
        let view = integers.as_ref();
        let digits = |index: usize| view.get(index).map_or(0, |number| Entry::Int(number).len());
        let longest = digits(0).max(digits(view.len().saturating_sub(1)));
        let fits = view.len() < rules.entries_max && member.len().max(longest) <= rules.value_max;
        if !fits {
            return self.become_table(rules).insert(member, b"");
        }
        let mut list = ListpackBuf::new();
        for number in view {
            list.push_back_entry(Entry::Int(number));
        }
        list.push_back(member);
        *self = Self::Listpack(list);
        true
    }

    fn become_table(&mut self, rules: &Rules) -> &mut SmartHash {
        if !matches!(self, Self::Table(_)) {
            let mut table = SmartHash::new(rules.seed);
            for entry in self.as_ref().iter() {
                entry.with_bytes(|member| table.insert(member, b""));
            }
            *self = Self::Table(table);
        }
        let Self::Table(table) = self else { unreachable!("it was made one") };
        table
    }

    /// Goes back to an intset if every member is an integer and there are few enough: what
    /// SINTERSTORE does.
    pub fn narrow(&mut self, rules: &Rules) {
        if matches!(self, Self::Intset(_)) || self.as_ref().len() > rules.intset_entries_max {
            return;
        }
        let integers: Option<Vec<i64>> = self.as_ref().iter().map(Entry::integer).collect();
        if let Some(mut integers) = integers {
            integers.sort_unstable();
            *self = Self::Intset(integers.into_iter().collect());
        }
    }

    /// Takes a member away; false when it was not there.
    ///
    /// Cost: as [`Set::insert`].
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Self::Intset(integers) => {
                number::integer(member).is_some_and(|number| integers.remove(number))
            }
            Self::Listpack(list) => match list.as_ref().find(member, 1) {
                Some(index) => {
                    list.remove(index, 1);
                    true
                }
                None => false,
            },
            Self::Table(table) => table.remove(member),
        }
    }

    /// Takes a random member away; `None` when the set is empty. `source` is a random number.
    pub fn pop(&mut self, source: u64) -> Option<Popped> {
        let (index, entry) = self.as_ref().draw(source)?;
        let member = entry.with_bytes(Popped::from_slice);
        match self {
            Self::Intset(integers) => {
                integers.remove_at(index);
            }
            Self::Listpack(list) => list.remove(index, 1),
            Self::Table(table) => {
                let was_there = table.remove(&member);
                debug_assert!(was_there, "it was drawn from the table");
            }
        }
        Some(member)
    }
}

/// A set to read.
#[derive(Clone, Copy, Debug)]
pub enum SetRef<'a> {
    /// Integers only, ascending.
    Intset(Intset<'a>),
    /// A few, as inserted.
    Listpack(Listpack<'a>),
    /// Any number, in the order of their hashes.
    Table(&'a SmartHash),
}

impl<'a> SetRef<'a> {
    /// Number of members. Cost: O(1).
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            Self::Intset(integers) => integers.len(),
            Self::Listpack(list) => list.len(),
            Self::Table(table) => table.len(),
        }
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether `member` is in the set.
    ///
    /// Cost: O(1) in a table, O(log n) in an intset, O(n) in a listpack.
    #[must_use]
    pub fn contains(self, member: &[u8]) -> bool {
        match self {
            Self::Intset(integers) => {
                number::integer(member).is_some_and(|number| integers.contains(number))
            }
            Self::Listpack(list) => list.find(member, 1).is_some(),
            Self::Table(table) => table.contains(member),
        }
    }

    /// The same for a member of another set.
    #[must_use]
    pub fn contains_entry(self, entry: Entry<'_>) -> bool {
        match (self, entry) {
            (Self::Intset(integers), Entry::Int(number)) => integers.contains(number),
            _ => entry.with_bytes(|member| self.contains(member)),
        }
    }

    /// All members, in the order of SMEMBERS.
    pub fn iter(self) -> impl Iterator<Item = Entry<'a>> {
        let (mut integers, mut list, mut table) = (None, None, None);
        match self {
            Self::Intset(set) => integers = Some(set.iter()),
            Self::Listpack(set) => list = Some(set.iter()),
            Self::Table(set) => table = Some(set.iter()),
        }
        let table = table.into_iter().flatten().map(|element| Entry::Bytes(element.field));
        let list = list.into_iter().flatten();
        integers.into_iter().flatten().map(Entry::Int).chain(list).chain(table)
    }

    /// A member that every member had the same chance to be; `None` in an empty set. `source` is
    /// a random number.
    #[must_use]
    pub fn random(self, source: u64) -> Option<Entry<'a>> {
        self.draw(source).map(|(_, entry)| entry)
    }

    /// The same with the index of the member, where members have one.
    fn draw(self, source: u64) -> Option<(usize, Entry<'a>)> {
        let index = below(source, self.len());
        let entry = match self {
            Self::Intset(integers) => integers.get(index).map(Entry::Int),
            Self::Listpack(list) => list.get(index),
            Self::Table(table) => table.random(source).map(|element| Entry::Bytes(element.field)),
        };
        entry.map(|entry| (index, entry))
    }

    /// Which of two sets has fewer members.
    #[must_use]
    pub fn compare_len(self, other: Self) -> Ordering {
        self.len().cmp(&other.len())
    }
}

/// A number below `limit`, or zero, made from a random one.
#[must_use]
pub fn below(source: u64, limit: usize) -> usize {
    let wide = u128::from(source) * u128::try_from(limit).unwrap_or(0);
    usize::try_from(wide >> 64).unwrap_or(0)
}

impl Collection for Set {
    const KIND: Kind = Kind::Set;
    type Ref<'a> = SetRef<'a>;

    #[inline]
    fn as_ref(&self) -> SetRef<'_> {
        match self {
            Self::Intset(integers) => SetRef::Intset(integers.as_ref()),
            Self::Listpack(list) => SetRef::Listpack(list.as_ref()),
            Self::Table(table) => SetRef::Table(table),
        }
    }

    fn is_empty(&self) -> bool {
        self.as_ref().is_empty()
    }

    fn memory(&self) -> usize {
        match self {
            Self::Intset(integers) => integers.memory(),
            Self::Listpack(list) => list.memory(),
            Self::Table(table) => table.memory(),
        }
    }

    fn packed(&self) -> Option<(u8, &[u8])> {
        match self {
            Self::Intset(integers) => Some((INTSET, integers.as_packed())),
            Self::Listpack(list) => Some((LISTPACK, list.as_packed())),
            Self::Table(_) => None,
        }
    }

    fn unpack(code: u8, bytes: &[u8]) -> Self {
        if code == INTSET {
            Self::Intset(IntsetBuf::from_packed(bytes))
        } else {
            Self::Listpack(ListpackBuf::from_packed(bytes))
        }
    }

    #[inline]
    fn view(code: u8, bytes: &[u8]) -> SetRef<'_> {
        if code == INTSET {
            SetRef::Intset(Intset::from_packed(bytes))
        } else {
            SetRef::Listpack(Listpack::from_packed(bytes))
        }
    }

    fn encoding(view: SetRef<'_>) -> &'static str {
        match view {
            SetRef::Intset(_) => "intset",
            SetRef::Listpack(_) => "listpack",
            SetRef::Table(_) => "hashtable",
        }
    }

    #[inline]
    fn prefetch(&self, members: &[&[u8]]) {
        if let Self::Table(table) = self {
            table.prefetch(members);
        }
    }
}

#[cfg(test)]
mod tests;
