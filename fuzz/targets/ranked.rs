//! Operations on a sorted set's large form, against the standard library.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    engine::structures::ranked::properties::agrees_with_model(input, "input");
});
