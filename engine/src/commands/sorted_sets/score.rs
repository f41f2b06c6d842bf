//! How commands on sorted sets read doubles: as C's `strtod` does, with Redis's checks.
//!
//! Why it exists: `0x10`, `infinity` and `1e-400` are answered differently from place to place,
//! and Rust reads neither hexadecimal numbers nor tells what is beyond a double.

use zumic_error::CommandError;

/// A score, weight or increment: the whole text is a number, not NaN, not beyond a double.
///
/// # Errors
/// [`CommandError::NotAFloat`].
pub(super) fn parse_score(text: &[u8]) -> Result<f64, CommandError> {
    strict(text).ok_or(CommandError::NotAFloat)
}

/// The same with any error.
pub(in crate::commands) fn strict(text: &[u8]) -> Option<f64> {
    let (score, is_out_of_range) = number(text)?;
    (!is_out_of_range).then_some(score)
}

/// The end of a score range, without its parenthesis. It may begin with white space, be empty (0)
/// and beyond a double (infinity), and ends at a zero byte.
pub(super) fn bound(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    // C's white space has the vertical tab as well.
    let space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0B;
    let start = text.iter().position(|byte| !space(byte))?;
    number(&text[start..]).map(|(score, _)| score)
}

/// A number that is the whole text and not NaN, and whether it was out of range.
fn number(text: &[u8]) -> Option<(f64, bool)> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let magnitude = match digits {
        // Neither a second sign nor a name but those of infinity.
        [b'0', b'x' | b'X', rest @ ..] => hexadecimal(rest)?,
        [b'0'..=b'9' | b'.', ..] => decimal(digits)?,
        name if name.eq_ignore_ascii_case(b"inf") || name.eq_ignore_ascii_case(b"infinity") => {
            (f64::INFINITY, false)
        }
        _ => return None,
    };
    Some((if is_negative { -magnitude.0 } else { magnitude.0 }, magnitude.1))
}

fn decimal(text: &[u8]) -> Option<(f64, bool)> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let mantissa = text.iter().take_while(|byte| !byte.eq_ignore_ascii_case(&b'e'));
    let is_zero = mantissa.into_iter().all(|byte| matches!(byte, b'0' | b'.'));
    Some((number, number.is_infinite() || (number == 0.0 && !is_zero)))
}

/// Hexadecimal digits with a point and a binary exponent, as in `1.8p-3`.
fn hexadecimal(text: &[u8]) -> Option<(f64, bool)> {
    let end = text.iter().position(|byte| byte.eq_ignore_ascii_case(&b'p'));
    let (digits, exponent) = match end {
        None => (text, 0),
        Some(end) => (&text[..end], binary_exponent(&text[end + 1..])?),
    };
    // 64 bits and whether there was more are enough to round once.
    let (mut mantissa, mut power, mut count, mut behind_point) = (0_u64, exponent, 0, false);
    for byte in digits {
        if *byte == b'.' && !behind_point {
            behind_point = true;
            continue;
        }
        let digit = u64::from(char::from(*byte).to_digit(16)?);
        count += 1;
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | digit;
            power -= if behind_point { 4 } else { 0 };
        } else {
            mantissa |= u64::from(digit != 0);
            power += if behind_point { 0 } else { 4 };
        }
    }
    if count == 0 {
        return None;
    }
    let number = scale(mantissa, power);
    Some((number, number.is_infinite() || (number == 0.0 && mantissa != 0)))
}

fn binary_exponent(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let fold = |sum: i64, digit: &u8| (sum * 10 + i64::from(digit - b'0')).min(1 << 40);
    let exponent = digits.iter().fold(0, fold);
    Some(if is_negative { -exponent } else { exponent })
}

/// `mantissa * 2^power`.
fn scale(mantissa: u64, power: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "this is where it is rounded")]
    let mut number = mantissa as f64;
    // In steps that are doubles themselves; beyond these it is infinite or zero anyway.
    let mut power = i32::try_from(power.clamp(-2_300, 2_300)).expect("clamped");
    while power != 0 && number != 0.0 && number.is_finite() {
        let step = power.clamp(-1_000, 1_000);
        number *= 2_f64.powi(step);
        power -= step;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers are those of redis-server 7.0.
    #[test]
    fn scores_are_what_strtod_reads_whole() {
        let good: [(&str, f64); 19] = [
            ("0", 0.0),
            ("-0", -0.0),
            ("1", 1.0),
            ("+1", 1.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("1e3", 1000.0),
            ("1E-2", 0.01),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("+INF", f64::INFINITY),
            ("0x10", 16.0),
            ("-0x1.8p1", -3.0),
            ("0X.8", 0.5),
            ("0x1fffffffffffff8", 144_115_188_075_855_864.0),
            ("0e400", 0.0),
            ("5e-324", 5e-324),
            ("1e308", 1e308),
            ("0x1p-1074", 5e-324),
        ];
        for (text, want) in good {
            let got = parse_score(text.as_bytes()).map(f64::to_bits);
            assert_eq!(got, Ok(want.to_bits()), "{text}");
        }
        let bad = [
            "",
            " 1",
            "1 ",
            "abc",
            "nan",
            "-nan",
            "1e400",
            "-1e400",
            "1e-400",
            "0x",
            "0x.",
            "1e",
            "--1",
            "+-1",
            "1_0",
            "e5",
            ".",
            "infi",
            "0x1p",
            "0x1p1x",
            "1.2.3",
            "0x1p99999999999",
        ];
        for text in bad {
            assert_eq!(parse_score(text.as_bytes()), Err(CommandError::NotAFloat), "{text:?}");
        }
    }

    #[test]
    fn bounds_are_more_lenient() {
        let good: [(&str, f64); 8] = [
            ("", 0.0),
            (" 1", 1.0),
            ("\t\u{b}-2", -2.0),
            ("1e400", f64::INFINITY),
            ("-1e400", f64::NEG_INFINITY),
            ("1e-400", 0.0),
            ("3\0junk", 3.0),
            ("+inf", f64::INFINITY),
        ];
        for (text, want) in good {
            assert_eq!(bound(text.as_bytes()), Some(want), "{text:?}");
        }
        for text in [" ", "(1", "1 ", "nan", "x"] {
            assert_eq!(bound(text.as_bytes()), None, "{text:?}");
        }
    }
}
