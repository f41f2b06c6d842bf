//! The client's side of the wire: replies out of bytes, however they are cut.
//!
//! Why it exists: clients, tools and tests read replies of any version from peers they may not
//! trust. The decoder takes bytes as they come, keeps what it has understood, and never looks at
//! a byte twice.
//!
//! Invariants
//! - F1: nothing is allocated by a declared length, only by bytes that came.
//! - F2: nesting is bounded by `NESTING_MAX`, on a stack of its own: no recursion.

use std::fmt;

use crate::frame::Frame;
use crate::number::parse_integer;

/// Deepest nesting of aggregates.
pub const NESTING_MAX: usize = 32;
/// Longest line of a frame that is one line.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Longest string and largest aggregate.
const LENGTH_MAX: i64 = 1 << 30;

/// Why bytes are no reply. The connection is of no further use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DecodeError {
    /// A length that is no number, negative, or beyond any reply.
    BadLength,
    /// A frame's content does not fit its type.
    BadValue,
    /// A string is not followed by a line end.
    MissingLineEnd,
    /// Aggregates inside aggregates beyond [`NESTING_MAX`].
    TooDeep,
    /// A line beyond any limit.
    TooLong,
    /// A first byte that starts no frame.
    UnknownType(u8),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadLength => f.write_str("a reply declares an impossible length"),
            Self::BadValue => f.write_str("a reply's content does not fit its type"),
            Self::MissingLineEnd => f.write_str("a string in a reply has no line end"),
            Self::TooDeep => write!(f, "a reply nests deeper than {NESTING_MAX}"),
            Self::TooLong => f.write_str("a line of a reply is too long"),
            Self::UnknownType(byte) => write!(f, "byte 0x{byte:02x} starts no frame"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// What an aggregate becomes when its elements are there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape {
    Array,
    Attribute,
    Map,
    Push,
    Scored,
    Set,
    /// `$?`: chunks until `;0`.
    Stream,
}

/// An aggregate that waits for elements.
#[derive(Debug)]
struct Open {
    shape: Shape,
    /// Elements still to come; `None` for streamed forms, which end by `.` or `;0`.
    missing: Option<usize>,
    items: Vec<Frame>,
    /// Attributes whose reply is still to come.
    described: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expect {
    Line,
    /// The rest of a string of this kind, and its line end.
    Text {
        kind: u8,
        len: usize,
    },
}

/// An incremental decoder of one connection's replies.
///
/// # Examples
/// ```
/// use protocol::{Decoder, Frame};
///
/// let mut decoder = Decoder::default();
/// assert_eq!(decoder.feed(b"*2\r\n:1\r\n$3\r\nf"), Ok((13, None)));
/// let (taken, frame) = decoder.feed(b"oo\r\n+next").unwrap();
/// assert_eq!(taken, 4);
/// assert_eq!(frame, Some(Frame::Array(vec![Frame::Integer(1), Frame::Bulk(b"foo".to_vec())])));
/// ```
#[derive(Debug)]
pub struct Decoder {
    /// The unfinished line or string.
    partial: Vec<u8>,
    expect: Expect,
    stack: Vec<Open>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { partial: Vec::new(), expect: Expect::Line, stack: Vec::new() }
    }
}

impl Decoder {
    /// Takes bytes up to the end of the next reply. Returns how many were taken, and the reply
    /// if it is complete; without one, all were taken.
    ///
    /// Cost: O(bytes taken).
    ///
    /// # Errors
    /// [`DecodeError`]: the peer does not speak ZSP.
    pub fn feed(&mut self, input: &[u8]) -> Result<(usize, Option<Frame>), DecodeError> {
        let mut rest = input;
        while !rest.is_empty() {
            let done = match self.expect {
                Expect::Line => self.take_line(&mut rest)?,
                Expect::Text { kind, len } => self.take_text(&mut rest, kind, len)?,
            };
            if let Some(frame) = done {
                return Ok((input.len() - rest.len(), Some(frame)));
            }
        }
        Ok((input.len(), None))
    }

    /// Bytes of memory held for the unfinished reply, without what its finished elements hold.
    #[must_use]
    pub fn memory(&self) -> usize {
        let items: usize = self.stack.iter().map(|open| open.items.capacity()).sum();
        let open = self.stack.capacity() * size_of::<Open>();
        self.partial.capacity() + open + items * size_of::<Frame>()
    }

