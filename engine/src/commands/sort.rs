//! SORT and SORT_RO.
//!
//! Why it exists: the answer depends on keys that only the elements name (BY and GET), on three
//! ways to compare and on corner cases that clients rely on: a BY without `*` keeps the order of
//! the source, elements that compare equal are ordered as strings where Redis does so, an empty
//! string is the number 0. With patterns the dispatcher has put every other session outside its
//! turn, so that what is read here is one instant.
//!
//! Invariants
//! - S1: everything is read before the first byte of the reply, and before the first write.

use std::cmp::Ordering;

use zumic_error::CommandError;

use super::extended::Extended;
use super::number::parse_integer;
use crate::structures::listpack::Entry;
use crate::values::hash::Hash;
use crate::values::list::List;
use crate::values::set::Set;
use crate::values::sorted_set::SortedSet;
use crate::{Class, Context, Halt, Kind};

/// Options with arguments, and how many.
pub(super) const OPTION_ARGUMENTS: &[(&str, usize)] =
    &[("BY", 1), ("GET", 1), ("LIMIT", 2), ("STORE", 1)];

/// Whether the arguments name keys by pattern. Wrong arguments may: the handler refuses them.
pub(super) fn follows_patterns(args: &[&[u8]]) -> bool {
    args.iter().skip(2).any(|arg| arg.contains(&b'*'))
}

/// Text pieces in one allocation; a piece may be missing.
#[derive(Debug, Default)]
struct Pieces {
    bytes: Vec<u8>,
    spans: Vec<Option<(usize, usize)>>,
}

impl Pieces {
    fn push(&mut self, piece: Option<&[u8]>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(piece.unwrap_or_default());
        self.spans.push(piece.map(|piece| (start, start + piece.len())));
    }

    fn len(&self) -> usize {
        self.spans.len()
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        self.spans[index].map(|(start, end)| &self.bytes[start..end])
    }

    /// A piece that is there: elements all are.
    fn element(&self, index: usize) -> &[u8] {
        self.get(index).unwrap_or_default()
    }
}

/// What the arguments ask for.
#[derive(Debug, Default)]
struct Options<'a> {
    alpha: bool,
    by: Option<&'a [u8]>,
    descending: bool,
    gets: Vec<&'a [u8]>,
    /// Offset and count as given.
    limit: Option<(i64, i64)>,
    store: Option<&'a [u8]>,
    /// A BY without `*` was given: the elements stay in their order.
    unsorted: bool,
}

