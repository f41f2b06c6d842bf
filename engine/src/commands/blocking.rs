//! How long a blocking command waits.
//!
//! Why it exists: all of them take a timeout and refuse it in the same words. When a command is run
//! again for a client that waits, the time of its first run counts (the host sees to that).

use zumic_error::CommandError;

use super::extended::Extended;
use super::number::parse_integer;
use crate::Context;

/// When a wait of so many seconds ends, as BLPOP and its kin take it: Unix milliseconds, `None`
/// for never.
///
/// # Errors
/// It is no number, negative, or too far away.
pub(super) fn seconds(context: &Context<'_>, text: &[u8]) -> Result<Option<u64>, CommandError> {
    until(context.now_ms(), rounded_up(text)?)
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
    until(context.now_ms(), milliseconds)
}

/// Milliseconds in so many seconds, computed in `long double` as Redis does.
fn rounded_up(seconds: &[u8]) -> Result<i64, CommandError> {
    let seconds = Extended::parse(seconds).ok_or(CommandError::TimeoutNotAFloat)?;
    seconds.thousandfold_up().ok_or(CommandError::TimeoutOutOfRange)
}

fn until(now_ms: u64, milliseconds: i64) -> Result<Option<u64>, CommandError> {
    match u64::try_from(milliseconds) {
        Err(_) => Err(CommandError::TimeoutNegative),
        Ok(0) => Ok(None),
        Ok(milliseconds) => {
            let until = now_ms + milliseconds;
            let fits = i64::try_from(until).is_ok();
            if fits { Ok(Some(until)) } else { Err(CommandError::TimeoutOutOfRange) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    /// As redis-server 7 takes them; it rounds up, and below zero up is towards zero.
    #[test]
    fn seconds_are_rounded_up_to_milliseconds() {
        let until_ms = |text: &str| rounded_up(text.as_bytes()).and_then(|ms| until(NOW, ms));
        for (text, want) in [
            ("0", Ok(None)),
            ("-0", Ok(None)),
            ("-0.0001", Ok(None)),
            ("0.0001", Ok(Some(NOW + 1))),
            ("0.001", Ok(Some(NOW + 1))),
            ("0.0011", Ok(Some(NOW + 2))),
            ("1.5", Ok(Some(NOW + 1_500))),
            ("0x10", Ok(Some(NOW + 16_000))),
            ("1e3", Ok(Some(NOW + 1_000_000))),
            ("-0.002", Err(CommandError::TimeoutNegative)),
            ("-1", Err(CommandError::TimeoutNegative)),
            ("-inf", Err(CommandError::TimeoutNegative)),
            ("inf", Err(CommandError::TimeoutOutOfRange)),
            ("1e4000", Err(CommandError::TimeoutOutOfRange)),
            ("9223372036854775", Err(CommandError::TimeoutOutOfRange)),
            ("9223372036854776", Err(CommandError::TimeoutOutOfRange)),
            ("abc", Err(CommandError::TimeoutNotAFloat)),
            ("", Err(CommandError::TimeoutNotAFloat)),
            ("nan", Err(CommandError::TimeoutNotAFloat)),
            (" 1", Err(CommandError::TimeoutNotAFloat)),
        ] {
            assert_eq!(until_ms(text), want, "{text:?}");
        }
    }
}
