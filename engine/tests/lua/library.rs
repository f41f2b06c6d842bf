//! Libraries of functions.

use engine::scripting::lua::{Registered, ScriptFlags};
use zumic_error::{CommandError, ScriptError};

use crate::wire::Wire;
use crate::world::Bench;

fn load(bench: &mut Bench, code: &str) -> Result<Vec<Registered>, String> {
    let loaded = bench.vm.load_library(format!("\n{code}").as_bytes(), &mut bench.world);
    loaded.map_err(|failure| String::from_utf8_lossy(&failure.line).into_owned())
}

/// Calls the only function of a library.
fn call(bench: &mut Bench, code: &str, keys: &[&[u8]], args: &[&[u8]]) -> String {
    let registered = load(bench, code).expect("it loads").pop().expect("it registers one");
    let mut wire = Wire::new(2);
    let function = &registered.function;
    let (name, world) = (&registered.name, &mut bench.world);
    if let Err(failure) = bench.vm.call_function(function, name, keys, args, world, &mut wire) {
        engine::ReplySink::error(
            &mut wire,
            &CommandError::Script(ScriptError::Raised(failure.line)),
        );
    }
    bench.vm.release([registered.function]);
    String::from_utf8_lossy(&wire.bytes).replace("\r\n", "|")
}

#[test]
fn functions_get_keys_and_arguments() {
    let mut bench = Bench::new();
    let code = "redis.register_function('f', function(k, a) return {k[1], a[2], #k, #a} end)";
    assert_eq!(call(&mut bench, code, &[b"x"], &[b"y", b"z"]), "*4|$1|x|$1|z|:1|:2|");
    let code = "local n = 0 redis.register_function('f', function() n = n + 1 return n end)";
    assert_eq!(call(&mut bench, code, &[], &[]), ":1|");
    let code = "redis.register_function('f', function() return KEYS end)";
    let missing = "Script attempted to access nonexistent global variable 'KEYS'";
    let want = format!("-ERR user_function:2: {missing} script: f, on @user_function:2.|");
    assert_eq!(call(&mut bench, code, &[], &[]), want);
    let code = "redis.register_function('f', function() return redis.call('incr', 'a') end)";
    bench.world.keys.insert(b"a".to_vec(), b"text".to_vec());
    let text = "ERR value is not an integer or out of range";
    assert_eq!(
        call(&mut bench, code, &[], &[]),
        format!("-{text} script: f, on @user_function:2.|")
    );
}

#[test]
fn named_arguments_say_more() {
    let mut bench = Bench::new();
    let code = "redis.register_function{function_name='f', callback=function() return 1 end, \
                flags={'no-writes', 'ALLOW-OOM'}, description='what it does'}";
    let registered = load(&mut bench, code).unwrap().pop().unwrap();
    assert_eq!(registered.name, b"f");
    assert_eq!(registered.description.as_deref(), Some(&b"what it does"[..]));
    let flags = ScriptFlags { no_writes: true, allow_oom: true, ..ScriptFlags::default() };
    assert_eq!(registered.flags, flags);
}

/// The texts are those of redis-server 7.0.15.
#[test]
fn a_library_that_does_wrong_is_refused() {
    let missing = "user_function:2: Script attempted to access nonexistent global variable";
    let function = "redis.register_function";
    for (code, want) in [
        ("redis.call('get', 'x')", format!("{missing} 'call'")),
        ("string.format('%d', 3)", format!("{missing} 'string'")),
        ("error('boo')", format!("{missing} 'error'")),
        ("x = 1", "user_function:2: Attempt to modify a readonly table".into()),
        ("redis.x = 1", "user_function:2: Attempt to modify a readonly table".into()),
        ("redis.log(1)", "redis.log() requires two arguments or more.".into()),
        ("redis.register_function()", format!("wrong number of arguments to {function}")),
        (
            "redis.register_function(1)",
            format!(
                "calling {function} with a single argument is only applicable to Lua table \
                 (representing named arguments)."
            ),
        ),
        (
            "redis.register_function({}, function() end)",
            format!("first argument to {function} must be a string"),
        ),
        (
            "redis.register_function('f', 1)",
            format!("second argument to {function} must be a function"),
        ),
        (
            "redis.register_function('a-b', function() end)",
            "Library names can only contain letters, numbers, or underscores(_) and must be at \
             least one character long"
                .into(),
        ),
        (
            "for _ in function() end do end redis.register_function('f', function() end) \
             redis.register_function('f', function() end)",
            "Function already exists in the library".into(),
        ),
        ("redis.register_function{nope = 1}", format!("unknown argument given to {function}")),
        (
            "redis.register_function{function_name = 'f'}",
            format!("{function} must get a callback argument"),
        ),
        (
            "redis.register_function{callback = function() end}",
            format!("{function} must get a function name argument"),
        ),
        (
            "redis.register_function{callback = 1}",
            format!("callback argument given to {function} must be a function"),
        ),
        (
            "redis.register_function{flags = 'x'}",
            format!("flags argument to {function} must be a table representing function flags"),
        ),
        ("redis.register_function{flags = {'nope'}}", "unknown flag given".into()),
    ] {
        let mut bench = Bench::new();
        let want = format!("ERR Error registering functions: ERR {want}");
        assert_eq!(load(&mut bench, code).unwrap_err(), want, "{code}");
        assert_eq!(load(&mut bench, "").unwrap(), [], "the next library is loaded as ever");
        assert_eq!(bench.eval("return type(string)"), "$5|table|", "scripts have their globals");
    }
    let error = load(&mut Bench::new(), "for").unwrap_err();
    let want = "ERR Error compiling function: user_function:2: '<name>' expected near '<eof>'";
    assert_eq!(error, want);
}

#[test]
fn a_library_that_loads_for_ever_is_stopped() {
    let mut bench = Bench::new();
    bench.world.ticks_max = Some(3);
    let error = load(&mut bench, "while true do end").unwrap_err();
    assert_eq!(
        error,
        "ERR Error registering functions: ERR Script killed by user with SCRIPT KILL."
    );
}
