//! Replies as JSON, one line each.
//!
//! Why it exists: `zumic-cli --json ... | jq`. The form is that of `redis-cli --json`: an error is
//! `error:"..."`, outside the grammar on purpose, so that no program takes it for a value; map keys
//! that are not strings are put in quotes. Sorted sets become lists of pairs, since a member is not
//! a key and JSON objects lose the order. Not a JSON library: it only writes.

use protocol::inline::quote;

use crate::cli::reply::Reply;

/// How strings are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Strings {
    /// Control characters escaped, all other bytes as they are.
    Plain,
    /// Redis's quoted form inside a JSON string: pure ASCII, every byte survives.
    Quoted,
}

/// Appends the JSON form of `reply`, without a line end.
pub(super) fn append(out: &mut Vec<u8>, reply: &Reply, strings: Strings) {
    match reply {
        Reply::Null => out.extend_from_slice(b"null"),
        Reply::Boolean(true) => out.extend_from_slice(b"true"),
        Reply::Boolean(false) => out.extend_from_slice(b"false"),
        Reply::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Reply::BigNumber(text) | Reply::Double(text) => out.extend_from_slice(text),
        Reply::Error(text) => {
            out.extend_from_slice(b"error:");
            append_string(out, text, strings);
        }
        Reply::Bulk(text) | Reply::Status(text) | Reply::Verbatim(text) => {
            append_string(out, text, strings);
        }
        Reply::Array(elements) | Reply::Push(elements) | Reply::Set(elements) => {
            append_separated(out, *b"[]", elements, |out, element| append(out, element, strings));
        }
        Reply::Map(pairs) => append_separated(out, *b"{}", pairs, |out, (key, value)| {
            append_key(out, key, strings);
            out.push(b':');
            append(out, value, strings);
        }),
        Reply::SortedSet(pairs) => append_separated(out, *b"[]", pairs, |out, (member, score)| {
            out.push(b'[');
            append(out, member, strings);
            out.push(b',');
            append(out, score, strings);
            out.push(b']');
        }),
    }
}

fn append_separated<T>(
    out: &mut Vec<u8>,
    brackets: [u8; 2],
    items: &[T],
    append_item: impl Fn(&mut Vec<u8>, &T),
) {
    out.push(brackets[0]);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        append_item(out, item);
    }
    out.push(brackets[1]);
}

/// Keys must be strings in JSON; what is not a string is written, then put in quotes.
fn append_key(out: &mut Vec<u8>, key: &Reply, strings: Strings) {
    if key.text().is_some() || key.error().is_some() {
        append(out, key, strings);
        return;
    }
    let mut text = Vec::new();
    append(&mut text, key, strings);
    append_escaped(out, &text);
}

fn append_string(out: &mut Vec<u8>, text: &[u8], strings: Strings) {
    match strings {
        Strings::Plain => append_escaped(out, text),
        Strings::Quoted => {
            let mut quoted = Vec::with_capacity(text.len() + 2);
            quote(&mut quoted, text);
            append_escaped(out, &quoted[1..quoted.len() - 1]);
        }
    }
}

fn append_escaped(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::{Strings, append};
    use crate::cli::reply::Reply;

    fn json(reply: &Reply, strings: Strings) -> String {
        let mut out = Vec::new();
        append(&mut out, reply, strings);
        String::from_utf8(out).unwrap()
    }

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    #[test]
    fn scalars() {
        let plain = |reply: &Reply| json(reply, Strings::Plain);
        assert_eq!(plain(&Reply::Null), "null");
        assert_eq!(plain(&Reply::Boolean(true)), "true");
        assert_eq!(plain(&Reply::Boolean(false)), "false");
        assert_eq!(plain(&Reply::Integer(5)), "5");
        assert_eq!(plain(&Reply::Double(b"1.25".to_vec())), "1.25");
        assert_eq!(plain(&Reply::Error(b"ERR x".to_vec())), "error:\"ERR x\"");
    }

    #[test]
    fn plain_strings_keep_utf8_and_escape_controls() {
        let text = json(&bulk("a\"\\\n\r\t\u{8}\u{c}\u{1}\u{1f} \u{e9}"), Strings::Plain);
        assert_eq!(text, "\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f \u{e9}\"");
    }

    #[test]
    fn quoted_strings_are_ascii_and_valid() {
        assert_eq!(json(&bulk("\u{e9}\u{0}"), Strings::Quoted), r#""\\xc3\\xa9\\x00""#);
        assert_eq!(json(&bulk("a\"b\\"), Strings::Quoted), r#""a\\\"b\\\\""#);
    }

    #[test]
    fn keys_become_strings() {
        let map = Reply::Map(vec![
            (Reply::Integer(1), Reply::Null),
            (bulk("k"), Reply::Boolean(true)),
            (Reply::Array(vec![bulk("x")]), Reply::Integer(2)),
        ]);
        assert_eq!(json(&map, Strings::Plain), r#"{"1":null,"k":true,"[\"x\"]":2}"#);
    }

    #[test]
    fn sorted_sets_are_lists_of_pairs() {
        let scores = Reply::SortedSet(vec![(bulk("b"), Reply::Double(b"1.5".to_vec()))]);
        assert_eq!(json(&scores, Strings::Plain), r#"[["b",1.5]]"#);
    }
}
