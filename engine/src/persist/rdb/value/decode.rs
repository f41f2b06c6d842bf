//! From bytes to values.
//!
//! Why it exists: bytes come from the network and from old files; what they make must satisfy the
//! invariants of our own types, whatever they are. The rules by which a value gets its form are
//! those of Redis 7.2's `rdbLoadObject`.

use super::super::damage::{Damage, Flaw};
use super::super::input::{Input, Word};
use super::{
    Loaded, NODE_PACKED, NODE_PLAIN, Rules, code, listpack, series, stream_in, version_of, ziplist,
};
use crate::NewText;
use crate::collection::Stored;
use crate::commands::number;
use crate::structures::intset::IntsetBuf;
use crate::structures::listpack::{Entry, ListpackBuf};
use crate::structures::quicklist::{BlockLimit, Quicklist};
use crate::structures::smart_hash::SmartHash;
use crate::values::hash::{Deadline, Hash};
use crate::values::list::{List, Rules as ListRules};
use crate::values::set::{Rules as SetRules, Set};
use crate::values::sorted_set::{Rules as ScoreRules, SortedSet};

/// Entries of a field with its value, and with its deadline too.
const PAIR: usize = 2;
const TRIPLE: usize = 3;

/// Decodes a value that fills `bytes`.
///
/// Cost: O(bytes); O(n log n) for sorted sets and to look for duplicates in long listpacks.
///
/// # Errors
/// [`Damage`] with the place, for anything that [`super::encode`] or a Redis of version 2.6 to
/// 7.4 would not have written.
///
/// # Examples
/// ```
/// use engine::Thresholds;
/// use engine::persist::rdb::Flaw;
/// use engine::persist::rdb::value::{Rules, Style, ValueRef, decode, encode};
///
/// let rules = Rules { thresholds: Thresholds::default(), seed: 1 };
/// // A list of one node, as Redis 7 writes RPUSH key a: a listpack of one entry.
/// let list = b"\x01\x02\x0a\x0a\0\0\0\x01\0\x81a\x02\xff";
/// let loaded = decode(18, list, &rules).expect("a list");
/// let mut again = Vec::new();
/// loaded.with_ref(|value| encode(value, Style::REDIS, &mut again));
/// assert_eq!(again, list);
/// assert_eq!(decode(18, &list[..9], &rules).unwrap_err().flaw, Flaw::Truncated);
/// ```
pub fn decode<'a>(type_byte: u8, bytes: &'a [u8], rules: &Rules) -> Result<Loaded<'a>, Damage> {
    let mut input = Input::new(bytes);
    let loaded = decode_from(type_byte, &mut input, rules)?;
    if input.left() > 0 {
        return Err(input.damage(Flaw::Surplus));
    }
    Ok(loaded)
}

/// Decodes a value from the front of an input.
///
/// # Errors
/// As [`decode`].
pub fn decode_from<'a>(
    type_byte: u8,
    input: &mut Input<'a>,
    rules: &Rules,
) -> Result<Loaded<'a>, Damage> {
    let stored = match type_byte {
        code::STRING => return input.word().map(|word| Loaded::Text(text(word))),
        code::LIST | code::LIST_ZIPLIST | code::LIST_QUICKLIST | code::LIST_QUICKLIST_2 => {
            Stored::new(list(type_byte, input, rules.list())?)
        }
        code::SET | code::SET_INTSET | code::SET_LISTPACK => {
            Stored::new(set(type_byte, input, rules)?)
        }
        code::ZSET | code::ZSET_2 | code::ZSET_ZIPLIST | code::ZSET_LISTPACK => {
            Stored::new(sorted_set(type_byte, input, &rules.sorted_set())?)
        }
        code::HASH_TIMED_RC | code::HASH_TIMED => {
            Stored::new(timed_hash(type_byte == code::HASH_TIMED, input, rules)?)
        }
        code::HASH
        | code::HASH_ZIPMAP
        | code::HASH_ZIPLIST
        | code::HASH_LISTPACK
        | code::HASH_LISTPACK_TIMED_RC
        | code::HASH_LISTPACK_TIMED => Stored::new(hash(type_byte, input, rules)?),
        code::STREAM | code::STREAM_2 | code::STREAM_3 => {
            Stored::new(stream_in::read(version_of(type_byte), input)?)
        }
        code::TIME_SERIES => Stored::new(series::read(input)?),
        code::MODULE | code::MODULE_2 => {
            let at = input.position();
            return Err(Damage { at, flaw: Flaw::Module(module_name(input.length()?)) });
        }
        other => return Err(input.damage(Flaw::Type(other))),
    };
    Ok(Loaded::Stored(stored))
}

