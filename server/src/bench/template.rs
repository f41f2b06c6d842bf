//! Requests as bytes: encoded once, copied per request, and only the digits of the keys written.
//!
//! Why it exists: building a request from its arguments costs more than a fast server spends on
//! answering it. A copy of a hundred bytes and twelve digits cost about ten nanoseconds.
//!
//! Invariants
//! - T1: the field of every key spot holds zeros in the template, so writing a key's digits from
//!   the right leaves it zero-padded.
//! - T2: every spot lies inside its template's bytes.

use super::error::BenchError;
use super::options::Shape;

/// `key:` and `cnt:`; both prefixes have this length.
pub(super) const KEY_PREFIX_BYTES: u32 = 4;

/// Keys in a request of `mset10` and `mget10`.
const MANY: usize = 10;

/// A request whose keys are filled in per use.
#[derive(Debug)]
pub(super) struct Template {
    bytes: Vec<u8>,
    /// Where each key ends in `bytes`; its digits are written leftwards from there.
    key_ends: Vec<usize>,
}

impl Template {
    /// Encodes `words` as a RESP array; in each, `__key__`, `__value__` and `__digits__` (a key
    /// without its prefix: a number, as a score is one) are placeholders.
    fn encode(words: &[String], key_prefix: &str, shape: Shape) -> Self {
        let value = "x".repeat(shape.value_bytes as usize);
        let zeros = "0".repeat((shape.key_bytes - KEY_PREFIX_BYTES) as usize);
        let key = format!("{key_prefix}{zeros}");
        let mut template =
            Self { bytes: format!("*{}\r\n", words.len()).into_bytes(), key_ends: Vec::new() };
        for word in words {
            template.encode_word(&word.replace("__value__", &value), &key, &zeros);
        }
        template
    }

