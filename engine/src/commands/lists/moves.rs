//! Commands that move elements: from list to list, or from the first list that has any.
//!
//! Why it exists: several keys are involved. The dispatcher has taken all of them, so that each
//! command here is one step however many edits it makes; what can fail comes before the first.

use zumic_error::CommandError;

use super::reply_elements;
use super::{
    notify_taken, parse_end, parse_natural, pop_command, pop_event, pop_into, pop_many,
    push_command, push_event, rules,
};
use crate::collection::{Edit, Missing};
use crate::structures::listpack::{ListpackBuf, Popped};
use crate::values::list::{End, List};
use crate::{Class, Context, Halt};

/// From where to where an element moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move<'a> {
    pub(super) source: &'a [u8],
    pub(super) destination: &'a [u8],
    pub(super) from: End,
    pub(super) to: End,
}

impl<'a> Move<'a> {
    /// The arguments of LMOVE.
    pub(super) fn parse(args: &[&'a [u8]]) -> Result<Self, CommandError> {
        let (from, to) = (parse_end(args[3])?, parse_end(args[4])?);
        Ok(Self { source: args[1], destination: args[2], from, to })
    }

    /// The arguments of RPOPLPUSH.
    pub(super) fn right_to_left(args: &[&'a [u8]]) -> Self {
        Self { source: args[1], destination: args[2], from: End::Right, to: End::Left }
    }

    /// Moves an element; `None` when the source is absent.
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<Option<Popped>, Halt> {
        let moved = if self.source == self.destination {
            self.rotate(context)?
        } else {
            self.pass_on(context)?
        };
        let Some((moved, emptied)) = moved else { return Ok(None) };
        context.notify(Class::List, push_event(self.to), self.destination);
        notify_taken(context, pop_event(self.from), self.source, emptied);
        Ok(Some(moved))
    }

    /// Within one list: one edit, so that the list of one element does not vanish in between.
    fn rotate(self, context: &mut Context<'_>) -> Result<Option<(Popped, bool)>, Halt> {
        let rules = rules(context);
        let popped = context.edit(self.source, Missing::Skip, |list: &mut List| {
            let mut popped = Popped::new();
            pop_into(list, self.from, rules, &mut popped);
            list.push(&[&popped], self.to, rules);
            Ok(Edit::Changed((popped, false)))
        })?;
        let (from, to) = (end_word(self.from), end_word(self.to));
        context.log(&[b"LMOVE", self.source, self.source, from, to]);
        Ok(popped)
    }

    /// From one list to another.
    fn pass_on(self, context: &mut Context<'_>) -> Result<Option<(Popped, bool)>, Halt> {
        let rules = rules(context);
        // Redis looks at the source first, and at the destination only if there is a source.
        if !context.holds::<List>(self.source)? {
            return Ok(None);
        }
        context.holds::<List>(self.destination)?;
        let popped = context.edit(self.source, Missing::Skip, |list: &mut List| {
            let mut popped = Popped::new();
            pop_into(list, self.from, rules, &mut popped);
            Ok(Edit::Changed((popped, list.is_empty())))
        })?;
        if let Some((popped, _)) = &popped {
            context.log(&[pop_command(self.from), self.source]);
            context.edit(self.destination, Missing::Create, |list: &mut List| {
                list.push(&[popped], self.to, rules);
                Ok(Edit::Changed(()))
            })?;
            context.log(&[push_command(self.to), self.destination, popped]);
        }
        Ok(popped)
    }
}

/// What LMOVE calls an end.
const fn end_word(end: End) -> &'static [u8] {
    match end {
        End::Left => b"LEFT",
        End::Right => b"RIGHT",
    }
}

fn answer(context: &mut Context<'_>, moved: Option<Popped>) {
    match moved {
        Some(moved) => context.sink().bulk(&moved),
        None => context.sink().null(),
    }
}

/// LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>
pub(in crate::commands) fn lmove(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let moved = Move::parse(args)?.run(context)?;
    answer(context, moved);
    Ok(())
}

/// RPOPLPUSH source destination
pub(in crate::commands) fn rpoplpush(
    context: &mut Context<'_>,
    args: &[&[u8]],
) -> Result<(), Halt> {
    let moved = Move::right_to_left(args).run(context)?;
    answer(context, moved);
    Ok(())
}

/// What LMPOP takes from where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Take<'a, 'k> {
    keys: &'k [&'a [u8]],
    end: End,
    count: usize,
}

impl<'a, 'k> Take<'a, 'k> {
    /// `numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`
    pub(super) fn parse(args: &'k [&'a [u8]]) -> Result<Self, CommandError> {
        let keys_len = parse_natural(args[0], CommandError::NumkeysNotPositive)?;
        if keys_len == 0 {
            return Err(CommandError::NumkeysNotPositive);
        }
        let rest = &args[1..];
        if keys_len >= rest.len() {
            return Err(CommandError::Syntax);
        }
        let (keys, rest) = rest.split_at(keys_len);
        let end = parse_end(rest[0])?;
        let count = match &rest[1..] {
            [] => 1,
            [word, count, more @ ..] if word.eq_ignore_ascii_case(b"COUNT") => {
                let count = parse_natural(count, CommandError::CountNotPositive)?;
                if count == 0 {
                    return Err(CommandError::CountNotPositive);
                }
                if !more.is_empty() {
                    return Err(CommandError::Syntax);
                }
                count
            }
            _ => return Err(CommandError::Syntax),
        };
        Ok(Self { keys, end, count })
    }

    /// Takes from the first list that there is, and answers which and what.
    pub(super) fn run(
        self,
        context: &mut Context<'_>,
    ) -> Result<Option<(&'a [u8], ListpackBuf)>, Halt> {
        for key in self.keys {
            if let Some(popped) = pop_many(context, key, self.count, self.end)? {
                return Ok(Some((*key, popped)));
            }
        }
        Ok(None)
    }
}

/// Writes which list gave, and what.
pub(super) fn answer_taken(context: &mut Context<'_>, key: &[u8], taken: &ListpackBuf) {
    let sink = context.sink();
    sink.array(2);
    sink.bulk(key);
    reply_elements(sink, taken.as_ref());
}

/// LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]
pub(in crate::commands) fn lmpop(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    match Take::parse(&args[1..])?.run(context)? {
        Some((key, taken)) => answer_taken(context, key, &taken),
        None => context.sink().null_array(),
    }
    Ok(())
}
