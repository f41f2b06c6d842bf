//! The libraries of scripts beside those of redis-server: what they answer, byte by byte, and how
//! they refuse.

use crate::oracle::{Oracle, seed};
use crate::random::Random;
use crate::world::Bench;

/// Runs a script on both sides.
fn compare(bench: &mut Bench, oracle: &mut Oracle, body: &str, args: &[&[u8]], seed: u64) {
    let want = oracle.eval(body.as_bytes(), args);
    let got = bench.wire(2, body.as_bytes(), &[], args);
    assert_eq!(
        got.escape_ascii().to_string(),
        want.escape_ascii().to_string(),
        "SEED={seed} {body} {:?}",
        args.iter().map(|arg| arg.escape_ascii().to_string()).collect::<Vec<_>>()
    );
}

fn compare_all(name: &str, bodies: &[&str]) {
    let Some(mut oracle) = Oracle::start(name) else { return };
    let mut bench = Bench::new();
    for body in bodies {
        compare(&mut bench, &mut oracle, body, &[], 0);
    }
}

#[test]
fn cjson_encodes_as_redis_does() {
    compare_all(
        "encode",
        &[
            "return cjson.encode({})",
            "return cjson.encode({{}})",
            "return cjson.encode({1, 2, 3})",
            "return cjson.encode({a = 1})",
            "return cjson.encode({[1] = 1, a = 2})",
            "return cjson.encode({[1] = 1, [3] = 3})",
            "return cjson.encode({[1] = 1, [30] = 3})",
            "return cjson.encode({[0] = 1})",
            "return cjson.encode({[1.5] = 1})",
            "return cjson.encode({[true] = 1})",
            "return cjson.encode({1, nil, 3})",
            "return cjson.encode(cjson.null)",
            "return cjson.encode(nil)",
            "return cjson.encode({1, cjson.null})",
            "return cjson.encode('a\"b\\\\c/d\\b\\f\\n\\r\\t\\0\\127\\200')",
            "return cjson.encode(function() end)",
            "return cjson.encode({f = print_})",
            "return cjson.encode({function() end})",
            "return cjson.encode(0/0)",
            "return cjson.encode(1/0)",
            "return cjson.encode(-1/0)",
            "return cjson.encode({1e14, 1e15, 123456789012345, 0.1, 1/3, -0, 1e-7, 1e300, 5e-324})",
            "return cjson.encode({2^53, 2^63, 100000000000000, 99999999999999, 3.0, -1.5})",
            "return cjson.encode()",
            "return cjson.encode(1, 2)",
            "local t = {} for i = 1, 1000 do t = {t} end return #cjson.encode(t)",
            "local t = {} for i = 1, 1001 do t = {t} end return #cjson.encode(t)",
            "cjson.encode_max_depth(3) return cjson.encode({{{{}}}})",
            "return {cjson.encode_max_depth(1000)}",
            "return {cjson.decode_max_depth()}",
            "return {cjson.encode_sparse_array(true, 3, 4), cjson.encode({[1] = 1, [30] = 3})}",
            "return {cjson.encode_sparse_array(false, 2, 10)}",
            "return {cjson.encode_number_precision(3), cjson.encode({0.12345, 12345})}",
            "return {cjson.encode_number_precision(14)}",
            "return cjson.encode_number_precision(15)",
            "return cjson.encode_max_depth(0)",
            "return cjson.encode_max_depth(1, 2)",
            "return {cjson.encode_invalid_numbers('null'), cjson.encode({0/0, 1/0})}",
            "return {cjson.encode_invalid_numbers(true), cjson.encode({0/0, 1/0, -1/0})}",
            "return {cjson.encode_invalid_numbers('off')}",
            "return cjson.encode_invalid_numbers('x')",
            "return {cjson.encode_keep_buffer()}",
            "return {cjson.encode_keep_buffer('on')}",
            "return {cjson.decode_invalid_numbers('off'), pcall(cjson.decode, '[nan, 0x10]')}",
            "return {cjson.decode_invalid_numbers('on')}",
            "local c = cjson.new() c.encode_max_depth(1) \
             return {pcall(c.encode, {{}}), cjson.encode({{}})}",
            "return cjson._NAME .. cjson._VERSION",
        ],
    );
}

