//! Is a recorded history linearizable? A checker for the commands of the stress tests.
//!
//! Why it exists: invariant I6 says that each command and EXEC takes effect at one instant
//! between request and reply. The check searches for such instants: an order of all operations
//! that respects their real-time order and in which a sequential store gives every recorded
//! reply. Not a proof about the code, only about the histories it produced.
//!
//! The search is Wing and Gong's ("Testing and Verifying Concurrent Objects", 1993) with the
//! memoization of Lowe ("Testing for linearizability", 2017): a pair of (operations placed,
//! store state) that failed once is not tried again. Histories are first split as Porcupine
//! does by P-compositionality (Horn and Kroening, "Faster linearizability checking via
//! P-compositionality", 2015; Athalye, Porcupine): operations on unconnected groups of keys
//! are checked apart, which is sound because linearizability is local to an object (Herlihy and
//! Wing, 1990), here a group of keys that no operation joins with another.
//!
//! Cost: linear in the history in the usual case; exponential in the number of operations
//! open at one time in the worst.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;

/// A key; the histories use few.
pub(crate) type Key = u8;

/// What a store does in one step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// SADD.
    Add(Key, i64),
    /// BLPOP with a short timeout.
    BlockingPop(Key),
    Del(Vec<Key>),
    /// EXEC of the queued actions, by the connection whose watches it consumes.
    Exec(usize, Vec<Action>),
    Get(Key),
    GetSet(Key, i64),
    /// HGETALL, or ZRANGE WITHSCORES: fields with their numbers.
    Fields(Key),
    Incr(Key),
    /// HINCRBY or ZINCRBY of a field by one.
    IncrField(Key, i64),
    /// SUNION, sorted.
    Members(Vec<Key>),
    Mget(Vec<Key>),
    /// LMOVE from the left to the right.
    Move(Key, Key),
    Mset(Vec<(Key, i64)>),
    /// LPOP.
    Pop(Key),
    /// RPUSH.
    Push(Key, i64),
    /// LRANGE of everything.
    Range(Key),
    /// SREM.
    Remove(Key, i64),
    Rename(Key, Key),
    Set(Key, i64),
    /// WATCH by a connection.
    Watch(usize, Vec<Key>),
}

/// What it answers. Values are integers so that INCR applies to all of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The null array of an EXEC whose watched keys were touched.
    Aborted,
    /// RENAME of an absent key.
    NoSuchKey,
    Number(i64),
    Ok,
    Several(Vec<Outcome>),
    Value(Option<i64>),
}

/// One operation, with the times of request and reply on one clock.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) connection: usize,
    pub(crate) invoked: u64,
    /// `u64::MAX` when the reply never came: it may have happened or not.
    pub(crate) returned: u64,
    pub(crate) action: Action,
    /// `None` exactly when the reply never came.
    pub(crate) outcome: Option<Outcome>,
}

/// The sequential store: values, and for each watching connection its keys and whether one of
/// them has been touched.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct State {
    values: BTreeMap<Key, i64>,
    lists: BTreeMap<Key, Vec<i64>>,
    sets: BTreeMap<Key, BTreeSet<i64>>,
    /// Hashes and sorted sets.
    fields: BTreeMap<Key, BTreeMap<i64, i64>>,
    watches: BTreeMap<usize, (BTreeSet<Key>, bool)>,
}

impl State {
    fn touch(&mut self, key: Key) {
        for (keys, touched) in self.watches.values_mut() {
            *touched |= keys.contains(&key);
        }
    }

    fn put(&mut self, key: Key, value: i64) {
        self.values.insert(key, value);
        self.touch(key);
    }

    fn take(&mut self, key: Key) -> Option<i64> {
        let old = self.values.remove(&key);
        if old.is_some() {
            self.touch(key);
        }
        old
    }

    fn remove(&mut self, key: Key) -> bool {
        let list = self.lists.remove(&key).is_some();
        let set = self.sets.remove(&key).is_some();
        let fields = self.fields.remove(&key).is_some();
        if list || set || fields {
            self.touch(key);
        }
        self.take(key).is_some() || list || set || fields
    }