/// The name in a module's id: nine characters of six bits, above ten bits of a version.
pub(crate) fn module_name(id: u64) -> [u8; 9] {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::array::from_fn(|index| {
        let shift = 10 + 6 * (8 - index);
        LETTERS[usize::from((id >> shift).to_le_bytes()[0] & 0x3f)]
    })
}

fn text(word: Word<'_>) -> NewText<'_> {
    match word {
        Word::Bytes(bytes) => NewText::encode(bytes),
        Word::Int(number) => NewText::Int(number),
        Word::Unpacked(bytes) => match number::integer(&bytes) {
            Some(number) => NewText::Int(number),
            None => NewText::Fresh(bytes),
        },
    }
}

/// A string that holds a block; calls `read` with it and its place.
fn block<R>(
    input: &mut Input<'_>,
    read: impl FnOnce(&[u8], usize) -> Result<R, Damage>,
) -> Result<R, Damage> {
    let at = input.position();
    match input.word()? {
        Word::Bytes(bytes) => read(bytes, at),
        Word::Unpacked(bytes) => read(&bytes, at),
        Word::Int(_) => Err(Damage { at, flaw: Flaw::Length }),
    }
}

// --- Lists ---------------------------------------------------------------------------------

fn list(type_byte: u8, input: &mut Input<'_>, rules: ListRules) -> Result<List, Damage> {
    let start = input.position();
    let limit = rules.limit;
    let mut list = Quicklist::with_depth(rules.depth);
    match type_byte {
        code::LIST => {
            for _ in 0..input.count(1)? {
                input.word()?.with_bytes(|value| list.push_back(value, limit));
            }
        }
        code::LIST_ZIPLIST => push_block(&mut list, block(input, ziplist::read)?, limit),
        code::LIST_QUICKLIST => {
            for _ in 0..input.count(1)? {
                push_block(&mut list, block(input, ziplist::read)?, limit);
            }
        }
        _ => {
            for _ in 0..input.count(2)? {
                match input.length()? {
                    NODE_PLAIN => {
                        input.word()?.with_bytes(|value| list.push_back(value, limit));
                    }
                    NODE_PACKED => push_block(&mut list, block(input, listpack::read)?, limit),
                    _ => return Err(input.damage(Flaw::Length)),
                }
            }
        }
    }
    if list.is_empty() {
        return Err(Damage { at: start, flaw: Flaw::Empty });
    }
    Ok(match list.take_small(limit, false) {
        Some(block) => List::Packed(block),
        None => List::Quick(list),
    })
}

/// Adds a node as the block it is, unless it is larger than ours may be.
fn push_block(list: &mut Quicklist, block: ListpackBuf, limit: BlockLimit) {
    let bytes = BlockLimit::framed(block.as_ref());
    if block.len() == 1 || !limit.exceeded_by(bytes, block.len()) {
        list.push_block(block);
        return;
    }
    for entry in block.as_ref().iter() {
        entry.with_bytes(|value| list.push_back(value, limit));
    }
}

// --- Sets ----------------------------------------------------------------------------------

fn set(type_byte: u8, input: &mut Input<'_>, rules: &Rules) -> Result<Set, Damage> {
    let rules = rules.set();
    match type_byte {
        code::SET_INTSET => packed_integers(input, &rules),
        code::SET_LISTPACK => packed_members(input, &rules),
        _ => members(input, &rules),
    }
}

fn packed_integers(input: &mut Input<'_>, rules: &SetRules) -> Result<Set, Damage> {
    let integers = block(input, intset)?;
    if integers.len() <= rules.intset_entries_max {
        return Ok(Set::Intset(integers));
    }
    let mut table = SmartHash::new(rules.seed);
    for number in integers.as_ref() {
        table.insert(itoa::Buffer::new().format(number).as_bytes(), b"");
    }
    Ok(Set::Table(table))
}

fn packed_members(input: &mut Input<'_>, rules: &SetRules) -> Result<Set, Damage> {
    let start = input.position();
    let pack = block(input, listpack::read)?;
    listpack::demand_unique(pack.as_ref(), 1, start)?;
    let fits = |entry: Entry<'_>| entry.len() <= rules.value_max;
    if pack.len() <= rules.entries_max && pack.as_ref().iter().all(fits) {
        return Ok(Set::Listpack(pack));
    }
    let mut table = SmartHash::new(rules.seed);
    for member in pack.as_ref() {
        member.with_bytes(|member| table.insert(member, b""));
    }
    Ok(Set::Table(table))
}

fn members(input: &mut Input<'_>, rules: &SetRules) -> Result<Set, Damage> {
    let start = input.position();
    let count = input.count(1)?;
    if count == 0 {
        return Err(Damage { at: start, flaw: Flaw::Empty });
    }
    let mut set = Set::default();
    if count > rules.intset_entries_max {
        set = Set::Table(SmartHash::new(rules.seed));
    }
    for _ in 0..count {
        let at = input.position();
        if !set.insert_entry(input.word()?.entry(), rules) {
            return Err(Damage { at, flaw: Flaw::Duplicate });
        }
    }
    Ok(set)
}

/// Width, count and integers that ascend.
fn intset(bytes: &[u8], at: usize) -> Result<IntsetBuf, Damage> {
    let damage = Damage { at, flaw: Flaw::NotAnIntset };
    let mut input = Input::new(bytes);
    let width = usize::try_from(input.u32_le().map_err(|_| damage)?).unwrap_or(0);
    let count = usize::try_from(input.u32_le().map_err(|_| damage)?).unwrap_or(0);
    if !matches!(width, 2 | 4 | 8) || count.checked_mul(width) != Some(input.left()) {
        return Err(damage);
    }
    if count == 0 {
        return Err(Damage { at, flaw: Flaw::Empty });
    }
    let mut last = None;
    let mut integers = IntsetBuf::new();
    for element in bytes[8..].chunks_exact(width) {
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(element);
        let number = i64::from_le_bytes(wide) >> (64 - 8 * width);
        if last.is_some_and(|last| last >= number) {
            return Err(damage);
        }
        last = Some(number);
        integers.insert(number);
    }
    Ok(integers)
}

// --- Sorted sets ---------------------------------------------------------------------------

fn sorted_set(
    type_byte: u8,
    input: &mut Input<'_>,
    rules: &ScoreRules,
) -> Result<SortedSet, Damage> {
    let start = input.position();
    let read_block = match type_byte {
        code::ZSET_ZIPLIST => ziplist::read,
        code::ZSET_LISTPACK => listpack::read,
        _ => return scored_words(type_byte, input, rules),
    };
    let pack = block(input, read_block)?;
    listpack::demand_unique(pack.as_ref(), PAIR, start)?;
    let mut pairs = Vec::with_capacity(pack.len() / PAIR);
    let mut entries = pack.as_ref().iter();
    while let (Some(member), Some(score)) = (entries.next(), entries.next()) {
        let score = score_of(score).ok_or(Damage { at: start, flaw: Flaw::Score })?;
        pairs.push((member.to_bytes(), score));
    }
    sort(&mut pairs);
    Ok(SortedSet::from_sorted(&pairs, rules))
}

/// Members and scores one by one, in any order.
fn scored_words(
    type_byte: u8,
    input: &mut Input<'_>,
    rules: &ScoreRules,
) -> Result<SortedSet, Damage> {
    let start = input.position();
    let count = input.count(2)?;
    if count == 0 {
        return Err(Damage { at: start, flaw: Flaw::Empty });
    }
    let mut next = || {
        let (at, word) = (input.position(), input.word()?);
        let score = match type_byte {
            code::ZSET_2 => f64::from_bits(input.u64_le()?),
            _ => score_text(input)?,
        };
        if score.is_nan() {
            return Err(Damage { at, flaw: Flaw::Score });
        }
        Ok((at, word, score))
    };
    // Redis makes a listpack of it if it is short enough, once all is known.
    let mut large = SortedSet::for_elements(u64::MAX, 0, rules);
    if count as u64 > rules.entries_max {
        for _ in 0..count {
            let (at, word, score) = next()?;
            if word.with_bytes(|member| large.insert(member, score, rules)).is_some() {
                return Err(Damage { at, flaw: Flaw::Duplicate });
            }
        }
        return Ok(large);
    }
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (_, word, score) = next()?;
        pairs.push((word.to_vec(), score));
    }
    let mut names: Vec<&[u8]> = pairs.iter().map(|(member, _)| member.as_slice()).collect();
    if !listpack::ascend(&mut names) {
        return Err(Damage { at: start, flaw: Flaw::Duplicate });
    }
    sort(&mut pairs);
    Ok(SortedSet::from_sorted(&pairs, rules))
}

