//! Numbers as text, in the three ways that scripts meet.
//!
//! Why it exists: Lua and cjson print 14 digits as C's `%.14g`, cjson as many as it is told to; a
//! command gets the shortest text that reads as the same number, laid out as Redis does.

/// Whole numbers up to here are written without a point or an exponent by `write_shortest`: 2^62,
/// where Redis stops to take a double for an integer.
const WHOLE_MAX: f64 = 4_611_686_018_427_387_904.0;

/// Appends the shortest text that reads as `number`, laid out as Redis 7.2 does (after `fpconv`, by
/// Andreas Samoljuk): an exponent only far from 1.
pub(super) fn write_shortest(out: &mut Vec<u8>, number: f64) {
    if write_special(out, number) {
        return;
    }
    if number == 0.0 {
        out.extend_from_slice(if number.is_sign_negative() { b"-0" } else { b"0" });
        return;
    }
    if number.abs() <= WHOLE_MAX && number.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and at most 2^62")]
        let whole = number as i64;
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        return;
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    let text = format!("{:e}", number.abs());
    let (digits, magnitude) = parts(&text);
    let count = i32::try_from(digits.len()).expect("at most 17 digits");
    let exponent = magnitude - count + 1;
    if exponent >= 0 && magnitude < count + 7 {
        out.extend_from_slice(&digits);
        out.extend(std::iter::repeat_n(b'0', usize::try_from(exponent).expect("not negative")));
    } else if exponent < 0 && (exponent > -7 || magnitude.abs() < 4) {
        write_plain(out, &digits, magnitude);
    } else {
        write_scientific(out, &digits, magnitude);
    }
}

/// Appends a number as an argument of a command: whole numbers as integers, -0 as 0.
pub(super) fn write_argument(out: &mut Vec<u8>, number: f64) {
    write_shortest(out, if number == 0.0 { 0.0 } else { number });
}

