//! Areas on the map, whose ranges must miss no place.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    engine::structures::geo::properties::no_place_is_missed(input);
});
