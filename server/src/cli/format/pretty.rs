//! Replies for people: types in brackets, strings quoted, lists numbered.
//!
//! Why it exists: at a terminal one wants to see that `"1"` is not `(integer) 1`. The form is that
//! of `redis-cli` to the byte. Sorted sets of ZSP version 4 print like maps with `^` as their mark.
//!
//! The layout: an element's index is right-aligned to the width of the largest one, and everything
//! below it is indented by that width plus two. The first line of a nested list continues its
//! parent's line, so an indentation is written from the second element on.

use protocol::inline::quote;

use crate::cli::reply::Reply;

/// Appends the readable form of `reply`, ending with a line feed.
pub(super) fn append(out: &mut Vec<u8>, reply: &Reply) {
    append_indented(out, reply, "");
}

fn append_indented(out: &mut Vec<u8>, reply: &Reply, indent: &str) {
    match reply {
        Reply::Array(elements) => append_list(out, elements, ')', "(empty array)", indent),
        Reply::Push(elements) => append_list(out, elements, ')', "(empty push)", indent),
        Reply::Set(elements) => append_list(out, elements, '~', "(empty set)", indent),
        Reply::Map(pairs) => append_pairs(out, pairs, '#', "(empty hash)", indent),
        Reply::SortedSet(pairs) => append_pairs(out, pairs, '^', "(empty sorted set)", indent),
        scalar => append_scalar(out, scalar),
    }
}

fn append_scalar(out: &mut Vec<u8>, reply: &Reply) {
    let (mark, text): (&[u8], &[u8]) = match reply {
        Reply::BigNumber(text) => (b"(big number) ", text),
        Reply::Boolean(true) => (b"(true)", b""),
        Reply::Boolean(false) => (b"(false)", b""),
        Reply::Bulk(text) => {
            quote(out, text);
            (b"", b"")
        }
        Reply::Double(text) => (b"(double) ", text),
        Reply::Error(text) => (b"(error) ", text),
        Reply::Integer(number) => {
            out.extend_from_slice(format!("(integer) {number}").as_bytes());
            (b"", b"")
        }
        Reply::Status(text) | Reply::Verbatim(text) => (b"", text),
        // Null; the lists went elsewhere.
        _ => (b"(nil)", b""),
    };
    out.extend_from_slice(mark);
    out.extend_from_slice(text);
    out.push(b'\n');
}

fn append_list(out: &mut Vec<u8>, elements: &[Reply], mark: char, empty: &str, indent: &str) {
    if elements.is_empty() {
        out.extend_from_slice(empty.as_bytes());
        out.push(b'\n');
        return;
    }
    let width = digits(elements.len());
    let deeper = format!("{indent}{:1$}", "", width + 2);
    for (index, element) in elements.iter().enumerate() {
        append_index(out, index, width, mark, indent);
        append_indented(out, element, &deeper);
    }
}

fn append_pairs(
    out: &mut Vec<u8>,
    pairs: &[(Reply, Reply)],
    mark: char,
    empty: &str,
    indent: &str,
) {
    if pairs.is_empty() {
        out.extend_from_slice(empty.as_bytes());
        out.push(b'\n');
        return;
    }
    let width = digits(pairs.len());
    let deeper = format!("{indent}{:1$}", "", width + 2);
    for (index, (key, value)) in pairs.iter().enumerate() {
        append_index(out, index, width, mark, indent);
        append_indented(out, key, &deeper);
        // The value goes on the key's last line, unless it needs lines of its own.
        out.pop();
        out.extend_from_slice(b" => ");
        if has_many_lines(value) {
            out.push(b'\n');
            out.extend_from_slice(deeper.as_bytes());
        }
        append_indented(out, value, &deeper);
    }
}

fn append_index(out: &mut Vec<u8>, index: usize, width: usize, mark: char, indent: &str) {
    let indent = if index == 0 { "" } else { indent };
    out.extend_from_slice(format!("{indent}{:width$}{mark} ", index + 1).as_bytes());
}

