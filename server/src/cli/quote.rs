//! Bytes as printable text in double quotes, the way Redis users know it.
//!
//! Why it exists: keys and values are binary, terminals are not. The form is the one that the
//! inline parser reads back: `"a\x00\n"`. Not for JSON, which has its own escapes: see
//! `format::json`.

/// Appends `bytes` to `out` in double quotes, with `\\`, `\"`, `\n`, `\r`, `\t`, `\a`, `\b` and
/// `\xHH` for whatever is not printable ASCII. Cost: O(bytes).
///
/// # Examples
/// ```
/// let mut out = Vec::new();
/// server::cli::quote::append_quoted(&mut out, b"a\"\x00\xff\n");
/// assert_eq!(out, br#""a\"\x00\xff\n""#);
/// ```
pub fn append_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
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
    use super::append_quoted;

    #[test]
    fn quotes_every_byte_in_printable_ascii() {
        let every: Vec<u8> = (0..=u8::MAX).collect();
        let mut out = Vec::new();
        append_quoted(&mut out, &every);
        assert!(out.iter().all(|byte| (b' '..=b'~').contains(byte)), "{out:?}");
        assert!(out.starts_with(br#""\x00\x01"#));
        assert!(out.ends_with(br#"\xfe\xff""#));
    }

    #[test]
    fn both_edges_of_the_printable_range() {
        let mut out = Vec::new();
        append_quoted(&mut out, b"\x1f ~\x7f");
        assert_eq!(out, br#""\x1f ~\x7f""#);
    }
}
