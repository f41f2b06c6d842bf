//! Reading logs back: sound, torn and damaged ones.

use super::appender::Beginning;
use super::draft::Draft;
use super::format::{Kind, SEGMENT_HEADER_BYTES, segment_name};
use super::properties::*;
use super::recover::{Damage, recover};
use crate::Tid;
use crate::persist::testing::MemoryDisk;
use crate::persist::{Disk as _, Progress};

fn block_of(epochs: &[u64]) -> Draft {
    let mut run = Vec::new();
    for (at, &epoch) in epochs.iter().enumerate() {
        let tid = Tid::from_bits(Tid::start_of(epoch).to_bits() + at as u64);
        run.extend(entry_bytes(tid, 1, 0, &[b"DEL", b"k"]));
    }
    let mut block = Draft::new();
    block.push(&run_bytes(&run));
    block
}

fn epochs_of(entries: &[Seen]) -> Vec<u64> {
    entries.iter().map(|entry| Tid::from_bits(entry.0).epoch()).collect()
}

fn next(base: u64) -> Beginning {
    Beginning { kind: Kind::Next, base, highest: base, synced: base }
}

#[test]
fn a_log_comes_back_in_order_over_segments() {
    let (disk, written) = sample_log();
    assert!(disk.list().unwrap().len() >= 3, "several segments");
    let (entries, recovered) = read(&disk).unwrap();
    assert_eq!(entries, written);
    // The last early entry's epoch was never complete.
    assert_eq!((recovered.complete, recovered.highest, recovered.dropped), (12, 13, 1));
    assert_eq!((recovered.entries, recovered.torn), (written.len() as u64, None));
}

#[test]
fn entries_that_a_snapshot_has_are_skipped() {
    let (disk, written) = sample_log();
    for covered in 0..14 {
        let mut into = Collect::default();
        recover(&disk, covered, &Progress::default(), &mut into).unwrap();
        let mut want = written.clone();
        want.retain(|entry| Tid::from_bits(entry.0).epoch() > covered);
        assert_eq!(into.entries, want, "covered {covered}");
    }
}

