//! Formats and data for struct.unpack, which must stay within the data.

#![no_main]

use engine::scripting::lua::properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::structs_stay_within_their_data(input));
