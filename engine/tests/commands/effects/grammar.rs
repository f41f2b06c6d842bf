//! Command lines from templates.
//!
//! ```text
//! word          itself
//! {name}        a random word of that name, see `Words`
//! [a b|c|]      one of the alternatives, each of any number of words
//! (a b)+        one to four times
//! ```

use engine::persist::rdb::seal;
use engine::persist::rdb::value::{Style, ValueRef};
use engine::values::list::{List, Rules};
use engine::{Collection as _, Text};

use crate::random::Random;

/// A command line, name first.
pub(crate) type Line = Vec<Vec<u8>>;

/// Makes words; it knows the time, because deadlines are around it.
#[derive(Debug)]
pub(crate) struct Words<'r> {
    pub(crate) random: &'r mut Random,
    pub(crate) now_ms: u64,
}

impl Words<'_> {
    /// A line from a template.
    pub(crate) fn line(&mut self, template: &str) -> Line {
        let mut line = Vec::new();
        self.sequence(template, &mut line);
        line
    }

    fn sequence(&mut self, mut rest: &str, line: &mut Line) {
        loop {
            rest = rest.trim_start();
            let Some(first) = rest.chars().next() else { return };
            match first {
                '[' => {
                    let (inner, behind) = split_group(rest, ']');
                    let alternatives = split_alternatives(inner);
                    let chosen = self.random.pick(&alternatives);
                    self.sequence(chosen, line);
                    rest = behind;
                }
                '(' => {
                    let (inner, behind) = split_group(rest, ')');
                    rest = behind.strip_prefix('+').expect("a group is repeated");
                    for _ in 0..=self.random.below(4) {
                        self.sequence(inner, line);
                    }
                }
                _ => {
                    let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
                    let name = word.strip_prefix('{').and_then(|word| word.strip_suffix('}'));
                    line.push(name.map_or_else(|| word.into(), |name| self.word(name)));
                    rest = behind;
                }
            }
        }
    }

    fn number(&mut self, from: i64, count: usize) -> Vec<u8> {
        let offset = i64::try_from(self.random.below(count)).expect("31 bits");
        (from + offset).to_string().into_bytes()
    }

    /// A key of a type, by its letter: rarely one of another type.
    fn key(&mut self, letter: char) -> Vec<u8> {
        let letter = if self.random.below(40) == 0 {
            char::from(
                *self.random.pick(&[b"s", b"l", b"h", b"u", b"z", b"x"]).first().expect("one"),
            )
        } else {
            letter
        };
        format!("{letter}{}", self.random.below(2)).into_bytes()
    }

    fn word(&mut self, name: &str) -> Vec<u8> {
        let now = i64::try_from(self.now_ms).expect("a time");
        match name {
            "s" | "l" | "h" | "u" | "z" | "x" | "t" | "p" | "g" => {
                self.key(name.chars().next().expect("a letter"))
            }
            "k" => {
                let letter = self.random.below(9);
                self.key(char::from(b"slhuzxtpg"[letter]))
            }
            "at" => self.number(now - 20, 120),
            "at_s" => self.number(now / 1_000 - 1, 4),
            "bits" => {
                let mut kind = self.random.pick(&[&b"u"[..], b"i"]).to_vec();
                kind.extend(self.number(1, 16));
                kind
            }
            "c" => self.number(1, 4),
            "consumer" => format!("c{}", self.random.below(2)).into_bytes(),
            "db" => self.number(0, 3),
            "f" => self.number(-20, 40).iter().copied().chain(*b".25").collect(),
            "group" => format!("g{}", self.random.below(2)).into_bytes(),
            "id" => {
                // Few, so that they meet.
                let ms = now - now % 16 - if self.random.below(3) == 0 { 16 } else { 0 };
                [ms.to_string().as_bytes(), b"-", &*self.number(0, 4)].concat()
            }
            "lat" => self.number(-80, 160),
            "lex" => {
                let edge = self.random.pick(&[&b"["[..], b"("]);
                [edge, &*self.member()].concat()
            }
            "library" => self.library(),
            "libraries" => {
                let engine = engine::Engine::builder().build();
                engine.load_function_library(&self.library()).expect("it registers a function");
                engine.dump_functions()
            }
            "lon" => self.number(-170, 340),
            "m" => self.member(),
            "ms" => self.number(1, 60),
            "n" => self.number(-3, 9),
            "off" => self.number(0, 3_000),
            "payload" => self.payload(),
            "sec" => self.number(-1, 4),
            "sec+" => self.number(1, 3),
            "time" => self.number(now - 100, 120),
            "v" => self.value(),
            other => panic!("no word is called {other}"),
        }
    }

    /// What DUMP answers for a string or a list.
    fn payload(&mut self) -> Vec<u8> {
        let value = self.value();
        if self.random.below(2) == 0 {
            return seal(ValueRef::Text(Text::Slice(&value)), Style::REDIS);
        }
        let rules = Rules::from_settings(-2, 0);
        let list = List::from_values([&*value, b"1", b"two"].into_iter(), rules);
        seal(ValueRef::List(list.as_ref()), Style::OWN)
    }

    fn member(&mut self) -> Vec<u8> {
        match self.random.below(30) {
            0 => vec![b'M'; 80],
            1 => format!("wide{}", self.random.below(200)).into_bytes(),
            at => format!("m{}", at % 10).into_bytes(),
        }
    }

    /// One of a few libraries of functions.
    fn library(&mut self) -> Vec<u8> {
        let name = ["one", "two"][usize::from(self.random.below(2) == 0)];
        let answer = self.random.below(5);
        let code = format!("redis.register_function('{name}', function() return {answer} end)");
        format!("#!lua name={name}\n{code}").into_bytes()
    }

    fn value(&mut self) -> Vec<u8> {
        match self.random.below(40) {
            0 => vec![b'L'; 70_000],
            1..4 => vec![b'v'; 40 + self.random.below(300)],
            4..8 => vec![0, 255, b'\r', b'\n'],
            8..20 => self.number(-100, 200),
            _ => format!("v{}", self.random.below(10)).into_bytes(),
        }
    }
}

/// The inside of the group that `rest` begins with, and what is behind it.
fn split_group(rest: &str, close: char) -> (&str, &str) {
    let open = rest.chars().next().expect("a group");
    let mut depth = 0;
    for (at, letter) in rest.char_indices() {
        depth += i32::from(letter == open) - i32::from(letter == close);
        if depth == 0 {
            return (&rest[1..at], &rest[at + 1..]);
        }
    }
    panic!("{rest} has no end");
}

fn split_alternatives(inner: &str) -> Vec<&str> {
    let mut alternatives = Vec::new();
    let (mut depth, mut from) = (0, 0);
    for (at, letter) in inner.char_indices() {
        match letter {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            '|' if depth == 0 => {
                alternatives.push(&inner[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    alternatives.push(&inner[from..]);
    alternatives
}
