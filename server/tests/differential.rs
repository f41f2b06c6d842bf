//! Random commands, sent to Zumic and to redis-server, whose raw replies must be the same.
//!
//! Why it exists: the scripts hold what somebody thought of. The keys are few and the arguments
//! drawn from where the edges are, so that commands meet. A failure prints the seed and a
//! history from which commands that did not matter have been removed. Not compared: what may
//! differ between two correct servers (orders of KEYS, clocks, memory, ids).
//!
//! `ZUMIC_STRESS` multiplies the number of commands; `ZUMIC_SEED` repeats a run.

#[path = "differential/dumps.rs"]
mod dumps;
#[path = "differential/lists.rs"]
mod lists;
#[path = "differential/sets.rs"]
mod sets;
#[path = "differential/sorted_sets.rs"]
mod sorted_sets;
mod support;

use support::process::oracle_available;
use support::{Client, Random, Redis, Reply, Running, Zumic};

const HISTORIES: u64 = 40;
const STEPS: usize = 150;

type Request = Vec<Vec<u8>>;

/// Templates: `K` a key, `V` a value, `I` an integer, `F` a float, `T` seconds, `M` milliseconds,
/// `A` and `B` absolute times in seconds and milliseconds, `L` and `LM` such times that are not
/// past (Redis keeps a key set with a past one, and DBSIZE counts it, until its cycle comes by),
/// `D` a database, `G` a pattern, `X` an index, `O` an offset, `E` an element of a collection, `N`
/// one that is a number; `BIT` a bit's position, `FIELD` a bit field's type, `LON` and `LAT`
/// coordinates; of streams `XID` an id, `XNEW` one to add, `XMIN` and `XMAX` an edge, `XGRP` a
/// group, `XCON` a consumer; of sorted sets `S` a score, `R` an end of a range of scores, `Y` of
/// one of members, `Z` a key whose scores are equal, `P` one of places (Redis misses some at the
/// edges of the map, where other scores may lie). `[a|b]` is one of these or nothing, `(a|b)` one.
/// XSETID and what shows consumers are left to the scripts: Redis before 7.2 differs.
const TEMPLATES: &[&str] = &[
    "SET K V",
    "SET K V",
    "SET K I",
    "SET K V [NX|XX] [GET] [EX_T|PX_M|EXAT_L|PXAT_LM|KEEPTTL]",
    "SETNX K V",
    "SETEX K T V",
    "PSETEX K M V",
    "GET K",
    "GET K",
    "GETSET K V",
    "GETDEL K",
    "GETEX K [EX_T|PX_M|EXAT_A|PXAT_B|PERSIST]",
    "MSET K V K V",
    "MSETNX K V K V",
    "MGET K K K",
    "APPEND K V",
    "STRLEN K",
    "INCR K",
    "DECR K",
    "INCRBY K I",
    "DECRBY K I",
    "INCRBYFLOAT K F",
    "SETRANGE K O V",
    "GETRANGE K X X",
    "SUBSTR K X X",
    "LCS K K [LEN|IDX] [WITHMATCHLEN]",
    "HSET K V V",
    "HSET K V I",
    "HSET K V V V F [V] [V]",
    "HMSET K V V [V] [V]",
    "HSETNX K V V",
    "HGET K V",
    "HMGET K V V [V]",
    "HGETALL K",
    "HKEYS K",
    "HVALS K",
    "HLEN K",
    "HEXISTS K V",
    "HSTRLEN K V",
    "HDEL K V [V]",
    "HINCRBY K V I",
    "HINCRBYFLOAT K V F",
    "HRANDFIELD K 100 [WITHVALUES|nosuch]",
    "HSCAN K (0|abc) [MATCH_G] [COUNT_I]",
    "SETBIT K BIT (0|1|2)",
    "SETBIT K BIT (0|1)",
    "GETBIT K BIT",
    "BITCOUNT K [X] [X] [BYTE|bit]",
    "BITCOUNT K X X [BYTE|bit]",
    "BITPOS K (0|1) [X] [X] [BYTE|bit]",
    "BITPOS K (0|1) X X (BYTE|bit)",
    "BITOP (AND|OR|XOR|NOT) K K [K]",
    "BITFIELD K [OVERFLOW_SAT|OVERFLOW_FAIL] (GET|SET|INCRBY) FIELD BIT [I] [GET_FIELD_BIT]",
    "BITFIELD K SET FIELD BIT I INCRBY FIELD BIT I",
    "PFADD K [V] [V] [I]",
    "PFADD K V",
    "PFCOUNT K [K] [K]",
    "PFMERGE K [K] [K]",
    "PFDEBUG (DECODE|ENCODING|TODENSE) K",
    "GEOADD P [NX|XX] [CH] LON LAT E LON LAT E",
    "GEOADD P LON LAT E LON LAT E LON LAT E",
    "GEODIST P E E [km|mi|yd]",
    "GEOPOS P E E",
    "GEOHASH P E E",
    "GEOSEARCH P FROMLONLAT LON LAT (BYRADIUS|BYBOX_300) (1|700|abc) km ASC [WITHDIST] [WITHHASH]",
    "GEOSEARCH P FROMMEMBER E BYRADIUS 900 km DESC [COUNT_3] [WITHCOORD]",
    "GEOSEARCHSTORE K P FROMMEMBER E BYBOX 600 600 km [STOREDIST]",
    "GEORADIUS P LON LAT 800 km ASC [STORE_K|STOREDIST_K|WITHDIST]",
    "GEORADIUSBYMEMBER P E 800 km ASC [STORE_K]",
    "DEL K [K]",
    "UNLINK K",
    "EXISTS K K",
    "TYPE K",
    "TOUCH K K",
    "RENAME K K",
    "RENAMENX K K",
    "COPY K K [DB_D] [REPLACE]",
    "MOVE K D",
    "DBSIZE",
    "OBJECT ENCODING K",
    "EXPIRE K T [NX|XX|GT|LT] [XX]",
    "PEXPIRE K M [NX|XX|GT|LT]",
    "EXPIREAT K A [NX|XX|GT|LT]",
    "PEXPIREAT K B [NX|XX|GT|LT]",
    "PERSIST K",
    "TTL K",
    "EXPIRETIME K",
    "PEXPIRETIME K",
    "KEYS G",
    "SCAN 0 MATCH G COUNT 1000",
    "SELECT D",
    "SWAPDB D D",
    "FLUSHDB [ASYNC|SYNC]",
    "PING [V]",
    "ECHO V",
    "CLIENT GETNAME",
    "CLIENT SETNAME K",
    "CLIENT NOSUCH",
    "COMMAND GETKEYS (GET_K|MSET_K_V|NOSUCH_K)",
    "OBJECT NOSUCH K",
    "MULTI",
    "MULTI",
    "EXEC",
    "EXEC",
    "DISCARD",
    "WATCH K",
    "UNWATCH",
    "RESET",
    "NOSUCH K K",
    "XADD K XNEW f V",
    "XADD K XNEW f V g I",
    "XADD K [NOMKSTREAM] [MAXLEN_X|MAXLEN_~_X|MINID_XID|MINID_=_XID] [LIMIT_X] XNEW f V",
    "XLEN K",
    "XRANGE K XMIN XMAX [COUNT_X]",
    "XREVRANGE K XMAX XMIN [COUNT_X]",
    "XREAD [COUNT_X] STREAMS K XID",
    "XREAD [COUNT_X] STREAMS K K XID (XID|$)",
    "XDEL K XID [XID]",
    "XTRIM K (MAXLEN|MINID) [~|=] (X|XID) [LIMIT_X]",
    "XGROUP CREATE K XGRP (0|$|XID) [MKSTREAM] [ENTRIESREAD_X]",
    "XGROUP CREATE K XGRP 0 MKSTREAM",
    "XGROUP SETID K XGRP (0|$|XID) [ENTRIESREAD_X]",
    "XGROUP DELCONSUMER K XGRP XCON",
    "XGROUP DESTROY K XGRP",
    "XREADGROUP GROUP XGRP XCON [COUNT_X] [NOACK] STREAMS K >",
    "XREADGROUP GROUP XGRP XCON [COUNT_X] STREAMS K K (>|XID) (>|XID)",
    "XACK K XGRP XID [XID]",
    "XPENDING K XGRP",
    "XCLAIM K XGRP XCON 0 XID [XID] [FORCE] [JUSTID] [RETRYCOUNT_X] [LASTID_XID]",
    "XAUTOCLAIM K XGRP XCON 0 XMIN [COUNT_X] [JUSTID]",
    "XINFO STREAM K",
    "AUTH K [K]",
    "TIME extra extra",
    "CONFIG GET (maxmemory|timeout|nosuch|databases)",
];

