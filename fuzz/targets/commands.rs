//! Sequences of commands on an engine, which must answer as plain maps do.

#![no_main]

#[path = "../../engine/tests/commands/harness.rs"]
mod harness;
#[path = "../../engine/tests/commands/model.rs"]
mod model;
#[path = "../../engine/tests/commands/ops.rs"]
mod ops;
#[path = "../../engine/tests/commands/sink.rs"]
mod sink;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    model::engine_agrees_with_maps(&mut ops::Input(input), usize::MAX, "input");
});
