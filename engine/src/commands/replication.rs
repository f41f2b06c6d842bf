//! Handlers: copies of this server, and waiting for them.
//!
//! Why it exists: clients call these on connecting (ROLE) and after important writes (WAIT), and
//! must hear the truth: there are no replicas. What the log has is the host's business.

use zumic_error::CommandError;

use super::blocking;
use super::number::parse_integer;
use crate::{Context, Halt};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// ROLE
///
/// A primary without replicas, at the offset that INFO tells.
#[expect(clippy::unnecessary_wraps, reason = "a handler")]
pub(super) fn role(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    let sink = context.sink();
    sink.array(3);
    sink.bulk(b"master");
    sink.integer(0);
    sink.array(0);
    Ok(())
}

/// WAIT numreplicas timeout
pub(super) fn wait(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let replicas = parse_integer(args[1])?;
    let until_ms = blocking::milliseconds(context, args[2])?;
    if replicas > 0 && context.may_wait() {
        return Err(context.wait(until_ms, None));
    }
    context.sink().integer(0);
    Ok(())
}

/// What WAITAOF asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WaitAof {
    /// Whether the log of this server counts.
    pub local: bool,
    /// How many replicas' logs count.
    pub replicas: i64,
    /// When it gives up, Unix milliseconds; `None` for never.
    pub until_ms: Option<u64>,
}

impl WaitAof {
    /// Reads `WAITAOF numlocal numreplicas timeout`, name first.
    ///
    /// # Errors
    /// One of them is no number, or out of its range.
    pub fn parse(context: &Context<'_>, args: &[&[u8]]) -> Result<Self, CommandError> {
        let local = parse_integer(args[1])?;
        if !(0..=1).contains(&local) {
            return Err(CommandError::NotInRange { min: 0, max: 1 });
        }
        let replicas = parse_integer(args[2])?;
        if replicas < 0 {
            return Err(CommandError::NotPositive);
        }
        let until_ms = blocking::milliseconds(context, args[3])?;
        Ok(Self { local: local == 1, replicas, until_ms })
    }
}