/// The templates by groups, each of which is as likely as another.
const GROUPS: &[&[&str]] =
    &[TEMPLATES, dumps::TEMPLATES, lists::TEMPLATES, sets::TEMPLATES, sorted_sets::TEMPLATES];

const VALUES: &[&[u8]] =
    &[b"", b"v", b"hello world", b"\x00\xff\r\n", b"10", b"-1", b"3.5", b"0x10", b" 1", b"abc123"];
const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "42",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.5",
    "abc",
    "",
    " 1",
    "+1",
    "01",
    "-0",
];
const ELEMENTS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"",
    b"\x00\xff\r\n",
    b"01",
    b"a somewhat longer element, which is beyond what is kept in a listpack",
];
const NUMBERS: &[&str] = &["1", "2", "3", "-1", "70000", "-9223372036854775808"];
const FLOATS: &[&str] =
    &["0", "1", "-1", "0.5", "-0.25", "3", "1e3", "abc", "", "nan", "inf", "1.", ".5"];
const SECONDS: &[&str] = &["100", "1000", "0", "-1", "abc", "9223372036854775807", "100000000"];
const MILLISECONDS: &[&str] = &["100000", "1000000", "0", "-1", "abc", "9223372036854775807"];
const AT: &[&str] = &["4102444800", "1", "0", "-1", "4102444801", "abc", "9223372036854775807"];
const AT_MS: &[&str] = &["4102444800000", "1", "0", "-1", "4102444800500", "abc"];
const LATER: &[&str] = &["4102444800", "0", "-1", "4102444801", "abc", "9223372036854775807"];
const LATER_MS: &[&str] = &["4102444800000", "0", "-1", "4102444800500", "abc"];
const INDEXES: &[&str] = &["0", "-1", "1", "3", "-3", "100", "-100", "abc", "9223372036854775807"];
const OFFSETS: &[&str] = &["0", "1", "5", "20", "-1", "abc", "600000000"];
const BITS: &[&str] = &["0", "1", "7", "8", "100", "#3", "-1", "abc", "525000"];
/// Away from the edges of the map, where Redis misses places.
const LONGITUDES: &[&str] = &["13.361389", "15.087269", "0", "-0.5", "14", "179.9", "181", "abc"];
const LATITUDES: &[&str] = &["38.115556", "37.502669", "0", "0.5", "-33", "38", "86", "abc"];
const FIELDS: &[&str] = &["u1", "u8", "i8", "i5", "u63", "i64", "u64", "i0", "x"];
const PATTERNS: &[&str] = &["*", "k*", "?1", "k[0-1]", "k[^1]", "nothing", "[", "\\k1", "**"];
/// Of entries, and what is next to them.
const IDS: &[&str] = &["1", "1-1", "1-2", "2-0", "3", "3-1", "5-1", "0", "007-1", "abc", "1-"];
/// Few that fail, so that streams grow.
const NEW_IDS: &[&str] =
    &["1-*", "1-*", "2-*", "3-*", "3-*", "4-*", "1-1", "3-1", "5-1", "0", "abc", "0-*"];

