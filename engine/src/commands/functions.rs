//! Handlers: libraries of functions.
//!
//! Why it exists: what calls a function is `scripting`; here is how libraries come and go, and what
//! clients ask about them. Rows that change libraries have the barrier, so that the log has them in
//! one order with everything else.

use std::sync::Arc;

use zumic_error::{CommandError, ScriptError};

use super::glob;
use super::scripts::is_flush_mode;
use crate::scripting::libraries::{Catalog, Library};
use crate::{Context, Halt};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

const HELP: &[&str] = &[
    "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "LOAD [REPLACE] <FUNCTION CODE>",
    "    Create a new library with the given library name and code.",
    "DELETE <LIBRARY NAME>",
    "    Delete the given library.",
    "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
    "    Return general information on all the libraries:",
    "    * Library name",
    "    * The engine used to run the Library",
    "    * Library description",
    "    * Functions list",
    "    * Library code (if WITHCODE is given)",
    "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
    "STATS",
    "    Return information about the current function running:",
    "    * Function name",
    "    * Command used to run the function",
    "    * Duration in MS that the function is running",
    "    If no function is running, return nil",
    "    In addition, returns a list of available engines.",
    "KILL",
    "    Kill the current running function.",
    "FLUSH [ASYNC|SYNC]",
    "    Delete all the libraries.",
    "    When called without the optional mode argument, the behavior is determined by the",
    "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    "    * ASYNC: Asynchronously flush the libraries.",
    "    * SYNC: Synchronously flush the libraries.",
    "DUMP",
    "    Return a serialized payload representing the current libraries, can be restored using \
     FUNCTION RESTORE command",
    "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
    "    Restore the libraries represented by the given payload, it is possible to give a restore \
     policy to",
    "    control how to handle existing libraries (default APPEND):",
    "    * FLUSH: delete all existing libraries.",
    "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
    "    * REPLACE: appends the restored libraries to the existing libraries, On collision, \
     replace the old",
    "      libraries with the new libraries (notice that even on this option there is a chance of \
     failure",
    "      in case of functions name collision with another library).",
    "HELP",
    "    Prints this help.",
];

/// FUNCTION DELETE library
pub(super) fn delete(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let name = String::from_utf8_lossy(args[2]);
    let libraries = &context.shared.scripting.libraries;
    let found = |found: bool| if found { Ok(()) } else { Err(ScriptError::LibraryNotFound) };
    let removed = libraries.change(|catalog| found(catalog.remove(&name)));
    removed.map_err(|error| Halt::Error(error.into()))?;
    changed(context, args);
    context.sink().simple("OK");
    Ok(())
}

/// FUNCTION DUMP
pub(super) fn dump(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    let payload = context.shared.scripting.libraries.catalog().dump();
    context.sink().bulk(&payload);
    Ok(())
}

/// FUNCTION FLUSH [ASYNC | SYNC]
pub(super) fn flush(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if !is_flush_mode(&args[2..]) {
        return Err(Halt::Error(ScriptError::FlushOption("FUNCTION FLUSH only supports").into()));
    }
    let all_gone = |catalog: &mut Catalog| -> Outcome {
        *catalog = Catalog::default();
        Ok(())
    };
    context.shared.scripting.libraries.change(all_gone)?;
    changed(context, args);
    context.sink().simple("OK");
    Ok(())
}

/// FUNCTION HELP
pub(super) fn help(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    context.sink().array(HELP.len());
    HELP.iter().for_each(|line| context.sink().simple(line));
    Ok(())
}

/// FUNCTION KILL
pub(super) fn kill(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    context.shared.scripting.long.kill(true).map_err(|error| Halt::Error(error.into()))?;
    context.sink().simple("OK");
    Ok(())
}

/// FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]
pub(super) fn list(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (mut with_code, mut pattern) = (false, None);
    let mut rest = args[2..].iter();
    while let Some(word) = rest.next() {
        if !with_code && word.eq_ignore_ascii_case(b"withcode") {
            with_code = true;
        } else if pattern.is_none() && word.eq_ignore_ascii_case(b"libraryname") {
            let given = rest.next();
            let given = given.ok_or_else(|| Halt::Error(ScriptError::ListNameMissing.into()))?;
            pattern = Some(given.to_ascii_lowercase());
        } else {
            return Err(Halt::Error(ScriptError::ListArgument(word.to_vec()).into()));
        }
    }
    let catalog = context.shared.scripting.libraries.catalog();
    let wanted = |library: &&Arc<Library>| {
        let name = library.name.to_ascii_lowercase();
        pattern.as_ref().is_none_or(|pattern| glob::matches(pattern, name.as_bytes()))
    };
    let libraries: Vec<&Arc<Library>> = catalog.libraries.values().filter(wanted).collect();
    context.sink().array(libraries.len());
    for library in libraries {
        write_library(context, library, with_code);
    }
    Ok(())
}

