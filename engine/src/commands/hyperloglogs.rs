//! Handlers: HyperLogLogs, which are strings of a certain form.

use zumic_error::{CommandError, HyperLogLogError};

use super::strings::{put, text_of};
use crate::structures::hyperloglog::{
    self, Encoding, Invalid, REGISTERS, Registers, Sketch, View, self_test,
};
use crate::{Change, Class, Context, Halt, NewText, Record, Text};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

impl From<Invalid> for CommandError {
    fn from(invalid: Invalid) -> Self {
        Self::HyperLogLog(match invalid {
            Invalid::Corrupt => HyperLogLogError::Corrupt,
            Invalid::NotASketch => HyperLogLogError::Invalid,
        })
    }
}

/// The sketch of a record that may be absent.
fn view_of(record: Option<&Record>) -> Result<Option<View<'_>>, CommandError> {
    match text_of(record)? {
        None => Ok(None),
        Some(Text::Slice(bytes)) => Ok(Some(View::new(bytes)?)),
        Some(Text::Int(_)) => Err(HyperLogLogError::Invalid.into()),
        // Sound runs are shorter than that.
        Some(Text::Large(large)) => {
            View::new(large.piece_at(0))?;
            Err(HyperLogLogError::Corrupt.into())
        }
    }
}

/// A change that stores a sketch in place of the one that was there.
fn store(live: Option<&Record>, sketch: Sketch) -> Change<'static> {
    put(NewText::Owned(sketch.into_bytes()), live.and_then(Record::expire_at_ms))
}

fn reply_count(context: &mut Context<'_>, count: u64) {
    context.sink().integer(count.cast_signed());
}

/// Bytes of the largest sparse sketch. One that was sparse when an effect was made stays so.
fn sparse_bytes_max(context: &Context<'_>) -> usize {
    if context.replays { usize::MAX } else { context.thresholds().hll_sparse_bytes_max }
}

/// PFADD key [element [element ...]]
pub(super) fn pfadd(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let elements = &args[2..];
    let bytes_max = sparse_bytes_max(context);
    let logged = context.is_logged();
    let mut image = None;
    let changed = context.update(args[1], |live| {
        let view = view_of(live)?;
        if view.is_some_and(|view| view.has_all(elements)) {
            return Ok((Change::Keep, false));
        }
        let was_dense = view.is_some_and(|view| view.encoding() == Encoding::Dense);
        let mut sketch = view.map_or_else(Sketch::default, Sketch::from);
        let mut changed = view.is_none();
        for element in elements {
            changed |= sketch.add(element, bytes_max)?;
        }
        if !changed {
            return Ok((Change::Keep, false));
        }
        sketch.set_stale();
        // When a sketch becomes dense is a matter of settings; what is dense stays so.
        let grew = logged && !was_dense && sketch.view().encoding() == Encoding::Dense;
        image = grew.then(|| (sketch.clone().into_bytes(), live.and_then(Record::expire_at_ms)));
        Ok((store(live, sketch), true))
    })?;
    if changed {
        match image {
            Some((bytes, deadline)) => context.log_text(args[1], &bytes, deadline),
            None => context.log(args),
        }
        context.notify(Class::String, "pfadd", args[1]);
    }
    context.sink().integer(i64::from(changed));
    Ok(())
}

/// Raises the registers to those of each key; whether one of the sketches is dense.
fn merge(
    context: &mut Context<'_>,
    keys: &[&[u8]],
    registers: &mut Registers,
) -> Result<bool, Halt> {
    let mut dense = false;
    for key in keys {
        if let Some(view) = view_of(context.read(key)?)? {
            dense |= view.encoding() == Encoding::Dense;
            view.merge_into(registers).map_err(CommandError::from)?;
        }
    }
    Ok(dense)
}

/// PFCOUNT key [key ...]
pub(super) fn pfcount(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let [key] = &args[1..] else {
        let mut registers = [0; REGISTERS];
        merge(context, &args[1..], &mut registers)?;
        reply_count(context, hyperloglog::count(&registers));
        return Ok(());
    };
    let Some(view) = view_of(context.read(key)?)? else {
        reply_count(context, 0);
        return Ok(());
    };
    if let Some(count) = view.cached() {
        reply_count(context, count);
        return Ok(());
    }
    // The count is kept in the string, as in Redis, where GET shows it.
    let count = context.update(key, |live| {
        let Some(view) = view_of(live)? else { return Ok((Change::Keep, 0)) };
        if let Some(count) = view.cached() {
            return Ok((Change::Keep, count));
        }
        let count = view.count()?;
        let mut sketch = Sketch::from(view);
        sketch.set_cached(count);
        Ok((store(live, sketch), count))
    })?;
    reply_count(context, count);
    Ok(())
}

/// PFMERGE destkey [sourcekey [sourcekey ...]]
pub(super) fn pfmerge(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let bytes_max = context.thresholds().hll_sparse_bytes_max;
    let mut sources = [0; REGISTERS];
    let dense = merge(context, &args[1..], &mut sources)?;
    context.update(args[1], |live| {
        let mut sketch = view_of(live)?.map_or_else(Sketch::default, Sketch::from);
        // Once more, because with a single key it may have changed.
        let mut registers = sources;
        sketch.view().merge_into(&mut registers)?;
        sketch.raise_all(&registers, dense, bytes_max)?;
        sketch.set_stale();
        Ok((store(live, sketch), ()))
    })?;
    context.notify(Class::String, "pfadd", args[1]);
    context.sink().simple("OK");
    Ok(())
}

/// Stores a sketch densely; its registers, and whether they were sparse.
fn make_dense(context: &mut Context<'_>, key: &[u8]) -> Result<(Box<Registers>, bool), Halt> {
    context.update(key, |live| {
        let view = view_of(live)?.ok_or(HyperLogLogError::KeyMissing)?;
        let mut registers = Box::new([0; REGISTERS]);
        view.merge_into(&mut registers)?;
        let mut sketch = Sketch::from(view);
        let sparse = sketch.to_dense()?;
        let change = if sparse { store(live, sketch) } else { Change::Keep };
        Ok((change, (registers, sparse)))
    })
}

/// PFDEBUG GETREG | DECODE | ENCODING | TODENSE key
pub(super) fn pfdebug(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let key = args[2];
    let missing = CommandError::from(HyperLogLogError::KeyMissing);
    let view = view_of(context.read(key)?)?.ok_or(missing)?;
    match args[1].to_ascii_uppercase().as_slice() {
        b"DECODE" => {
            let dense = CommandError::from(HyperLogLogError::NotSparse);
            let text = view.decoded().ok_or(dense)?;
            context.sink().bulk(text.as_bytes());
        }
        b"ENCODING" => {
            let name = if view.encoding() == Encoding::Dense { "dense" } else { "sparse" };
            context.sink().simple(name);
        }
        b"GETREG" => {
            let (registers, _) = make_dense(context, key)?;
            let sink = context.sink();
            sink.array(registers.len());
            registers.iter().for_each(|value| sink.integer(i64::from(*value)));
        }
        b"TODENSE" => {
            let (_, sparse) = make_dense(context, key)?;
            context.sink().integer(i64::from(sparse));
        }
        _ => {
            let name = String::from_utf8_lossy(args[1]).into_owned();
            return Err(CommandError::from(HyperLogLogError::SubcommandUnknown(name)).into());
        }
    }
    Ok(())
}

/// PFSELFTEST
pub(super) fn pfselftest(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    let failed = |what| CommandError::from(HyperLogLogError::SelfTest(what));
    self_test(context.random()).map_err(failed)?;
    context.sink().simple("OK");
    Ok(())
}