fn word(random: &mut Random, text: &str) -> Vec<u8> {
    let chosen: &[u8] = match text {
        "K" => return format!("k{}", random.below(4)).into_bytes(),
        "D" => {
            return random.pick(&["0", "0", "0", "1", "2", "99", "-1", "abc"]).as_bytes().to_vec();
        }
        "V" => return random.pick(VALUES).to_vec(),
        "EL" => return lists::long(random),
        "E" if random.chance(3) => random.pick(NUMBERS).as_bytes(),
        "E" => return random.pick(ELEMENTS).to_vec(),
        "N" => random.pick(NUMBERS).as_bytes(),
        "I" => random.pick(INTEGERS).as_bytes(),
        "F" => random.pick(FLOATS).as_bytes(),
        "T" => random.pick(SECONDS).as_bytes(),
        "M" => random.pick(MILLISECONDS).as_bytes(),
        "A" => random.pick(AT).as_bytes(),
        "B" => random.pick(AT_MS).as_bytes(),
        "L" => random.pick(LATER).as_bytes(),
        "LM" => random.pick(LATER_MS).as_bytes(),
        "X" => random.pick(INDEXES).as_bytes(),
        "O" => random.pick(OFFSETS).as_bytes(),
        "BIT" => random.pick(BITS).as_bytes(),
        "LON" => random.pick(LONGITUDES).as_bytes(),
        "LAT" => random.pick(LATITUDES).as_bytes(),
        "FIELD" => random.pick(FIELDS).as_bytes(),
        "G" => random.pick(PATTERNS).as_bytes(),
        "R" => random.pick(sorted_sets::SCORE_ENDS).as_bytes(),
        "S" => random.pick(sorted_sets::SCORES).as_bytes(),
        "Y" => random.pick(sorted_sets::LEX_ENDS).as_bytes(),
        "PAY" => return random.pick(dumps::PAYLOADS).to_vec(),
        "P" => return format!("p{}", random.below(2)).into_bytes(),
        "Z" => return format!("z{}", random.below(2)).into_bytes(),
        "XCON" => random.pick(&["c", "d"]).as_bytes(),
        "XGRP" => random.pick(&["g", "g", "h"]).as_bytes(),
        "XID" => random.pick(IDS).as_bytes(),
        "XMAX" => random.pick(&["+", "+", "4", "(3-1", "abc"]).as_bytes(),
        "XMIN" => random.pick(&["-", "-", "2", "(1-1", "abc"]).as_bytes(),
        "XNEW" => random.pick(NEW_IDS).as_bytes(),
        literal => literal.as_bytes(),
    };
    chosen.to_vec()
}