#[test]
fn every_flipped_byte_is_refused_or_leaves_a_prefix_that_nothing_vouches_beyond() {
    let (disk, written) = sample_log();
    let names = disk.list().unwrap();
    for (position, name) in names.iter().enumerate() {
        let is_last = position + 1 == names.len();
        let content = disk.read(name).unwrap();
        for at in 0..content.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = content.clone();
                changed[at] ^= change;
                let copy = disk.duplicate();
                copy.put(name, changed);
                match read(&copy) {
                    // Only the last block may be lost: no other says that it was durable.
                    Ok((entries, recovered)) => {
                        assert!(is_last, "{name} byte {at} passed");
                        assert_eq!(recovered.complete, 11, "{name} byte {at}");
                        assert_eq!(entries, written[..entries.len()]);
                    }
                    Err(error) => {
                        let text = error.to_string();
                        let placed = text.contains(name.as_str()) || text.contains("missing");
                        assert!(placed, "{name} byte {at}: {text}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_cut_of_the_last_segment_leaves_a_prefix() {
    let (disk, written) = sample_log();
    let name = disk.list().unwrap().pop().unwrap();
    let content = disk.read(&name).unwrap();
    let mut lengths = Vec::new();
    for length in 0..content.len() {
        let copy = disk.duplicate();
        copy.put(&name, content[..length].to_vec());
        match read(&copy) {
            Ok((entries, recovered)) => {
                assert_eq!(entries, written[..entries.len()], "cut at {length}");
                lengths.push(entries.len());
                let end = recovered.last.1;
                assert_eq!(recovered.torn.is_some(), end < length as u64, "cut at {length}");
            }
            Err(_) => assert!(length < SEGMENT_HEADER_BYTES, "cut at {length}"),
        }
    }
    assert!(lengths.is_sorted());
    assert!(lengths.last() < Some(&written.len()));
}

#[test]
fn a_cut_of_an_earlier_segment_is_damage_that_names_its_place() {
    let (disk, _) = sample_log();
    let name = disk.list().unwrap().remove(0);
    let content = disk.read(&name).unwrap();
    disk.put(&name, content[..content.len() - 1].to_vec());
    let error = read(&disk).unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    let damage = source.downcast_ref::<Damage>().unwrap();
    assert_eq!(damage.file, format!("memory/{name}"));
    assert!(damage.offset >= SEGMENT_HEADER_BYTES as u64 && damage.epoch >= 1, "{damage}");
}

#[test]
fn a_missing_segment_is_refused_unless_a_snapshot_has_what_it_held() {
    let (disk, written) = sample_log();
    let names = disk.list().unwrap();
    disk.remove(&names[0]).unwrap();
    assert!(read(&disk).unwrap_err().to_string().contains("missing"));
    let mut into = Collect::default();
    recover(&disk, 8, &Progress::default(), &mut into).unwrap();
    let want = written.iter().filter(|entry| Tid::from_bits(entry.0).epoch() > 8).count();
    assert_eq!(into.entries.len(), want);
}

/// Blocks written after the last sync may reach the disk in any order: a hole before one of them
/// is an end, and what is behind it never happened.
#[test]
fn a_hole_that_nothing_vouches_for_is_an_end() {
    let disk = MemoryDisk::default();
    let mut log = appender(&disk, 1 << 20);
    let mut ends = Vec::new();
    for epoch in 1..=4 {
        log.append(&mut block_of(&[epoch]), (epoch, epoch.min(2), epoch)).unwrap();
        ends.push(usize::try_from(log.extent().0).unwrap());
    }
    let content = disk.read(&segment_name(1)).unwrap();
    for (block, want) in [(0, None), (1, None), (2, Some(2)), (3, Some(3))] {
        let start = if block == 0 { SEGMENT_HEADER_BYTES } else { ends[block - 1] };
        for zeros in [start..ends[block], start..start + 1, ends[block] - 1..ends[block]] {
            let mut changed = content.clone();
            changed[zeros].iter_mut().for_each(|byte| *byte ^= 0x55);
            let copy = disk.duplicate();
            copy.put(&segment_name(1), changed);
            let complete = read(&copy).ok().map(|(_, recovered)| recovered.complete);
            assert_eq!(complete, want, "block {block}");
        }
    }
}

#[test]
fn what_a_recycled_file_held_is_no_block_of_the_new_segment() {
    let disk = MemoryDisk::default();
    let mut log = appender(&disk, 1 << 20);
    for epoch in 1..=5 {
        log.append(&mut block_of(&[epoch]), (epoch, epoch - 1, epoch)).unwrap();
    }
    log.begin(next(5)).unwrap();
    log.trim(4).unwrap();
    assert_eq!(disk.list().unwrap().len(), 2, "an entry of epoch 5 is needed");
    assert_eq!(log.trim(5).unwrap(), Vec::<String>::new(), "kept for the next segment");
    log.append(&mut block_of(&[6]), (6, 5, 6)).unwrap();
    log.begin(next(6)).unwrap();
    assert_eq!(disk.list().unwrap(), [segment_name(2), segment_name(3)], "the file came back");
    log.append(&mut block_of(&[7]), (7, 6, 7)).unwrap();
    let mut into = Collect::default();
    let recovered = recover(&disk, 5, &Progress::default(), &mut into).unwrap();
    assert_eq!((epochs_of(&into.entries), recovered.complete), (vec![6, 7], 7));
    assert_eq!(recovered.torn, None);
}

/// A recovery drops what is early; what it begins must keep it dropped.
#[test]
fn a_restart_ends_entries_that_were_never_complete() {
    let disk = MemoryDisk::default();
    let mut log = appender(&disk, 1 << 20);
    log.append(&mut block_of(&[1, 2]), (1, 0, 2)).unwrap();
    let restart = Beginning { kind: Kind::Restart, base: 1, highest: 2, synced: 1 };
    log.begin(restart).unwrap();
    log.append(&mut block_of(&[3]), (3, 1, 3)).unwrap();
    let (entries, recovered) = read(&disk).unwrap();
    assert_eq!((epochs_of(&entries), recovered.dropped), (vec![1, 3], 0));
}

#[test]
fn the_last_segment_that_knows_says_how_many_keys_to_expect() {
    let disk = MemoryDisk::default();
    let mut log = appender(&disk, 1 << 20);
    let expected = |disk: &MemoryDisk| {
        let mut into = Collect::default();
        recover(disk, 0, &Progress::default(), &mut into).unwrap();
        into.expected
    };
    log.append(&mut block_of(&[1; 400]), (1, 0, 1)).unwrap();
    assert_eq!(expected(&disk), None, "the first one begins with nothing");
    for keys in [300, u64::MAX, 7] {
        log.set_largest_db((keys, 3));
        log.begin(next(1)).unwrap();
        let length = |name: String| disk.read(&name).unwrap().len() as u64;
        let length: u64 = disk.list().unwrap().into_iter().map(length).sum();
        assert_eq!(expected(&disk), Some((3, keys.min(length / 24))), "of {length} bytes");
    }
    log.set_largest_db((0, 0));
    log.begin(next(1)).unwrap();
    assert_eq!(expected(&disk), Some((3, 7)), "the newest that knows");
}

/// The tail that a recovery cut is still in its file when the log has gone on in the next.
#[test]
fn a_restart_ends_the_segment_before_it() {
    let disk = MemoryDisk::default();
    let mut log = appender(&disk, 1 << 20);
    log.append(&mut block_of(&[1]), (1, 0, 1)).unwrap();
    let whole = usize::try_from(log.extent().0).unwrap();
    log.begin(Beginning { kind: Kind::Restart, base: 1, highest: 1, synced: 1 }).unwrap();
    log.append(&mut block_of(&[2]), (2, 1, 2)).unwrap();
    let mut content = disk.read(&segment_name(1)).unwrap();
    content.truncate(whole);
    content.extend_from_within(SEGMENT_HEADER_BYTES..whole - 3);
    disk.put(&segment_name(1), content);
    let (entries, recovered) = read(&disk).unwrap();
    assert_eq!((epochs_of(&entries), recovered.torn), (vec![1, 2], None));
}

/// A log begun after a fault lacks what the fault swallowed: without the snapshot that has it, it
/// never happened.
#[test]
fn a_gap_counts_with_its_snapshot_only() {
    let disk = MemoryDisk::default();
    let mut log = appender(&disk, 1 << 20);
    log.append(&mut block_of(&[1]), (1, 0, 1)).unwrap();
    log.begin(Beginning { kind: Kind::Gap, base: 4, highest: 5, synced: 1 }).unwrap();
    log.append(&mut block_of(&[6, 7]), (7, 1, 7)).unwrap();
    let (entries, recovered) = read(&disk).unwrap();
    assert_eq!((epochs_of(&entries), recovered.complete), (vec![1], 1));
    assert_eq!(recovered.void, [segment_name(2)]);
    let mut into = Collect::default();
    let recovered = recover(&disk, 6, &Progress::default(), &mut into).unwrap();
    assert_eq!((epochs_of(&into.entries), recovered.complete), (vec![7], 7));
    assert_eq!((recovered.void.len(), recovered.older.len()), (0, 2));
}

#[test]
fn generated_bytes_do_no_harm() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..300_usize {
        let mut bytes = Vec::new();
        for _ in 0..round % 97 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes()[..1 + round % 8]);
        }
        any_bytes_are_read_or_refused(&bytes);
        a_changed_log_gives_a_prefix_or_an_error(&bytes);
    }
}
