//! Runs commands on an engine without a server, and holds handlers to the rules of replies.

use engine::commands::{CommandSpec, lookup};
use engine::{Halt, NoHost, Scope, Session};

use super::sink::{Collect, Value};

/// The row of a command line, subcommands looked up.
pub(crate) fn row_of(args: &[&[u8]]) -> &'static CommandSpec {
    let row = lookup(args[0]).expect("a known command");
    match args.get(1) {
        Some(name) if !row.subcommands.is_empty() => row.subcommand(name).expect("a subcommand"),
        _ => row,
    }
}

/// Runs one command as a server would, and holds its handler to the rules of replies.
pub(crate) fn run(session: &mut Session, scope: &mut Scope, now_ms: u64, args: &[&[u8]]) -> Value {
    let row = row_of(args);
    assert!(row.accepts(args.len()), "{args:?} has the wrong number of arguments");
    let mut sink = Collect::default();
    match session.enter(now_ms).run(scope, &mut NoHost, row, args, &mut sink) {
        Ok(()) => sink.into_reply(),
        Err(Halt::Error(error)) => {
            assert!(sink.is_empty(), "{args:?} failed and wrote {sink:?}");
            Value::Error(error.to_string())
        }
        Err(Halt::Busy | Halt::Wait(_)) => panic!("{args:?} waits although it is alone"),
    }
}
