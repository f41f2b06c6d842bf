//! The server's side of the wire: replies, and requests for those who send them.
//!
//! Why it exists: one type knows what each version sends for each frame, so a handler says "a
//! map of two" and version 2 clients get the flat array that Redis would send.

use zumic_error::CommandError;

use crate::number::write_double;
use crate::version::Version;

/// Appends frames to a buffer, in the form one protocol version knows.
///
/// # Examples
/// ```
/// use protocol::{Encoder, Version};
///
/// let mut out = Vec::new();
/// let mut encoder = Encoder::new(&mut out, Version::Three);
/// encoder.map(1);
/// encoder.bulk(b"pi");
/// encoder.double(3.5);
/// assert_eq!(out, b"%1\r\n$2\r\npi\r\n,3.5\r\n");
/// ```
#[derive(Debug)]
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    version: Version,
}

impl<'o> Encoder<'o> {
    /// Writes behind what `out` holds.
    #[inline]
    pub fn new(out: &'o mut Vec<u8>, version: Version) -> Self {
        Self { out, version }
    }

    /// The version written.
    #[inline]
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    #[inline]
    fn is_two(&self) -> bool {
        self.version == Version::Two
    }

    /// A type byte, a number, a line end. Up to three digits take the short way.
    #[inline]
    fn header(&mut self, kind: u8, number: usize) {
        match u8::try_from(number) {
            Ok(small @ 0..=9) => self.out.extend_from_slice(&[kind, b'0' + small, b'\r', b'\n']),
            Ok(small @ 10..=99) => {
                let digits = [kind, b'0' + small / 10, b'0' + small % 10, b'\r', b'\n'];
                self.out.extend_from_slice(&digits);
            }
            _ => self.line(kind, itoa::Buffer::new().format(number).as_bytes()),
        }
    }

    #[inline]
    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.reserve(text.len() + 3);
        self.out.push(kind);
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A status. CR and LF inside would break the frame; they become spaces, as in Redis.
    #[inline]
    pub fn simple(&mut self, text: &str) {
        if text == "OK" {
            self.out.extend_from_slice(b"+OK\r\n");
        } else if text.bytes().any(|byte| matches!(byte, b'\r' | b'\n')) {
            self.line(b'+', text.replace(['\r', '\n'], " ").as_bytes());
        } else {
            self.line(b'+', text.as_bytes());
        }
    }

    /// A status of any bytes but CR and LF, which the caller has seen to.
    pub fn status(&mut self, text: &[u8]) {
        debug_assert!(!text.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
        self.line(b'+', text);
    }

    /// An error, with the text of its variant.
    #[cold]
    pub fn error(&mut self, error: &CommandError) {
        self.out.push(b'-');
        error.write_wire(self.out);
        self.out.extend_from_slice(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, number: i64) {
        self.line(b':', itoa::Buffer::new().format(number).as_bytes());
    }

    /// A binary-safe string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.out.reserve(bytes.len() + 16);
        self.header(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// The start of a string whose bytes are sent from elsewhere; [`Encoder::bulk_end`] follows.
    pub fn bulk_start(&mut self, len: usize) {
        self.header(b'$', len);
    }

    /// The end of such a string.
    pub fn bulk_end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }

    /// Null: the null bulk string in version 2.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(if self.is_two() { b"$-1\r\n" } else { b"_\r\n" });
    }

    /// Null: the null array in version 2.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(if self.is_two() { b"*-1\r\n" } else { b"_\r\n" });
    }

    /// An array of `len` frames follows.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    /// A map of `pairs` pairs follows; a flat array in version 2.
    pub fn map(&mut self, pairs: usize) {
        if self.is_two() { self.header(b'*', pairs * 2) } else { self.header(b'%', pairs) }
    }

    /// A set of `len` frames follows; an array in version 2.
    pub fn set(&mut self, len: usize) {
        self.header(if self.is_two() { b'*' } else { b'~' }, len);
    }

    /// An out-of-band push of `len` frames follows; an array in version 2.
    pub fn push(&mut self, len: usize) {
        self.header(if self.is_two() { b'*' } else { b'>' }, len);
    }

    /// Attributes: `pairs` pairs follow, then the reply they describe. Version 2 has none: do
    /// not call it there.
    pub fn attribute(&mut self, pairs: usize) {
        debug_assert!(!self.is_two(), "version 2 has no attributes");
        self.header(b'|', pairs);
    }

    /// Members with scores follow, `len` pairs of bulk and double: `^` in version 4, an array of
    /// pairs in version 3 (the caller writes each pair's `array(2)`), flat in version 2.
    pub fn scored(&mut self, len: usize) {
        match self.version {
            Version::Four => self.header(b'^', len),
            Version::Three => self.header(b'*', len),
            Version::Two => self.header(b'*', len * 2),
        }
    }

