//! Lines that people type: words, quotes, escapes.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| protocol::properties::any_inline(input));
