//! Registers as runs: few bytes while few are set.
//!
//! ```text
//!   00llllll            run of l + 1 zeros
//!   01llllll llllllll   run of l + 1 zeros, the high bits of l first
//!   1vvvvvll            run of l + 1 registers with the value v + 1
//! ```
//!
//! Why it exists: the bytes must be those that Redis would have written after the same additions,
//! so a change splits and joins runs by its rules, which are not always the shortest encoding.
//!
//! Invariants
//! - S1: sound runs cover all 16,384 registers, no more and no fewer.

use std::fmt::Write as _;

use super::{Invalid, REGISTERS};

/// The runs of an empty sketch.
pub(super) const EMPTY: [u8; 2] = [0x7f, 0xff];

const VALUE_MAX: u8 = 32;
const VALUE_RUN_MAX: usize = 4;
const SHORT_ZEROS_MAX: usize = 64;
/// Runs after a change that are looked at for values that can be joined.
const JOINED_RUNS_MAX: usize = 5;

/// One run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Run {
    LongZeros(usize),
    Value(u8, usize),
    Zeros(usize),
}

impl Run {
    /// The run at the start of `bytes`; `None` at the end, and where it is cut.
    fn first(bytes: &[u8]) -> Option<Self> {
        let (&first, rest) = bytes.split_first()?;
        let low = usize::from(first & 0x3f);
        Some(match first >> 6 {
            0 => Self::Zeros(low + 1),
            1 => Self::LongZeros((low << 8 | usize::from(*rest.first()?)) + 1),
            _ => Self::Value((first >> 2 & 0x1f) + 1, usize::from(first & 3) + 1),
        })
    }

    fn registers(self) -> usize {
        match self {
            Self::LongZeros(len) | Self::Value(_, len) | Self::Zeros(len) => len,
        }
    }

    fn value(self) -> u8 {
        if let Self::Value(value, _) = self { value } else { 0 }
    }

    fn bytes(self) -> usize {
        if matches!(self, Self::LongZeros(_)) { 2 } else { 1 }
    }

    /// A run like this one, of another length; zeros take the shorter form.
    fn resized(self, len: usize) -> Self {
        match self {
            Self::Value(value, _) => Self::Value(value, len),
            _ if len > SHORT_ZEROS_MAX => Self::LongZeros(len),
            _ => Self::Zeros(len),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        let low = u16::try_from(self.registers() - 1).expect("a run has 1 to 16,384 registers");
        let [high, low] = low.to_be_bytes();
        match self {
            Self::LongZeros(_) => out.extend_from_slice(&[0x40 | high, low]),
            Self::Value(value, _) => out.push(0x80 | (value - 1) << 2 | low),
            Self::Zeros(_) => out.push(low),
        }
    }
}

/// The runs of a sketch, sound or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs<'a>(&'a [u8]);

impl<'a> Runs<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Calls `visit` with the first register, length and value of each run.
    pub(super) fn for_each_run(
        self,
        mut visit: impl FnMut(usize, usize, u8),
    ) -> Result<(), Invalid> {
        let (mut rest, mut register) = (self.0, 0);
        while !rest.is_empty() {
            let run = Run::first(rest).ok_or(Invalid::Corrupt)?;
            let len = run.registers();
            if register + len > REGISTERS {
                return Err(Invalid::Corrupt);
            }
            visit(register, len, run.value());
            register += len;
            rest = &rest[run.bytes()..];
        }
        if register == REGISTERS { Ok(()) } else { Err(Invalid::Corrupt) }
    }

