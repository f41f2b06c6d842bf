//! Compiling without running: what SCRIPT LOAD and FUNCTION LOAD accept.
//!
//! Why it exists: a script is compiled by each interpreter that runs it; whether it can be is
//! answered when it is loaded. The interpreter that answers is one per thread, and runs nothing but
//! libraries, which define functions and touch no key.

use std::cell::RefCell;

use zumic_error::CommandError;

use super::bodies::Body;
use super::libraries::Function;
use super::lua::{CallReply, Limits, LogLevel, Permission, Script, ScriptHost, Verdict, Vm};
use super::side::as_error;

thread_local! {
    static CHECKER: RefCell<Option<Vm>> = const { RefCell::new(None) };
}

/// Runs `check` with the thread's interpreter.
fn with_vm<R>(check: impl FnOnce(&mut Vm) -> R) -> Result<R, CommandError> {
    CHECKER.with_borrow_mut(|vm| {
        if vm.is_none() {
            // Nothing compiled is looked up again.
            let limits = Limits { compiled_max: 1, ..Limits::default() };
            *vm = Some(Vm::new(limits).map_err(|_| CommandError::OutOfMemory)?);
        }
        Ok(check(vm.as_mut().expect("made above")))
    })
}

/// A script that compiles.
///
/// # Errors
/// It does not, or its first line makes no sense.
pub(crate) fn script(source: &[u8]) -> Result<Body, CommandError> {
    let body = Body::new(source)?;
    let script = Script { sha: &body.sha, body: body.code() };
    let compiled = with_vm(|vm| vm.compile(script))?;
    compiled.map_err(|failure| as_error(failure.line))?;
    Ok(body)
}

/// Looks at a library that may take before it is given up: some 500 ms, as in Redis.
const LOOKS_MAX: u32 = 10_000;

/// The world of a library while it is loaded.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    looks: u32,
}

impl ScriptHost for Loading {
    fn call(&mut self, _: &[&[u8]], _: &mut CallReply) {
        unreachable!("a library has nothing to call while it is loaded")
    }

    /// Nobody hears it: the library may be loaded once per interpreter.
    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn permission(&mut self, _: &[&[u8]]) -> Permission {
        Permission::Unknown
    }

    fn tick(&mut self) -> Verdict {
        self.looks += 1;
        if self.looks > LOOKS_MAX { Verdict::LoadTimeout } else { Verdict::GoOn }
    }
}

/// The functions that a library's code registers.
///
/// # Errors
/// The line for the client.
pub(crate) fn functions(code: &[u8]) -> Result<Vec<Function>, CommandError> {
    with_vm(|vm| {
        let registered = vm.load_library(code, &mut Loading::default());
        let registered = registered.map_err(|failure| as_error(failure.line))?;
        let mut functions = Vec::with_capacity(registered.len());
        let mut references = Vec::with_capacity(registered.len());
        for each in registered {
            functions.push(Function {
                name: each.name.into(),
                description: each.description.map(Into::into),
                flags: each.flags,
            });
            references.push(each.function);
        }
        vm.release(references);
        Ok(functions)
    })?
}
