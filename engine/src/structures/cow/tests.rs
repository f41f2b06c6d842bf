//! The shared vector against `Vec`, with clones taken at random moments.

use std::rc::Rc;
use std::sync::Arc;

use super::{CowVec, copied};

fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
}

fn below(seed: &mut u64, limit: usize) -> usize {
    usize::try_from(random(seed) % (limit as u64 + 1)).expect("at most a usize")
}

/// A clone, and what it must hold.
type Pair = (CowVec<Rc<u64>>, Vec<Rc<u64>>);

/// One random edit of both.
fn edit(seed: &mut u64, shared: &mut CowVec<Rc<u64>>, model: &mut Vec<Rc<u64>>) {
    let (number, len) = (Rc::new(random(seed)), model.len());
    let vector = shared.unshare();
    match random(seed) % 10 {
        0..=2 => {
            vector.push(Rc::clone(&number));
            model.push(number);
        }
        3 => assert_eq!(vector.pop(), model.pop()),
        4 => {
            let at = below(seed, len);
            vector.insert(at, Rc::clone(&number));
            model.insert(at, number);
        }
        5 if len > 0 => {
            let at = below(seed, len - 1);
            assert_eq!(vector.remove(at), model.remove(at));
        }
        6 => {
            let start = below(seed, len);
            let end = start + below(seed, (len - start).min(3));
            vector.remove_range(start..end);
            model.drain(start..end);
        }
        7 => {
            let at = below(seed, len);
            let mut tail = vector.split_off(at);
            let model_tail = model.split_off(at);
            assert_eq!(*tail, *model_tail);
            if random(seed).is_multiple_of(2) {
                vector.append(tail.unshare());
                model.extend(model_tail);
            }
        }
        8 => vector.shrink_to(below(seed, 2 * len)),
        9 => vector.reserve_exact(below(seed, 20)),
        _ => {
            vector.truncate(len / 2);
            model.truncate(len / 2);
        }
    }
}

#[test]
fn edits_and_clones_agree_with_vec() {
    for seed in 1..=30_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (mut shared, mut model) = (CowVec::new(), Vec::new());
        let mut clones: Vec<Pair> = Vec::new();
        for step in 0..400 {
            match random(&mut state) % 16 {
                0 => clones.push((shared.clone(), model.clone())),
                1 if !clones.is_empty() => {
                    let at = below(&mut state, clones.len() - 1);
                    clones.swap_remove(at);
                }
                // Go on with a clone: both sides may edit.
                2 if !clones.is_empty() => {
                    let last = clones.len() - 1;
                    let at = below(&mut state, last);
                    std::mem::swap(&mut shared, &mut clones[at].0);
                    std::mem::swap(&mut model, &mut clones[at].1);
                }
                _ => edit(&mut state, &mut shared, &mut model),
            }
            assert_eq!(*shared, *model, "SEED={seed} step={step}");
            for (clone, model) in &clones {
                assert_eq!(**clone, **model, "SEED={seed} step={step}");
            }
        }
    }
}

#[test]
fn elements_are_dropped_once_by_the_last() {
    let element = Rc::new(());
    let shared: CowVec<Rc<()>> = std::iter::repeat_n(Rc::clone(&element), 10).collect();
    assert_eq!(Rc::strong_count(&element), 11);
    let mut clone = shared.clone();
    assert_eq!(Rc::strong_count(&element), 11, "nothing is copied yet");
    clone.unshare().pop();
    assert_eq!(Rc::strong_count(&element), 20);
    drop(shared);
    assert_eq!(Rc::strong_count(&element), 10);
    drop(clone);
    assert_eq!(Rc::strong_count(&element), 1);
}

#[test]
fn only_what_is_shared_is_copied_and_only_once() {
    let mut numbers: CowVec<u64> = (0..100).collect();
    copied::take();
    numbers.unshare().push(1);
    assert_eq!(copied::take(), 0, "it is its own");
    let clone = numbers.clone();
    numbers.unshare().push(2);
    assert_eq!(copied::take(), numbers.heap_bytes());
    numbers.unshare().push(3);
    assert_eq!(copied::take(), 0, "it is its own again");
    drop(clone);
    assert!(CowVec::<u64>::new().clone().is_unique(), "nothing is shared by nobody");
}

#[test]
fn a_vector_fills_the_size_that_it_was_made_for() {
    assert_eq!(size_of::<CowVec<u8>>(), 16);
    assert_eq!((CowVec::<u8>::capacity_within(64), CowVec::<u64>::capacity_within(64)), (60, 7));
    assert_eq!(CowVec::<u8>::capacity_within(2), 0);
    let bytes: CowVec<u8> = CowVec::with_capacity(60);
    assert_eq!(bytes.heap_bytes(), 64);
    let mut bytes = CowVec::from(&b"0123456789"[..]);
    bytes.unshare().resize(12, b'x');
    bytes.unshare().resize(11, b'y');
    assert_eq!(&*bytes, b"0123456789x");
}

/// Readers on other threads see what they were given, while the original is edited.
#[test]
fn clones_are_read_elsewhere_while_the_original_is_edited() {
    let mut numbers: CowVec<u64> = (0..1_000).collect();
    for round in 0..200 {
        let clone = numbers.clone();
        let want: Arc<[u64]> = clone.to_vec().into();
        let reader = std::thread::spawn(move || assert_eq!(*clone, *want));
        for at in 0..1_000 {
            numbers.unshare()[at] += round;
        }
        reader.join().unwrap();
    }
    assert!(numbers.is_unique());
}