fn sort<M: AsRef<[u8]>>(pairs: &mut [(M, f64)]) {
    pairs.sort_by(|(one, low), (other, high)| {
        let scores = low.partial_cmp(high).expect("no score is NaN");
        scores.then_with(|| one.as_ref().cmp(other.as_ref()))
    });
}

fn score_of(entry: Entry<'_>) -> Option<f64> {
    match entry {
        #[expect(clippy::cast_precision_loss, reason = "a score is a double")]
        Entry::Int(number) => Some(number as f64),
        Entry::Bytes(text) => float(text),
    }
}

fn float(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.trim_start().parse().ok()?;
    (!number.is_nan()).then_some(number)
}

/// A score as text behind its length; three lengths stand for what has no digits.
fn score_text(input: &mut Input<'_>) -> Result<f64, Damage> {
    let at = input.position();
    match input.byte()? {
        253 => Ok(f64::NAN),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        len => float(input.take(usize::from(len))?).ok_or(Damage { at, flaw: Flaw::Score }),
    }
}

// --- Hashes --------------------------------------------------------------------------------

fn hash(type_byte: u8, input: &mut Input<'_>, rules: &Rules) -> Result<Hash, Damage> {
    let start = input.position();
    if type_byte == code::HASH_LISTPACK_TIMED {
        // The earliest deadline, which the fields say as well.
        input.u64_le()?;
    }
    let at = input.position();
    let (pack, stride) = match type_byte {
        code::HASH => return hash_words(input, rules),
        code::HASH_ZIPMAP => (block(input, ziplist::read_map)?, PAIR),
        code::HASH_ZIPLIST => (block(input, ziplist::read)?, PAIR),
        code::HASH_LISTPACK => (block(input, listpack::read)?, PAIR),
        _ => (block(input, listpack::read)?, TRIPLE),
    };
    listpack::demand_unique(pack.as_ref(), stride, start)?;
    let limits = rules.hash();
    let mut longest = 0;
    for (index, entry) in pack.as_ref().iter().enumerate() {
        if index % stride < PAIR {
            longest = longest.max(entry.len());
        } else if deadline_of(entry).is_none() {
            return Err(Damage { at, flaw: Flaw::Deadline });
        }
    }
    if pack.len() / stride <= limits.entries_max && longest <= limits.value_max {
        return Ok(if stride == TRIPLE { Hash::Timed(pack) } else { Hash::Packed(pack) });
    }
    let mut table = SmartHash::new(limits.seed);
    let mut entries = pack.as_ref().iter();
    while let (Some(field), Some(value)) = (entries.next(), entries.next()) {
        let deadline = if stride == TRIPLE { entries.next().and_then(deadline_of) } else { None };
        let (field, value) = (field.to_bytes(), value.to_bytes());
        match deadline {
            None | Some(0) => table.insert(&field, &value),
            Some(deadline) => table.insert_until(&field, &value, deadline),
        };
    }
    Ok(Hash::Table(Box::new(table)))
}

