//! Conversions, errors and the API of scripts.

use crate::world::{Bench, eval};

#[test]
fn lua_values_become_replies() {
    for (body, want) in [
        ("return 1", ":1|"),
        ("return 3.99", ":3|"),
        ("return -3.99", ":-3|"),
        ("return 1e20", ":-9223372036854775808|"),
        ("return 0/0", ":-9223372036854775808|"),
        ("return 'a'", "$1|a|"),
        ("return true", ":1|"),
        ("return false", "$-1|"),
        ("return nil", "$-1|"),
        ("return", "$-1|"),
        ("return print", ""),
        ("return {}", "*0|"),
        ("return {1,2,nil,3}", "*2|:1|:2|"),
        ("return {1,{2,{3,'x'}}}", "*2|:1|*2|:2|*2|:3|$1|x|"),
        ("return {ok='fine\\r\\nso'}", "+fine  so|"),
        ("return {err='MY bad'}", "-MY bad|"),
        ("return {double=3.5}", "$3|3.5|"),
        ("return {map={a=1}}", "*2|$1|a|:1|"),
        ("return {set={a=true}}", "*1|$1|a|"),
        ("return {{map={a={1,2}}}, {set={b=1}}}", "*2|*2|$1|a|*2|:1|:2|*1|$1|b|"),
        ("return {big_number='12\\n3'}", "$4|12 3|"),
        ("return {verbatim_string={string='x', format='txt'}}", "$1|x|"),
        ("return {verbatim_string={string='x'}}", "*0|"),
        ("return redis.status_reply('GOOD')", "+GOOD|"),
        ("return redis.error_reply('oops')", "-ERR oops|"),
        ("return redis.error_reply('-MY oops')", "-MY oops|"),
        ("return redis.error_reply('My Err')", "-My Err|"),
        ("return redis.error_reply({})", "-ERR wrong number or type of arguments|"),
        ("return redis.sha1hex('')", "$40|da39a3ee5e6b4b0d3255bfef95601890afd80709|"),
        ("return {#KEYS, #ARGV}", "*2|:0|:0|"),
        ("return server.call('get', 'none')", "$-1|"),
        ("return redis.setresp(2)", "$-1|"),
        ("return redis.replicate_commands()", ":1|"),
        ("return redis.breakpoint()", "$-1|"),
        ("return redis.acl_check_cmd('get', 'x')", ":1|"),
        ("return redis.acl_check_cmd('set', 'x', 'y')", "$-1|"),
        ("return {...}", "*0|"),
        ("return {pcall(function() error('xx') end)}", "*2|$-1|"),
    ] {
        let got = eval(body);
        if want.is_empty() {
            assert!(got.starts_with("-ERR user_script:1: Script attempted"), "{body}: {got}");
        } else if body.contains("pcall") {
            assert_eq!(got, "*1|$-1|".replace("*1|", "*2|") + "$17|user_script:1: xx|", "{body}");
        } else {
            assert_eq!(got, want, "{body}");
        }
    }
}

#[test]
fn replies_become_lua_values() {
    let cases: &[(&str, &str)] = &[
        ("return type(redis.call('shape', 'null'))", "boolean"),
        ("return type(redis.call('shape', 'nullarray'))", "boolean"),
        ("return tostring(redis.call('shape', 'true'))", "1"),
        ("return redis.call('shape', 'double')", "3.25"),
        ("return #redis.call('shape', 'map')", "4"),
        ("return #redis.call('shape', 'set')", "3"),
        ("return redis.call('shape', 'bignum')", "1234567999999999999999999999999999999"),
        ("return redis.call('shape', 'verbatim'):sub(1, 4)", "This"),
        ("return redis.call('shape', 'attribute')", "value"),
        ("local h = redis.call('shape', 'holes') return tostring(h[1]) .. #h[2]", "false4"),
        ("redis.setresp(3) return type(redis.call('shape', 'null'))", "nil"),
        ("redis.setresp(3) return tostring(redis.call('shape', 'true'))", "true"),
        ("redis.setresp(3) return tostring(redis.call('shape', 'double').double)", "3.25"),
        ("redis.setresp(3) return tostring(redis.call('shape', 'map').map[1])", "true"),
        ("redis.setresp(3) return tostring(redis.call('shape', 'set').set[2])", "true"),
        ("redis.setresp(3) return #redis.call('shape', 'bignum').big_number", "37"),
        ("redis.setresp(3) return redis.call('shape', 'verbatim').verbatim_string.format", "txt"),
        ("return redis.pcall('shape', 'error').err:sub(1, 9)", "WRONGTYPE"),
        ("return redis.call('set', 'a', 'b').ok", "OK"),
    ];
    for (body, want) in cases {
        let body = format!("local function f() {body} end return tostring(f())");
        assert_eq!(eval(&body), format!("${}|{want}|", want.len()), "{body}");
    }
}

