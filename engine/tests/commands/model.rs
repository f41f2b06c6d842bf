//! The keyspace as plain maps: what the engine must answer.
//!
//! Why it exists: the engine is lock-free and lazy; what it answers must still be what a handful
//! of `BTreeMap`s answers. The property is one function, for seeds and for a fuzzer.

use std::collections::BTreeMap;

use engine::{Engine, Scope};

use super::harness::run;
use super::ops::{Condition, DATABASES, Deadline, Op, START_MS, Source};
use super::sink::Value;

/// A value and its deadline in milliseconds from the start.
#[derive(Clone, Debug)]
struct Entry {
    value: Vec<u8>,
    deadline: Option<u64>,
}

/// The databases, the selected one, and the time since the start.
#[derive(Debug)]
struct Model {
    databases: Vec<BTreeMap<u8, Entry>>,
    db: usize,
    now: u64,
}

fn ok() -> Value {
    Value::Simple("OK".to_owned())
}

fn flag(value: bool) -> Value {
    Value::Integer(i64::from(value))
}

fn size(len: usize) -> Value {
    Value::Integer(i64::try_from(len).expect("a small number"))
}

fn bulk_or_null(entry: Option<&Entry>) -> Value {
    entry.map_or(Value::Null, |entry| Value::bulk(&entry.value))
}

fn integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

impl Model {
    fn here(&mut self) -> &mut BTreeMap<u8, Entry> {
        &mut self.databases[self.db]
    }

    fn put(&mut self, key: u8, value: &[u8], deadline: Option<u64>) {
        if deadline.is_some_and(|deadline| deadline < self.now) {
            self.here().remove(&key);
        } else {
            self.here().insert(key, Entry { value: value.to_vec(), deadline });
        }
    }

    /// Keys live through the millisecond of their deadline.
    fn advance(&mut self, by: u64) {
        self.now += by;
        let now = self.now;
        for database in &mut self.databases {
            database.retain(|_, entry| entry.deadline.is_none_or(|deadline| now <= deadline));
        }
    }

    fn apply(&mut self, op: &Op) -> Value {
        match op {
            Op::Advance(by) => {
                self.advance(*by);
                Value::Null
            }
            Op::Del(keys) => {
                size(keys.iter().filter(|key| self.here().remove(key).is_some()).count())
            }
            Op::Exists(keys) => {
                size(keys.iter().filter(|key| self.here().contains_key(key)).count())
            }
            Op::Flush(all) => {
                let db = self.db;
                let chosen = self.databases.iter_mut().enumerate();
                chosen.filter(|(at, _)| *all || *at == db).for_each(|(_, map)| map.clear());
                ok()
            }
            Op::Keys => Value::array(self.here().keys().map(|key| Value::bulk(&[*key])).collect()),
            Op::Select(db) => {
                self.db = *db;
                ok()
            }
            Op::Swap(a, b) => {
                self.databases.swap(*a, *b);
                ok()
            }
            Op::Copy { .. } | Op::Move(..) | Op::Rename(..) => self.apply_move(op),
            Op::Expire { .. } | Op::GetEx(..) | Op::Persist(_) | Op::Ttl(_) => self.apply_time(op),
            _ => self.apply_string(op),
        }
    }

    fn apply_move(&mut self, op: &Op) -> Value {
        match *op {
            Op::Copy { from, to, db, replace } => {
                if db == self.db && from == to {
                    let text = "ERR source and destination objects are the same";
                    return Value::Error(text.to_owned());
                }
                let Some(entry) = self.here().get(&from).cloned() else { return flag(false) };
                let free = replace || !self.databases[db].contains_key(&to);
                if free {
                    self.databases[db].insert(to, entry);
                }
                flag(free)
            }
            Op::Move(key, db) => {
                if db == self.db {
                    let text = "ERR source and destination objects are the same";
                    return Value::Error(text.to_owned());
                }
                if self.databases[db].contains_key(&key) {
                    return flag(false);
                }
                let Some(entry) = self.here().remove(&key) else { return flag(false) };
                self.databases[db].insert(key, entry);
                flag(true)
            }
            Op::Rename(from, to, nx) => {
                let Some(entry) = self.here().get(&from).cloned() else {
                    return Value::Error("ERR no such key".to_owned());
                };
                if nx && self.here().contains_key(&to) {
                    return flag(false);
                }
                self.here().remove(&from);
                self.here().insert(to, entry);
                if nx { flag(true) } else { ok() }
            }
            _ => unreachable!("not a move"),
        }
    }

    fn apply_time(&mut self, op: &Op) -> Value {
        let now = self.now;
        match *op {
            Op::Expire { key, at, option } => {
                let Some(entry) = self.here().get_mut(&key) else { return flag(false) };
                let old = entry.deadline;
                let allowed = match option {
                    "NX" => old.is_none(),
                    "XX" => old.is_some(),
                    "GT" => old.is_some_and(|old| at > old),
                    "LT" => old.is_none_or(|old| at < old),
                    _ => true,
                };
                if allowed && at <= now {
                    self.here().remove(&key);
                } else if allowed {
                    entry.deadline = Some(at);
                }
                flag(allowed)
            }
            Op::GetEx(key, deadline) => {
                let reply = bulk_or_null(self.here().get(&key));
                if deadline.is_some_and(|deadline| deadline <= now) {
                    self.here().remove(&key);
                } else if let Some(entry) = self.here().get_mut(&key) {
                    entry.deadline = deadline;
                }
                reply
            }
            Op::Persist(key) => {
                let entry = self.here().get_mut(&key);
                flag(entry.is_some_and(|entry| entry.deadline.take().is_some()))
            }
            Op::Ttl(key) => Value::Integer(match self.here().get(&key).map(|e| e.deadline) {
                None => -2,
                Some(None) => -1,
                Some(Some(deadline)) => i64::try_from(deadline - now).expect("a short time"),
            }),
            _ => unreachable!("not about time"),
        }
    }

