//! How long a blocking command waits.
//!
//! Why it exists: all of them take a timeout and refuse it in the same words. When a command is run
//! again for a client that waits, the time of its first run counts (the host sees to that).

use zumic_error::CommandError;

use super::number::{parse_finite_double, parse_integer};
use crate::Context;

/// When a wait of so many seconds ends, as BLPOP and its kin take it: Unix milliseconds, `None`
/// for never.
///
/// # Errors
/// It is no number, negative, or too far away.
pub(super) fn seconds(context: &Context<'_>, text: &[u8]) -> Result<Option<u64>, CommandError> {
    let seconds = parse_finite_double(text).map_err(|_| CommandError::TimeoutNotAFloat)?;
    let milliseconds = (seconds * 1_000.0).ceil();
    // The largest double below 2^63 is far beyond any clock.
    if milliseconds >= 9.223_372_036_854_775e18 {
        return Err(CommandError::TimeoutOutOfRange);
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^63")]
    until(context, milliseconds as i64)
}

/// The same from milliseconds, as XREAD BLOCK takes it.
///
/// # Errors
/// As [`seconds`].
pub(super) fn milliseconds(
    context: &Context<'_>,
    text: &[u8],
) -> Result<Option<u64>, CommandError> {
    let milliseconds = parse_integer(text).map_err(|_| CommandError::TimeoutInvalid)?;
    until(context, milliseconds)
}

fn until(context: &Context<'_>, milliseconds: i64) -> Result<Option<u64>, CommandError> {
    match u64::try_from(milliseconds) {
        Err(_) => Err(CommandError::TimeoutNegative),
        Ok(0) => Ok(None),
        Ok(milliseconds) => {
            let until = context.now_ms() + milliseconds;
            let fits = i64::try_from(until).is_ok();
            if fits { Ok(Some(until)) } else { Err(CommandError::TimeoutOutOfRange) }
        }
    }
}
