//! Handler: LCS, the longest common subsequence of two strings.
//!
//! The textbook table (Wagner and Fischer, "The String-to-String Correction Problem", JACM
//! 1974): `table[i][j]` is the length for the first `i` and `j` bytes. O(n * m) time and memory,
//! so the product is bounded by `proto-max-bulk-len` as in Redis.

use zumic_error::CommandError;

use super::number::parse_integer;
use super::strings::text_of;
use crate::{Context, Halt};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// LCS's options.
#[derive(Default)]
struct Options {
    only_len: bool,
    indexes: bool,
    min_match_len: usize,
    with_match_len: bool,
}

impl Options {
    fn parse(options: &[&[u8]]) -> Result<Self, CommandError> {
        let mut parsed = Self::default();
        let mut rest = options;
        while let [option, tail @ ..] = rest {
            rest = tail;
            match option.to_ascii_uppercase().as_slice() {
                b"IDX" => parsed.indexes = true,
                b"LEN" => parsed.only_len = true,
                b"WITHMATCHLEN" => parsed.with_match_len = true,
                b"MINMATCHLEN" => {
                    let [len, tail @ ..] = rest else { return Err(CommandError::Syntax) };
                    // A negative length means any, as in Redis.
                    parsed.min_match_len = usize::try_from(parse_integer(len)?).unwrap_or(0);
                    rest = tail;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        if parsed.indexes && parsed.only_len {
            return Err(CommandError::LcsBothFlags);
        }
        Ok(parsed)
    }
}

/// The lengths for all prefixes of two strings.
struct Table {
    width: usize,
    lengths: Vec<u32>,
}

impl Table {
    fn new(a: &[u8], b: &[u8]) -> Self {
        let width = b.len() + 1;
        let mut lengths = vec![0; (a.len() + 1) * width];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                let at = (i + 1) * width + j + 1;
                lengths[at] = if x == y {
                    lengths[at - width - 1] + 1
                } else {
                    lengths[at - width].max(lengths[at - 1])
                };
            }
        }
        Self { width, lengths }
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.lengths[i * self.width + j]
    }
}

/// A run that both strings share: first and last position in each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Match {
    a: (usize, usize),
    b: (usize, usize),
}

impl Match {
    fn len(self) -> usize {
        self.a.1 - self.a.0 + 1
    }
}

/// Walks the table back: the subsequence and its runs, last run first (Redis's order).
fn trace(table: &Table, a: &[u8], b: &[u8]) -> (Vec<u8>, Vec<Match>) {
    let (mut i, mut j) = (a.len(), b.len());
    let (mut sequence, mut matches): (Vec<u8>, Vec<Match>) = (Vec::new(), Vec::new());
    let mut open: Option<Match> = None;
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            sequence.push(a[i - 1]);
            open = Some(match open {
                Some(run) => Match { a: (i - 1, run.a.1), b: (j - 1, run.b.1) },
                None => Match { a: (i - 1, i - 1), b: (j - 1, j - 1) },
            });
            i -= 1;
            j -= 1;
            continue;
        }
        matches.extend(open.take());
        if table.at(i - 1, j) > table.at(i, j - 1) {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    matches.extend(open);
    sequence.reverse();
    (sequence, matches)
}

/// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]
pub(super) fn lcs(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let not_strings = CommandError::NotSupported("The specified keys must contain string values");
    let mut read = |key| -> Result<Vec<u8>, Halt> {
        let text = text_of(context.read(key)?).map_err(|_| not_strings.clone())?;
        Ok(text.map_or_else(Vec::new, |text| text.to_bytes().into_owned()))
    };
    let (a, b) = (read(args[1])?, read(args[2])?);
    let options = Options::parse(&args[3..])?;
    let cells = (a.len() as u64 + 1).saturating_mul(b.len() as u64 + 1);
    if cells.saturating_mul(4) > context.string_bytes_max() {
        return Err(CommandError::LcsTooLong.into());
    }
    let table = Table::new(&a, &b);
    let total = i64::from(table.at(a.len(), b.len()));
    if options.only_len {
        context.sink().integer(total);
        return Ok(());
    }
    let (sequence, matches) = trace(&table, &a, &b);
    if options.indexes {
        write_matches(context, &matches, &options, total);
    } else {
        context.sink().bulk(&sequence);
    }
    Ok(())
}

fn write_matches(context: &mut Context<'_>, matches: &[Match], options: &Options, total: i64) {
    let position = |at: usize| i64::try_from(at).expect("a position in a string");
    let shown: Vec<Match> =
        matches.iter().copied().filter(|run| run.len() >= options.min_match_len).collect();
    let sink = context.sink();
    sink.map(2);
    sink.bulk(b"matches");
    sink.array(shown.len());
    for run in shown {
        sink.array(if options.with_match_len { 3 } else { 2 });
        for (first, last) in [run.a, run.b] {
            sink.array(2);
            sink.integer(position(first));
            sink.integer(position(last));
        }
        if options.with_match_len {
            sink.integer(position(run.len()));
        }
    }
    sink.bulk(b"len");
    sink.integer(total);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_documentation() {
        let (a, b) = (b"ohmytext", b"mynewtext");
        let (sequence, matches) = trace(&Table::new(a, b), a, b);
        assert_eq!(sequence, b"mytext");
        let want = [Match { a: (4, 7), b: (5, 8) }, Match { a: (2, 3), b: (0, 1) }];
        assert_eq!(matches, want);
    }

    #[test]
    fn nothing_in_common_and_everything() {
        assert_eq!(trace(&Table::new(b"ab", b"xy"), b"ab", b"xy"), (vec![], vec![]));
        let (sequence, matches) = trace(&Table::new(b"abc", b"abc"), b"abc", b"abc");
        assert_eq!((sequence.as_slice(), matches.len()), (&b"abc"[..], 1));
    }
}
