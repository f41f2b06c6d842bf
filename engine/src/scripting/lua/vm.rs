//! A virtual machine: compiles scripts, keeps what it compiled, runs it.
//!
//! Why it exists: one VM per reactor, so that scripts run wherever their client is. Scripts share
//! it one after the other, never at the same time: one that is suspended keeps its VM.
//! Not for the bodies of scripts: who calls has them, and a script that this VM has not compiled
//! yet, or has forgotten, is compiled when it is run.
//!
//! Invariants
//! - V1: `state` is the main state of `lua`; its stack holds the message handler, the entry
//!   function, the loader of libraries, and nothing else between calls.
//! - V2: `shared` stays at its address until `lua` is closed, which its place below `lua` in the
//!   struct makes sure of.
//! - V3: Lua can raise below a protected call only, or with the memory limit lifted, which leaves
//!   nothing to raise for.

use std::cell::Cell;
use std::ffi::c_int;
use std::fmt;

use mlua::ffi::{self, lua_Debug, lua_State};
use mlua::{Lua, LuaOptions, StdLib};

use super::answer::{self, Level};
use super::cache::Compiled;
use super::failure::{self, Failure};
use super::host::{ScriptHost, Verdict};
use super::kept::{Kept, push_strings};
use super::library::{self, FunctionRef, Load, Registered};
use super::random::REDIS_STATE;
use super::raw::{Outcome, REGISTRY, Raise, Stack, native};
use super::sandbox;
use super::shared::Shared;
use crate::ReplySink;

/// Where V1 keeps them.
const HANDLER: c_int = 1;
const ENTRY: c_int = 2;
const LOADER: c_int = 3;

/// The registry's key of the shared part, for the hook: the address of this.
static SHARED_KEY: u8 = 0;

/// What a VM may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all values of the VM, garbage too, and of what a function of ours writes. What is
    /// beyond fails with "not enough memory"; as Lua collects when its memory has doubled, a script
    /// should not need more than half of this.
    pub memory_bytes_max: usize,
    /// Compiled scripts that are kept; the one unused for longest goes first.
    pub compiled_max: usize,
    /// Instructions between two calls of [`ScriptHost::tick`]. 10,000 take some 50 microseconds.
    pub tick_instructions: i32,
    /// Where `math.random` begins: 48 bits, other ones for each machine of a process.
    pub random_state: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 512 * 1024 * 1024,
            compiled_max: 500,
            tick_instructions: 10_000,
            random_state: REDIS_STATE,
        }
    }
}

/// A script: its body, and the SHA1 of that in hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub struct Script<'s> {
    /// See [`sha1_hex`](super::sha1_hex).
    pub sha: &'s [u8; 40],
    /// Source text, without a shebang line that is not Lua (an empty line may stand for it).
    pub body: &'s [u8],
}

/// One Lua interpreter with the globals of scripts. See the module's header.
///
/// # Examples
/// ```
/// use engine::reply::Discard;
/// use engine::scripting::lua::{CallReply, Limits, LogLevel, Permission, Script, ScriptHost};
/// use engine::scripting::lua::{Verdict, Vm, sha1_hex};
/// use engine::ReplySink;
///
/// struct Echo;
/// impl ScriptHost for Echo {
///     fn call(&mut self, args: &[&[u8]], reply: &mut CallReply) {
///         reply.bulk(args[1]);
///     }
///     fn log(&mut self, _: LogLevel, _: &[u8]) {}
///     fn permission(&mut self, _: &[&[u8]]) -> Permission {
///         Permission::Allowed
///     }
///     fn tick(&mut self) -> Verdict {
///         Verdict::GoOn
///     }
/// }
///
/// let mut vm = Vm::new(Limits::default()).unwrap();
/// let body = b"return redis.call('ECHO', KEYS[1])";
/// let script = Script { sha: &sha1_hex(body), body };
/// vm.run(script, &[b"key"], &[], &mut Echo, &mut Discard).unwrap();
///
/// let body = b"return nothing";
/// let script = Script { sha: &sha1_hex(body), body };
/// let failure = vm.run(script, &[], &[], &mut Echo, &mut Discard).unwrap_err();
/// assert!(failure.line.starts_with(b"ERR user_script:1: Script attempted to access nonexistent"));
/// ```
pub struct Vm {
    lua: Lua,
    state: *mut lua_State,
    shared: Box<Shared>,
    compiled: Compiled,
    levels: Vec<Level>,
    limits: Limits,
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm").field("memory", &self.memory()).finish_non_exhaustive()
    }
}

