//! Edits of a list of blocks, which must agree with a deque.

#![no_main]

use engine::structures::quicklist::properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::edits_agree_with_a_deque(input, "input"));
