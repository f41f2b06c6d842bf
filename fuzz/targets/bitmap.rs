//! Bitmap functions, which must agree with loops over single bits.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    engine::structures::bitmap::properties::bitmaps_agree_with_single_bits(input);
});