fn request(random: &mut Random, groups: &[&[&str]]) -> Request {
    let mut words = Vec::new();
    let group = *random.pick(groups);
    for part in random.pick(group).split(' ') {
        let optional = part.strip_prefix('[').and_then(|part| part.strip_suffix(']'));
        let choice = part.strip_prefix('(').and_then(|part| part.strip_suffix(')'));
        let chosen = match (optional, choice) {
            (Some(_), _) if random.chance(2) => continue,
            (Some(list), _) | (_, Some(list)) => {
                let list: Vec<&str> = list.split('|').collect();
                *random.pick(&list)
            }
            _ => part,
        };
        words.extend(chosen.split('_').map(|text| word(random, text)));
    }
    mutate(random, &mut words);
    words
}

/// A history of requests. Left out is a flush or swap while keys are watched: Zumic then aborts
/// EXEC also for watched keys that were absent all along, which the scripts allow. Nor are
/// consumer groups used meanwhile: to Redis that is no change of the key.
fn history(random: &mut Random, groups: &[&[&str]]) -> Vec<Request> {
    let mut watching = false;
    let mut history = Vec::new();
    while history.len() < STEPS {
        let request = request(random, groups);
        match request[0].to_ascii_uppercase().as_slice() {
            // Without a count the answer is random: it may come of a mutation.
            b"SPOP" | b"SRANDMEMBER" | b"ZRANDMEMBER" if request.len() == 2 => continue,
            // WITHSCORE is 7.2's.
            b"ZRANK" | b"ZREVRANK" if request.len() > 3 => continue,
            b"WATCH" => watching = true,
            b"SWAPDB" if watching => continue,
            b"XACK" | b"XAUTOCLAIM" | b"XCLAIM" | b"XGROUP" | b"XREADGROUP" if watching => continue,
            _ => {}
        }
        history.push(request);
        if watching && random.chance(10) {
            // Not EXEC or DISCARD: those end the watch only where they succeed.
            history.push(vec![b"RESET".to_vec()]);
            watching = false;
        }
    }
    history
}

