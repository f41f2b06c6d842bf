//! Edits of a stream and of a consumer group on it, which must agree with plain maps.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    engine::structures::stream::properties::stream_agrees_with_model(input);
});