/// What the entry function is told of the script to run.
struct Task<'t> {
    reference: c_int,
    keys: &'t [&'t [u8]],
    args: &'t [&'t [u8]],
    levels: &'t mut Vec<Level>,
    sink: &'t mut dyn ReplySink,
    /// Keys and arguments are parameters, not globals.
    is_function: bool,
}

/// The machine could not be made: there is not enough memory within its limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VmTooLarge;

impl Vm {
    /// Makes a machine with the globals of scripts. Cost: some 100 microseconds and 60 KiB.
    ///
    /// # Errors
    /// [`VmTooLarge`] when the limit of memory does not even hold the globals.
    pub fn new(limits: Limits) -> Result<Self, VmTooLarge> {
        let lua = Lua::new_with(StdLib::NONE, LuaOptions::new()).map_err(|_| VmTooLarge)?;
        let state = main_state(&lua);
        let shared = Box::<Shared>::default();
        shared.random.begin(limits.random_state);
        shared.buffer_bytes_max.set(limits.memory_bytes_max);
        let vm = Self {
            lua,
            state,
            shared,
            compiled: Compiled::new(limits.compiled_max),
            levels: Vec::new(),
            limits,
        };
        let limit = vm.lua.set_memory_limit(limits.memory_bytes_max);
        limit.expect("the state has the allocator that knows limits");
        let places = Cell::new([0; 3]);
        let build = &mut |stack: Stack, shared: &Shared| build(stack, shared, &places);
        vm.protected(build).map_err(|_| VmTooLarge)?;
        assert_eq!(vm.stack().top(), 0, "a new state's stack is empty");
        for place in places.get() {
            vm.stack().raw_item(REGISTRY, place);
        }
        Ok(vm)
    }

