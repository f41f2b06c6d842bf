//! Numbers as Redis reads and writes them.
//!
//! Why it exists: whether `+1`, ` 1`, `1e3` or `0x10` is a number differs from place to place in
//! Redis, and clients depend on each answer. One function per kind of place. Numbers with
//! fractions that commands add up are in `extended`.

use zumic_error::CommandError;

/// Parses a decimal integer the way Redis does: no spaces, no `+`, no leading zeros.
///
/// Cost: O(len), no allocation.
///
/// # Errors
/// [`CommandError::NotAnInteger`] when `text` has any other shape or does not fit an `i64`.
///
/// # Examples
/// ```
/// use engine::commands::number::parse_integer;
/// assert_eq!(parse_integer(b"-42"), Ok(-42));
/// assert!(parse_integer(b"042").is_err());
/// ```
#[inline]
pub fn parse_integer(text: &[u8]) -> Result<i64, CommandError> {
    integer(text).ok_or(CommandError::NotAnInteger)
}

/// The same for text that may well be something else.
#[inline]
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    // The longest are the 20 characters of i64::MIN.
    if text.len() > 20 {
        return None;
    }
    if text == b"0" {
        return Some(0);
    }
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    let mut magnitude: u64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Parses a SCAN cursor as `strtoul` does: leading zeros and a sign are fine, spaces are not.
///
/// # Errors
/// [`CommandError::InvalidCursor`] when `text` is no number or has more than 64 bits.
pub fn parse_cursor(text: &[u8]) -> Result<u64, CommandError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if text.is_empty() {
        return Ok(0);
    }
    if digits.is_empty() {
        return Err(CommandError::InvalidCursor);
    }
    let mut cursor: u64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(CommandError::InvalidCursor);
        }
        cursor = cursor
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u64::from(digit - b'0')))
            .ok_or(CommandError::InvalidCursor)?;
    }
    Ok(if negative { cursor.wrapping_neg() } else { cursor })
}

/// Parses a finite double in decimal notation.
///
/// # Errors
/// [`CommandError::NotAFloat`] when `text` is no number, is not finite or is beyond a double.
pub fn parse_finite_double(text: &[u8]) -> Result<f64, CommandError> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    number.filter(|number| number.is_finite()).ok_or(CommandError::NotAFloat)
}

/// Writes a finite double in the shortest form that reads back the same.
///
/// Very large and very small numbers take an exponent, as in `1e300`; others do not.
#[must_use]
pub fn format_double(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 {
        return "0".to_owned();
    }
    if (1e-7..1e21).contains(&size) { number.to_string() } else { format!("{number:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_at_and_beyond_the_limits() {
        for (text, want) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("99999999999999999999", None),
            ("100000000000000000000", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("00", None),
            ("01", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("1a", None),
            ("1.0", None),
        ] {
            assert_eq!(integer(text.as_bytes()), want, "{text:?}");
        }
    }

    #[test]
    fn cursors_are_unsigned() {
        assert_eq!(parse_cursor(b"18446744073709551615"), Ok(u64::MAX));
        assert_eq!(parse_cursor(b"007"), Ok(7));
        for bad in ["18446744073709551616", "x", "1x", " 1", "-"] {
            assert_eq!(parse_cursor(bad.as_bytes()), Err(CommandError::InvalidCursor), "{bad:?}");
        }
    }

    #[test]
    fn doubles_read_back() {
        for number in [0.1, -3.0, 1e20, 1e21, 5e-324, 1.797_693_134_862_315_7e308, 1e-7, 123.456] {
            let text = format_double(number);
            assert_eq!(parse_finite_double(text.as_bytes()), Ok(number), "{text}");
        }
        assert_eq!(format_double(3.10), "3.1");
        assert_eq!(format_double(-0.0), "0");
        assert_eq!(format_double(1e300), "1e300");
        assert_eq!(parse_finite_double(b"inf"), Err(CommandError::NotAFloat));
        assert_eq!(parse_finite_double(b"1e400"), Err(CommandError::NotAFloat));
    }
}
