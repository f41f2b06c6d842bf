//! Where a value ends, without decoding it.
//!
//! Why it exists: in an RDB file values follow each other without their lengths. Whoever reads a
//! file with several threads finds the ends here, at a fraction of the cost of decoding, and hands
//! the bytes out.

use super::super::damage::{Damage, Flaw};
use super::super::input::Input;
use super::{NODE_PACKED, NODE_PLAIN, code};

/// Passes over a value, from its first byte to behind its last.
///
/// # Errors
/// [`Flaw::Truncated`] when the value goes on behind the input: with more bytes, it may be whole.
/// Other flaws are there to stay. Not everything is looked at: decoding may find more.
pub fn extent(type_byte: u8, input: &mut Input<'_>) -> Result<(), Damage> {
    match type_byte {
        code::STRING
        | code::HASH_ZIPMAP
        | code::LIST_ZIPLIST
        | code::SET_INTSET
        | code::SET_LISTPACK
        | code::ZSET_ZIPLIST
        | code::ZSET_LISTPACK
        | code::HASH_ZIPLIST
        | code::HASH_LISTPACK
        | code::HASH_LISTPACK_TIMED_RC => input.skip_word(),
        code::HASH_LISTPACK_TIMED => {
            input.take(8)?;
            input.skip_word()
        }
        code::LIST | code::SET | code::LIST_QUICKLIST => each(input, |input| input.skip_word()),
        code::HASH => each(input, |input| {
            input.skip_word()?;
            input.skip_word()
        }),
        code::HASH_TIMED_RC => each(input, timed_field),
        code::HASH_TIMED => {
            input.take(8)?;
            each(input, timed_field)
        }
        code::LIST_QUICKLIST_2 => each(input, |input| match input.length()? {
            NODE_PLAIN | NODE_PACKED => input.skip_word(),
            _ => Err(input.damage(Flaw::Length)),
        }),
        code::ZSET => each(input, |input| {
            input.skip_word()?;
            match input.byte()? {
                253..=255 => Ok(()),
                len => input.take(usize::from(len)).map(drop),
            }
        }),
        code::ZSET_2 => each(input, |input| {
            input.skip_word()?;
            input.take(8).map(drop)
        }),
        code::STREAM => stream(3, false, false, input),
        code::STREAM_2 => stream(8, true, false, input),
        code::STREAM_3 => stream(8, true, true, input),
        code::MODULE_2 => module(input),
        code::TIME_SERIES => time_series(input),
        other => Err(input.damage(Flaw::Type(other))),
    }
}

/// Passes over a count and so many parts.
fn each(
    input: &mut Input<'_>,
    mut part: impl FnMut(&mut Input<'_>) -> Result<(), Damage>,
) -> Result<(), Damage> {
    // The count is not believed: each part takes a byte at least, so the input ends first.
    for _ in 0..input.length()? {
        part(input)?;
    }
    Ok(())
}

fn timed_field(input: &mut Input<'_>) -> Result<(), Damage> {
    input.length()?;
    input.skip_word()?;
    input.skip_word()
}

fn stream(
    counters: usize,
    with_read: bool,
    with_activity: bool,
    input: &mut Input<'_>,
) -> Result<(), Damage> {
    each(input, |input| {
        input.skip_word()?;
        input.skip_word()
    })?;
    for _ in 0..counters {
        input.length()?;
    }
    each(input, |input| {
        input.skip_word()?;
        for _ in 0..if with_read { 3 } else { 2 } {
            input.length()?;
        }
        each(input, |input| {
            input.take(24)?;
            input.length().map(drop)
        })?;
        each(input, |input| {
            input.skip_word()?;
            input.take(if with_activity { 16 } else { 8 })?;
            each(input, |input| input.take(16).map(drop))
        })
    })
}

fn module(input: &mut Input<'_>) -> Result<(), Damage> {
    input.length()?;
    skip_parts(input)
}

/// Passes over what a module wrote: it says of each part what it is; zero ends it.
pub(crate) fn skip_parts(input: &mut Input<'_>) -> Result<(), Damage> {
    loop {
        match input.length()? {
            0 => return Ok(()),
            1 | 2 => drop(input.length()?),
            3 => drop(input.take(4)?),
            4 => drop(input.take(8)?),
            5 => input.skip_word()?,
            _ => return Err(input.damage(Flaw::Length)),
        }
    }
}

fn time_series(input: &mut Input<'_>) -> Result<(), Damage> {
    input.length()?;
    input.byte()?;
    input.length()?;
    each(input, |input| {
        input.skip_word()?;
        input.skip_word()
    })?;
    each(input, |input| {
        input.take(8)?;
        input.length()?;
        input.skip_word()
    })
}