    fn take_line(&mut self, rest: &mut &[u8]) -> Result<Option<Frame>, DecodeError> {
        let end = memchr::memchr(b'\n', rest);
        let (line, behind) = rest.split_at(end.unwrap_or(rest.len()));
        if self.partial.len() + line.len() > LINE_BYTES_MAX {
            return Err(DecodeError::TooLong);
        }
        *rest = behind.get(1..).unwrap_or_default();
        if end.is_none() || !self.partial.is_empty() {
            self.partial.extend_from_slice(line);
        }
        if end.is_none() {
            return Ok(None);
        }
        if self.partial.is_empty() {
            return self.whole_line(line);
        }
        let line = std::mem::take(&mut self.partial);
        self.whole_line(&line)
    }

    fn whole_line(&mut self, line: &[u8]) -> Result<Option<Frame>, DecodeError> {
        let line = line.strip_suffix(b"\r").ok_or(DecodeError::MissingLineEnd)?;
        let (&kind, text) = line.split_first().ok_or(DecodeError::UnknownType(b'\r'))?;
        self.line(kind, text)
    }

    fn take_text(
        &mut self,
        rest: &mut &[u8],
        kind: u8,
        len: usize,
    ) -> Result<Option<Frame>, DecodeError> {
        let wanted = len + 2 - self.partial.len();
        let taken = wanted.min(rest.len());
        self.partial.extend_from_slice(&rest[..taken]);
        *rest = &rest[taken..];
        if taken < wanted {
            return Ok(None);
        }
        self.expect = Expect::Line;
        let mut text = std::mem::take(&mut self.partial);
        if !text.ends_with(b"\r\n") {
            return Err(DecodeError::MissingLineEnd);
        }
        text.truncate(len);
        let frame = match kind {
            b'!' => Frame::BulkError(text),
            b'=' => {
                let (format, text) = text.split_at_checked(4).ok_or(DecodeError::BadValue)?;
                let [a, b, c, b':'] = *format else { return Err(DecodeError::BadValue) };
                Frame::Verbatim([a, b, c], text.to_vec())
            }
            _ => Frame::Bulk(text),
        };
        self.complete(frame)
    }

    /// One line: a whole frame, or the start of one.
    fn line(&mut self, kind: u8, text: &[u8]) -> Result<Option<Frame>, DecodeError> {
        let frame = match kind {
            b'+' => Frame::Simple(text.to_vec()),
            b'-' => Frame::Error(text.to_vec()),
            b':' => Frame::Integer(parse_integer(text).ok_or(DecodeError::BadValue)?),
            b'_' if text.is_empty() => Frame::Null,
            b'#' => match text {
                b"t" => Frame::Boolean(true),
                b"f" => Frame::Boolean(false),
                _ => return Err(DecodeError::BadValue),
            },
            b',' => Frame::Double(parse_double(text).ok_or(DecodeError::BadValue)?),
            b'(' => Frame::BigNumber(big_number(text).ok_or(DecodeError::BadValue)?),
            b'.' if text.is_empty() => return self.end_streamed(),
            b'$' if text == b"-1" => Frame::NullBulk,
            b'*' if text == b"-1" => Frame::NullArray,
            b'$' if text == b"?" => return self.open(Shape::Stream, None),
            b'$' | b'!' | b'=' | b';' => return self.text(kind, text),
            b'*' => return self.aggregate(Shape::Array, text),
            b'~' => return self.aggregate(Shape::Set, text),
            b'>' => return self.aggregate(Shape::Push, text),
            b'%' => return self.aggregate(Shape::Map, text),
            b'|' => return self.aggregate(Shape::Attribute, text),
            b'^' => return self.aggregate(Shape::Scored, text),
            b'_' => return Err(DecodeError::BadValue),
            other => return Err(DecodeError::UnknownType(other)),
        };
        self.complete(frame)
    }

    /// The start of a string, or a chunk of a streamed one.
    fn text(&mut self, kind: u8, text: &[u8]) -> Result<Option<Frame>, DecodeError> {
        let len = length(text)?;
        let streaming = self.stack.last().is_some_and(|open| open.shape == Shape::Stream);
        if streaming != (kind == b';') {
            return Err(DecodeError::BadValue);
        }
        if streaming && len == 0 {
            return self.close();
        }
        self.expect = Expect::Text { kind, len };
        Ok(None)
    }

