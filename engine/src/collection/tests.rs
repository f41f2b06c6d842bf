//! Collections under the engine's rules, with the simplest collection there is.
//!
//! Why it exists: what makes an edit atomic does not depend on what is edited, so it is tested with
//! a vector of numbers that is packed while it has at most four.

use crate::sync::{AtomicBool, Ordering};

use crate::collection::{Collection, Edit, Missing};
use crate::commands::lookup;
use crate::reply::Discard;
use crate::{Context, Engine, Halt, Kind, NoHost, Queued, Scope, Session};

const NOW_MS: u64 = 1_700_000_000_000;
const PACKED_MAX: usize = 4;

/// Numbers; packed as bytes while they are few.
#[derive(Clone, Debug, Default)]
struct Numbers(Vec<u8>);

impl Collection for Numbers {
    const KIND: Kind = Kind::List;
    type Ref<'a> = &'a [u8];

    fn as_ref(&self) -> &[u8] {
        &self.0
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn memory(&self) -> usize {
        self.0.len()
    }

    fn packed(&self) -> Option<(u8, &[u8])> {
        (self.0.len() <= PACKED_MAX).then_some((0, &self.0))
    }

    fn unpack(_: u8, bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    fn view(_: u8, bytes: &[u8]) -> &[u8] {
        bytes
    }

    fn encoding(_: &[u8]) -> &'static str {
        "numbers"
    }
}

fn push(session: &mut Session, key: &[u8], number: u8) {
    session.enter(NOW_MS).with_context(0, |context| {
        let pushed = context.edit::<Numbers, _>(key, Missing::Create, |numbers| {
            numbers.0.push(number);
            Ok(Edit::Changed(()))
        });
        assert_eq!(pushed, Ok(Some(())));
    });
}

fn pop(session: &mut Session, key: &[u8]) -> Option<u8> {
    session.enter(NOW_MS).with_context(0, |context| {
        let popped = context.edit::<Numbers, _>(key, Missing::Skip, |numbers| {
            Ok(Edit::Changed(numbers.0.pop().expect("an empty value has no key")))
        });
        popped.expect("nobody else is there")
    })
}

fn read(session: &mut Session, key: &[u8]) -> Option<Vec<u8>> {
    session.enter(NOW_MS).with_context(0, |context| {
        let view = context.view::<Numbers>(key).expect("nobody else is there");
        view.map(|view| view.get().to_vec())
    })
}

fn run(session: &mut Session, args: &[&[u8]]) {
    let row = lookup(args[0]).expect("a command");
    let mut turn = session.enter(NOW_MS);
    turn.run(&mut Scope::default(), &mut NoHost, row, args, &mut Discard).expect("it succeeds");
}

fn keys_and_bytes(engine: &Engine) -> (u64, u64) {
    let stats = engine.stats();
    (stats.databases[0].keys, stats.memory_records)
}

#[test]
fn a_value_grows_from_its_record_into_an_object_and_back_to_nothing() {
    let engine = Engine::builder().seed(1).build();
    let session = &mut engine.session();
    for number in 0..10 {
        push(session, b"k", number);
        let want: Vec<u8> = (0..=number).collect();
        assert_eq!(read(session, b"k"), Some(want));
    }
    assert_eq!(keys_and_bytes(&engine).0, 1);
    for number in (0..10).rev() {
        assert_eq!(pop(session, b"k"), Some(number));
    }
    assert_eq!((read(session, b"k"), pop(session, b"k")), (None, None));
    assert_eq!(keys_and_bytes(&engine).0, 0);
    push(session, b"k", 7);
    assert_eq!(read(session, b"k"), Some(vec![7]));
    assert_eq!(keys_and_bytes(&engine).0, 1);
}

/// An object that lost its last element is its own tombstone: its memory goes with its epoch.
#[test]
fn an_emptied_object_leaves_nothing_behind() {
    let engine = Engine::builder().seed(1).build();
    let mut session = engine.session();
    for key in [b"a", b"b"] {
        (0..9).for_each(|number| push(&mut session, key, number));
        (0..9).for_each(|_| assert!(pop(&mut session, key).is_some()));
    }
    assert!(keys_and_bytes(&engine).1 > 0);
    let mut maintainer = engine.maintainer();
    for _ in 0..8 {
        maintainer.tick(NOW_MS);
        drop(session.enter(NOW_MS));
    }
    assert_eq!(keys_and_bytes(&engine), (0, 0));
}

#[test]
fn other_types_and_deadlines_are_respected() {
    let engine = Engine::builder().seed(1).build();
    let session = &mut engine.session();
    run(session, &[b"SET", b"s", b"text"]);
    session.enter(NOW_MS).with_context(0, |context| {
        let wrong = Halt::Error(zumic_error::CommandError::WrongType);
        assert_eq!(context.view::<Numbers>(b"s").map(|_| ()), Err(wrong.clone()));
        let edit = |numbers: &mut Numbers| {
            numbers.0.clear();
            Ok(Edit::Same(()))
        };
        assert_eq!(context.edit::<Numbers, ()>(b"s", Missing::Create, edit), Err(wrong));
    });
    (0..9).for_each(|number| push(session, b"k", number));
    run(session, &[b"PEXPIREAT", b"k", b"1700000000005"]);
    push(session, b"k", 9);
    assert_eq!(read(session, b"k").map(|numbers| numbers.len()), Some(10));
    let mut turn = session.enter(NOW_MS + 6);
    turn.with_context(0, |context| {
        assert!(context.view::<Numbers>(b"k").unwrap().is_none());
        let pushed = context.edit::<Numbers, _>(b"k", Missing::Create, |numbers| {
            assert!(numbers.0.is_empty(), "an expired value came back");
            numbers.0.push(1);
            Ok(Edit::Changed(()))
        });
        assert_eq!(pushed, Ok(Some(())));
        let record = context.peek(b"k").unwrap().unwrap();
        assert_eq!(record.expire_at_ms(), None);
    });
}

#[test]
fn rename_shares_and_copy_does_not() {
    let engine = Engine::builder().seed(1).build();
    let session = &mut engine.session();
    (0..9).for_each(|number| push(session, b"a", number));
    run(session, &[b"COPY", b"a", b"c"]);
    run(session, &[b"RENAME", b"a", b"b"]);
    push(session, b"b", 9);
    assert_eq!(read(session, b"a"), None);
    assert_eq!(read(session, b"b").map(|numbers| numbers.len()), Some(10));
    assert_eq!(read(session, b"c").map(|numbers| numbers.len()), Some(9));
    let before = keys_and_bytes(&engine);
    run(session, &[b"DEL", b"b", b"c"]);
    assert_eq!((before.0, keys_and_bytes(&engine).0), (2, 0));
}

/// Edits inside a transaction are seen with its commit and booked once.
#[test]
fn a_transaction_edits_renames_and_books() {
    let engine = Engine::builder().seed(1).build();
    let session = &mut engine.session();
    (0..9).for_each(|number| push(session, b"a", number));
    let mut turn = session.enter(NOW_MS);
    turn.with_context(0, |context| {
        context.take(&[(0, b"a"), (0, b"b"), (0, b"n")]).unwrap();
        let push = |context: &mut Context<'_>, key: &[u8], number: u8| {
            let pushed = context.edit::<Numbers, _>(key, Missing::Create, |numbers| {
                numbers.0.push(number);
                Ok(Edit::Changed(()))
            });
            assert_eq!(pushed, Ok(Some(())));
        };
        push(context, b"a", 9);
        let record = context.peek(b"a").unwrap().unwrap();
        context.put_value(0, b"b", record, None, false).unwrap();
        context.update(b"a", |_| Ok((crate::Change::Remove, ()))).unwrap();
        push(context, b"b", 10);
        (0..9).for_each(|number| push(context, b"n", number));
        assert!(context.view::<Numbers>(b"a").unwrap().is_none());
        context.finish();
    });
    drop(turn);
    assert_eq!(read(session, b"b").map(|numbers| numbers.len()), Some(11));
    assert_eq!(read(session, b"n").map(|numbers| numbers.len()), Some(9));
    run(session, &[b"DEL", b"b", b"n"]);
    let mut maintainer = engine.maintainer();
    for _ in 0..8 {
        maintainer.tick(NOW_MS);
        drop(session.enter(NOW_MS));
    }
    assert_eq!(keys_and_bytes(&engine), (0, 0));
}

