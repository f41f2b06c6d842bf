//! Requests of strangers, cut anywhere.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| protocol::properties::any_request(input));
