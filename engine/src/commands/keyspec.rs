//! Where the keys of a command stand among its arguments.
//!
//! Why it exists: ACLs, cluster routing, the transaction layer and COMMAND GETKEYS must agree on
//! what the keys are. The description is Redis's: a search for the first key, then a rule for the
//! rest, and flags that say what happens to them.

use smallvec::SmallVec;

use super::number::parse_integer;

/// One group of keys.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// Where the group begins.
    pub begin: BeginSearch,
    /// Which arguments from there are keys.
    pub find: FindKeys,
    /// What the command does with them.
    pub flags: KeyFlags,
    /// A remark for the reader of COMMAND INFO; empty for none.
    pub notes: &'static str,
}

/// Where a group of keys begins.
#[derive(Clone, Copy, Debug)]
pub enum BeginSearch {
    /// At this position.
    Index(usize),
    /// After this word, sought from position `from`; backwards from the end when negative.
    Keyword {
        /// The word, in upper case.
        word: &'static str,
        /// Where the search starts.
        from: i32,
    },
    /// Behind the last of these options among options from position `from` on. COMMAND INFO
    /// calls it unknown: the word may be the argument of another option.
    Options {
        /// The word, in upper case; empty for keys that nothing but values name.
        word: &'static str,
        /// Where the options start.
        from: usize,
        /// Every option that has arguments, and how many.
        arguments: &'static [(&'static str, usize)],
    },
}

/// Which arguments, from the beginning on, are keys.
#[derive(Clone, Copy, Debug)]
pub enum FindKeys {
    /// A number of keys, then the keys.
    KeyNum {
        /// Position of the number, counted from the beginning.
        index: usize,
        /// Position of the first key, counted from the beginning.
        first: usize,
        /// Distance between keys.
        step: usize,
    },
    /// Up to a position.
    Range {
        /// Last key, counted from the beginning, or from the end of the arguments if negative.
        last: i32,
        /// Distance between keys.
        step: usize,
        /// With `last` = -1, stop after one `limit`-th of the arguments; 0 and 1 for all.
        limit: usize,
    },
    /// One key, by a rule that COMMAND INFO has no form for.
    Unknown,
}

/// What a command does with a key; a set, as Redis defines it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyFlags(u16);

impl KeyFlags {
    /// Reads the value or its attributes and changes nothing.
    pub const RO: Self = Self(1);
    /// Reads and changes.
    pub const RW: Self = Self(1 << 1);
    /// Replaces without looking.
    pub const OW: Self = Self(1 << 2);
    /// Deletes.
    pub const RM: Self = Self(1 << 3);
    /// Answers with the user's data or copies it.
    pub const ACCESS: Self = Self(1 << 4);
    /// Changes the data, in a way that depends on what was there.
    pub const UPDATE: Self = Self(1 << 5);
    /// Adds data without changing what is there.
    pub const INSERT: Self = Self(1 << 6);
    /// Takes data away.
    pub const DELETE: Self = Self(1 << 7);
    /// The flags depend on the arguments: see [`KeySpec::flags_for`].
    pub const VARIABLE: Self = Self(1 << 8);
    /// No key at all, but routed like one: a shard channel.
    pub const NOT_KEY: Self = Self(1 << 9);

    /// The specification may miss keys, or take other words for keys.
    pub const INCOMPLETE: Self = Self(1 << 10);

    const NAMES: [(Self, &'static str); 11] = [
        (Self::RO, "RO"),
        (Self::RW, "RW"),
        (Self::OW, "OW"),
        (Self::RM, "RM"),
        (Self::ACCESS, "access"),
        (Self::UPDATE, "update"),
        (Self::INSERT, "insert"),
        (Self::DELETE, "delete"),
        (Self::NOT_KEY, "not_key"),
        (Self::INCOMPLETE, "incomplete"),
        (Self::VARIABLE, "variable_flags"),
    ];

    /// The union of both sets.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in the set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Names of the elements, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        Self::NAMES.into_iter().filter(move |(bit, _)| self.contains(*bit)).map(|(_, name)| name)
    }
}

impl KeySpec {
    /// One key at `index`.
    #[must_use]
    pub const fn one(index: usize, flags: KeyFlags) -> Self {
        Self::range(index, 0, 1, flags)
    }

    /// Keys from `first` on, up to `last` counted from there (or from the end if negative).
    #[must_use]
    pub const fn range(first: usize, last: i32, step: usize, flags: KeyFlags) -> Self {
        let find = FindKeys::Range { last, step, limit: 0 };
        Self { begin: BeginSearch::Index(first), find, flags, notes: "" }
    }

    /// A number of keys at `index`, and then the keys.
    #[must_use]
    pub const fn counted(index: usize, flags: KeyFlags) -> Self {
        let find = FindKeys::KeyNum { index: 0, first: 1, step: 1 };
        Self { begin: BeginSearch::Index(index), find, flags, notes: "" }
    }