#[test]
fn version_three_has_its_own_types() {
    let mut bench = Bench::new();
    for (body, want) in [
        ("return true", ":1\r\n"),
        ("return false", "_\r\n"),
        ("redis.setresp(3) return true", "#t\r\n"),
        ("redis.setresp(3) return false", "#f\r\n"),
        ("redis.setresp(3) return redis.call('shape', 'set')", "~3\r\n:"),
        ("redis.setresp(3) return redis.call('shape', 'map')", "%2\r\n:"),
        ("redis.setresp(3) return redis.call('shape', 'double')", ",3.25\r\n"),
        ("redis.setresp(3) return redis.call('shape', 'verbatim')", "=29\r\ntxt:This is"),
        ("redis.setresp(3) return redis.call('shape', 'bignum')", "(12345679"),
        ("redis.setresp(3) return redis.call('shape', 'null')", "_\r\n"),
        ("return {map={}}", "%0\r\n"),
    ] {
        let got = bench.wire(3, body.as_bytes(), &[], &[]);
        assert!(String::from_utf8_lossy(&got).starts_with(want), "{body}: {got:?}");
    }
}

#[test]
fn arguments_of_commands_are_strings_and_numbers() {
    let mut bench = Bench::new();
    let got = bench.eval("return redis.pcall('echo', 1, -0, 1.5, 1e15, 2^53, 1e300, 0.1, 'a\\0b')");
    assert!(got.starts_with("-ERR"), "{got}");
    let words: Vec<_> = bench.world.calls[0].iter().map(|w| String::from_utf8_lossy(w)).collect();
    let want = ["echo", "1", "0", "1.5", "1000000000000000", "9007199254740992", "1e+300", "0.1"];
    assert_eq!(words[..8], want);
    assert_eq!(words[8], "a\0b");
    let refused = "Lua redis lib command arguments must be strings or integers";
    for body in ["return redis.call({})", "return redis.call('get', nil, 'x')", "redis.call(true)"]
    {
        assert!(eval(body).starts_with(&format!("-ERR {refused}")), "{body}");
    }
}

#[test]
fn an_error_says_where_it_came_up() {
    let at = |line: u32| format!(" script: SHA, on @user_script:{line}.");
    let position = "user_script:1:";
    for (body, line, want) in [
        ("return foo", 1, "Script attempted to access nonexistent global variable 'foo'"),
        ("\nx = 1", 2, "Attempt to modify a readonly table"),
        ("error('xx')", 1, "xx"),
        ("local function f() return f() + 1 end return f()", 1, "stack overflow"),
    ] {
        let want = format!("-ERR user_script:{line}: {want}{}|", at(line));
        assert_eq!(without_sha(body, &eval(body)), want, "{body}");
    }
    for (body, line, want) in [
        ("rawset(_G, 'x', 1)", 1, "ERR Attempt to modify a readonly table"),
        ("error({err='MY boo'})", 1, "MY boo"),
        ("error({err='boo'})", 1, "boo"),
        ("error()", 1, "ERR nil"),
        (
            "redis.call('set', 'a', 'b')\nreturn redis.call('incr', 'a')",
            2,
            "ERR value is not an integer or out of range",
        ),
        ("redis.sha1hex()", 1, "ERR wrong number of arguments"),
        ("redis.log(1)", 1, "ERR redis.log() requires two arguments or more."),
        ("redis.call()", 1, "ERR Please specify at least one argument for this redis lib call"),
    ] {
        let want = format!("-{want}{}|", at(line));
        assert_eq!(without_sha(body, &eval(body)), want, "{body}");
    }
    let want = format!(
        "-ERR Error compiling script (new function): {position} unexpected symbol near '<eof>'|"
    );
    assert_eq!(eval("return foo("), want);
}

/// The reply to a script with its SHA1 as `SHA`.
fn without_sha(body: &str, reply: &str) -> String {
    let sha = engine::scripting::lua::sha1_hex(body.as_bytes());
    reply.replace(&*String::from_utf8_lossy(&sha), "SHA")
}
