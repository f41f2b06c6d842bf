//! Listpacks that come from elsewhere.
//!
//! Why it exists: in the keyspace a listpack is trusted, and damage is a panic. What comes from a
//! dump is looked at entry by entry first, and written anew where it is sound but not canonical
//! (other servers may have kept a number as text).

use super::super::damage::{Damage, Flaw};
use crate::structures::listpack::{Entry, Listpack, ListpackBuf};

/// Total bytes and count, in front.
const HEADER_BYTES: usize = 6;
/// The count of a header that says: count them.
const COUNT_UNKNOWN: usize = 0xffff;
const END: u8 = 0xff;
/// Up to so many elements are compared each with each, without a table.
const PAIRWISE_MAX: usize = 16;

/// Reads a listpack with its header and end byte. `at` is where it begins, for the report.
pub(super) fn read(bytes: &[u8], at: usize) -> Result<ListpackBuf, Damage> {
    parse(bytes).ok_or(Damage { at, flaw: Flaw::Listpack })
}

fn parse(bytes: &[u8]) -> Option<ListpackBuf> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let (end, entries) = rest.split_last()?;
    let total = u32::from_le_bytes(header[..4].try_into().expect("four of six bytes"));
    let count = u16::from_le_bytes(header[4..].try_into().expect("two of six bytes"));
    if *end != END || usize::try_from(total) != Ok(bytes.len()) {
        return None;
    }
    let pack = ListpackBuf::from_foreign(entries)?;
    let count = usize::from(count);
    (count == COUNT_UNKNOWN || count == pack.len()).then_some(pack)
}

/// Refuses a listpack of which two among the entries 0, `stride`, 2 `stride`, ... are equal, or
/// which is no whole number of strides, or empty.
pub(super) fn demand_unique(pack: Listpack<'_>, stride: usize, at: usize) -> Result<(), Damage> {
    if pack.is_empty() {
        return Err(Damage { at, flaw: Flaw::Empty });
    }
    if !pack.len().is_multiple_of(stride) {
        return Err(Damage { at, flaw: Flaw::Listpack });
    }
    // Equal entries have equal encodings (L2), and text is told from numbers by its canon.
    let names = pack.iter().step_by(stride);
    let unique = if pack.len() / stride <= PAIRWISE_MAX {
        let names: smallvec::SmallVec<[_; PAIRWISE_MAX]> = names.collect();
        let differs = |(index, name)| !names[..index].iter().any(|other| same(*other, name));
        names.iter().copied().enumerate().all(differs)
    } else {
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        for name in names {
            match name {
                Entry::Int(number) => numbers.push(number),
                Entry::Bytes(bytes) => texts.push(bytes),
            }
        }
        ascend(&mut numbers) && ascend(&mut texts)
    };
    if unique { Ok(()) } else { Err(Damage { at, flaw: Flaw::Duplicate }) }
}

fn same(one: Entry<'_>, other: Entry<'_>) -> bool {
    match (one, other) {
        (Entry::Int(one), Entry::Int(other)) => one == other,
        (Entry::Bytes(one), Entry::Bytes(other)) => one == other,
        _ => false,
    }
}

/// Sorts; whether no two are equal.
pub(super) fn ascend<T: Ord>(values: &mut [T]) -> bool {
    values.sort_unstable();
    values.windows(2).all(|pair| pair[0] != pair[1])
}
