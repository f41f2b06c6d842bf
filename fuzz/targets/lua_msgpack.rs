//! MessagePack that scripts unpack, which must not hurt, and be packed and unpacked again.

#![no_main]

use engine::scripting::lua::properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::msgpack_is_read_again(input));
