//! Operations on a table, which must agree with a map.

#![no_main]

use engine::structures::smart_hash::properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::table_agrees_with_a_map(1, input));
