//! Bytes as a log, and sound logs that were changed: a beginning of what was written, or an error.

#![no_main]

use engine::persist::log::properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    properties::any_bytes_are_read_or_refused(input);
    properties::a_changed_log_gives_a_prefix_or_an_error(input);
});