/// Now and then a word too many or too few, or in another case.
fn mutate(random: &mut Random, words: &mut Request) {
    match random.below(40) {
        0 => words.push(word(random, "K")),
        1 if words.len() > 1 => {
            words.pop();
        }
        2 => words[0].make_ascii_lowercase(),
        _ => {}
    }
}

/// Encodings of sets and lists, which Redis chooses otherwise since 7.2; and of sorted sets, which
/// become large in Redis when SORT reads them.
fn has_come_later(encoding: &[u8]) -> bool {
    matches!(encoding, b"listpack" | b"hashtable" | b"quicklist" | b"skiplist")
}

/// Orders what has no order, so that two correct servers give equal text.
fn normal(request: &Request, reply: &Reply) -> String {
    let name = request[0].to_ascii_uppercase();
    let sorted = |elements: &[Reply]| {
        let mut texts: Vec<String> = elements.iter().map(ToString::to_string).collect();
        texts.sort();
        texts.join(" ")
    };
    match (name.as_slice(), reply) {
        (b"KEYS", Reply::Array(Some(keys))) => format!("keys {}", sorted(keys)),
        (
            b"SMEMBERS" | b"SINTER" | b"SUNION" | b"SDIFF" | b"SPOP" | b"SRANDMEMBER",
            Reply::Array(Some(members)) | Reply::Set(members),
        ) => {
            let kind = if matches!(reply, Reply::Set(_)) { "set" } else { "array" };
            format!("{kind} {}", sorted(members))
        }
        // Before 7.2, Redis has no listpacks for sets and for lists.
        (b"OBJECT", Reply::Bulk(Some(name))) if has_come_later(name) => "either".to_owned(),
        (b"SCAN" | b"SSCAN" | b"ZSCAN", Reply::Array(Some(parts))) if parts.len() == 2 => {
            match &parts[1] {
                Reply::Array(Some(keys)) => format!("scan {} {}", parts[0], sorted(keys)),
                other => other.to_string(),
            }
        }
        // The queue may hold KEYS or TTL; what each answers alone is compared elsewhere.
        (b"EXEC", Reply::Array(Some(replies))) => {
            let kinds = replies.iter().map(|reply| match reply {
                Reply::Array(_) => "[...]".to_owned(),
                Reply::Set(_) => "~[...]".to_owned(),
                Reply::Bulk(Some(name)) if has_come_later(name) => "either".to_owned(),
                other => round_down(other),
            });
            kinds.collect::<Vec<_>>().join(" ")
        }
        (b"TTL" | b"EXPIRETIME" | b"PEXPIRETIME", reply) => round_down(reply),
        (_, reply) => single(reply),
    }
}

/// A reply that differs at most in words that Redis 7.2 changed.
fn single(reply: &Reply) -> String {
    match reply {
        Reply::Error(text) if text.starts_with(b"ERR Unbalanced") => "unbalanced".to_owned(),
        other => other.to_string(),
    }
}

