//! Numbers as text, as commands get them.
//!
//! Why it exists: Lua prints 14 digits; a command gets the shortest text that reads as the same
//! number, laid out as Redis does.

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
