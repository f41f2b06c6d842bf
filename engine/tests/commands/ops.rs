//! Random commands over few keys, from a source of choices: a seed, or a fuzzer's input.

/// Databases that commands choose from.
pub(crate) const DATABASES: usize = 3;
/// When the clock of a test starts.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

/// Where choices come from.
pub(crate) trait Source {
    /// A number below `bound`, or `None` when there are no more choices.
    fn below(&mut self, bound: usize) -> Option<usize>;
}

/// Choices from bytes, one each.
#[derive(Debug)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl Source for Input<'_> {
    fn below(&mut self, bound: usize) -> Option<usize> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(usize::from(*first) % bound)
    }
}

/// When a write happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Condition {
    Always,
    IfAbsent,
    IfPresent,
}

/// One step. Keys are single letters; deadlines are milliseconds from the start of the test.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Advance(u64),
    Append(u8, Vec<u8>),
    Copy { from: u8, to: u8, db: usize, replace: bool },
    Del(Vec<u8>),
    Exists(Vec<u8>),
    Expire { key: u8, at: u64, option: &'static str },
    Flush(bool),
    Get(u8),
    GetDel(u8),
    GetEx(u8, Option<u64>),
    GetRange(u8, i64, i64),
    IncrBy(u8, i64),
    Keys,
    MGet(Vec<u8>),
    MSet(Vec<(u8, Vec<u8>)>),
    MSetNx(Vec<(u8, Vec<u8>)>),
    Move(u8, usize),
    Persist(u8),
    Rename(u8, u8, bool),
    Select(usize),
    Set { key: u8, value: Vec<u8>, condition: Condition, get: bool, deadline: Deadline },
    SetRange(u8, usize, Vec<u8>),
    StrLen(u8),
    Swap(usize, usize),
    Ttl(u8),
}

/// SET's deadline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Deadline {
    At(u64),
    Keep,
    Never,
}

fn key(source: &mut impl Source) -> Option<u8> {
    Some(b'a' + u8::try_from(source.below(6)?).expect("below six"))
}

fn keys(source: &mut impl Source) -> Option<Vec<u8>> {
    (0..=source.below(3)?).map(|_| key(source)).collect()
}

/// Values on both sides of every change of representation.
fn value(source: &mut impl Source) -> Option<Vec<u8>> {
    let len = [0, 1, 3, 44, 45, 65_535, 65_536, 140_000][source.below(8)?];
    Some(match source.below(4)? {
        0 => b"9223372036854775807".to_vec(),
        1 => source.below(100)?.to_string().into_bytes(),
        2 => b"007".to_vec(),
        _ => vec![b'v'; len],
    })
}

fn pairs(source: &mut impl Source) -> Option<Vec<(u8, Vec<u8>)>> {
    (0..=source.below(3)?).map(|_| Some((key(source)?, value(source)?))).collect()
}

fn number(source: &mut impl Source) -> Option<i64> {
    Some([-200_000, -3, -1, 0, 1, 2, 65_536][source.below(7)?])
}

fn at(source: &mut impl Source) -> Option<u64> {
    Some(source.below(200)? as u64)
}

impl Op {
    /// The next step, or `None` when the source has run dry.
    pub(crate) fn next(source: &mut impl Source) -> Option<Self> {
        Some(match source.below(27)? {
            0 | 1 => Self::Advance(source.below(40)? as u64),
            2 => Self::Append(key(source)?, value(source)?),
            3 => Self::Copy {
                from: key(source)?,
                to: key(source)?,
                db: source.below(DATABASES)?,
                replace: source.below(2)? == 0,
            },
            4 => Self::Del(keys(source)?),
            5 => Self::Exists(keys(source)?),
            6 | 7 => Self::Expire {
                key: key(source)?,
                at: at(source)?,
                option: ["", "NX", "XX", "GT", "LT"][source.below(5)?],
            },
            8 => Self::Flush(source.below(4)? == 0),
            9 => Self::Get(key(source)?),
            10 => Self::GetDel(key(source)?),
            11 => Self::GetEx(key(source)?, Some(at(source)?).filter(|at| at % 3 > 0)),
            12 => Self::GetRange(key(source)?, number(source)?, number(source)?),
            13 => Self::IncrBy(key(source)?, number(source)?),
            14 => Self::Keys,
            15 => Self::MGet(keys(source)?),
            16 => Self::MSet(pairs(source)?),
            17 => Self::MSetNx(pairs(source)?),
            18 => Self::Move(key(source)?, source.below(DATABASES)?),
            19 => Self::Persist(key(source)?),
            20 => Self::Rename(key(source)?, key(source)?, source.below(2)? == 0),
            21 => Self::Select(source.below(DATABASES)?),
            22 => Self::SetRange(key(source)?, source.below(3)? * 65_530, value(source)?),
            23 => Self::StrLen(key(source)?),
            24 => Self::Swap(source.below(DATABASES)?, source.below(DATABASES)?),
            25 => Self::Ttl(key(source)?),
            _ => Self::Set {
                key: key(source)?,
                value: value(source)?,
                condition: [Condition::Always, Condition::IfAbsent, Condition::IfPresent]
                    [source.below(3)?],
                get: source.below(3)? == 0,
                deadline: match source.below(3)? {
                    0 => Deadline::Never,
                    1 => Deadline::Keep,
                    _ => Deadline::At(at(source)?),
                },
            },
        })
    }

