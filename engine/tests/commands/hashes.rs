//! Fields of hashes that expire although nobody asks for them.

use engine::{Engine, Scope, Session};

use super::harness::run;
use super::sink::Value;

const NOW: u64 = 1_700_000_000_000;

fn say(session: &mut Session, now_ms: u64, line: &str) -> Value {
    let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    run(session, &mut Scope::default(), now_ms, &args)
}

fn keys(engine: &Engine) -> u64 {
    engine.stats().databases[0].keys
}

/// A hash in each of its forms: a record, a packed object, a table.
fn fill(session: &mut Session, key: &str, form: usize) {
    let fields = if form == 1 { 60 } else { 6 };
    let value = "v".repeat([5, 30, 100][form]);
    for field in 0..fields {
        say(session, NOW, &format!("HSET {key} f{field} {value}"));
        say(session, NOW, &format!("HPEXPIRE {key} 100 FIELDS 1 f{field}"));
    }
    let encoding = say(session, NOW, &format!("OBJECT ENCODING {key}"));
    let want = ["listpackex", "listpackex", "hashtable"][form];
    assert_eq!(encoding, Value::bulk(want.as_bytes()));
}

/// Ticks until nothing is left to do.
fn tick(engine: &Engine, session: &mut Session, now_ms: u64) {
    let mut maintainer = engine.maintainer();
    for _ in 0..50 {
        maintainer.tick(now_ms);
        drop(session.enter(now_ms));
    }
}

#[test]
fn the_sweep_removes_fields_and_then_their_hash() {
    let engine = Engine::builder().seed(1).build();
    let session = &mut engine.session();
    for form in 0..3 {
        let (all, some) = (format!("all{form}"), format!("some{form}"));
        fill(session, &all, form);
        fill(session, &some, form);
        say(session, NOW, &format!("HPERSIST {some} FIELDS 1 f0"));
        say(session, NOW, &format!("HPEXPIRE {some} 500 FIELDS 1 f1"));
    }
    // The segments that the hashes are in split, and their successors have to know.
    (0..5_000).for_each(|number| drop(say(session, NOW, &format!("SET k{number} v"))));
    tick(&engine, session, NOW + 100);
    assert_eq!(keys(&engine), 5_006);
    tick(&engine, session, NOW + 101);
    assert_eq!(keys(&engine), 5_003);
    for form in 0..3 {
        // Asked as of before the deadlines: what is gone is really gone.
        assert_eq!(say(session, NOW, &format!("HLEN some{form}")), Value::Integer(2));
        say(session, NOW, &format!("HDEL some{form} f0"));
    }
    tick(&engine, session, NOW + 501);
    assert_eq!(keys(&engine), 5_000);
}

/// What is left of a hash is not looked at before its next deadline, and then is.
#[test]
fn the_sweep_comes_back_for_the_next_field() {
    let engine = Engine::builder().seed(1).build();
    let session = &mut engine.session();
    for form in 0..3 {
        let key = format!("h{form}");
        fill(session, &key, form);
        say(session, NOW, &format!("HPEXPIRE {key} 300 FIELDS 1 f1"));
    }
    tick(&engine, session, NOW + 200);
    assert_eq!(keys(&engine), 3);
    for form in 0..3 {
        assert_eq!(say(session, NOW, &format!("HLEN h{form}")), Value::Integer(1), "{form}");
    }
    tick(&engine, session, NOW + 301);
    assert_eq!(keys(&engine), 0);
}

/// A persisted field's old deadline must not keep the sweep busy.
#[test]
fn a_deadline_that_was_taken_away_wakes_the_sweep_once() {
    let engine = Engine::builder().seed(1).build();
    let session = &mut engine.session();
    for form in 0..3 {
        let key = format!("h{form}");
        fill(session, &key, form);
        say(session, NOW, &format!("HPEXPIRE {key} 10000 FIELDS 1 f1"));
        for field in (0..60).filter(|field| *field != 1) {
            say(session, NOW, &format!("HPERSIST {key} FIELDS 1 f{field}"));
        }
    }
    let mut maintainer = engine.maintainer();
    for _ in 0..5 {
        maintainer.tick(NOW + 500);
        drop(session.enter(NOW + 500));
    }
    assert_eq!(engine.stats().expire_lag_ms, 0, "nothing is due");
}

/// A deadline is set in place while the segment with the hash's key splits.
#[test]
fn deadlines_set_during_splits_are_not_forgotten() {
    let engine = Engine::builder().seed(1).build();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let session = &mut engine.session();
            (0..20_000).for_each(|number| drop(say(session, NOW, &format!("SET k{number} v"))));
        });
        scope.spawn(|| {
            let session = &mut engine.session();
            (0..300).for_each(|number| fill(session, &format!("h{number}"), 2));
        });
    });
    let session = &mut engine.session();
    tick(&engine, session, NOW + 101);
    assert_eq!(keys(&engine), 20_000);
}
