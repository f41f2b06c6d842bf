//! `bit`: operations on 32 bits, as Mike Pall's BitOp does them.
//!
//! Why it exists: rate limiters and Bloom filters in scripts hash and mask. A number becomes 32
//! bits by wrapping, results are signed.

use mlua::ffi::lua_CFunction;

use super::raw::{Outcome, Stack, native};
use super::redis::set_functions;
use super::shared::Shared;

const FUNCTIONS: &[(&[u8], lua_CFunction)] = &[
    (b"arshift", native!(arshift)),
    (b"band", native!(band)),
    (b"bnot", native!(bnot)),
    (b"bor", native!(bor)),
    (b"bswap", native!(bswap)),
    (b"bxor", native!(bxor)),
    (b"lshift", native!(lshift)),
    (b"rol", native!(rol)),
    (b"ror", native!(ror)),
    (b"rshift", native!(rshift)),
    (b"tobit", native!(tobit)),
    (b"tohex", native!(tohex)),
];

/// Pushes the table; may raise.
pub(super) fn push(stack: Stack, shared: &Shared) {
    stack.push_table(0, FUNCTIONS.len());
    set_functions(stack, shared, FUNCTIONS);
}

/// The lowest 32 bits of the integer nearest to a number; beyond 2^51 the bits that the sum with
/// 1.5 * 2^52 has, as BitOp takes them.
fn bits_of(number: f64) -> u32 {
    /// 2^52 + 2^51: the sum has the integer in its lowest bits.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    #[expect(clippy::cast_possible_truncation, reason = "the lowest 32 bits are what is wanted")]
    let low = (number + SHIFT).to_bits() as u32;
    low
}

/// An argument's bits; may raise.
fn bits(stack: Stack, argument: i32) -> u32 {
    bits_of(stack.check_number(argument))
}

fn give(stack: Stack, bits: u32) -> Outcome {
    stack.push_number(f64::from(bits.cast_signed()));
    Ok(1)
}

/// Joins all arguments.
fn fold(stack: Stack, join: fn(u32, u32) -> u32) -> Outcome {
    let mut result = bits(stack, 1);
    for argument in 2..=stack.top() {
        result = join(result, bits(stack, argument));
    }
    give(stack, result)
}

/// Shifts the first argument by the lowest five bits of the second.
fn shift(stack: Stack, by: fn(u32, u32) -> u32) -> Outcome {
    let value = bits(stack, 1);
    let count = bits(stack, 2) & 31;
    give(stack, by(value, count))
}

fn tobit(stack: Stack, _: &Shared) -> Outcome {
    give(stack, bits(stack, 1))
}

fn bnot(stack: Stack, _: &Shared) -> Outcome {
    give(stack, !bits(stack, 1))
}

fn bswap(stack: Stack, _: &Shared) -> Outcome {
    give(stack, bits(stack, 1).swap_bytes())
}

fn band(stack: Stack, _: &Shared) -> Outcome {
    fold(stack, |a, b| a & b)
}

fn bor(stack: Stack, _: &Shared) -> Outcome {
    fold(stack, |a, b| a | b)
}

fn bxor(stack: Stack, _: &Shared) -> Outcome {
    fold(stack, |a, b| a ^ b)
}

fn lshift(stack: Stack, _: &Shared) -> Outcome {
    shift(stack, |value, count| value << count)
}

fn rshift(stack: Stack, _: &Shared) -> Outcome {
    shift(stack, |value, count| value >> count)
}

fn arshift(stack: Stack, _: &Shared) -> Outcome {
    shift(stack, |value, count| (value.cast_signed() >> count).cast_unsigned())
}

fn rol(stack: Stack, _: &Shared) -> Outcome {
    shift(stack, u32::rotate_left)
}

fn ror(stack: Stack, _: &Shared) -> Outcome {
    shift(stack, u32::rotate_right)
}

/// Hexadecimal digits: as many as the second argument says, upper case when it is negative.
fn tohex(stack: Stack, _: &Shared) -> Outcome {
    let value = bits(stack, 1);
    let wanted = if stack.top() < 2 { 8 } else { bits(stack, 2).cast_signed() };
    let digits = if wanted < 0 { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    let count = usize::try_from(wanted.unsigned_abs().min(8)).expect("at most 8");
    let mut text = [0; 8];
    for (place, out) in text.iter_mut().rev().enumerate() {
        *out = digits[(value >> (4 * place)) as usize & 15];
    }
    stack.push_bytes(&text[8 - count..]);
    Ok(1)
}