    fn apply_string(&mut self, op: &Op) -> Value {
        match op {
            Op::Append(key, tail) => {
                let entry = self.here().entry(*key);
                let entry = entry.or_insert(Entry { value: Vec::new(), deadline: None });
                entry.value.extend_from_slice(tail);
                size(entry.value.len())
            }
            Op::Get(key) => bulk_or_null(self.here().get(key)),
            Op::GetDel(key) => bulk_or_null(self.here().remove(key).as_ref()),
            Op::GetRange(key, from, to) => {
                let value = self.here().get(key).map_or(Vec::new(), |entry| entry.value.clone());
                Value::Bulk(range(&value, *from, *to))
            }
            Op::IncrBy(key, by) => {
                let old = self.here().get(key).cloned();
                let now = old.as_ref().map_or(Some(0), |entry| integer(&entry.value));
                let Some(now) = now else {
                    let text = "ERR value is not an integer or out of range";
                    return Value::Error(text.to_owned());
                };
                let Some(sum) = now.checked_add(*by) else {
                    let text = "ERR increment or decrement would overflow";
                    return Value::Error(text.to_owned());
                };
                self.put(*key, sum.to_string().as_bytes(), old.and_then(|old| old.deadline));
                Value::Integer(sum)
            }
            Op::MGet(keys) => {
                Value::array(keys.iter().map(|key| bulk_or_null(self.here().get(key))).collect())
            }
            Op::MSet(pairs) => {
                pairs.iter().for_each(|(key, value)| self.put(*key, value, None));
                ok()
            }
            Op::MSetNx(pairs) => {
                let free = pairs.iter().all(|(key, _)| !self.here().contains_key(key));
                let written = pairs.iter().filter(|_| free);
                written.for_each(|(key, value)| self.put(*key, value, None));
                flag(free)
            }
            Op::SetRange(key, offset, bytes) => {
                let mut entry = self.here().get(key).cloned();
                if !bytes.is_empty() {
                    let new = entry.get_or_insert(Entry { value: Vec::new(), deadline: None });
                    new.value.resize(new.value.len().max(offset + bytes.len()), 0);
                    new.value[*offset..offset + bytes.len()].copy_from_slice(bytes);
                    let new = new.clone();
                    self.here().insert(*key, new);
                }
                size(entry.map_or(0, |entry| entry.value.len()))
            }
            Op::StrLen(key) => size(self.here().get(key).map_or(0, |entry| entry.value.len())),
            Op::Set { .. } => self.apply_set(op),
            _ => unreachable!("not about strings"),
        }
    }

    fn apply_set(&mut self, op: &Op) -> Value {
        let Op::Set { key, value, condition, get, deadline } = op else {
            unreachable!("called for SET")
        };
        let old = self.here().get(key).cloned();
        let go = match condition {
            Condition::Always => true,
            Condition::IfAbsent => old.is_none(),
            Condition::IfPresent => old.is_some(),
        };
        let deadline = match deadline {
            Deadline::At(at) => Some(*at),
            Deadline::Keep => old.as_ref().and_then(|old| old.deadline),
            Deadline::Never => None,
        };
        if go {
            self.put(*key, value, deadline);
        }
        match (get, go) {
            (true, _) => bulk_or_null(old.as_ref()),
            (false, true) => ok(),
            (false, false) => Value::Null,
        }
    }
}

fn range(value: &[u8], from: i64, to: i64) -> Vec<u8> {
    if from < 0 && to < 0 && from > to {
        return Vec::new();
    }
    let len = i64::try_from(value.len()).expect("a short value");
    let from_end = |at: i64| if at < 0 { (at + len).max(0) } else { at };
    let (from, to) = (from_end(from), from_end(to).min(len - 1));
    let inside = |at: &(i64, u8)| (from..=to).contains(&at.0);
    (0..).zip(value.iter().copied()).filter(inside).map(|(_, byte)| byte).collect()
}

/// Runs commands on an engine and on the model; both must answer the same.
///
/// # Panics
/// At the first difference, with `name`, the step and the command.
pub(crate) fn engine_agrees_with_maps(source: &mut impl Source, steps_max: usize, name: &str) {
    let databases = u16::try_from(DATABASES).expect("few databases");
    let engine = Engine::builder().databases(databases).seed(1).build();
    let mut maintainer = engine.maintainer();
    let mut session = engine.session();
    let mut scope = Scope::default();
    let maps = vec![BTreeMap::new(); DATABASES];
    let mut model = Model { databases: maps, db: 0, now: 0 };
    for step in 0..steps_max {
        let Some(op) = Op::next(source) else { return };
        let want = model.apply(&op);
        let now_ms = START_MS + model.now;
        let Some(command) = op.command() else {
            maintainer.tick(now_ms);
            continue;
        };
        let args: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        let mut got = run(&mut session, &mut scope, now_ms, &args);
        if let (Op::Keys, Value::Aggregate(_, keys)) = (&op, &mut got) {
            keys.sort_by_key(|key| if let Value::Bulk(key) = key { key.clone() } else { vec![] });
        }
        assert!(got == want, "{name} step={step} {op:?}\n got {got:?}\nwant {want:?}");
    }
}
