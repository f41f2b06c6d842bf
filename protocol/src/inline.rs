//! Words and quoting: inline requests, and what a command line prints back.
//!
//! The rules are those of Redis (`sdssplitargs`, `sdscatrepr`), because people paste what one
//! tool printed into another.

use zumic_error::ProtocolError;

/// Splits a line into words. `None`: the quotes do not close, or close inside a word.
///
/// A zero byte ends the line, as it does for Redis. Double quotes know `\n \r \t \b \a \xHH` and
/// `\c` for any other `c`; single quotes know `\'`.
///
/// # Examples
/// ```
/// use protocol::inline::split;
/// assert_eq!(split(br#"SET key "a\x41 b""#).unwrap(), [&b"SET"[..], b"key", b"aA b"]);
/// assert!(split(b"SET 'open").is_none());
/// ```
#[must_use]
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Words::default();
    split_into(line, &mut words).ok()?;
    let ends = words.ranges.iter();
    Some(ends.map(|&(start, len)| words.bytes[start..start + len].to_vec()).collect())
}

/// The words of a line, one after the other in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ranges: Vec<(usize, usize)>,
}

pub(crate) fn split_into(line: &[u8], words: &mut Words) -> Result<(), ProtocolError> {
    words.bytes.clear();
    words.ranges.clear();
    let mut rest = line;
    loop {
        while let [first, tail @ ..] = rest
            && is_space(*first)
        {
            rest = tail;
        }
        if matches!(rest, [] | [0, ..]) {
            return Ok(());
        }
        let start = words.bytes.len();
        rest = word(rest, &mut words.bytes).ok_or(ProtocolError::UnbalancedQuotes)?;
        words.ranges.push((start, words.bytes.len() - start));
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c)
}

/// Takes one word; returns what is behind it.
fn word<'l>(mut rest: &'l [u8], out: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        match rest {
            [] | [0, ..] => return Some(&[]),
            [b'"', tail @ ..] => return closed(double_quoted(tail, out)?),
            [b'\'', tail @ ..] => return closed(single_quoted(tail, out)?),
            [byte, ..] if is_space(*byte) => return Some(rest),
            [byte, tail @ ..] => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
}

/// A closing quote ends its word: a space or the end of the line must follow.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [byte, ..] if !is_space(*byte) && *byte != 0 => None,
        _ => Some(rest),
    }
}

fn double_quoted<'l>(mut rest: &'l [u8], out: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        match rest {
            [] | [0, ..] => return None,
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, tail @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                out.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] if *escaped != 0 => {
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                rest = tail;
            }
            [byte, tail @ ..] => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
}

fn single_quoted<'l>(mut rest: &'l [u8], out: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        match rest {
            [] | [0, ..] => return None,
            [b'\\', b'\'', tail @ ..] => {
                out.push(b'\'');
                rest = tail;
            }
            [b'\'', tail @ ..] => return Some(tail),
            [byte, tail @ ..] => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// Appends `bytes` in double quotes, with everything unprintable escaped, so that [`split`]
/// gives the same bytes back.
///
/// # Examples
/// ```
/// let mut out = Vec::new();
/// protocol::inline::quote(&mut out, b"a\"\n\xff");
/// assert_eq!(out, br#""a\"\n\xff""#);
/// ```
pub fn quote(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_as_in_redis() {
        type Words<'w> = Option<&'w [&'w [u8]]>;
        let cases: [(&[u8], Words<'_>); 13] = [
            (b"", Some(&[])),
            (b"  a  b ", Some(&[b"a", b"b"])),
            (b"a\"b\"", Some(&[b"ab"])),
            (b"\"a\"b", None),
            (b"'a\\'b' c", Some(&[b"a'b", b"c"])),
            (b"'a\\nb'", Some(&[b"a\\nb"])),
            (b"\"\\xzz\"", Some(&[b"xzz"])),
            (b"\"\"", Some(&[b""])),
            (b"\"open", None),
            (b"a\0b", Some(&[b"a"])),
            (b" \0b", Some(&[])),
            (b"'a'\0b", Some(&[b"a"])),
            (b"\"a\0\"", None),
        ];
        for (line, want) in cases {
            let got = split(line);
            let got: Option<Vec<&[u8]>> =
                got.as_ref().map(|words| words.iter().map(Vec::as_slice).collect());
            assert_eq!(got.as_deref(), want, "{:?}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn quoting_is_undone_by_splitting() {
        let all: Vec<u8> = (0..=255).collect();
        let mut quoted = Vec::new();
        quote(&mut quoted, &all);
        assert_eq!(split(&quoted), Some(vec![all]));
    }
}
