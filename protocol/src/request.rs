//! The server's side of the wire: requests out of a buffer, without copying them.
//!
//! Why it exists: this is the first thing every byte a client sends goes through, so it is the
//! hot path and the attack surface at once. The parser walks the caller's buffer and remembers
//! where the arguments are; a request that is cut anywhere goes on where it stopped, and no byte
//! is looked at twice. Not for replies: see [`crate::decode`].
//!
//! Invariants
//! - Q1: all offsets count from the first byte of the current request. The caller may move or
//!   drop what lies before that byte between calls, and must keep what lies behind it.
//! - Q2: nothing is allocated by a declared length, only by bytes that are there.

use zumic_error::ProtocolError;

use crate::inline::{Words, split_into};
use crate::limits::Limits;
use crate::number::parse_integer;

/// Argument slots that are reserved by a declared count, at most (Q2).
const RESERVED_ARGS_MAX: usize = 1_024;

/// What the parser made of the buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// More bytes are needed: at least this many before the next call can do anything. A large
    /// number is the rest of a large argument.
    NeedMore(usize),
    /// A request takes the first so many bytes. No arguments: an empty line or array, to be
    /// skipped without an answer.
    Request(usize),
}

/// An incremental parser of one connection's requests.
///
/// # Examples
/// ```
/// use protocol::{Limits, RequestParser, Step};
///
/// let mut parser = RequestParser::new(Limits::default());
/// let wire = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n";
/// assert!(matches!(parser.next(&wire[..9]), Ok(Step::NeedMore(_))));
/// assert_eq!(parser.next(wire), Ok(Step::Request(20)));
/// assert_eq!(parser.args(wire).collect::<Vec<_>>(), [&b"GET"[..], b"k"]);
/// assert_eq!(parser.next(&wire[20..]), Ok(Step::Request(6)));
/// assert_eq!(parser.args(&wire[20..]).collect::<Vec<_>>(), [b"PING"]);
/// ```
#[derive(Debug)]
pub struct RequestParser {
    limits: Limits,
    authenticated: bool,
    /// Limits in force: the authenticated ones, or the narrower of both.
    args_max: usize,
    bulk_bytes_max: usize,
    /// Bytes of the current request that were understood.
    at: usize,
    /// Bytes behind `at` without a line end, in an unfinished line.
    searched: usize,
    /// Arguments still to come; meaningful once the count is known.
    missing: usize,
    /// Length of the argument being read.
    bulk: Option<usize>,
    state: State,
    ranges: Vec<(usize, usize)>,
    words: Words,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Nothing of the request was seen.
    Start,
    /// Inside an array of bulk strings.
    Array,
    /// Done: an array.
    DoneArray,
    /// Done: an inline request, whose arguments are in `words`.
    DoneInline,
}

/// A line of a request, and the bytes it takes with its end.
type Line<'b> = Option<(&'b [u8], usize)>;