    /// The key behind an option, or keys that only values name (for an empty word).
    #[must_use]
    pub const fn option(
        word: &'static str,
        from: usize,
        arguments: &'static [(&'static str, usize)],
        flags: KeyFlags,
    ) -> Self {
        let begin = BeginSearch::Options { word, from, arguments };
        Self { begin, find: FindKeys::Unknown, flags, notes: "" }
    }

    /// The same with a remark.
    #[must_use]
    pub const fn noted(self, notes: &'static str) -> Self {
        Self { notes, ..self }
    }

    /// The flags for one command line, which decides them where they are variable.
    ///
    /// SET and its like read the old value only when asked to with GET; BITFIELD writes only with
    /// SET or INCRBY (or with words that are none of its own, to be on the safe side).
    #[must_use]
    pub fn flags_for(&self, args: &[&[u8]]) -> KeyFlags {
        if !self.flags.contains(KeyFlags::VARIABLE) {
            return self.flags;
        }
        if args.first().is_some_and(|name| name.eq_ignore_ascii_case(b"BITFIELD")) {
            let reads = bitfield_only_reads(args.get(2..).unwrap_or_default());
            let flags = if reads { KeyFlags::RO } else { KeyFlags::RW.or(KeyFlags::UPDATE) };
            return flags.or(KeyFlags::ACCESS);
        }
        let options = args.get(3..).unwrap_or_default();
        let reads =
            |word: &&[u8]| word.eq_ignore_ascii_case(b"GET") || word.eq_ignore_ascii_case(b"IFEQ");
        if options.iter().any(reads) {
            KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE)
        } else {
            KeyFlags::OW.or(KeyFlags::UPDATE)
        }
    }

    /// Positions of this group's keys.
    #[inline]
    #[must_use]
    pub fn positions(&self, args: &[&[u8]]) -> KeyPositions {
        if let (BeginSearch::Index(first), FindKeys::Range { last: 0, .. }) =
            (self.begin, self.find)
        {
            return KeyPositions::range(first, (first + 1).min(args.len()), 1);
        }
        self.positions_slow(args)
    }

    /// Whether a number of keys among the arguments, where there is one, is at least one and no
    /// more than the arguments that follow.
    pub(super) fn is_sound(&self, args: &[&[u8]]) -> bool {
        let FindKeys::KeyNum { index, first, step } = self.find else { return true };
        let Some(begin) = self.begin.position(args) else { return true };
        let number = args.get(begin + index).and_then(|text| parse_integer(text).ok());
        let count = number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
        let room = args.len().saturating_sub(begin + first);
        (1..=room).contains(&count.saturating_mul(step))
    }

    fn positions_slow(&self, args: &[&[u8]]) -> KeyPositions {
        let Some(begin) = self.begin.position(args) else {
            return KeyPositions::none();
        };
        match self.find {
            FindKeys::KeyNum { index, first, step } => {
                let number = args.get(begin + index).map(|text| parse_integer(text));
                let Some(Ok(number)) = number else { return KeyPositions::none() };
                let count = usize::try_from(number).unwrap_or(0).min(args.len());
                let start = begin + first;
                KeyPositions::range(start, (start + count * step).min(args.len()), step)
            }
            FindKeys::Range { last, step, limit } => {
                let end = match usize::try_from(last) {
                    Ok(last) => begin + last + 1,
                    Err(_) if last == -1 && limit > 1 => begin + (args.len() - begin) / limit,
                    Err(_) => (args.len() + 1).saturating_sub(last.unsigned_abs() as usize),
                };
                KeyPositions::range(begin, end.min(args.len()), step)
            }
            FindKeys::Unknown => KeyPositions::range(begin, begin + 1, 1),
        }
    }
}

/// Whether BITFIELD's operations are GETs, OVERFLOW left aside.
fn bitfield_only_reads(mut operations: &[&[u8]]) -> bool {
    while let Some(word) = operations.first() {
        let skipped = match word.to_ascii_uppercase().as_slice() {
            b"GET" => 3,
            b"OVERFLOW" => 2,
            _ => return false,
        };
        let Some(rest) = operations.get(skipped..) else { return false };
        operations = rest;
    }
    true
}

impl BeginSearch {
    fn position(self, args: &[&[u8]]) -> Option<usize> {
        match self {
            Self::Index(index) => (index < args.len()).then_some(index),
            Self::Keyword { word, from } => {
                let is_word = |text: &&[u8]| text.eq_ignore_ascii_case(word.as_bytes());
                let found = match usize::try_from(from) {
                    Ok(from) => {
                        args.get(from..)?.iter().position(is_word).map(|offset| from + offset)
                    }
                    Err(_) => {
                        let end = (args.len() + 1).checked_sub(from.unsigned_abs() as usize)?;
                        args.get(1..end)?.iter().rposition(is_word).map(|offset| 1 + offset)
                    }
                };
                found.map(|position| position + 1).filter(|position| *position < args.len())
            }
            Self::Options { word, from, arguments } => {
                let (mut at, mut found) = (from, None);
                while let Some(option) = args.get(at) {
                    let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
                    if !word.is_empty() && is(word) {
                        found = Some(at + 1);
                    }
                    at += 1 + arguments.iter().find(|(name, _)| is(name)).map_or(0, |it| it.1);
                }
                found.filter(|position| *position < args.len())
            }
        }
    }
}