fn write_library(context: &mut Context<'_>, library: &Library, with_code: bool) {
    let sink = context.sink();
    sink.map(if with_code { 4 } else { 3 });
    sink.bulk(b"library_name");
    sink.bulk(library.name.as_bytes());
    sink.bulk(b"engine");
    sink.bulk(b"LUA");
    sink.bulk(b"functions");
    sink.array(library.functions.len());
    for function in &library.functions {
        sink.map(3);
        sink.bulk(b"name");
        sink.bulk(&function.name);
        sink.bulk(b"description");
        match &function.description {
            Some(text) => sink.bulk(text),
            None => sink.null(),
        }
        sink.bulk(b"flags");
        let names: Vec<&str> = function.flags.names().collect();
        sink.set(names.len());
        names.iter().for_each(|name| sink.simple(name));
    }
    if with_code {
        sink.bulk(b"library_code");
        sink.bulk(&library.source);
    }
}

/// FUNCTION LOAD [REPLACE] code
pub(super) fn load(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (code, options) = args[2..].split_last().expect("the arity saw to it");
    let mut replace = false;
    for option in options {
        if !option.eq_ignore_ascii_case(b"replace") {
            return Err(Halt::Error(ScriptError::LoadOption(option.to_vec()).into()));
        }
        replace = true;
    }
    let name = Library::name_of(code).map_err(|error| Halt::Error(error.into()))?;
    let there = context.shared.scripting.libraries.catalog().libraries.contains_key(&name);
    if there && !replace {
        return Err(Halt::Error(ScriptError::LibraryExists(name).into()));
    }
    let library = Arc::new(Library::new(code)?);
    let added = context.shared.scripting.libraries.change(|catalog| catalog.add(library, replace));
    added.map_err(|error| Halt::Error(error.into()))?;
    changed(context, args);
    context.sink().bulk(name.as_bytes());
    Ok(())
}

/// FUNCTION RESTORE payload [FLUSH | APPEND | REPLACE]
pub(super) fn restore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (flush, replace) = match &args[3..] {
        [] => (false, false),
        [policy] if policy.eq_ignore_ascii_case(b"append") => (false, false),
        [policy] if policy.eq_ignore_ascii_case(b"flush") => (true, false),
        [policy] if policy.eq_ignore_ascii_case(b"replace") => (false, true),
        [_] => return Err(Halt::Error(ScriptError::RestorePolicy.into())),
        _ => {
            let name = "function|restore".to_owned();
            return Err(Halt::Error(CommandError::WrongArity(name)));
        }
    };
    let restored = Catalog::undump(args[2])?;
    let joined = context.shared.scripting.libraries.change(|catalog| {
        if flush {
            *catalog = Catalog::default();
        }
        restored
            .libraries
            .values()
            .try_for_each(|library| catalog.add(Arc::clone(library), replace))
    });
    joined.map_err(|error| {
        // Redis says it without quotes here.
        let error = match error {
            ScriptError::LibraryExists(name) => ScriptError::LibraryCollides(name),
            other => other,
        };
        Halt::Error(error.into())
    })?;
    changed(context, args);
    context.sink().simple("OK");
    Ok(())
}

/// FUNCTION STATS
pub(super) fn stats(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    let scripting = &context.shared.scripting;
    let (running, catalog) = (scripting.long.longest_function(), scripting.libraries.catalog());
    let sink = context.sink();
    sink.map(2);
    sink.bulk(b"running_script");
    match running {
        None => sink.null(),
        Some((label, milliseconds)) => {
            sink.map(3);
            sink.bulk(b"name");
            sink.bulk(&label.function.unwrap_or_default());
            sink.bulk(b"command");
            sink.array(label.command.len());
            label.command.iter().for_each(|word| sink.bulk(word));
            sink.bulk(b"duration_ms");
            sink.integer(milliseconds.cast_signed());
        }
    }
    sink.bulk(b"engines");
    sink.map(1);
    sink.bulk(b"LUA");
    sink.map(2);
    for (name, count) in [
        (&b"libraries_count"[..], catalog.libraries.len()),
        (b"functions_count", catalog.function_count()),
    ] {
        sink.bulk(name);
        sink.integer(i64::try_from(count).expect("they are in memory"));
    }
    Ok(())
}

/// Logs a change of the libraries: the command does it again.
fn changed(context: &mut Context<'_>, args: &Args<'_>) {
    context.log_libraries(args);
}
