//! What holds for every input, for unit tests and fuzzing alike.

use xxhash_rust::xxh3::xxh3_64;

use super::format::{BlockHeader, BlockKind, Codec, Header, RAW_BYTES_MAX, Tally, seal_of};
use super::{Entry, Reader, ZdbError, each_entry};
use crate::Thresholds;
use crate::persist::rdb::value::Rules;

/// Any bytes are read to a whole file or refused, without a panic; answers whether they were
/// refused. What is read once is read the same again.
///
/// # Panics
/// When that is not so.
pub fn any_bytes_are_read_or_refused(bytes: &[u8]) -> bool {
    let first = summed(bytes);
    let again = summed(bytes);
    match (first, again) {
        (Ok(first), Ok(again)) => {
            assert_eq!(first, again, "one file, two contents");
            false
        }
        (Err(_), Err(_)) => true,
        _ => panic!("a file is read now and refused then"),
    }
}

/// The same for bytes that stand inside a file whose hashes are right, so that a fuzzer gets past
/// them: the first byte says what kind of block they are, the second how many entries it claims,
/// the third whether they are called compressed.
///
/// # Panics
/// When that is not so.
pub fn any_content_is_read_or_refused(bytes: &[u8]) -> bool {
    let [kind, count, packed, content @ ..] = bytes else { return true };
    let content = &content[..content.len().min(RAW_BYTES_MAX)];
    let kinds = [BlockKind::Entries, BlockKind::Part, BlockKind::Functions, BlockKind::Index];
    let kind = kinds[usize::from(kind % 4)];
    let is_packed = packed % 2 == 1;
    let file = Header::default().to_bytes();
    let seed = seal_of(&file);
    let mut tally = Tally::behind_header();
    let mut all = file.to_vec();
    let mut put = |kind, content: &[u8], count: u32| {
        let stored_bytes = u32::try_from(content.len()).expect("cut above");
        let header = BlockHeader {
            kind,
            codec: if is_packed { Codec::Zstd } else { Codec::None },
            is_last: packed & 2 == 0,
            stored_bytes,
            raw_bytes: if is_packed { 1 << 16 } else { stored_bytes }.max(stored_bytes),
            count,
            chain: 0,
            number: tally.blocks,
            content_hash: xxh3_64(content),
        };
        let bytes = header.to_bytes(seed);
        all.extend_from_slice(&bytes);
        all.extend_from_slice(content);
        tally.add(&header, seal_of(&bytes));
    };
    put(kind, content, u32::from(*count));
    put(BlockKind::Index, b"", 0);
    all.extend_from_slice(&tally.summary().to_bytes(seed));
    any_bytes_are_read_or_refused(&all)
}

/// Keys, and bytes of keys, of a file.
fn summed(bytes: &[u8]) -> Result<(u64, usize), ZdbError> {
    let rules = Rules { thresholds: Thresholds::default(), seed: 1 };
    let mut reader = Reader::new(bytes)?;
    let mut sums = (0, 0);
    let loading = each_entry(&mut reader, &rules, |entry: Entry<'_>| {
        sums.0 += 1;
        sums.1 += entry.key.len();
        Ok(())
    })?;
    assert_eq!(loading.summary.keys, sums.0, "the footer was compared with the blocks");
    Ok(sums)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn well_formed_content_is_read_and_other_is_not() {
        // Entries, one, not compressed: database 0, no deadline, string "k" = "v".
        let entry = b"\0\x01\0\x02\0\0\x01k\x01v";
        assert!(!any_content_is_read_or_refused(entry));
        assert!(any_content_is_read_or_refused(&entry[..9]), "an end is missing");
        assert!(any_content_is_read_or_refused(b"\0\x02\0\x02\0\0\x01k\x01v"), "two are claimed");
        assert!(any_content_is_read_or_refused(b"\0\x01\0\0\0\x01k\x01v"), "no database");
        assert!(any_content_is_read_or_refused(b"\0\x01\x01\x02\0\0\x01k\x01v"), "no frame");
        assert!(!any_content_is_read_or_refused(b"\x01\0\0\x02\0\0\x01k\x01v"), "a chain of one");
        assert!(any_content_is_read_or_refused(b"\x01\x01\0\x02\0\0\x01k\x01v"), "the second part");
        assert!(any_content_is_read_or_refused(b"\x01\0\x02\x02\0\0\x01k\x01v"), "no last part");
    }
}