/// JSON, and what is nearly JSON.
#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "[]", "{}", "[1,2]", " [ 1 , 2 ] ", "{\"a\":1}", "{\"a\":{\"b\":[true,false,null]}}", "1",
    "\"x\"", "null", "", " ", "[", "]", "{", "}", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":",
    "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{1:1}", "[1 2]", "tru", "True", "nul", "nan",
    "NaN", "-nan", "inf", "-Infinity", "+1", "01", "0x1F", "0x", "1e5", "1e", "1.", ".5", "-",
    "-.5", "1e999", "1.5e-3x", "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "\"\\ud83d\"",
    "\"\\ud83dx\"", "\"\\ude00\"", "\"\\u00g0\"", "\"\\x\"", "\"abc", "\"a\\", "\"\\/\\b\\f\"",
    "[1]x", "[1] ]", "\u{1}", "'a'", "[\"a\",\"b\"]", "0x1p4", "0x1.8p1", "nan(12)", "infin",
    "123456789012345678901234567890", "-0", "[-0.0]", "{\"\":1}", "{\"a\":1,\"a\":2}", "@",
];

#[test]
fn cjson_decodes_as_redis_does() {
    let Some(mut oracle) = Oracle::start("decode") else { return };
    let mut bench = Bench::new();
    let body = "return cjson.encode(cjson.decode(ARGV[1]))";
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let deeper = format!("{}{}", "[".repeat(1001), "]".repeat(1001));
    for text in TEXTS.iter().copied().chain([&*deep, &*deeper]) {
        compare(&mut bench, &mut oracle, body, &[text.as_bytes()], 0);
    }
    for text in [&b"1\0x"[..], b"\0", b"a\0", b"\"a\0b\"", b"\"\xff\xfe\"", b"[1,\0]"] {
        compare(&mut bench, &mut oracle, body, &[text], 0);
    }
    for body in ["return cjson.decode()", "return cjson.decode(1, 2)", "return cjson.decode({})"] {
        compare(&mut bench, &mut oracle, body, &[], 0);
    }
}

fn byte(draw: &mut Random) -> u8 {
    u8::try_from(draw.below(256)).expect("below 256")
}

/// Text like JSON, now and then broken.
fn json(draw: &mut Random, depth: usize, out: &mut Vec<u8>) {
    let scalars = [
        "1",
        "-2.5",
        "1e10",
        "true",
        "false",
        "null",
        "\"\"",
        "\"text\"",
        "\"\\u00e9\\n\"",
        "0.1",
        "12345678901234",
        "123456789012345",
        "1E-9",
        "\"\\\"\"",
        "nan",
        "x",
        "\"\\u12\"",
    ];
    match draw.below(if depth > 4 { 5 } else { 9 }) {
        0..=4 => out.extend_from_slice(draw.pick(&scalars).as_bytes()),
        kind => {
            let object = kind > 6;
            out.push(if object { b'{' } else { b'[' });
            for item in 0..draw.below(4) {
                if item > 0 {
                    out.push(b',');
                }
                if object {
                    // One member for each name: the order of names is the table's.
                    out.extend_from_slice(format!("\"{item}k\" :").as_bytes());
                }
                json(draw, depth + 1, out);
            }
            out.push(if object { b'}' } else { b']' });
        }
    }
}

#[test]
fn random_json_is_read_and_written_as_redis_does() {
    let Some(mut oracle) = Oracle::start("json") else { return };
    let mut bench = Bench::new();
    let seed = seed();
    let mut draw = Random::new(seed);
    let body = "return cjson.encode(cjson.decode(ARGV[1]))";
    for _ in 0..3_000 {
        let mut text = Vec::new();
        json(&mut draw, 0, &mut text);
        if draw.below(8) == 0 {
            let place = draw.below(text.len());
            text[place] = byte(&mut draw);
        }
        compare(&mut bench, &mut oracle, body, &[&text], seed);
    }
}

