//! Recorded histories of many clients on a few keys, judged by `support::linear`; and the judge
//! itself judged on histories whose verdict is known.
//!
//! Why it exists: invariant I6. The key space is small on purpose, so that operations meet.
//! `ZUMIC_STRESS` multiplies the number of rounds, `ZUMIC_SEED` repeats a run's choices.

mod support;

use std::sync::Barrier;
use std::time::Instant;

use support::linear::{Action, Key, Operation, Outcome, check, keys_of};
use support::{Client, Random, Redis, Reply, Running, Server, Zumic};

const CLIENTS: usize = 6;
const OPERATIONS: usize = 20;
const ROUNDS: u64 = 60;

fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).expect("a test is shorter than centuries")
}

/// Runs the commands in ARGV, each with the number of its words before it, and answers as EXEC.
const SCRIPT: &str = "local answers, at = {}, 1 \
     while at <= #ARGV do \
       local count = tonumber(ARGV[at]) \
       answers[#answers + 1] = redis.pcall(unpack(ARGV, at + 1, at + count)) \
       at = at + count + 1 \
     end \
     return answers";

/// One client's side of a round: does random operations and notes when and what.
struct Recorder<'a> {
    client: &'a mut Client,
    connection: usize,
    round: u64,
    start: Instant,
    history: Vec<Operation>,
    /// What would be sent as MULTI and EXEC is sent as a script. Of a client that watches nothing.
    scripts: bool,
}

impl Recorder<'_> {
    /// Keys are new in each round, so that every history begins with an empty store.
    fn name(&self, key: Key) -> String {
        format!("linear:{}:{key}", self.round)
    }

    fn words(&self, action: &Action) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut keys = Vec::new();
        match action {
            Action::Del(listed) => {
                words.push("DEL".into());
                keys.clone_from(listed);
            }
            Action::Get(key) => words.extend(["GET".into(), self.name(*key)]),
            Action::GetSet(key, value) => {
                words.extend(["GETSET".into(), self.name(*key), value.to_string()]);
            }
            Action::Incr(key) => words.extend(["INCR".into(), self.name(*key)]),
            Action::Mget(listed) => {
                words.push("MGET".into());
                keys.clone_from(listed);
            }
            Action::Mset(pairs) => {
                words.push("MSET".into());
                for (key, value) in pairs {
                    words.extend([self.name(*key), value.to_string()]);
                }
            }
            Action::Rename(from, to) => {
                words.extend(["RENAME".into(), self.name(*from), self.name(*to)]);
            }
            Action::Set(key, value) => {
                words.extend(["SET".into(), self.name(*key), value.to_string()]);
            }
            Action::Watch(_, listed) => {
                words.push("WATCH".into());
                keys.clone_from(listed);
            }
            Action::Exec(..) => panic!("EXEC is sent with its queue"),
            other => return self.collection_words(other),
        }
        words.extend(keys.iter().map(|key| self.name(*key)));
        words
    }

    fn collection_words(&self, action: &Action) -> Vec<String> {
        let text = |word: &str| word.to_owned();
        match action {
            Action::Add(key, member) => {
                vec![text("SADD"), self.name(*key), member.to_string()]
            }
            Action::BlockingPop(key) => vec![text("BLPOP"), self.name(*key), text("0.002")],
            Action::Fields(SCORES) => {
                let all = [text("0"), text("-1"), text("WITHSCORES")];
                [vec![text("ZRANGE"), self.name(SCORES)], all.to_vec()].concat()
            }
            Action::Fields(key) => vec![text("HGETALL"), self.name(*key)],
            Action::IncrField(key, field) => {
                let name = if *key == SCORES { "ZINCRBY" } else { "HINCRBY" };
                let (field, one) = (field.to_string(), text("1"));
                let pair = if *key == SCORES { [one, field] } else { [field, one] };
                [vec![text(name), self.name(*key)], pair.to_vec()].concat()
            }
            Action::Members(keys) => {
                let names = keys.iter().map(|key| self.name(*key));
                std::iter::once(text("SUNION")).chain(names).collect()
            }
            Action::Move(from, to) => {
                let ends = [text("LEFT"), text("RIGHT")];
                [vec![text("LMOVE"), self.name(*from), self.name(*to)], ends.to_vec()].concat()
            }
            Action::Pop(key) => vec![text("LPOP"), self.name(*key)],
            Action::Push(key, value) => vec![text("RPUSH"), self.name(*key), value.to_string()],
            Action::Range(key) => {
                vec![text("LRANGE"), self.name(*key), text("0"), text("-1")]
            }
            Action::Remove(key, member) => {
                vec![text("SREM"), self.name(*key), member.to_string()]
            }
            other => unreachable!("{other:?} is a string's"),
        }
    }

    /// A script that does these; every other one declares its keys.
    fn script_words(&self, action: &Action, actions: &[Action]) -> Vec<String> {
        let mut keys = keys_of(action);
        if self.history.len().is_multiple_of(2) {
            keys.clear();
        }
        let mut words = vec!["EVAL".to_owned(), SCRIPT.to_owned(), keys.len().to_string()];
        words.extend(keys.into_iter().map(|key| self.name(key)));
        for action in actions {
            let command = self.words(action);
            words.push(command.len().to_string());
            words.extend(command);
        }
        words
    }

    fn perform(&mut self, action: Action) {
        let requests = match &action {
            Action::Exec(_, actions) if self.scripts => vec![self.script_words(&action, actions)],
            Action::Exec(_, actions) => {
                let mut requests = vec![vec!["MULTI".to_owned()]];
                requests.extend(actions.iter().map(|action| self.words(action)));
                requests.push(vec!["EXEC".to_owned()]);
                requests
            }
            single => vec![self.words(single)],
        };
        let invoked = nanos(self.start);
        let replies = self.client.pipeline(&requests).expect("the server answers");
        let returned = nanos(self.start);
        let outcome = outcome_of(&action, replies.last().expect("at least one reply"));
        let connection = self.connection;
        let outcome = Some(outcome);
        self.history.push(Operation { connection, invoked, returned, action, outcome });
    }
}

