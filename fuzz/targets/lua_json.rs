//! JSON that scripts decode, which must not hurt, and be written and read again.

#![no_main]

use engine::scripting::lua::properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::json_is_read_again(input));
