//! The options of SCAN, HSCAN, SSCAN and ZSCAN.
//!
//! Why it exists: Redis reads them from left to right and stops at the first that is wrong, so
//! the error that a client sees depends on their order; all four commands must agree on it.

use zumic_error::CommandError;

use super::glob;
use super::number::parse_integer;

/// What is scanned: some options belong to one command only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scanned {
    /// Fields of a hash: NOVALUES is allowed.
    Fields,
    /// Keys of a database: TYPE is allowed.
    Keys,
    /// Members of a set or a sorted set.
    Members,
}

/// The options.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanOptions<'a> {
    /// MATCH.
    pattern: Option<&'a [u8]>,
    /// COUNT.
    pub(super) count: usize,
    /// TYPE.
    pub(super) kind: Option<&'a [u8]>,
    /// Not NOVALUES.
    pub(super) values: bool,
}

impl Default for ScanOptions<'_> {
    fn default() -> Self {
        Self { pattern: None, count: 10, kind: None, values: true }
    }
}

impl<'a> ScanOptions<'a> {
    /// Reads the words behind the cursor.
    ///
    /// # Errors
    /// [`CommandError::Syntax`] or [`CommandError::NotAnInteger`], whichever comes first.
    pub(super) fn parse(mut words: &[&'a [u8]], scanned: Scanned) -> Result<Self, CommandError> {
        let mut options = Self::default();
        loop {
            words = match words {
                [] => return Ok(options),
                [word, count, rest @ ..] if word.eq_ignore_ascii_case(b"COUNT") => {
                    let count = usize::try_from(parse_integer(count)?).ok();
                    options.count = count.filter(|count| *count > 0).ok_or(CommandError::Syntax)?;
                    rest
                }
                [word, pattern, rest @ ..] if word.eq_ignore_ascii_case(b"MATCH") => {
                    options.pattern = Some(pattern);
                    rest
                }
                [word, kind, rest @ ..]
                    if scanned == Scanned::Keys && word.eq_ignore_ascii_case(b"TYPE") =>
                {
                    options.kind = Some(kind);
                    rest
                }
                [word, rest @ ..]
                    if scanned == Scanned::Fields && word.eq_ignore_ascii_case(b"NOVALUES") =>
                {
                    options.values = false;
                    rest
                }
                _ => return Err(CommandError::Syntax),
            };
        }
    }

    /// Whether a name passes MATCH.
    pub(super) fn selects(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::selects(pattern, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str, scanned: Scanned) -> Result<ScanOptions<'_>, CommandError> {
        let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
        ScanOptions::parse(&words, scanned)
    }

    #[test]
    fn the_first_error_wins() {
        let fails = |words, error| assert_eq!(parse(words, Scanned::Members).err(), Some(error));
        fails("COUNT abc k1", CommandError::NotAnInteger);
        fails("k1 COUNT abc", CommandError::Syntax);
        fails("COUNT 0 MATCH", CommandError::Syntax);
        fails("COUNT 1 MATCH", CommandError::Syntax);
        fails("TYPE string", CommandError::Syntax);
        fails("NOVALUES", CommandError::Syntax);
    }

    #[test]
    fn each_command_has_its_own() {
        let options = parse("COUNT 5 TYPE set MATCH a*", Scanned::Keys).unwrap();
        assert_eq!((options.count, options.kind), (5, Some(&b"set"[..])));
        assert!(options.selects(b"abc") && !options.selects(b"b"));
        assert!(!parse("novalues count 1", Scanned::Fields).unwrap().values);
    }
}
