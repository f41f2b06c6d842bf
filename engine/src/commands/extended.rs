//! Redis's `long double`: 64 bits of mantissa, 15 of exponent, rounded to nearest even.
//!
//! Why it exists: INCRBYFLOAT answers what the x87 format computes and `%.17Lf` prints, and
//! clients store those digits. Rust has no such type, so this one computes it exactly: reading
//! rounds the exact decimal once, adding rounds the exact sum once, printing rounds the exact
//! value to 17 places. The results equal Redis's on x86-64 bit by bit (on other processors
//! Redis itself answers otherwise). Not for anything hot but these commands.
//!
//! Invariants
//! - E1: the mantissa's top bit is set, unless the exponent is [`EXPONENT_MIN`] or the value 0.

use super::natural::Natural;

/// Exponent of the last mantissa bit of the smallest numbers.
const EXPONENT_MIN: i32 = -16_445;
/// Exponent of the last mantissa bit of the largest numbers.
const EXPONENT_MAX: i32 = 16_383 - 63;
/// Longest text that is read as a number.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;
/// Digits after the point that are printed.
const PLACES: u32 = 17;

/// A number with 64 significant bits, or an infinity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Extended {
    negative: bool,
    infinite: bool,
    mantissa: u64,
    exponent: i32,
}

impl Extended {
    const ZERO: Self =
        Self { negative: false, infinite: false, mantissa: 0, exponent: EXPONENT_MIN };
    const INFINITY: Self = Self { infinite: true, ..Self::ZERO };

    /// The number equal to `number`.
    pub(super) fn from_integer(number: i64) -> Self {
        Self::rounded(u128::from(number.unsigned_abs()), 0, false).signed(number < 0)
    }

    /// Reads what `strtold` reads, if that is all of the text: decimals, hexadecimals, `inf`.
    ///
    /// `None` also for `nan`, for numbers that are too large and for those that round to zero
    /// without being zero, which Redis refuses.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, size) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if size.eq_ignore_ascii_case(b"inf") || size.eq_ignore_ascii_case(b"infinity") {
            return Some(Self::INFINITY.signed(negative));
        }
        let literal = match size {
            [b'0', b'x' | b'X', hex @ ..] => Literal::read(hex, 16)?,
            decimal => Literal::read(decimal, 10)?,
        };
        let number = literal.value();
        let vanished = number.mantissa == 0 && !literal.is_zero();
        (!number.infinite && !vanished).then(|| number.signed(negative))
    }

    /// Whether the number is an infinity.
    pub(super) const fn is_infinite(self) -> bool {
        self.infinite
    }

    const fn signed(self, negative: bool) -> Self {
        Self { negative, ..self }
    }

    /// The number with the other sign.
    pub(super) const fn negated(self) -> Self {
        self.signed(!self.negative)
    }

    /// The sum; `None` for infinity minus infinity.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        if self.infinite || other.infinite {
            let conflict = self.infinite && other.infinite && self.negative != other.negative;
            return (!conflict).then_some(if self.infinite { self } else { other });
        }
        let (large, small) = if (self.exponent, self.mantissa) >= (other.exponent, other.mantissa) {
            (self, other)
        } else {
            (other, self)
        };
        // 63 spare bits below the larger mantissa; what is shifted out beyond them only matters
        // as "something is there", which one sticky bit keeps.
        let apart = large.exponent.abs_diff(small.exponent);
        let wide = u128::from(small.mantissa) << 63;
        let kept = wide.checked_shr(apart).unwrap_or(0);
        let lost = kept.checked_shl(apart).unwrap_or(0) != wide;
        let small_wide = kept | u128::from(lost);
        let large_wide = u128::from(large.mantissa) << 63;
        let sum = if large.negative == small.negative {
            large_wide + small_wide
        } else {
            large_wide - small_wide
        };
        let negative = large.negative && (sum != 0 || small.negative);
        Some(Self::rounded(sum, large.exponent - 63, false).signed(negative))
    }

    /// A thousand times the number, rounded up to an integer; `None` beyond the largest `i64`,
    /// the smallest one below it.
    pub(super) fn thousandfold_up(self) -> Option<i64> {
        let whole = if self.infinite {
            u128::MAX
        } else {
            let product = Self::rounded(u128::from(self.mantissa) * 1_000, self.exponent, false);
            let mantissa = u128::from(product.mantissa);
            let shift = product.exponent.unsigned_abs();
            match product.exponent {
                _ if product.infinite => u128::MAX,
                1.. => {
                    if shift < 64 {
                        mantissa << shift
                    } else {
                        u128::MAX
                    }
                }
                _ => {
                    let floor = mantissa.checked_shr(shift).unwrap_or(0);
                    let exact = floor.checked_shl(shift).unwrap_or(0) == mantissa;
                    floor + u128::from(!exact && !self.negative)
                }
            }
        };
        if self.negative {
            return Some(i64::try_from(whole).map_or(i64::MIN, |whole| -whole));
        }
        i64::try_from(whole).ok()
    }

    /// The number nearest to `(value + sticky/2) * 2^exponent`, ties to even.
    fn rounded(value: u128, exponent: i32, sticky: bool) -> Self {
        if value == 0 {
            return Self::ZERO;
        }
        let bits = 128 - value.leading_zeros().cast_signed();
        let drop = (bits - 64).max(EXPONENT_MIN - exponent);
        let (mut kept, mut exponent) = if drop <= 0 {
            (value << drop.unsigned_abs(), exponent + drop)
        } else {
            (round_shift(value, drop.unsigned_abs(), sticky), exponent + drop)
        };
        if kept >> 64 != 0 {
            kept >>= 1;
            exponent += 1;
        }
        if exponent > EXPONENT_MAX {
            return Self::INFINITY;
        }
        let mantissa = u64::try_from(kept).expect("at most 64 bits are kept");
        Self { negative: false, infinite: false, mantissa, exponent }
    }

    /// Writes what `%.17Lf` prints, without trailing zeros: Redis's form for people.
    pub(super) fn to_text(self) -> String {
        if self.infinite {
            return if self.negative { "-inf" } else { "inf" }.to_owned();
        }
        let mut text = if self.exponent > 0 {
            let digits = self.mantissa.to_string();
            let mut number = Natural::from_digits(digits.bytes().map(|digit| digit - b'0'), 10);
            number.shift_left(self.exponent.unsigned_abs() as usize);
            number.into_decimal()
        } else {
            // The mantissa has 64 bits and 10^17 has 57, so the product fits.
            let scaled = u128::from(self.mantissa) * 10_u128.pow(PLACES);
            let fixed = round_shift(scaled, self.exponent.unsigned_abs(), false);
            let unit = 10_u128.pow(PLACES);
            let (whole, fraction) = (fixed / unit, fixed % unit);
            let text = format!("{whole}.{fraction:017}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        if self.negative && text != "0" {
            text.insert(0, '-');
        }
        text
    }
}