/// A time to live may tick between the two servers, and an instant computed from the clock
/// differs by what lies between two requests.
fn round_down(reply: &Reply) -> String {
    match reply {
        Reply::Integer(1_700_000_000..4_000_000_000) => ":soon in seconds".to_owned(),
        Reply::Integer(1_700_000_000_000..4_000_000_000_000) => ":soon in ms".to_owned(),
        Reply::Integer(left @ 51..1_000_000_000_000) => format!(":about {}", (left + 25) / 50 * 50),
        other => single(other),
    }
}

struct Pair {
    zumic: Running,
    redis: Running,
}

/// The two sides of one history.
fn open(pair: &Pair, version: u64) -> [Client; 2] {
    [&pair.zumic, &pair.redis].map(|running| {
        let mut client = running.connect();
        client.run("FLUSHALL");
        if version == 3 {
            assert!(!client.run("HELLO 3").is_error());
        }
        client
    })
}

/// Runs a history; returns the first step at which the answers differ, and both answers.
fn run(pair: &Pair, version: u64, history: &[Request]) -> Option<(usize, String, String)> {
    let [mut zumic, mut redis] = open(pair, version);
    for (step, request) in history.iter().enumerate() {
        let answer = |client: &mut Client| match client.try_call(request) {
            Ok(reply) => normal(request, &reply),
            Err(error) => format!("(no answer: {})", error.kind()),
        };
        let (ours, theirs) = (answer(&mut zumic), answer(&mut redis));
        if ours != theirs {
            return Some((step, ours, theirs));
        }
    }
    None
}

/// Removes steps while the last one still differs.
fn shrink(pair: &Pair, version: u64, mut history: Vec<Request>) -> Vec<Request> {
    let mut size = history.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at + size < history.len() {
            let mut shorter = history.clone();
            shorter.drain(at..at + size);
            let differs = run(pair, version, &shorter);
            if differs.is_some_and(|(step, ..)| step + 1 == shorter.len()) {
                history = shorter;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    history
}

fn show(request: &Request) -> String {
    let words: Vec<_> = request.iter().map(|word| support::reply::quoted(word)).collect();
    words.join(" ")
}

/// Compares histories of commands of these groups.
fn compare(pair: &Pair, histories: u64, groups: &[&[&str]]) {
    let seed = support::seed();
    let mut found = Vec::new();
    for round in 0..histories * support::stress() {
        let mut random = Random::new(seed.wrapping_add(round));
        let version = 2 + round % 2;
        let mut history = history(&mut random, groups);
        let Some((step, ..)) = run(pair, version, &history) else { continue };
        history.truncate(step + 1);
        let shortest = shrink(pair, version, history);
        let (_, ours, theirs) = run(pair, version, &shortest).expect("it differed just now");
        let steps: Vec<_> = shortest.iter().map(show).collect();
        let steps = steps.join("\n    ");
        found.push(format!(
            "ZUMIC_SEED={seed} round={round} RESP{version}\n    {steps}\n  zumic: {ours}\n  \
             redis: {theirs}"
        ));
        if found.len() >= 10 {
            break;
        }
    }
    assert!(found.is_empty(), "{} histories differ:\n{}", found.len(), found.join("\n"));
}

fn start() -> Pair {
    Pair { zumic: Running::start(&Zumic { threads: 2 }), redis: Running::start(&Redis) }
}

#[test]
fn random_commands_are_answered_as_redis_does() {
    if oracle_available() {
        compare(&start(), HISTORIES, GROUPS);
    }
}

/// Blocks of a few elements, so that there are some to compress between the ends.
#[test]
fn compressed_lists_are_answered_as_redis_does() {
    if !oracle_available() {
        return;
    }
    let pair = start();
    for depth in 0..3 {
        for running in [&pair.zumic, &pair.redis] {
            let set = format!("CONFIG SET list-compress-depth {depth} list-max-listpack-size 3");
            assert_eq!(running.connect().run(&set).text(), "OK");
        }
        compare(&pair, HISTORIES, &[lists::LONG_TEMPLATES]);
    }
}
