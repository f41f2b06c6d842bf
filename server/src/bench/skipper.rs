//! Counts replies without building them.
//!
//! Why it exists: a client that parses every reply into values spends more than the server it
//! measures. All that is wanted here is how many replies came and which were errors, so bulk
//! bodies are jumped over and nesting is one counter of elements still to come.
//!
//! Understands every frame of RESP2 and RESP3 that a server sends as a whole (streamed aggregates
//! are sent by clients' libraries only), and ZSP's sorted set. Not for: reading values.
//!
//! Invariants
//! - S1: between frames `pending` is 0 and `failed` is `None`.
//! - S2: `carry` holds the beginning of a header line that was cut by the network, else nothing;
//!   it never grows beyond [`LINE_BYTES_MAX`].

use std::collections::BTreeMap;
use std::fmt;

use memchr::memchr;

/// Longest header or error line accepted.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Distinct error texts kept; the rest is summed up under one heading.
const TEXT_COUNT_MAX: usize = 16;

/// Error replies by text.
#[derive(Clone, Debug, Default)]
pub(super) struct ErrorTally {
    texts: BTreeMap<String, u64>,
}

impl ErrorTally {
    fn add(&mut self, text: &[u8]) {
        self.add_many(&String::from_utf8_lossy(text), 1);
    }

    fn add_many(&mut self, text: &str, count: u64) {
        let known = self.texts.contains_key(text) || self.texts.len() < TEXT_COUNT_MAX;
        let text = if known { text } else { "(other errors)" };
        *self.texts.entry(text.to_owned()).or_default() += count;
    }

    /// Adds what another tally counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (text, count) in &other.texts {
            self.add_many(text, *count);
        }
    }

    /// All error replies.
    pub(super) fn total(&self) -> u64 {
        self.texts.values().sum()
    }

    /// Texts and how often each came, by text.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.texts.iter().map(|(text, count)| (text.as_str(), *count))
    }
}

/// The stream is not RESP; nothing after this point can be counted.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct NotResp(String);

impl fmt::Display for NotResp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the reply is not RESP: {}", self.0)
    }
}

/// Position in one connection's stream of replies.
#[derive(Debug, Default)]
pub(super) struct Skipper {
    /// Elements of the current frame still to come.
    pending: u64,
    /// The current frame is out of band: no reply to anything.
    push: bool,
    /// Text of the first error inside the current frame.
    failed: Option<Vec<u8>>,
    /// Bytes of a bulk body, its CR LF included, still to come.
    body: u64,
    /// The body is an error's text; collected in `failed`.
    body_is_error: bool,
    carry: Vec<u8>,
}

impl Skipper {
    /// Reads on and returns how many replies ended in `bytes`; errors go to `tally`.
    ///
    /// Cost: per reply one `memchr` and a few branches; bodies cost nothing. Allocates only for
    /// errors and for a line cut by the end of `bytes`.
    ///
    /// # Errors
    /// [`NotResp`] when the bytes cannot be a server's answer; the connection is of no more use.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        tally: &mut ErrorTally,
    ) -> Result<u64, NotResp> {
        let mut replies = 0;
        loop {
            if self.body > 0 {
                bytes = self.skip_body(bytes);
                if self.body > 0 {
                    return Ok(replies);
                }
                replies += self.end_element(tally);
            }
            let Some(end) = memchr(b'\n', bytes) else {
                return self.keep(bytes).map(|()| replies);
            };
            let (line, rest) = bytes.split_at(end + 1);
            bytes = rest;
            if self.carry.is_empty() {
                replies += self.line(line, tally)?;
            } else {
                self.keep(line)?;
                let line = std::mem::take(&mut self.carry);
                replies += self.line(&line, tally)?;
            }
        }
    }

    /// Takes over a cut line (S2).
    fn keep(&mut self, bytes: &[u8]) -> Result<(), NotResp> {
        if self.carry.len() + bytes.len() > LINE_BYTES_MAX {
            return Err(NotResp("a line without end".to_owned()));
        }
        self.carry.extend_from_slice(bytes);
        Ok(())
    }

    /// Drops what `bytes` holds of the body and returns the rest.
    fn skip_body<'bytes>(&mut self, bytes: &'bytes [u8]) -> &'bytes [u8] {
        let here = usize::try_from(self.body).unwrap_or(usize::MAX).min(bytes.len());
        let (body, rest) = bytes.split_at(here);
        if self.body_is_error {
            self.failed.get_or_insert_default().extend_from_slice(body);
        }
        self.body -= here as u64;
        rest
    }

    /// One whole header line with its line end; returns 1 if it ended a reply.
    fn line(&mut self, line: &[u8], tally: &mut ErrorTally) -> Result<u64, NotResp> {
        let [kind, text @ .., b'\r', b'\n'] = line else {
            return Err(refusal(line));
        };
        if self.pending == 0 {
            self.pending = 1;
        }
        match kind {
            b'+' | b':' | b'_' | b'#' | b',' | b'(' => Ok(self.end_element(tally)),
            b'-' => {
                self.failed.get_or_insert_with(|| text.to_vec());
                Ok(self.end_element(tally))
            }
            b'$' | b'=' | b'!' => match length(text).ok_or_else(|| refusal(line))? {
                None => Ok(self.end_element(tally)),
                Some(count) => {
                    self.body = count + 2;
                    self.body_is_error = *kind == b'!' && self.failed.is_none();
                    Ok(0)
                }
            },
            b'*' | b'~' | b'>' | b'%' | b'|' | b'^' => {
                let count = length(text).ok_or_else(|| refusal(line))?.unwrap_or(0);
                self.open(*kind, count);
                Ok(if *kind == b'|' { 0 } else { self.end_element(tally) })
            }
            _ => Err(refusal(line)),
        }
    }

    /// Adds the elements of an aggregate to what is to come.
    fn open(&mut self, kind: u8, count: u64) {
        let each = if matches!(kind, b'%' | b'|' | b'^') { 2 } else { 1 };
        self.push |= kind == b'>' && self.pending == 1;
        self.pending = self.pending.saturating_add(count.saturating_mul(each));
    }

    /// One element is over; returns 1 if it was the last of a reply.
    fn end_element(&mut self, tally: &mut ErrorTally) -> u64 {
        self.body_is_error = false;
        self.pending -= 1;
        if self.pending > 0 {
            return 0;
        }
        if let Some(text) = self.failed.take() {
            tally.add(text.trim_ascii_end());
        }
        u64::from(!std::mem::take(&mut self.push))
    }
}

