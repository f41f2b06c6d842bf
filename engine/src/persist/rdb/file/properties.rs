//! What must hold for any input: shared by the tests here and the fuzz target.

use std::io::Read as _;

use super::super::value::properties::decodes_or_is_refused;
use super::{FileReader, Part};

/// Bytes are refused as a file, or read to their end; every value in it is refused, or sound. The
/// checksum is not compared first: a fuzzer would never get beyond it.
///
/// # Panics
/// If that does not hold.
pub fn loads_or_is_refused(bytes: &[u8]) {
    let Ok(mut reader) = FileReader::open(bytes) else { return };
    let mut parts = 0;
    while let Ok(Some(part)) = reader.next_part() {
        parts += 1;
        assert!(parts <= bytes.len(), "a part takes a byte at least");
        if let Part::Entry(entry) = part {
            assert!(entry.key.len() + entry.value.len() <= bytes.len() * 88, "more than there is");
            decodes_or_is_refused(entry.type_byte, &entry.value);
        }
    }
    let position = usize::try_from(reader.position()).expect("a slice's length");
    let mut rest = Vec::new();
    reader.into_rest().read_to_end(&mut rest).expect("a slice does not fail");
    assert!(position + rest.len() == bytes.len(), "bytes are used up once");
}
