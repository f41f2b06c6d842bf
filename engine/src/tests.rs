//! The keyspace under load: growth, shrinking, racing writers, transactions and readers.
//!
//! Small enough for every run; `server/tests` repeats the promises over sockets.

use std::collections::HashSet;
use std::thread;

use crate::context::Context;
use crate::host::Halt;
use crate::sync::{AtomicBool, Ordering};
use crate::value::{Change, NewText, Put};
use crate::{Engine, Session, Text};

const NOW: u64 = 1_700_000_000_000;

fn key(i: u64) -> Vec<u8> {
    format!("key:{i:012}").into_bytes()
}

fn number(text: Text<'_>) -> i64 {
    match text {
        Text::Int(number) => number,
        other => panic!("{other:?} is no number"),
    }
}

fn put<'v>(text: NewText<'v>, expire_at_ms: Option<u64>) -> Change<'v> {
    Change::Put(Put { text, expire_at_ms })
}

fn increment(context: &mut Context<'_>, key: &[u8]) -> Result<i64, Halt> {
    context.update(key, |old| {
        let next = old.and_then(crate::Record::text).map_or(0, number) + 1;
        Ok((put(NewText::Int(next), None), next))
    })
}

/// All keys a full SCAN meets, with how often.
fn scan_all(session: &mut Session, count: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut cursor = 0;
    loop {
        let mut turn = session.enter(NOW);
        cursor = turn.with_context(0, |context| {
            let step = context.scan(cursor, count);
            all.extend(step.records.iter().map(|record| record.key().to_vec()));
            step.cursor
        });
        if cursor == 0 {
            return all;
        }
    }
}

#[test]
fn a_map_grows_is_scanned_and_shrinks_to_nothing() {
    const KEYS: u64 = 200_000;
    let engine = Engine::builder().seed(1).build();
    let mut session = engine.session();
    for i in 0..KEYS {
        session.enter(NOW).set(0, &key(i), b"value").unwrap();
    }
    assert_eq!(engine.stats().databases[0].keys, KEYS);
    for i in 0..KEYS {
        assert!(session.enter(NOW).get(0, &key(i)).unwrap().is_some(), "key {i} is lost");
    }
    let scanned = scan_all(&mut session, 100);
    assert_eq!(scanned.len() as u64, KEYS, "no resize, so no key twice");
    assert_eq!(scanned.iter().collect::<HashSet<_>>().len() as u64, KEYS);
    for i in 0..KEYS {
        assert!(session.enter(NOW).delete(0, &key(i)).unwrap(), "key {i} was there");
    }
    let mut maintainer = engine.maintainer();
    for _ in 0..2_000 {
        maintainer.tick(NOW);
        drop(session.enter(NOW));
    }
    let stats = engine.stats();
    assert_eq!((stats.databases[0].keys, stats.memory_records), (0, 0));
    assert!(stats.memory_index < 200 * 1024, "{} bytes of index stay", stats.memory_index);
}

#[test]
fn memory_per_key_meets_its_target() {
    const KEYS: u64 = 1_000_000;
    let engine = Engine::builder().seed(1).build();
    let mut session = engine.session();
    for i in 0..KEYS {
        session.enter(NOW).set(0, &key(i), &[b'v'; 32]).unwrap();
    }
    let over = (engine.stats().memory_used - KEYS * 48) / KEYS;
    assert!(over <= 30, "{over} bytes over key and value");
}

#[test]
fn two_writers_of_the_same_keys_make_no_duplicates() {
    const KEYS: u64 = 50_000;
    let engine = Engine::builder().seed(2).build();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut session = engine.session();
                for i in 0..KEYS {
                    session.enter(NOW).set(0, &key(i), b"value").unwrap();
                }
            });
        }
    });
    assert_eq!(engine.stats().databases[0].keys, KEYS);
    assert_eq!(scan_all(&mut engine.session(), 1_000).len() as u64, KEYS);
}