    fn pop(&mut self, key: Key) -> Option<i64> {
        let list = self.lists.get_mut(&key)?;
        let first = list.remove(0);
        if list.is_empty() {
            self.lists.remove(&key);
        }
        self.touch(key);
        Some(first)
    }

    fn push(&mut self, key: Key, value: i64) -> Outcome {
        let list = self.lists.entry(key).or_default();
        list.push(value);
        let len = i64::try_from(list.len()).expect("a short list");
        self.touch(key);
        Outcome::Number(len)
    }

    fn remove_member(&mut self, key: Key, member: i64) -> bool {
        let Some(set) = self.sets.get_mut(&key) else { return false };
        let removed = set.remove(&member);
        if set.is_empty() {
            self.sets.remove(&key);
        }
        if removed {
            self.touch(key);
        }
        removed
    }

    /// Lists, sets and fields; `None` for other actions.
    fn apply_to_collection(&mut self, action: &Action) -> Option<Outcome> {
        let several = |values: &mut dyn Iterator<Item = i64>| {
            Outcome::Several(values.map(|value| Outcome::Value(Some(value))).collect())
        };
        Some(match action {
            Action::Add(key, member) => {
                let added = self.sets.entry(*key).or_default().insert(*member);
                if added {
                    self.touch(*key);
                }
                Outcome::Number(i64::from(added))
            }
            Action::BlockingPop(key) | Action::Pop(key) => Outcome::Value(self.pop(*key)),
            Action::Fields(key) => {
                let all = self.fields.get(key).into_iter().flatten();
                several(&mut all.flat_map(|(field, number)| [*field, *number]))
            }
            Action::IncrField(key, field) => {
                let number = self.fields.entry(*key).or_default().entry(*field).or_default();
                *number += 1;
                let number = *number;
                self.touch(*key);
                Outcome::Number(number)
            }
            Action::Members(keys) => {
                let sets = keys.iter().filter_map(|key| self.sets.get(key));
                let all: BTreeSet<i64> = sets.flatten().copied().collect();
                several(&mut all.into_iter())
            }
            Action::Move(from, to) => {
                let moved = self.pop(*from);
                if let Some(value) = moved {
                    self.push(*to, value);
                }
                Outcome::Value(moved)
            }
            Action::Push(key, value) => self.push(*key, *value),
            Action::Range(key) => several(&mut self.lists.get(key).into_iter().flatten().copied()),
            Action::Remove(key, member) => {
                Outcome::Number(i64::from(self.remove_member(*key, *member)))
            }
            _ => return None,
        })
    }

    fn apply(&mut self, action: &Action) -> Outcome {
        if let Some(outcome) = self.apply_to_collection(action) {
            return outcome;
        }
        match action {
            Action::Get(key) => Outcome::Value(self.values.get(key).copied()),
            Action::Mget(keys) => Outcome::Several(
                keys.iter().map(|key| Outcome::Value(self.values.get(key).copied())).collect(),
            ),
            Action::Set(key, value) => {
                self.put(*key, *value);
                Outcome::Ok
            }
            Action::Mset(pairs) => {
                pairs.iter().for_each(|(key, value)| self.put(*key, *value));
                Outcome::Ok
            }
            Action::GetSet(key, value) => {
                let old = self.values.get(key).copied();
                self.put(*key, *value);
                Outcome::Value(old)
            }
            Action::Incr(key) => {
                let value = self.values.get(key).copied().unwrap_or(0) + 1;
                self.put(*key, value);
                Outcome::Number(value)
            }
            Action::Del(keys) => {
                let removed = keys.iter().filter(|key| self.remove(**key)).count();
                Outcome::Number(i64::try_from(removed).expect("few keys"))
            }
            Action::Rename(from, to) => match self.take(*from) {
                Some(value) => {
                    self.put(*to, value);
                    Outcome::Ok
                }
                None => Outcome::NoSuchKey,
            },
            Action::Watch(connection, keys) => {
                let (watched, _) = self.watches.entry(*connection).or_default();
                watched.extend(keys);
                Outcome::Ok
            }
            Action::Exec(connection, actions) => {
                let (_, touched) = self.watches.remove(connection).unwrap_or_default();
                if touched {
                    return Outcome::Aborted;
                }
                Outcome::Several(actions.iter().map(|action| self.apply(action)).collect())
            }
            other => unreachable!("{other:?} is a collection's"),
        }
    }
}

