//! Operations on a set of integers, which must answer as a tree does.

#![no_main]

use engine::structures::intset::properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::agrees_with_a_tree(input));