    /// The command line; `None` for the passing of time.
    pub(crate) fn command(&self) -> Option<Vec<Vec<u8>>> {
        let digits = |number: i64| number.to_string().into_bytes();
        let index = |number: usize| number.to_string().into_bytes();
        let moment = |at: u64| (START_MS + at).to_string().into_bytes();
        Some(match self {
            Self::Advance(_) => return None,
            Self::Append(key, value) => line(&[b"APPEND", &[*key], value]),
            Self::Copy { from, to, db, replace } => {
                let mut words = line(&[b"COPY", &[*from], &[*to], b"DB", &index(*db)]);
                words.extend(replace.then(|| b"REPLACE".to_vec()));
                words
            }
            Self::Del(keys) => over(b"DEL", keys),
            Self::Exists(keys) => over(b"EXISTS", keys),
            Self::Expire { key, at, option: "" } => line(&[b"PEXPIREAT", &[*key], &moment(*at)]),
            Self::Expire { key, at, option } => {
                line(&[b"PEXPIREAT", &[*key], &moment(*at), option.as_bytes()])
            }
            // In the background, the freeing would outlive the test: tools that look for leaks
            // cannot see the records of a map, whose pointers carry tags.
            Self::Flush(true) => line(&[b"FLUSHALL", b"SYNC"]),
            Self::Flush(false) => line(&[b"FLUSHDB", b"SYNC"]),
            Self::Get(key) => over(b"GET", &[*key]),
            Self::GetDel(key) => over(b"GETDEL", &[*key]),
            Self::GetEx(key, None) => line(&[b"GETEX", &[*key], b"PERSIST"]),
            Self::GetEx(key, Some(at)) => line(&[b"GETEX", &[*key], b"PXAT", &moment(*at)]),
            Self::GetRange(key, from, to) => {
                line(&[b"GETRANGE", &[*key], &digits(*from), &digits(*to)])
            }
            Self::IncrBy(key, by) => line(&[b"INCRBY", &[*key], &digits(*by)]),
            Self::Keys => line(&[b"KEYS", b"*"]),
            Self::MGet(keys) => over(b"MGET", keys),
            Self::MSet(pairs) => paired(b"MSET", pairs),
            Self::MSetNx(pairs) => paired(b"MSETNX", pairs),
            Self::Move(key, db) => line(&[b"MOVE", &[*key], &index(*db)]),
            Self::Persist(key) => over(b"PERSIST", &[*key]),
            Self::Rename(from, to, true) => over(b"RENAMENX", &[*from, *to]),
            Self::Rename(from, to, false) => over(b"RENAME", &[*from, *to]),
            Self::Select(db) => line(&[b"SELECT", &index(*db)]),
            Self::Set { .. } => self.set_command(),
            Self::SetRange(key, offset, value) => {
                line(&[b"SETRANGE", &[*key], &index(*offset), value])
            }
            Self::StrLen(key) => over(b"STRLEN", &[*key]),
            Self::Swap(a, b) => line(&[b"SWAPDB", &index(*a), &index(*b)]),
            Self::Ttl(key) => over(b"PTTL", &[*key]),
        })
    }

    fn set_command(&self) -> Vec<Vec<u8>> {
        let Self::Set { key, value, condition, get, deadline } = self else {
            unreachable!("called for SET")
        };
        let mut words = line(&[b"SET", &[*key], value]);
        match condition {
            Condition::Always => {}
            Condition::IfAbsent => words.push(b"NX".to_vec()),
            Condition::IfPresent => words.push(b"XX".to_vec()),
        }
        words.extend(get.then(|| b"GET".to_vec()));
        match deadline {
            Deadline::At(at) => {
                words.extend(line(&[b"PXAT", (START_MS + at).to_string().as_bytes()]));
            }
            Deadline::Keep => words.push(b"KEEPTTL".to_vec()),
            Deadline::Never => {}
        }
        words
    }
}

fn line(words: &[&[u8]]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}

fn over(name: &[u8], keys: &[u8]) -> Vec<Vec<u8>> {
    std::iter::once(name.to_vec()).chain(keys.iter().map(|key| vec![*key])).collect()
}

fn paired(name: &[u8], pairs: &[(u8, Vec<u8>)]) -> Vec<Vec<u8>> {
    let words = pairs.iter().flat_map(|(key, value)| [vec![*key], value.clone()]);
    std::iter::once(name.to_vec()).chain(words).collect()
}