/// The keys that an action names.
pub(crate) fn keys_of(action: &Action) -> BTreeSet<Key> {
    match action {
        Action::Add(key, _)
        | Action::BlockingPop(key)
        | Action::Fields(key)
        | Action::Get(key)
        | Action::GetSet(key, _)
        | Action::Incr(key)
        | Action::IncrField(key, _)
        | Action::Pop(key)
        | Action::Push(key, _)
        | Action::Range(key)
        | Action::Remove(key, _)
        | Action::Set(key, _) => BTreeSet::from([*key]),
        Action::Del(keys) | Action::Members(keys) | Action::Mget(keys) | Action::Watch(_, keys) => {
            keys.iter().copied().collect()
        }
        Action::Mset(pairs) => pairs.iter().map(|(key, _)| *key).collect(),
        Action::Move(from, to) | Action::Rename(from, to) => BTreeSet::from([*from, *to]),
        Action::Exec(_, actions) => actions.iter().flat_map(keys_of).collect(),
    }
}

/// Checks `history`, which starts from an empty store.
///
/// # Errors
/// The smallest prefix that fails, cut to the window in which it fails, as text.
pub(crate) fn check(history: &[Operation]) -> Result<(), String> {
    for part in partition(history) {
        if !is_linearizable(&part) {
            return Err(explain(&part));
        }
    }
    Ok(())
}

/// Splits a history into groups of keys that no operation connects. What a connection watches
/// counts as touched by its EXEC, because the EXEC's outcome depends on it.
fn partition(history: &[Operation]) -> Vec<Vec<Operation>> {
    let mut groups: Vec<(BTreeSet<Key>, BTreeSet<usize>, Vec<Operation>)> = Vec::new();
    for operation in history {
        let mut keys = keys_of(&operation.action);
        let mut watchers = BTreeSet::new();
        if let Action::Watch(connection, _) | Action::Exec(connection, _) = operation.action {
            watchers.insert(connection);
        }
        let mut operations = vec![operation.clone()];
        let (joined, apart): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|group| !group.0.is_disjoint(&keys) || !group.1.is_disjoint(&watchers));
        for (other_keys, other_watchers, mut others) in joined {
            keys.extend(other_keys);
            watchers.extend(other_watchers);
            others.append(&mut operations);
            operations = others;
        }
        groups = apart;
        groups.push((keys, watchers, operations));
    }
    let sorted = |(_, _, mut operations): (_, _, Vec<Operation>)| {
        operations.sort_by_key(|operation| operation.invoked);
        operations
    };
    groups.into_iter().map(sorted).collect()
}

/// One choice of the search: the operation placed, and the state before it.
struct Placed {
    index: usize,
    before: State,
    /// Where to go on looking among the candidates after taking this choice back.
    next: usize,
}

/// The set of operations that have been placed, one bit each.
#[derive(Clone, Eq, Hash, PartialEq)]
struct Bits(Vec<u64>);

impl Bits {
    fn has(&self, index: usize) -> bool {
        self.0[index / 64] & (1 << (index % 64)) != 0
    }

    fn flip(&mut self, index: usize) {
        self.0[index / 64] ^= 1 << (index % 64);
    }
}