    /// Bytes that the machine's values take.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.lua.used_memory()
    }

    /// How many compiled scripts it keeps.
    #[must_use]
    pub fn compiled_count(&self) -> usize {
        self.compiled.len()
    }

    /// Forgets all compiled scripts, as SCRIPT FLUSH asks.
    pub fn forget_scripts(&mut self) {
        let references: Vec<_> = self.compiled.drain().collect();
        self.forget(references);
        self.collect();
    }

    /// Compiles a script unless it is compiled already.
    ///
    /// # Errors
    /// The line for the client when the body is no Lua.
    pub fn compile(&mut self, script: Script<'_>) -> Result<(), Failure> {
        self.reference(script).map(drop)
    }

    /// Runs a script with its keys and arguments, and writes what it returns to `sink`.
    ///
    /// The host is called back meanwhile; see [`ScriptHost`] on suspending.
    ///
    /// # Errors
    /// The line for the client when the body is no Lua, or when an error left the script. Nothing
    /// is written to `sink` then; what the script had the host do is done.
    pub fn run(
        &mut self,
        script: Script<'_>,
        keys: &[&[u8]],
        args: &[&[u8]],
        host: &mut dyn ScriptHost,
        sink: &mut dyn ReplySink,
    ) -> Result<(), Failure> {
        let reference = self.reference(script)?;
        let levels = &mut std::mem::take(&mut self.levels);
        let task = Task { reference, keys, args, levels, sink, is_function: false };
        let result = self.run_task(task, script.sha, host);
        self.levels = std::mem::take(levels);
        result
    }

    /// Runs a library's code to see what it registers.
    ///
    /// The host is asked for nothing but [`ScriptHost::tick`] and [`ScriptHost::log`].
    ///
    /// # Errors
    /// The line for the client; nothing is left of the library then.
    pub fn load_library(
        &mut self,
        code: &[u8],
        host: &mut dyn ScriptHost,
    ) -> Result<Vec<Registered>, Failure> {
        let stack = self.stack();
        let mut load = Load { code, is_syntax: false };
        self.shared.registered.begin();
        self.begin(host);
        stack.push_value(LOADER);
        stack.push_address(std::ptr::from_mut(&mut load).cast());
        let result = stack.protected_call(1, 0, 0);
        self.end();
        let registered = self.shared.registered.end();
        let Err(Raise) = result else {
            return Ok(registered);
        };
        let text = self.unlimited(failure::text_of_error);
        stack.set_top(LOADER);
        self.release(registered.into_iter().map(|registered| registered.function));
        let line = if load.is_syntax {
            [b"ERR Error compiling function: ", text.strip_prefix(b"ERR ").unwrap_or(&text)]
                .concat()
        } else {
            [b"ERR Error registering functions: ", &text[..]].concat()
        };
        Err(Failure { line, counted: false })
    }

    /// Gives back functions of libraries that are no more.
    pub fn release(&mut self, functions: impl IntoIterator<Item = FunctionRef>) {
        self.forget(functions.into_iter().map(|function| function.0));
        self.collect();
    }

    /// Calls a function that this machine has loaded, with keys and arguments as its parameters.
    /// Otherwise as [`Vm::run`]; `name` is the function's, for the errors.
    ///
    /// # Errors
    /// The line for the client when an error left the function.
    pub fn call_function(
        &mut self,
        function: &FunctionRef,
        name: &[u8],
        keys: &[&[u8]],
        args: &[&[u8]],
        host: &mut dyn ScriptHost,
        sink: &mut dyn ReplySink,
    ) -> Result<(), Failure> {
        let levels = &mut std::mem::take(&mut self.levels);
        let task = Task { reference: function.0, keys, args, levels, sink, is_function: true };
        let result = self.run_task(task, name, host);
        self.levels = std::mem::take(levels);
        result
    }

    /// The kept function of a script, compiled now if need be.
    fn reference(&mut self, script: Script<'_>) -> Result<c_int, Failure> {
        if let Some(reference) = self.compiled.find(script.sha) {
            return Ok(reference);
        }
        let reference = Cell::new(0);
        let compile = &mut |stack: Stack, _: &Shared| {
            if sandbox::is_precompiled(script.body) {
                stack.push_bytes(b"precompiled code cannot be loaded");
                return Err(Raise);
            }
            stack.push_bytes(b"@user_script");
            stack.load(script.body, c"@user_script")?;
            reference.set(stack.keep());
            Ok(0)
        };
        self.protected(compile).map_err(|text| Failure {
            line: [b"ERR Error compiling script (new function): ", &text[..]].concat(),
            counted: false,
        })?;
        if let Some(unused) = self.compiled.insert(*script.sha, reference.get()) {
            self.forget([unused]);
        }
        Ok(reference.get())
    }

    /// Lends the host and sets the hook.
    fn begin(&self, host: &mut dyn ScriptHost) {
        self.shared.enter(host);
        self.stack().set_hook(Some(hook), ffi::LUA_MASKCOUNT, self.limits.tick_instructions);
    }

    /// Takes the host away, and what was left in buffers.
    fn end(&self) {
        self.stack().set_hook(None, 0, 0);
        self.shared.leave();
        self.shared.buffer.trim();
    }

    /// Runs a task with the host lent to it.
    fn run_task(
        &mut self,
        mut task: Task<'_>,
        name: &[u8],
        host: &mut dyn ScriptHost,
    ) -> Result<(), Failure> {
        let stack = self.stack();
        self.begin(host);
        stack.push_value(ENTRY);
        stack.push_address(std::ptr::from_mut(&mut task).cast());
        let result = stack.protected_call(1, 0, HANDLER);
        self.end();
        let result = result.map_err(|Raise| self.unlimited(|stack| failure::of_error(stack, name)));
        stack.set_top(LOADER);
        if result.is_err() || self.memory() > self.limits.memory_bytes_max / 2 {
            self.collect();
        }
        result
    }

    /// The main stack, for operations that cannot raise, or under V3.
    fn stack(&self) -> Stack {
        Stack::new(self.state)
    }

    /// Forgets kept values: that takes a slot of the registry the first time.
    fn forget(&self, references: impl IntoIterator<Item = c_int>) {
        self.unlimited(|stack| references.into_iter().for_each(|kept| stack.forget(kept)));
    }

    /// Collects all garbage: that makes smaller tables of strings.
    fn collect(&self) {
        self.unlimited(Stack::collect);
    }

    /// Runs code that cannot raise for lack of memory while it runs, because there is no limit.
    fn unlimited<T>(&self, work: impl FnOnce(Stack) -> T) -> T {
        let lifted = self.lua.set_memory_limit(0);
        let limit = lifted.expect("the state has the allocator that knows limits");
        let done = work(self.stack());
        let restored = self.lua.set_memory_limit(limit);
        restored.expect("the state has the allocator that knows limits");
        done
    }

    /// Runs code protected, with an empty stack of its own; the error's text when it raised.
    fn protected(&self, work: Work<'_>) -> Result<(), Vec<u8>> {
        let stack = self.stack();
        let mut work = Protected { work, shared: &self.shared };
        // SAFETY: V1; `call_protected` gets the address of `work`, which outlives the call.
        let status = unsafe {
            ffi::lua_cpcall(self.state, call_protected, std::ptr::from_mut(&mut work).cast())
        };
        if status == ffi::LUA_OK {
            return Ok(());
        }
        let text = stack.bytes(-1).unwrap_or_default().to_vec();
        stack.pop(1);
        Err(text)
    }
}

