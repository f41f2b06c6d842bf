//! What redis-server cannot be asked about: Zumic's own commands, and bugs that were.

use engine::{Engine, Scope, Session};

use super::harness::run;
use super::sink::Value;

const NOW: u64 = 1_700_000_000_000;

struct Client {
    session: Session,
    scope: Scope,
}

impl Client {
    fn new() -> Self {
        let engine = Engine::builder().databases(4).seed(1).build();
        Self { session: engine.session(), scope: Scope::default() }
    }

    fn say(&mut self, line: &str) -> Value {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        run(&mut self.session, &mut self.scope, NOW, &args)
    }

    fn text(&mut self, line: &str) -> String {
        match self.say(line) {
            Value::Bulk(bytes) => String::from_utf8(bytes).expect("text"),
            Value::Error(text) | Value::Simple(text) => text,
            other => format!("{other:?}"),
        }
    }
}

#[test]
fn floats_are_stored_in_their_shortest_form() {
    let mut client = Client::new();
    for (given, want) in [("3.10", "3.1"), ("1e3", "1000"), ("-0.0", "0"), ("1e300", "1e300")] {
        assert_eq!(client.text(&format!("SETFLOAT f {given}")), "OK");
        assert_eq!(client.text("GET f"), want);
    }
    assert_eq!(client.text("SETFLOAT f 2.5"), "OK");
    assert_eq!(client.text("DECRBYFLOAT f 0.75"), "1.75");
    assert_eq!(client.text("DECRBYFLOAT absent 1"), "-1");
    assert_eq!(client.text("OBJECT ENCODING f"), "embstr");
    for line in ["SETFLOAT f nan", "SETFLOAT f inf", "SETFLOAT f 1e999", "DECRBYFLOAT f x"] {
        assert_eq!(client.text(line), "ERR value is not a valid float", "{line}");
    }
    assert_eq!(client.text("GET f"), "1.75");
}

#[test]
fn ifeq_stores_only_over_an_equal_value() {
    let mut client = Client::new();
    assert_eq!(client.say("SET k 2 IFEQ 1"), Value::Null);
    assert_eq!(client.text("SET k 1"), "OK");
    assert_eq!(client.say("SET k 2 IFEQ 01"), Value::Null);
    assert_eq!(client.text("SET k two IFEQ 1"), "OK");
    assert_eq!(client.text("SET k 3 IFEQ other GET"), "two");
    assert_eq!(client.text("SET k 3 IFEQ two GET"), "two");
    assert_eq!(client.text("GET k"), "3");
    for line in ["SET k v IFEQ", "SET k v IFEQ 3 NX", "SET k v XX IFEQ 3"] {
        assert_eq!(client.text(line), "ERR syntax error", "{line}");
    }
    let large = "x".repeat(200_000);
    assert_eq!(client.text(&format!("SET k {large}")), "OK");
    assert_eq!(client.say(&format!("SET k v IFEQ {large}y")), Value::Null);
    assert_eq!(client.text(&format!("SET k v IFEQ {large}")), "OK");
}

/// COPY and MOVE named a database that is none, and the dispatcher took keys of it: an index
/// out of bounds, which ended the process for everybody. Now such keys are left out.
#[test]
fn a_database_that_is_none_is_an_error() {
    let mut client = Client::new();
    assert_eq!(client.text("SET k v"), "OK");
    for line in ["COPY k l DB 4", "MOVE k 65535", "SELECT 4", "SWAPDB 0 4"] {
        assert_eq!(client.text(line), "ERR DB index is out of range", "{line}");
    }
    let text = "ERR value is out of range, value must between -2147483648 and 2147483647";
    assert_eq!(client.text("COPY k l DB 99999999999"), text);
}

/// The order of checks decides which error a client sees.
#[test]
fn errors_come_in_the_order_of_redis() {
    let mut client = Client::new();
    assert_eq!(client.text("SET k v EX 0 FOO"), "ERR syntax error");
    assert_eq!(client.say("GETEX absent EX 0"), Value::Null);
    assert_eq!(client.text("SET k abc"), "OK");
    assert_eq!(client.text("GETEX k EX 0"), "ERR invalid expire time in 'getex' command");
    assert_eq!(client.text("SET k v EX 5 EX 6"), "OK");
    assert_eq!(client.say("TTL k"), Value::Integer(6));
    assert_eq!(client.text("SET k v EX 5 PX 6"), "ERR syntax error");
}