/// The search. `operations` are sorted by invocation.
///
/// Idea: at each point the next operation must be one that was invoked before every reply of
/// the operations not yet placed; try them in turn, and take back the last choice when none
/// gives its recorded outcome. Example: SET 1 open during the whole of GET -> 1 and GET -> nil:
/// with the GETs overlapping, nil is placed first, then SET, then 1; with GET -> 1 returned
/// before GET -> nil was invoked, every order fails.
fn is_linearizable(operations: &[Operation]) -> bool {
    let mut placed = Bits(vec![0; operations.len().div_ceil(64)]);
    let mut stack: Vec<Placed> = Vec::new();
    let mut state = State::default();
    let mut seen: HashSet<(Bits, State)> = HashSet::new();
    let mut open = operations.iter().filter(|op| op.outcome.is_some()).count();
    let mut from = 0;
    while open > 0 {
        let found = choose(operations, &placed, &state, from, &mut seen);
        if let Some((index, after)) = found {
            stack.push(Placed { index, before: state, next: index + 1 });
            state = after;
            placed.flip(index);
            open -= usize::from(operations[index].outcome.is_some());
            from = 0;
        } else {
            let Some(last) = stack.pop() else { return false };
            placed.flip(last.index);
            open += usize::from(operations[last.index].outcome.is_some());
            state = last.before;
            from = last.next;
        }
    }
    true
}

/// The first operation at or after `from` that may come next and leads to a new configuration.
fn choose(
    operations: &[Operation],
    placed: &Bits,
    state: &State,
    from: usize,
    seen: &mut HashSet<(Bits, State)>,
) -> Option<(usize, State)> {
    let left = || (0..operations.len()).filter(|&index| !placed.has(index));
    let first_return = left().map(|index| operations[index].returned).min()?;
    for index in left().skip_while(|&index| index < from) {
        let operation = &operations[index];
        if operation.invoked > first_return {
            return None;
        }
        let mut after = state.clone();
        let outcome = after.apply(&operation.action);
        if operation.outcome.as_ref().is_some_and(|wanted| *wanted != outcome) {
            continue;
        }
        let mut bits = placed.clone();
        bits.flip(index);
        if seen.insert((bits, after.clone())) {
            return Some((index, after));
        }
    }
    None
}

/// The history as it was when `count` replies had come: later replies are unknown.
fn prefix(operations: &[Operation], count: usize) -> Vec<Operation> {
    let mut returns: Vec<u64> = operations.iter().map(|operation| operation.returned).collect();
    returns.sort_unstable();
    let end = returns[count - 1];
    let cut = |operation: &Operation| {
        let mut operation = operation.clone();
        if operation.returned > end {
            operation.returned = u64::MAX;
            operation.outcome = None;
        }
        operation
    };
    operations.iter().filter(|operation| operation.invoked <= end).map(cut).collect()
}

/// Finds the reply that made the history fail, and shows what overlaps it and what led there.
fn explain(operations: &[Operation]) -> String {
    let (mut good, mut bad) = (0, operations.len());
    while good + 1 < bad {
        let middle = usize::midpoint(good, bad);
        if is_linearizable(&prefix(operations, middle)) { good = middle } else { bad = middle }
    }
    let failing = prefix(operations, bad);
    let returned = |op: &&Operation| op.outcome.is_some();
    let last = failing.iter().filter(returned).max_by_key(|op| op.returned);
    let last = last.expect("a failing history has a reply");
    let keys = keys_of(&last.action);
    // The window opens where the last three writes before the failing request were all done.
    let mut settled: Vec<u64> = failing
        .iter()
        .filter(|op| op.returned < last.invoked && !keys_of(&op.action).is_disjoint(&keys))
        .map(|op| op.invoked)
        .collect();
    settled.sort_unstable();
    let start = settled.iter().rev().nth(7).copied().unwrap_or(0);
    let mut text =
        String::from("not linearizable; times in ns, the last reply cannot be explained");
    for operation in failing.iter().filter(|op| op.returned >= start) {
        let mark = if std::ptr::eq(operation, last) { "  <- here" } else { "" };
        let Operation { connection, invoked, returned, action, outcome } = operation;
        let end = if *returned == u64::MAX { "open".to_owned() } else { returned.to_string() };
        let _ = write!(text, "\n  #{connection} {invoked}..{end} {action:?} -> {outcome:?}{mark}");
    }
    text
}
