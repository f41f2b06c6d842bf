//! Bytes as a value of any type, which must be refused or make a value that is sound.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let [kind, bytes @ ..] = input {
        engine::persist::rdb::value::properties::decodes_or_is_refused(*kind, bytes);
    }
});
