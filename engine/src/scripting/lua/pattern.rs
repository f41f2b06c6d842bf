//! Lua's patterns, matched in steps that can be counted.
//!
//! Why it exists: Lua's own matcher is native code for which the instruction hook is not called, so
//! `string.find(("a"):rep(1e5), ("a-"):rep(20) .. "b")` stops a reactor for longer than anybody
//! waits; and it recurses on the C stack as deep as the pattern is long. This one asks the host
//! every so many steps, and refuses patterns that nest too deep. It follows the reference manual
//! of Lua 5.1, section 5.4.1: a pattern ends at its first NUL, `%z` stands for that byte.
//!
//! Not in it: matching in linear time. Back references rule out the known ways, and a script that
//! takes exponential time can be killed.

use super::raw::{Outcome, Raise, Stack};
use super::shared::Shared;
use super::vm::pace_by;

/// Captures of a pattern.
const CAPTURES_MAX: usize = 32;
/// Items with a repetition, and captures, that may be open at once.
const DEPTH_MAX: u32 = 300;

/// What a pair of parentheses has matched.
#[derive(Clone, Copy, Debug)]
enum Capture {
    /// From a place on, not closed yet.
    Open(usize),
    /// `()`: the place itself.
    Place(usize),
    /// From a place, so many bytes.
    Text(usize, usize),
}

/// A source that is matched against a pattern.
pub(super) struct Matcher<'m> {
    stack: Stack,
    shared: &'m Shared,
    pub(super) source: &'m [u8],
    pattern: &'m [u8],
    captures: [Capture; CAPTURES_MAX],
    level: usize,
    depth: u32,
}

type Found = Result<Option<usize>, Raise>;

impl<'m> Matcher<'m> {
    pub(super) fn new(
        stack: Stack,
        shared: &'m Shared,
        source: &'m [u8],
        pattern: &'m [u8],
    ) -> Self {
        let pattern = super::failure::until_nul(pattern);
        let captures = [Capture::Place(0); CAPTURES_MAX];
        Self { stack, shared, source, pattern, captures, level: 0, depth: 0 }
    }

    /// Drops the `^` that a pattern begins with, and says whether there was one.
    pub(super) fn take_anchor(&mut self) -> bool {
        match self.pattern {
            [b'^', rest @ ..] => {
                self.pattern = rest;
                true
            }
            _ => false,
        }
    }

    /// Where a match that begins at a place ends.
    pub(super) fn at(&mut self, place: usize) -> Found {
        self.level = 0;
        self.depth = 0;
        self.run(place, 0)
    }

    pub(super) fn stack(&self) -> Stack {
        self.stack
    }

    fn fail<T>(&self, text: &[u8]) -> Result<T, Raise> {
        self.stack.fail(text)
    }

    /// The pattern's byte at a place; 0 at its end, as in C.
    fn letter(&self, place: usize) -> u8 {
        self.pattern.get(place).copied().unwrap_or(0)
    }

