//! Replies of a peer that nobody trusts, cut anywhere.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| protocol::properties::any_decoder(input));