#[test]
fn cmsgpack_packs_as_redis_does() {
    let hex = "local function hex(s) return (s:gsub('.', function(c) \
               return string.format('%02x', c:byte()) end)) end ";
    let numbers = "0, 1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, 2^53, 2^62, \
                   2^63, 2^64, -1, -32, -33, -128, -129, -32768, -32769, -2^31, -2^31-1, -2^63, \
                   0.5, 0.1, 1e300, 0/0, 1/0, -1/0, 3.0";
    let strings = "'', 'a', ('x'):rep(31), ('x'):rep(32), ('x'):rep(255), ('x'):rep(256), \
                   ('x'):rep(65535), ('x'):rep(65536)";
    let nested = "local t = {} for i = 1, 20 do t = {t} end ";
    let bodies = [
        format!("return hex(cmsgpack.pack({numbers}))"),
        format!("return redis.sha1hex(cmsgpack.pack({strings}))"),
        "return hex(cmsgpack.pack(nil, true, false, {}, {1, 2}, {a = 1}, {[1] = 1, [3] = 3}))"
            .into(),
        "return hex(cmsgpack.pack({[0] = 1}, {[1.5] = 1}, {[-1] = 1}, {{{}}}, {1, nil, 3}))".into(),
        "return hex(cmsgpack.pack(function() end, cjson.null))".into(),
        "local t = {} for i = 1, 20 do t[i] = i end return hex(cmsgpack.pack(t))".into(),
        "local t = {} for i = 1, 70000 do t[i] = 1 end return redis.sha1hex(cmsgpack.pack(t))"
            .into(),
        format!("{nested} return hex(cmsgpack.pack(t))"),
        "return cmsgpack.pack()".into(),
        "return {cmsgpack.unpack(cmsgpack.pack(1, 'a', {1, {2}}, true))}".into(),
        "return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3))}".into(),
        "return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3), 2)}".into(),
        "return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3), 3)}".into(),
        "return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3), 4)}".into(),
        "return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3), -1)}".into(),
        "return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2)}".into(),
        "return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2, 1)}".into(),
        "return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 0, 1)}".into(),
        "return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 0)}".into(),
        "return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), -1)}".into(),
        "return {cmsgpack.unpack_limit('x')}".into(),
        "return {cmsgpack.unpack('')}".into(),
        "return {cmsgpack.unpack()}".into(),
        "return {cmsgpack.unpack({})}".into(),
        "return {cmsgpack.unpack('\\207\\255\\255\\255\\255\\255\\255\\255\\255')}".into(),
        "return {cmsgpack.unpack('\\193')}".into(),
        "return {cmsgpack.unpack('\\129\\192\\1')}".into(),
        "return {pcall(cmsgpack.unpack, '\\221\\255\\255\\255\\255\\1')}".into(),
        "return cmsgpack._NAME .. cmsgpack._VERSION .. cmsgpack._DESCRIPTION".into(),
    ];
    let Some(mut oracle) = Oracle::start("msgpack") else { return };
    let mut bench = Bench::new();
    for body in bodies {
        compare(&mut bench, &mut oracle, &format!("{hex}{body}"), &[], 0);
    }
}

#[test]
fn random_bytes_are_unpacked_as_redis_does() {
    let Some(mut oracle) = Oracle::start("bytes") else { return };
    let mut bench = Bench::new();
    let seed = seed();
    let mut draw = Random::new(seed);
    // Packed again, so that numbers keep their fractions and tables their kind.
    let body = "return cmsgpack.pack(cmsgpack.unpack(ARGV[1]))";
    let heads: Vec<u8> = (0xC0..=0xDF).chain([0x81, 0x82, 0x91, 0x92, 0x93, 0xA2, 0xE1]).collect();
    for _ in 0..5_000 {
        let mut bytes = Vec::new();
        for _ in 0..1 + draw.below(12) {
            match draw.below(3) {
                0 => bytes.push(heads[draw.below(heads.len())]),
                1 => bytes.push(u8::try_from(draw.below(4)).unwrap_or(0)),
                _ => bytes.push(byte(&mut draw)),
            }
        }
        compare(&mut bench, &mut oracle, body, &[&bytes], seed);
    }
}

