//! Quicklists: where blocks begin and end, and edits against a deque.

use super::properties::edits_agree_with_a_deque;
use super::*;
use crate::structures::cow::copied;

fn lens(list: &Quicklist) -> Vec<usize> {
    list.blocks().map(|block| block.as_ref().len()).collect()
}

fn numbers(range: std::ops::Range<usize>, limit: BlockLimit) -> Quicklist {
    let mut list = Quicklist::new();
    for number in range {
        list.push_back(number.to_string().as_bytes(), limit);
    }
    list
}

#[test]
fn settings_are_read_as_redis_reads_them() {
    for (setting, want) in [
        (i64::MIN, BlockLimit::Bytes(65_536)),
        (-5, BlockLimit::Bytes(65_536)),
        (-4, BlockLimit::Bytes(32_768)),
        (-3, BlockLimit::Bytes(16_384)),
        (-2, BlockLimit::Bytes(8_192)),
        (-1, BlockLimit::Bytes(4_096)),
        (0, BlockLimit::Count(1)),
        (1, BlockLimit::Count(1)),
        (7, BlockLimit::Count(7)),
    ] {
        assert_eq!(BlockLimit::from_setting(setting), want, "{setting}");
    }
}

#[test]
fn a_listpack_comes_back_at_half_the_limit() {
    let by_size = BlockLimit::Bytes(8_192);
    assert!(by_size.fits_listpack(4_096, 1_000, true));
    assert!(!by_size.fits_listpack(4_097, 1, true));
    assert!(by_size.fits_listpack(8_192, 1, false));
    let by_count = BlockLimit::Count(7);
    assert!(by_count.fits_listpack(4_000, 3, true));
    assert!(!by_count.fits_listpack(10, 4, true));
    assert!(!BlockLimit::Count(1).fits_listpack(10, 1, true));
}

#[test]
fn blocks_end_at_the_count_on_both_sides() {
    let limit = BlockLimit::Count(4);
    assert_eq!(lens(&numbers(0..4, limit)), [4]);
    assert_eq!(lens(&numbers(0..5, limit)), [4, 1]);
    let mut list = numbers(0..4, limit);
    list.push_front(b"x", limit);
    assert_eq!(lens(&list), [1, 4]);
}

/// Redis adds 8 bytes to the element and 7 to the block before it compares.
#[test]
fn blocks_end_at_the_size() {
    let limit = BlockLimit::Bytes(4_096);
    let mut list = Quicklist::new();
    list.push_back(&[b'x'; 1_000], limit);
    // 1000 + 2 + 2 bytes are in the block, 7 around it.
    list.push_back(&vec![b'x'; 4_096 - 1_011 - 8], limit);
    assert_eq!(lens(&list), [2]);
    let mut list = Quicklist::new();
    list.push_back(&[b'x'; 1_000], limit);
    list.push_back(&vec![b'x'; 4_096 - 1_011 - 7], limit);
    assert_eq!(lens(&list), [1, 1]);
}

#[test]
fn large_elements_are_alone() {
    let limit = BlockLimit::Bytes(4_096);
    let mut list = numbers(0..10, limit);
    list.insert(5, &[b'x'; 4_097], limit);
    assert_eq!(lens(&list), [5, 1, 5]);
    list.push_back(b"10", limit);
    list.insert(6, b"beside", limit);
    assert_eq!(lens(&list), [5, 1, 7]);
    // Its neighbours stay two blocks, as in Redis.
    list.remove(5, 1);
    assert_eq!(lens(&list), [5, 7]);
    list.replace(2, &[b'y'; 5_000], limit);
    assert_eq!(lens(&list), [2, 1, 9]);
    list.replace(2, b"small", limit);
    assert_eq!(lens(&list), [2, 1, 9]);
    assert!(list.memory() < 1_500, "{} bytes stay", list.memory());
}

#[test]
fn only_one_small_block_becomes_a_listpack() {
    let limit = BlockLimit::Count(4);
    assert_eq!(numbers(0..2, limit).take_small(limit, true).map(|block| block.len()), Some(2));
    assert!(numbers(0..3, limit).take_small(limit, true).is_none());
    let mut two_blocks = numbers(0..5, limit);
    two_blocks.remove(1, 3);
    assert_eq!(lens(&two_blocks), [1, 1]);
    assert!(two_blocks.take_small(limit, true).is_none());
    assert_eq!(two_blocks.len(), 2);
    assert!(Quicklist::new().take_small(limit, true).is_none());
    let mut large = Quicklist::new();
    large.push_back(&[b'x'; 9_000], limit);
    assert!(large.take_small(limit, true).is_none());
}

#[test]
fn full_blocks_are_split_and_joined() {
    let limit = BlockLimit::Count(4);
    let mut list = numbers(0..12, limit);
    list.insert(6, b"x", limit);
    assert_eq!(lens(&list), [4, 2, 3, 4]);
    assert!(list.get(6, |entry| entry.eq_bytes(b"x")).unwrap());
    list.insert(6, b"y", limit);
    assert_eq!(lens(&list), [4, 2, 4, 4]);
}

#[test]
fn memory_follows_the_elements() {
    let limit = BlockLimit::from_setting(-2);
    let list = numbers(0..200_000, limit);
    let payload: usize = list.blocks().map(|block| block.as_ref().bytes_len()).sum();
    assert!(list.memory() < payload + payload / 50, "{} for {payload}", list.memory());
    let mut list = list;
    list.trim(100_000, 100_010);
    assert!(list.memory() < 8_192, "{} bytes stay", list.memory());
}