    /// A boolean; integer 0 or 1 in version 2.
    pub fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(match (self.is_two(), value) {
            (true, false) => b":0\r\n",
            (true, true) => b":1\r\n",
            (false, false) => b"#f\r\n",
            (false, true) => b"#t\r\n",
        });
    }

    /// A double; a bulk string in version 2.
    pub fn double(&mut self, number: f64) {
        if !self.is_two() {
            self.out.push(b',');
            write_double(self.out, number);
            self.out.extend_from_slice(b"\r\n");
            return;
        }
        self.bulk_double(number);
    }

    /// A double as a bulk string, in every version.
    pub fn bulk_double(&mut self, number: f64) {
        // The header tells a length that is known behind it: written last, turned to the front.
        let start = self.out.len();
        write_double(self.out, number);
        let text_end = self.out.len();
        self.header(b'$', text_end - start);
        let header_len = self.out.len() - text_end;
        self.out[start..].rotate_right(header_len);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A double in these decimal digits; a bulk string in version 2.
    pub fn decimal(&mut self, digits: &str) {
        if self.is_two() {
            self.bulk(digits.as_bytes());
        } else {
            self.line(b',', digits.as_bytes());
        }
    }

    /// A number beyond 64 bits, in decimal digits; a bulk string in version 2.
    pub fn big_number(&mut self, digits: &str) {
        if self.is_two() {
            self.bulk(digits.as_bytes());
        } else {
            self.line(b'(', digits.as_bytes());
        }
    }

    /// Text with a format of three letters; a bulk string in version 2.
    pub fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        if self.is_two() {
            self.bulk(text);
            return;
        }
        self.header(b'=', text.len() + 4);
        self.out.extend_from_slice(&format);
        self.out.push(b':');
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }

    /// An error that may hold any bytes; a simple error in version 2, with line ends as spaces.
    pub fn bulk_error(&mut self, text: &[u8]) {
        if self.is_two() {
            let line: Vec<u8> =
                text.iter().map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }).collect();
            self.line(b'-', &line);
            return;
        }
        self.header(b'!', text.len());
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Appends a request: an array of bulk strings.
///
/// # Examples
/// ```
/// let mut out = Vec::new();
/// protocol::encode_request(&mut out, &[&b"GET"[..], b"k"]);
/// assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
/// ```
pub fn encode_request<A: AsRef<[u8]>>(out: &mut Vec<u8>, args: &[A]) {
    let mut encoder = Encoder::new(out, Version::Two);
    encoder.array(args.len());
    for arg in args {
        encoder.bulk(arg.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(version: Version, write: impl FnOnce(&mut Encoder<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Encoder::new(&mut out, version));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_frame_in_version_two_and_three() {
        type Write = fn(&mut Encoder<'_>);
        let cases: [(Write, &str, &str); 15] = [
            (|e| e.null(), "$-1\r\n", "_\r\n"),
            (|e| e.null_array(), "*-1\r\n", "_\r\n"),
            (|e| e.map(2), "*4\r\n", "%2\r\n"),
            (|e| e.set(1), "*1\r\n", "~1\r\n"),
            (|e| e.push(3), "*3\r\n", ">3\r\n"),
            (|e| e.boolean(true), ":1\r\n", "#t\r\n"),
            (|e| e.double(2.5), "$3\r\n2.5\r\n", ",2.5\r\n"),
            (|e| e.bulk_double(2.5), "$3\r\n2.5\r\n", "$3\r\n2.5\r\n"),
            (|e| e.double(0.1 + 0.2), "$19\r\n0.30000000000000004\r\n", ",0.30000000000000004\r\n"),
            (|e| e.decimal("0.10"), "$4\r\n0.10\r\n", ",0.10\r\n"),
            (|e| e.big_number("123"), "$3\r\n123\r\n", "(123\r\n"),
            (|e| e.verbatim(*b"txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
            (|e| e.bulk_error(b"ERR a\nb"), "-ERR a b\r\n", "!7\r\nERR a\nb\r\n"),
            (|e| e.integer(-12), ":-12\r\n", ":-12\r\n"),
            (|e| e.simple("a\r\nb"), "+a  b\r\n", "+a  b\r\n"),
        ];
        for (write, two, three) in cases {
            assert_eq!(encoded(Version::Two, write), two);
            assert_eq!(encoded(Version::Three, write), three);
        }
    }

    #[test]
    fn errors_are_one_line_whatever_they_quote() {
        let error = CommandError::unknown_command(&[b"a\r\nb", b"\xff"]);
        let mut out = Vec::new();
        Encoder::new(&mut out, Version::Two).error(&error);
        assert_eq!(out, b"-ERR unknown command 'a  b', with args beginning with: '\xff' \r\n");
    }

    #[test]
    fn headers_of_one_to_four_digits() {
        for len in [0, 9, 10, 99, 100, 255, 256, 1_000] {
            let text = encoded(Version::Two, |e| e.array(len));
            assert_eq!(text, format!("*{len}\r\n"));
        }
    }

    #[test]
    fn scores_in_every_version() {
        assert_eq!(encoded(Version::Two, |e| e.scored(2)), "*4\r\n");
        assert_eq!(encoded(Version::Three, |e| e.scored(2)), "*2\r\n");
        assert_eq!(encoded(Version::Four, |e| e.scored(2)), "^2\r\n");
    }
}