    /// Matches the pattern from `p` on at `s`, one level deeper.
    fn nested(&mut self, s: usize, p: usize) -> Found {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.fail(b"pattern too complex");
        }
        let found = self.run(s, p);
        self.depth -= 1;
        found
    }

    fn run(&mut self, mut s: usize, mut p: usize) -> Found {
        loop {
            pace_by(self.stack, self.shared, 1)?;
            match (self.letter(p), self.letter(p + 1)) {
                _ if p >= self.pattern.len() => return Ok(Some(s)),
                (b'(', b')') => return self.open(Capture::Place(s), s, p + 2),
                (b'(', _) => return self.open(Capture::Open(s), s, p + 1),
                (b')', _) => return self.close(s, p + 1),
                (b'$', _) if p + 1 == self.pattern.len() => {
                    return Ok((s == self.source.len()).then_some(s));
                }
                (b'%', b'b') => match self.balanced(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                (b'%', b'f') => match self.frontier(s, p + 2)? {
                    Some(end) => p = end,
                    None => return Ok(None),
                },
                (b'%', digit @ b'0'..=b'9') => match self.again(s, digit)? {
                    Some(end) => (s, p) = (end, p + 2),
                    None => return Ok(None),
                },
                _ => match self.item(s, p)? {
                    Next::Answer(found) => return Ok(found),
                    Next::At(next_s, next_p) => (s, p) = (next_s, next_p),
                },
            }
        }
    }

    /// One class of characters, and how often it is to come.
    fn item(&mut self, s: usize, p: usize) -> Result<Next, Raise> {
        let end = self.class_end(p)?;
        let matches = self.single(s, p, end);
        Ok(match self.letter(end) {
            b'?' => {
                if matches && let Some(found) = self.nested(s + 1, end + 1)? {
                    return Ok(Next::Answer(Some(found)));
                }
                Next::At(s, end + 1)
            }
            b'*' => Next::Answer(self.longest(s, p, end)?),
            b'+' if matches => Next::Answer(self.longest(s + 1, p, end)?),
            b'-' => Next::Answer(self.shortest(s, p, end)?),
            _ if matches && self.letter(end) != b'+' => Next::At(s + 1, end),
            _ => Next::Answer(None),
        })
    }

    /// Where the class that begins at `p` ends.
    fn class_end(&self, mut p: usize) -> Result<usize, Raise> {
        p += 1;
        match self.letter(p - 1) {
            b'%' if p >= self.pattern.len() => self.fail(b"malformed pattern (ends with '%')"),
            b'%' => Ok(p + 1),
            b'[' => {
                p += usize::from(self.letter(p) == b'^');
                loop {
                    if p >= self.pattern.len() {
                        return self.fail(b"malformed pattern (missing ']')");
                    }
                    p += 1;
                    if self.letter(p - 1) == b'%' && p < self.pattern.len() {
                        p += 1;
                    }
                    if self.letter(p) == b']' {
                        return Ok(p + 1);
                    }
                }
            }
            _ => Ok(p),
        }
    }

    /// Whether the byte at `s` is in the class from `p` to `end`.
    fn single(&self, s: usize, p: usize, end: usize) -> bool {
        let Some(byte) = self.source.get(s) else {
            return false;
        };
        match self.letter(p) {
            b'.' => true,
            b'%' => is_in_class(*byte, self.letter(p + 1)),
            b'[' => self.bracket(*byte, p, end - 1),
            letter => letter == *byte,
        }
    }

    /// Whether a byte is in the set from `[` at `p` to `]` at `last`.
    fn bracket(&self, byte: u8, mut p: usize, last: usize) -> bool {
        let wanted = self.letter(p + 1) != b'^';
        p += usize::from(!wanted);
        loop {
            p += 1;
            if p >= last {
                return !wanted;
            }
            let letter = self.letter(p);
            let found = if letter == b'%' {
                p += 1;
                is_in_class(byte, self.letter(p))
            } else if self.letter(p + 1) == b'-' && p + 2 < last {
                p += 2;
                (letter..=self.letter(p)).contains(&byte)
            } else {
                letter == byte
            };
            if found {
                return wanted;
            }
        }
    }

    /// `%bxy`: the end of the balanced text at `s`.
    fn balanced(&self, s: usize, p: usize) -> Found {
        if p + 1 >= self.pattern.len() {
            return self.fail(b"unbalanced pattern");
        }
        let (open, close) = (self.letter(p), self.letter(p + 1));
        if self.source.get(s) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1;
        for (place, byte) in self.source.iter().enumerate().skip(s + 1) {
            if *byte == close {
                depth -= 1;
                if depth == 0 {
                    self.spend(place - s)?;
                    return Ok(Some(place + 1));
                }
            } else if *byte == open {
                depth += 1;
            }
        }
        self.spend(self.source.len() - s)?;
        Ok(None)
    }

    /// `%f[set]`: the pattern's next place when `s` is where the set begins.
    fn frontier(&self, s: usize, p: usize) -> Found {
        if self.letter(p) != b'[' {
            return self.fail(b"missing '[' after '%f' in pattern");
        }
        let end = self.class_end(p)?;
        let before = if s == 0 { 0 } else { self.source[s - 1] };
        let here = self.source.get(s).copied().unwrap_or(0);
        let begins = !self.bracket(before, p, end - 1) && self.bracket(here, p, end - 1);
        Ok(begins.then_some(end))
    }

    /// `%1`: the end of a capture's text when it comes again at `s`.
    fn again(&self, s: usize, digit: u8) -> Found {
        let number = usize::from(digit).wrapping_sub(usize::from(b'1'));
        let text = match self.captures[..self.level].get(number) {
            Some(Capture::Text(start, len)) => &self.source[*start..start + len],
            // In C a place has a length that nothing has.
            Some(Capture::Place(_)) => return Ok(None),
            _ => return self.fail(b"invalid capture index"),
        };
        self.spend(text.len())?;
        Ok(self.source[s..].starts_with(text).then_some(s + text.len()))
    }

    /// As many of a class as there are, then fewer, until the rest matches.
    fn longest(&mut self, s: usize, p: usize, end: usize) -> Found {
        let mut count = 0;
        while self.single(s + count, p, end) {
            count += 1;
        }
        self.spend(count)?;
        loop {
            if let Some(found) = self.nested(s + count, end + 1)? {
                return Ok(Some(found));
            }
            if count == 0 {
                return Ok(None);
            }
            count -= 1;
        }
    }

    /// As few of a class as will do.
    fn shortest(&mut self, mut s: usize, p: usize, end: usize) -> Found {
        loop {
            if let Some(found) = self.nested(s, end + 1)? {
                return Ok(Some(found));
            }
            if !self.single(s, p, end) {
                return Ok(None);
            }
            s += 1;
        }
    }

    fn open(&mut self, capture: Capture, s: usize, p: usize) -> Found {
        if self.level >= CAPTURES_MAX {
            return self.fail(b"too many captures");
        }
        self.captures[self.level] = capture;
        self.level += 1;
        let found = self.nested(s, p)?;
        if found.is_none() {
            self.level -= 1;
        }
        Ok(found)
    }

    fn close(&mut self, s: usize, p: usize) -> Found {
        let open = |capture: &Capture| matches!(capture, Capture::Open(_));
        let Some(number) = self.captures[..self.level].iter().rposition(open) else {
            return self.fail(b"invalid pattern capture");
        };
        let Capture::Open(start) = self.captures[number] else {
            return Ok(None);
        };
        self.captures[number] = Capture::Text(start, s - start);
        let found = self.nested(s, p)?;
        if found.is_none() {
            self.captures[number] = Capture::Open(start);
        }
        Ok(found)
    }

    /// Counts steps of a loop.
    fn spend(&self, steps: usize) -> Result<(), Raise> {
        pace_by(self.stack, self.shared, steps)
    }

    /// Pushes a capture, or the whole match for the first of none; may raise.
    pub(super) fn push_capture(
        &self,
        number: usize,
        start: usize,
        end: usize,
    ) -> Result<(), Raise> {
        match self.captures[..self.level].get(number) {
            Some(Capture::Text(start, len)) => {
                self.stack.push_bytes(&self.source[*start..start + len]);
            }
            Some(Capture::Place(place)) => self.stack.push_index(place + 1),
            Some(Capture::Open(_)) => return self.fail(b"unfinished capture"),
            None if number == 0 => self.stack.push_bytes(&self.source[start..end]),
            None => return self.fail(b"invalid capture index"),
        }
        Ok(())
    }

    /// Pushes all captures, or the whole match when there are none and `whole` says so.
    pub(super) fn push_captures(&self, start: usize, end: usize, whole: bool) -> Outcome {
        let count = if self.level == 0 && whole { 1 } else { self.level };
        let pushed = i32::try_from(count).expect("at most 32");
        self.stack.reserve(pushed)?;
        for number in 0..count {
            self.push_capture(number, start, end)?;
        }
        Ok(pushed)
    }
}

/// How matching goes on behind an item.
enum Next {
    Answer(Option<usize>),
    At(usize, usize),
}

/// Whether a byte is in the class of a letter after `%`; other than letters stand for themselves.
fn is_in_class(byte: u8, class: u8) -> bool {
    let is_in = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b' ' | 9..=13),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    is_in != class.is_ascii_uppercase()
}
