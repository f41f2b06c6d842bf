//! Scripts on stacks of their own: suspended in the middle, resumed, killed.
//!
//! Why it exists: the interpreter is C, leaves its frames by `longjmp`, and is called back from the
//! middle of an instruction. All of that must hold on a stack that is switched away from there.

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use engine::ReplySink;
use engine::scripting::lua::{
    CallReply, Limits, LogLevel, Permission, Script, ScriptHost, Verdict, Vm, sha1_hex,
};

use crate::wire::Wire;

/// Enough for what `deepest_calls_fit_the_stack` does, and for a command.
const STACK_BYTES: usize = 1024 * 1024;

/// Suspends at each tick and each command.
struct Suspending<'y> {
    yielder: &'y Yielder<Verdict, &'static str>,
}

impl ScriptHost for Suspending<'_> {
    fn call(&mut self, args: &[&[u8]], reply: &mut CallReply) {
        self.yielder.suspend("call");
        reply.bulk(args[1]);
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn permission(&mut self, _: &[&[u8]]) -> Permission {
        Permission::Allowed
    }

    fn tick(&mut self) -> Verdict {
        self.yielder.suspend("tick")
    }
}

type Job = Coroutine<Verdict, &'static str, (Vm, String), DefaultStack>;

/// A script that runs in a machine of its own on a stack of its own.
fn start(body: &'static str) -> Job {
    let stack = DefaultStack::new(STACK_BYTES).expect("there is memory");
    Coroutine::with_stack(stack, move |yielder, _| {
        let limits = Limits { tick_instructions: 1_000, ..Limits::default() };
        let mut vm = Vm::new(limits).expect("the globals fit");
        let reply = run(&mut vm, body, &mut Suspending { yielder });
        (vm, reply)
    })
}

fn run(vm: &mut Vm, body: &str, host: &mut dyn ScriptHost) -> String {
    let mut wire = Wire::new(2);
    let script = Script { sha: &sha1_hex(body.as_bytes()), body: body.as_bytes() };
    match vm.run(script, &[], &[], host, &mut wire) {
        Ok(()) => String::from_utf8_lossy(&wire.bytes).replace("\r\n", "|"),
        Err(failure) => String::from_utf8_lossy(&failure.line).into_owned(),
    }
}

/// Resumes a script until it is done, and counts how often it was suspended.
fn finish(job: &mut Job) -> (Vm, String, u32) {
    let mut suspended = 0;
    loop {
        match job.resume(Verdict::GoOn) {
            CoroutineResult::Yield(_) => suspended += 1,
            CoroutineResult::Return((vm, reply)) => return (vm, reply, suspended),
        }
    }
}

#[test]
fn scripts_take_turns() {
    let body = "local n = 0 for i = 1, 20000 do n = n + i end \
                return {n, redis.call('echo', 'a'), select(2, pcall(error, 'caught', 0))}";
    let mut jobs = [start(body), start(body), start(body)];
    let mut replies = Vec::new();
    let mut turns = 0;
    while replies.len() < jobs.len() {
        for job in jobs.iter_mut().filter(|job| !job.done()) {
            turns += 1;
            if let CoroutineResult::Return((_, reply)) = job.resume(Verdict::GoOn) {
                replies.push(reply);
            }
        }
    }
    assert_eq!(replies, ["*3|:200010000|$1|a|$6|caught|"; 3]);
    assert!(turns > 100, "each was suspended many times: {turns}");
}

#[test]
fn errors_go_the_right_way_around_a_suspension() {
    let body = "local function slow() for i = 1, 5000 do end error('after') end \
                local ok, text = pcall(slow) \
                local made = coroutine.wrap(function() for i = 1, 5000 do end \
                coroutine.yield(redis.call('echo', 'in')) error('end') end) \
                local first = made() \
                return {text, first, select(2, pcall(made))}";
    let (mut vm, reply, suspended) = finish(&mut start(body));
    assert_eq!(reply, "*3|$20|user_script:1: after|$2|in|$18|user_script:1: end|");
    assert!(suspended > 5);
    // The machine outlives the stack it was made on.
    let mut world = crate::world::World::default();
    assert_eq!(run(&mut vm, "return 7", &mut world), ":7|");
}

#[test]
fn a_suspended_script_can_be_killed() {
    for body in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(redis.call, 'echo', 'x') end",
        "return string.find(('a'):rep(1e5), ('a-'):rep(250) .. 'b')",
        "return ('a'):rep(1e5):gsub(('a-'):rep(250) .. 'b', '')",
        "local t = {} for i = 1, 100 do t = {t, t} end return cjson.encode(t)",
        "local t = {} for i = 1, 15 do t = {t, t, t, t, t, t} end return cmsgpack.pack(t)",
        "local function f() while true do end end \
         while true do coroutine.wrap(function() pcall(f) end)() end",
        "while true do xpcall(function() while true do end end, function() while true do end end) \
         end",
    ] {
        let mut job = start(body);
        for _ in 0..10 {
            assert!(matches!(job.resume(Verdict::GoOn), CoroutineResult::Yield(_)), "{body}");
        }
        let mut resumed = 0;
        let (mut vm, reply) = loop {
            resumed += 1;
            assert!(resumed < 1_000, "it goes on: {body}");
            if let CoroutineResult::Return(done) = job.resume(Verdict::Kill) {
                break done;
            }
        };
        assert!(reply.starts_with("ERR Script killed by user with SCRIPT KILL."), "{reply}");
        let mut world = crate::world::World::default();
        assert_eq!(run(&mut vm, "return 7", &mut world), ":7|", "the next script runs");
    }
}

/// Each of these nests as deep as Lua lets it, 200 native calls or 20,000 others.
#[test]
fn deepest_calls_fit_the_stack() {
    for body in [
        "local function f() return 1 + f() end return f()",
        "local function f() return (pcall(f)) end return f()",
        "local t = {} t = setmetatable(t, {__index = function(t, k) return t[k + 1] end}) \
         return t[1]",
        "local function f() return coroutine.wrap(f)() end return f()",
        "local function f() table.sort({1, 2, 3}, f) end return f()",
        "local text = '' for i = 1, 1000 do text = text .. '(' end return loadstring(text)",
        "local text = 'return ' for i = 1, 1000 do text = text .. '{' end \
         return loadstring(text)",
        "local function f() return load(f) end return f()",
        "local t = {} for i = 1, 20000 do t = {t} end return t",
        "local function f(a) return (a:gsub('.', f)) end return f('x')",
        "local t = {} for i = 1, 1e5 do t = {t} end return pcall(cjson.encode, t)",
        "return pcall(cjson.decode, ('['):rep(1e6))",
        "cjson.decode_max_depth(1e6) return pcall(cjson.decode, ('['):rep(1e6))",
        "cjson.encode_max_depth(1e6) local t = {} for i = 1, 1e5 do t = {t} end \
         return pcall(cjson.encode, t)",
        "local t = {} for i = 1, 1e5 do t = {t} end return pcall(cmsgpack.pack, t)",
        "return pcall(cmsgpack.unpack, ('\\145'):rep(1e6))",
        "return pcall(string.find, ('a'):rep(1e5), ('a?'):rep(1e5))",
        "return pcall(string.find, ('a'):rep(1e5), ('(a'):rep(1e3))",
    ] {
        let (_, reply, _) = finish(&mut start(body));
        assert!(!reply.is_empty(), "{body}");
    }
}
