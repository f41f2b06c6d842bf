//! Numbers as the protocol writes them.

/// Parses a decimal integer: an optional minus, digits, nothing else, no superfluous zeros.
///
/// Cost: O(digits), no allocation. `None` for any other shape and beyond 64 bits.
///
/// # Examples
/// ```
/// use protocol::parse_integer;
/// assert_eq!(parse_integer(b"-42"), Some(-42));
/// assert_eq!(parse_integer(b"042"), None);
/// assert_eq!(parse_integer(b"-0"), None);
/// assert_eq!(parse_integer(b"9223372036854775808"), None);
/// ```
#[must_use]
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [] => return None,
        [b'0'] => return (!negative).then_some(0),
        [b'0', ..] => return None,
        _ => {}
    }
    let mut value = 0_i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(digit - b'0');
        value = value.checked_mul(10)?;
        value = if negative { value.checked_sub(digit)? } else { value.checked_add(digit)? };
    }
    Some(value)
}

/// Largest whole number that is written in plain digits whatever its zeros, as Redis 7.2 does
/// (half of `i64::MAX`, which as a double is this power of two).
const PLAIN_WHOLE_MAX: f64 = (1_u64 << 62) as f64;

/// Writes a double in the shortest form that reads back the same, laid out as Redis 7.2 does:
/// whole numbers up to 2^62 and numbers near zero in plain digits, others as `1e+20`; `inf`,
/// `-inf`, `nan`.
///
/// # Examples
/// ```
/// use protocol::write_double;
/// let text = |number| { let mut out = Vec::new(); write_double(&mut out, number); out };
/// assert_eq!(text(3.14), b"3.14");
/// assert_eq!(text(10.0), b"10");
/// assert_eq!(text(1e17), b"100000000000000000");
/// assert_eq!(text(1e21), b"1e+21");
/// assert_eq!(text(f64::NEG_INFINITY), b"-inf");
/// ```
pub fn write_double(out: &mut Vec<u8>, number: f64) {
    if number.is_nan() {
        out.extend_from_slice(b"nan");
        return;
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    if number.is_infinite() {
        out.extend_from_slice(b"inf");
        return;
    }
    if number == 0.0 {
        out.push(b'0');
        return;
    }
    if number.abs() <= PLAIN_WHOLE_MAX && number.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and at most 2^62")]
        let whole = number.abs() as i64;
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let mut digits = [0; DIGITS_MAX];
    let (digits, exponent) = scientific(buffer.format_finite(number.abs()), &mut digits);
    lay_out(out, digits, exponent);
}

/// Most characters of a number as `ryu` writes it.
const DIGITS_MAX: usize = 24;

/// Significant digits, without zeros around them, and the power of ten of the last one.
fn scientific<'d>(text: &str, digits: &'d mut [u8; DIGITS_MAX]) -> (&'d [u8], i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let mut exponent: i32 = exponent.parse().expect("ryu writes decimal exponents");
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let count = whole.len() + fraction.len();
    digits[..whole.len()].copy_from_slice(whole.as_bytes());
    digits[whole.len()..count].copy_from_slice(fraction.as_bytes());
    exponent -= i32::try_from(fraction.len()).expect("at most 17 digits");
    let mut digits = &digits[..count];
    while let [rest @ .., b'0'] = digits
        && !rest.is_empty()
    {
        digits = rest;
        exponent += 1;
    }
    while let [b'0', rest @ ..] = digits
        && !rest.is_empty()
    {
        digits = rest;
    }
    (digits, exponent)
}

fn lay_out(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let count = i32::try_from(digits.len()).expect("at most 17 digits");
    let magnitude = exponent + count - 1;
    if exponent >= 0 && magnitude < count + 7 {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', usize::try_from(exponent).expect("not negative")));
    } else if exponent < 0 && (exponent > -7 || magnitude.abs() < 4) {
        let point = count + exponent;
        if let Ok(point @ 1..) = usize::try_from(point) {
            out.extend_from_slice(&digits[..point]);
            out.push(b'.');
            out.extend_from_slice(&digits[point..]);
        } else {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', usize::try_from(-point).expect("not positive")));
            out.extend_from_slice(digits);
        }
    } else {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.push(b'e');
        out.push(if magnitude < 0 { b'-' } else { b'+' });
        out.extend_from_slice(itoa::Buffer::new().format(magnitude.abs()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_on_both_sides_of_every_limit() {
        assert_eq!(parse_integer(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_integer(b"-9223372036854775808"), Some(i64::MIN));
        let bad: [&[u8]; 9] =
            [b"", b"-", b"+1", b" 1", b"1 ", b"01", b"-01", b"-9223372036854775809", b"1.0"];
        for text in bad {
            assert_eq!(parse_integer(text), None, "{text:?}");
        }
    }

    #[test]
    fn doubles_read_back_the_same() {
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        for step in 0..20_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            let number = f64::from_bits(bits);
            if !number.is_finite() {
                continue;
            }
            let mut out = Vec::new();
            write_double(&mut out, number);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits, "step={step} {text}");
        }
    }

    #[test]
    fn the_layout_is_that_of_redis() {
        let cases = [
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (100.0, "100"),
            (1e17, "100000000000000000"),
            (-1e18, "-1000000000000000000"),
            (4_611_686_018_427_387_904.0, "4611686018427387904"),
            (4_611_686_018_427_388_928.0, "4611686018427389000"),
            (5e18, "5e+18"),
            (1e20, "1e+20"),
            (1.5e300, "1.5e+300"),
            (123_456_789.123, "123456789.123"),
            (0.000_001, "0.000001"),
            (1e-7, "1e-7"),
            (5e-324, "5e-324"),
        ];
        for (number, want) in cases {
            let mut out = Vec::new();
            write_double(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }
}