/// `value / 2^bits`, rounded to nearest even; `sticky` says that `value` is a little more.
fn round_shift(value: u128, bits: u32, sticky: bool) -> u128 {
    if bits == 0 {
        return value;
    }
    if bits > 128 {
        return 0;
    }
    let kept = value.checked_shr(bits).unwrap_or(0);
    let rest = value << (128 - bits);
    let half = 1_u128 << 127;
    let up = rest > half || (rest == half && (sticky || kept & 1 == 1));
    kept + u128::from(up)
}

/// The digits of a number as written: `digits * base^-places`, times a power.
struct Literal {
    digits: Vec<u8>,
    base: u32,
    /// Power of ten, or of two for hexadecimals.
    power: i64,
}

impl Literal {
    fn read(text: &[u8], base: u32) -> Option<Self> {
        let mark = if base == 16 { b'p' } else { b'e' };
        let split = text.iter().position(|byte| byte.to_ascii_lowercase() == mark);
        let (number, power) = match split {
            Some(at) => (&text[..at], read_power(&text[at + 1..])?),
            None => (text, 0),
        };
        let mut digits = Vec::with_capacity(number.len());
        let mut places: Option<i64> = None;
        for byte in number {
            if *byte == b'.' && places.is_none() {
                places = Some(0);
                continue;
            }
            let digit = char::from(*byte).to_digit(base)?;
            digits.push(u8::try_from(digit).expect("a digit is below 16"));
            places = places.map(|places| places + 1);
        }
        if digits.is_empty() {
            return None;
        }
        let per_place = if base == 16 { 4 } else { 1 };
        let power = power.saturating_sub(places.unwrap_or(0) * per_place);
        let mut literal = Self { digits, base, power };
        literal.trim();
        Some(literal)
    }

