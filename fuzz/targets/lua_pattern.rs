//! Patterns and text, which must be found where they are, or not for ever.

#![no_main]

use engine::scripting::lua::properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::patterns_find_what_is_there(input));
