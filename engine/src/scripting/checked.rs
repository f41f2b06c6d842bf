//! Compiling without running: what SCRIPT LOAD and FUNCTION LOAD accept.
//!
//! Why it exists: a script is compiled by each interpreter that runs it; whether it can be is
//! answered when it is loaded. The interpreter that answers is one per thread, and runs nothing but
//! libraries, which define functions and touch no key.

use std::cell::RefCell;

use zumic_error::CommandError;

use super::bodies::Body;
use super::lua::{Limits, Script, Vm};
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
