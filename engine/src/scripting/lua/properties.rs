//! What must hold of the libraries of scripts for any input, for the fuzzer and for unit tests.
//!
//! Why it exists: what scripts decode comes from clients. Nothing may crash the process, run for
//! ever, or leave the machine unusable; what was read must be readable again when it is written.

use super::{CallReply, Limits, LogLevel, Permission, Script, ScriptHost, Verdict, Vm, sha1_hex};
use crate::reply::Discard;

/// Questions of a script to its host before it is stopped.
const TICKS_MAX: u32 = 200;

/// A host with no commands, which stops scripts that run for long.
struct Nothing {
    ticks: u32,
}

impl ScriptHost for Nothing {
    fn call(&mut self, _: &[&[u8]], reply: &mut CallReply) {
        crate::ReplySink::null(reply);
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn permission(&mut self, _: &[&[u8]]) -> Permission {
        Permission::Unknown
    }

    fn tick(&mut self) -> Verdict {
        self.ticks += 1;
        if self.ticks > TICKS_MAX { Verdict::Kill } else { Verdict::GoOn }
    }
}

/// Runs a script that may fail in ways that are not its input's fault, but not by `assert`.
fn run(body: &[u8], args: &[&[u8]]) {
    let limits = Limits { memory_bytes_max: 16 * 1024 * 1024, ..Limits::default() };
    let mut vm = Vm::new(limits).expect("the globals fit");
    let mut host = Nothing { ticks: 0 };
    let script = Script { sha: &sha1_hex(body), body };
    if let Err(failure) = vm.run(script, &[], args, &mut host, &mut Discard) {
        let line = String::from_utf8_lossy(&failure.line).into_owned();
        let may_fail = ["not enough memory", "Script killed"];
        assert!(may_fail.iter().any(|text| line.contains(text)), "{line}");
    }
    let body = b"return cjson.encode({1})";
    let script = Script { sha: &sha1_hex(body), body };
    let mut host = Nothing { ticks: 0 };
    let next = vm.run(script, &[], &[], &mut host, &mut Discard);
    assert_eq!(next, Ok(()), "the next script runs");
}

/// JSON that can be read can be written, and read again. What is no number in JSON may be read and
/// not written.
///
/// # Panics
/// When that does not hold.
pub fn json_is_read_again(input: &[u8]) {
    run(
        b"local ok, value = pcall(cjson.decode, ARGV[1]) if not ok then return end \
          cjson.encode_invalid_numbers('null') cjson.encode_sparse_array(true) \
          local text = cjson.encode(value) assert(pcall(cjson.decode, text), text)",
        &[input],
    );
}

/// MessagePack that can be read can be written, and read again, as many values.
///
/// # Panics
/// When that does not hold.
pub fn msgpack_is_read_again(input: &[u8]) {
    run(
        b"local values = {pcall(cmsgpack.unpack, ARGV[1])} \
          if not values[1] or #values < 2 or #values > 100 then return end \
          local text = cmsgpack.pack(unpack(values, 2, #values)) \
          assert(select('#', cmsgpack.unpack(text)) == #values - 1, text)",
        &[input],
    );
}

/// A format (up to the first line end) and data: what is unpacked is at most the data's, and where
/// it ends is within it.
///
/// # Panics
/// When that does not hold.
pub fn structs_stay_within_their_data(input: &[u8]) {
    let place = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (format, data) = input.split_at(place);
    run(
        b"local results = {pcall(struct.unpack, ARGV[1], ARGV[2])} \
          local last = results[#results] \
          if results[1] then assert(last >= 1 and last <= #ARGV[2] + 1, last) end \
          pcall(struct.size, ARGV[1]) \
          pcall(struct.pack, ARGV[1], 1, 2, 3, 4, 5, 6, 7, 8, 9)",
        &[format, data],
    );
}

/// A pattern (up to the first line end) and text: what is found is in the text.
///
/// # Panics
/// When that does not hold.
pub fn patterns_find_what_is_there(input: &[u8]) {
    let place = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (pattern, text) = input.split_at(place);
    run(
        b"local ok, first, last = pcall(string.find, ARGV[2], ARGV[1]) \
          if ok and first then assert(first >= 1 and last <= #ARGV[2] and last >= first - 1) end \
          pcall(string.gsub, ARGV[2], ARGV[1], '%1') \
          for _ in string.gmatch(ARGV[2], '.') do end",
        &[pattern, text],
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Short inputs of bytes that mean something to the libraries.
    #[test]
    fn properties_hold_of_small_inputs() {
        let letters = b"[{\"a1,:]}\\u\x91\x82\xA1\xC0\xDC\xFF\x00%(.-*)i4>sc0\n";
        let mut state = 7_u64;
        for _ in 0..300 {
            let mut input = Vec::new();
            for _ in 0..state % 17 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let place = usize::try_from(state >> 40).expect("24 bits") % letters.len();
                input.push(letters[place]);
            }
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(3);
            json_is_read_again(&input);
            msgpack_is_read_again(&input);
            structs_stay_within_their_data(&input);
            patterns_find_what_is_there(&input);
        }
    }
}