fn has_many_lines(reply: &Reply) -> bool {
    match reply {
        Reply::Array(elements) | Reply::Push(elements) | Reply::Set(elements) => {
            match &elements[..] {
                [] => false,
                [only] => has_many_lines(only),
                _ => true,
            }
        }
        Reply::Map(pairs) | Reply::SortedSet(pairs) => match &pairs[..] {
            [] => false,
            [(_, only)] => has_many_lines(only),
            _ => true,
        },
        _ => false,
    }
}

/// Decimal digits of `count`.
fn digits(count: usize) -> usize {
    count.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::append;
    use crate::cli::reply::Reply;

    fn pretty(reply: &Reply) -> String {
        let mut out = Vec::new();
        append(&mut out, reply);
        String::from_utf8(out).unwrap()
    }

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    #[test]
    fn scalars_name_their_types() {
        assert_eq!(pretty(&Reply::Status(b"OK".to_vec())), "OK\n");
        assert_eq!(pretty(&Reply::Error(b"ERR no".to_vec())), "(error) ERR no\n");
        assert_eq!(pretty(&Reply::Integer(-3)), "(integer) -3\n");
        assert_eq!(pretty(&Reply::Double(b"inf".to_vec())), "(double) inf\n");
        assert_eq!(pretty(&Reply::BigNumber(b"12".to_vec())), "(big number) 12\n");
        assert_eq!(pretty(&Reply::Boolean(true)), "(true)\n");
        assert_eq!(pretty(&Reply::Boolean(false)), "(false)\n");
        assert_eq!(pretty(&Reply::Null), "(nil)\n");
        assert_eq!(pretty(&Reply::Verbatim(b"a\nb".to_vec())), "a\nb\n");
        assert_eq!(pretty(&bulk("a\nb")), "\"a\\nb\"\n");
    }

    #[test]
    fn empty_collections_name_themselves() {
        assert_eq!(pretty(&Reply::Array(vec![])), "(empty array)\n");
        assert_eq!(pretty(&Reply::Set(vec![])), "(empty set)\n");
        assert_eq!(pretty(&Reply::Map(vec![])), "(empty hash)\n");
        assert_eq!(pretty(&Reply::Push(vec![])), "(empty push)\n");
        assert_eq!(pretty(&Reply::SortedSet(vec![])), "(empty sorted set)\n");
    }

    #[test]
    fn indexes_align_at_nine_and_ten_elements() {
        let nine = pretty(&Reply::Array(vec![Reply::Null; 9]));
        assert!(nine.starts_with("1) (nil)\n") && nine.ends_with("\n9) (nil)\n"), "{nine}");
        let ten = pretty(&Reply::Array(vec![Reply::Null; 10]));
        assert!(ten.starts_with(" 1) (nil)\n") && ten.ends_with("\n10) (nil)\n"), "{ten}");
    }

    #[test]
    fn nested_lists_indent_from_their_second_element() {
        let inner = Reply::Array(vec![Reply::Integer(1), Reply::Array(vec![bulk("x"), bulk("y")])]);
        let outer = Reply::Array(vec![inner, Reply::Set(vec![bulk("s"), bulk("t")])]);
        let want = "1) 1) (integer) 1\n   2) 1) \"x\"\n      2) \"y\"\n2) 1~ \"s\"\n   2~ \"t\"\n";
        assert_eq!(pretty(&outer), want);
    }

    #[test]
    fn maps_break_the_line_only_before_values_of_many_lines() {
        let list = Reply::Array(vec![Reply::Integer(1), Reply::Integer(2)]);
        let single = Reply::Array(vec![Reply::Integer(1)]);
        let map = Reply::Map(vec![
            (bulk("a"), list.clone()),
            (bulk("b"), single),
            (bulk("c"), Reply::Map(vec![(bulk("d"), list)])),
        ]);
        let want = "1# \"a\" => \n   1) (integer) 1\n   2) (integer) 2\n\
                    2# \"b\" => 1) (integer) 1\n\
                    3# \"c\" => \n   1# \"d\" => \n      1) (integer) 1\n      2) (integer) 2\n";
        assert_eq!(pretty(&map), want);
    }

    #[test]
    fn sorted_sets_print_like_maps_with_their_own_mark() {
        let scores = vec![(bulk("bob"), Reply::Double(b"1.5".to_vec()))];
        assert_eq!(pretty(&Reply::SortedSet(scores)), "1^ \"bob\" => (double) 1.5\n");
    }
}
