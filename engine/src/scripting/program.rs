//! From EVAL, EVALSHA and FCALL to the interpreter.
//!
//! Why it exists: what a script may do depends on its command, on its first line, and on the memory
//! there is, and Redis has an order in which the reasons to refuse are found.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;
use zumic_error::{CommandError, ScriptError};

use super::bodies::{Body, Shelf};
use super::checked::Loading;
use super::fiber::Courier;
use super::gate::Gate;
use super::libraries::{Catalog, Library};
use super::lua::{FunctionRef, Limits, Script, ScriptFlags, Vm};
use super::side::{Side, as_error};
use super::unit::{Rights, Unit};
use crate::commands::ScriptCommand;
use crate::commands::number::parse_integer;
use crate::context::KeyRef;
use crate::shared::Shared;
use crate::sync::Counter;
use crate::tape::Tape;
use crate::{Halt, ReplySink};

/// Instructions between two looks at the clock: some 25 microseconds.
const TICK_INSTRUCTIONS: i32 = 5_000;
/// Bytes that all values of one interpreter may take.
const VM_BYTES_MAX: usize = 512 << 20;

/// An interpreter with what it needs to find scripts.
#[derive(Debug)]
pub(crate) struct Machine {
    shared: Arc<Shared>,
    /// Made when the first script runs.
    vm: Option<Vm>,
    shelf: Shelf,
    /// When its compiled scripts were thrown away last.
    generation: u64,
    /// The libraries as they were when a function ran last, and which version that was.
    catalog: Arc<Catalog>,
    catalog_version: u64,
    /// Libraries that the interpreter has loaded, by their names.
    loaded: HashMap<String, Loaded>,
    /// Bytes it had at its last rest, for the statistics.
    bytes: Arc<Counter>,
}

/// A library in an interpreter.
#[derive(Debug)]
struct Loaded {
    library: Arc<Library>,
    functions: HashMap<Box<[u8]>, FunctionRef>,
}

impl Machine {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            vm: None,
            shelf: Shelf::default(),
            generation: shared.scripting.bodies.generation(),
            catalog: Arc::default(),
            catalog_version: 0,
            loaded: HashMap::new(),
            bytes: shared.scripting.register_vm(),
            shared: Arc::clone(shared),
        }
    }

    /// Where this interpreter's random numbers begin: elsewhere than those of any other.
    fn random_state(&self) -> u64 {
        let place = std::ptr::from_ref(&*self.bytes).addr() as u64;
        self.shared.residents.hash_key(&place.to_le_bytes()) >> 16
    }

    /// The interpreter, made if need be.
    fn vm(&mut self) -> Result<&mut Vm, CommandError> {
        let generation = self.shared.scripting.bodies.generation();
        if self.vm.is_none() {
            let limits = Limits {
                memory_bytes_max: VM_BYTES_MAX,
                tick_instructions: TICK_INSTRUCTIONS,
                random_state: self.random_state(),
                ..Limits::default()
            };
            self.vm = Some(Vm::new(limits).map_err(|_| CommandError::OutOfMemory)?);
        } else if generation != self.generation
            && let Some(vm) = &mut self.vm
        {
            vm.forget_scripts();
        }
        self.generation = generation;
        Ok(self.vm.as_mut().expect("made above"))
    }

    /// A function: its library, and which of that it is; nothing is loaded yet.
    fn function(&mut self, name: &[u8]) -> Result<(Arc<Library>, usize), ScriptError> {
        let libraries = &self.shared.scripting.libraries;
        let version = libraries.version();
        if version != self.catalog_version {
            self.catalog = libraries.catalog();
            self.catalog_version = version;
            self.forget_replaced();
        }
        let found = self.catalog.find(name).ok_or(ScriptError::FunctionNotFound)?;
        Ok((Arc::clone(found.0), found.1))
    }

    /// Gives back what libraries have left that are no more.
    fn forget_replaced(&mut self) {
        let catalog = &self.catalog;
        let replaced = |name: &String, loaded: &mut Loaded| {
            let now = catalog.libraries.get(name);
            now.is_none_or(|now| !Arc::ptr_eq(now, &loaded.library))
        };
        let gone: Vec<Loaded> =
            self.loaded.extract_if(replaced).map(|(_, loaded)| loaded).collect();
        if let Some(vm) = &mut self.vm {
            vm.release(gone.into_iter().flat_map(|loaded| loaded.functions.into_values()));
        }
    }

    /// Loads a library into the interpreter, unless it is there.
    fn load(&mut self, library: &Arc<Library>) -> Result<(), CommandError> {
        if self.loaded.contains_key(&library.name) {
            return Ok(());
        }
        let registered = self.vm()?.load_library(library.code(), &mut Loading::default());
        let registered = registered.map_err(|failure| as_error(failure.line))?;
        let functions = registered.into_iter().map(|each| (each.name.into(), each.function));
        let loaded = Loaded { library: Arc::clone(library), functions: functions.collect() };
        self.loaded.insert(library.name.clone(), loaded);
        Ok(())
    }

    /// A job has ended.
    pub(crate) fn rest(&mut self) {
        if let Some(vm) = &self.vm {
            self.bytes.set(vm.memory() as u64);
        }
    }

    /// The script of a command, compiled.
    fn script(&mut self, command: ScriptCommand, word: &[u8]) -> Result<Arc<Body>, CommandError> {
        let bodies = &self.shared.scripting.bodies;
        if matches!(command, ScriptCommand::EvalSha | ScriptCommand::EvalShaRo) {
            return self.shelf.find(bodies, word).ok_or(ScriptError::NotFound.into());
        }
        if let Some(body) = self.shelf.find_source(bodies, word) {
            return Ok(body);
        }
        let body = Body::new(word)?;
        let compiled = self.vm()?.compile(script_of(&body));
        compiled.map_err(|failure| as_error(failure.line))?;
        let body = self.shared.scripting.bodies.insert(body, false);
        self.shelf.keep(&body);
        Ok(body)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.bytes.set(0);
    }
}

