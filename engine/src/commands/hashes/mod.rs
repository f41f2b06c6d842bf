//! Handlers: hashes.
//!
//! Why it exists: what all of them share is here. An editing handler never meets a field that
//! has expired: [`edit`] removes those first, as steps of their own, so that the edit proper can
//! still fail without having changed anything. A reading handler skips them. Fields that nobody
//! asks for are removed by the sweep (`crate::maintain`).

mod expire;
mod random;
mod read;
mod scan;
mod write;

use zumic_error::{CommandError, HashError};

use super::number::integer;
use crate::events::Class;
use crate::values::hash::{Hash, Limits};
use crate::{Context, Edit, Halt, Missing};

pub(super) use expire::{
    hexpire, hexpireat, hexpiretime, hgetdel, hgetex, hpersist, hpexpire, hpexpireat, hpexpiretime,
    hpttl, hsetex, httl,
};
pub(super) use random::hrandfield;
pub(super) use read::{hexists, hget, hgetall, hkeys, hlen, hmget, hstrlen, hvals};
pub(super) use scan::hscan;
pub(super) use write::{hdel, hincrby, hincrbyfloat, hmset, hset, hsetnx};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// Most fields that have expired and are removed on the way of an edit, whatever they are.
const EXPIRED_MAX: usize = 64;

/// What an edit did.
#[derive(Clone, Copy, Debug)]
struct Done<R> {
    result: R,
    /// The hash lost its last field, and the key with it.
    emptied: bool,
}

fn limits(context: &Context<'_>) -> Limits {
    let (entries_max, value_max) = context.shared.tunables.hash_sizes_max();
    Limits { entries_max, value_max, seed: context.table_seed() }
}

/// Edits the hash at `args[1]`, in which no argument is an expired field; `None` when the key is
/// absent and may be.
fn edit<R>(
    context: &mut Context<'_>,
    args: &Args<'_>,
    missing: Missing,
    mut change: impl FnMut(&mut Hash) -> Result<Edit<R>, CommandError>,
) -> Result<Option<Done<R>>, Halt> {
    let (now, key) = (context.now_ms(), args[1]);
    // What had expired when an effect was made was removed by effects before it.
    let (logged, replays) = (context.is_logged(), context.replays);
    let mut gone = Vec::new();
    let mut is_first = true;
    loop {
        let mut emptied = false;
        let done = context.edit::<Hash, _>(key, missing, |hash| {
            gone.clear();
            let note = |field: &[u8]| {
                if logged {
                    gone.push(field.to_vec());
                }
            };
            let removed = if replays {
                0
            } else if is_first {
                hash.remove_due(now, EXPIRED_MAX, note)
            } else {
                // There may be more expired fields than one command should remove.
                hash.remove_expired(&args[2..], now, note)
            };
            if removed > 0 {
                emptied = hash.is_empty();
                return Ok(Edit::Changed(None));
            }
            let done = change(hash)?;
            emptied = hash.is_empty();
            Ok(match done {
                Edit::Changed(result) => Edit::Changed(Some(result)),
                Edit::Same(result) => Edit::Same(Some(result)),
            })
        })?;
        is_first = false;
        match done {
            None => return Ok(None),
            Some(None) => {
                context.log_parts_gone(key, &gone);
                tell(context, "hexpired", key, emptied);
            }
            Some(Some(result)) => return Ok(Some(Done { result, emptied })),
        }
    }
}

/// Tells what happened to a hash and, if that was the end of it, to its key.
fn tell(context: &mut Context<'_>, event: &'static str, key: &[u8], emptied: bool) {
    context.notify(Class::Hash, event, key);
    if emptied {
        context.notify(Class::Generic, "del", key);
    }
}

/// The fields behind `FIELDS numfields`, which stands at `at`. `invalid` is the error for a count
/// that is no number above zero.
fn fields<'r, 'a>(
    args: &'r Args<'a>,
    at: usize,
    invalid: HashError,
) -> Result<&'r Args<'a>, CommandError> {
    if !args.get(at).is_some_and(|word| word.eq_ignore_ascii_case(b"FIELDS")) {
        return Err(HashError::FieldsMissing.into());
    }
    let count = args.get(at + 1).and_then(|count| integer(count)).filter(|count| *count > 0);
    let count = count.ok_or(invalid)?;
    let fields = args.get(at + 2..).unwrap_or_default();
    if usize::try_from(count) != Ok(fields.len()) {
        return Err(HashError::FieldCountMismatch.into());
    }
    Ok(fields)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).expect("a count of fields in memory")
}