    /// The runs as PFDEBUG DECODE shows them.
    pub(super) fn decoded(self) -> String {
        let (mut rest, mut text) = (self.0, String::new());
        while let Some(run) = Run::first(rest) {
            let written = match run {
                Run::LongZeros(len) => write!(text, "Z:{len} "),
                Run::Value(value, len) => write!(text, "v:{value},{len} "),
                Run::Zeros(len) => write!(text, "z:{len} "),
            };
            debug_assert!(written.is_ok(), "writing to a string does not fail");
            rest = &rest[run.bytes()..];
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// What came of raising a register.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Raised {
    Changed,
    Same,
    /// Only a dense sketch can hold it; nothing was changed.
    TooLarge,
}

/// A run and where it is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Position of its first byte.
    at: usize,
    /// Position of the run before it, or its own if it is the first.
    before: usize,
    /// Its first register.
    first: usize,
    run: Run,
}

/// The run that covers a register.
fn find(bytes: &[u8], start: usize, index: usize) -> Result<Place, Invalid> {
    let (mut at, mut before, mut first) = (start, start, 0);
    loop {
        let run = Run::first(&bytes[at..]).ok_or(Invalid::Corrupt)?;
        if index < first + run.registers() {
            return Ok(Place { at, before, first, run });
        }
        before = at;
        at += run.bytes();
        first += run.registers();
    }
}

/// Raises a register of the runs that begin at `start` in `bytes`.
pub(super) fn raise(
    bytes: &mut Vec<u8>,
    start: usize,
    index: usize,
    value: u8,
    bytes_max: usize,
) -> Result<Raised, Invalid> {
    if value > VALUE_MAX {
        return Ok(Raised::TooLarge);
    }
    let Place { at, before, first, run } = find(bytes, start, index)?;
    if run.value() >= value {
        return Ok(Raised::Same);
    }
    // What is before the register, the register, and what is behind it.
    let mut split = Vec::with_capacity(5);
    let (ahead, behind) = (index - first, first + run.registers() - 1 - index);
    if ahead > 0 {
        run.resized(ahead).write(&mut split);
    }
    Run::Value(value, 1).write(&mut split);
    if behind > 0 {
        run.resized(behind).write(&mut split);
    }
    if split.len() > run.bytes() && bytes.len() + split.len() - run.bytes() > bytes_max {
        return Ok(Raised::TooLarge);
    }
    bytes.splice(at..at + run.bytes(), split);
    join(bytes, before);
    Ok(Raised::Changed)
}

/// Joins equal values in the first few runs from `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED_RUNS_MAX {
        let Some(run) = Run::first(&bytes[at..]) else { return };
        if let Run::Value(value, len) = run
            && let Some(Run::Value(other, more)) = Run::first(&bytes[at + 1..])
            && value == other
            && len + more <= VALUE_RUN_MAX
        {
            let mut joined = Vec::with_capacity(1);
            Run::Value(value, len + more).write(&mut joined);
            bytes.splice(at..at + 2, joined);
        } else {
            at += run.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_survive_a_round_trip() {
        let zeros = (1..=SHORT_ZEROS_MAX).map(Run::Zeros);
        let long = [65, 256, 257, 16_384].map(Run::LongZeros);
        let values = (1..=VALUE_MAX).flat_map(|value| [1, 4].map(|len| Run::Value(value, len)));
        for run in zeros.chain(long).chain(values) {
            let mut bytes = Vec::new();
            run.write(&mut bytes);
            assert_eq!((Run::first(&bytes), bytes.len()), (Some(run), run.bytes()));
        }
    }

    #[test]
    fn runs_split_and_join() {
        let mut bytes = EMPTY.to_vec();
        for (index, value, want) in [
            (0, 3, "v:3,1 Z:16383"),
            (1, 3, "v:3,2 Z:16382"),
            (3, 3, "v:3,2 z:1 v:3,1 Z:16380"),
            (2, 3, "v:3,4 Z:16380"),
            (4, 3, "v:3,4 v:3,1 Z:16379"),
            (1, 5, "v:3,1 v:5,1 v:3,3 Z:16379"),
            (16_383, 32, "v:3,1 v:5,1 v:3,3 Z:16378 v:32,1"),
            (16_300, 1, "v:3,1 v:5,1 v:3,3 Z:16295 v:1,1 Z:82 v:32,1"),
            (16_320, 1, "v:3,1 v:5,1 v:3,3 Z:16295 v:1,1 z:19 v:1,1 z:62 v:32,1"),
        ] {
            assert_eq!(raise(&mut bytes, 0, index, value, 100), Ok(Raised::Changed));
            assert_eq!(Runs(&bytes).decoded(), want, "{index} {value}");
            assert_eq!(raise(&mut bytes, 0, index, value, 100), Ok(Raised::Same));
        }
        let before = bytes.clone();
        assert_eq!(raise(&mut bytes, 0, 8_000, 33, 100), Ok(Raised::TooLarge));
        let bytes_max = bytes.len() + 2;
        assert_eq!(raise(&mut bytes, 0, 8_000, 1, bytes_max), Ok(Raised::TooLarge));
        assert_eq!(bytes, before);
        assert_eq!(raise(&mut bytes, 0, 16_384, 1, 100), Err(Invalid::Corrupt));
    }
}