type Work<'w> = &'w mut dyn FnMut(Stack, &Shared) -> Outcome;

struct Protected<'w> {
    work: Work<'w>,
    shared: &'w Shared,
}

/// Runs the [`Protected`] whose address is the only argument.
///
/// # Safety
/// For `lua_cpcall` alone, with that address.
unsafe extern "C-unwind" fn call_protected(state: *mut lua_State) -> c_int {
    let stack = Stack::new(state);
    let work = stack.address(1).cast::<Protected<'_>>();
    // SAFETY: `Vm::protected` passes the address of one that outlives the call.
    let work = unsafe { &mut *work };
    stack.set_top(0);
    match (work.work)(stack, work.shared) {
        Ok(_) => 0,
        // SAFETY: the error value is on the top, and nothing is owned by this frame.
        Err(Raise) => unsafe { ffi::lua_error(state) },
    }
}

/// The main state of a new machine.
fn main_state(lua: &Lua) -> *mut lua_State {
    let state = Cell::new(std::ptr::null_mut());
    // SAFETY: the state is only looked at.
    let looked = unsafe { lua.exec_raw::<()>((), |current| state.set(current)) };
    looked.expect("looking at a pointer raises nothing");
    state.get()
}

/// Makes the globals, and V1's values, which are put into the registry at `places`.
fn build(stack: Stack, shared: &Shared, places: &Cell<[c_int; 3]>) -> Outcome {
    sandbox::build(stack, shared)?;
    let shade = stack.top();
    let real = shade - 1;
    stack.push_address(std::ptr::from_ref(&SHARED_KEY).cast_mut().cast());
    stack.push_address(std::ptr::from_ref(shared).cast_mut().cast());
    stack.raw_set(REGISTRY);
    stack.push_function(native!(failure::handle), shared, 0);
    let handler = stack.keep();
    shared.blank.learn(stack);
    stack.push_value(real);
    stack.push_nil();
    stack.push_nil();
    stack.push_function(native!(run_entry), shared, 3);
    let entry = stack.keep();
    library::push_loader(stack, shared, real, shade);
    places.set([handler, entry, stack.keep()]);
    Ok(0)
}