fn script_of(body: &Body) -> Script<'_> {
    Script { sha: &body.sha, body: body.code() }
}

/// A script, or one of the functions of a library.
enum Code {
    Function(Arc<Library>, usize),
    Script(Arc<Body>),
}

/// What is to run, with which keys and arguments.
struct Plan<'w> {
    code: Code,
    flags: Option<ScriptFlags>,
    keys: &'w [&'w [u8]],
    args: &'w [&'w [u8]],
    rights: Rights,
}

fn is_read_only(command: ScriptCommand) -> bool {
    use ScriptCommand as C;
    matches!(command, C::EvalRo | C::EvalShaRo | C::FcallRo)
}

/// Finds out what a command wants to run.
fn plan<'w>(
    command: ScriptCommand,
    words: &'w [&'w [u8]],
    machine: &mut Machine,
) -> Result<Plan<'w>, CommandError> {
    let by_sha = matches!(command, ScriptCommand::EvalSha | ScriptCommand::EvalShaRo);
    if by_sha && words[1].len() != 40 {
        return Err(ScriptError::NotFound.into());
    }
    let calls = matches!(command, ScriptCommand::Fcall | ScriptCommand::FcallRo);
    let function = if calls { Some(machine.function(words[1])?) } else { None };
    let rest = &words[3..];
    let count = match parse_integer(words[2]) {
        Err(_) if calls => return Err(ScriptError::KeysCountInvalid.into()),
        count => count?,
    };
    if count > rest.len() as i64 {
        return Err(CommandError::NumkeysTooMany);
    }
    let count = usize::try_from(count).map_err(|_| ScriptError::KeysNegative)?;
    let (keys, args) = rest.split_at(count);
    let (code, flags) = match function {
        Some((library, number)) => {
            let flags = library.functions[number].flags;
            (Code::Function(library, number), Some(flags))
        }
        None => {
            let body = machine.script(command, words[1])?;
            let flags = body.flags;
            (Code::Script(body), flags)
        }
    };
    let rights = rights(flags, is_read_only(command))?;
    Ok(Plan { code, flags, keys, args, rights })
}

/// What a script may do.
fn rights(flags: Option<ScriptFlags>, read_only: bool) -> Result<Rights, CommandError> {
    let Some(flags) = flags else { return Ok(Rights { read_only, allow_oom: false }) };
    if read_only && !flags.no_writes {
        return Err(ScriptError::ReadOnlyNeeded.into());
    }
    Ok(Rights { read_only: flags.no_writes, allow_oom: flags.allow_oom })
}

/// Runs a script for its client.
pub(crate) fn run(
    command: ScriptCommand,
    machine: &mut Machine,
    unit: &mut Unit<'_, '_>,
    courier: &Courier<'_>,
    first: bool,
) -> Result<(), Halt> {
    let words = courier.job.words.borrowed();
    let plan = plan(command, &words, machine)?;
    let db = unit.scope.db;
    let is_single = first && plan.keys.len() == 1;
    if !(is_single && unit.begin_single((db, plan.keys[0]))) {
        let keys: SmallVec<[KeyRef<'_>; 8]> = plan.keys.iter().map(|key| (db, *key)).collect();
        unit.begin(&keys)?;
    }
    let result = interpret(&plan, machine, unit, courier, &mut Gate::new(courier));
    if !courier.again.get() {
        unit.commit();
    }
    result.map_err(Halt::Error)
}

/// Runs a script in EXEC, whose unit has begun.
pub(crate) fn run_queued(
    command: ScriptCommand,
    words: &[&[u8]],
    machine: &mut Machine,
    unit: &mut Unit<'_, '_>,
    tape: &mut Tape,
    courier: &Courier<'_>,
) -> Result<(), CommandError> {
    let plan = plan(command, words, machine)?;
    let db = unit.scope.db;
    let result = interpret(&plan, machine, unit, courier, tape);
    unit.scope.db = db;
    unit.rights = Rights::default();
    result
}

fn interpret(
    plan: &Plan<'_>,
    machine: &mut Machine,
    unit: &mut Unit<'_, '_>,
    courier: &Courier<'_>,
    sink: &mut dyn ReplySink,
) -> Result<(), CommandError> {
    let writes = |flags: &ScriptFlags| !flags.no_writes && !flags.allow_oom;
    if unit.full && plan.flags.as_ref().is_some_and(writes) {
        return Err(ScriptError::MemoryFlagMissing.into());
    }
    unit.rights = plan.rights;
    let mut side = Side { unit, courier };
    let ran = match &plan.code {
        Code::Function(library, number) => {
            machine.load(library)?;
            let Machine { vm, loaded, .. } = machine;
            let vm = vm.as_mut().expect("it has loaded the library");
            let name = &library.functions[*number].name;
            let function = &loaded[&library.name].functions[name];
            vm.call_function(function, name, plan.keys, plan.args, &mut side, sink)
        }
        Code::Script(body) => {
            machine.vm()?.run(script_of(body), plan.keys, plan.args, &mut side, sink)
        }
    };
    ran.map_err(|failure| as_error(failure.line))
}
