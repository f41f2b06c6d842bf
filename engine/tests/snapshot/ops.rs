//! Random command lines over all types, each by one session's own databases.

/// xorshift64*.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % limit
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let at = self.below(choices.len() as u64);
        choices[usize::try_from(at).expect("an index")]
    }
}

/// Lines that make the large values.
pub(crate) fn beginning() -> Vec<String> {
    let mut lines = Vec::new();
    for i in 0..2_000 {
        lines.push(format!("HSET hash:large f{i} value-{i}"));
        lines.push(format!("RPUSH list:large element-{i}"));
        lines.push(format!("SADD set:large member-{i}"));
        lines.push(format!("ZADD zset:large {} member-{i}", i * 7 % 501));
        lines.push(format!("XADD stream:large {}-1 field value-{i}", i + 1));
        lines.push(format!("TS.ADD series:large {} {}", 1_000 + i * 10, i % 17));
    }
    lines.push("XGROUP CREATE stream:large group 0".into());
    lines.push("SET string:large ~200000".into());
    lines.push("SET string:huge ~3000000".into());
    for i in 0..300 {
        lines.push(format!("SET quiet:{i} {i}"));
        lines.push(format!("SET bulk:{i} ~{}", 10_000 + i));
    }
    lines
}

/// One line, deterministic in what it does to the store.
pub(crate) fn line(random: &mut Random, step: u64, own: [u16; 2]) -> (u16, String) {
    let db = own[usize::from(random.below(4) == 0)];
    let other = if db == own[0] { own[1] } else { own[0] };
    let small = random.below(6);
    let n = random.below(2_500);
    let kind = random.of(&["hash", "list", "set", "zset", "string", "stream", "series"]);
    let size = random.of(&["large", "1", "2", "3"]);
    let key = format!("{kind}:{size}");
    let edit = edit(random, kind, &key, n, step);
    let line = match random.below(40) {
        0 => format!("RENAME {key} {kind}:{}", random.of(&["large", "1", "2"])),
        1 => format!("MOVE {key} {other}"),
        2 => format!("COPY {key} {kind}:{} REPLACE", random.of(&["1", "2", "3"])),
        3 => format!("DEL {key}"),
        4 => format!("PEXPIREAT {key} {}", 1_900_000_000_000 + n),
        5 => format!("PERSIST {key}"),
        6 => format!("RENAME {key} {kind}:2; {}", edit.replace(&key, &format!("{kind}:2"))),
        7 => format!("PEXPIREAT {key} {}; {edit}", 1_900_000_000_000 + n),
        8 => format!("{edit}; DEL {key}; {edit}"),
        9 => format!("{edit}; INCR counter; RENAME {key} {kind}:3"),
        10 if n < 60 => "FLUSHDB".into(),
        10 if n < 250 => format!("SWAPDB {} {}", own[0], own[1]),
        10 => format!("PEXPIREAT quiet:{} 1", n % 300),
        11 => format!("SET quiet:{} {step}", n % 300),
        12 => format!("SETRANGE string:huge {} patch-{step}", n * 1_000),
        13 => format!("APPEND string:{small} ~{n}"),
        14 => format!("MSET a:{small} {step} b:{small} {step} c:{small} {step}"),
        15 => format!("SINTERSTORE set:1 set:large set:{}", random.of(&["2", "3"])),
        16 => format!("LMOVE list:large list:{} LEFT RIGHT", random.of(&["1", "2"])),
        _ => edit,
    };
    (db, line)
}

fn edit(random: &mut Random, kind: &str, key: &str, n: u64, step: u64) -> String {
    let choices: &[String] = &match kind {
        "hash" => vec![
            format!("HSET {key} f{n} step-{step}"),
            format!("HDEL {key} f{n} f{}", n / 2),
            format!("HINCRBY {key} count {n}"),
            format!("HPEXPIREAT {key} {} FIELDS 1 f1", 1_900_000_000_000 + n),
        ],
        "list" => vec![
            format!("RPUSH {key} step-{step}"),
            format!("LPOP {key}"),
            format!("LSET {key} 0 step-{step}"),
            format!("LREM {key} 1 element-{n}"),
            format!("LTRIM {key} 1 -2"),
        ],
        "set" => vec![
            format!("SADD {key} {n}"),
            format!("SADD {key} member-{n}"),
            format!("SREM {key} member-{n} {n}"),
        ],
        "zset" => vec![
            format!("ZADD {key} {step} member-{n}"),
            format!("ZREM {key} member-{n}"),
            format!("ZINCRBY {key} 1.5 member-{n}"),
            format!("ZPOPMIN {key}"),
        ],
        "stream" => vec![
            format!("XADD {key} {}-0 field step-{step}", 10_000 + step),
            format!("XDEL {key} {n}-1"),
            format!("XTRIM {key} MAXLEN 1500"),
            format!("XGROUP CREATE {key} group-{} 0 MKSTREAM", n % 5),
        ],
        "series" => vec![
            format!("TS.ADD {key} {} {n}", 1_000_000 + step),
            format!("TS.DEL {key} {} {}", n * 10, n * 10 + 50),
        ],
        _ => vec![
            format!("SET {key} {step}"),
            format!("APPEND {key} {n}"),
            format!("SETRANGE {key} {n} step-{step}"),
            format!("SETBIT {key} {n} 1"),
        ],
    };
    let at = random.below(choices.len() as u64);
    choices[usize::try_from(at).expect("an index")].clone()
}