/// A deadline in a listpack; 0 for none.
fn deadline_of(entry: Entry<'_>) -> Option<u64> {
    match entry {
        Entry::Int(number) => u64::try_from(number).ok(),
        Entry::Bytes(_) => None,
    }
}

fn hash_words(input: &mut Input<'_>, rules: &Rules) -> Result<Hash, Damage> {
    fill(input, rules, |_| Ok(Deadline::Clear))
}

/// Fields with deadlines: relative to the earliest where one is given, else as they are.
fn timed_hash(relative: bool, input: &mut Input<'_>, rules: &Rules) -> Result<Hash, Damage> {
    let first = if relative { input.u64_le()? } else { 1 };
    fill(input, rules, |input| {
        let at = input.position();
        let deadline = match input.length()? {
            0 => return Ok(Deadline::Clear),
            some => first.checked_add(some - 1),
        };
        let valid = deadline.filter(|deadline| i64::try_from(*deadline).is_ok() && *deadline > 0);
        valid.map(Deadline::Until).ok_or(Damage { at, flaw: Flaw::Deadline })
    })
}

fn fill(
    input: &mut Input<'_>,
    rules: &Rules,
    deadline: impl Fn(&mut Input<'_>) -> Result<Deadline, Damage>,
) -> Result<Hash, Damage> {
    let start = input.position();
    let count = input.count(2)?;
    if count == 0 {
        return Err(Damage { at: start, flaw: Flaw::Empty });
    }
    let limits = rules.hash();
    let mut hash = Hash::default();
    hash.prepare(count, &[], limits);
    for _ in 0..count {
        let at = input.position();
        let deadline = deadline(input)?;
        let (field, value) = (input.word()?, input.word()?);
        let is_new = field
            .with_bytes(|field| value.with_bytes(|value| hash.set(field, value, deadline, limits)));
        if !is_new {
            return Err(Damage { at, flaw: Flaw::Duplicate });
        }
    }
    Ok(hash)
}