/// Positions of keys among the arguments, in order within each specification.
#[derive(Clone, Debug)]
pub struct KeyPositions(Positions);

#[derive(Clone, Debug)]
enum Positions {
    List(smallvec::IntoIter<[usize; 4]>),
    Range { next: usize, end: usize, step: usize },
}

impl KeyPositions {
    #[inline]
    pub(super) const fn none() -> Self {
        Self::range(0, 0, 1)
    }

    #[inline]
    pub(super) const fn range(next: usize, end: usize, step: usize) -> Self {
        Self(Positions::Range { next, end, step })
    }

    pub(super) fn joined(specs: &[KeySpec], args: &[&[u8]]) -> Self {
        let all: SmallVec<[usize; 4]> =
            specs.iter().flat_map(|spec| spec.positions(args)).collect();
        Self(Positions::List(all.into_iter()))
    }
}

impl Iterator for KeyPositions {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        match &mut self.0 {
            Positions::List(list) => list.next(),
            Positions::Range { next, end, step } => {
                if *next >= *end {
                    return None;
                }
                let position = *next;
                *next += *step;
                Some(position)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(str::as_bytes).collect()
    }

    fn found(spec: KeySpec, line: &str) -> Vec<usize> {
        spec.positions(&words(line)).collect()
    }

    fn spec(begin: BeginSearch, find: FindKeys) -> KeySpec {
        KeySpec { begin, find, flags: KeyFlags::RO, notes: "" }
    }

    #[test]
    fn ranges_stop_at_the_arguments() {
        assert_eq!(found(KeySpec::one(1, KeyFlags::RO), "get k"), [1]);
        assert_eq!(found(KeySpec::one(1, KeyFlags::RO), "get"), []);
        assert_eq!(found(KeySpec::range(1, -1, 1, KeyFlags::RO), "del a b c"), [1, 2, 3]);
        assert_eq!(found(KeySpec::range(1, -1, 2, KeyFlags::RO), "mset a 1 b 2"), [1, 3]);
        assert_eq!(found(KeySpec::range(1, -2, 1, KeyFlags::RO), "blpop a b 0"), [1, 2]);
        assert_eq!(found(KeySpec::range(1, -9, 1, KeyFlags::RO), "blpop a b 0"), []);
        assert_eq!(found(KeySpec::range(1, 1, 1, KeyFlags::RO), "lcs a b"), [1, 2]);
    }

    #[test]
    fn counted_keys_believe_no_absurd_number() {
        let find = FindKeys::KeyNum { index: 0, first: 1, step: 1 };
        let eval = spec(BeginSearch::Index(2), find);
        assert_eq!(found(eval, "eval s 2 a b c"), [3, 4]);
        assert_eq!(found(eval, "eval s 9223372036854775807 a b"), [3, 4]);
        assert_eq!(found(eval, "eval s -1 a b"), []);
        assert_eq!(found(eval, "eval s x a b"), []);
    }

    #[test]
    fn keywords_are_found_from_either_end() {
        let half = FindKeys::Range { last: -1, step: 1, limit: 2 };
        let forward = spec(BeginSearch::Keyword { word: "STREAMS", from: 1 }, half);
        assert_eq!(found(forward, "xread count 1 streams a b 0 0"), [4, 5]);
        assert_eq!(found(forward, "xread count 1"), []);
        let all = FindKeys::Range { last: -1, step: 1, limit: 0 };
        let backward = spec(BeginSearch::Keyword { word: "KEYS", from: -2 }, all);
        assert_eq!(found(backward, "migrate h p keys 0 t keys a b"), [7, 8]);
    }

    #[test]
    fn the_last_option_names_the_key() {
        const ARGUMENTS: &[(&str, usize)] = &[("BY", 1), ("STORE", 1)];
        let store = KeySpec::option("STORE", 2, ARGUMENTS, KeyFlags::OW);
        assert_eq!(found(store, "sort l store a desc store b"), [6]);
        assert_eq!(found(store, "sort l by store store a"), [5]);
        assert_eq!(found(store, "sort l by store a"), []);
        assert_eq!(found(store, "sort l store"), []);
        let unnamed = KeySpec::option("", 2, ARGUMENTS, KeyFlags::RO);
        assert_eq!(found(unnamed, "sort l by a*"), []);
    }

    #[test]
    fn variable_flags_follow_the_options() {
        let flags = KeyFlags::RW.or(KeyFlags::VARIABLE);
        let set = KeySpec::one(1, flags);
        let plain = set.flags_for(&words("set k get"));
        assert_eq!(plain.names().collect::<Vec<_>>(), ["OW", "update"]);
        let reading = set.flags_for(&words("set k v get"));
        assert_eq!(reading.names().collect::<Vec<_>>(), ["RW", "access", "update"]);
    }
}
