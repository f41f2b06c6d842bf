//! Bytes as a dump file, which must be refused or load, whatever they are.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    engine::persist::rdb::file::properties::loads_or_is_refused(input);
});
