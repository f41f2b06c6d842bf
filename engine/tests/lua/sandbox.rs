//! What scripts must not reach, change, or use up.

use engine::scripting::lua::{Limits, Script, sha1_hex};

use crate::oracle::Oracle;
use crate::wire::Wire;
use crate::world::{Bench, World, eval};

/// Known ways out of Lua sandboxes, and into other scripts: each must raise or find nothing.
const ESCAPES: &[&str] = &[
    // Files, processes, modules, the interpreter's insides.
    "return io.open('/etc/passwd')",
    "return os.execute('id')",
    "return os.getenv('PATH')",
    "return os.exit()",
    "return require('os')",
    "return package.loadlib('x', 'y')",
    "return module('x')",
    "return dofile('/etc/passwd')",
    "return loadfile('/etc/passwd')",
    "return debug.getinfo(1)",
    "return debug.getregistry()",
    "return print('x')",
    "return newproxy(true)",
    "return getfenv(0)",
    "return setfenv(1, {})",
    "return jit.off()",
    "return ffi.C",
    // Compiled code.
    "return string.dump(function() end)",
    "return assert(loadstring('\\27Lua'))",
    "return assert(load(function() return '\\27LuaQ\\0\\1\\4' end))",
    "local n = 0 return assert(load(function() n = n + 1 return ({'\\27', 'Lua'})[n] end))",
    // Globals and libraries.
    "x = 1",
    "_G.x = 1",
    "redis = nil",
    "KEYS = {}",
    "_G = {}",
    "function string.rep() end",
    "string.rep = nil",
    "redis.call = nil",
    "cjson.encode = nil",
    "cmsgpack.x = 1",
    "struct.x = 1",
    "bit.x = 1",
    "math.random = nil",
    "table.x = 1",
    "coroutine.x = 1",
    "os.x = 1",
    "server.x = 1",
    "rawset(_G, 'x', 1)",
    "rawset(redis, 'call', 1)",
    "rawset(string, 'rep', 1)",
    "table.insert(_G, 1)",
    "table.insert(redis, 1, 1)",
    "table.remove(redis)",
    "table.sort(cjson)",
    "table.setn(redis, 5)",
    "setmetatable(_G, {})",
    "setmetatable(redis, {})",
    "setmetatable(string, nil)",
    "local s = select(2, pairs(_G)) s.x = 1",
    "local s = select(2, pairs(redis)) rawset(s, 'x', 1)",
    "for _, v in pairs(_G) do if type(v) == 'table' then v.x = 1 end end",
    "for k, v in next, _G do rawset(_G, k, nil) end",
    "rawget(_G, 'string').rep = nil",
    "loadstring('x = 1')()",
    "coroutine.wrap(function() x = 1 end)()",
    // Metatables of basic types.
    "getmetatable('').__index = nil",
    "getmetatable('').__index.rep = nil",
    "getmetatable('').__add = function() end",
    "rawset(getmetatable(''), '__index', {})",
    "setmetatable('', {})",
    "getmetatable(_G).__index = nil",
    "getmetatable(redis).__newindex = nil",
    "getmetatable(1).x = 1",
    "getmetatable(nil).x = 1",
    "getmetatable(print_or_nil).x = 1",
    "getmetatable(function() end).x = 1",
    // Counts that overflow an int (CVE-2025-46817), and other numbers at the edge.
    "return unpack({}, 0, 2^31 - 1)",
    "return unpack({}, -2^31, 2^31 - 1)",
    "return unpack({}, 1, 1e8)",
    "return unpack({}, 2^31 - 10, 2^31)",
    "return unpack({}, -2^62, 2^62)",
    "return unpack({}, -2^31 - 10, -2^31 + 5)",
    "table.insert({}, 2^31, 1)",
    "table.insert({}, -2^31, 1)",
    "return ('x'):rep(1e10)",
    "return ('x'):rep(2^53)",
    "return ('xx'):rep(2^62)",
    "return string.format('%99999d', 1)",
    "return string.format('%.99999f', 1)",
    "return bit.tohex(1, {})",
    "return select(-2^31, 1)",
];

#[test]
fn each_known_escape_is_refused() {
    for body in ESCAPES {
        let mut bench = Bench::new();
        let got = bench.eval(body);
        assert!(got.starts_with('-'), "{body}: {got}");
        // The next script finds everything as it was.
        let check = "return {type(redis.call), type(string.rep), ('x'):rep(2), type(_G.KEYS), \
                     type(next(redis)), tostring(rawget(_G, 'x')), type(cjson.encode)}";
        let want = "*7|$8|function|$8|function|$2|xx|$5|table|$6|string|$3|nil|$8|function|";
        assert_eq!(bench.eval(check), want, "after {body}");
    }
}