impl RequestParser {
    /// A parser at the start of a connection; authenticated until told otherwise.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            authenticated: true,
            args_max: limits.args_max,
            bulk_bytes_max: limits.bulk_bytes_max,
            at: 0,
            searched: 0,
            missing: 0,
            bulk: None,
            state: State::Start,
            ranges: Vec::new(),
            words: Words::default(),
        }
    }

    /// Whether the limits that hold before authentication apply.
    pub fn set_authenticated(&mut self, authenticated: bool) {
        self.authenticated = authenticated;
        self.limits_in_force();
    }

    /// Changes the limits from the next line on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.limits_in_force();
    }

    fn limits_in_force(&mut self) {
        let limits = &self.limits;
        (self.args_max, self.bulk_bytes_max) = (limits.args_max, limits.bulk_bytes_max);
        if !self.authenticated {
            self.args_max = self.args_max.min(limits.unauthenticated_args_max);
            self.bulk_bytes_max = self.bulk_bytes_max.min(limits.unauthenticated_bulk_bytes_max);
        }
    }

    /// Whether a request was begun that is not complete.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.state == State::Array || self.searched > 0
    }

    /// Goes on with the request at the start of `buffer` (Q1).
    ///
    /// Cost: O(new bytes); arguments are stepped over, not read.
    ///
    /// # Errors
    /// [`ProtocolError`]: answer it, then close; the parser is of no further use.
    #[inline]
    pub fn next(&mut self, buffer: &[u8]) -> Result<Step, ProtocolError> {
        if matches!(self.state, State::DoneArray | State::DoneInline) {
            self.restart();
        }
        if self.state == State::Start {
            match buffer.first() {
                None => return Ok(Step::NeedMore(1)),
                Some(b'*') => {
                    if let Some(step) = self.count(buffer)? {
                        return Ok(step);
                    }
                }
                Some(_) => return self.inline(buffer),
            }
        }
        if self.bulk.is_none() && self.searched == 0 {
            self.short_bulks(buffer);
        }
        self.bulks(buffer)
    }

    /// The request at the start of `buffer`, if it is there whole and as ordinary as almost all
    /// are: an array, lengths of up to three digits, within the limits. Appends its arguments to
    /// `args` and returns the bytes it takes. For anything else appends nothing, and
    /// [`RequestParser::next`] says what it is; so also in the middle of a request.
    ///
    /// Cost: O(arguments); nothing is remembered, so there is nothing to copy out again.
    ///
    /// # Examples
    /// ```
    /// use protocol::{Limits, RequestParser};
    ///
    /// let parser = RequestParser::new(Limits::default());
    /// let mut args = Vec::new();
    /// let wire = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\n";
    /// assert_eq!(parser.whole(wire, &mut args), Some(20));
    /// assert_eq!(args, [&b"GET"[..], b"k"]);
    /// assert_eq!(parser.whole(b"PING\r\n", &mut args), None);
    /// ```
    #[inline]
    pub fn whole<'b>(&self, buffer: &'b [u8], args: &mut Vec<&'b [u8]>) -> Option<usize> {
        if self.is_partial() {
            return None;
        }
        let (count, mut at) = short_line(buffer, b'*')?;
        if count == 0 || count > self.args_max {
            return None;
        }
        let before = args.len();
        for _ in 0..count {
            let bulk = buffer.get(at..).and_then(|rest| {
                let (len, taken) = short_line(rest, b'$')?;
                let bytes = rest.get(taken..taken + len + 2)?;
                (len <= self.bulk_bytes_max).then_some((&bytes[..len], taken + bytes.len()))
            });
            let Some((bytes, taken)) = bulk else {
                args.truncate(before);
                return None;
            };
            args.push(bytes);
            at += taken;
        }
        Some(at)
    }

    /// The arguments of the request that was just found, its name first. `buffer` is the one
    /// that was passed to [`RequestParser::next`].
    #[inline]
    pub fn args<'b>(&'b self, buffer: &'b [u8]) -> impl ExactSizeIterator<Item = &'b [u8]> {
        let (bytes, ranges) = match self.state {
            State::DoneInline => (&*self.words.bytes, &self.words.ranges),
            _ => (buffer, &self.ranges),
        };
        ranges.iter().map(move |&(start, len)| &bytes[start..start + len])
    }

    /// Where the arguments of the request that was just found are in the buffer: start and length
    /// of each. `None` for an inline request, whose arguments were unquoted elsewhere.
    #[inline]
    #[must_use]
    pub fn ranges(&self) -> Option<&[(usize, usize)]> {
        (self.state == State::DoneArray).then_some(&*self.ranges)
    }

    /// Forgets what was read of an unfinished request; the next call starts at its first byte.
    pub fn restart(&mut self) {
        if self.ranges.capacity() > RESERVED_ARGS_MAX {
            // One huge request must not hold its memory for the life of the connection.
            self.ranges = Vec::new();
        }
        self.at = 0;
        self.searched = 0;
        self.bulk = None;
        self.state = State::Start;
        self.ranges.clear();
    }

    /// Bytes of memory the parser holds beside itself.
    #[must_use]
    pub fn memory(&self) -> usize {
        let ranges = self.ranges.capacity() + self.words.ranges.capacity();
        ranges * size_of::<(usize, usize)>() + self.words.bytes.capacity()
    }

    /// Reads the `*count` line. A step only if the request ends or waits there.
    #[inline]
    fn count(&mut self, buffer: &[u8]) -> Result<Option<Step>, ProtocolError> {
        let (count, taken) = match short_line(buffer, b'*') {
            Some(found) => found,
            None => match self.count_slow(buffer)? {
                Some(found) => found,
                None => return Ok(Some(Step::NeedMore(1))),
            },
        };
        self.at += taken;
        self.searched = 0;
        if count == 0 {
            self.state = State::DoneArray;
            return Ok(Some(Step::Request(self.at)));
        }
        if count > self.args_max {
            return Err(if count > self.limits.args_max {
                ProtocolError::InvalidMultibulkLength
            } else {
                ProtocolError::UnauthenticatedMultibulk
            });
        }
        self.missing = count;
        self.state = State::Array;
        self.ranges.reserve(count.min(RESERVED_ARGS_MAX));
        Ok(None)
    }

    /// Any other count; negative ones are as good as none.
    fn count_slow(&mut self, buffer: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
        let line = self.line(buffer, ProtocolError::TooBigMultibulkCount)?;
        let Some((line, taken)) = line else { return Ok(None) };
        let count = parse_integer(&line[1..]).ok_or(ProtocolError::InvalidMultibulkLength)?;
        Ok(Some((usize::try_from(count).unwrap_or(0), taken)))
    }

    /// Reads arguments as long as their lengths are short and they are there whole, which is to
    /// say almost always; leaves the others to [`RequestParser::bulks`]. Its state is in
    /// registers: that, and not searching for line ends, halves the instructions of a SET.
    #[inline]
    fn short_bulks(&mut self, buffer: &[u8]) {
        let (mut at, mut missing) = (self.at, self.missing);
        while missing > 0 {
            let Some(rest) = buffer.get(at..) else { break };
            let Some((len, taken)) = short_line(rest, b'$') else { break };
            let size = taken + len + 2;
            if rest.len() < size || len > self.bulk_bytes_max {
                break;
            }
            self.ranges.push((at + taken, len));
            at += size;
            missing -= 1;
        }
        (self.at, self.missing) = (at, missing);
    }

    /// Reads arguments until none is missing.
    #[inline]
    fn bulks(&mut self, buffer: &[u8]) -> Result<Step, ProtocolError> {
        while self.missing > 0 {
            let len = match self.bulk {
                Some(len) => len,
                None => match self.bulk_length(buffer)? {
                    Some(len) => len,
                    None => return Ok(Step::NeedMore(1)),
                },
            };
            let end = self.at + len + 2;
            if buffer.len() < end {
                self.bulk = Some(len);
                return Ok(Step::NeedMore(end - buffer.len()));
            }
            self.ranges.push((self.at, len));
            self.at = end;
            self.bulk = None;
            self.missing -= 1;
        }
        self.state = State::DoneArray;
        Ok(Step::Request(self.at))
    }

    /// Reads a `$length` line.
    #[inline]
    fn bulk_length(&mut self, buffer: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let (len, taken) = match short_line(&buffer[self.at..], b'$') {
            Some(found) => found,
            None => match self.bulk_length_slow(buffer)? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        if len > self.bulk_bytes_max {
            return Err(if len > self.limits.bulk_bytes_max {
                ProtocolError::InvalidBulkLength
            } else {
                ProtocolError::UnauthenticatedBulk
            });
        }
        self.at += taken;
        self.searched = 0;
        Ok(Some(len))
    }

    fn bulk_length_slow(&mut self, buffer: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
        let line = self.line(buffer, ProtocolError::TooBigBulkCount)?;
        let Some((line, taken)) = line else { return Ok(None) };
        let digits = match line {
            [b'$', digits @ ..] => digits,
            [other, ..] => return Err(ProtocolError::ExpectedDollar(*other)),
            [] => return Err(ProtocolError::ExpectedDollar(b'\r')),
        };
        let invalid = ProtocolError::InvalidBulkLength;
        let len = parse_integer(digits).ok_or(invalid)?;
        let len = usize::try_from(len).map_err(|_| invalid)?;
        Ok(Some((len, taken)))
    }

    /// The line at `at`, up to its `\r\n` (Redis looks at the `\r` only).
    #[inline]
    fn line<'b>(
        &mut self,
        buffer: &'b [u8],
        too_long: ProtocolError,
    ) -> Result<Line<'b>, ProtocolError> {
        let rest = &buffer[self.at..];
        match memchr::memchr(b'\r', &rest[self.searched..]) {
            Some(position) => {
                let end = self.searched + position;
                if end > self.limits.inline_bytes_max {
                    return Err(too_long);
                }
                let whole = end + 1 < rest.len();
                self.searched = if whole { 0 } else { end };
                Ok(whole.then(|| (&rest[..end], end + 2)))
            }
            None if rest.len() > self.limits.inline_bytes_max => Err(too_long),
            None => {
                self.searched = rest.len();
                Ok(None)
            }
        }
    }

    fn inline(&mut self, buffer: &[u8]) -> Result<Step, ProtocolError> {
        let Some(position) = memchr::memchr(b'\n', &buffer[self.searched..]) else {
            if buffer.len() > self.limits.inline_bytes_max {
                return Err(ProtocolError::TooBigInline);
            }
            self.searched = buffer.len();
            return Ok(Step::NeedMore(1));
        };
        let end = self.searched + position;
        if end > self.limits.inline_bytes_max {
            return Err(ProtocolError::TooBigInline);
        }
        let line = &buffer[..end];
        split_into(line.strip_suffix(b"\r").unwrap_or(line), &mut self.words)?;
        self.state = State::DoneInline;
        self.at = end + 1;
        self.searched = 0;
        Ok(Step::Request(self.at))
    }
}

