//! Listpacks: the bytes at every limit of the encodings, and edits against a `VecDeque`.

use std::collections::VecDeque;

use super::*;
use crate::structures::cow::CowVec;

fn packed(values: &[&[u8]]) -> ListpackBuf {
    let mut listpack = ListpackBuf::new();
    for value in values {
        listpack.push_back(value);
    }
    listpack
}

fn texts(view: Listpack<'_>) -> Vec<Vec<u8>> {
    view.iter().map(|entry| entry.to_bytes().into_owned()).collect()
}

/// Encoding, data and back-length, written by hand from Redis's specification.
#[test]
fn entries_have_the_bytes_of_redis() {
    let cases: [(&[u8], &[u8]); 16] = [
        (b"", &[0x80, 1]),
        (b"a", &[0x81, b'a', 2]),
        (b"0", &[0, 1]),
        (b"127", &[0x7f, 1]),
        (b"128", &[0xc0, 0x80, 2]),
        (b"-1", &[0xdf, 0xff, 2]),
        (b"4095", &[0xcf, 0xff, 2]),
        (b"-4096", &[0xd0, 0, 2]),
        (b"4096", &[0xf1, 0, 0x10, 3]),
        (b"-32768", &[0xf1, 0, 0x80, 3]),
        (b"32768", &[0xf2, 0, 0x80, 0, 4]),
        (b"8388608", &[0xf3, 0, 0, 0x80, 0, 5]),
        (b"-2147483649", &[0xf4, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 9]),
        (b"2147483648", &[0xf4, 0, 0, 0, 0x80, 0, 0, 0, 0, 9]),
        (b"01", &[0x82, b'0', b'1', 3]),
        (b"-0", &[0x82, b'-', b'0', 3]),
    ];
    for (value, want) in cases {
        assert_eq!(packed(&[value]).as_ref().entries(), want, "{value:?}");
    }
}

#[test]
fn string_headers_change_at_64_and_4096_bytes() {
    for (len, head) in [
        (63, vec![0xbf]),
        (64, vec![0xe0, 64]),
        (4095, vec![0xef, 0xff]),
        (4096, vec![0xf0, 0, 0x10, 0, 0]),
        (70_000, vec![0xf0, 0x70, 0x11, 1, 0]),
    ] {
        let listpack = packed(&[&vec![b'x'; len]]);
        assert!(listpack.as_ref().entries().starts_with(&head), "{len}");
        assert_eq!(texts(listpack.as_ref()), [vec![b'x'; len]]);
    }
}

/// Redis spends a byte more at 16383 and its like than it must; so do we.
#[test]
fn back_lengths_change_where_redis_changes_them() {
    for (len, want) in [
        (126 - 1, &[127_u8][..]),
        (126, &[1, 0x80][..]),
        (16_382 - 5, &[0x7f, 0xfe][..]),
        (16_383 - 5, &[0, 0xff, 0xff][..]),
        (2_097_150 - 5, &[0x7f, 0xff, 0xfe][..]),
        (2_097_151 - 5, &[0, 0xff, 0xff, 0xff][..]),
    ] {
        let listpack = packed(&[b"before", &vec![b'x'; len]]);
        assert!(listpack.as_ref().entries().ends_with(want), "{len}");
        let mut back = listpack.as_ref().iter().rev();
        assert_eq!(back.next().map(Entry::len), Some(len));
        assert!(back.next().is_some_and(|entry| entry.eq_bytes(b"before")), "{len}");
    }
}

#[test]
fn every_integer_reads_back_from_both_ends() {
    let mut numbers = vec![i64::MIN, i64::MAX, 0];
    for bits in 0..63 {
        for around in -1..=1 {
            numbers.push((1 << bits) + around);
            numbers.push(-(1 << bits) + around);
        }
    }
    let mut listpack = ListpackBuf::new();
    for number in &numbers {
        listpack.push_back(number.to_string().as_bytes());
    }
    let read = |entry: Entry<'_>| match entry {
        Entry::Int(number) => number,
        Entry::Bytes(bytes) => panic!("{bytes:?} is not an integer"),
    };
    assert!(listpack.as_ref().iter().map(read).eq(numbers.iter().copied()));
    assert!(listpack.as_ref().iter().rev().map(read).eq(numbers.iter().rev().copied()));
    for number in numbers {
        let found = listpack.as_ref().find(number.to_string().as_bytes(), 1);
        let found = found.and_then(|index| listpack.as_ref().get(index)).expect("it was pushed");
        assert_eq!(found.integer(), Some(number));
    }
}

#[test]
fn the_packed_count_is_short_below_255() {
    let mut listpack = ListpackBuf::new();
    assert_eq!(listpack.as_packed(), [0]);
    for count in 1..=300_usize {
        listpack.push_front(b"x");
        let packed = listpack.as_packed();
        let head = if count < 255 { 1 } else { 5 };
        assert_eq!(packed.len(), head + listpack.bytes_len());
        assert_eq!(Listpack::from_packed(packed).len(), count);
        assert_eq!(ListpackBuf::from_packed(packed).len(), count);
    }
    listpack.remove(0, 46);
    assert_eq!(listpack.as_packed()[0], 254);
}

#[test]
fn find_looks_at_every_stride_only() {
    let listpack = packed(&[b"a", b"b", b"b", b"7", b"7", b"a", b"odd"]);
    let view = listpack.as_ref();
    assert_eq!(view.find(b"b", 1), Some(1));
    assert_eq!(view.find(b"b", 2), Some(2));
    assert_eq!(view.find(b"7", 2), Some(4));
    assert_eq!(view.find(b"a", 3), Some(0));
    assert_eq!(view.find(b"odd", 2), Some(6));
    assert_eq!(view.find(b"07", 1), None);
    assert_eq!(view.find(b"", 1), None);
    assert_eq!(ListpackBuf::new().as_ref().find(b"", 1), None);
}

