//! A host with a handful of commands over a map, for scripts under test.

use std::collections::BTreeMap;

use engine::ReplySink;
use engine::scripting::lua::{
    CallReply, Limits, LogLevel, Permission, Script, ScriptHost, Verdict, Vm, sha1_hex,
};
use zumic_error::CommandError;

use crate::wire::Wire;

/// Keys, the log, and how often the hook was called.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) keys: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) logged: Vec<(LogLevel, Vec<u8>)>,
    pub(crate) calls: Vec<Vec<Vec<u8>>>,
    pub(crate) ticks: u64,
    /// The script is killed at this tick.
    pub(crate) ticks_max: Option<u64>,
}

impl ScriptHost for World {
    fn call(&mut self, args: &[&[u8]], reply: &mut CallReply) {
        self.calls.push(args.iter().map(|arg| arg.to_vec()).collect());
        let name = args[0].to_ascii_uppercase();
        match (&name[..], args) {
            (b"GET", [_, key]) => match self.keys.get(*key) {
                Some(value) => reply.bulk(value),
                None => reply.null(),
            },
            (b"SET", [_, key, value]) => {
                self.keys.insert(key.to_vec(), value.to_vec());
                reply.simple("OK");
            }
            (b"DEL", [_, key]) => reply.integer(self.keys.remove(*key).is_some().into()),
            (b"INCR", [_, key]) => {
                let value = self.keys.entry(key.to_vec()).or_insert(b"0".to_vec());
                match std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok()) {
                    Some(number) => {
                        *value = (number + 1).to_string().into_bytes();
                        reply.integer(number + 1);
                    }
                    None => reply.error(&CommandError::NotAnInteger),
                }
            }
            (b"SHAPE", [_, shape]) => self.shape(shape, reply),
            _ => reply.error(&CommandError::unknown_command(args)),
        }
    }

    fn log(&mut self, level: LogLevel, line: &[u8]) {
        self.logged.push((level, line.to_vec()));
    }

    fn permission(&mut self, args: &[&[u8]]) -> Permission {
        match args[0] {
            b"set" => Permission::Denied,
            b"get" => Permission::Allowed,
            _ => Permission::Unknown,
        }
    }

    fn tick(&mut self) -> Verdict {
        self.ticks += 1;
        if self.ticks_max.is_some_and(|max| self.ticks > max) {
            Verdict::Kill
        } else {
            Verdict::GoOn
        }
    }
}

impl World {
    /// Replies of each type, for conversions.
    fn shape(&mut self, shape: &[u8], reply: &mut CallReply) {
        match shape {
            b"null" => reply.null(),
            b"nullarray" => reply.null_array(),
            b"true" => reply.boolean(true),
            b"double" => reply.double(3.25),
            b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
            b"verbatim" => reply.verbatim(*b"txt", b"This is a verbatim\nstring"),
            b"map" => {
                reply.map(2);
                for number in 0..2 {
                    reply.integer(number);
                    reply.boolean(number == 1);
                }
            }
            b"set" => {
                reply.set(3);
                (0..3).for_each(|number| reply.integer(number));
            }
            b"holes" => {
                reply.array(3);
                reply.null();
                reply.bulk(b"\0\r\n\xff");
                reply.null();
            }
            b"attribute" => {
                reply.attribute(1);
                reply.bulk(b"key");
                reply.integer(1);
                reply.bulk(b"value");
            }
            b"error" => reply.error(&CommandError::WrongType),
            _ => reply.error(&CommandError::Syntax),
        }
    }
}

/// A machine with its world.
pub(crate) struct Bench {
    pub(crate) vm: Vm,
    pub(crate) world: World,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self { vm: Vm::new(limits).expect("the globals fit"), world: World::default() }
    }

    /// What a client that speaks `version` gets.
    pub(crate) fn wire(
        &mut self,
        version: u8,
        body: &[u8],
        keys: &[&[u8]],
        args: &[&[u8]],
    ) -> Vec<u8> {
        let mut wire = Wire::new(version);
        let script = Script { sha: &sha1_hex(body), body };
        if let Err(failure) = self.vm.run(script, keys, args, &mut self.world, &mut wire) {
            assert!(wire.bytes.is_empty(), "a failed script answers nothing else");
            let line = zumic_error::ScriptError::Raised(failure.line);
            wire.error(&CommandError::Script(line));
        }
        wire.bytes
    }

    /// The reply in version 2, with line ends as `|`.
    pub(crate) fn eval(&mut self, body: &str) -> String {
        let bytes = self.wire(2, body.as_bytes(), &[], &[]);
        String::from_utf8_lossy(&bytes).replace("\r\n", "|")
    }
}

/// One script in a machine of its own.
pub(crate) fn eval(body: &str) -> String {
    Bench::new().eval(body)
}