#[test]
fn edits_agree_from_seeds() {
    let one = std::env::var("ZUMIC_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    for seed in one.map_or(1..=60, |seed| seed..=seed) {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut byte = || {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes()[0]
        };
        let bytes: Vec<u8> = (0..2_000).map(|_| byte()).collect();
        edits_agree_with_a_deque(&bytes, &format!("SEED={seed}"));
    }
}

/// What an edit after a snapshot copies: a block or two, and 64 headers each.
#[test]
fn an_edit_of_a_shared_list_copies_its_block_only() {
    let limit = BlockLimit::from_setting(-2);
    let large = vec![b'l'; 100_000];
    let mut list = Quicklist::new();
    for number in 0..50_000 {
        list.push_back(format!("element number {number}").as_bytes(), limit);
        if number % 5_000 == 4_999 {
            list.push_back(&large, limit);
        }
    }
    copied::take();
    list.push_front(b"first", limit);
    list.replace(30_000, b"other", limit);
    assert_eq!(copied::take(), 0, "nothing is shared");
    let shared = list.clone();
    let (mut most, mut total) = (0, 0);
    for step in 0..2_000 {
        match step % 6 {
            0 => list.push_front(b"first", limit),
            1 => list.push_back(b"last", limit),
            2 => assert!(list.pop_front(|_| ()).is_some()),
            3 => assert!(list.pop_back(|_| ()).is_some()),
            4 => list.insert(step * 20, b"inserted", limit),
            _ => list.replace(step * 23, b"replaced", limit),
        }
        let now = copied::take();
        (most, total) = (now.max(most), total + now);
    }
    assert!(most <= 40 * 1024, "{most} bytes for one edit");
    assert!(total <= list.memory(), "{total} bytes: more than everything once");
    assert_eq!(list.remove_equal(b"absent", 9, false), 0);
    assert_eq!(list.remove_equal(&large, 1, false), 1);
    assert!(copied::take() <= 8 * 1024, "a large element that goes is not copied");
    let removed = list.len() - 10;
    list.trim(5, 15);
    assert!(copied::take() <= 40 * 1024, "{removed} elements are not copied in order to go");
    assert_eq!(shared.len(), 50_011);
    drop(shared);
    list.push_front(b"first", limit);
    list.push_front(b"first", limit);
    assert_eq!(copied::take(), 0, "nobody shares any more");
}

fn compressed(list: &Quicklist) -> Vec<bool> {
    list.blocks.iter().map(Block::is_compressed).collect()
}

#[test]
fn a_block_is_compressed_when_it_leaves_the_depth_and_expanded_when_it_comes_back() {
    let limit = BlockLimit::Count(2);
    let mut list = Quicklist::with_depth(1);
    for number in 0..5 {
        list.push_back(
            format!("an element that repeats itself, itself: {number}").as_bytes(),
            limit,
        );
    }
    assert_eq!((lens(&list), compressed(&list)), (vec![2, 2, 1], vec![false, true, false]));
    list.push_front(b"first", limit);
    assert_eq!(compressed(&list), [false, true, true, false]);
    assert_eq!(list.pop_back(|entry| entry.len()), Some(41));
    assert_eq!(compressed(&list), [false, true, false]);
    list.trim(2, 5);
    assert_eq!((lens(&list), compressed(&list)), (vec![1, 2], vec![false, false]));
}

#[test]
fn an_edit_in_the_middle_leaves_the_block_compressed() {
    let limit = BlockLimit::Bytes(4_096);
    let mut list = Quicklist::with_depth(2);
    for number in 0..2_000 {
        list.push_back(format!("element number {number}").as_bytes(), limit);
    }
    let inner = list.blocks.len() - 4;
    let all_inner = |list: &Quicklist| compressed(list)[2..2 + inner].iter().all(|is| *is);
    assert!(inner > 4 && all_inner(&list));
    list.replace(1_000, b"other", limit);
    assert_eq!(list.find(b"other"), Some(1_000));
    assert_eq!(list.remove_equal(b"other", 9, true), 1);
    list.insert(1_000, b"element number 1000", limit);
    list.remove(900, 3);
    assert_eq!(list.get(1_000, |entry| entry.eq_bytes(b"element number 1003")), Some(true));
    assert!(all_inner(&list));
}

#[test]
fn compression_saves_memory_and_clones_share_it() {
    let limit = BlockLimit::from_setting(-2);
    let fill = |depth| {
        let mut list = Quicklist::with_depth(depth);
        for number in 0..100_000 {
            list.push_back(format!("session:{number}:user").as_bytes(), limit);
        }
        list
    };
    let (plain, list) = (fill(0), fill(1));
    assert!(list.memory() < plain.memory() / 2, "{} of {}", list.memory(), plain.memory());
    copied::take();
    let mut clone = list.clone();
    clone.push_back(b"last", limit);
    clone.replace(50_000, b"middle", limit);
    assert!(copied::take() <= 24 * 1024, "an end, two runs of headers");
    assert_eq!(list.find(b"middle"), None);
    assert_eq!(clone.find(b"middle"), Some(50_000));
}