/// Readers on other threads see no half of an edit, whatever else happens to the key.
#[test]
fn editors_readers_and_removers_race() {
    let rounds = if cfg!(miri) { 50 } else { 20_000 };
    let engine = Engine::builder().seed(1).build();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let work = |what: fn(&mut Session, u32)| {
            let mut session = engine.session();
            move || (0..rounds).for_each(|round| what(&mut session, round))
        };
        // Each edit keeps all numbers equal.
        let editor = |session: &mut Session, round: u32| {
            let number = u8::try_from(round % 251).unwrap();
            session.enter(NOW_MS).with_context(0, |context| {
                let key: &[u8] = if round.is_multiple_of(3) { b"b" } else { b"a" };
                let edited = context.edit::<Numbers, _>(key, Missing::Create, |numbers| {
                    let len = (numbers.0.len() + 1) % 40;
                    numbers.0.clear();
                    numbers.0.resize(len, number);
                    Ok(Edit::Changed(()))
                });
                assert!(matches!(edited, Ok(Some(())) | Err(Halt::Busy)), "{edited:?}");
            });
        };
        let remover = |session: &mut Session, round: u32| {
            let args: &[&[u8]] = match round % 4 {
                0 => &[b"DEL", b"a"],
                1 if round.is_multiple_of(3) => &[b"RENAME", b"b", b"a"],
                1 => &[b"RENAME", b"a", b"b"],
                2 => &[b"COPY", b"a", b"b", b"REPLACE"],
                _ => &[b"PEXPIRE", b"a", b"100000"],
            };
            let row = lookup(args[0]).expect("a command");
            let mut turn = session.enter(NOW_MS);
            // A key that is absent or busy: all the same here.
            let _ = turn.run(&mut Scope::default(), &mut NoHost, row, args, &mut Discard);
        };
        let workers =
            [scope.spawn(work(editor)), scope.spawn(work(editor)), scope.spawn(work(remover))];
        let reader = scope.spawn(|| {
            let mut session = engine.session();
            while !done.load(Ordering::Relaxed) {
                session.enter(NOW_MS).with_context(0, |context| {
                    for key in [b"a", b"b"] {
                        let Ok(Some(view)) = context.view::<Numbers>(key) else { continue };
                        let numbers = view.get();
                        assert!(!numbers.is_empty(), "an empty value has a key");
                        assert!(numbers.iter().all(|number| *number == numbers[0]), "torn");
                    }
                });
            }
        });
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    let session = &mut engine.session();
    run(session, &[b"DEL", b"a", b"b"]);
    let mut maintainer = engine.maintainer();
    for _ in 0..50 {
        maintainer.tick(NOW_MS);
    }
    assert_eq!(keys_and_bytes(&engine), (0, 0), "the books do not balance");
}

/// EXEC over a queue reads what it wrote and commits at once.
#[test]
fn exec_sees_its_own_edits() {
    let engine = Engine::builder().seed(1).build();
    let session = &mut engine.session();
    (0..9).for_each(|number| push(session, b"a", number));
    let queue: Vec<Queued> = [&[&b"RENAME"[..], b"a", b"b"][..], &[b"DEL", b"b"]]
        .into_iter()
        .map(|args| Queued {
            spec: lookup(args[0]).expect("a command"),
            args: args.iter().map(|arg| arg.to_vec()).collect(),
        })
        .collect();
    let mut turn = session.enter(NOW_MS);
    let done =
        turn.with(&mut Scope::default(), &mut Discard, |context| context.exec(&mut NoHost, &queue));
    assert_eq!(done, Ok(()));
    drop(turn);
    assert_eq!((read(session, b"a"), read(session, b"b")), (None, None));
    assert_eq!(keys_and_bytes(&engine).0, 0);
}