#[test]
fn struct_and_bit_do_as_redis_does() {
    compare_all(
        "struct",
        &[
            "return struct.pack('>i4<i4bBhHlLTfdxs', 1, 2, -1, 255, -2, 6, -3, 4, 5, 1, 2, 'z')",
            "return {struct.unpack('>I2<I2bB', '\\1\\2\\1\\2\\255\\255')}",
            "return struct.size('!ibd !4 d')",
            "return struct.size('i3 i5 i8 i16 i32')",
            "return struct.size('s')",
            "return struct.size('c0')",
            "return struct.size('z')",
            "return struct.size('!3')",
            "return struct.size('!0')",
            "return struct.pack('i33', 1)",
            "return struct.pack('i99999999999', 1)",
            "return struct.pack('c5', 'a')",
            "return struct.pack('c0', 'abc')",
            "return struct.pack('c2', 'abc')",
            "return struct.pack('z', 1)",
            "return struct.pack('i')",
            "return struct.pack('i', 'x')",
            "return struct.pack()",
            "return struct.pack('>i16', -2)",
            "return struct.pack('<i16', -2)",
            "return struct.pack('i0', 5)",
            "return {struct.unpack('>i16', ('\\255'):rep(16))}",
            "return {struct.unpack('bc0', '\\3abcd')}",
            "return {struct.unpack('c0', 'abcd')}",
            "return {struct.unpack('bc0', '\\9abcd')}",
            "return {struct.unpack('s', 'abc')}",
            "return {struct.unpack('ss', 'a\\0bc\\0d')}",
            "return {struct.unpack('i4', 'abc')}",
            "return {struct.unpack('i4', 'abcdefgh', 3)}",
            "return {struct.unpack('i4', 'abcd', 0)}",
            "return {struct.unpack('i4', 'abcd', -1)}",
            "return {struct.unpack('i4', 'abcd', 100)}",
            "return {struct.unpack('!8bd', ('a'):rep(16))}",
            "return {struct.unpack('L', ('\\255'):rep(8))}",
            "return {struct.unpack('i3I3', '\\255\\255\\255\\255\\255\\255')}",
            "return {struct.unpack('x', '')}",
            "return {struct.unpack('', '')}",
            "return {bit.tobit(0xffffffff), bit.tobit(2^40 + 5), bit.tobit(-1.5), bit.tobit(2.5)}",
            "return {bit.tohex(255), bit.tohex(-1), bit.tohex(255, -4), bit.tohex(255, 2)}",
            "return {bit.tohex(65535, 0), bit.tohex(1, 100), bit.tohex(1, -100)}",
            "return {bit.band(0xff, 0x0f), bit.bor(1, 2, 4), bit.bxor(5, 3), bit.bnot(0)}",
            "return {bit.lshift(1, 33), bit.rshift(-1, 28), bit.arshift(-256, 4), bit.rol(1, 31)}",
            "return {bit.ror(1, 1), bit.bswap(0x01020304), bit.band(1), bit.bor('3', 4)}",
            "return bit.band()",
            "return bit.band({})",
            "return {bit.tobit(2^52), bit.tobit(1e300), bit.tobit(0/0), bit.tobit(1/0)}",
        ],
    );
}