#[test]
fn a_queue_does_not_grow() {
    let mut queue = packed(&[&[b'x'; 50][..]; 10]);
    let mut memory_max = 0;
    for _ in 0..10_000 {
        queue.push_back(&[b'x'; 50]);
        queue.pop_front(|_| ());
        memory_max = memory_max.max(queue.memory());
    }
    assert!(memory_max < 4 * queue.bytes_len(), "{memory_max} bytes");
    for _ in 0..10_000 {
        queue.push_front(&[b'x'; 50]);
        queue.pop_back(|_| ());
        memory_max = memory_max.max(queue.memory());
    }
    assert!(memory_max < 4 * queue.bytes_len(), "{memory_max} bytes");
    queue.shrink_to_fit();
    assert_eq!(queue.memory(), CowVec::<u8>::bytes_for(5 + queue.bytes_len()));
}

#[derive(Clone, Debug)]
enum Op {
    Clear,
    Extend(usize),
    Insert(usize, Vec<u8>),
    PopBack,
    PopFront,
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    Remove(usize, usize),
    Replace(usize, Vec<u8>),
    Shrink,
    SplitOff(usize),
    Truncate(usize),
}

struct Seed(u64);

impl Seed {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % bound
    }

    /// Values around the limits of the encodings, few enough to meet again.
    fn value(&mut self) -> Vec<u8> {
        match self.below(6) {
            0 => self.below(4).to_string().into_bytes(),
            1 => format!("-{}", 1_u64 << self.below(63)).into_bytes(),
            2 => vec![b'x'; [0, 1, 63, 64, 125, 126][self.below(6)]],
            3 if self.below(10) == 0 => vec![b'y'; [4095, 4096, 16_378][self.below(3)]],
            _ => format!("value:{}", self.below(20)).into_bytes(),
        }
    }

    fn op(&mut self, len: usize) -> Op {
        match self.below(24) {
            0 if self.below(20) == 0 => Op::Clear,
            0 => Op::Shrink,
            1 => Op::Extend(self.below(4)),
            2..=3 => Op::Insert(self.below(len + 1), self.value()),
            4..=6 => Op::PopBack,
            7..=9 => Op::PopFront,
            10..=13 => Op::PushBack(self.value()),
            14..=17 => Op::PushFront(self.value()),
            18 if self.below(4) == 0 => Op::SplitOff(self.below(len + 1)),
            19 if self.below(4) == 0 => Op::Truncate(self.below(len + 2)),
            18..=20 => {
                let index = self.below(len + 1);
                Op::Remove(index, self.below((len - index).min(5) + 1))
            }
            _ if len > 0 => Op::Replace(self.below(len), self.value()),
            _ => Op::PushBack(self.value()),
        }
    }
}

fn apply(listpack: &mut ListpackBuf, model: &mut VecDeque<Vec<u8>>, op: Op) {
    match op {
        Op::Clear => {
            listpack.clear();
            model.clear();
        }
        Op::Extend(count) => {
            let count = count.min(model.len());
            let more: Vec<_> = model.iter().take(count).cloned().collect();
            let copy = listpack.clone();
            listpack.extend(copy.as_ref().slice(0, count));
            model.extend(more);
        }
        Op::Insert(index, value) => {
            listpack.insert(index, &value);
            model.insert(index, value);
        }
        Op::PopBack => {
            assert_eq!(listpack.pop_back(|e| e.to_bytes().into_owned()), model.pop_back())
        }
        Op::PopFront => {
            assert_eq!(listpack.pop_front(|e| e.to_bytes().into_owned()), model.pop_front())
        }
        Op::PushBack(value) => {
            listpack.push_back(&value);
            model.push_back(value);
        }
        Op::PushFront(value) => {
            listpack.push_front(&value);
            model.push_front(value);
        }
        Op::Remove(index, count) => {
            listpack.remove(index, count);
            model.drain(index..index + count);
        }
        Op::Replace(index, value) => {
            listpack.replace(index, &value);
            model[index] = value;
        }
        Op::Shrink => listpack.shrink_to_fit(),
        Op::SplitOff(index) => {
            let tail = listpack.split_off(index);
            assert!(model.drain(index..).eq(texts(tail.as_ref())));
        }
        Op::Truncate(count) => {
            listpack.truncate(count);
            model.truncate(count);
        }
    }
}

#[test]
fn edits_agree_with_a_deque() {
    for seed in 1..=200_u64 {
        let mut choices = Seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (mut listpack, mut model) = (ListpackBuf::new(), VecDeque::new());
        for step in 0..500 {
            let op = choices.op(model.len());
            let context = format!("SEED={seed} step={step} {op:?}");
            apply(&mut listpack, &mut model, op);
            let view = Listpack::from_packed(listpack.as_packed());
            assert_eq!(model, texts(view), "{context}");
            let back: Vec<_> = view.iter().rev().map(|e| e.to_bytes().into_owned()).collect();
            assert!(back.iter().eq(model.iter().rev()), "{context}");
            let needle = choices.value();
            let want = model.iter().position(|value| *value == needle);
            assert_eq!(view.find(&needle, 1), want, "{context} {needle:?}");
            let index = choices.below(model.len() + 1);
            let got = view.get(index).map(|entry| entry.to_bytes().into_owned());
            assert_eq!(got.as_ref(), model.get(index), "{context}");
        }
    }
}
