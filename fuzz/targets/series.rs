//! Operations on a time series, which must answer as a tree does.

#![no_main]

use engine::structures::series::properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::agrees_with_a_tree(input));