#[test]
fn random_structs_and_bits_are_as_in_redis() {
    let Some(mut oracle) = Oracle::start("structs") else { return };
    let mut bench = Bench::new();
    let seed = seed();
    let mut draw = Random::new(seed);
    let letters = [
        "b", "B", "h", "H", "l", "L", "T", "i", "I", "i3", "I5", "i8", "f", "d", "x", "c2", "c0",
        "s", ">", "<", "!", "!2", "!4", " ", "i16", "q",
    ];
    for _ in 0..3_000 {
        let format: String = (0..draw.below(6)).map(|_| draw.pick(&letters)).collect();
        let data: Vec<u8> = (0..draw.below(40)).map(|_| byte(&mut draw) % 4).collect();
        let body = "local r = {struct.unpack(ARGV[1], ARGV[2])} \
                    for i, v in ipairs(r) do r[i] = string.format('%s', tostring(v)) end return r";
        compare(&mut bench, &mut oracle, body, &[format.as_bytes(), &data], seed);
        let body = "local n = tonumber(ARGV[2]) return struct.pack(ARGV[1], n, n, n, n, n, n)";
        let number = draw.pick(&["0", "1", "-1", "300", "-70000", "4e9", "-1e18", "1.5", "1e19"]);
        compare(&mut bench, &mut oracle, body, &[format.as_bytes(), number.as_bytes()], seed);
        let name =
            draw.pick(&["lshift", "rshift", "arshift", "rol", "ror", "band", "bxor", "tohex"]);
        let body = format!("return bit.{name}(tonumber(ARGV[1]), tonumber(ARGV[2]))");
        let other = draw.pick(&["0", "1", "7", "31", "33", "-5", "4294967295", "2.5", "-1e10"]);
        compare(&mut bench, &mut oracle, &body, &[number.as_bytes(), other.as_bytes()], seed);
    }
}

#[test]
fn random_patterns_match_as_in_redis() {
    let Some(mut oracle) = Oracle::start("patterns") else { return };
    let mut bench = Bench::new();
    let seed = seed();
    let mut draw = Random::new(seed);
    let parts = [
        "a", "b", ".", "%a", "%d", "%s", "%w", "%W", "[ab]", "[^a]", "[a-c%d]", "[]]", "[^]b]",
        "(", ")", "()", "*", "+", "-", "?", "^", "$", "%1", "%2", "%b()", "%f[a]", "%f[^%w]", "%",
        "[", "]", "%%", "x", " ", "%z", "%p", "[%]", "[a-", "%0", "[%a_]",
    ];
    let bodies = [
        "return {string.find(ARGV[1], ARGV[2])}",
        "return {string.find(ARGV[1], ARGV[2], tonumber(ARGV[3]))}",
        "return {string.find(ARGV[1], ARGV[2], 1, true)}",
        "return {string.match(ARGV[1], ARGV[2], tonumber(ARGV[3]))}",
        "local r = {} for a, b in string.gmatch(ARGV[1], ARGV[2]) do r[#r + 1] = tostring(a) \
         r[#r + 1] = tostring(b) if #r > 50 then break end end return r",
        "return {string.gsub(ARGV[1], ARGV[2], '<%0>')}",
        "return {string.gsub(ARGV[1], ARGV[2], '%1%2', tonumber(ARGV[3]))}",
        "return {string.gsub(ARGV[1], ARGV[2], {a = 'A', b = 1, ab = false})}",
        "return {string.gsub(ARGV[1], ARGV[2], function(a, b) if b then return b end end)}",
        "return {string.gsub(ARGV[1], ARGV[2], '%')}",
    ];
    for _ in 0..20_000 {
        let letters = ["a", "b", "ab", " ", "(", ")", "1", "_", "\0", "a(b)"];
        let text: String = (0..draw.below(8)).map(|_| draw.pick(&letters)).collect();
        let pattern: String = (0..draw.below(6)).map(|_| draw.pick(&parts)).collect();
        let number = draw.pick(&["0", "1", "2", "-1", "-3", "7", "100"]);
        let args = [text.as_bytes(), pattern.as_bytes(), number.as_bytes()];
        let body = draw.pick(&bodies);
        compare(&mut bench, &mut oracle, body, &args, seed);
    }
}