/// What a script may do to its own KEYS and ARGV.
const DEFACING: &[&str] = &[
    "return 1",
    "KEYS[1] = 'x' ARGV[2] = nil",
    "KEYS[#KEYS + 1] = 'x'",
    "KEYS.x = 'y' error('stop')",
    "ARGV[0] = 'x' ARGV[-1] = 'y'",
    "for i = 1, 100 do KEYS[i] = 'x' end",
    // Those that are left may lie anywhere in the tables then.
    "for i = 1, 9 do KEYS[i] = nil end KEYS.a = 'x' KEYS.b = 'y' KEYS.c = 'z'",
    "for i = 1, 9 do ARGV[i] = nil end for i = 1, 9 do ARGV[i .. ''] = 'x' end ARGV['1'] = nil",
    "for i = 1, 9 do ARGV[i] = nil end for i = 1, 9 do ARGV['x' .. i] = 'x' end \
     for i = 1, 9 do ARGV['x' .. i] = nil end",
    "setmetatable(KEYS, {__index = function() return 'x' end})",
    "table.insert(KEYS, 1, 'x') table.remove(ARGV)",
    "rawset(KEYS, 3, 'x')",
    "ARGV[1] = KEYS KEYS[1] = ARGV",
    "KEYS = {}",
];

#[test]
fn each_script_begins_with_its_own_keys_and_arguments() {
    let words: [&[u8]; 7] = [b"a", b"b", b"c", b"d", b"e", b"f", b"g"];
    let look = b"local all = {} \
                 for _, words in ipairs({KEYS, ARGV}) do \
                   all[#all + 1] = #words .. tostring(getmetatable(words)) .. tostring(words.x) \
                   for at, word in pairs(words) do all[#all + 1] = at .. word end \
                 end \
                 return all";
    for before in 0..=words.len() {
        for after in 0..=words.len() {
            let mut bench = Bench::new();
            let want = Bench::new().wire(2, look, &words[..after], &words[after..]);
            for body in DEFACING {
                bench.wire(2, body.as_bytes(), &words[..before], &words[before..]);
                let got = bench.wire(2, look, &words[..after], &words[after..]);
                let text = String::from_utf8_lossy(&got);
                assert_eq!(got, want, "{before} keys, {after} after {body}: {text}");
            }
        }
    }
}

#[test]
fn read_only_tables_can_be_read() {
    for (body, want) in [
        ("local n = 0 for _ in pairs(redis) do n = n + 1 end return n > 20", ":1|"),
        ("local n = 0 for _ in pairs(_G) do n = n + 1 end return n > 30", ":1|"),
        ("local n = 0 for _ in next, cjson do n = n + 1 end return n > 10", ":1|"),
        ("return type(rawget(_G, 'redis'))", "$5|table|"),
        ("return _G._G == _G", ":1|"),
        ("return ('%d'):format(3)", "$1|3|"),
        ("return #'abc' + ('abc'):len()", ":6|"),
        ("local t = setmetatable({}, {__index = {a = 1}}) return t.a", ":1|"),
        ("return rawset({}, 'a', 1).a", ":1|"),
        ("local t = {3, 1, 2} table.sort(t) return t", "*3|:1|:2|:3|"),
        ("local t = {} table.insert(t, 1) table.insert(t, 1, 2) return t", "*2|:2|:1|"),
        ("return os.clock() > 0", ":1|"),
        ("return {unpack({1, 2, 3}, 2)}", "*2|:2|:3|"),
        ("return loadstring('return ...')(5)", ":5|"),
        ("local n = 0 return load(function() n = n + 1 return ({'return', ' 7'})[n] end)()", ":7|"),
        ("return {select(2, loadstring('x x'))}", "*1|$25|[string \"x x\"]:1: '=' exp|"),
    ] {
        let got = eval(body);
        if body.contains("x x") {
            assert!(got.contains("'=' expected near 'x'"), "{got}");
        } else {
            assert_eq!(got, want, "{body}");
        }
    }
}

/// What redis-server has and this has not, and the other way round, is known.
#[test]
fn globals_are_those_of_redis() {
    let Some(mut oracle) = Oracle::start("globals") else { return };
    let names = |table: &str| {
        format!(
            "local names = {{}} for name in pairs({table}) do names[#names + 1] = name end \
             table.sort(names) return table.concat(names, ' ')"
        )
    };
    let list = |bytes: Vec<u8>| -> Vec<String> {
        let text = String::from_utf8(bytes).expect("names");
        text.lines().nth(1).unwrap_or_default().split(' ').map(str::to_owned).collect()
    };
    for (table, ours_only, theirs_only) in [
        // `os` and `server` are of later versions; the error handler need not be a global.
        ("_G", &["os", "server"][..], &["__redis__err__handler"][..]),
        ("redis", &[], &[]),
        ("string", &[], &[]),
        ("table", &[], &[]),
        ("math", &[], &[]),
        ("coroutine", &[], &[]),
        ("cjson", &[], &[]),
        ("cmsgpack", &[], &[]),
        ("struct", &[], &[]),
        ("bit", &[], &[]),
    ] {
        let body = names(table);
        let theirs = list(oracle.eval(body.as_bytes(), &[]));
        let ours = list(Bench::new().wire(2, body.as_bytes(), &[], &[]));
        let missing: Vec<_> = theirs.iter().filter(|name| !ours.contains(name)).collect();
        let extra: Vec<_> = ours.iter().filter(|name| !theirs.contains(name)).collect();
        assert_eq!(missing, theirs_only, "{table}");
        assert_eq!(extra, ours_only, "{table}");
    }
}