/// The entry function: its argument is the address of a [`Task`], its own values the real globals
/// and the tables of strings.
fn run_entry(stack: Stack, shared: &Shared) -> Outcome {
    let task = stack.address(1).cast::<Task<'_>>();
    // SAFETY: `Vm::run_task` passes the address of one that outlives the call, and only there.
    let task = unsafe { &mut *task };
    if task.is_function {
        Kept::KEYS.hide(stack);
        Kept::ARGV.hide(stack);
        stack.raw_item(REGISTRY, task.reference);
        push_strings(stack, task.keys, 0);
        push_strings(stack, task.args, 0);
        stack.call(2, 1);
    } else {
        Kept::KEYS.fill(stack, shared, task.keys);
        Kept::ARGV.fill(stack, shared, task.args);
        stack.raw_item(REGISTRY, task.reference);
        stack.call(0, 1);
    }
    if shared.host().is_none_or(|host| host.returned()) {
        answer::answer(stack, shared.version.get(), task.levels, task.sink);
    }
    Ok(0)
}

/// Called by Lua every so many instructions.
///
/// # Safety
/// For Lua alone, in a state of a [`Vm`].
unsafe extern "C-unwind" fn hook(state: *mut lua_State, _: *mut lua_Debug) {
    let stack = Stack::new(state);
    stack.push_address(std::ptr::from_ref(&SHARED_KEY).cast_mut().cast());
    stack.raw_get(REGISTRY);
    let shared = stack.address(-1).cast::<Shared>();
    stack.pop(1);
    // SAFETY: V2; the registry has had it since the machine was made.
    let shared = unsafe { &*shared };
    if tick(stack, shared).is_err() {
        // SAFETY: the error value is on the top, and nothing is owned by this frame.
        unsafe { ffi::lua_error(state) };
    }
}

/// Asks the host, and raises when the script is to stop: from then on at each instruction, so that
/// catching it does not help.
pub(super) fn tick(stack: Stack, shared: &Shared) -> Result<(), Raise> {
    if shared.verdict.get().is_none()
        && let Some(host) = shared.host()
    {
        match host.tick() {
            Verdict::GoOn => return Ok(()),
            verdict => shared.verdict.set(Some(verdict)),
        }
    }
    check_verdict(stack, shared)
}

/// Steps of a function of ours between two questions to the host; a step takes some ten
/// nanoseconds.
pub(super) const STEPS: u32 = 4096;

/// A step of a function of ours that may take long, for which the hook is not called. Raises when
/// the host says to stop, and when what is written is more than a VM may hold.
pub(super) fn pace(stack: Stack, shared: &Shared) -> Result<(), Raise> {
    pace_by(stack, shared, 1)
}

/// Several steps.
pub(super) fn pace_by(stack: Stack, shared: &Shared, steps: usize) -> Result<(), Raise> {
    let steps = u32::try_from(steps).unwrap_or(u32::MAX);
    if let Some(left) = shared.steps_left.get().checked_sub(steps) {
        shared.steps_left.set(left);
        return Ok(());
    }
    shared.steps_left.set(STEPS);
    if shared.buffer.len() > shared.buffer_bytes_max.get() {
        stack.push_bytes(b"not enough memory");
        return Err(Raise);
    }
    tick(stack, shared)
}

/// Raises when the host has said to stop.
pub(super) fn check_verdict(stack: Stack, shared: &Shared) -> Result<(), Raise> {
    let text: &[u8] = match shared.verdict.get() {
        None | Some(Verdict::GoOn) => return Ok(()),
        Some(Verdict::Kill) => b"Script killed by user with SCRIPT KILL.",
        Some(Verdict::LoadTimeout) => b"FUNCTION LOAD timeout",
    };
    stack.set_hook(Some(hook), ffi::LUA_MASKCOUNT, 1);
    failure::raise(stack, text)
}