    fn encode_word(&mut self, word: &str, key: &str, digits: &str) {
        let mut filled = String::with_capacity(word.len());
        let mut ends = Vec::new();
        let mut rest = word;
        while let Some(at) = rest.find("__") {
            filled.push_str(&rest[..at]);
            rest = &rest[at..];
            let (name, field) = match rest {
                key_field if key_field.starts_with("__key__") => ("__key__", key),
                number if number.starts_with("__digits__") => ("__digits__", digits),
                _ => ("__", "__"),
            };
            filled.push_str(field);
            rest = &rest[name.len()..];
            if name != field {
                ends.push(filled.len());
            }
        }
        filled.push_str(rest);
        self.bytes.extend_from_slice(format!("${}\r\n", filled.len()).as_bytes());
        let base = self.bytes.len();
        self.key_ends.extend(ends.into_iter().map(|end| base + end));
        self.bytes.extend_from_slice(filled.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Appends one request to `out`, each of its keys drawn from `next_key`.
    ///
    /// Keys must be below the keyspace that the template's shape was checked against.
    pub(super) fn append(&self, out: &mut Vec<u8>, mut next_key: impl FnMut() -> u64) {
        let base = out.len();
        out.extend_from_slice(&self.bytes);
        for end in &self.key_ends {
            let mut buffer = itoa::Buffer::new();
            let digits = buffer.format(next_key()).as_bytes();
            let end = base + end;
            out[end - digits.len()..end].copy_from_slice(digits);
        }
    }
}

/// Templates and how often each is used.
#[derive(Debug)]
pub(super) struct Mix {
    /// Each template with the sum of the weights up to and including its own.
    entries: Vec<(u32, Template)>,
    weight_total: u32,
}

impl Mix {
    /// Parses `get:80,set:20`; a weight may be left out and is 1 then.
    pub(super) fn parse(text: &str, shape: Shape) -> Result<Self, BenchError> {
        let mut mix = Self { entries: Vec::new(), weight_total: 0 };
        for part in text.split(',') {
            let (name, weight) = part.split_once(':').unwrap_or((part, "1"));
            let (prefix, words) = builtin(name.trim()).ok_or_else(|| {
                BenchError::Usage(format!(
                    "unknown command '{name}' in the mix: get set incr del mset10 mget10 ping"
                ))
            })?;
            let weight: u32 = weight.trim().parse().map_err(|_| {
                BenchError::Usage(format!("the weight in '{part}' is not a number"))
            })?;
            mix.push(weight, Template::encode(&words, prefix, shape))?;
        }
        mix.check()
    }

    /// One template per text, all equally often; words are split as a shell does it.
    pub(super) fn from_commands(texts: &[String], shape: Shape) -> Result<Self, BenchError> {
        let mut mix = Self { entries: Vec::new(), weight_total: 0 };
        for text in texts {
            let words = shlex::split(text).filter(|words| !words.is_empty()).ok_or_else(|| {
                BenchError::Usage(format!("the command '{text}' is empty or has an open quote"))
            })?;
            mix.push(1, Template::encode(&words, "key:", shape))?;
        }
        mix.check()
    }

    fn push(&mut self, weight: u32, template: Template) -> Result<(), BenchError> {
        self.weight_total = self
            .weight_total
            .checked_add(weight)
            .ok_or_else(|| BenchError::Usage("the weights of the mix are too large".to_owned()))?;
        if weight > 0 {
            self.entries.push((self.weight_total, template));
        }
        Ok(())
    }

    fn check(self) -> Result<Self, BenchError> {
        if self.entries.is_empty() {
            return Err(BenchError::Usage("the mix has no command with a weight".to_owned()));
        }
        Ok(self)
    }

    /// The next template; `draw` gives a number below its argument and is asked only if there
    /// is a choice.
    pub(super) fn pick(&self, draw: impl FnOnce(u32) -> u32) -> &Template {
        if let [(_, only)] = self.entries.as_slice() {
            return only;
        }
        let drawn = draw(self.weight_total);
        let found = self.entries.iter().find(|(limit, _)| drawn < *limit);
        &found.expect("the last limit is the total of the weights").1
    }
}

/// Key prefix and words of a command that the mix knows by name.
fn builtin(name: &str) -> Option<(&'static str, Vec<String>)> {
    let (prefix, words): (_, Vec<&str>) = match name {
        "del" => ("key:", vec!["DEL", "__key__"]),
        "get" => ("key:", vec!["GET", "__key__"]),
        "incr" => ("cnt:", vec!["INCR", "__key__"]),
        "mget10" => ("key:", [vec!["MGET"], vec!["__key__"; MANY]].concat()),
        "mset10" => ("key:", [vec!["MSET"], ["__key__", "__value__"].repeat(MANY)].concat()),
        "ping" => ("key:", vec!["PING"]),
        "set" => ("key:", vec!["SET", "__key__", "__value__"]),
        _ => return None,
    };
    Some((prefix, words.into_iter().map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { key_bytes: 16, value_bytes: 3 };

    fn render(mix: &Mix, draw: u32, keys: &[u64]) -> String {
        let mut keys = keys.iter().copied();
        let mut out = b"before".to_vec();
        mix.pick(|_| draw).append(&mut out, || keys.next().unwrap());
        assert_eq!(keys.next(), None, "every key is used");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn digits_are_padded_to_the_width_of_the_key() {
        let mix = Mix::parse("set", SHAPE).unwrap();
        for (key, text) in
            [(0, "000000000000"), (42, "000000000042"), (999_999_999_999, "999999999999")]
        {
            let expected = format!("before*3\r\n$3\r\nSET\r\n$16\r\nkey:{text}\r\n$3\r\nxxx\r\n");
            assert_eq!(render(&mix, 0, &[key]), expected);
        }
    }

    #[test]
    fn several_keys_are_drawn_one_by_one() {
        let mix = Mix::parse("mget10", SHAPE).unwrap();
        let keys: Vec<u64> = (1..=10).collect();
        let text = render(&mix, 0, &keys);
        assert!(text.starts_with("before*11\r\n$4\r\nMGET\r\n$16\r\nkey:000000000001\r\n"));
        assert!(text.ends_with("$16\r\nkey:000000000010\r\n"));
    }

    #[test]
    fn placeholders_work_inside_words_and_quotes() {
        let commands = ["HSET {__key__}:h 'a b' __value__!".to_owned()];
        let mix = Mix::from_commands(&commands, SHAPE).unwrap();
        assert_eq!(
            render(&mix, 0, &[7]),
            "before*4\r\n$4\r\nHSET\r\n$20\r\n{key:000000000007}:h\r\n$3\r\na b\r\n$4\r\nxxx!\r\n"
        );
    }

    #[test]
    fn weights_decide() {
        let mix = Mix::parse("get:80,del:0,incr:20", SHAPE).unwrap();
        assert_eq!(mix.weight_total, 100);
        assert!(render(&mix, 79, &[1]).contains("GET\r\n$16\r\nkey:"));
        assert!(render(&mix, 80, &[1]).contains("INCR\r\n$16\r\ncnt:"));
        assert!(render(&mix, 99, &[1]).contains("INCR"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "get:", "get:x", "fly:1", "get:0", "get:4294967295,set:1"] {
            assert!(Mix::parse(text, SHAPE).is_err(), "{text}");
        }
        for text in ["", "  ", "SET 'a"] {
            assert!(Mix::from_commands(&[text.to_owned()], SHAPE).is_err(), "{text}");
        }
    }
}
