//! Text to typed values and back, with Redis's units and Redis's complaints.
//!
//! Why it exists: the command line, the environment and CONFIG SET must agree to the byte on
//! what `64mb` means and on what is wrong with `64mbb`. Not for which settings there are.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

/// Why a text is not a value of its setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ValueError {
    /// No address `BindAddress` understands, or none at all.
    Address,
    /// Not a class of keyspace events.
    EventClass,
    /// The hash of the password could not be made (out of memory).
    Hash,
    /// The setting cannot change while running.
    Immutable,
    /// Not an integer.
    Integer,
    /// An unknown class in an output-buffer limit.
    LimitClass,
    /// A number of an output-buffer limit is wrong.
    LimitNumber,
    /// An output-buffer limit without all of its four words.
    LimitWords,
    /// The mask that CONFIG GET shows in place of a password, sent back.
    Mask,
    /// Not an amount of memory.
    Memory,
    /// None of these words.
    OneOf(&'static [&'static str]),
    /// More clients than the system has file descriptors for; this many would do.
    OpenFiles(u32),
    /// Not an octal number.
    Octal,
    /// Not numbers.
    Percentiles,
    /// Numbers outside of 0 to 100.
    PercentilesRange,
    /// The server runs in another mode, which is chosen at the start.
    ModeAtStart,
    /// The server keeps nothing on disk, so there is nothing to set.
    NothingOnDisk,
    /// No path.
    Path,
    /// Outside of this range.
    Range(i64, i64),
    /// Not pairs of seconds and changes.
    SaveRule,
    /// A shutdown that saves and does not.
    ShutdownSave,
    /// Not `yes` or `no`.
    Switch,
}

impl fmt::Display for ValueError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: Cow<'static, str> = match self {
            Self::EventClass => "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into(),
            Self::Address => "argument must be IP addresses, each with an optional '-'".into(),
            Self::Hash => "the password could not be hashed for lack of memory".into(),
            Self::Immutable => "can't set immutable config".into(),
            Self::Integer => "argument couldn't be parsed into an integer".into(),
            Self::LimitClass => {
                "Invalid client class specified in buffer limit configuration.".into()
            }
            Self::LimitNumber => {
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.".into()
            }
            Self::LimitWords => "Wrong number of arguments in buffer limit configuration.".into(),
            Self::Mask => "argument is the mask that CONFIG GET shows, not a password".into(),
            Self::Memory => "argument must be a memory value".into(),
            Self::Octal => "argument couldn't be parsed as an octal number".into(),
            Self::OneOf(words) => {
                format!("argument(s) must be one of the following: {}", words.join(", ")).into()
            }
            Self::OpenFiles(possible) => format!(
                "The operating system is not able to handle the specified number of clients, \
                 try with {possible}"
            )
            .into(),
            Self::Percentiles => "Invalid latency-tracking-info-percentiles parameters".into(),
            Self::PercentilesRange => {
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into()
            }
            Self::ModeAtStart => {
                "persistence is chosen at the start, with --mode memory|persistent".into()
            }
            Self::NothingOnDisk => {
                "a server that keeps nothing on disk saves nothing; start it with --mode \
                 persistent"
                    .into()
            }
            Self::Path => "argument must be a path".into(),
            Self::SaveRule => "Invalid save parameters".into(),
            Self::ShutdownSave => "SAVE and NOSAVE options can't be used together".into(),
            Self::Range(low, high) => {
                format!("argument must be between {low} and {high} inclusive").into()
            }
            Self::Switch => "argument must be 'yes' or 'no'".into(),
        };
        formatter.write_str(&text)
    }
}

impl std::error::Error for ValueError {}

/// `yes` or `no`, in any case.
pub(super) fn parse_switch(text: &str) -> Result<bool, ValueError> {
    match text {
        _ if text.eq_ignore_ascii_case("yes") => Ok(true),
        _ if text.eq_ignore_ascii_case("no") => Ok(false),
        _ => Err(ValueError::Switch),
    }
}

/// A decimal integer within `range`.
pub(super) fn parse_integer(text: &str, range: &RangeInclusive<i64>) -> Result<i64, ValueError> {
    // `+5` is an integer to Rust, not to Redis.
    if text.starts_with('+') {
        return Err(ValueError::Integer);
    }
    within(text.parse().map_err(|_| ValueError::Integer)?, range)
}

/// An octal number such as file permissions, within `range`.
pub(super) fn parse_octal(text: &str, range: &RangeInclusive<i64>) -> Result<i64, ValueError> {
    let number = u32::from_str_radix(text, 8).map_err(|_| ValueError::Octal)?;
    within(i64::from(number), range)
}