fn value_of(reply: &Reply) -> Outcome {
    Outcome::Value(if reply.is_null() {
        None
    } else {
        Some(reply.text().parse().expect("all values are integers"))
    })
}

fn integer_of(reply: &Reply) -> i64 {
    reply.text().parse().expect("all values are integers")
}

fn outcome_of(action: &Action, reply: &Reply) -> Outcome {
    match (action, reply) {
        (Action::Exec(..), reply) if reply.is_null() => Outcome::Aborted,
        (Action::Exec(_, actions), reply) => {
            let replies = reply.elements();
            assert_eq!(replies.len(), actions.len(), "EXEC answers each command");
            let pairs = actions.iter().zip(replies);
            Outcome::Several(pairs.map(|(action, reply)| outcome_of(action, reply)).collect())
        }
        (Action::Mget(_), reply) => {
            Outcome::Several(reply.elements().iter().map(value_of).collect())
        }
        (Action::Get(_) | Action::GetSet(..) | Action::Pop(_) | Action::Move(..), reply) => {
            value_of(reply)
        }
        (Action::BlockingPop(_), reply) if reply.is_null() => Outcome::Value(None),
        (Action::BlockingPop(_), reply) => value_of(&reply.elements()[1]),
        (Action::Range(_), reply) => {
            Outcome::Several(reply.elements().iter().map(value_of).collect())
        }
        (Action::Members(_), reply) => {
            let mut members: Vec<i64> = reply.elements().iter().map(integer_of).collect();
            members.sort_unstable();
            let value = |member| Outcome::Value(Some(member));
            Outcome::Several(members.into_iter().map(value).collect())
        }
        (Action::Fields(_), reply) => {
            let flat: Vec<i64> = reply.elements().iter().map(integer_of).collect();
            let mut pairs: Vec<&[i64]> = flat.chunks(2).collect();
            pairs.sort_unstable();
            let value = |number: &i64| Outcome::Value(Some(*number));
            Outcome::Several(pairs.into_iter().flatten().map(value).collect())
        }
        (Action::IncrField(SCORES, _), reply) => Outcome::Number(integer_of(reply)),
        (Action::Rename(..), Reply::Error(text)) if text == b"ERR no such key" => {
            Outcome::NoSuchKey
        }
        (_, Reply::Integer(number)) => Outcome::Number(*number),
        (_, Reply::Simple(text)) if text == b"OK" => Outcome::Ok,
        (action, reply) => panic!("{action:?} was answered {reply}"),
    }
}

