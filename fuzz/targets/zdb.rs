//! Files of snapshots, and entries behind hashes that are right: read, or refused.

#![no_main]

use engine::persist::zdb::{any_bytes_are_read_or_refused, any_content_is_read_or_refused};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    any_bytes_are_read_or_refused(input);
    any_content_is_read_or_refused(input);
});