#[test]
fn memory_is_bounded_and_a_full_machine_goes_on() {
    let limits = Limits { memory_bytes_max: 1024 * 1024, ..Limits::default() };
    let mut bench = Bench::with(limits);
    for body in [
        "local t = {} while true do t[#t + 1] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
        "return ('x'):rep(1e8)",
        "local t = {} for i = 1, 1e6 do t[i] = i end",
        "local t = {} for i = 1, 64 do t = {t, t} end return cjson.encode(t)",
        "local t = {} for i = 1, 5e4 do t[i] = '012345678901234567890123456789' end \
         return table.concat(t)",
        "return cjson.decode('[' .. ('1,'):rep(2e5) .. '1]')",
        "return {cmsgpack.unpack('\\221\\0\\255\\255\\255' .. ('\\192'):rep(2e5))}",
        "return (('x'):rep(2e5):gsub('x', '0123456789'))",
        "local function f(...) return f(1, ...) end return f()",
        "for i = 1, 1e3 do coroutine.wrap(function() coroutine.yield(('x'):rep(1e4)) end)() end",
        "local t = {} while true do t[#t + 1] = loadstring('return ' .. #t) end",
    ] {
        let got = bench.eval(body);
        // A machine whose garbage is collected in time does not fill up.
        let fine = got.starts_with("-ERR ") || !got.starts_with('-');
        assert!(fine, "{body}: {got}");
        assert!(bench.vm.memory() <= limits.memory_bytes_max, "{body}");
        assert_eq!(bench.eval("return #{1, 2, 3}"), ":3|", "after {body}");
    }
    let full = bench.eval("local t = {} while true do t[#t + 1] = {} end");
    assert!(full.contains("not enough memory"), "{full}");
    let caught = "return {pcall(function() local t = {} while true do t[#t + 1] = {} end end)}";
    assert_eq!(bench.eval(caught), "*2|$-1|$17|not enough memory|");
}

#[test]
fn many_scripts_do_not_grow_the_machine() {
    let limits = Limits { compiled_max: 100, ..Limits::default() };
    let mut bench = Bench::with(limits);
    let mut peak = 0;
    for number in 0..10_000 {
        assert_eq!(bench.eval(&format!("return {number} + 0")), format!(":{number}|"));
        assert!(bench.vm.compiled_count() <= 100);
        if number == 1_000 {
            peak = bench.vm.memory();
        }
    }
    let grown = bench.vm.memory();
    assert!(grown < 2 * peak, "{peak} bytes after 1,000 scripts, {grown} after 10,000");
    // The one used last is kept, the first is compiled again.
    assert_eq!(bench.eval("return 0 + 0"), ":0|");
    bench.vm.forget_scripts();
    assert_eq!(bench.vm.compiled_count(), 0);
    assert_eq!(bench.eval("return 0 + 0"), ":0|");
}

/// In Redis what one script sets stays for the next; here that one may run in another machine.
#[test]
fn a_script_begins_with_fresh_settings() {
    let mut bench = Bench::new();
    assert_eq!(bench.eval("cjson.encode_max_depth(1) return pcall(cjson.encode, {{}})"), "$-1|");
    assert_eq!(bench.eval("return cjson.encode({{}})"), "$4|[{}]|");
    bench.eval("redis.setresp(3)");
    assert_eq!(bench.eval("return true"), ":1|");
    bench.eval("collectgarbage('stop')");
    let made =
        bench.eval("for i = 1, 1e6 do local t = {} end return collectgarbage('count') < 1e4");
    assert_eq!(made, ":1|");
}

#[test]
fn random_numbers_are_those_of_redis() {
    let Some(mut oracle) = Oracle::start("random") else { return };
    let mut bench = Bench::new();
    for body in [
        "return {tostring(math.random()), math.random(100), math.random(5, 9)}",
        "math.randomseed(42) return {tostring(math.random()), math.random(1000)}",
        "math.randomseed(-7) return {tostring(math.random()), math.random(1000)}",
        "math.randomseed(2^31 + 5) return {tostring(math.random()), math.random(1000)}",
        "return math.random(0)",
        "return math.random(2, 1)",
        "return math.random(1, 2, 3)",
    ] {
        let got = bench.wire(2, body.as_bytes(), &[], &[]);
        assert_eq!(got, oracle.eval(body.as_bytes(), &[]), "{body}");
    }
}

/// Outside of a run there is no host: what is left over must not find one.
#[test]
fn nothing_is_kept_of_the_host() {
    let mut bench = Bench::new();
    bench.eval("redis.call('set', 'a', 'b')");
    let mut other = World::default();
    let body = b"return redis.call('get', 'a')";
    let script = Script { sha: &sha1_hex(body), body };
    let mut wire = Wire::new(2);
    bench.vm.run(script, &[], &[], &mut other, &mut wire).expect("it runs");
    assert_eq!(wire.bytes, b"$-1\r\n", "the keys are those of the host of this run");
    assert_eq!(other.calls.len(), 1);
}