#[test]
fn increments_are_not_lost_while_keys_come_and_go_around_them() {
    const ROUNDS: i64 = 20_000;
    let engine = Engine::builder().seed(3).build();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let counters: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut session = engine.session();
                    for i in 0..ROUNDS {
                        let mut turn = session.enter(NOW);
                        let name = key(u64::try_from(i % 7).unwrap());
                        turn.with_context(0, |context| increment(context, &name)).unwrap();
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut session = engine.session();
            let mut maintainer = engine.maintainer();
            let mut i = 0;
            while !done.load(Ordering::Relaxed) {
                i += 1;
                session.enter(NOW).set(0, &key(1_000 + i % 30_000), b"x").unwrap();
                session.enter(NOW).delete(0, &key(1_000 + (i * 7) % 30_000)).unwrap();
                if i % 64 == 0 {
                    maintainer.tick(NOW);
                }
            }
        });
        for counter in counters {
            counter.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    let mut session = engine.session();
    let mut turn = session.enter(NOW);
    let sum: i64 = (0..7)
        .map(|i| {
            let text = turn.get(0, &key(i)).unwrap().unwrap();
            String::from_utf8(text).unwrap().parse::<i64>().unwrap()
        })
        .sum();
    assert_eq!(sum, 2 * ROUNDS);
}

#[test]
fn readers_never_see_half_of_a_transaction() {
    const ROUNDS: i64 = 5_000;
    let engine = Engine::builder().seed(4).build();
    let keys: Vec<Vec<u8>> = (0..10).map(key).collect();
    let refs: Vec<(u16, &[u8])> = keys.iter().map(|key| (0, &key[..])).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (engine, keys, refs) = (&engine, &keys, &refs);
                scope.spawn(move || {
                    let mut session = engine.session();
                    for round in 0..ROUNDS {
                        let mut turn = session.enter(NOW);
                        let written = turn.with_context(0, |context| {
                            context.take(refs)?;
                            for key in keys {
                                let value = NewText::Int(round * 2 + writer);
                                context.update(key, |_| Ok((put(value.clone(), None), ())))?;
                            }
                            context.finish();
                            Ok::<(), Halt>(())
                        });
                        assert!(matches!(written, Ok(()) | Err(Halt::Busy)), "{written:?}");
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut session = engine.session();
            while !done.load(Ordering::Relaxed) {
                let mut turn = session.enter(NOW);
                let seen: Vec<Option<i64>> = turn.with_context(0, |context| {
                    if context.prepare_read(&refs).is_err() {
                        return vec![None];
                    }
                    let texts = keys.iter().map(|key| context.read(key).unwrap());
                    let seen = texts.map(|r| r.and_then(crate::Record::text).map(number)).collect();
                    context.finish();
                    seen
                });
                assert!(seen.iter().all(|one| *one == seen[0]), "torn: {seen:?}");
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn expired_keys_are_never_read_and_soon_reclaimed() {
    const KEYS: u64 = 100_000;
    let engine = Engine::builder().seed(5).build();
    let mut session = engine.session();
    for i in 0..KEYS {
        let mut turn = session.enter(NOW);
        let deadline = NOW + i % 1_000;
        let store = |_: Option<&_>| Ok((put(NewText::Slice(b"v"), Some(deadline)), ()));
        turn.with_context(0, |context| context.update(&key(i), store)).unwrap();
    }
    assert_eq!(engine.stats().databases[0].expires, KEYS);
    assert!(session.enter(NOW + 1).get(0, &key(0)).unwrap().is_none());
    assert!(session.enter(NOW + 1).get(0, &key(1)).unwrap().is_some());
    let mut maintainer = engine.maintainer();
    let mut ticks = 0;
    while maintainer.tick(NOW + 1_001) == 0 {
        ticks += 1;
        assert!(ticks < 1_000, "the sweep does not end");
    }
    assert_eq!(engine.stats().databases[0].keys, 0);
    assert_eq!(engine.stats().expired, KEYS);
}