/// An amount of memory within `range`.
pub(super) fn parse_bytes(text: &str, range: &RangeInclusive<i64>) -> Result<i64, ValueError> {
    let bytes = parse_memory(text).ok_or(ValueError::Memory)?;
    within(i64::try_from(bytes).map_err(|_| ValueError::Memory)?, range)
}

fn within(number: i64, range: &RangeInclusive<i64>) -> Result<i64, ValueError> {
    if range.contains(&number) {
        return Ok(number);
    }
    Err(ValueError::Range(*range.start(), *range.end()))
}

/// Reads an amount of memory with Redis's units, in any case: `k` is 1,000 and `kb` is 1,024,
/// and so on for `m` and `g`; `b` or nothing is bytes. `None` for anything else or beyond 64 bits.
///
/// # Examples
/// ```
/// use server::settings::parse_memory;
/// assert_eq!(parse_memory("64mb"), Some(64 << 20));
/// assert_eq!(parse_memory("1K"), Some(1_000));
/// assert_eq!(parse_memory("1.5mb"), None);
/// ```
#[must_use]
pub fn parse_memory(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Percentiles separated by spaces; none at all is fine.
pub(super) fn parse_percentiles(text: &str) -> Result<Vec<f64>, ValueError> {
    let one = |word: &str| {
        let number: f64 = word.parse().map_err(|_| ValueError::Percentiles)?;
        let inside = (0.0..=100.0).contains(&number);
        inside.then_some(number).ok_or(ValueError::PercentilesRange)
    };
    text.split_ascii_whitespace().map(one).collect()
}

/// A percentile with at most six decimals, without trailing zeros.
pub(crate) fn show_percentile(number: f64) -> String {
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_redis_units() {
        let cases = [("0", 0), ("10", 10), ("10b", 10), ("2kB", 2_048), ("2k", 2_000)];
        for (text, bytes) in cases {
            assert_eq!(parse_memory(text), Some(bytes), "{text}");
        }
        assert_eq!(parse_memory("3m"), Some(3_000_000));
        assert_eq!(parse_memory("3GB"), Some(3 << 30));
        assert_eq!(parse_memory("3g"), Some(3_000_000_000));
    }

    #[test]
    fn what_is_no_memory_is_refused() {
        for text in ["", "mb", "-1", "1.5mb", "64mbb", "18446744073709551616", "99999999999gb"] {
            assert_eq!(parse_memory(text), None, "{text}");
        }
        assert_eq!(parse_bytes("9223372036854775808", &(0..=i64::MAX)), Err(ValueError::Memory));
    }

    #[test]
    fn ranges_hold_at_both_ends() {
        let range = 1..=10;
        assert_eq!(parse_integer("1", &range), Ok(1));
        assert_eq!(parse_integer("10", &range), Ok(10));
        assert_eq!(parse_integer("0", &range), Err(ValueError::Range(1, 10)));
        assert_eq!(parse_integer("11", &range), Err(ValueError::Range(1, 10)));
        for text in ["", "+1", "1.5", "1k", "abc"] {
            assert_eq!(parse_integer(text, &range), Err(ValueError::Integer), "{text}");
        }
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(parse_octal("700", &(0..=0o777)), Ok(0o700));
        assert_eq!(parse_octal("1000", &(0..=0o777)), Err(ValueError::Range(0, 0o777)));
        assert_eq!(parse_octal("8", &(0..=0o777)), Err(ValueError::Octal));
    }

    #[test]
    fn switches_are_yes_or_no() {
        assert_eq!(parse_switch("YES"), Ok(true));
        assert_eq!(parse_switch("no"), Ok(false));
        assert_eq!(parse_switch("maybe"), Err(ValueError::Switch));
    }

    #[test]
    fn percentiles_are_checked_and_shown_short() {
        let parsed = parse_percentiles("50 99.95 3.1234567 0 100").unwrap();
        let shown: Vec<_> = parsed.iter().map(|number| show_percentile(*number)).collect();
        assert_eq!(shown, ["50", "99.95", "3.123457", "0", "100"]);
        assert_eq!(parse_percentiles(""), Ok(vec![]));
        assert_eq!(parse_percentiles("abc"), Err(ValueError::Percentiles));
        for text in ["101", "-1", "nan", "inf"] {
            assert_eq!(parse_percentiles(text), Err(ValueError::PercentilesRange), "{text}");
        }
    }
}
