//! Bare values, for pipes and scripts.
//!
//! Why it exists: `zumic-cli GET key > file` must write the value and nothing else. An error keeps
//! its line feed inside lists, as `redis-cli` has it. Not for telling types apart.

use crate::cli::reply::Reply;

/// Appends the bare form of `reply`, list elements separated by `delimiter`. Depth is bounded by
/// the decoder's nesting limit.
pub(super) fn append(out: &mut Vec<u8>, reply: &Reply, delimiter: &[u8]) {
    match reply {
        Reply::Null => {}
        Reply::Error(text) => {
            out.extend_from_slice(text);
            out.push(b'\n');
        }
        Reply::BigNumber(text)
        | Reply::Bulk(text)
        | Reply::Double(text)
        | Reply::Status(text)
        | Reply::Verbatim(text) => out.extend_from_slice(text),
        Reply::Boolean(true) => out.extend_from_slice(b"(true)"),
        Reply::Boolean(false) => out.extend_from_slice(b"(false)"),
        Reply::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Reply::Array(elements) | Reply::Push(elements) | Reply::Set(elements) => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(delimiter);
                }
                append(out, element, delimiter);
            }
        }
        Reply::Map(pairs) | Reply::SortedSet(pairs) => {
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(delimiter);
                }
                append(out, key, delimiter);
                out.push(b' ');
                append(out, value, delimiter);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::append;
    use crate::cli::reply::Reply;

    fn raw(reply: &Reply) -> String {
        let mut out = Vec::new();
        append(&mut out, reply, b"|");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn scalars_are_bare() {
        assert_eq!(raw(&Reply::Null), "");
        assert_eq!(raw(&Reply::Integer(-7)), "-7");
        assert_eq!(raw(&Reply::Double(b"3.10".to_vec())), "3.10");
        assert_eq!(raw(&Reply::Boolean(true)), "(true)");
        assert_eq!(raw(&Reply::Boolean(false)), "(false)");
        assert_eq!(raw(&Reply::Error(b"ERR x".to_vec())), "ERR x\n");
        assert_eq!(raw(&Reply::Verbatim(b"a\nb".to_vec())), "a\nb");
    }

    #[test]
    fn lists_flatten_and_pairs_take_a_space() {
        let nested = Reply::Array(vec![Reply::Integer(2), Reply::Array(vec![])]);
        let list = Reply::Push(vec![Reply::Integer(1), nested]);
        assert_eq!(raw(&list), "1|2|");
        let pair = (Reply::Bulk(b"k".to_vec()), Reply::Integer(1));
        assert_eq!(raw(&Reply::Map(vec![pair.clone(), pair.clone()])), "k 1|k 1");
        assert_eq!(raw(&Reply::SortedSet(vec![pair])), "k 1");
    }
}