/// The length in a header: `None` for the null of RESP2. The outer option is `None` when it is no
/// length that a server can mean.
fn length(text: &[u8]) -> Option<Option<u64>> {
    if text == b"-1" {
        return Some(None);
    }
    if text.is_empty() || text.len() > 10 {
        return None;
    }
    let mut value = 0;
    for digit in text {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    Some(Some(value))
}

fn refusal(line: &[u8]) -> NotResp {
    NotResp(line[..line.len().min(40)].escape_ascii().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` whole, byte by byte and in every pair of halves; all must count alike.
    fn count(bytes: &[u8]) -> (u64, Vec<(String, u64)>) {
        let run = |cuts: &mut dyn Iterator<Item = &[u8]>| {
            let (mut skipper, mut tally) = (Skipper::default(), ErrorTally::default());
            let replies: u64 = cuts.map(|part| skipper.feed(part, &mut tally).unwrap()).sum();
            let texts: Vec<_> =
                tally.texts().map(|(text, count)| (text.to_owned(), count)).collect();
            (replies, texts)
        };
        let whole = run(&mut std::iter::once(bytes));
        assert_eq!(run(&mut bytes.chunks(1)), whole, "byte by byte");
        for cut in 0..bytes.len() {
            let (left, right) = bytes.split_at(cut);
            assert_eq!(run(&mut [left, right].into_iter()), whole, "cut at {cut}");
        }
        whole
    }

    #[test]
    fn every_frame_counts_once() {
        for frame in [
            "+OK\r\n",
            "+\r\n",
            ":-12\r\n",
            "$3\r\nfoo\r\n",
            "$4\r\n\r\n\r\n\r\n",
            "$0\r\n\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "*0\r\n",
            "*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
            "_\r\n",
            "#t\r\n",
            ",3.14\r\n",
            "(3492890328409238509324850943850943825024385\r\n",
            "=7\r\ntxt:foo\r\n",
            "%1\r\n+a\r\n~2\r\n:1\r\n:2\r\n",
            "^1\r\n$3\r\nbob\r\n,1.5\r\n",
            "|1\r\n+ttl\r\n:3600\r\n$1\r\na\r\n",
        ] {
            assert_eq!(count(frame.as_bytes()).0, 1, "{frame:?}");
            assert_eq!(count(frame.repeat(3).as_bytes()).0, 3, "{frame:?}");
        }
    }

    #[test]
    fn pushes_are_no_replies() {
        let bytes = b">2\r\n+message\r\n$1\r\na\r\n+OK\r\n>0\r\n";
        assert_eq!(count(bytes).0, 1);
    }

    #[test]
    fn errors_are_replies_too_and_kept_by_text() {
        let bytes = b"-ERR no\r\n+OK\r\n-ERR no\r\n!7\r\nBAD yes\r\n*2\r\n-X in\r\n-Y in\r\n";
        let (replies, texts) = count(bytes);
        assert_eq!(replies, 5);
        let expected = [("BAD yes", 1), ("ERR no", 2), ("X in", 1)];
        assert_eq!(texts, expected.map(|(text, count)| (text.to_owned(), count)));
    }

    #[test]
    fn texts_are_bounded() {
        let mut tally = ErrorTally::default();
        for index in 0..100 {
            tally.add(format!("ERR {index}").as_bytes());
        }
        assert_eq!(tally.total(), 100);
        assert_eq!(tally.texts().count(), TEXT_COUNT_MAX + 1);
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [
            "HTTP/1.1 400\r\n",
            "$x\r\n",
            "$-2\r\n",
            "*\r\n",
            "$99999999999\r\n",
            "+OK\n",
            "$?\r\n",
            "\n",
        ] {
            let result = Skipper::default().feed(bytes.as_bytes(), &mut ErrorTally::default());
            assert!(result.is_err(), "{bytes:?}");
        }
        let endless = vec![b'+'; LINE_BYTES_MAX + 1];
        assert!(Skipper::default().feed(&endless, &mut ErrorTally::default()).is_err());
    }
}
