//! Strings taken as sketches, whose additions must agree with those to dense ones.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    engine::structures::hyperloglog::properties::additions_agree_with_dense(input);
});