fn some_keys(random: &mut Random, keys: usize) -> Vec<Key> {
    let all: Vec<Key> = (0..u8::try_from(keys).expect("few keys")).collect();
    let mut chosen: Vec<Key> = all.into_iter().filter(|_| random.chance(2)).collect();
    if chosen.is_empty() {
        chosen.push(0);
    }
    chosen
}

fn some_action(random: &mut Random, keys: usize, value: &mut i64) -> Action {
    *value += 1000;
    let key = u8::try_from(random.below(keys)).expect("few keys");
    match random.below(13) {
        0..=2 => Action::Get(key),
        3..=4 => Action::Set(key, *value),
        5 => Action::Del(some_keys(random, keys)),
        6..=7 => Action::Incr(key),
        8 => Action::GetSet(key, *value),
        9..=10 => Action::Mget(some_keys(random, keys)),
        11 => {
            let chosen = some_keys(random, keys);
            Action::Mset(chosen.into_iter().map(|key| (key, *value)).collect())
        }
        _ => Action::Rename(key, (key + 1) % u8::try_from(keys).expect("few keys")),
    }
}

/// The keys of histories with collections: two lists, two sets, a hash and a sorted set.
const LISTS: [Key; 2] = [0, 1];
const SETS: [Key; 2] = [2, 3];
const HASH: Key = 4;
const SCORES: Key = 5;

fn some_collection_action(random: &mut Random, value: &mut i64) -> Action {
    *value += 1000;
    let which = random.below(2);
    let field = i64::try_from(random.below(3)).expect("few fields");
    match random.below(20) {
        0..=3 => Action::Push(LISTS[which], *value),
        4 => Action::Pop(LISTS[which]),
        5 => Action::Move(LISTS[which], LISTS[1 - which]),
        6 => Action::Range(LISTS[which]),
        7..=8 => Action::Add(SETS[which], field),
        9..=10 => Action::Remove(SETS[which], field),
        11 => Action::Members(SETS.to_vec()),
        12..=13 => Action::IncrField(HASH, field),
        14 => Action::Fields(HASH),
        15..=16 => Action::IncrField(SCORES, field),
        17 => Action::Fields(SCORES),
        18 => Action::Del(vec![LISTS[which], HASH, SETS[which]]),
        _ => Action::Del(vec![SCORES]),
    }
}

/// One round of one client over collections.
fn play_collections(recorder: &mut Recorder<'_>, random: &mut Random) {
    let connection = recorder.connection;
    let mut value = i64::try_from(connection).expect("few clients") + 1;
    for _ in 0..OPERATIONS {
        let action = match random.below(8) {
            0..=1 => {
                let count = 1 + random.below(3);
                let queue = (0..count).map(|_| some_collection_action(random, &mut value));
                Action::Exec(connection, queue.collect())
            }
            2 => Action::BlockingPop(LISTS[random.below(2)]),
            _ => some_collection_action(random, &mut value),
        };
        recorder.perform(action);
    }
}

/// One round of one client.
fn play(recorder: &mut Recorder<'_>, random: &mut Random, keys: usize, single: bool) {
    let connection = recorder.connection;
    let mut value = i64::try_from(connection).expect("few clients") + 1;
    for _ in 0..OPERATIONS {
        let mut action = some_action(random, keys, &mut value);
        while single && matches!(action, Action::Rename(..) | Action::Mset(_) | Action::Mget(_)) {
            action = some_action(random, keys, &mut value);
        }
        if !single && random.chance(5) {
            if random.chance(2) {
                recorder.perform(Action::Watch(connection, some_keys(random, keys)));
                recorder.perform(Action::Get(0));
            }
            let count = 1 + random.below(3);
            let queue = (0..count).map(|_| some_action(random, keys, &mut value)).collect();
            action = Action::Exec(connection, queue);
        }
        recorder.perform(action);
    }
}