    /// Drops zeros that only cost time.
    fn trim(&mut self) {
        let leading = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..leading);
        let per_place = if self.base == 16 { 4 } else { 1 };
        while self.digits.last() == Some(&0) {
            self.digits.pop();
            self.power = self.power.saturating_add(per_place);
        }
    }

    const fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    fn value(&self) -> Extended {
        if self.is_zero() {
            return Extended::ZERO;
        }
        // Beyond these no text of the longest length comes back into range.
        let power = match self.power {
            40_000.. => return Extended::INFINITY,
            ..=-40_000 => return Extended::ZERO,
            power => i32::try_from(power).expect("between the bounds above"),
        };
        if self.base == 16 {
            return nearest(&Natural::from_digits(self.digits.iter().copied(), 16), power);
        }
        self.value_of_short(power).unwrap_or_else(|| self.value_exactly(power))
    }

    /// Decimals of any size.
    fn value_exactly(&self, power: i32) -> Extended {
        // A number below 10^-4970 rounds to zero, one above 10^4940 to infinity.
        let magnitude = power.saturating_add(i32::try_from(self.digits.len()).expect("short"));
        match magnitude {
            4_940.. => return Extended::INFINITY,
            ..=-4_970 => return Extended::ZERO,
            _ => {}
        }
        let mut number = Natural::from_digits(self.digits.iter().copied(), 10);
        if power >= 0 {
            number.scale_ten(power.unsigned_abs());
            return nearest(&number, 0);
        }
        let mut divisor = Natural::from_digits([1], 10);
        divisor.scale_ten(power.unsigned_abs());
        // Shifted so that the quotient has 100 bits: more than the mantissa and a guard.
        let shift = (divisor.bits() + 100).saturating_sub(number.bits());
        number.shift_left(shift);
        let wide = number.bits() - divisor.bits();
        if wide > 120 {
            divisor.shift_left(wide - 100);
        }
        let extra = i32::try_from(wide.saturating_sub(100) * usize::from(wide > 120));
        let (quotient, rest) = number.divide(divisor);
        let exponent = extra.expect("few thousand") - i32::try_from(shift).expect("few thousand");
        Extended::rounded(quotient, exponent, rest)
    }

    /// Numbers of ordinary size, in 128 bits: up to 38 digits, up to 18 places.
    ///
    /// 38 digits fit, and dividing 128 bits by 10^18 leaves 68 for the quotient: more than the
    /// mantissa and a guard.
    fn value_of_short(&self, power: i32) -> Option<Extended> {
        let zeros = usize::try_from(power).unwrap_or(0);
        if self.digits.len() + zeros > 38 || power < -18 {
            return None;
        }
        let digits = self.digits.iter().fold(0, |sum, digit| sum * 10 + u128::from(*digit));
        let scale = 10_u128.pow(power.unsigned_abs());
        if power >= 0 {
            return Some(Extended::rounded(digits * scale, 0, false));
        }
        let shift = digits.leading_zeros();
        let wide = digits << shift;
        Some(Extended::rounded(wide / scale, -shift.cast_signed(), wide % scale != 0))
    }
}

fn nearest(number: &Natural, exponent: i32) -> Extended {
    let (top, dropped, sticky) = number.top();
    let dropped = i32::try_from(dropped).expect("a text has few thousand digits");
    Extended::rounded(top, exponent + dropped, sticky)
}

/// Reads a power, saturating: a sign and at least one digit.
fn read_power(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0_i64, |sum, digit| {
        sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(i64::MAX / 4)
    });
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> String {
        let read = |text: &str| Extended::parse(text.as_bytes()).expect("a number");
        read(a).plus(read(b)).expect("no conflict").to_text()
    }

    /// Each answer is what redis-server 7.0.15 on x86-64 gave to SET a, INCRBYFLOAT a b.
    #[test]
    fn sums_equal_those_of_redis() {
        for (a, b, want) in [
            ("0.1", "0.2", "0.3"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("12", "0x10", "28"),
            ("0", "1e-18", "0"),
            ("0", "-1e-18", "0"),
            ("-0", "-0", "0"),
            ("1", "-1", "0"),
            ("3", "1.0000000000000000001", "4"),
            ("9223372036854775807", "1", "9223372036854775808"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("36893488147419103233", "0", "36893488147419103232"),
            ("1e30", "1", "1000000000000000000024696061952"),
            (".5", "1.", "1.5"),
            ("0", "5e-18", "0"),
            ("0", "0.000000000000000015", "0.00000000000000002"),
            ("0x1.8p3", "-0X.8P1", "11"),
            ("123456789012345678901234567890", "0.5", "123456789012345678899921813504"),
            ("1e-4940", "0", "0"),
            ("3.0", "-2.9", "0.1"),
        ] {
            assert_eq!(sum(a, b), want, "{a} + {b}");
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in [
            "",
            " 1",
            "1 ",
            "1e",
            "1e+",
            ".",
            "-",
            "0x",
            "0x.",
            "x",
            "nan",
            "1.2.3",
            "1\0",
            "1e5000",
            "-1e5000",
            "1e-5000",
            "1e99999999999999999999",
            "infinit",
            "--1",
            "0x1p",
            "1p3",
        ] {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text:?}");
        }
        for text in ["inf", "-INFINITY", "0x1.8p3", "0e999999", "+1", "3.6e-4951", "1e4932"] {
            assert!(Extended::parse(text.as_bytes()).is_some(), "{text:?}");
        }
        assert_eq!(Extended::parse("9".repeat(5_120).as_bytes()), None);
    }

    /// The path for short numbers and the exact one must be one function.
    #[test]
    fn both_paths_agree() {
        let mut state: u64 = 7;
        for step in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            let (digits, more, places) = (state >> 1, state >> 7, state % 19);
            let plain = format!("{digits}{more}e-{places}");
            let literal = Literal::read(plain.as_bytes(), 10).expect("a number");
            let power = i32::try_from(literal.power).expect("a small power");
            let short = literal.value_of_short(power).expect("short enough");
            assert_eq!(short, literal.value_exactly(power), "step={step} {plain}");
        }
    }
}