/// Appends what C's `printf` makes of `%.<precision>g`.
///
/// # Panics
/// When `precision` is 0.
pub(super) fn write_general(out: &mut Vec<u8>, number: f64, precision: usize) {
    assert!(precision > 0, "there is a first digit");
    if write_special(out, number) {
        return;
    }
    // Whole numbers of fewer digits than the precision: what scripts print most.
    if number.fract() == 0.0 && number.abs() < 1e14 && precision >= 14 {
        if number == 0.0 && number.is_sign_negative() {
            out.push(b'-');
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 10^14")]
        let whole = number as i64;
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        return;
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    let text = format!("{:.*e}", precision - 1, number.abs());
    let (mut digits, magnitude) = parts(&text);
    while digits.len() > 1 && digits.last() == Some(&b'0') {
        digits.pop();
    }
    if magnitude < -4 || magnitude >= i32::try_from(precision).unwrap_or(i32::MAX) {
        // C writes two digits of the exponent at least.
        write_scientific_padded(out, &digits, magnitude);
    } else {
        write_plain(out, &digits, magnitude);
    }
}

/// The number that bytes begin with, and its length: decimal, hexadecimal, `inf` or `nan`, as C's
/// `strtod` reads it.
pub(super) fn read_prefix(bytes: &[u8]) -> Option<(f64, usize)> {
    let sign_len = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let sign = if bytes.first() == Some(&b'-') { -1.0 } else { 1.0 };
    let body = &bytes[sign_len..];
    let (magnitude, len) =
        read_word(body).or_else(|| read_hex(body)).or_else(|| read_decimal(body))?;
    Some((sign * magnitude, sign_len + len))
}

fn read_word(body: &[u8]) -> Option<(f64, usize)> {
    let begins =
        |word: &[u8]| body.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if begins(b"infinity") {
        return Some((f64::INFINITY, 8));
    }
    if begins(b"inf") {
        return Some((f64::INFINITY, 3));
    }
    if !begins(b"nan") {
        return None;
    }
    // `nan(letters)` is one word.
    let inner = body[3..].strip_prefix(b"(").map_or(0, |inner| {
        let letters = inner.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        if inner.get(letters) == Some(&b')') { letters + 2 } else { 0 }
    });
    Some((f64::NAN, 3 + inner))
}

fn digits(bytes: &[u8], is_digit: fn(&u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| is_digit(byte)).count()
}

/// The length of an exponent: its letter, a sign and decimal digits; 0 when there is none.
fn exponent_len(bytes: &[u8], letter: u8) -> usize {
    if !bytes.first().is_some_and(|byte| byte.eq_ignore_ascii_case(&letter)) {
        return 0;
    }
    let sign = usize::from(matches!(bytes.get(1), Some(b'+' | b'-')));
    match digits(&bytes[1 + sign..], u8::is_ascii_digit) {
        0 => 0,
        count => 1 + sign + count,
    }
}

fn read_decimal(body: &[u8]) -> Option<(f64, usize)> {
    let whole = digits(body, u8::is_ascii_digit);
    let mut len = whole;
    if body.get(len) == Some(&b'.') {
        let fraction = digits(&body[len + 1..], u8::is_ascii_digit);
        if whole + fraction == 0 {
            return None;
        }
        len += 1 + fraction;
    }
    if len == 0 {
        return None;
    }
    len += exponent_len(&body[len..], b'e');
    let text = std::str::from_utf8(&body[..len]).ok()?;
    Some((text.parse().ok()?, len))
}

/// `0x`, hexadecimal digits with a point, and a binary exponent after `p`.
fn read_hex(body: &[u8]) -> Option<(f64, usize)> {
    let [b'0', b'x' | b'X', rest @ ..] = body else {
        return None;
    };
    let whole = digits(rest, u8::is_ascii_hexdigit);
    let mut len = whole;
    let mut fraction = 0;
    if rest.get(len) == Some(&b'.') {
        fraction = digits(&rest[len + 1..], u8::is_ascii_hexdigit);
        len += 1 + fraction;
    }
    if whole + fraction == 0 {
        // The zero before the x.
        return Some((0.0, 1));
    }
    // 60 bits, the last of which says whether any bit below is set, round as all of them would.
    let (mut mantissa, mut exponent) = (0_u64, -4 * i32::try_from(fraction).ok()?);
    for byte in rest[..len].iter().filter(|byte| **byte != b'.') {
        let digit = u64::from(char::from(*byte).to_digit(16)?);
        if mantissa >> 59 == 0 {
            mantissa = mantissa << 4 | digit;
        } else {
            mantissa |= u64::from(digit != 0);
            exponent = exponent.saturating_add(4);
        }
    }
    let tail = exponent_len(&rest[len..], b'p');
    if tail > 0 {
        let text = std::str::from_utf8(&rest[len + 1..len + tail]).ok()?;
        let limit = if text.starts_with('-') { -1_000_000 } else { 1_000_000 };
        exponent = exponent.saturating_add(text.parse().unwrap_or(limit));
    }
    Some((scale(mantissa, exponent), 2 + len + tail))
}

/// `mantissa * 2^exponent`, rounded once.
#[expect(clippy::cast_precision_loss, reason = "the sum is rounded to what a double holds")]
fn scale(mantissa: u64, exponent: i32) -> f64 {
    let half = exponent.clamp(-1_200, 1_200);
    // Powers in steps that are exact; a result below the normal numbers is rounded by the last.
    let first = half / 2;
    mantissa as f64 * 2_f64.powi(first) * 2_f64.powi(half - first)
}

/// What is no decimal number.
fn write_special(out: &mut Vec<u8>, number: f64) -> bool {
    if number.is_finite() {
        return false;
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    out.extend_from_slice(if number.is_nan() { b"nan" } else { b"inf" });
    true
}

/// The digits of `d.ddde±x`, and x.
fn parts(text: &str) -> (Vec<u8>, i32) {
    let (mantissa, exponent) = text.split_once('e').expect("a number in scientific form");
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    (digits, exponent.parse().expect("a decimal exponent"))
}

fn write_plain(out: &mut Vec<u8>, digits: &[u8], magnitude: i32) {
    let Ok(whole) = usize::try_from(magnitude + 1) else {
        out.extend_from_slice(b"0.");
        let zeros = usize::try_from(-magnitude - 1).expect("the first digit is behind the point");
        out.extend(std::iter::repeat_n(b'0', zeros));
        out.extend_from_slice(digits);
        return;
    };
    if whole == 0 {
        out.extend_from_slice(b"0.");
        out.extend_from_slice(digits);
    } else if whole >= digits.len() {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

fn write_mantissa(out: &mut Vec<u8>, digits: &[u8], magnitude: i32) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.push(b'e');
    out.push(if magnitude < 0 { b'-' } else { b'+' });
}

fn write_scientific(out: &mut Vec<u8>, digits: &[u8], magnitude: i32) {
    write_mantissa(out, digits, magnitude);
    out.extend_from_slice(itoa::Buffer::new().format(magnitude.unsigned_abs()).as_bytes());
}

fn write_scientific_padded(out: &mut Vec<u8>, digits: &[u8], magnitude: i32) {
    write_mantissa(out, digits, magnitude);
    if magnitude.unsigned_abs() < 10 {
        out.push(b'0');
    }
    out.extend_from_slice(itoa::Buffer::new().format(magnitude.unsigned_abs()).as_bytes());
}
