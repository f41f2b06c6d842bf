//! DEBUG: for the tests of clients and of this server.
//!
//! Why it exists: test suites of clients use ERROR, SLEEP, OBJECT, SET-ACTIVE-EXPIRE and PROTOCOL.
//! Refused unless `enable-debug-command` allows it, as in Redis.

use std::time::Duration;

use engine::{Context, Halt, Record};
use zumic_error::{CommandError, ScriptError};

use super::{Admin, ClientFacts, help};
use crate::settings::DebugAccess;

/// The complaint about a type that PROTOCOL does not know.
const PROTOCOL_TYPES: &str = "Wrong protocol type name. Please use one of the following: \
     string|integer|double|bignum|null|array|set|map|push|verbatim|true|false";

/// Redis shows the second of the last access in 24 bits.
const LRU_CLOCK_MASK: u64 = (1 << 24) - 1;

/// What DEBUG PROTOCOL DOUBLE answers.
#[expect(clippy::approx_constant, reason = "Redis answers this, not pi")]
const DOUBLE: f64 = 3.141;

/// Answers `DEBUG <sub>`.
pub(super) fn run(
    admin: &Admin,
    client: &ClientFacts<'_>,
    context: &mut Context<'_>,
    args: &[&[u8]],
) -> Result<(), Halt> {
    let allowed = match admin.settings().load().debug_access {
        DebugAccess::Local => client.is_local,
        DebugAccess::No => false,
        DebugAccess::Yes => true,
    };
    if !allowed {
        return Err(CommandError::DebugDisallowed.into());
    }
    let sub = args[1].to_ascii_lowercase();
    match (sub.as_slice(), &args[2..]) {
        (b"error", [line]) => {
            return Err(CommandError::from(ScriptError::Raised(line.to_vec())).into());
        }
        (b"help", []) => help::write(context, help::DEBUG),
        (b"object", [key]) => object(context, key)?,
        (b"protocol", [kind]) => protocol(context, kind)?,
        (b"set-active-expire", [switch]) => {
            // As in Redis: whatever is no number is 0.
            let on = super::integer(switch).is_some_and(|number| number != 0);
            admin.engine().tunables().set_active_expire(on);
            context.sink().simple("OK");
        }
        (b"sleep", [seconds]) => {
            sleep(seconds);
            context.sink().simple("OK");
        }
        _ => {
            return Err(CommandError::SubcommandUsage {
                container: "DEBUG",
                name: args[1].to_vec(),
            }
            .into());
        }
    }
    Ok(())
}

/// Blocks this reactor, which is the command's purpose. Text that is no number does not wait.
fn sleep(seconds: &[u8]) {
    let seconds = std::str::from_utf8(seconds).ok().and_then(|text| text.parse::<f64>().ok());
    let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    std::thread::sleep(wait.unwrap_or_default());
}

fn object(context: &mut Context<'_>, key: &[u8]) -> Result<(), Halt> {
    let record = context.peek(key)?.ok_or(CommandError::NoSuchKey)?;
    let encoding = context.encoding(key)?.ok_or(CommandError::NoSuchKey)?;
    let mut line = describe(record, encoding);
    // Only one of the two clocks is kept, depending on maxmemory-policy.
    if let Some(seconds) = context.idle_seconds(record) {
        let accessed = (context.now_ms() / 1_000).saturating_sub(seconds);
        line.push_str(&format!(" lru:{} lru_seconds_idle:{seconds}", accessed & LRU_CLOCK_MASK));
    }
    if let Some(frequency) = context.frequency(record) {
        line.push_str(&format!(" lfu_freq:{frequency}"));
    }
    context.sink().simple(&line);
    Ok(())
}

fn describe(record: &Record, encoding: &str) -> String {
    let len = record.text().map_or(0, engine::Text::len);
    let at = std::ptr::from_ref(record).cast::<u8>();
    format!("Value at:{at:p} refcount:1 encoding:{encoding} serializedlength:{len}")
}

/// One value of each type of the protocol; ATTRIB is left out, as handlers cannot send any.
fn protocol(context: &mut Context<'_>, kind: &[u8]) -> Result<(), CommandError> {
    let sink = context.sink();
    match kind.to_ascii_lowercase().as_slice() {
        b"array" => {
            sink.array(3);
            (0..3).for_each(|number| sink.integer(number));
        }
        b"bignum" => sink.big_number("1234567999999999999999999999999999999"),
        b"double" => sink.double(DOUBLE),
        b"false" => sink.boolean(false),
        b"integer" => sink.integer(12_345),
        b"map" => {
            sink.map(3);
            for number in 0..3 {
                sink.integer(number);
                sink.boolean(number == 1);
            }
        }
        b"null" => sink.null(),
        b"push" if sink.version() < 3 => {
            return Err(CommandError::NotSupported("RESP2 is not supported by this command"));
        }
        b"push" => {
            sink.push(2);
            sink.bulk(b"server-cpu-usage");
            sink.integer(42);
            sink.bulk(b"Some real reply following the push reply");
        }
        b"set" => {
            sink.set(3);
            (0..3).for_each(|number| sink.integer(number));
        }
        b"string" => sink.bulk(b"Hello World"),
        b"true" => sink.boolean(true),
        b"verbatim" => sink.verbatim(*b"txt", b"This is a verbatim\nstring"),
        _ => return Err(CommandError::NotSupported(PROTOCOL_TYPES)),
    }
    Ok(())
}
