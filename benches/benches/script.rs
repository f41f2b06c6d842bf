//! What does a script cost besides the commands it runs?
//!
//! A host that answers at once stands in for the engine. `get` is one command, `lock` the usual
//! release of a lock (GET, compare, DEL), `loop` a thousand turns without a command, `json` a job
//! of a queue decoded and encoded; all compiled before. `compile` is a script that the machine has
//! not seen.

#![expect(missing_docs, reason = "criterion's macro makes a public function without a comment")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use engine::ReplySink;
use engine::reply::Discard;
use engine::scripting::lua::{
    CallReply, Limits, LogLevel, Permission, Script, ScriptHost, Verdict, Vm, sha1_hex,
};

/// Every command finds the token.
struct Constant;

impl ScriptHost for Constant {
    fn call(&mut self, args: &[&[u8]], reply: &mut CallReply) {
        match black_box(args) {
            [b"get", _] => reply.bulk(b"token"),
            _ => reply.integer(1),
        }
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn permission(&mut self, _: &[&[u8]]) -> Permission {
        Permission::Allowed
    }

    fn tick(&mut self) -> Verdict {
        Verdict::GoOn
    }
}

const SCRIPTS: [(&str, &str); 4] = [
    ("get", "return redis.call('get', KEYS[1])"),
    (
        "lock",
        "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) \
         else return 0 end",
    ),
    ("loop", "local n = 0 for i = 1, 1000 do n = n + i % 7 end return n"),
    (
        "json",
        "local job = cjson.decode('{\"id\":17,\"name\":\"send\",\"tries\":[1,2,3]}') \
         job.id = job.id + 1 return cjson.encode(job)",
    ),
];

fn run(vm: &mut Vm, body: &str) {
    let script = Script { sha: &sha1_hex(body.as_bytes()), body: body.as_bytes() };
    let done = vm.run(script, &[b"lock:1"], &[b"token"], &mut Constant, &mut Discard);
    black_box(done).expect("the scripts are right");
}

fn scripts(c: &mut Criterion) {
    let mut group = c.benchmark_group("script");
    let mut vm = Vm::new(Limits::default()).expect("the globals fit");
    for (name, body) in SCRIPTS {
        let sha = sha1_hex(body.as_bytes());
        group.bench_function(name, |b| {
            b.iter(|| {
                let script = Script { sha: &sha, body: body.as_bytes() };
                let done = vm.run(script, &[b"lock:1"], &[b"token"], &mut Constant, &mut Discard);
                black_box(done).expect("the scripts are right");
            });
        });
    }
    let mut number = 0_u64;
    group.bench_function("compile", |b| {
        b.iter(|| {
            number += 1;
            run(&mut vm, &format!("return redis.call('get', KEYS[1]) -- {number}"));
        });
    });
    group.finish();
}

criterion_group!(benches, scripts);
criterion_main!(benches);