    fn aggregate(&mut self, shape: Shape, text: &[u8]) -> Result<Option<Frame>, DecodeError> {
        if text == b"?" {
            return match shape {
                Shape::Array | Shape::Map | Shape::Set => self.open(shape, None),
                _ => Err(DecodeError::BadLength),
            };
        }
        let len = length(text)?;
        let elements = match shape {
            Shape::Attribute | Shape::Map | Shape::Scored => len * 2,
            _ => len,
        };
        self.open(shape, Some(elements))
    }

    fn open(&mut self, shape: Shape, missing: Option<usize>) -> Result<Option<Frame>, DecodeError> {
        if self.stack.len() == NESTING_MAX {
            return Err(DecodeError::TooDeep);
        }
        if self.stack.last().is_some_and(|open| open.shape == Shape::Stream) {
            return Err(DecodeError::BadValue);
        }
        self.stack.push(Open { shape, missing, items: Vec::new(), described: false });
        if missing == Some(0) { self.filled() } else { Ok(None) }
    }

    /// `.` ends a streamed aggregate.
    fn end_streamed(&mut self) -> Result<Option<Frame>, DecodeError> {
        match self.stack.last() {
            Some(Open { missing: None, shape, .. }) if *shape != Shape::Stream => self.close(),
            _ => Err(DecodeError::BadValue),
        }
    }

    /// The innermost aggregate has all its elements.
    fn filled(&mut self) -> Result<Option<Frame>, DecodeError> {
        let open = self.stack.last_mut().expect("an aggregate was opened");
        if open.shape == Shape::Attribute && !open.described {
            // The reply that the attributes describe is one more element.
            open.described = true;
            open.missing = Some(1);
            return Ok(None);
        }
        self.close()
    }

    fn close(&mut self) -> Result<Option<Frame>, DecodeError> {
        let open = self.stack.pop().expect("an aggregate was opened");
        let frame = assemble(open)?;
        self.complete(frame)
    }

    /// A frame is complete: it is the reply, or an element of what waits for one.
    fn complete(&mut self, frame: Frame) -> Result<Option<Frame>, DecodeError> {
        let Some(open) = self.stack.last_mut() else { return Ok(Some(frame)) };
        if open.shape == Shape::Stream && !matches!(frame, Frame::Bulk(_)) {
            return Err(DecodeError::BadValue);
        }
        open.items.push(frame);
        match &mut open.missing {
            Some(1) => self.filled(),
            Some(missing) => {
                *missing -= 1;
                Ok(None)
            }
            None => Ok(None),
        }
    }
}

fn length(text: &[u8]) -> Result<usize, DecodeError> {
    let len = parse_integer(text).filter(|len| *len <= LENGTH_MAX);
    len.and_then(|len| usize::try_from(len).ok()).ok_or(DecodeError::BadLength)
}

fn parse_double(text: &[u8]) -> Option<f64> {
    match text {
        b"inf" => Some(f64::INFINITY),
        b"-inf" => Some(f64::NEG_INFINITY),
        b"nan" | b"-nan" => Some(f64::NAN),
        _ => {
            let plain =
                |b: &u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E');
            let text = text.iter().all(plain).then_some(text)?;
            std::str::from_utf8(text).ok()?.parse().ok()
        }
    }
}

fn big_number(text: &[u8]) -> Option<String> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    valid.then(|| String::from_utf8(text.to_vec()).ok())?
}

fn assemble(open: Open) -> Result<Frame, DecodeError> {
    let mut items = open.items;
    Ok(match open.shape {
        Shape::Array => Frame::Array(items),
        Shape::Push => Frame::Push(items),
        Shape::Set => Frame::Set(items),
        Shape::Map => Frame::Map(pairs(items)?),
        Shape::Attribute => {
            let reply = items.pop().ok_or(DecodeError::BadValue)?;
            Frame::Attribute(pairs(items)?, Box::new(reply))
        }
        Shape::Scored => {
            let member = |pair| match pair {
                (Frame::Bulk(member), Frame::Double(score)) => Ok((member, score)),
                _ => Err(DecodeError::BadValue),
            };
            Frame::Scored(pairs(items)?.into_iter().map(member).collect::<Result<_, _>>()?)
        }
        Shape::Stream => {
            let mut text = Vec::new();
            for item in items {
                text.extend_from_slice(item.as_bytes().ok_or(DecodeError::BadValue)?);
            }
            Frame::Bulk(text)
        }
    })
}