impl<'a> Options<'a> {
    fn parse(args: &[&'a [u8]], read_only: bool) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut rest = &args[2..];
        while let [word, more @ ..] = rest {
            rest = more;
            match (word.to_ascii_uppercase().as_slice(), more) {
                (b"ASC", _) => options.descending = false,
                (b"DESC", _) => options.descending = true,
                (b"ALPHA", _) => options.alpha = true,
                (b"LIMIT", [offset, count, more @ ..]) => {
                    options.limit = Some((parse_integer(offset)?, parse_integer(count)?));
                    rest = more;
                }
                (b"STORE", [key, more @ ..]) if !read_only => {
                    options.store = Some(key);
                    rest = more;
                }
                (b"BY", [pattern, more @ ..]) => {
                    options.by = Some(pattern);
                    options.unsorted |= !pattern.contains(&b'*');
                    rest = more;
                }
                (b"GET", [pattern, more @ ..]) => {
                    options.gets.push(pattern);
                    rest = more;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }

    /// The positions to answer among `len` sorted ones.
    fn range(&self, len: usize) -> std::ops::Range<usize> {
        let (offset, count) = self.limit.unwrap_or((0, -1));
        let start = usize::try_from(offset.max(0)).unwrap_or(usize::MAX).min(len);
        let count = usize::try_from(count).unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }
}

/// The elements of a key in their own order, and its type.
fn elements(context: &mut Context<'_>, key: &[u8]) -> Result<(Pieces, Option<Kind>), Halt> {
    let mut pieces = Pieces::default();
    let mut push = |element: Entry<'_>| element.with_bytes(|bytes| pieces.push(Some(bytes)));
    let kind = super::keys::find(context, key)?.map(crate::Record::kind);
    match kind {
        None => {}
        Some(Kind::List) => {
            let list = context.view::<List>(key)?;
            list.iter().for_each(|list| list.get().each(0, list.get().len(), &mut push));
        }
        Some(Kind::Set) => {
            let set = context.view::<Set>(key)?;
            set.iter().for_each(|set| set.get().iter().for_each(&mut push));
        }
        Some(Kind::SortedSet) => {
            let set = context.view::<SortedSet>(key)?;
            set.iter().for_each(|set| set.get().iter().for_each(|(member, _)| push(member)));
        }
        Some(_) => return Err(CommandError::WrongType.into()),
    }
    Ok((pieces, kind))
}

/// What a pattern names for an element: the element itself, a string, or a field of a hash.
fn dereference(
    context: &mut Context<'_>,
    pattern: &[u8],
    element: &[u8],
) -> Result<Option<Vec<u8>>, Halt> {
    if pattern == b"#" {
        return Ok(Some(element.to_vec()));
    }
    let Some(star) = pattern.iter().position(|byte| *byte == b'*') else { return Ok(None) };
    let (before, behind) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = behind.windows(2).position(|two| two == b"->");
    // An arrow with nothing behind it is part of the key.
    let arrow = arrow.filter(|arrow| arrow + 2 < behind.len());
    let (behind, field) = match arrow {
        Some(arrow) => (&behind[..arrow], Some(&behind[arrow + 2..])),
        None => (behind, None),
    };
    let key = [before, element, behind].concat();
    let Some(record) = context.read(&key)? else { return Ok(None) };
    let Some(field) = field else {
        return Ok(record.text().map(|text| text.to_bytes().into_owned()));
    };
    if record.kind() != Kind::Hash {
        return Ok(None);
    }
    let now_ms = context.now_ms();
    let hash = context.view::<Hash>(&key)?;
    let item = hash.as_ref().and_then(|hash| hash.get().find_live(field, now_ms));
    Ok(item.map(|item| item.value.to_bytes().into_owned()))
}

/// A number as `strtod` reads it, if that is all of the text.
///
/// `None` where Redis complains: other text, not a number, out of a double's range.
fn score(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let text = &text[text.iter().take_while(|byte| is_space(byte)).count()..];
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if let [b'0', b'x' | b'X', ..] = digits {
        return Extended::parse(text)?.to_text().parse().ok();
    }
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let is_named = matches!(digits.first(), Some(b'i' | b'I'));
    // What is neither zero nor a normal number although it is finite set errno to ERANGE.
    let vanished = |byte: &u8| matches!(byte, b'1'..=b'9');
    let mantissa = digits.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let is_fine = match number.classify() {
        std::num::FpCategory::Infinite => is_named,
        std::num::FpCategory::Nan | std::num::FpCategory::Subnormal => false,
        std::num::FpCategory::Normal => true,
        std::num::FpCategory::Zero => !mantissa.iter().any(vanished),
    };
    is_fine.then_some(number)
}

/// Compares as `strcoll` does in the C locale: up to the first zero byte.
fn collate(a: &[u8], b: &[u8]) -> Ordering {
    let text = |bytes: &[u8]| bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    a[..text(a)].cmp(&b[..text(b)])
}

/// By what elements are compared.
enum Weights {
    /// Their own text.
    Own,
    Numbers(Vec<f64>),
    /// Text by pattern.
    Texts(Pieces),
}

impl Weights {
    fn read(
        context: &mut Context<'_>,
        elements: &Pieces,
        by: Option<&[u8]>,
        alpha: bool,
    ) -> Result<Result<Self, CommandError>, Halt> {
        let mut texts = Pieces::default();
        if let Some(pattern) = by {
            for index in 0..elements.len() {
                let text = dereference(context, pattern, elements.element(index))?;
                texts.push(text.as_deref());
            }
        }
        if alpha {
            return Ok(Ok(if by.is_some() { Self::Texts(texts) } else { Self::Own }));
        }
        let source = if by.is_some() { &texts } else { elements };
        // A key that is not there weighs nothing.
        let number = |index| source.get(index).map_or(Some(0.0), score);
        let numbers: Option<Vec<f64>> = (0..source.len()).map(number).collect();
        Ok(numbers.map(Self::Numbers).ok_or(CommandError::SortNotANumber))
    }

    fn compare(&self, elements: &Pieces, exact: bool, a: usize, b: usize) -> Ordering {
        let order = |a: &[u8], b: &[u8]| if exact { a.cmp(b) } else { collate(a, b) };
        match self {
            Self::Own => order(elements.element(a), elements.element(b)),
            Self::Numbers(numbers) => {
                let by_number = numbers[a].partial_cmp(&numbers[b]).unwrap_or(Ordering::Equal);
                by_number.then_with(|| elements.element(a).cmp(elements.element(b)))
            }
            Self::Texts(texts) => match (texts.get(a), texts.get(b)) {
                (Some(a), Some(b)) => order(a, b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            },
        }
    }
}

/// The elements to answer, as indexes into the source in their order.
fn order(
    context: &mut Context<'_>,
    options: &Options<'_>,
    elements: &Pieces,
    kind: Option<Kind>,
) -> Result<Vec<usize>, Halt> {
    let is_set = kind == Some(Kind::Set);
    // A set has no order to keep: what is stored of it is sorted whatever was asked for.
    let forced = options.unsorted && is_set && options.store.is_some();
    let range = options.range(elements.len());
    if options.unsorted && !forced {
        let last = elements.len().wrapping_sub(1);
        let reversed = options.descending && !is_set;
        return Ok(range.map(|at| if reversed { last - at } else { at }).collect());
    }
    let by = options.by.filter(|_| !forced);
    let weights = Weights::read(context, elements, by, options.alpha || forced)??;
    let exact = options.store.is_some();
    let mut indexes: Vec<usize> = (0..elements.len()).collect();
    let compare = |a: &usize, b: &usize| {
        let order = weights.compare(elements, exact, *a, *b);
        let order = if options.descending { order.reverse() } else { order };
        order.then(a.cmp(b))
    };
    if range.end < indexes.len() && range.end > 0 {
        indexes.select_nth_unstable_by(range.end - 1, compare);
        indexes.truncate(range.end);
    }
    indexes.sort_unstable_by(compare);
    Ok(indexes.get(range).unwrap_or_default().to_vec())
}

/// Everything the command answers or stores.
fn sorted(context: &mut Context<'_>, options: &Options<'_>, key: &[u8]) -> Result<Pieces, Halt> {
    let (elements, kind) = elements(context, key)?;
    let order = order(context, options, &elements, kind)?;
    let mut output = Pieces::default();
    for index in order {
        let element = elements.element(index);
        if options.gets.is_empty() {
            output.push(Some(element));
        }
        for pattern in &options.gets {
            output.push(dereference(context, pattern, element)?.as_deref());
        }
    }
    Ok(output)
}

fn reply(context: &mut Context<'_>, output: &Pieces) {
    let sink = context.sink();
    sink.array(output.len());
    for index in 0..output.len() {
        match output.get(index) {
            Some(piece) => sink.bulk(piece),
            None => sink.null(),
        }
    }
}

/// SORT key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC]
/// [ALPHA] [STORE destination]
pub(super) fn sort(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let options = Options::parse(args, false)?;
    let output = sorted(context, &options, args[1])?;
    let Some(destination) = options.store else {
        reply(context, &output);
        return Ok(());
    };
    let rules = context.shared.tunables.list_rules();
    let list = List::from_values((0..output.len()).map(|index| output.element(index)), rules);
    let stored = !list.is_empty();
    let existed = context.replace(destination, Some(list))?;
    if stored {
        context.notify(Class::List, "sortstore", destination);
    } else if existed {
        context.notify(Class::Generic, "del", destination);
    }
    context.sink().integer(i64::try_from(output.len()).expect("fewer elements than 2^63"));
    Ok(())
}

/// SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC]
/// [ALPHA]
pub(super) fn sort_ro(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let options = Options::parse(args, true)?;
    let output = sorted(context, &options, args[1])?;
    reply(context, &output);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_read_as_strtod_reads_them() {
        for (text, want) in [
            ("", Some(0.0)),
            ("1", Some(1.0)),
            (" \t1", Some(1.0)),
            ("+1.5e1", Some(15.0)),
            ("-.5", Some(-0.5)),
            ("5.", Some(5.0)),
            ("0x10", Some(16.0)),
            ("-0x10", Some(-16.0)),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1\0abc", Some(1.0)),
            ("0e400", Some(0.0)),
            ("-0", Some(0.0)),
            (" ", None),
            ("1 ", None),
            ("1x", None),
            ("nan", None),
            ("1e400", None),
            ("1e-400", None),
            ("1e", None),
            ("abc", None),
            ("--1", None),
            (".", None),
        ] {
            assert_eq!(score(text.as_bytes()), want, "{text:?}");
        }
    }

    #[test]
    fn limits_are_clamped() {
        let range = |offset, count| {
            let options = Options { limit: Some((offset, count)), ..Options::default() };
            options.range(5)
        };
        assert_eq!(range(0, -1), 0..5);
        assert_eq!(range(-3, 2), 0..2);
        assert_eq!(range(2, 100), 2..5);
        assert_eq!(range(2, 0), 2..2);
        assert_eq!(range(5, 1), 5..5);
        assert_eq!(range(i64::MAX, i64::MAX), 5..5);
        assert_eq!(range(1, i64::MIN), 1..5);
    }
}