/// A line of `kind`, one to three digits without superfluous zeros, and a line end, without a
/// search: its number and the bytes it takes. `None` for any other, and within eight bytes of
/// the buffer's end.
#[inline]
fn short_line(rest: &[u8], kind: u8) -> Option<(usize, usize)> {
    const LINE_END: u64 = u16::from_le_bytes(*b"\r\n") as u64;
    let chunk = rest.first_chunk::<8>()?;
    let word = u64::from_le_bytes(*chunk);
    let [first, a, b, c, ..] = *chunk;
    if first != kind {
        return None;
    }
    // Above 9 for what is no digit.
    let digit = |byte: u8| usize::from(byte.wrapping_sub(b'0'));
    let is_end = |bytes: u32| (word >> (8 * bytes)) & 0xffff == LINE_END;
    if is_end(2) {
        (digit(a) <= 9).then_some((digit(a), 4))
    } else if is_end(3) {
        let valid = matches!(a, b'1'..=b'9') && digit(b) <= 9;
        valid.then_some((digit(a) * 10 + digit(b), 5))
    } else if is_end(4) {
        let valid = matches!(a, b'1'..=b'9') && digit(b) <= 9 && digit(c) <= 9;
        valid.then_some((digit(a) * 100 + digit(b) * 10 + digit(c), 6))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parser() -> RequestParser {
        RequestParser::new(Limits {
            inline_bytes_max: 32,
            args_max: 4,
            bulk_bytes_max: 100,
            unauthenticated_args_max: 2,
            unauthenticated_bulk_bytes_max: 10,
        })
    }

    fn parse(wire: &[u8]) -> Result<(Vec<Vec<u8>>, usize), ProtocolError> {
        let mut parser = parser();
        match parser.next(wire)? {
            Step::Request(taken) => Ok((parser.args(wire).map(<[u8]>::to_vec).collect(), taken)),
            Step::NeedMore(bytes) => panic!("needs {bytes} more"),
        }
    }

    #[test]
    fn every_limit_from_both_sides() {
        use ProtocolError as E;
        let cases: [(&[u8], Option<E>); 20] = [
            (b"*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n", None),
            (b"*5\r\n", Some(E::InvalidMultibulkLength)),
            (b"*x\r\n", Some(E::InvalidMultibulkLength)),
            (b"*01\r\n", Some(E::InvalidMultibulkLength)),
            (b"*0\r\n", None),
            (b"*-10\r\n", None),
            (b"*1\r\n$101\r\n", Some(E::InvalidBulkLength)),
            (b"*1\r\n$-1\r\n", Some(E::InvalidBulkLength)),
            (b"*1\r\n:1\r\n", Some(E::ExpectedDollar(b':'))),
            (b"*1\r\n$0\r\n\r\n", None),
            (b"PING aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", None),
            (b"PING aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", Some(E::TooBigInline)),
            (&[b'a'; 33], Some(E::TooBigInline)),
            (b"*00000000000000000000000000000000\r\n", Some(E::TooBigMultibulkCount)),
            (b"*0000000000000000000000000000000\r\n", Some(E::InvalidMultibulkLength)),
            (b"*1\r\n\r\n", Some(E::ExpectedDollar(b'\r'))),
            (b"*1\r\n$100\r\n0000000000", None),
            (b"*00000000000000000000000000000000000000", Some(E::TooBigMultibulkCount)),
            (b"*1\r\n$00000000000000000000000000000000000000", Some(E::TooBigBulkCount)),
            (b"SET 'a\r\n", Some(E::UnbalancedQuotes)),
        ];
        for (wire, want) in cases {
            let got = parser().next(wire).err();
            assert_eq!(got, want, "{:?}", String::from_utf8_lossy(wire));
        }
    }

    #[test]
    fn short_lines_are_read_as_the_search_would_read_them() {
        for kind in [b'$', b'*'] {
            for number in 0..1_200_usize {
                let line = format!("{}{number}\r\nrest-of-it", char::from(kind));
                let want = (number < 1_000).then_some((number, line.len() - 10));
                assert_eq!(short_line(line.as_bytes(), kind), want, "{line:?}");
                assert_eq!(short_line(&line.as_bytes()[..7], kind), None, "{line:?}");
            }
        }
        for line in
            ["$00\r\n    ", "$01\r\n    ", "$:\r\n    ", "$1/\r\n    ", "$1 2\r\n   ", "*1\r\n    "]
        {
            assert_eq!(short_line(line.as_bytes(), b'$'), None, "{line:?}");
        }
    }

    /// A count line that came without its last byte left its search position to the line behind
    /// it, and a client that sent nonsense there waited for ever instead of being told.
    #[test]
    fn a_cut_count_line_leaves_nothing_to_the_next_line() {
        let mut parser = parser();
        assert_eq!(parser.next(b"*2\r"), Ok(Step::NeedMore(1)));
        assert_eq!(parser.next(b"*2\r\n.\r\n..."), Err(ProtocolError::ExpectedDollar(b'.')));
    }

    #[test]
    fn strangers_have_limits_of_their_own() {
        let mut parser = parser();
        parser.set_authenticated(false);
        assert_eq!(parser.next(b"*3\r\n"), Err(ProtocolError::UnauthenticatedMultibulk));
        let mut parser = self::parser();
        parser.set_authenticated(false);
        assert!(parser.next(b"*2\r\n$10\r\n").is_ok());
        let mut parser = self::parser();
        parser.set_authenticated(false);
        assert_eq!(parser.next(b"*2\r\n$11\r\n"), Err(ProtocolError::UnauthenticatedBulk));
        let mut parser = self::parser();
        parser.set_authenticated(false);
        let whole = b"*1\r\n$11\r\n0123456789a\r\n";
        assert_eq!(parser.next(whole), Err(ProtocolError::UnauthenticatedBulk));
        let mut parser = self::parser();
        parser.set_authenticated(false);
        assert_eq!(parser.next(b"*1\r\n$101\r\n"), Err(ProtocolError::InvalidBulkLength));
        parser.restart();
        parser.set_authenticated(true);
        assert_eq!(parser.next(whole), Ok(Step::Request(whole.len())));
    }

    #[test]
    fn a_large_argument_says_how_much_is_missing() {
        let mut parser = parser();
        assert_eq!(parser.next(b"*1\r\n$50\r\nabc"), Ok(Step::NeedMore(49)));
    }

    #[test]
    fn a_huge_request_leaves_no_memory_behind() {
        let mut parser = RequestParser::new(Limits::default());
        let wire = [b"*100000\r\n".to_vec(), b"$1\r\na\r\n".repeat(100_000)].concat();
        assert_eq!(parser.next(&wire), Ok(Step::Request(wire.len())));
        assert_eq!(parser.args(&wire).len(), 100_000);
        assert!(parser.memory() > 1_000_000);
        assert_eq!(parser.next(b""), Ok(Step::NeedMore(1)));
        assert_eq!(parser.memory(), 0);
    }

    #[test]
    fn inline_requests_and_empty_lines() {
        assert_eq!(parse(b"PING \"a b\"\r\n").unwrap().0, [&b"PING"[..], b"a b"]);
        assert_eq!(parse(b"PING\n").unwrap(), (vec![b"PING".to_vec()], 5));
        assert_eq!(parse(b"\r\n").unwrap(), (vec![], 2));
    }
}