/// One round of one client over strings, whose transactions are scripts.
fn play_scripts(recorder: &mut Recorder<'_>, random: &mut Random) {
    recorder.scripts = true;
    let connection = recorder.connection;
    let mut value = i64::try_from(connection).expect("few clients") + 1;
    for _ in 0..OPERATIONS {
        let action = if random.chance(2) {
            let count = 1 + random.below(4);
            let queue = (0..count).map(|_| some_action(random, 3, &mut value)).collect();
            Action::Exec(connection, queue)
        } else if random.chance(2) {
            Action::Mget(some_keys(random, 3))
        } else {
            some_action(random, 3, &mut value)
        };
        recorder.perform(action);
    }
}

/// The same over collections.
fn play_scripts_of_collections(recorder: &mut Recorder<'_>, random: &mut Random) {
    recorder.scripts = true;
    play_collections(recorder, random);
}

/// Plays rounds on `server` and checks each history.
fn judge(server: &dyn Server, keys: usize, single: bool) {
    judge_with(server, &[], &|recorder: &mut Recorder<'_>, random: &mut Random| {
        play(recorder, random, keys, single);
    });
}

type Play<'a> = &'a (dyn Fn(&mut Recorder<'_>, &mut Random) + Sync);

/// Every collection in its large form, from the second element on.
const LARGE: &[&str] = &[
    "list-max-listpack-size 1",
    "set-max-intset-entries 0",
    "set-max-listpack-entries 1",
    "hash-max-listpack-entries 1",
    "zset-max-listpack-entries 1",
];

fn judge_with(server: &dyn Server, settings: &[&str], play: Play<'_>) {
    let seed = support::seed();
    let running = Running::start(server);
    for setting in settings {
        let (name, value) = setting.split_once(' ').expect("a name and a value");
        let words = ["CONFIG", "SET", name, value].map(str::to_owned);
        let replies = running.connect().pipeline(&[words.to_vec()]).expect("the server answers");
        assert_eq!(replies, [Reply::Simple(b"OK".to_vec())], "{setting}");
    }
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| running.connect()).collect();
    let begin = Instant::now();
    let mut checked = 0;
    for round in 0..ROUNDS * support::stress() {
        // Bounded in time on a busy machine; one round at least is always judged.
        if round > 0 && begin.elapsed().as_secs() > 20 * support::stress() {
            break;
        }
        let barrier = Barrier::new(CLIENTS);
        let start = Instant::now();
        let history: Vec<Operation> = std::thread::scope(|scope| {
            let barrier = &barrier;
            let players: Vec<_> = clients
                .iter_mut()
                .enumerate()
                .map(|(connection, client)| {
                    scope.spawn(move || {
                        let mix = u64::try_from(connection).expect("few clients") << 32;
                        let mut random = Random::new(seed ^ round ^ mix);
                        let history = Vec::new();
                        let scripts = false;
                        let mut recorder =
                            Recorder { client, connection, round, start, history, scripts };
                        barrier.wait();
                        play(&mut recorder, &mut random);
                        recorder.history
                    })
                })
                .collect();
            players.into_iter().flat_map(|player| player.join().expect("no panic")).collect()
        });
        checked += history.len();
        if let Err(why) = check(&history) {
            panic!("{} ZUMIC_SEED={seed} round={round}: {why}", server.name());
        }
    }
    eprintln!("{}: {checked} operations, seed {seed}", server.name());
}

#[test]
fn histories_on_two_reactors() {
    judge(&Zumic { threads: 2 }, 3, false);
}

#[test]
fn histories_on_three_reactors() {
    judge(&Zumic { threads: 3 }, 2, false);
}

#[test]
fn histories_on_four_reactors() {
    judge(&Zumic { threads: 4 }, 4, false);
}

#[test]
fn histories_of_one_hot_key_on_two_reactors() {
    judge(&Zumic { threads: 2 }, 1, true);
}

#[test]
fn histories_of_collections_on_two_reactors() {
    judge_with(&Zumic { threads: 2 }, &[], &play_collections);
}

#[test]
fn histories_of_large_collections_on_two_reactors() {
    judge_with(&Zumic { threads: 2 }, LARGE, &play_collections);
}

#[test]
fn histories_of_large_collections_on_four_reactors() {
    judge_with(&Zumic { threads: 4 }, LARGE, &play_collections);
}

#[test]
fn histories_of_scripts_on_two_reactors() {
    judge_with(&Zumic { threads: 2 }, &[], &play_scripts);
}

#[test]
fn histories_of_scripts_on_four_reactors() {
    judge_with(&Zumic { threads: 4 }, &[], &play_scripts);
}

#[test]
fn histories_of_scripts_over_collections_on_two_reactors() {
    judge_with(&Zumic { threads: 2 }, &[], &play_scripts_of_collections);
}

#[test]
fn histories_of_scripts_over_large_collections_on_three_reactors() {
    judge_with(&Zumic { threads: 3 }, LARGE, &play_scripts_of_collections);
}

#[test]
fn histories_of_the_oracle_with_scripts() {
    if support::process::oracle_available() {
        judge_with(&Redis, &[], &play_scripts);
        judge_with(&Redis, &[], &play_scripts_of_collections);
    }
}

#[test]
fn histories_of_the_oracle_with_collections() {
    if support::process::oracle_available() {
        judge_with(&Redis, &[], &play_collections);
    }
}

#[test]
fn judge_refuses_an_element_popped_twice() {
    let history = [
        op(0, (0, 10), Action::Push(0, 7), Outcome::Number(1)),
        op(1, (5, 20), Action::BlockingPop(0), number(7)),
        op(2, (5, 20), Action::Pop(0), number(7)),
    ];
    check(&history).expect_err("one element went to two clients");
    let moved = [
        op(0, (0, 10), Action::Push(0, 7), Outcome::Number(1)),
        op(1, (20, 30), Action::Move(0, 1), number(7)),
        op(2, (40, 50), Action::Range(0), Outcome::Several(vec![number(7)])),
    ];
    check(&moved).expect_err("a moved element is in one place");
}

#[test]
fn histories_of_the_oracle() {
    if support::process::oracle_available() {
        judge(&Redis, 3, false);
    }
}

fn op(connection: usize, times: (u64, u64), action: Action, outcome: Outcome) -> Operation {
    let (invoked, returned) = times;
    Operation { connection, invoked, returned, action, outcome: Some(outcome) }
}

fn number(value: i64) -> Outcome {
    Outcome::Value(Some(value))
}

#[test]
fn judge_accepts_overlapping_writes_in_either_order() {
    for last in [1, 2] {
        let history = [
            op(0, (0, 10), Action::Set(0, 1), Outcome::Ok),
            op(1, (0, 10), Action::Set(0, 2), Outcome::Ok),
            op(2, (20, 30), Action::Get(0), number(last)),
        ];
        assert_eq!(check(&history), Ok(()));
    }
}

#[test]
fn judge_accepts_an_open_write_seen_or_not() {
    for seen in [Outcome::Value(None), number(1)] {
        let mut write = op(0, (0, u64::MAX), Action::Set(0, 1), Outcome::Ok);
        write.outcome = None;
        assert_eq!(check(&[write, op(1, (5, 6), Action::Get(0), seen)]), Ok(()));
    }
}

#[test]
fn judge_refuses_a_stale_read() {
    let history = [
        op(0, (0, 10), Action::Set(0, 1), Outcome::Ok),
        op(0, (11, 20), Action::Set(0, 2), Outcome::Ok),
        op(1, (21, 30), Action::Get(0), number(1)),
    ];
    let why = check(&history).expect_err("the read is stale");
    assert!(why.contains("Get(0)") && why.contains("<- here"), "{why}");
}

#[test]
fn judge_refuses_reads_that_go_back() {
    let history = [
        op(0, (0, 100), Action::Set(0, 1), Outcome::Ok),
        op(1, (10, 20), Action::Get(0), number(1)),
        op(2, (30, 40), Action::Get(0), Outcome::Value(None)),
    ];
    check(&history).expect_err("the second read undoes the first");
    let overlapping = [history[0].clone(), history[1].clone(), {
        let mut read = history[2].clone();
        read.invoked = 15;
        read
    }];
    assert_eq!(check(&overlapping), Ok(()));
}

#[test]
fn judge_refuses_a_torn_mset() {
    let both = vec![(0, 1), (1, 1)];
    let halves = Outcome::Several(vec![number(1), Outcome::Value(None)]);
    let history = [
        op(0, (0, 100), Action::Mset(both.clone()), Outcome::Ok),
        op(1, (10, 20), Action::Mget(vec![0, 1]), halves),
    ];
    check(&history).expect_err("half of the MSET was seen");
    let apart = [
        op(0, (0, 100), Action::Mset(both), Outcome::Ok),
        op(1, (10, 20), Action::Get(0), number(1)),
        op(1, (30, 40), Action::Get(1), Outcome::Value(None)),
    ];
    check(&apart).expect_err("half of the MSET was seen by two reads");
}

#[test]
fn judge_refuses_a_lost_incr() {
    let history = [
        op(0, (0, 10), Action::Incr(0), Outcome::Number(1)),
        op(1, (0, 10), Action::Incr(0), Outcome::Number(1)),
    ];
    check(&history).expect_err("one increment is lost");
    let later = [
        op(0, (0, 10), Action::Incr(0), Outcome::Number(1)),
        op(1, (0, 10), Action::Incr(0), Outcome::Number(2)),
        op(1, (20, 30), Action::Get(0), number(1)),
    ];
    check(&later).expect_err("an increment vanished");
}

#[test]
fn judge_knows_rename_and_del() {
    let history = [
        op(0, (0, 1), Action::Set(0, 5), Outcome::Ok),
        op(0, (2, 3), Action::Rename(0, 1), Outcome::Ok),
        op(
            0,
            (4, 5),
            Action::Mget(vec![0, 1]),
            Outcome::Several(vec![Outcome::Value(None), number(5)]),
        ),
        op(0, (6, 7), Action::Rename(0, 1), Outcome::NoSuchKey),
        op(0, (8, 9), Action::Del(vec![0, 1]), Outcome::Number(1)),
    ];
    assert_eq!(check(&history), Ok(()));
    let mut both = history[..3].to_vec();
    both[2].outcome = Some(Outcome::Several(vec![number(5), number(5)]));
    check(&both).expect_err("a renamed key is in one place");
}

#[test]
fn judge_knows_watch() {
    let exec = Action::Exec(0, vec![Action::Set(0, 9)]);
    let done = Outcome::Several(vec![Outcome::Ok]);
    let history = |outcome: &Outcome| {
        [
            op(0, (0, 1), Action::Watch(0, vec![0]), Outcome::Ok),
            op(1, (2, 3), Action::Set(0, 1), Outcome::Ok),
            op(0, (4, 5), exec.clone(), outcome.clone()),
        ]
    };
    assert_eq!(check(&history(&Outcome::Aborted)), Ok(()));
    check(&history(&done)).expect_err("a touched key aborts");
    let quiet = history(&Outcome::Aborted);
    check(&[quiet[0].clone(), quiet[2].clone()]).expect_err("nothing was touched");
}

#[test]
fn judge_checks_unconnected_keys_apart() {
    let mut history = Vec::new();
    for step in 0..400 {
        let key = u8::try_from(step % 8).expect("below 8");
        let connection = usize::from(key);
        history.push(op(connection, (step * 2, step * 2 + 40), Action::Incr(key), {
            Outcome::Number(i64::try_from(step / 8 + 1).expect("small"))
        }));
    }
    assert_eq!(check(&history), Ok(()));
    history[399].outcome = Some(Outcome::Number(1));
    check(&history).expect_err("the last increment is wrong");
}
