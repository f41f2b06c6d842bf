//! LOLWUT: computer art.
//!
//! Redis draws; Zumic counts. Its port is Kaprekar's constant: take four digits, not all equal,
//! sort them down and up, subtract, and repeat; within seven steps you stand at 6174 and stay.

use std::fmt::Write as _;

use engine::{Context, Halt};
use zumic_error::CommandError;

use super::version;

const KAPREKAR: u16 = 6_174;

/// Answers `LOLWUT [VERSION version] [number]`.
pub(super) fn run(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let is_version = args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"version"));
    let rest = match args {
        [_, _, number, rest @ ..] if is_version => {
            super::integer(number).ok_or(CommandError::NotAnInteger)?;
            rest
        }
        [_, rest @ ..] => rest,
        [] => &[],
    };
    let chosen = rest.first().and_then(|text| super::integer(text));
    let chosen =
        chosen.and_then(|number| u16::try_from(number).ok()).filter(|n| has_two_digits(*n));
    let start = chosen.unwrap_or_else(|| random_start(context));
    context.sink().verbatim(*b"txt", draw(start).as_bytes());
    Ok(())
}

/// Whether the number has at most four digits, at least two of them different (zeros included).
fn has_two_digits(number: u16) -> bool {
    number < 10_000 && digits(number).iter().any(|digit| *digit != digits(number)[0])
}

fn random_start(context: &mut Context<'_>) -> u16 {
    loop {
        let number = u16::try_from(context.random() % 10_000).expect("below 10,000");
        if has_two_digits(number) {
            return number;
        }
    }
}

fn digits(number: u16) -> [u16; 4] {
    [number / 1_000, number / 100 % 10, number / 10 % 10, number % 10]
}

/// The number made of the digits, greatest first, and the one made of them least first.
fn sorted(number: u16) -> (u16, u16) {
    let mut up = digits(number);
    up.sort_unstable();
    let join = |digits: [u16; 4]| digits.into_iter().fold(0, |sum, digit| sum * 10 + digit);
    let [a, b, c, d] = up;
    (join([d, c, b, a]), join(up))
}

fn draw(start: u16) -> String {
    let mut text = String::new();
    let mut number = start;
    loop {
        let (down, up) = sorted(number);
        let bar = "=".repeat(usize::from((down - up) / 250));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{down:04} - {up:04} = {:04} {bar}", down - up);
        number = down - up;
        if number == KAPREKAR {
            break;
        }
    }
    let _ = writeln!(text, "\nEvery road leads to {KAPREKAR}.");
    let _ = writeln!(text, "Redis ver. {} (Zumic {})", version::REDIS, version::ZUMIC);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_road_leads_to_the_port_within_seven_steps() {
        for start in (0..10_000).filter(|number| has_two_digits(*number)) {
            let art = draw(start);
            let steps = art.lines().position(str::is_empty).unwrap();
            assert!(steps <= 7, "{start} took {steps} steps");
        }
        assert!(!has_two_digits(1_111) && !has_two_digits(0) && !has_two_digits(10_000));
    }
}