fn pairs(items: Vec<Frame>) -> Result<Vec<(Frame, Frame)>, DecodeError> {
    if !items.len().is_multiple_of(2) {
        return Err(DecodeError::BadValue);
    }
    let mut items = items.into_iter();
    let mut pairs = Vec::new();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        pairs.push((key, value));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(wire: &[u8]) -> Result<Option<Frame>, DecodeError> {
        Decoder::default().feed(wire).map(|(_, frame)| frame)
    }

    #[test]
    fn streamed_forms_become_whole_frames() {
        let text = decode(b"$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n").unwrap();
        assert_eq!(text, Some(Frame::Bulk(b"Hello".to_vec())));
        let array = decode(b"*?\r\n:1\r\n:2\r\n.\r\n").unwrap();
        assert_eq!(array, Some(Frame::Array(vec![Frame::Integer(1), Frame::Integer(2)])));
        let map = decode(b"%?\r\n+a\r\n:1\r\n.\r\n").unwrap();
        let pair = (Frame::Simple(b"a".to_vec()), Frame::Integer(1));
        assert_eq!(map, Some(Frame::Map(vec![pair])));
        assert_eq!(decode(b"%?\r\n+a\r\n.\r\n"), Err(DecodeError::BadValue));
    }

    #[test]
    fn attributes_belong_to_the_reply_behind_them() {
        let frame = decode(b"|1\r\n+ttl\r\n:3\r\n$1\r\nv\r\n").unwrap().unwrap();
        let pairs = vec![(Frame::Simple(b"ttl".to_vec()), Frame::Integer(3))];
        assert_eq!(frame, Frame::Attribute(pairs, Box::new(Frame::Bulk(b"v".to_vec()))));
    }

    #[test]
    fn nesting_is_bounded_on_both_sides_of_the_limit() {
        let nested = |depth: usize| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
        assert!(decode(&nested(NESTING_MAX)).unwrap().is_some());
        assert_eq!(decode(&nested(NESTING_MAX + 1)), Err(DecodeError::TooDeep));
        assert_eq!(decode(&nested(100_000)), Err(DecodeError::TooDeep));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let cases: [(&[u8], DecodeError); 8] = [
            (b"?\r\n", DecodeError::UnknownType(b'?')),
            (b"$-2\r\n", DecodeError::BadLength),
            (b"*99999999999\r\n", DecodeError::BadLength),
            (b"$1\r\nabc", DecodeError::MissingLineEnd),
            (b"#x\r\n", DecodeError::BadValue),
            (b":1x\r\n", DecodeError::BadValue),
            (b"^1\r\n:1\r\n:2\r\n", DecodeError::BadValue),
            (b".\r\n", DecodeError::BadValue),
        ];
        for (wire, want) in cases {
            assert_eq!(decode(wire), Err(want), "{:?}", String::from_utf8_lossy(wire));
        }
    }

    #[test]
    fn lines_are_bounded_on_both_sides_of_the_limit_however_they_are_cut() {
        let line = |len: usize| [&b"+"[..], &vec![b'a'; len - 2], b"\r\n"].concat();
        assert!(decode(&line(LINE_BYTES_MAX)).unwrap().is_some());
        assert_eq!(decode(&line(LINE_BYTES_MAX + 1)), Err(DecodeError::TooLong));
        let mut decoder = Decoder::default();
        let long = line(LINE_BYTES_MAX + 1);
        assert_eq!(decoder.feed(&long[..LINE_BYTES_MAX]), Ok((LINE_BYTES_MAX, None)));
        assert_eq!(decoder.feed(&long[LINE_BYTES_MAX..]), Err(DecodeError::TooLong));
    }

    #[test]
    fn scores_are_read_in_version_four() {
        let frame = decode(b"^1\r\n$3\r\nbob\r\n,1.5\r\n").unwrap();
        assert_eq!(frame, Some(Frame::Scored(vec![(b"bob".to_vec(), 1.5)])));
    }
}
